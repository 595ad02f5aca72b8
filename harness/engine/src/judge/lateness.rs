//! Where the tester itself was too late: a deed of ours that came after the target's timer which it was to be ahead of.
//!
//! Owns the figures. Refuses to blame: a late deed is judged at the time at which it was done, and only explains why the situation of
//! a case did not come up.

use tcpconform_model::Call;

use crate::case::{OperationCall, Topology};
use crate::judge::TimedAnswer;
use crate::trace::{Nanos, Trace, Way, What};

/// The deed that was late by the most, with the window that it missed; `None` where no timer of the target came in between.
pub(super) fn lateness(trace: &Trace, timed: &[TimedAnswer]) -> Option<String> {
    let deeds = trace.records.iter().filter_map(|record| Some((record.step, record.at, deed(trace, &record.what)?)));
    let missed = deeds.filter_map(|(step, at, deed)| {
        let due = due(trace, step)?;
        let timer = timed.iter().filter(|timer| due < timer.due.lo && timer.due.lo <= at).min_by_key(|t| t.due.lo)?;
        Some((at - due, timer.due.lo - due, deed, timer))
    });
    let (late, window, deed, timer) = missed.max_by_key(|(late, ..)| *late)?;
    let (late, window) = (milliseconds(late), milliseconds(window));
    Some(format!("our {deed} was {late} ms late, the window is {window} ms ({} of {})", timer.rule.id, timer.on))
}

/// What we did, in a word. What the middle delivers has its own time, and `poll` looks whenever there is something new.
fn deed(trace: &Trace, what: &What) -> Option<&'static str> {
    match what {
        What::Segment(segment) if segment.way == Way::In && trace.header.topology == Topology::Crafted => {
            Some("injection")
        }
        What::Icmp(_) if trace.header.topology == Topology::Crafted => Some("ICMP error"),
        What::Call(call) if call.op.call != OperationCall::Socket(Call::Poll) => Some("call"),
        What::Segment(_)
        | What::Icmp(_)
        | What::Relay(_)
        | What::Call(_)
        | What::Sample(_)
        | What::Transition(_)
        | What::Ports(_)
        | What::Waited(_)
        | What::Trouble(_)
        | What::End {} => None,
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
        | What::Ports(_)
        | What::Trouble(_)
        | What::End {} => None,
    });
    let done = || {
        of_step().find_map(|record| match &record.what {
            What::Call(call) => Some(call.left),
            what => deed(trace, what).map(|_| record.at),
        })
    };
    waited.or_else(done)
}

fn milliseconds(nanos: Nanos) -> String {
    let milliseconds = nanos as f64 / 1e6;
    if milliseconds < 10.0 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") }
}
