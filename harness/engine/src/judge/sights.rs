//! A trace as predictions see it: every segment, state and call result in the order of the records, with relative numbers.
//!
//! Owns what counts as seen. Refuses to know predictions, the model and what is right.

use std::collections::BTreeMap;
use std::fmt;

use tcpconform_model::{IcmpKind, Segment, Span, State};

use super::untold::Placed;
use crate::case::{Endpoint, Operation};
use crate::notation::{Bases, Numbers, display_segment};
use crate::trace::{CallReturn, Nanos, Record, Sample, Trace, Way, What};
use crate::view::{Incarnations, View};
use crate::wire;

/// Something seen of an endpoint.
pub(super) struct Sight {
    /// Index of the record.
    pub record: usize,
    /// When; of a call, when it returned; of a state that was asked for, when it was.
    pub at: Nanos,
    /// Between which moments; of a state, when it was entered.
    pub when: Span,
    /// Of whom.
    pub on: Endpoint,
    /// What.
    pub seen: Seen,
}

/// What was seen.
pub(super) enum Seen {
    /// A segment on the endpoint's link.
    Segment(Box<SegmentSight>),
    /// An ICMP error about a segment of the endpoint's.
    Icmp(IcmpKind),
    /// The state, as the kernel told it when asked or by its tracepoint.
    State(State),
    /// A call that returned.
    Call { op: Operation, result: CallReturn },
}

/// A segment with what its numbers are relative to.
pub(super) struct SegmentSight {
    pub way: Way,
    pub segment: Segment,
    /// The connection's numbers before it.
    pub numbers: Numbers,
    pub bases: Bases,
    /// Other connections on the same four-tuple.
    pub others: Incarnations,
    /// Length of the TCP header, bytes.
    pub header: u8,
    pub checksum_ok: bool,
}

/// State changes of an endpoint that are not in the trace.
#[derive(Clone, Copy)]
pub(super) struct Untold<'c> {
    pub of: Endpoint,
    pub changes: &'c [Placed],
    /// Whether each is to be as late as it can be, or as early.
    pub late: bool,
}

/// All that the trace shows.
pub(super) fn sights(trace: &Trace) -> Vec<Sight> {
    sights_with(trace, &[])
}

/// All that the trace shows, with these state changes beside.
pub(super) fn sights_with(trace: &Trace, untold: &[Untold<'_>]) -> Vec<Sight> {
    let mut views: BTreeMap<Endpoint, View> = BTreeMap::new();
    let mut known = Known::default();
    let mut sights = Vec::new();
    let mut told = vec![0; untold.len()];
    for (record, entry) in trace.records.iter().enumerate() {
        let later = &trace.records[record..];
        for (Untold { of: on, changes, late }, told) in untold.iter().zip(&mut told) {
            let is_due = |change: &&Placed| if *late { change.last <= record } else { change.first <= record };
            while let Some(change) = changes.get(*told).filter(is_due) {
                let when = change.at;
                let at = if *late { when.hi } else { when.lo };
                let states = known.changed(*on, (change.from, change.to), when.lo, later);
                let sight = |state| Sight { record: change.record, at, when, on: *on, seen: Seen::State(state) };
                sights.extend(states.map(sight));
                *told += 1;
            }
        }
        let mut push = |at, on, seen| sights.push(Sight { record, at, when: Span::at(at), on, seen });
        match &entry.what {
            What::Segment(segment) => {
                let view = views.entry(segment.on).or_default();
                if let Some(sight) = segment_sight(view, segment.way, &segment.packet) {
                    push(entry.at, segment.on, Seen::Segment(Box::new(sight)));
                }
            }
            What::Icmp(error) => {
                if let Ok(message) = wire::parse_icmp(&error.packet) {
                    push(entry.at, error.on, Seen::Icmp(message.kind));
                }
            }
            What::Call(call) => push(call.left, call.on, Seen::Call { op: call.op.clone(), result: call.result }),
            What::Sample(sample) => {
                let when = known.asked(sample, entry.at);
                sights.push(Sight { record, at: entry.at, when, on: sample.on, seen: Seen::State(sample.state) });
            }
            What::Transition(change) => {
                let states = known.changed(change.on, (change.from, change.to), entry.at, later);
                states.for_each(|state| push(entry.at, change.on, Seen::State(state)));
            }
            What::Relay(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::Trouble(_)
            | What::End { .. } => {}
        }
    }
    sights
}

/// The state of each endpoint as last told, and when it was still in it.
#[derive(Default)]
struct Known(BTreeMap<Endpoint, (State, Nanos)>);

impl Known {
    /// Between which moments the state of a sample was entered that was asked for at `at`.
    fn asked(&mut self, sample: &Sample, at: Nanos) -> Span {
        match self.0.insert(sample.on, (sample.state, at)) {
            Some((state, _)) if state == sample.state => Span::at(at),
            Some((_, last)) => Span::new(last, sample.until),
            None => Span::new(0, sample.until),
        }
    }

    /// The states that a change shows, which came at `at` or later.
    fn changed(
        &mut self,
        on: Endpoint,
        (from, to): (State, State),
        at: Nanos,
        later: &[Record],
    ) -> impl Iterator<Item = State> + use<> {
        if lives_on(on, to, later) {
            self.0.entry(on).and_modify(|(_, last)| *last = at);
            return None.into_iter().chain(None);
        }
        let before = self.0.insert(on, (to, at)).map(|(state, _)| state);
        // A state may be so short that only the change out of it tells that it was there. CLOSED before the opening is no
        // state of a connection.
        let from = (before != Some(from) && from != State::Closed).then_some(from);
        from.into_iter().chain(Some(to))
    }
}

/// `None` for a packet that cannot be read.
fn segment_sight(view: &mut View, way: Way, packet: &[u8]) -> Option<SegmentSight> {
    let parsed = wire::parse(packet).ok()?;
    let before = *view;
    // A packet that is damaged on purpose tells the connection nothing.
    if parsed.checksum_ok || way == Way::Out {
        view.follow(way, &parsed.segment);
    }
    let known = if before.opened() { before } else { *view };
    Some(SegmentSight {
        way,
        numbers: *known.numbers(),
        bases: known.bases(way),
        others: known.others(),
        header: parsed.header_len,
        checksum_ok: parsed.checksum_ok,
        segment: parsed.segment,
    })
}

/// Whether a change to CLOSED is only that of the full socket, whose connection lives on as a mini-socket (`tcp_time_wait`).
fn lives_on(on: Endpoint, to: State, later: &[Record]) -> bool {
    let mut samples = later.iter().filter_map(|record| record.what.sample());
    let asked = samples.find(|sample| sample.on == on).map(|sample| sample.state);
    to == State::Closed && matches!(asked, Some(State::FinWait2 | State::TimeWait))
}

/// As in ``` `F. 1:1(0) ack 1 win 502` from a ```.
impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self.on;
        match &self.seen {
            Seen::Segment(sight) => {
                let way = match sight.way {
                    Way::Out => "from",
                    Way::In => "at",
                };
                write!(f, "`{}` {way} {on}", display_segment(&sight.segment, sight.bases, false))
            }
            Seen::Icmp(kind) => write!(f, "ICMP {kind} at {on}"),
            Seen::State(state) => write!(f, "{state} of {on}"),
            Seen::Call { op, result } => write!(f, "`{op} = {result}` on {on}"),
        }
    }
}
