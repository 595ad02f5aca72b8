//! The events of a run as JSON Lines, for programs that follow it.
//!
//! Owns the fields of each line. Refuses to know where the lines go, and judges nothing.

use std::path::Path;

use serde::Serialize;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::play::Progress;
use tcpconform_engine::run::{Finished, RunEvent};

use crate::report::{Report, SCHEMA, Target, Tool, Totals};

/// A line, with the kernel that it is about where several are played at once.
#[derive(Serialize)]
struct Told<'r> {
    #[serde(flatten)]
    line: Line<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<&'r str>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'r> {
    Started {
        schema: u32,
        total: usize,
    },
    CaseStarted {
        case: &'r str,
        lasts_seconds: Option<f64>,
    },
    CaseWaiting {
        case: &'r str,
        seconds_left: f64,
    },
    CaseActive {
        case: &'r str,
    },
    CaseFinished {
        case: String,
        judgement: &'r Judgement,
    },
    CaseAgain {
        case: &'r str,
        reason: &'r str,
    },
    CaseHalted {
        case: &'r str,
    },
    Interrupted {
        in_flight: usize,
    },
    Finished {
        tool: &'r Tool,
        target: &'r Target,
        started: &'r str,
        wall_seconds: f64,
        target_seconds: f64,
        not_run: usize,
        totals: &'r Totals,
        report: Option<&'r Path>,
    },
}

/// The line about an event; none about the last, of which [`finished`] tells more. `kernel` is the release of the one that
/// it is about where several are played at once.
pub fn line(event: &RunEvent, kernel: Option<&str>) -> Option<String> {
    let line = match event {
        RunEvent::Started { total } => Line::Started { schema: SCHEMA, total: *total },
        RunEvent::CaseStarted { name, lasts } => {
            Line::CaseStarted { case: name, lasts_seconds: lasts.map(|lasts| lasts.as_secs_f64()) }
        }
        RunEvent::CaseProgress { name, progress } => match progress {
            Progress::Waiting { seconds_left } => Line::CaseWaiting { case: name, seconds_left: *seconds_left },
            Progress::Active => Line::CaseActive { case: name },
        },
        RunEvent::CaseFinished(finished) => {
            let Finished { judgement, trace: _ } = &**finished;
            Line::CaseFinished { case: judgement.name(), judgement }
        }
        RunEvent::CaseAgain { name, reason } => Line::CaseAgain { case: name, reason },
        RunEvent::CaseHalted { name } => Line::CaseHalted { case: name },
        RunEvent::Interrupted { in_flight } => Line::Interrupted { in_flight: *in_flight },
        RunEvent::Finished(_) => return None,
    };
    Some(text(&Told { line, kernel }))
}

/// The last line: what the run came to, and where its `report.json` is.
pub fn finished(run: &Report, path: Option<&Path>, kernel: Option<&str>) -> String {
    let line = Line::Finished {
        tool: &run.tool,
        target: &run.target,
        started: &run.started,
        wall_seconds: run.wall_seconds,
        target_seconds: run.target_seconds,
        not_run: run.not_run,
        totals: &run.totals,
        report: path,
    };
    text(&Told { line, kernel })
}

fn text(told: &Told<'_>) -> String {
    serde_json::to_string(told).unwrap_or_else(|error| unreachable!("names and numbers: {error}"))
}
