//! One play of a case as its page shows it: what was predicted and found, and the picture of its trace.
//!
//! Owns which of a trace's data the page gets, in microseconds, and in which form the scripts read it. Refuses to draw.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;
use tcpconform_engine::case::{Endpoint, Topology};
use tcpconform_engine::judge::{TimedAnswer, timed_answers};
use tcpconform_engine::judgement::{Finding, Judgement, Outcome, Verdict};
use tcpconform_engine::trace::{EndpointIdentity, Fate, Header, Nanos, Trace, What};

use crate::exchange::{Arrow, Mark, Shown, exchange};

/// A picture with more marks than this helps nobody, and takes a browser long.
const MARKS_MAX: usize = 5000;

/// What one case variant came to in one run.
#[derive(Debug, Serialize)]
pub(super) struct Play<'r> {
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    findings: &'r [Finding],
    predictions: Vec<Predicted<'r>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    departures: &'r [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    alternatives: &'r BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Picture>,
    /// Why there is no picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    lack: Option<String>,
}

/// What came of a claim's prediction.
#[derive(Debug, Serialize)]
struct Predicted<'r> {
    claim: &'r str,
    given: Option<&'r str>,
    holds: Option<bool>,
    record: Option<usize>,
    at: Option<u64>,
    text: &'r str,
}

/// A trace, ready to be drawn; times are microseconds since its start.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    pub purpose: String,
    topology: Topology,
    pub ends: Vec<End>,
    /// Text and place.
    steps: Vec<(String, String)>,
    marks: Vec<Drawn>,
    timed: Vec<Timed>,
}

/// An endpoint under test.
#[derive(Debug, Serialize)]
pub(super) struct End {
    name: Endpoint,
    local: SocketAddr,
    remote: SocketAddr,
    mtu: u32,
    /// Below `net.ipv4`; once the usual ones are known, those that are set otherwise.
    pub sysctls: BTreeMap<String, String>,
}

/// A mark, with what stands in it under one of the names.
#[derive(Debug, Serialize)]
struct Drawn {
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
    record: usize,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Emitted {
        from: Endpoint,
        text: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        options: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        fate: Option<String>,
        /// It is on its way no more.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        dropped: bool,
    },
    Arrived {
        from: Endpoint,
        /// The record of its emission.
        #[serde(skip_serializing_if = "Option::is_none")]
        emitted: Option<usize>,
        /// Empty where it arrived as it was emitted.
        #[serde(skip_serializing_if = "String::is_empty")]
        text: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        options: String,
    },
    Icmp {
        on: Endpoint,
        text: String,
    },
    Call {
        on: Endpoint,
        text: String,
        until: u64,
    },
    State {
        on: Endpoint,
        state: &'static str,
    },
    Trouble(String),
    End {},
}

/// What a timer did, or did not do, with the time in which the model allows it.
#[derive(Debug, Serialize)]
struct Timed {
    on: Endpoint,
    rule: &'static str,
    due: (u64, u64),
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
}

impl<'r> Play<'r> {
    /// The play that this judgement is of.
    pub fn of(judgement: &'r Judgement, trace: Result<Trace, String>) -> Play<'r> {
        let predictions = judgement.predictions.iter().map(Predicted::of).collect();
        let (trace, lack) = match trace.and_then(|trace| Picture::of(&trace, judgement)) {
            Ok(picture) => (Some(picture), None),
            Err(why) => (None, Some(why)),
        };
        let Judgement { findings, departures, alternatives, .. } = judgement;
        Play { findings, predictions, departures, alternatives, trace, lack }
    }
}

impl Predicted<'_> {
    fn of(outcome: &Outcome) -> Predicted<'_> {
        // What it rests on is in the text.
        let Outcome { claim, given, holds, record, at_seconds, text, basis: _ } = outcome;
        let at = at_seconds.map(|seconds| (seconds * 1e6) as u64);
        Predicted { claim, given: given.as_deref(), holds: *holds, record: *record, at, text }
    }
}

impl Picture {
    fn of(trace: &Trace, judgement: &Judgement) -> Result<Picture, String> {
        let Header { case, variant, purpose, topology, endpoints, steps, .. } = &trace.header;
        let lasts = trace.records.last().map_or(0, |record| record.at) as f64 / 1e9;
        if (case, variant) != (&judgement.id, &judgement.variant) || lasts != judgement.target_seconds {
            return Err("the trace that lies there is of another play".to_string());
        }
        let marks = exchange(trace);
        if marks.len() > MARKS_MAX {
            return Err(format!("{} marks are too many to draw", marks.len()));
        }
        // What broke the judge once would break it again.
        let timed = if judgement.verdict == Verdict::Error { Vec::new() } else { timed_answers(trace) };
        Ok(Picture {
            purpose: purpose.clone(),
            topology: *topology,
            ends: endpoints.iter().map(End::of).collect(),
            steps: steps.iter().map(|step| (step.text.clone(), step.place.clone())).collect(),
            marks: drawn(&marks),
            timed: timed.iter().map(|timed| Timed::of(timed, trace)).collect(),
        })
    }
}

impl End {
    fn of(endpoint: &EndpointIdentity) -> End {
        let EndpointIdentity { name, local, remote, mtu, sysctls } = endpoint.clone();
        End { name, local, remote, mtu, sysctls }
    }
}

impl Timed {
    fn of(timed: &TimedAnswer, trace: &Trace) -> Timed {
        let TimedAnswer { on, rule, due, record } = timed;
        let at = record.map(|record| {
            let Some(seen) = trace.records.get(record) else { return due.hi };
            if let What::Call(call) = &seen.what { call.left } else { seen.at }
        });
        Timed { on: *on, rule: rule.id, due: (micros(due.lo), micros(due.hi)), record: *record, at: at.map(micros) }
    }
}

fn drawn(marks: &[Mark]) -> Vec<Drawn> {
    let drawn = |mark: &Mark| {
        let kind = match mark.shown.clone() {
            // The emission tells it.
            Shown::Relay { .. } => return None,
            Shown::Emitted { arrow: Arrow { from, text, options }, fate } => {
                let dropped = matches!(fate, Some(Fate::Dropped | Fate::Answered));
                Kind::Emitted { from, text, options, fate: fate.map(|fate| fate.to_string()), dropped }
            }
            Shown::Arrived { arrow, emitted } => {
                let is_same = emitted.is_some_and(
                    |emitted| matches!(&marks[emitted].shown, Shown::Emitted { arrow: sent, .. } if *sent == arrow),
                );
                let Arrow { from, text, options } = arrow;
                let (text, options) = if is_same { Default::default() } else { (text, options) };
                Kind::Arrived { from, emitted: emitted.map(|emitted| marks[emitted].record), text, options }
            }
            Shown::Icmp { on, text } => Kind::Icmp { on, text },
            Shown::Call { on, text, until } => Kind::Call { on, text, until: micros(until) },
            Shown::State { on, state } => Kind::State { on, state: state.name() },
            Shown::Ports { on, first, last } => {
                Kind::Call { on, text: format!("ports {first} to {last} for connect()"), until: micros(mark.at) }
            }
            Shown::Counters { on, text } => Kind::Call { on, text: format!("counted {text}"), until: micros(mark.at) },
            Shown::Trouble(text) => Kind::Trouble(text),
            Shown::End => Kind::End {},
        };
        Some(Drawn { at: micros(mark.at), step: mark.step, record: mark.record, kind })
    };
    marks.iter().filter_map(drawn).collect()
}

fn micros(nanos: Nanos) -> u64 {
    nanos / 1000
}
