//! One step of the model: an event meets a connection, and every successor that is allowed comes out.
//!
//! Owns the dispatch on event and state (RFC 9293 section 3.10). Refuses to decide details: the files named after the
//! section's parts do.

use alloc::vec;
use alloc::vec::Vec;

use crate::call::{CallResult, Errno};
use crate::counts::Counter;
use crate::event::{Damaged, Event, Timeout, Transition};
use crate::profile::Profile;
use crate::rule::{RuleRef, rules};
use crate::segment::Segment;
use crate::state::State;
use crate::tcb::{EmissionKind, Neighbours, Tcb, User};
use crate::time::{Span, Ticks, Timer};
use crate::wheel::arm;
use crate::{another, arrives, calls, former, icmp, listening, opening, time_wait, timeouts};

/// Every allowed successor of `tcb` when `event` takes effect at `at`.
///
/// More than one: the specification or the limits of observation leave a choice. None: the model has no rule for the event.
pub fn step(tcb: &Tcb, event: &Event, at: Span, profile: &Profile) -> Vec<Transition> {
    let mut work = Work { t: tcb.clone(), at, p: profile, rules: Vec::new(), result: None };
    work.t.transitions.clear();
    if matches!(event, Event::SegmentArrives(_) | Event::DamagedSegmentArrives(_)) {
        work.t.counts.add(Counter::InSegs);
    }
    let done = match event {
        Event::Call(call) => former::call_latest(work, *call),
        Event::CallEarlier(nth, call) => former::call_nth(work, *nth, *call),
        Event::CallListener(call) => listening::call(work, *call),
        Event::CallOnNothing => vec![work.returns(CallResult::Error(Errno::BADF))],
        Event::AcceptWithoutDescriptor => {
            work.fired(&rules::ACCEPT_DESCRIPTOR);
            vec![work.returns(CallResult::Error(Errno::MFILE))]
        }
        Event::ConnectEphemeral { in_range } => vec![calls::connect_ephemeral(work, *in_range)],
        Event::Another(call) => another::call(work, *call),
        Event::Neighbours(neighbours) => {
            let orphans = work.t.neighbours.orphans.becomes(neighbours.orphans, at);
            work.t.neighbours = Neighbours { orphans, ..*neighbours };
            vec![work]
        }
        Event::SegmentArrives(segment) => segment_arrives(work, segment),
        Event::DamagedSegmentArrives(damaged) => {
            work.fired(&rules::SEGMENT_DAMAGED);
            count_damaged(&mut work, *damaged);
            vec![work]
        }
        Event::DamagedIcmpArrives => {
            work.fired(&rules::SEGMENT_DAMAGED);
            vec![work]
        }
        Event::IcmpArrives(error) => icmp::arrives(work, *error),
        Event::HostDies => vec![Work { t: Tcb::closed(), ..work }],
        Event::Timeout(timeout) => timeouts::timeout(work, *timeout),
    };
    let due = if let Event::Timeout(timeout) = event {
        pending(tcb).find(|(which, _)| which == timeout).map(|(_, due)| due)
    } else {
        None
    };
    let waited = calls::close_waits_in(tcb.socket_state());
    done.into_iter()
        .map(|mut w| {
            if waited && w.t.user.closing_until.is_some() && !calls::close_waits_in(w.t.socket_state()) {
                // The lingering close wakes up and goes on.
                w.t.user.closing_until = Some(Span::new(w.at.lo, w.at.hi + w.p.scheduling_ns));
            }
            Transition { tcb: w.t, result: w.result, rules: w.rules, due }
        })
        .collect()
}

/// The timers that are pending, with when each may fire.
pub fn pending(tcb: &Tcb) -> impl Iterator<Item = (Timeout, Span)> {
    [
        (Timeout::Retransmit, tcb.retransmit.map(|(_, timer)| timer.due)),
        (Timeout::DelayedAck, tcb.delayed_ack.map(|timer| timer.due)),
        (Timeout::Keepalive, tcb.keepalive.map(|timer| timer.due)),
        (Timeout::TimeWait, tcb.time_wait.map(|timer| timer.due)),
        (Timeout::Linger, tcb.user.closing_until),
    ]
    .into_iter()
    .filter_map(|(timeout, due)| Some((timeout, due?)))
}

/// What of a damaged segment is counted as an error (`tcp_v4_rcv`): one that is too short is not.
fn count_damaged(w: &mut Work<'_>, damaged: Damaged) {
    match damaged {
        Damaged::Checksum => {
            w.t.counts.add(Counter::InErrs);
            w.t.counts.add(Counter::InCsumErrors);
        }
        Damaged::Header => w.t.counts.add(Counter::InErrs),
        Damaged::Short => {}
    }
}

/// SEGMENT ARRIVES (section 3.10.7).
fn segment_arrives<'p>(work: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    match work.t.state {
        State::Closed => vec![opening::arrives_closed(work, segment)],
        State::Listen => vec![opening::arrives_listen(work, segment)],
        State::SynSent => opening::arrives_syn_sent(work, segment),
        State::SynReceived => opening::arrives_syn_received(work, segment),
        State::FinWait2 | State::TimeWait if work.t.is_mini() => {
            arrives::windows(work, segment).into_iter().flat_map(|work| time_wait::arrives(work, segment)).collect()
        }
        State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait => arrives::arrives(work, segment),
    }
}

/// A successor in the making.
#[derive(Clone)]
pub(crate) struct Work<'p> {
    /// The connection.
    pub t: Tcb,
    /// When the event takes effect.
    pub at: Span,
    /// The profile.
    pub p: &'p Profile,
    /// Rules that decided so far.
    pub rules: Vec<RuleRef>,
    /// What the call returns.
    pub result: Option<CallResult>,
}

impl Work<'_> {
    /// Notes that `rule` decided.
    pub fn fired(&mut self, rule: RuleRef) {
        self.rules.push(rule);
    }

    /// The request socket goes: back to LISTEN (RFC 9293 section 3.10.7.4).
    pub fn drop_request(&mut self) {
        self.fired(&rules::COUNT_PASSIVE_OPENS_HALF);
        self.t.delete();
        self.t.transitions.clear();
        self.t.state = if self.t.user.listening { State::Listen } else { State::Closed };
        let (listening, options) = (self.t.user.listening, self.t.listener.options);
        self.t.user = User { listening, options, descriptors: 0, ..User::new() };
    }

    /// Owes a segment at once.
    pub fn owe(&mut self, kind: EmissionKind, rule: RuleRef) {
        self.fired(rule);
        let due = self.at_once();
        self.t.owe(kind, due, true, rule);
    }

    /// Permits a segment at once.
    pub fn permit(&mut self, kind: EmissionKind, rule: RuleRef) {
        let due = self.at_once();
        self.t.owe(kind, due, false, rule);
    }

    /// When something that happens in the same breath is seen: the state may show before the segment does.
    pub fn at_once(&self) -> Span {
        Span::new(self.at.lo, self.at.hi + self.p.processing_ns)
    }

    /// A timer counted from now.
    pub fn timer(&self, delta: Ticks) -> Timer {
        arm(self.at, delta, self.p)
    }

    /// Ends a call with this result.
    pub fn returns(mut self, result: CallResult) -> Self {
        self.result = Some(result);
        self
    }

    /// Whether a rate-limited ACK may go out now (`__tcp_oow_rate_limited`): certainly, certainly not, or not known.
    pub fn limited_ack(&mut self) -> Limited {
        let limit = u64::from(self.p.invalid_ratelimit_ms) * 1_000_000;
        let tick = self.p.tick_ns();
        match self.t.limited_ack_at {
            Some(last) => {
                let elapsed = self.at.since(last);
                if elapsed.hi + tick < limit {
                    Limited::Silent
                } else {
                    let sure = elapsed.lo >= limit + tick;
                    self.t.limited_ack_at = Some(if sure { self.at } else { Span::new(last.lo, self.at.hi) });
                    if sure { Limited::Sent } else { Limited::Unsure }
                }
            }
            None => {
                self.t.limited_ack_at = Some(self.at);
                Limited::Sent
            }
        }
    }
}

/// The outcome of the ACK rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limited {
    /// The ACK goes out.
    Sent,
    /// It may.
    Unsure,
    /// It does not.
    Silent,
}
