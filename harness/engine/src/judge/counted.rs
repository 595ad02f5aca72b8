//! What a host tells of its counters, against what the model has counted of its connections.
//!
//! Owns how far what happens meanwhile blurs the answer: the kernel counts without a lock, a little before or after what is seen of the
//! event on the link. Refuses to know how a connection came to be possible.

use std::collections::BTreeMap;

use tcpconform_model::{Counter, Counts, Event, Nanos, Profile, RuleRef, Span, Tcb, pending, step, unsent_counts};

use super::deviation::{Deviation, seconds};
use crate::case::Endpoint;
use crate::trace::{CountersSeen, Trace, What};

/// A question for the counters of an endpoint's host.
#[derive(Clone, Copy)]
pub(super) struct Question<'t> {
    /// When it was put.
    pub asked: Nanos,
    /// The answer.
    pub seen: &'t CountersSeen,
    /// Whether the host has no other connection.
    pub alone: bool,
    /// Whether the endpoint is seen to emit something next that may be counted already.
    pub emits_next: bool,
}

/// What a possible connection had counted before events of which the next answer may not tell yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tally {
    /// When the next question is put.
    asking: Nanos,
    /// The counts before each, and by when it has been counted.
    before: Vec<(Counts, Nanos)>,
}

impl Tally {
    /// Before anything happened.
    pub fn new(asking: Nanos) -> Tally {
        Tally { asking, before: Vec::new() }
    }

    /// Notes an event that has been counted by `until`.
    pub fn note(&mut self, before: &Counts, after: &Counts, until: Nanos) {
        if before != after && until >= self.asking {
            self.before.push((*before, until));
        }
    }

    /// The same for the next question.
    pub fn for_next(mut self, asking: Nanos) -> Tally {
        self.before.retain(|(_, until)| *until >= asking);
        Tally { asking, ..self }
    }

    /// What the host may have counted of the connection by its answer.
    pub fn counts(&self, tcb: &Tcb, question: &Question<'_>, at: Nanos, profile: &Profile) -> Counts {
        let before = self.before.iter().filter(|(_, until)| *until >= question.asked);
        let counts = before.fold(tcb.counts, |counts, (before, _)| counts.or(before));
        if !question.emits_next {
            return counts;
        }
        let fired = pending(tcb).filter(|(_, due)| due.contains(at));
        let fired = fired.flat_map(|(timeout, _)| step(tcb, &Event::Timeout(timeout), Span::at(at), profile));
        let counts = counts.or(&unsent_counts(tcb));
        fired.fold(counts, |counts, fired| counts.or(&unsent_counts(&fired.tcb)))
    }
}

/// The alternative that the answer shows, where it shows one; otherwise where it parts from what the connection may have counted.
pub(super) fn reading(counts: &Counts, question: &Question<'_>) -> Result<Vec<RuleRef>, Contradiction> {
    if !question.alone {
        return Ok(Vec::new());
    }
    let [first, second] = counts.readings().map(|(rule, counts)| match contradiction(&counts, question.seen) {
        None => Ok(rule),
        Some(contradiction) => Err(contradiction),
    });
    match (first, second) {
        (Ok(_), Ok(_)) => Ok(Vec::new()),
        (Ok(rule), Err(_)) | (Err(_), Ok(rule)) => Ok(vec![rule]),
        (Err(contradiction), Err(_)) => Err(contradiction),
    }
}

/// A rule, what was expected, and what the host tells.
type Contradiction = (RuleRef, String, String);

/// The first counter that is not what it may be.
fn contradiction(counts: &Counts, seen: &CountersSeen) -> Option<Contradiction> {
    Counter::ALL.into_iter().find_map(|counter| {
        let name = counter.name();
        let (least, most) = counts.of(counter);
        let told = seen.values.get(name).copied().unwrap_or(0);
        let expected = if least == most { format!("{name} {least}") } else { format!("{name} {least} to {most}") };
        (told < i64::from(least) || told > i64::from(most))
            .then(|| (counter.rule(), expected, format!("{name} {told}")))
    })
}

/// The rules of the counters that have counted something.
pub(super) fn checked_by(seen: &CountersSeen) -> Vec<RuleRef> {
    let counted = Counter::ALL.into_iter().filter(|counter| seen.values.contains_key(counter.name()));
    counted.map(Counter::rule).collect()
}

/// What each of a host's connections may have counted by each answer, by the index of the answer's record.
pub(super) type Shares = BTreeMap<usize, Vec<Counts>>;

/// An answer of a host with several connections that no sum of what they may have counted gives: whose, and where they part.
pub(super) fn wrong_sum(trace: &Trace, shares: &Shares) -> Option<(Endpoint, Deviation)> {
    shares.iter().find_map(|(record, shares)| {
        let What::Counters(seen) = &trace.records.get(*record)?.what else { return None };
        let connections = trace.header.endpoints.iter().filter(|endpoint| endpoint.name.host == seen.on.host).count();
        // Of one that deviates before there is no share.
        if shares.len() < connections {
            return None;
        }
        let sum = shares.iter().fold(Counts::default(), |sum, share| sum.plus(share));
        let [first, second] = sum.readings().map(|(_, counts)| contradiction(&counts, seen));
        let (rule, expected, told) = first.filter(|_| second.is_some())?;
        let actual = format!("{told} at {}", seconds(seen.until));
        let (at, record) = (seen.until, *record);
        Some((seen.on, Deviation { rule, expected, actual, at, record, due: None, possible: Vec::new() }))
    })
}
