//! Predictions: what a claim of the ledger says will happen in a case.
//!
//! Owns the types that `load` produces, the trace's header carries and the judge checks, and how they read in one line.
//! Refuses to know YAML, and whether a prediction comes true.

use std::fmt;

use serde::{Deserialize, Serialize};
use tcpconform_model::{IcmpKind, Poll, State};

use crate::case::{Endpoint, Operation};
use crate::notation::{Pattern, icmp_kind_text, operation_text, pattern_text, poll_text, print_poll, state_text};
use crate::trace::{CallReturn, Nanos, Way};

/// What one claim says of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Id of the claim in the ledger.
    pub claim: String,
    /// Where it stands, `file:line:column`.
    pub place: String,
    /// The condition under which this case puts the claim to the test: a phrase that reads well after "where".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// The events in order; none where a trace of an older program names the claim alone.
    pub predicts: Vec<Predicted>,
}

/// One event that is to come, or not to come, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Where it stands, `file:line:column`.
    pub place: String,
    /// The event.
    pub event: Event,
    /// It is not to come between the event matched before and the one matched next.
    #[serde(default, skip_serializing_if = "is_default")]
    pub forbidden: bool,
    /// At most this long after the event matched before, nanoseconds; of a forbidden one: not within this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Nanos>,
    /// At least this long after the event matched before, nanoseconds; of a forbidden one: not from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Nanos>,
    /// The gap to the event before is this many times the gap before that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Exactly so many come; `within`, `after` and `ratio` hold for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// Something that a trace can show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A segment on the link of an endpoint.
    Segment(SegmentEvent),
    /// An ICMP error about a segment of the endpoint arrives on its link.
    Icmp {
        /// Whose.
        at: Endpoint,
        /// What it says.
        #[serde(with = "icmp_kind_text")]
        kind: IcmpKind,
    },
    /// The endpoint is in a state.
    State {
        /// Whose.
        of: Endpoint,
        /// Which.
        #[serde(with = "state_text")]
        state: State,
    },
    /// A call returns.
    Call {
        /// On whose socket.
        on: Endpoint,
        /// Which.
        #[serde(with = "operation_text")]
        op: Operation,
        /// What it returns; `None` for anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        returns: Option<CallReturn>,
    },
    /// `poll` reports at least these events.
    Poll {
        /// On whose socket.
        on: Endpoint,
        /// The events.
        #[serde(with = "poll_text")]
        events: Poll,
    },
}

/// A segment that a prediction names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentEvent {
    /// Emitted, or arriving.
    pub way: Way,
    /// On whose link.
    pub on: Endpoint,
    /// What it looks like.
    #[serde(with = "pattern_text")]
    pub pattern: Pattern,
    /// Length of its TCP header, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<u8>,
    /// Whether its checksum is to be right.
    #[serde(default, skip_serializing_if = "is_default")]
    pub checksum: bool,
    /// Its TTL or hop limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// As in ``` `F. 1:1(0)` from a ```.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Segment(segment) => match segment.way {
                Way::Out => write!(f, "`{}` from {}", segment.pattern, segment.on),
                Way::In => write!(f, "`{}` at {}", segment.pattern, segment.on),
            },
            Event::Icmp { at, kind } => write!(f, "ICMP {kind} at {at}"),
            Event::State { of, state } => write!(f, "{state} of {of}"),
            Event::Call { on, op, returns: None } => write!(f, "the end of `{op}` on {on}"),
            Event::Call { on, op, returns: Some(result) } => write!(f, "`{op} = {result}` on {on}"),
            Event::Poll { on, events } => write!(f, "poll events {} of {on}", print_poll(*events)),
        }
    }
}
