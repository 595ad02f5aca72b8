//! The faults, one row each, in the order of RFC 9293.
//!
//! Owns what each mistake does to the stack, chapter by chapter, and the words that the rows share. Refuses to know who finds it, but for the
//! rules that are about it.

mod calls;
mod closing;
mod counters;
mod data;
mod header;
mod opening;
mod resets;
mod time_wait;
mod timers;

use tcpconform_model::{
    Call, CallResult, Damaged, Emission, EmissionKind, Errno, Event, Flags, Nanos, Poll, RetransmitKind, RuleRef,
    Segment, Span, State, Tcb, Timeout, Timer, Transition,
};

use super::Fault;

const MS: Nanos = 1_000_000;

/// The faults by chapter.
static CHAPTERS: [&[Fault]; 9] = [
    opening::FAULTS,
    data::FAULTS,
    closing::FAULTS,
    time_wait::FAULTS,
    timers::FAULTS,
    resets::FAULTS,
    calls::FAULTS,
    header::FAULTS,
    counters::FAULTS,
];

/// Every fault.
pub fn faults() -> impl Iterator<Item = &'static Fault> {
    CHAPTERS.into_iter().flatten()
}

/// The segment that arrives, if the event is one.
fn arriving(event: &mut Event) -> Option<&mut Segment> {
    if let Event::SegmentArrives(segment) = event { Some(segment) } else { None }
}

/// A segment that arrives is dropped, without a word or a count.
fn unseen() -> Event {
    Event::DamagedSegmentArrives(Damaged::Short)
}

/// Whether both ends know each other's numbers (RFC 9293 section 3.5).
fn synchronized(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen | State::SynSent | State::SynReceived)
}

fn opens_passively(segment: &Segment) -> bool {
    segment.has(Flags::SYN | Flags::ACK)
}

fn in_time_wait(t: &Tcb, timeout: Timeout) -> bool {
    timeout == Timeout::TimeWait && t.state == State::TimeWait
}

/// Something to send at once.
fn owe(next: &mut Transition, kind: EmissionKind, rule: RuleRef) {
    let due = Span::new(0, Nanos::MAX);
    next.tcb.owed.push(Emission { kind, due, must: true, acks: None, rule });
}

/// The last change of state leads elsewhere.
fn moves(next: &mut Transition, to: State) {
    next.tcb.state = to;
    if let Some((_, last)) = next.tcb.transitions.last_mut() {
        *last = to;
    }
}

/// The connection goes on in TIME-WAIT.
fn wait_two_msl(next: &mut Transition, at: Nanos) {
    moves(next, State::Closed);
    let t = &mut next.tcb;
    t.flight.clear();
    (t.state, t.retransmit, t.delayed_ack, t.keepalive) = (State::TimeWait, None, None, None);
    (t.time_wait, t.time_wait_since) = (Some(in_a_minute(at)), Some(Span::at(at)));
}

fn in_a_minute(at: Nanos) -> Timer {
    let due = Span::at(at + 60_000 * MS);
    Timer { asked: due, due }
}

/// The connection ends with an error.
fn ends(next: &mut Transition, errno: Errno) {
    let t = &mut next.tcb;
    t.transitions.push((t.state, State::Closed));
    t.flight.clear();
    (t.state, t.retransmit, t.delayed_ack, t.keepalive) = (State::Closed, None, None, None);
    (t.user.error, t.user.read_shut, t.user.write_shut) = (Some(errno), true, true);
}

fn reads(event: &Event) -> bool {
    matches!(event, Event::Call(Call::Receive { .. }))
}

/// Whether it is this timer of the retransmission timers.
fn retransmits(t: &Tcb, timeout: Timeout, kind: RetransmitKind) -> bool {
    timeout == Timeout::Retransmit && t.retransmit.is_some_and(|(pending, _)| pending == kind)
}

fn one_more(result: CallResult, more: i64) -> CallResult {
    match result {
        CallResult::Value(n) => CallResult::Value((n + more).max(0)),
        CallResult::Events(_) | CallResult::Error(_) => result,
    }
}

fn error_for(result: CallResult, right: Errno, wrong: Errno) -> CallResult {
    if result == CallResult::Error(right) { CallResult::Error(wrong) } else { result }
}

fn without_events(result: CallResult, missing: Poll) -> CallResult {
    match result {
        CallResult::Events(events) => CallResult::Events(Poll(events.0 & !missing.0)),
        CallResult::Value(_) | CallResult::Error(_) => result,
    }
}

/// Where the TCP header begins.
fn tcp_at(packet: &[u8]) -> usize {
    const IPV6_HEADER: usize = 40;
    if packet[0] >> 4 == 4 { usize::from(packet[0] & 0x0f) * 4 } else { IPV6_HEADER }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::faults;

    #[test]
    fn names_are_unique() {
        let mut names = BTreeSet::new();
        for fault in faults() {
            assert!(names.insert(fault.name), "{}", fault.name);
        }
    }
}
