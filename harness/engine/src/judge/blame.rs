//! Which rule a deviation is about where what was seen names none: a wrong state, or a segment that nothing asked for.
//!
//! Owns the choice: what the target has made of the event before it is the likely mistake. Refuses to decide whether anything is
//! wrong.

use tcpconform_model::{Event, Nanos, Profile, RuleRef, Span, State, Tcb, Timeout, pending, rules, step};

use super::deviation::Deviation;

/// How long after an event something may still be its doing: an ACK is delayed by less than this (RFC 9293 section 3.8.6.3).
const DOING: Nanos = 500_000_000;

/// The rules that say only that something was wrong.
static GENERAL: [RuleRef; 3] = [&rules::STATE_REPORTED, &rules::TRANSITION, &rules::SEGMENT_UNEXPLAINED];

/// The rules of calls that only look.
static LOOKS: [RuleRef; 3] = [&rules::POLL_EVENTS, &rules::QUEUE_LENGTH, &rules::CALL_RECEIVE];

/// The rules that say how an event is counted, and nothing of what it does.
static COUNTS: [RuleRef; 5] = [
    &rules::COUNT_PASSIVE_OPENS_HALF,
    &rules::COUNT_ATTEMPT_GIVEN_UP,
    &rules::COUNT_SYN_ACK_AGAIN,
    &rules::COUNT_SYN_ACK_CROSSING,
    &rules::COUNT_SYN_IN_ERROR,
];

/// The rules that are in almost every event beside the one that it is about.
static BESIDE: [RuleRef; 10] = [
    &rules::CHECK_ACK,
    &rules::SOFT_ERROR_FORGOTTEN,
    &rules::SOFT_ERROR_TOLD,
    &rules::ACK_DELAYED,
    &rules::ACK_QUICK,
    &rules::ACK_SECOND_SEGMENT,
    &rules::ACK_ON_READ,
    &rules::TEXT_IN_ORDER,
    &rules::FIN_WAIT_2_OWNED,
    &rules::FIN_WAIT_2_ORPHAN,
];

/// The rule that decided what an event did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decided {
    rule: RuleRef,
    at: Nanos,
    /// The state before it.
    from: State,
}

impl Decided {
    /// That of an event that these rules decided; none where it only looked.
    pub fn by(decided: &[RuleRef], at: Nanos, from: State) -> Option<Decided> {
        let about = |rule: &&RuleRef| ![&LOOKS[..], &COUNTS, &BESIDE].iter().any(|rules| rules.contains(*rule));
        let beside = |rule: &&RuleRef| BESIDE.contains(*rule);
        let rule = decided.iter().rev().find(about).or_else(|| decided.iter().rev().find(beside))?;
        Some(Decided { rule, at, from })
    }
}

/// The deviation with the rule that it is about.
pub(super) fn blame(decided: Option<Decided>, deviation: Deviation) -> Deviation {
    match decided.filter(|decided| GENERAL.contains(&deviation.rule) && deviation.at <= decided.at + DOING) {
        Some(Decided { rule, .. }) => Deviation { rule, ..deviation },
        None => deviation,
    }
}

/// The rule that a wrong state is about: that of the latest event if this may be its doing; that of a timer that is just due; that of the
/// latest event if it seems to have been passed over; that of a timer if it seems to have fired.
pub(super) fn rule_of_state(told: State, at: Nanos, decided: Option<Decided>, tcb: &Tcb, profile: &Profile) -> RuleRef {
    let by_event = |is_its: fn(&Decided, Nanos, State) -> bool| {
        decided.filter(|decided| is_its(decided, at, told)).map(|decided| decided.rule)
    };
    let by_timer = || {
        pending(tcb).find_map(|(timeout, due)| {
            let fired = step(tcb, &Event::Timeout(timeout), Span::at(due.hi), profile);
            fired.iter().find(|next| next.tcb.state == told)?.rules.first().copied()
        })
    };
    by_event(|decided, at, _| at <= decided.at + DOING)
        .or_else(|| pending(tcb).find(|(_, due)| due.contains(at)).and_then(|due| rule_of(due, tcb, profile)))
        .or_else(|| by_event(|decided, _, told| decided.from == told))
        .or_else(by_timer)
        .unwrap_or(&rules::STATE_REPORTED)
}

/// The rule of what the pending timer would do.
pub(super) fn rule_of_timer(tcb: &Tcb, profile: &Profile) -> RuleRef {
    // The order in which the kernel tells of them.
    let order = [Timeout::TimeWait, Timeout::Retransmit, Timeout::Keepalive];
    let due = |which: Timeout| pending(tcb).find(|(timeout, _)| *timeout == which);
    order.into_iter().find_map(due).and_then(|due| rule_of(due, tcb, profile)).unwrap_or(&rules::TIMER_REPORTED)
}

/// The rule of what this timer would do.
fn rule_of((timeout, due): (Timeout, Span), tcb: &Tcb, profile: &Profile) -> Option<RuleRef> {
    let fired = step(tcb, &Event::Timeout(timeout), Span::at(due.hi), profile);
    fired.iter().find_map(|transition| transition.rules.first().copied())
}
