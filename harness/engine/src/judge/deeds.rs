//! A trace as behaviour: what is comparable between two runs.
//!
//! Owns the choice among the sights of a trace. Takes from the judge which of them a timer did. Refuses to know the model and what is
//! right.

use std::collections::BTreeMap;

use tcpconform_model::{Call, Errno, Span, State};

use super::TimedAnswer;
use super::sights::{Seen, Sight, sights};
use crate::behaviour::{Deed, Kind, LASTS, segment_text};
use crate::case::{Endpoint, OperationCall, Topology};
use crate::notation::print_poll;
use crate::trace::{CallReturn, Nanos, Trace, Way};

/// A call that took longer kept its caller waiting.
const AT_ONCE: Nanos = 1_000_000;

/// What the target did in the trace, in the order of time; `timed` is what its timers did.
pub(super) fn deeds(trace: &Trace, timed: &[TimedAnswer]) -> Vec<Deed> {
    let due: BTreeMap<(usize, Endpoint), Span> =
        timed.iter().filter_map(|answer| Some(((answer.record?, answer.on), answer.due))).collect();
    let sights = sights(trace);
    let end = trace.records.last().map_or(0, |record| record.at);
    let mut deeds: Vec<(Nanos, Deed)> = Vec::new();
    let mut push = |at: Nanos, sight: &Sight, took: Option<Nanos>, kind, text| {
        let due = due.get(&(sight.record, sight.on)).map(|due| (tenths(due.lo), tenths(due.hi)));
        deeds.push((at, Deed { at: tenths(at), due, took: took.map(tenths), on: sight.on, kind, text }));
    };
    for sight in &sights {
        let Some((kind, text)) = told(trace, sight) else { continue };
        let took = match &sight.seen {
            Seen::Call { .. } => Some(sight.at.saturating_sub(trace.records[sight.record].at)),
            Seen::Segment(_) | Seen::Icmp(_) | Seen::State(_) => None,
        };
        push(sight.at, sight, took.filter(|took| *took > AT_ONCE && kind == Kind::Call), kind, text);
    }
    for (sight, state) in lasting(&sights, end) {
        push(sight.at, sight, None, Kind::State, state.to_string());
    }
    deeds.sort_by_key(|(at, deed)| (*at, deed.on, deed.kind));
    deeds.into_iter().map(|(_, deed)| deed).collect()
}

fn tenths(nanos: Nanos) -> u64 {
    nanos / 100_000
}

fn told(trace: &Trace, sight: &Sight) -> Option<(Kind, String)> {
    match &sight.seen {
        Seen::Segment(segment) => {
            let kind = match (segment.way, trace.header.topology) {
                (Way::Out, _) => Kind::Emits,
                (Way::In, Topology::Crafted) => Kind::Arrives,
                // What the other kernel emitted.
                (Way::In, Topology::TwoKernels | Topology::Routed) => return None,
            };
            Some((kind, segment_text(&segment.segment, segment.bases, segment.others, kind)))
        }
        Seen::Icmp(kind) => Some((Kind::Arrives, format!("ICMP {kind}"))),
        Seen::State(_) => None,
        // How often these are tried again until they succeed differs from run to run.
        Seen::Call { op, .. } if op.call == OperationCall::Socket(Call::Poll) => None,
        Seen::Call { op, result: CallReturn::Error(Errno::AGAIN) }
            if op.call == OperationCall::Socket(Call::Accept) =>
        {
            None
        }
        // The case's doing, which takes as long as it takes.
        Seen::Call { op, .. } if op.call.is_of_host() => Some((Kind::Arrives, op.to_string())),
        Seen::Call { op, result } => {
            let result = match result {
                CallReturn::Value(value) => value.to_string(),
                CallReturn::Events(events) => print_poll(*events),
                CallReturn::Error(errno) => errno.name().map_or_else(|| errno.0.to_string(), str::to_string),
            };
            Some((Kind::Call, format!("{op} = {result}")))
        }
    }
}

/// The states that lasted long enough to be seen each time, each once.
fn lasting(sights: &[Sight], end: Nanos) -> Vec<(&Sight, State)> {
    let mut by_endpoint: BTreeMap<Endpoint, Vec<(&Sight, State)>> = BTreeMap::new();
    for sight in sights {
        let Seen::State(state) = sight.seen else { continue };
        let states = by_endpoint.entry(sight.on).or_default();
        if states.last().is_none_or(|(_, last)| *last != state) {
            states.push((sight, state));
        }
    }
    let mut lasting = Vec::new();
    for states in by_endpoint.into_values() {
        let mut last = None;
        for (i, (sight, state)) in states.iter().enumerate() {
            let until = states.get(i + 1).map_or(end.max(sight.at + LASTS), |(next, _)| next.at);
            if until - sight.at >= LASTS && last.replace(*state) != Some(*state) {
                lasting.push((*sight, *state));
            }
        }
    }
    lasting
}
