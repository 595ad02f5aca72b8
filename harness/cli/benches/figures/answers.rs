//! How long the reports of a run take to write, and how soon commands answer that only read.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tcpconform::out_folder::OutFolder;
use tcpconform::player::ModelPlayer;
use tcpconform_engine::judge::judge;
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::run::Player;
use tcpconform_reports::Report;
use tcpconform_reports::report::Target;

use crate::{BINARY, Outcome, percentile, shortest};

/// The variants whose reports are written.
const VARIANTS: usize = 400;
/// How often each command is asked.
const ASKED: usize = 30;

/// All formats of a run, traces and captures among them.
pub fn formats() -> Outcome {
    let folder = fresh_folder()?;
    let player = ModelPlayer::default();
    let planned = shortest(VARIANTS)?;
    let traces = planned.iter().map(|planned| player.play(&planned.case, &|_| ())).collect::<Result<Vec<_>, _>>()?;
    let judged: Vec<_> = traces.iter().map(|trace| (trace, judge(trace))).collect();
    let out = OutFolder::existing(&folder);
    let start = Instant::now();
    for (trace, judgement) in &judged {
        out.write_trace(trace)?;
        out.write_capture(trace, judgement)?;
    }
    let cases = start.elapsed();
    let judgements = judged.iter().map(|(_, judgement)| judgement.clone()).collect();
    let target = Target::of(&traces[0].header.target);
    let report = Report::new(target, "2026-11-21T00:00:00Z".into(), 1.0, judgements, 0, &Ledger::default());
    let start = Instant::now();
    out.write_reports(&report)?;
    let reports = start.elapsed();
    println!(
        "formats: {:.2} s for the traces and captures of {VARIANTS} variants, {:.2} s for their reports (wanted: at most 2 s)",
        cases.as_secs_f64(),
        reports.as_secs_f64()
    );
    Ok(())
}

/// `list` and `show`.
pub fn answers() -> Outcome {
    let folder = fresh_folder()?;
    let case = shortest(1)?.remove(0).case;
    let trace = OutFolder::existing(&folder).write_trace(&ModelPlayer::default().play(&case, &|_| ())?)?;
    let (name, trace) = (case.name(), trace.display().to_string());
    for (what, arguments) in
        [("list", &["list"][..]), ("show CASE", &["show", &name]), ("show TRACE", &["show", &trace])]
    {
        let mut millis = Vec::new();
        for _ in 0..ASKED {
            let start = Instant::now();
            let status = Command::new(BINARY).args(arguments).stdout(Stdio::null()).status()?;
            millis.push(start.elapsed().as_secs_f64() * 1e3);
            if !status.success() {
                return Err(format!("{what}: {status}").into());
            }
        }
        let [median, worst] = [percentile(&mut millis, 50), percentile(&mut millis, 99)];
        println!("answers: {what} takes {median:.0} ms median, {worst:.0} ms p99 (wanted: at most 100 ms)");
    }
    Ok(())
}

fn fresh_folder() -> std::io::Result<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
