//! Where the tester itself was too late: a deed of ours that came after the target's timer which it was to be ahead of.
//!
//! Owns the figures. Refuses to blame: a late deed is judged at the time at which it was done, and only explains why the situation of
//! a case did not come up.

use std::collections::BTreeMap;

use tcpconform_model::Call;

use crate::case::{OperationCall, Topology};
use crate::judge::TimedAnswer;
use crate::trace::{Nanos, Record, Trace, Way, What};

/// The deed that was late by the most, with the window that it missed; `None` where no timer of the target came in between.
///
/// `delivered` says when each frame was due that the middle put on a link, by the index of its record.
pub(super) fn lateness(trace: &Trace, timed: &[TimedAnswer], delivered: &BTreeMap<usize, Nanos>) -> Option<String> {
    let missed = trace.records.iter().enumerate().filter_map(|(index, record)| {
        let (word, due) = match delivered.get(&index) {
            Some(due) => ("delivery", *due),
            None => (deed(trace, record)?.word, due(trace, record.step)?),
        };
        let timer = timed.iter().filter(|timer| due < timer.due.lo && timer.due.lo <= record.at);
        let timer = timer.min_by_key(|timer| timer.due.lo)?;
        Some((record.at - due, timer.due.lo - due, word, timer))
    });
    let (late, window, deed, timer) = missed.max_by_key(|(late, ..)| *late)?;
    let (late, window) = (milliseconds(late), milliseconds(window));
    Some(format!("our {deed} was {late} ms late, the window is {window} ms ({} of {})", timer.rule.id, timer.on))
}

/// Something that we did.
struct Deed {
    word: &'static str,
    /// When it was done.
    done: Nanos,
}

/// What we did. What the middle delivers has its own time, and `poll` looks whenever there is something new.
fn deed(trace: &Trace, record: &Record) -> Option<Deed> {
    let is_crafted = trace.header.topology == Topology::Crafted;
    match &record.what {
        What::Segment(segment) if segment.way == Way::In && is_crafted => {
            Some(Deed { word: "injection", done: record.at })
        }
        What::Icmp(_) if is_crafted => Some(Deed { word: "ICMP error", done: record.at }),
        What::Call(call) if call.op.call != OperationCall::Socket(Call::Poll) => {
            Some(Deed { word: "call", done: call.left })
        }
        What::Segment(_)
        | What::Icmp(_)
        | What::Relay(_)
        | What::Call(_)
        | What::Sample(_)
        | What::Transition(_)
        | What::Counters(_)
        | What::Ports(_)
        | What::Waited(_)
        | What::Trouble(_)
        | What::End { .. } => None,
    }
}

/// When the deed of a step was to be done: when what the step before it waited for was there, or when that step's own deed was done.
fn due(trace: &Trace, step: u32) -> Option<Nanos> {
    let before = step.checked_sub(1)?;
    let of_step = || trace.records.iter().filter(move |record| record.step == before);
    let waited = of_step().find_map(|record| match &record.what {
        What::Waited(waited) => Some(waited.there.unwrap_or(record.at)),
        What::Segment(_)
        | What::Icmp(_)
        | What::Relay(_)
        | What::Call(_)
        | What::Sample(_)
        | What::Transition(_)
        | What::Counters(_)
        | What::Ports(_)
        | What::Trouble(_)
        | What::End { .. } => None,
    });
    let done = || of_step().find_map(|record| deed(trace, record)).map(|deed| deed.done);
    waited.or_else(done)
}

fn milliseconds(nanos: Nanos) -> String {
    let milliseconds = nanos as f64 / 1e6;
    if milliseconds < 10.0 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") }
}
