//! `tcpconform judge`: stored traces, judged again, and reported in every format if a folder is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tcpconform_engine::judge::judge as judge_trace;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::ledger::Ledger;
use tcpconform_reports::report::{Target, Totals};
use tcpconform_reports::{Report, rfc3339};

use crate::arguments::{JudgeArguments, OutputFormat};
use crate::exit::{Exit, Refusal};
use crate::out_folder::{OutFolder, unwritten};
use crate::reporting::Reporting;
use crate::{catalogue, stored};

/// What came of the traces of one target.
struct Judged {
    target: Target,
    files: Vec<PathBuf>,
    judgements: Vec<Judgement>,
    /// When the first was played, since 1970; zero in virtual time.
    started: Duration,
    reporting: Reporting,
}

/// Judges the traces in these files and folders, and reports per target.
pub fn judge(arguments: &JudgeArguments) -> Result<Exit, Refusal> {
    let mut files = Vec::new();
    for path in &arguments.traces {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(Refusal { exit: Exit::NothingSelected, what: "no trace (*.jsonl) there".into(), help: None });
    }
    let targets = judged(files, arguments)?;
    if let (Some(_), [one, another, ..]) = (&arguments.out, &targets[..]) {
        let titles = format!("{} and {}", one.target.title(), another.target.title());
        return Err(Refusal::usage(format!("--out is for the traces of one target; these are of {titles}")));
    }
    let (_, ledger) = catalogue::load_with_ledger(None)?;
    let mut totals = Totals::default();
    for judged in targets {
        judged.judgements.iter().for_each(|judgement| totals.add(judgement.verdict));
        report(judged, arguments.out.as_deref(), &ledger)?;
    }
    Ok(Exit::of(&totals, 0))
}

fn judged(files: Vec<PathBuf>, arguments: &JudgeArguments) -> Result<Vec<Judged>, Refusal> {
    let mut targets: Vec<Judged> = Vec::new();
    for file in files {
        let trace = stored::trace(&file)?;
        let target = Target::of(&trace.header.target);
        let judgement = judge_trace(&trace);
        let at = targets.iter().position(|judged| judged.target == target).unwrap_or_else(|| {
            let reporting = Reporting::new(OutputFormat::Text, arguments.ladder);
            let (files, judgements, started) = (Vec::new(), Vec::new(), Duration::MAX);
            targets.push(Judged { target, files, judgements, started, reporting });
            targets.len() - 1
        });
        let judged = &mut targets[at];
        judged.reporting.keep(&trace, &judgement);
        judged.started = judged.started.min(Duration::from_nanos(trace.header.started_unix_ns));
        judged.judgements.push(judgement);
        judged.files.push(file);
    }
    Ok(targets)
}

fn report(judged: Judged, out: Option<&Path>, ledger: &Ledger) -> Result<(), Refusal> {
    let Judged { target, files, judgements, started, mut reporting } = judged;
    let folder = out.map(|out| OutFolder::prepare(out, judgements.len())).transpose()?;
    if let Some(folder) = &folder {
        for (file, judgement) in files.iter().zip(&judgements) {
            let trace = stored::trace(file)?;
            folder.write_trace(&trace).and_then(|_| folder.write_capture(&trace, judgement)).map_err(unwritten)?;
        }
    }
    let started = if started.is_zero() { String::new() } else { rfc3339(UNIX_EPOCH + started) };
    // Judging takes no time worth telling.
    let report = Report::new(target, started, 0.0, judgements, 0, ledger);
    reporting.show(&report)?;
    let path = folder.map(|folder| folder.write_reports(&report)).transpose().map_err(unwritten)?;
    reporting.end(&report, path.as_deref())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Refusal> {
    let wrong = |error: std::io::Error| Refusal::usage(format!("{}: {error}", path.display()));
    if !fs::metadata(path).map_err(wrong)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()).map_err(wrong)?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(entry);
        }
    }
    Ok(())
}
