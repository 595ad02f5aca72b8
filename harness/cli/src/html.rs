//! `tcpconform html`: one page of several runs side by side, from their reports and the traces next to them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tcpconform_engine::judgement::Judgement;
use tcpconform_reports::Report;
use tcpconform_reports::html::{self, Run, Traces};

use crate::exit::{Exit, Refusal};
use crate::out_folder::OutFolder;
use crate::stored;

/// Writes the page of these reports.
pub fn html(reports: &[PathBuf], out: &Path) -> Result<Exit, Refusal> {
    let read: Vec<(Report, OutFolder)> =
        reports.iter().map(|path| Ok((stored::report(path)?, folder(path)))).collect::<Result<_, Refusal>>()?;
    let traces: Vec<Box<Traces<'_>>> = read
        .iter()
        .map(|(_, folder)| Box::new(|judgement: &Judgement| folder.read_trace(judgement)) as Box<Traces<'_>>)
        .collect();
    let runs: Vec<Run<'_>> =
        read.iter().zip(&traces).map(|((report, _), traces)| Run { report, traces: &**traces }).collect();
    let written = File::create(out).and_then(|file| {
        let mut file = BufWriter::new(file);
        html::write(&runs, &mut file)?;
        file.flush()
    });
    written.map_err(|error| Refusal::could_not_run(format!("writing {}: {error}", out.display()), None))?;
    Ok(Exit::AllPass)
}

/// Where the traces of a report lie.
fn folder(report: &Path) -> OutFolder {
    let folder = if report.is_dir() { report } else { report.parent().unwrap_or(Path::new("")) };
    OutFolder::existing(folder)
}
