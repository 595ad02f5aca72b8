//! A trace as predictions see it: every segment, state and call result in the order of the records, with relative numbers.
//!
//! Owns what counts as seen. Refuses to know predictions, the model and what is right.

use std::collections::BTreeMap;
use std::fmt;

use tcpconform_model::{IcmpKind, Segment, State};

use crate::case::{Endpoint, Operation};
use crate::notation::{Bases, Numbers, display_segment};
use crate::trace::{CallReturn, Nanos, Record, Trace, Way, What};
use crate::view::View;
use crate::wire;

/// Something seen of an endpoint.
pub(super) struct Sight {
    /// Index of the record.
    pub record: usize,
    /// When; of a call, when it returned.
    pub at: Nanos,
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
    /// Length of the TCP header, bytes.
    pub header: u8,
    pub checksum_ok: bool,
}

/// All that the trace shows.
pub(super) fn sights(trace: &Trace) -> Vec<Sight> {
    let mut views: BTreeMap<Endpoint, View> = BTreeMap::new();
    let mut states: BTreeMap<Endpoint, State> = BTreeMap::new();
    let mut sights = Vec::new();
    for (record, entry) in trace.records.iter().enumerate() {
        let mut push = |at, on, seen| sights.push(Sight { record, at, on, seen });
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
                states.insert(sample.on, sample.state);
                push(entry.at, sample.on, Seen::State(sample.state));
            }
            What::Transition(change) if lives_on(change.on, change.to, &trace.records[record + 1..]) => {}
            What::Transition(change) => {
                // A state may be so short that only the change out of it tells that it was there. CLOSED before the
                // opening is no state of a connection.
                if states.insert(change.on, change.to) != Some(change.from) && change.from != State::Closed {
                    push(entry.at, change.on, Seen::State(change.from));
                }
                push(entry.at, change.on, Seen::State(change.to));
            }
            What::Relay(_) | What::Counters(_) | What::Ports(_) | What::Waited(_) | What::Trouble(_) | What::End {} => {
            }
        }
    }
    sights
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
        header: parsed.header_len,
        checksum_ok: parsed.checksum_ok,
        segment: parsed.segment,
    })
}

/// Whether a change to CLOSED is only that of the full socket, whose connection lives on as a mini-socket (`tcp_time_wait`).
fn lives_on(on: Endpoint, to: State, later: &[Record]) -> bool {
    let asked = later.iter().find_map(|record| match &record.what {
        What::Sample(sample) if sample.on == on => Some(sample.state),
        What::Sample(_)
        | What::Segment(_)
        | What::Icmp(_)
        | What::Relay(_)
        | What::Call(_)
        | What::Transition(_)
        | What::Counters(_)
        | What::Ports(_)
        | What::Waited(_)
        | What::Trouble(_)
        | What::End {} => None,
    });
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
