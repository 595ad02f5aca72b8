//! How long other kernels take in virtual time: to the first case, for the whole catalogue, and several kernels at once.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use tcpconform_reports::json;

use super::walks::used_by_children;
use super::{BINARY, Outcome, out_folder};

const KERNELS: &str = "TCPCONFORM_KERNELS";

/// Plays the catalogue inside each kernel that is named in `TCPCONFORM_KERNELS`, and then inside all of them.
pub fn machines() -> Outcome {
    let named = std::env::var(KERNELS).unwrap_or_default();
    let kernels: Vec<&str> = named.split_whitespace().collect();
    if kernels.is_empty() {
        println!("machines: not measured, no kernel to boot is named in {KERNELS}");
        return Ok(());
    }
    for kernel in &kernels {
        println!("machines: {}", played(&[kernel])?);
    }
    println!("          (wanted: first case after at most 6 s, at most 60 s wall; a guest has 512 MB)");
    if kernels.len() > 1 {
        println!("machines: {} at once: {}", kernels.len(), played(&kernels)?);
        println!("          (wanted: five in at most 4 min wall on two cores)");
    }
    Ok(())
}

/// Plays the catalogue inside these kernels; what it took.
fn played(kernels: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let out = out_folder().join("machines");
    let _ = fs::remove_dir_all(&out);
    // Others' load, which is in the figures of a machine that is not idle.
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let used = used_by_children()?;
    let start = Instant::now();
    let mut command = Command::new(BINARY);
    command.args(["run", "--format", "json", "--out"]).arg(&out).stdout(Stdio::piped()).stderr(Stdio::null());
    for kernel in kernels {
        command.args(["--kernel", kernel]);
    }
    let mut run = command.spawn()?;
    let mut first = None;
    for line in run.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines) {
        if line?.contains("\"case-started\"") {
            first.get_or_insert_with(|| start.elapsed());
        }
    }
    let status = run.wait()?;
    let wall = start.elapsed().as_secs_f64();
    let used = (used_by_children()? - used).as_secs_f64();
    let first = first.ok_or_else(|| format!("{kernels:?}: no case was played: {status}"))?.as_secs_f64();
    let what = match fs::read(out.join("report.json")) {
        Ok(report) => {
            let report = json::read(&report)?;
            let minutes = report.target_seconds / 60.0;
            format!("{} in {minutes:.0} min of TCP's time, {}", report.target.release, report.totals)
        }
        Err(_) => status.to_string(),
    };
    Ok(format!("first case after {first:.1} s, {wall:.1} s wall, {used:.1} s CPU, load before {load}; {what}"))
}
