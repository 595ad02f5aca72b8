//! What comes of one run, taken down as it happens: traces and reports in the folder, one line a case in trouble.
//!
//! Owns the judgements until the report is made. Refuses to know who plays.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::run::{Planned, RunEvent};
use tcpconform_engine::trace::TargetIdentity;
use tcpconform_reports::printable::printable;
use tcpconform_reports::report::Target;
use tcpconform_reports::{Report, rfc3339};

use crate::arguments::RunSettings;
use crate::earlier::Earlier;
use crate::exit::Refusal;
use crate::journal::{Begun, Done, Journal};
use crate::out_folder::{OutFolder, unwritten};
use crate::progress_line::ProgressLine;
use crate::reporting::Reporting;

/// A run that is being recorded.
pub struct Recording {
    out: OutFolder,
    journal: Journal,
    started: String,
    clock: Instant,
    /// How long the run had taken before it was resumed.
    wall_seconds_before: f64,
    judgements: Vec<Judgement>,
    /// The first trace, or line of the journal, that could not be written.
    unwritten: Option<io::Error>,
    reporting: Reporting,
}

impl Recording {
    /// Of a run of these cases that begins now, in a folder that can be written.
    pub fn begin(
        folder: &Path,
        cases: &[Planned],
        target: Target,
        settings: RunSettings,
        reporting: Reporting,
    ) -> Result<Recording, Refusal> {
        let earlier = Earlier::of(folder);
        let out = OutFolder::prepare(folder, cases.len())?;
        let started = rfc3339(SystemTime::now());
        let journal = Journal::begin(folder, &Begun::new(started.clone(), target, settings, cases))?;
        // Not before it is certain that no other run writes here.
        earlier.clear(&out)?;
        let (clock, judgements) = (Instant::now(), Vec::new());
        Ok(Recording { out, journal, started, clock, wall_seconds_before: 0.0, judgements, unwritten: None, reporting })
    }

    /// Of the run of these cases that was begun in this folder; says which are left.
    pub fn resume(
        folder: &Path,
        mut cases: Vec<Planned>,
        target: Target,
        settings: RunSettings,
        reporting: Reporting,
    ) -> Result<(Recording, Vec<Planned>), Refusal> {
        let now = Begun::new(String::new(), target, settings, &cases);
        let (journal, stored) = Journal::resume(folder, &now)?;
        let wall_seconds_before = stored.done.last().map_or(0.0, |done| done.wall_seconds);
        let judgements: Vec<Judgement> = stored.done.into_iter().map(|done| done.judgement).collect();
        let finished: BTreeSet<String> = judgements.iter().map(Judgement::name).collect();
        cases.retain(|planned| !finished.contains(&planned.case.name()));
        let out = OutFolder::prepare(folder, cases.len())?;
        let (started, clock) = (stored.begun.started, Instant::now());
        let recording =
            Recording { out, journal, started, clock, wall_seconds_before, judgements, unwritten: None, reporting };
        Ok((recording, cases))
    }

    /// The file that keeps the console of one of the run's machines.
    pub fn console(&self, machine: usize) -> PathBuf {
        self.out.console(machine)
    }

    /// Takes down what happened, and says what is worth a line.
    pub fn note(&mut self, event: RunEvent, line: &ProgressLine) {
        self.reporting.note(&event);
        match event {
            RunEvent::CaseFinished(finished) => {
                let (out, judgement) = (&self.out, &finished.judgement);
                let write = |trace| out.write_trace(trace).and_then(|_| out.write_capture(trace, judgement));
                let traced = finished.trace.as_ref().map_or(Ok(()), write);
                let wall_seconds = self.wall_seconds();
                let target = finished.trace.as_ref().map(|trace| Target::of(&trace.header.target));
                let done = Done { wall_seconds, target, judgement: finished.judgement };
                // What is in the journal has its trace.
                if let Err(error) = traced.and_then(|()| self.journal.note(&done)) {
                    self.unwritten.get_or_insert(error);
                }
                let Done { judgement, .. } = done;
                if let Some(text) = notice(&judgement) {
                    line.say(&text);
                }
                self.judgements.push(judgement);
            }
            RunEvent::CaseAgain { name, reason } => {
                let text = format!("INCONCLUSIVE {name}   {reason}; it will be played once more, alone");
                line.say(&printable(&text));
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

    fn wall_seconds(&self) -> f64 {
        self.wall_seconds_before + self.clock.elapsed().as_secs_f64()
    }

    /// Makes the report, shows it and writes the files.
    pub fn end(mut self, identity: &TargetIdentity, not_run: usize, ledger: &Ledger) -> Result<Report, Refusal> {
        let (target, wall_seconds) = (Target::of(identity), self.wall_seconds());
        let report = Report::new(target, self.started, wall_seconds, self.judgements, not_run, ledger);
        self.reporting.show(&report)?;
        let path = self.out.write_reports(&report).map_err(unwritten)?;
        if let Some(error) = self.unwritten {
            return Err(unwritten(error));
        }
        if not_run == 0 {
            self.journal.end().map_err(unwritten)?;
        } else {
            let _ = crate::say(&format!("go on with it: tcpconform run --resume {}", self.out.path().display()));
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
