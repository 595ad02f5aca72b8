//! What the kernel tells of a connection when asked, against a possible connection.
//!
//! Owns which timer `inet_diag` tells of, and how far something that happens meanwhile blurs the answer: the kernel fills it in
//! without the socket's lock (`inet_sk_diag_fill`). Refuses to know how a connection came to be possible.

use tcpconform_model::{Nanos, Profile, RetransmitKind, RuleRef, State, Tcb, Timer, rules};

use super::blame::{Decided, rule_of_state, rule_of_timer};
use super::deviation::seconds;
use crate::trace::{Sample, Source, TimerKind, TimerSample};

/// What a sample says that a possibility does not: rule, expected, actual, likeness.
type Contradiction = (RuleRef, String, String, u8);

/// The pending timer as `inet_diag` tells of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TimerTold {
    kind: TimerKind,
    /// Retransmissions or probes without an answer.
    count: u32,
    timer: Timer,
    /// Whether it is taken away before its handler does anything else (`tcp_write_timer_handler`, `expire_timers`).
    away_while_handled: bool,
    /// Whether it may come before the RTO: a timeout that is found needless is undone, and a tail loss probe follows (`tcp_try_undo_loss`).
    may_come_sooner: bool,
}

impl TimerTold {
    /// Of several the first in the order in which `inet_sk_diag_fill` looks.
    pub fn of(tcb: &Tcb) -> Option<TimerTold> {
        let told = |kind, count, timer, away_while_handled| {
            let undone = tcb.recovery.is_some_and(|recovery| recovery.by_timeout);
            let may_come_sooner = kind == TimerKind::Retransmit && undone && tcb.agreed.sack;
            TimerTold { kind, count, timer, away_while_handled, may_come_sooner }
        };
        let time_wait = tcb.time_wait.map(|timer| told(TimerKind::TimeWait, 0, timer, false));
        let retransmit = tcb.retransmit.map(|(kind, timer)| match kind {
            RetransmitKind::Timeout => told(TimerKind::Retransmit, tcb.retransmits, timer, true),
            RetransmitKind::LossProbe | RetransmitKind::Reordering => {
                told(TimerKind::Retransmit, tcb.retransmits, timer, false)
            }
            RetransmitKind::WindowProbe => told(TimerKind::Probe, tcb.probes_out, timer, true),
        });
        let keepalive = tcb.keepalive.map(|timer| told(TimerKind::Keepalive, tcb.probes_out, timer, true));
        time_wait.or(retransmit).or(keepalive)
    }
}

/// A possible connection, as far as the kernel tells of it.
pub(super) struct Sampled<'p> {
    pub tcb: &'p Tcb,
    /// The state before the last change, and when that was at the latest.
    pub earlier: Option<(State, Nanos)>,
    /// The timer before the last change, likewise; none before a thread woke in `close`.
    pub earlier_timer: Option<(Option<TimerTold>, Nanos)>,
    /// What the latest event was about.
    pub decided: Option<Decided>,
}

impl Sampled<'_> {
    /// What a sample says that the possibility does not.
    pub fn contradiction(
        &self,
        asked: Nanos,
        answered: Nanos,
        sample: &Sample,
        profile: &Profile,
    ) -> Option<Contradiction> {
        let tcb = self.tcb;
        let state = match sample.source {
            Source::SockDiag => tcb.state,
            Source::TcpInfo => tcb.socket_state(),
        };
        // Where there is no connection, the kernel's answer is the listener if there is one.
        let none = |state: State| matches!(state, State::Listen | State::Closed);
        if tcb.user.listening && none(state) && none(sample.state) {
            return None;
        }
        if sample.state != state {
            // A lookup may find nothing while the mini-socket takes the full one's place (`inet_twsk_hashdance_schedule`).
            let hidden = tcb.is_mini() && sample.state == State::Closed;
            let just_changed = self.earlier.is_some_and(|(earlier, until)| {
                (earlier == sample.state || hidden) && until + profile.processing_ns >= asked
            });
            if just_changed {
                return None;
            }
            let rule = rule_of_state(sample.state, asked, self.decided, tcb, profile);
            return Some((rule, state.to_string(), sample.state.to_string(), 4));
        }
        if sample.source == Source::TcpInfo {
            return None;
        }
        self.wrong_timer(asked, answered, sample, profile).or_else(|| wrong_queues(tcb, sample))
    }

    /// What the sample says of the pending timer that the possibility does not.
    fn wrong_timer(&self, asked: Nanos, answered: Nanos, sample: &Sample, profile: &Profile) -> Option<Contradiction> {
        let fits = |pending: Option<TimerTold>| match_timer(pending, asked, answered, sample, profile);
        let (expected, actual) = fits(TimerTold::of(self.tcb)).err()?;
        // A handler sets the next timer at its end, after its segment.
        if let Some((earlier, until)) = self.earlier_timer
            && until + profile.processing_ns >= asked
        {
            let unset = sample.timer.is_none();
            let told_of = match earlier {
                None => unset,
                Some(earlier) => {
                    let fired = earlier.timer.due.lo <= until;
                    let under_way = until >= asked;
                    (fired || under_way) && fits(Some(earlier)).is_ok() || fired && unset && earlier.away_while_handled
                }
            };
            if told_of {
                return None;
            }
        }
        Some((rule_of_timer(self.tcb, profile), expected, actual, 6))
    }
}

/// Whether the sample tells of this timer; otherwise what was expected and what it tells.
fn match_timer(
    pending: Option<TimerTold>,
    asked: Nanos,
    answered: Nanos,
    sample: &Sample,
    profile: &Profile,
) -> Result<(), (String, String)> {
    let told_text = |told: &TimerSample| {
        format!("{:?} timer, {} retransmissions, expires in {} ms", told.kind, told.retransmits, told.expires_ms)
    };
    let (told, TimerTold { kind, count, timer, may_come_sooner, .. }) = match (&sample.timer, pending) {
        (None, None) => return Ok(()),
        (None, Some(pending)) if pending.timer.due.lo <= answered => return Ok(()),
        (None, Some(TimerTold { kind, timer, .. })) => {
            let (lo, hi) = (seconds(timer.asked.lo), seconds(timer.asked.hi));
            return Err((format!("{kind:?} timer that expires between {lo} and {hi}"), "no timer".to_string()));
        }
        (Some(told), None) => return Err(("no timer".to_string(), told_text(told))),
        (Some(told), Some(pending)) => (told, pending),
    };
    if told.kind != kind {
        return Err((format!("{kind:?} timer"), told_text(told)));
    }
    if u32::from(told.retransmits) != count {
        return Err((format!("{count} retransmissions or probes"), told_text(told)));
    }
    // Both the answer's time and the kernel's rounding to ticks and milliseconds blur the expiry. It is told from `jiffies`: while
    // the tick that moves them is late, the answer stays the same, and so seems later.
    let blur = profile.tick_ns() + 1_000_000;
    let stale = profile.jiffies_behind_ns;
    let expiry = u64::from(told.expires_ms) * 1_000_000;
    let (earliest, latest) = (asked + expiry, answered + expiry);
    let overdue = told.expires_ms == 0 && timer.due.hi >= asked;
    if latest + blur < timer.asked.lo && !may_come_sooner || earliest > timer.asked.hi + blur + stale && !overdue {
        let expected = format!("expiry between {} and {}", seconds(timer.asked.lo), seconds(timer.asked.hi));
        return Err((expected, told_text(told)));
    }
    Ok(())
}

/// What the sample says of the queues of a full socket that the possibility does not (`tcp_diag_get_info`).
fn wrong_queues(tcb: &Tcb, sample: &Sample) -> Option<Contradiction> {
    let request = tcb.state == State::SynReceived && !tcb.user.owned;
    if tcb.is_mini() || request || matches!(tcb.state, State::Listen | State::Closed) {
        return None;
    }
    let wrong = |expected: String, actual: String| Some((&rules::QUEUES_REPORTED as RuleRef, expected, actual, 6));
    let unacknowledged = tcb.write_seq.since(tcb.snd_una).max(0) as u32;
    if let Some(told) = sample.send_queue.filter(|told| *told != unacknowledged) {
        return wrong(format!("{unacknowledged} in the send queue"), format!("{told}"));
    }
    // A FIN counts as one until the reader has come to it; a close() leaves the count where it is.
    let unread = tcb.user.unread + tcb.user.fins;
    if let Some(told) = sample.receive_queue.filter(|told| !tcb.user.orphan && *told != unread) {
        return wrong(format!("{unread} in the receive queue"), format!("{told}"));
    }
    None
}

/// The rules about what the kernel tells of a connection, as far as it tells it.
pub(super) fn checked_by(sample: &Sample) -> &'static [RuleRef] {
    static ALL: [RuleRef; 4] =
        [&rules::TIMER_REPORTED, &rules::STATE_REPORTED, &rules::QUEUES_REPORTED, &rules::TIMER_REPORTED];
    match (sample.timer.is_some(), sample.send_queue.is_some()) {
        (false, false) => &ALL[1..2],
        (true, false) => &ALL[..2],
        (false, true) => &ALL[1..3],
        (true, true) => &ALL[1..],
    }
}
