//! Whether what the claims predict of a case came true in its trace.
//!
//! Owns the matching of events against sights: in the order of the records, each event at its earliest sight after the one
//! matched before. Refuses to know the model: whether the target was right is another question.

use std::collections::BTreeSet;

use tcpconform_model::Call;

use super::sights::{Seen, Sight, sights};
use super::{incomplete, seconds};
use crate::case::OperationCall;
use crate::judgement::Outcome;
use crate::notation::print_poll;
use crate::prediction::{Event, Predicted, Prediction, SegmentEvent};
use crate::trace::{CallReturn, Nanos, Trace, What};

/// What a trace shows, to be asked for single events.
pub struct Shown(Vec<Sight>);

impl Shown {
    /// All of it.
    pub fn of(trace: &Trace) -> Shown {
        Shown(sights(trace))
    }

    /// Whether there is such an event anywhere, its qualifiers left aside.
    pub fn shows(&self, event: &Event) -> bool {
        self.0.iter().any(|sight| fits(event, sight))
    }
}

/// How far two gaps may be from the ratio predicted: a kernel timer is late by its tick and its wheel's slack.
const RATIO_SLACK: f64 = 0.15;

/// The outcome of each prediction in the trace's header.
pub(super) fn predictions(trace: &Trace) -> Vec<Outcome> {
    let incomplete = incomplete(trace);
    let sights = sights(trace);
    let outcome = |prediction: &Prediction| match &incomplete {
        Some(reason) => Outcome::undecided(prediction, reason),
        None if prediction.predicts.is_empty() => {
            Outcome::undecided(prediction, "the trace names the claim without its prediction")
        }
        None => outcome(prediction, trace, &sights),
    };
    trace.header.claims.iter().map(outcome).collect()
}

fn outcome(prediction: &Prediction, trace: &Trace, sights: &[Sight]) -> Outcome {
    let mut walk = Walk::new(trace, sights);
    let (holds, record, text) = match walk.follow(&prediction.predicts) {
        Ok(text) => (true, walk.shown.map_or(trace.records.len() - 1, |shown| sights[shown].record), text),
        Err(Stop::Fails { record, text }) => (false, record, text),
        Err(Stop::Undecided(reason)) => return Outcome::undecided(prediction, &reason),
    };
    Outcome {
        claim: prediction.claim.clone(),
        given: prediction.given.clone(),
        holds: Some(holds),
        record: Some(record),
        at_seconds: Some(seconds(trace.records[record].at)),
        text,
    }
}

/// Why a prediction is not followed to its end.
enum Stop {
    Fails { record: usize, text: String },
    Undecided(String),
}

/// What is not to come before the next event matches.
enum Bar<'p> {
    /// A forbidden event.
    Forbidden(&'p Predicted),
    /// One more of an event that has come as often as predicted.
    More(&'p Predicted),
}

/// Where an event was found.
struct Match {
    /// The sight that shows it.
    sight: usize,
    /// When it came, or, of a state that lasts, from when on it is looked at.
    at: Nanos,
}

/// A prediction being followed through the sights.
struct Walk<'t> {
    trace: &'t Trace,
    sights: &'t [Sight],
    /// Behind the latest sight matched.
    next: usize,
    /// The times of the events matched.
    times: Vec<Nanos>,
    /// The sight that shows the event matched last.
    shown: Option<usize>,
    /// Calls that are matched already.
    used: BTreeSet<usize>,
}

impl<'t> Walk<'t> {
    fn new(trace: &'t Trace, sights: &'t [Sight]) -> Walk<'t> {
        Walk { trace, sights, next: 0, times: Vec::new(), shown: None, used: BTreeSet::new() }
    }

    /// What came of it in words, when all of it came true.
    fn follow(&mut self, predicts: &[Predicted]) -> Result<String, Stop> {
        let mut bars: Vec<Bar<'_>> = Vec::new();
        let mut last = String::new();
        for predicted in predicts {
            if predicted.forbidden {
                bars.push(Bar::Forbidden(predicted));
                continue;
            }
            for _ in 0..predicted.times.unwrap_or(1) {
                let found = self.find(&predicted.event);
                let until = found.as_ref().map_or(self.sights.len(), |found| found.sight);
                self.check_bars(&bars, until)?;
                bars.clear();
                let found = found.ok_or_else(|| self.never(&predicted.event))?;
                self.check(predicted, &found)?;
                last = format!("{}{}", self.sights[found.sight], self.since(found.at));
                self.take(&found);
            }
            if predicted.times.is_some() {
                bars.push(Bar::More(predicted));
            }
        }
        self.check_bars(&bars, self.sights.len())?;
        let absent: Vec<String> = bars
            .iter()
            .map(|bar| match bar {
                Bar::Forbidden(predicted) => format!("no {}", predicted.event),
                Bar::More(predicted) => format!("no more of {}", predicted.event),
            })
            .collect();
        let end = format!("by {:.3} s, the end of the trace", seconds(self.end()));
        Ok(match (last.is_empty(), absent.is_empty()) {
            (_, true) => last,
            (true, false) => format!("{} {end}", absent.join(", ")),
            (false, false) => format!("{last}; {} {end}", absent.join(", ")),
        })
    }

    /// The event's earliest sight after the event matched before.
    ///
    /// A state that the endpoint is in already is seen at once. A call is seen when it returns, even if it began before.
    fn find(&self, event: &Event) -> Option<Match> {
        let now = self.times.last().copied();
        let at = |sight: usize| Match { sight, at: self.sights[sight].at };
        let later = || (self.next..self.sights.len()).find(|&i| fits(event, &self.sights[i]));
        match event {
            Event::Segment(_) | Event::Icmp { .. } => later().map(at),
            Event::State { of, .. } => {
                let is_state = |sight: &Sight| sight.on == *of && matches!(sight.seen, Seen::State(_));
                let standing = self.sights[..self.next].iter().rposition(is_state);
                match (standing, now) {
                    (Some(standing), Some(now)) if fits(event, &self.sights[standing]) => {
                        Some(Match { sight: standing, at: now })
                    }
                    (Some(_) | None, _) => later().map(at),
                }
            }
            Event::Call { .. } | Event::Poll { .. } => {
                let in_time = |i: &usize| *i >= self.next || Some(self.sights[*i].at) >= now;
                (0..self.sights.len())
                    .filter(|i| in_time(i) && !self.used.contains(i) && fits(event, &self.sights[*i]))
                    .min_by_key(|i| self.sights[*i].at)
                    .map(at)
            }
        }
    }

    fn take(&mut self, found: &Match) {
        self.next = self.next.max(found.sight + 1);
        self.times.push(found.at);
        self.shown = Some(found.sight);
        self.used.insert(found.sight);
    }

    /// Nothing barred between the event matched before and this sight.
    fn check_bars(&self, bars: &[Bar<'_>], until: usize) -> Result<(), Stop> {
        for (i, sight) in self.sights.iter().enumerate().take(until).skip(self.next) {
            for bar in bars {
                let text = match bar {
                    Bar::Forbidden(predicted) => {
                        let gap = self.gap(sight.at);
                        let in_time = predicted.within.is_none_or(|within| gap <= within)
                            && predicted.after.is_none_or(|after| gap >= after);
                        let full = match (&predicted.event, &sight.seen) {
                            (Event::Segment(event), Seen::Segment(_)) => deviation(event, sight).is_none(),
                            (_, Seen::Segment(_) | Seen::Icmp(_) | Seen::State(_) | Seen::Call { .. }) => true,
                        };
                        if !(in_time && full && fits(&predicted.event, sight)) {
                            continue;
                        }
                        format!("{} was not to come, and came{}", predicted.event, self.since(sight.at))
                    }
                    Bar::More(predicted) if fits(&predicted.event, sight) => {
                        let times = predicted.times.unwrap_or(1);
                        format!(
                            "{} was to come {times} times, and came once more{}",
                            predicted.event,
                            self.since(sight.at)
                        )
                    }
                    Bar::More(_) => continue,
                };
                return Err(self.fails(i, text));
            }
        }
        Ok(())
    }

    /// The qualifiers of an event that came.
    fn check(&self, predicted: &Predicted, found: &Match) -> Result<(), Stop> {
        let event = &predicted.event;
        let gap = self.gap(found.at);
        let fails = |text| Err(self.fails(found.sight, text));
        if let Some(within) = predicted.within.filter(|within| gap > *within) {
            return fails(format!("{event} was to come within {}, and came{}", time(within), self.since(found.at)));
        }
        if let Some(after) = predicted.after.filter(|after| gap < *after) {
            return fails(format!(
                "{event} was to come after {} or more, and came{}",
                time(after),
                self.since(found.at)
            ));
        }
        if let Some(ratio) = predicted.ratio {
            let before = match self.times[..] {
                [.., earlier, last] => last.saturating_sub(earlier),
                [_] | [] => 0,
            };
            let came = seconds(gap) / seconds(before);
            // A gap of nothing has no ratio.
            if before == 0 || (came - ratio).abs() > ratio * RATIO_SLACK {
                return fails(format!(
                    "{event} was to come after {ratio} times the gap before, and came{}, which is {came:.2} times {}",
                    self.since(found.at),
                    time(before)
                ));
            }
        }
        match event {
            Event::Segment(segment) => match deviation(segment, &self.sights[found.sight]) {
                Some(deviation) => fails(format!("{event} was to have {deviation}")),
                None => Ok(()),
            },
            Event::Icmp { .. } | Event::State { .. } | Event::Call { .. } | Event::Poll { .. } => Ok(()),
        }
    }

    /// The event did not come: what came instead.
    fn never(&self, event: &Event) -> Stop {
        let changes = |of| self.trace.records.iter().any(|r| matches!(&r.what, What::Transition(t) if t.on == of));
        let later = &self.sights[self.next..];
        let instead = match event {
            Event::Segment(event) => {
                let alike = |s: &&Sight| matches!(&s.seen, Seen::Segment(x) if s.on == event.on && x.way == event.way);
                match later.iter().find(alike) {
                    Some(sight) => format!("the next there is {sight}"),
                    None => "no segment did".to_string(),
                }
            }
            Event::Icmp { at, .. } => {
                let alike = |s: &&Sight| s.on == *at && matches!(s.seen, Seen::Icmp(_));
                match later.iter().find(alike) {
                    Some(sight) => format!("the next there is {sight}"),
                    None => "no ICMP error did".to_string(),
                }
            }
            Event::State { of, state } if !changes(*of) => {
                let text = format!("{state} of {of} was not seen, and nothing told of every change of its state");
                return Stop::Undecided(text);
            }
            Event::State { of, .. } => {
                let is_state = |s: &&Sight| s.on == *of && matches!(s.seen, Seen::State(_));
                match self.sights.iter().rev().find(is_state) {
                    Some(sight) => format!("the last seen is {sight}"),
                    None => "no state was seen".to_string(),
                }
            }
            Event::Call { on, op, .. } => {
                let alike = |s: &&Sight| matches!(&s.seen, Seen::Call { op: made, .. } if made == op && s.on == *on);
                match later.iter().find(alike) {
                    Some(sight) => format!("{sight} came"),
                    None => "it was not made".to_string(),
                }
            }
            Event::Poll { on, .. } => {
                let alike = |s: &&Sight| s.on == *on && polled(s).is_some();
                match later.iter().rev().find(alike).and_then(polled) {
                    Some(events) => format!("the last reported are {}", print_poll(events)),
                    None => "nothing was polled".to_string(),
                }
            }
        };
        let after = match self.shown {
            Some(shown) => format!(" after {}", self.sights[shown]),
            None => String::new(),
        };
        let text = format!("{event} was to come{after}, and did not: {instead}");
        Stop::Fails { record: self.trace.records.len() - 1, text }
    }

    fn fails(&self, sight: usize, text: String) -> Stop {
        Stop::Fails { record: self.sights[sight].record, text }
    }

    /// Since the event matched before, or since the trace's start.
    fn gap(&self, at: Nanos) -> Nanos {
        at.saturating_sub(self.times.last().copied().unwrap_or(0))
    }

    /// As in ` 0.200 s after CLOSING of a`.
    fn since(&self, at: Nanos) -> String {
        match self.shown {
            Some(shown) => format!(" {} after {}", time(self.gap(at)), self.sights[shown]),
            None => format!(" at {}", time(at)),
        }
    }

    fn end(&self) -> Nanos {
        self.trace.records.last().map_or(0, |record| record.at)
    }
}

/// Whether the sight is such an event, its qualifiers left aside.
fn fits(event: &Event, sight: &Sight) -> bool {
    match (event, &sight.seen) {
        (Event::Segment(event), Seen::Segment(seen)) => {
            event.on == sight.on
                && event.way == seen.way
                && event.pattern.matches(&seen.segment, &seen.numbers, seen.bases)
        }
        (Event::Icmp { at, kind }, Seen::Icmp(seen)) => *at == sight.on && kind == seen,
        (Event::State { of, state }, Seen::State(seen)) => *of == sight.on && state == seen,
        (Event::Call { on, op, returns }, Seen::Call { op: made, result }) => {
            *on == sight.on && op == made && returns.is_none_or(|returns| returns == *result)
        }
        (Event::Poll { on, events }, Seen::Call { .. }) => {
            *on == sight.on && polled(sight).is_some_and(|reported| reported.has(*events))
        }
        (
            Event::Segment(_) | Event::Icmp { .. } | Event::State { .. } | Event::Call { .. } | Event::Poll { .. },
            Seen::Segment(_) | Seen::Icmp(_) | Seen::State(_) | Seen::Call { .. },
        ) => false,
    }
}

/// What is wrong with a segment that looks as predicted, below the level of the notation.
fn deviation(event: &SegmentEvent, sight: &Sight) -> Option<String> {
    let Seen::Segment(seen) = &sight.seen else { return None };
    if let Some(header) = event.header.filter(|header| *header != seen.header) {
        return Some(format!("a TCP header of {header} bytes, and has one of {}", seen.header));
    }
    if event.checksum && !seen.checksum_ok {
        return Some("a valid checksum, and has a wrong one".to_string());
    }
    let actual = seen.segment.hop_limit;
    let ttl = event.ttl.filter(|ttl| *ttl != actual)?;
    Some(format!("TTL {ttl}, and has {actual}"))
}

/// The events that a poll reported.
fn polled(sight: &Sight) -> Option<tcpconform_model::Poll> {
    match &sight.seen {
        Seen::Call { op, result: CallReturn::Events(events) } if op.call == OperationCall::Socket(Call::Poll) => {
            Some(*events)
        }
        Seen::Call { .. } | Seen::Segment(_) | Seen::Icmp(_) | Seen::State(_) => None,
    }
}

fn time(nanos: Nanos) -> String {
    format!("{:.3} s", seconds(nanos))
}

#[cfg(test)]
mod tests;
