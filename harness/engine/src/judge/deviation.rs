//! Where a possible connection and what was seen part.

use tcpconform_model::{Nanos, RuleRef, Segment, Span, State, Tcb};

use crate::notation::{Bases, display_segment};

/// What the last survivors wanted, and what came instead.
#[derive(Clone, Debug)]
pub(super) struct Deviation {
    pub rule: RuleRef,
    pub expected: String,
    pub actual: String,
    pub at: Nanos,
    pub record: usize,
    /// When the answer that is missing was due, or the timer that was to fire next.
    pub due: Option<Span>,
    /// States of the last survivors.
    pub possible: Vec<State>,
}

/// The segment in numbers relative to the connection.
pub(super) fn relative(tcb: &Tcb, segment: &Segment) -> String {
    let bases = Bases { seq: tcb.iss.unwrap_or_default(), ack: tcb.irs };
    display_segment(segment, bases, true)
}

/// As in `+1.505588`.
pub(super) fn seconds(ns: Nanos) -> String {
    format!("+{}.{:06}", ns / 1_000_000_000, ns / 1_000 % 1_000_000)
}
