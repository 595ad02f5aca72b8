//! What comes of one run, taken down as it happens: traces and reports in the folder, one line a case in trouble.
//!
//! Owns the judgements until the report is made. Refuses to know who plays.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::run::RunEvent;
use tcpconform_engine::trace::TargetIdentity;
use tcpconform_reports::printable::printable;
use tcpconform_reports::report::Target;
use tcpconform_reports::{Report, rfc3339};

use crate::exit::Refusal;
use crate::out_folder::{OutFolder, unwritten};
use crate::progress_line::ProgressLine;
use crate::reporting::Reporting;

/// A run that is being recorded.
pub struct Recording {
    out: OutFolder,
    started: SystemTime,
    clock: Instant,
    judgements: Vec<Judgement>,
    /// The first trace that could not be written.
    unwritten: Option<io::Error>,
    reporting: Reporting,
}

impl Recording {
    /// Of a run of this many cases that begins now, in a folder that can be written.
    pub fn begin(folder: &Path, cases: usize, reporting: Reporting) -> Result<Recording, Refusal> {
        let out = OutFolder::prepare(folder, cases)?;
        Ok(Recording {
            out,
            started: SystemTime::now(),
            clock: Instant::now(),
            judgements: Vec::new(),
            unwritten: None,
            reporting,
        })
    }

    /// The file that keeps a machine's console.
    pub fn console(&self) -> PathBuf {
        self.out.console()
    }

    /// Takes down what happened, and says what is worth a line.
    pub fn note(&mut self, event: RunEvent, line: &ProgressLine) {
        self.reporting.note(&event);
        match event {
            RunEvent::CaseFinished(finished) => {
                let (out, judgement) = (&self.out, &finished.judgement);
                let write = |trace| out.write_trace(trace).and_then(|_| out.write_capture(trace, judgement));
                if let Some(Err(error)) = finished.trace.as_ref().map(write) {
                    self.unwritten.get_or_insert(error);
                }
                if let Some(text) = notice(&finished.judgement) {
                    line.say(&text);
                }
                self.judgements.push(finished.judgement);
            }
            RunEvent::Interrupted { in_flight } => {
                line.say(&format!("interrupted: stopping {in_flight} cases; what is finished will be reported"));
            }
            RunEvent::Started { .. }
            | RunEvent::CaseStarted { .. }
            | RunEvent::CaseProgress { .. }
            | RunEvent::CaseHalted { .. }
            | RunEvent::Finished(_) => {}
        }
    }

    /// Makes the report, shows it and writes the files.
    pub fn end(mut self, identity: &TargetIdentity, not_run: usize, ledger: &Ledger) -> Result<Report, Refusal> {
        let (target, wall_seconds) = (Target::of(identity), self.clock.elapsed().as_secs_f64());
        let report = Report::new(target, rfc3339(self.started), wall_seconds, self.judgements, not_run, ledger);
        self.reporting.show(&report)?;
        let path = self.out.write_reports(&report).map_err(unwritten)?;
        if let Some(error) = self.unwritten {
            return Err(unwritten(error));
        }
        self.reporting.end(&report, Some(&path))?;
        Ok(report)
    }
}

/// One line about a case that did not pass, as soon as it is known; the whole message is in the report.
fn notice(judgement: &Judgement) -> Option<String> {
    if !judgement.verdict.is_bad() {
        return None;
    }
    let why = match judgement.findings.first() {
        Some(finding) => format!("{}: {}", finding.rule, finding.actual),
        None => judgement.reason.clone().unwrap_or_default(),
    };
    let text = format!("{} {}   {why}", judgement.verdict.name().to_uppercase(), judgement.name());
    Some(printable(&text).into_owned())
}
