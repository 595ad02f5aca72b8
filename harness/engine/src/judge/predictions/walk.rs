//! A prediction followed through the sights of a trace.
//!
//! Owns the matching: in the order of the sights, each event at its earliest sight after the one matched before. Where it is only known
//! between which moments a state was entered, whatever is not the same for all of them is undecided. Refuses to know where the sights
//! come from.

use std::collections::BTreeSet;

use tcpconform_model::{Call, Span};

use super::super::seconds;
use super::super::sights::{Seen, Sight};
use crate::case::{Endpoint, OperationCall};
use crate::notation::print_poll;
use crate::prediction::{Event, Predicted, SegmentEvent};
use crate::trace::{CallReturn, Nanos, Trace};

/// How far two gaps may be from the ratio predicted: a kernel timer is late by its tick and its wheel's slack.
const RATIO_SLACK: f64 = 0.15;

/// Why a prediction is not followed to its end.
pub(super) enum Stop {
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
    /// The same, as far as it is known.
    when: Span,
}

/// A prediction being followed through the sights.
pub(super) struct Walk<'t> {
    trace: &'t Trace,
    sights: &'t [Sight],
    /// Whose states may have gone unseen.
    incomplete: &'t [Endpoint],
    /// Behind the latest sight matched.
    next: usize,
    /// When the latest event matched came.
    now: Option<Nanos>,
    /// The times of the events matched, as far as they are known.
    times: Vec<Span>,
    /// The sight that shows the event matched last.
    shown: Option<usize>,
    /// Calls that are matched already.
    used: BTreeSet<usize>,
}

impl<'t> Walk<'t> {
    /// At the start.
    pub(super) fn new(trace: &'t Trace, sights: &'t [Sight], incomplete: &'t [Endpoint]) -> Walk<'t> {
        let (times, used) = (Vec::new(), BTreeSet::new());
        Walk { trace, sights, incomplete, next: 0, now: None, times, shown: None, used }
    }

    /// Index of the record that shows the event matched last.
    pub(super) fn shown_by(&self) -> Option<usize> {
        self.shown.map(|shown| self.sights[shown].record)
    }

    /// What came of it in words, when all of it came true.
    pub(super) fn follow(&mut self, predicts: &[Predicted]) -> Result<String, Stop> {
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
                last = format!("{}{}", self.sights[found.sight], self.since(found.when));
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
        let now = self.now;
        let at = |sight: usize| Match { sight, at: self.sights[sight].at, when: self.entered(sight) };
        let later = || (self.next..self.sights.len()).find(|&i| fits(event, &self.sights[i]));
        match event {
            Event::Segment(_) | Event::Icmp { .. } => later().map(at),
            Event::State { of, .. } => {
                let is_state = |sight: &Sight| sight.on == *of && matches!(sight.seen, Seen::State(_));
                let standing = self.sights[..self.next].iter().rposition(is_state);
                match (standing, now) {
                    (Some(standing), Some(now)) if fits(event, &self.sights[standing]) => {
                        Some(Match { sight: standing, at: now, when: self.before() })
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
        self.now = Some(found.at);
        self.times.push(found.when);
        self.shown = Some(found.sight);
        self.used.insert(found.sight);
    }

    /// Nothing barred between the event matched before and this sight.
    fn check_bars(&self, bars: &[Bar<'_>], until: usize) -> Result<(), Stop> {
        self.check_seen(bars, until)?;
        let unseen = bars.iter().find_map(|bar| match bar {
            Bar::Forbidden(Predicted { event: Event::State { of, state }, .. }) if self.incomplete.contains(of) => {
                Some((of, state))
            }
            Bar::Forbidden(_) | Bar::More(_) => None,
        });
        let unseen = unseen.map(|(of, state)| untold(&format!("{state} of {of} was not to come and was not seen")));
        unseen.map_or(Ok(()), Err)
    }

    /// No sight of anything barred.
    fn check_seen(&self, bars: &[Bar<'_>], until: usize) -> Result<(), Stop> {
        for (i, sight) in self.sights.iter().enumerate().take(until).skip(self.next) {
            for bar in bars {
                let text = match bar {
                    Bar::Forbidden(predicted) => {
                        let gap = self.gap(self.entered(i));
                        let within = predicted.within.map_or(Some(true), |within| at_most(gap, within));
                        let after = predicted.after.map_or(Some(true), |after| at_least(gap, after));
                        if within == Some(false) || after == Some(false) {
                            continue;
                        }
                        let in_time = within.and(after).is_some();
                        let full = match (&predicted.event, &sight.seen) {
                            (Event::Segment(event), Seen::Segment(_)) => deviation(event, sight).is_none(),
                            (_, Seen::Segment(_) | Seen::Icmp(_) | Seen::State(_) | Seen::Call { .. }) => true,
                        };
                        if !(full && fits(&predicted.event, sight)) {
                            continue;
                        }
                        let text =
                            format!("{} was not to come, and came{}", predicted.event, self.since(self.entered(i)));
                        if !in_time {
                            return Err(Stop::Undecided(text));
                        }
                        text
                    }
                    Bar::More(predicted) if fits(&predicted.event, sight) => {
                        let times = predicted.times.unwrap_or(1);
                        format!(
                            "{} was to come {times} times, and came once more{}",
                            predicted.event,
                            self.since(self.entered(i))
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
        let gap = self.gap(found.when);
        let fails = |text| Err(self.fails(found.sight, text));
        let came = |wanted: String, met: Option<bool>| match met {
            Some(true) => Ok(()),
            Some(false) => fails(format!("{event} was to come {wanted}, and came{}", self.since(found.when))),
            None => Err(Stop::Undecided(format!(
                "{event} was to come {wanted}, and came{}: nothing told when",
                self.since(found.when)
            ))),
        };
        if let Some(within) = predicted.within {
            came(format!("within {}", time(within)), at_most(gap, within))?;
        }
        if let Some(after) = predicted.after {
            came(format!("after {} or more", time(after)), at_least(gap, after))?;
        }
        if let Some(ratio) = predicted.ratio {
            self.check_ratio(ratio, event, found)?;
        }
        match event {
            Event::Segment(segment) => match deviation(segment, &self.sights[found.sight]) {
                Some(deviation) => fails(format!("{event} was to have {deviation}")),
                None => Ok(()),
            },
            Event::Icmp { .. } | Event::State { .. } | Event::Call { .. } | Event::Poll { .. } => Ok(()),
        }
    }

    /// The gap to an event that came, against the gap before it.
    fn check_ratio(&self, ratio: f64, event: &Event, found: &Match) -> Result<(), Stop> {
        let gap = self.gap(found.when);
        let before = match self.times[..] {
            [.., earlier, last] => between(earlier, last),
            [_] | [] => Span::at(0),
        };
        // A gap of nothing has no ratio.
        let [least, most] =
            [(gap.lo, before.hi), (gap.hi, before.lo)].map(|(gap, before)| seconds(gap) / seconds(before));
        let slack = ratio * RATIO_SLACK;
        let is_near = |came: f64| (came - ratio).abs() <= slack;
        if before.lo > 0 && is_near(least) && is_near(most) {
            return Ok(());
        }
        let came = if least == most { format!("{least:.2}") } else { format!("{least:.2} to {most:.2}") };
        let text = format!(
            "{event} was to come after {ratio} times the gap before, and came{}, which is {came} times {}",
            self.since(found.when),
            span(before)
        );
        let is_far = before.hi == 0 || most < ratio - slack || least > ratio + slack;
        Err(if is_far { self.fails(found.sight, text) } else { Stop::Undecided(format!("{text}: nothing told when")) })
    }

    /// The event did not come: what came instead.
    fn never(&self, event: &Event) -> Stop {
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
            Event::State { of, state } if self.incomplete.contains(of) => {
                return untold(&format!("{state} of {of} was not seen"));
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

    /// When the event matched before came, or the trace's start.
    fn before(&self) -> Span {
        self.times.last().copied().unwrap_or(Span::at(0))
    }

    /// When the sight's event came, which is not before the event matched before.
    fn entered(&self, sight: usize) -> Span {
        let (when, first) = (self.sights[sight].when, self.before().lo);
        Span::new(when.lo.max(first), when.hi.max(first))
    }

    /// Since the event matched before, or since the trace's start.
    fn gap(&self, when: Span) -> Span {
        between(self.before(), when)
    }

    /// As in ` 0.200 s after CLOSING of a`.
    fn since(&self, when: Span) -> String {
        match self.shown {
            Some(shown) => format!(" {} after {}", span(self.gap(when)), self.sights[shown]),
            None => format!(" at {}", span(when)),
        }
    }

    fn end(&self) -> Nanos {
        self.trace.records.last().map_or(0, |record| record.at)
    }
}

/// Whether the sight is such an event, its qualifiers left aside.
pub(super) fn fits(event: &Event, sight: &Sight) -> bool {
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

/// How far two moments may be apart.
fn between(earlier: Span, later: Span) -> Span {
    Span::new(later.lo.saturating_sub(earlier.hi), later.hi.saturating_sub(earlier.lo))
}

/// `None` where it depends on when it was.
fn at_most(gap: Span, bound: Nanos) -> Option<bool> {
    let sure = (gap.lo <= bound) == (gap.hi <= bound);
    sure.then_some(gap.hi <= bound)
}

/// `None` where it depends on when it was.
fn at_least(gap: Span, bound: Nanos) -> Option<bool> {
    let sure = (gap.lo >= bound) == (gap.hi >= bound);
    sure.then_some(gap.lo >= bound)
}

fn untold(what: &str) -> Stop {
    Stop::Undecided(format!("{what}, and nothing told of every change of its state"))
}

fn time(nanos: Nanos) -> String {
    format!("{:.3} s", seconds(nanos))
}

/// As in `0.200 s`, or `0.200 to 0.450 s`.
fn span(span: Span) -> String {
    let [lo, hi] = [span.lo, span.hi].map(time);
    if lo == hi { hi } else { format!("{:.3} to {hi}", seconds(span.lo)) }
}
