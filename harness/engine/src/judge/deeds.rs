//! A trace as behaviour: what is comparable between two runs.
//!
//! Owns the choice among the sights of a trace. Refuses to know the model and what is right.

use std::collections::BTreeMap;

use tcpconform_model::{Call, Errno, State};

use super::sights::{Seen, Sight, sights};
use crate::behaviour::{Deed, Kind, LASTS, segment_text};
use crate::case::{Endpoint, OperationCall, Topology};
use crate::notation::print_poll;
use crate::trace::{CallReturn, Nanos, Trace, Way};

/// What the target did in the trace, in the order of time.
pub(super) fn deeds(trace: &Trace) -> Vec<Deed> {
    let sights = sights(trace);
    let end = trace.records.last().map_or(0, |record| record.at);
    let mut deeds: Vec<(Nanos, Deed)> = Vec::new();
    for sight in &sights {
        if let Some((kind, text)) = told(trace, sight) {
            deeds.push((sight.at, deed(sight.at, sight.on, kind, text)));
        }
    }
    for (at, on, state) in lasting(&sights, end) {
        deeds.push((at, deed(at, on, Kind::State, state.to_string())));
    }
    deeds.sort_by_key(|(at, deed)| (*at, deed.on, deed.kind));
    deeds.into_iter().map(|(_, deed)| deed).collect()
}

fn deed(at: Nanos, on: Endpoint, kind: Kind, text: String) -> Deed {
    Deed { at: at / 100_000, on, kind, text }
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
            Some((kind, segment_text(&segment.segment, segment.bases, kind)))
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
fn lasting(sights: &[Sight], end: Nanos) -> Vec<(Nanos, Endpoint, State)> {
    let mut by_endpoint: BTreeMap<Endpoint, Vec<(Nanos, State)>> = BTreeMap::new();
    for sight in sights {
        let Seen::State(state) = sight.seen else { continue };
        let states = by_endpoint.entry(sight.on).or_default();
        if states.last().is_none_or(|(_, last)| *last != state) {
            states.push((sight.at, state));
        }
    }
    let mut lasting = Vec::new();
    for (on, states) in by_endpoint {
        let mut last = None;
        for (i, (at, state)) in states.iter().enumerate() {
            let until = states.get(i + 1).map_or(end.max(at + LASTS), |(next, _)| *next);
            if until - at >= LASTS && last.replace(*state) != Some(*state) {
                lasting.push((*at, on, *state));
            }
        }
    }
    lasting
}
