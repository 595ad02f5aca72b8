//! Who is told what of a run: people at a terminal, or programs that follow its events; and GitHub Actions, where it is there.
//!
//! Owns standard output while a run goes on, and the choice of what is shown. Refuses to write the reports of a run.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::run::RunEvent;
use tcpconform_engine::trace::Trace;
use tcpconform_reports::terminal::Terminal;
use tcpconform_reports::{Palette, Report, Reporter, events, github, ladder};

use crate::arguments::OutputFormat;
use crate::exit::Refusal;
use crate::show_on_stdout;

/// What has been told, and what is kept to be told at the end.
#[derive(Default)]
pub struct Reporting {
    format: OutputFormat,
    all_ladders: bool,
    /// The release of the kernel that it is about, where several are played at once.
    kernel: Option<String>,
    ladders: BTreeMap<String, String>,
    /// The first thing that could not be told.
    untold: Option<Refusal>,
}

impl Reporting {
    /// Tells in this form; of cases that did not pass with a piece of the ladder if few are, or if all are asked for.
    pub fn new(format: OutputFormat, all_ladders: bool) -> Reporting {
        Reporting { format, all_ladders, ..Reporting::default() }
    }

    /// Of this kernel, one of several.
    pub fn of(self, release: &str) -> Reporting {
        Reporting { kernel: Some(release.to_owned()), ..self }
    }

    /// Takes note of an event.
    pub fn note(&mut self, event: &RunEvent) {
        if let RunEvent::CaseFinished(finished) = event
            && let Some(trace) = &finished.trace
        {
            self.keep(trace, &finished.judgement);
        }
        if self.format == OutputFormat::Json
            && let Some(line) = events::line(event, self.kernel.as_deref())
            && let Err(refusal) = show_on_stdout(|out| writeln!(out, "{line}"))
        {
            self.untold.get_or_insert(refusal);
        }
    }

    /// Keeps what is shown of a trace if it did not pass.
    pub fn keep(&mut self, trace: &Trace, judgement: &Judgement) {
        if judgement.verdict.is_bad() {
            self.ladders.insert(judgement.name(), ladder::excerpt(trace, &judgement.findings));
        }
    }

    /// Shows what the run came to.
    pub fn show(&mut self, report: &Report) -> Result<(), Refusal> {
        let is_github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        match self.format {
            OutputFormat::Text => {
                let ladders = std::mem::take(&mut self.ladders);
                let terminal = Terminal { palette: Palette::coloured(), ladders, all_ladders: self.all_ladders };
                show_on_stdout(|out| terminal.write(report, out))?;
                if is_github {
                    show_on_stdout(|out| github::Annotations.write(report, out))?;
                }
            }
            // GitHub listens to standard error as well.
            OutputFormat::Json if is_github => {
                let _ = github::Annotations.write(report, &mut io::stderr().lock());
            }
            OutputFormat::Json => {}
        }
        match std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
            Some(path) => add_summary(report, Path::new(&path)),
            None => Ok(()),
        }
    }

    /// The last word: where `report.json` is, if it was written.
    pub fn end(self, report: &Report, path: Option<&Path>) -> Result<(), Refusal> {
        if let Some(refusal) = self.untold {
            return Err(refusal);
        }
        show_on_stdout(|out| match (self.format, path) {
            (OutputFormat::Json, path) => writeln!(out, "{}", events::finished(report, path, self.kernel.as_deref())),
            (OutputFormat::Text, Some(path)) => writeln!(out, "{}", path.display()),
            (OutputFormat::Text, None) => Ok(()),
        })
    }
}

/// Adds to the summary of the job, to which other steps add too.
fn add_summary(report: &Report, path: &Path) -> Result<(), Refusal> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| github::Summary.write(report, &mut file)).map_err(|error| {
        Refusal::could_not_run(format!("{}, which GITHUB_STEP_SUMMARY names: {error}", path.display()), None)
    })
}
