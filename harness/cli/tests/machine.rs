//! Machines as a user boots them. Needs QEMU, and kernels to boot: their names in `TCPCONFORM_KERNELS`, separated by spaces, each
//! as `--kernel` takes it. Without them the tests are ignored, and say so.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_tcpconform");
const KERNELS: &str = "TCPCONFORM_KERNELS";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let named = std::env::var(KERNELS).unwrap_or_default();
    let emulated = Command::new("qemu-system-x86_64").arg("--version").stdout(Stdio::null()).status().is_ok();
    let lack = match (named.trim().is_empty(), emulated) {
        (false, true) => None,
        (true, _) => Some(format!("no kernel to boot is named in {KERNELS}")),
        (false, false) => Some("there is no qemu-system-x86_64: apt install qemu-system-x86".to_owned()),
    };
    if let Some(lack) = &lack {
        eprintln!("\nmachines are NOT tested: {lack}\n");
    }
    let kernels: Vec<String> = named.split_whitespace().map(str::to_owned).collect();
    let mut trials = Vec::new();
    for (name, test) in TESTS {
        match &lack {
            Some(lack) => {
                let lack = lack.clone();
                let ignored = move || Ok(Completion::ignored_with(lack));
                trials.push(Trial::ignorable_test(format!("[machine] {name}"), ignored));
            }
            None => trials.extend(kernels.iter().cloned().map(|kernel| {
                let file = Path::new(&kernel).file_name().map_or("", |name| name.to_str().unwrap_or(""));
                Trial::test(format!("[machine] {name}: {file}"), move || test(&kernel).map_err(Failed::from))
            })),
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Test = fn(&str) -> Result<(), String>;

const TESTS: [(&str, Test); 4] = [
    ("a case is played as on the running kernel, and in the same way by a machine that is held up", played_alike),
    ("a kernel that panics is told with its own words", panics),
    ("a machine that dies leaves the verdicts of the cases that were finished", killed),
    ("a kernel is played once", twice),
];

/// Both topologies, both IP versions, waiting, and a process that ends.
const SELECTED: [&str; 3] = ["close/active", "time-wait/length", "close/process-end"];

fn run(kernel: &str, out: &Path, more: &[&str]) -> Output {
    start(kernel, out, more).wait_with_output().expect("the binary ends")
}

fn start(kernel: &str, out: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(BINARY);
    command.args(["run", "--kernel", kernel, "--out"]).arg(out).args(more).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
}

/// The machines of a run.
fn machines(run: &Child) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{}/task", run.id())).into_iter().flatten().flatten();
    // Both a thread and the whole run may end meanwhile.
    let children = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let children = children.collect::<String>();
    children.split_whitespace().map(|child| Pid::from_raw(child.parse().expect("a process"))).collect()
}

/// The same run with machines that stand still for a moment now and then, as on a host that has other things to do.
fn run_haltingly(kernel: &str, out: &Path, more: &[&str]) -> Output {
    let mut run = start(kernel, out, more);
    for microseconds in (200..1_200).step_by(7).cycle() {
        if run.try_wait().expect("a child of ours").is_some() {
            break;
        }
        for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
            for machine in machines(&run) {
                // It may be done meanwhile.
                let _ = kill(machine, signal);
            }
            thread::sleep(Duration::from_micros(microseconds));
        }
    }
    run.wait_with_output().expect("the binary ends")
}

fn expect(output: &Output, code: i32) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.code() {
        Some(is) if is == code => Ok(()),
        is => Err(format!("exit code {is:?}, not {code}\n{}\n{}", text(&output.stdout), text(&output.stderr))),
    }
}

fn report(out: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(out.join("report.json")).map_err(|error| error.to_string())?;
    let mut report: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    // The only two that may differ.
    for own in ["started", "wall_seconds"] {
        report[own].take();
    }
    Ok(report)
}

fn played_alike(kernel: &str) -> Result<(), String> {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let mut reports = Vec::new();
    for (folder, run) in folders.iter().zip([run, run_haltingly]) {
        expect(&run(kernel, folder.path(), &SELECTED), 0)?;
        reports.push(report(folder.path())?);
    }
    if reports[0]["target"]["time"] != "virtual" || reports[0]["totals"]["pass"] == 0 {
        return Err(format!("{}", reports[0]));
    }
    if reports[0] != reports[1] {
        return Err(format!("{}\n{}", reports[0], reports[1]));
    }
    let trace =
        |folder: &TempDir| fs::read(folder.path().join("traces/close/active@two-kernels,ts,ipv4.jsonl")).unwrap();
    if trace(&folders[0]) != trace(&folders[1]) {
        return Err("the traces differ".to_owned());
    }
    Ok(())
}

fn panics(kernel: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    // There is no other root file system either.
    let output = run(kernel, folder.path(), &["close/active", "--kernel-cmdline", "rdinit=/nothing"]);
    expect(&output, 3)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("error: the guest panicked: ") && said.contains("  | ") { Ok(()) } else { Err(said) }
}

fn killed(kernel: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    let run = start(kernel, folder.path(), &["time-wait", "rst"]);
    let traces = folder.path().join("traces");
    let started = Instant::now();
    while fs::read_dir(&traces).map_or(0, Iterator::count) == 0 && started.elapsed() < Duration::from_secs(120) {
        thread::sleep(Duration::from_millis(20));
    }
    // Two machines play where there are two processors.
    kill(machines(&run)[0], Signal::SIGKILL).unwrap();
    let output = run.wait_with_output().unwrap();
    expect(&output, 3)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = report(folder.path())?;
    let finished = report["cases"].as_array().map_or(0, Vec::len) as u64;
    let not_run = report["not_run"].as_u64().unwrap_or_default();
    // What the other machine plays is played to the end.
    if report["totals"]["pass"] == 0 || not_run == 0 || not_run > finished + finished / 2 {
        return Err(format!("{finished} finished, {not_run} not run: {said}"));
    }
    if !said.contains("error: QEMU failed: signal: 9 (SIGKILL)") {
        return Err(said);
    }
    Ok(())
}

fn twice(kernel: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    let output = run(kernel, folder.path(), &["close/active", "--kernel", kernel]);
    expect(&output, 2)
}
