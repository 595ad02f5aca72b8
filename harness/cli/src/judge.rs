//! `tcpconform judge`: stored traces, judged again.

use std::fs;
use std::path::{Path, PathBuf};

use tcpconform_engine::judge::judge as judge_trace;
use tcpconform_engine::judgement::Judgement;
use tcpconform_reports::report::{Target, Totals};
use tcpconform_reports::terminal::Terminal;
use tcpconform_reports::{Palette, Report, Reporter};

use crate::exit::{Exit, Refusal};
use crate::{catalogue, show_on_stdout, stored};

/// Judges the traces in these files and folders, and reports per target.
pub fn judge(paths: &[PathBuf]) -> Result<Exit, Refusal> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(Refusal { exit: Exit::NothingSelected, what: "no trace (*.jsonl) there".into(), help: None });
    }
    let mut targets: Vec<(Target, Vec<Judgement>)> = Vec::new();
    for path in files {
        let trace = stored::trace(&path)?;
        let target = Target::of(&trace.header.target);
        let judgement = judge_trace(&trace);
        match targets.iter_mut().find(|(other, _)| *other == target) {
            Some((_, judgements)) => judgements.push(judgement),
            None => targets.push((target, vec![judgement])),
        }
    }
    let ledger = catalogue::ledger(None)?;
    let mut totals = Totals::default();
    for (target, judgements) in targets {
        judgements.iter().for_each(|judgement| totals.add(judgement.verdict));
        // Judging takes no time worth telling; the traces were made whenever they were made.
        let report = Report::new(target, String::new(), 0.0, judgements, 0, &ledger);
        show_on_stdout(|out| Terminal { palette: Palette::coloured(), ..Terminal::default() }.write(&report, out))?;
    }
    Ok(Exit::of(&totals, 0))
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
