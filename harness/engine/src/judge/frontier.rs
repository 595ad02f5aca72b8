//! The frontier: every connection that explains all that was seen so far.
//!
//! Owns the search. A stimulus takes effect at some time between its stamp and its latest moment, a silent timer at some time of
//! its window: the frontier holds each possibility until an observation decides.

use tcpconform_model::{
    Call, CallResult, Counts, Emission, Event, Mismatch, Nanos, Profile, RuleRef, Segment, Span, State, Tcb, Timeout,
    Transition, describe, explain, pending, rules, step,
};

use super::blame::{Decided, blame};
use super::chosen::Chosen;
use super::counted::{Tally, checked_by as counted_by_answer, reading};
use super::deviation::{Deviation, relative, seconds};
use super::expiry::Expiry;
use super::fired::Fired;
use super::items::{Item, Items, SeenItem, Stimulus};
use super::sampled::{Sampled, TimerTold, checked_by};
use super::trail::{Trail, Trails};
use super::untold::{Change, Moment, are_alike, common};

/// More possibilities than this mean that the model leaves too much open.
const LIMIT: usize = 256;

/// Why the frontier is empty.
#[derive(Debug)]
pub(super) enum Failure {
    /// The target deviates.
    Deviates(Deviation),
    /// The model has nothing to say.
    NoRule {
        /// Index of the record.
        record: usize,
        /// What for.
        text: String,
    },
}

/// Every possible connection.
pub(super) struct Frontier<'t> {
    profile: &'t Profile,
    stimuli: &'t [Stimulus],
    alive: Vec<Possible>,
    timed: Vec<(Expiry, Option<usize>)>,
    /// When each question for the host's counters is put, the last one first.
    asked: Vec<Nanos>,
    /// What the connection may have counted by each answer of a host that has others too.
    shares: Vec<(usize, Counts)>,
    trails: Trails,
    /// Whether the kernel reports state changes.
    watched: bool,
    /// When the observation before was made.
    observed: Nanos,
}

/// One possible connection.
#[derive(Clone, Debug, PartialEq)]
struct Possible {
    tcb: Tcb,
    /// Index of the first stimulus that has not taken effect.
    next: usize,
    /// Up to here silent timers have been let fire in copies.
    elapsed: Nanos,
    /// State changes of the socket that the kernel has not reported yet.
    unreported: Vec<Change>,
    /// The state before the last change, and until when it may still be seen.
    earlier: Option<(State, Nanos)>,
    /// The timer before the last change, if there was one, likewise: a segment goes out before its timer is set.
    earlier_timer: Option<(Option<TimerTold>, Nanos)>,
    /// Rules that decided.
    fired: Fired,
    /// Named alternatives that they are.
    chosen: Chosen,
    /// The latest timer that did something, until an observation shows it.
    expired: Option<Expiry>,
    /// What was made of the records so far.
    trail: Trail,
    /// What the latest event was about.
    decided: Option<Decided>,
    /// A lingering `close` is over and has not been seen to return: when it does.
    returns: Option<Span>,
    /// What it had counted before its latest events.
    tally: Tally,
}

/// The closest that a survivor came to what was seen.
///
/// Who has taken more of what was done into account is closer; among those, whose wish was more like what came.
struct Closest {
    best: Option<((usize, u8), Deviation)>,
}

impl Closest {
    fn offer(&mut self, possible: &Possible, likeness: u8, deviation: Deviation) {
        let close = (possible.next, likeness);
        if self.best.as_ref().is_none_or(|(best, _)| close > *best) {
            self.best = Some((close, blame(possible.decided, deviation)));
        }
    }
}

impl<'t> Frontier<'t> {
    /// Before anything happened.
    pub fn new(profile: &'t Profile, items: &'t Items<'_>, trails: Trails) -> Frontier<'t> {
        let asked = items.observations.iter().rev().filter_map(|item| match &item.seen {
            SeenItem::Counted(question) => Some(question.asked),
            SeenItem::Emitted(_)
            | SeenItem::Returned(_)
            | SeenItem::Sampled(..)
            | SeenItem::Changed(..)
            | SeenItem::WrongByte(_)
            | SeenItem::End => None,
        });
        let asked: Vec<Nanos> = asked.collect();
        let start = Possible {
            tcb: Tcb::closed(),
            next: 0,
            elapsed: 0,
            unreported: Vec::new(),
            earlier: None,
            earlier_timer: None,
            fired: Fired::default(),
            chosen: Chosen::default(),
            expired: None,
            trail: Trail::default(),
            decided: None,
            returns: None,
            tally: Tally::new(asked.last().copied().unwrap_or(Nanos::MAX)),
        };
        let watched = items.observations.iter().any(|item| matches!(item.seen, SeenItem::Changed(..)));
        let (stimuli, alive, timed, shares) = (&items.stimuli, vec![start], Vec::new(), Vec::new());
        Frontier { profile, stimuli, alive, timed, asked, shares, trails, watched, observed: 0 }
    }

    /// What timers did, each with the record that showed it first; without one where it did not come, or not in time.
    pub fn timed(self) -> impl Iterator<Item = (Expiry, Option<usize>)> {
        self.timed.into_iter()
    }

    /// What the connection may have counted by each answer of a host that has others too, by the index of the answer's record.
    pub fn shares(&self) -> impl Iterator<Item = (usize, Counts)> {
        self.shares.iter().copied()
    }

    /// What the first survivor makes of records: the rules that decided what followed from a stimulus, or why a segment was
    /// emitted.
    pub fn explained(&self) -> Vec<(usize, Vec<RuleRef>)> {
        self.alive.first().map_or_else(Vec::new, |possible| self.trails.steps(possible.trail))
    }

    /// Ids of the rules that led to the first survivor.
    pub fn rules_fired(&self) -> impl Iterator<Item = &'static str> {
        self.alive.first().map_or(Fired::default(), |possible| possible.fired).ids()
    }

    /// What all survivors agree on of the named alternatives.
    pub fn chosen(&self) -> Chosen {
        let mut chosen = self.alive.iter().map(|possible| possible.chosen);
        let first = chosen.next().unwrap_or_default();
        chosen.fold(first, Chosen::common)
    }

    /// The state changes so far where the kernel reported none, if all survivors agree on them.
    pub fn untold(&self) -> Option<Vec<Change>> {
        let (first, others) = self.alive.split_first().filter(|_| !self.watched)?;
        let all = |changes: Vec<Change>, other: &Possible| common(&changes, &other.unreported);
        others.iter().try_fold(first.unreported.clone(), all)
    }

    /// Takes one observation; an error leaves the last survivors in place.
    pub fn observe(&mut self, item: &Item<'_>) -> Result<(), Failure> {
        let mut closest = Closest { best: None };
        let reached = self.reach(item, &mut closest)?;
        let possible: Vec<State> = states(&reached);
        self.note_question(item, &reached);
        let mut next = Vec::new();
        for survivor in &reached {
            self.narrow(survivor, item, &mut next, &mut closest);
        }
        if next.is_empty() && matches!(item.seen, SeenItem::Sampled(..) | SeenItem::Changed(..)) {
            // A handler may just be running: its state shows before its segment.
            for survivor in &reached {
                for (timeout, due) in pending(&survivor.tcb).filter(|(_, due)| due.contains(item.at)) {
                    let at = Span::at(item.at);
                    for fired in step(&survivor.tcb, &Event::Timeout(timeout), at, self.profile) {
                        let counted = item.at + self.profile.processing_ns;
                        self.narrow(
                            &survivor
                                .follow_timer(timeout, due, fired, item.at, self.silently(item))
                                .counted_by(counted, survivor),
                            item,
                            &mut next,
                            &mut closest,
                        );
                    }
                }
            }
        }
        next.retain(|possible| !self.contradicts(possible, item.at, item.record, &mut closest));
        if next.is_empty() {
            let mut deviation = closest.best.map(|(_, deviation)| deviation).unwrap_or_else(|| Deviation {
                rule: &rules::SEGMENT_UNEXPLAINED,
                expected: "nothing".to_string(),
                actual: "something".to_string(),
                at: item.at,
                record: item.record,
                due: None,
                possible: Vec::new(),
            });
            if deviation.possible.is_empty() {
                deviation.possible = if possible.is_empty() { states(&self.alive) } else { possible };
            }
            self.timed.extend(deviation.due.map(|due| (Expiry { rule: deviation.rule, due }, None)));
            return Err(Failure::Deviates(deviation));
        }
        next = merged(next);
        if next.len() > LIMIT {
            return Err(Failure::NoRule {
                record: item.record,
                text: format!("{} possibilities at once: it leaves too much open", next.len()),
            });
        }
        self.alive = next;
        self.observed = item.at;
        self.note_expiry(item);
        Ok(())
    }

    /// A question for the host's counters: what the survivors may have counted, and when the next one is put.
    fn note_question(&mut self, item: &Item<'_>, reached: &[Possible]) {
        let SeenItem::Counted(question) = &item.seen else { return };
        self.asked.pop();
        if !question.alone {
            let counts =
                reached.iter().map(|possible| possible.tally.counts(&possible.tcb, question, item.at, self.profile));
            self.shares.extend(counts.reduce(|a, b| a.or(&b)).map(|share| (item.record, share)));
        }
    }

    /// When a timer did something that this observation shows first.
    fn silently(&self, item: &Item<'_>) -> Moment {
        Moment { at: Span::new(self.observed, item.at), cause: None, shown: item.record }
    }

    /// A timer has fired for certain once it has in every survivor: the observation shows it.
    fn note_expiry(&mut self, item: &Item<'_>) {
        let fired = self.alive.iter().map(|possible| possible.expired).reduce(Expiry::common).flatten();
        if let (Some(expiry), false) = (fired, matches!(item.seen, SeenItem::End)) {
            self.timed.push((expiry, Some(item.record)));
            self.alive.iter_mut().for_each(|possible| possible.expired = None);
        }
    }

    /// Everything that the survivors may have become by the time of `item`.
    fn reach(&self, item: &Item<'_>, closest: &mut Closest) -> Result<Vec<Possible>, Failure> {
        let mut reached: Vec<Possible> = Vec::with_capacity(self.alive.len() + 2);
        let mut open: Vec<Possible> = self.alive.clone();
        while let Some(mut possible) = open.pop() {
            if self.contradicts(&possible, item.at, item.record, closest) {
                continue;
            }
            if possible.next < item.stimuli {
                let stimulus = &self.stimuli[possible.next];
                if !self.elapse(&mut possible, stimulus.at, item, closest, &mut open) {
                    continue;
                }
                self.take_effect(&possible, stimulus, item, closest, &mut open)?;
                if let Some(segment) = self.overtakes(possible.next, item) {
                    let mut between = Vec::new();
                    self.take_effect(&possible, segment, item, closest, &mut between)?;
                    for possible in between {
                        self.take_effect(&possible, stimulus, item, closest, &mut open)?;
                    }
                }
                if stimulus.until <= item.at {
                    continue;
                }
            }
            if self.elapse(&mut possible, item.at, item, closest, &mut open) {
                admit(possible, &mut reached);
            }
            if reached.len() + open.len() > 4 * LIMIT {
                return Err(Failure::NoRule {
                    record: item.record,
                    text: "more possibilities than can be followed".to_string(),
                });
            }
        }
        Ok(reached)
    }

    /// Whether the possibility answers a question in two ways, which no kernel does.
    fn contradicts(&self, possible: &Possible, at: Nanos, record: usize, closest: &mut Closest) -> bool {
        let Some((before, now)) = possible.chosen.contradiction() else { return false };
        let expected = format!("{}, as before", before.statement);
        let possible_states = vec![possible.tcb.state];
        let actual = now.statement.to_string();
        let deviation = Deviation { rule: now, expected, actual, at, record, due: None, possible: possible_states };
        closest.offer(possible, 25, deviation);
        true
    }

    /// The segment that may have been taken before a `close` that began before it: on a thread of its own that waits for the socket.
    fn overtakes(&self, next: usize, item: &Item<'_>) -> Option<&Stimulus> {
        let segment = self.stimuli[..item.stimuli].get(next + 1)?;
        let close = &self.stimuli[next];
        let closes = close.event == Event::Call(Call::Close) && segment.at <= close.until;
        (closes && matches!(segment.event, Event::SegmentArrives(_))).then_some(segment)
    }

    /// The next stimulus takes effect.
    fn take_effect(
        &self,
        possible: &Possible,
        stimulus: &Stimulus,
        item: &Item<'_>,
        closest: &mut Closest,
        open: &mut Vec<Possible>,
    ) -> Result<(), Failure> {
        let at = Span::new(stimulus.at, stimulus.until.min(item.at).max(stimulus.at));
        let transitions = step(&possible.tcb, &stimulus.event, at, self.profile);
        if transitions.is_empty() {
            return Err(Failure::NoRule {
                record: stimulus.record,
                text: format!("{:?} in {}", stimulus.event, possible.tcb.state),
            });
        }
        for transition in transitions {
            if let (Some(actual), Some(wanted)) = (stimulus.result, wrong_result(&transition, stimulus.result)) {
                closest.offer(
                    possible,
                    20,
                    Deviation {
                        rule: call_rule(&transition),
                        expected: wanted,
                        actual: result_text(actual),
                        at: stimulus.at,
                        record: stimulus.record,
                        due: None,
                        possible: vec![possible.tcb.state],
                    },
                );
                continue;
            }
            let trail = self.trails.on(possible.trail, stimulus.record, &transition.rules);
            let decided = Decided::by(&transition.rules, at.hi, possible.tcb.state).or(possible.decided);
            let moment = Moment { at, cause: Some(stimulus.record), shown: item.record };
            let after = possible.follow(transition, at.hi, moment).counted_by(stimulus.until, possible);
            let mut next = Possible { trail, decided, ..after };
            if stimulus.event == Event::HostDies {
                if self.watched {
                    // Nobody is left to report what went before.
                    next.unreported.clear();
                }
                (next.earlier, next.earlier_timer) = (None, None);
            }
            next.next += 1;
            open.push(next);
        }
        Ok(())
    }

    /// Time passes up to `t`: what is overdue kills the possibility, silent timers may fire. False when it is dead.
    fn elapse(
        &self,
        possible: &mut Possible,
        t: Nanos,
        item: &Item<'_>,
        closest: &mut Closest,
        open: &mut Vec<Possible>,
    ) -> bool {
        possible.tcb.owed.retain(|owed| owed.must || owed.due.hi >= t);
        if let Some(overdue) = possible.tcb.owed.iter().find(|owed| owed.must && owed.due.hi < t) {
            closest.offer(possible, 15, missing(possible, overdue, item));
            return false;
        }
        let timers: Vec<(Timeout, Span)> = pending(&possible.tcb).filter(|(_, due)| due.lo <= t).collect();
        let since = std::mem::replace(&mut possible.elapsed, t);
        for (timeout, due) in timers {
            let fires = Span::new(due.lo.max(since), due.hi.min(t));
            if fires.lo <= fires.hi {
                let owed_before = possible.tcb.owed.len();
                for transition in step(&possible.tcb, &Event::Timeout(timeout), fires, self.profile) {
                    // What emits is found when the segment comes: its stamp says when the timer fired.
                    if transition.tcb.owed.len() == owed_before {
                        // What it arms may fire silently before the observation too.
                        let fired = possible.follow_timer(timeout, due, transition, fires.hi, self.silently(item));
                        // A timer that is set again to when it was is none that fires again and again.
                        if fired.equals(possible) {
                            continue;
                        }
                        let counted = fires.hi + self.profile.processing_ns;
                        let fired = fired.counted_by(counted, possible);
                        let shows = fired.tcb.state != possible.tcb.state;
                        let expired = if shows { fired.expired } else { possible.expired };
                        open.push(Possible { elapsed: fires.lo, expired, ..fired });
                    }
                }
            }
            if due.hi < t {
                closest.offer(possible, 14, late(possible, timeout, due, item, self.profile));
                return false;
            }
        }
        true
    }

    /// What remains of a possibility after the observation.
    fn narrow(&self, possible: &Possible, item: &Item<'_>, next: &mut Vec<Possible>, closest: &mut Closest) {
        let deviation = |rule: RuleRef, expected: String, actual: String| Deviation {
            rule,
            expected,
            actual,
            at: item.at,
            record: item.record,
            due: pending(&possible.tcb).map(|(_, due)| due).min_by_key(|due| due.lo),
            possible: Vec::new(),
        };
        match &item.seen {
            SeenItem::Emitted(segment) => match explain(&possible.tcb, segment, item.at, self.profile) {
                Ok(transitions) => {
                    let moment = Moment { at: Span::at(item.at), cause: Some(item.record), shown: item.record };
                    next.extend(transitions.into_iter().map(|transition| {
                        let trail = self.trails.on(possible.trail, item.record, &transition.rules);
                        let counted = item.at + self.profile.processing_ns;
                        let after = possible.follow(transition, item.at, moment).counted_by(counted, possible);
                        let after = after.emitted(item.at, self.profile);
                        Possible { trail, ..after }.held_to(checked_in(segment))
                    }));
                }
                Err(Mismatch { rule, expected, likeness }) => {
                    let text = relative(&possible.tcb, segment);
                    closest.offer(possible, likeness, deviation(rule, expected, text));
                }
            },
            SeenItem::Returned(result) if *result != CallResult::Value(0) => {
                closest.offer(possible, 20, deviation(&rules::CALL_RESULT, "0".to_string(), result_text(*result)));
            }
            SeenItem::Returned(_) => match possible.tcb.user.closing_until {
                None if possible.returns.is_none_or(|due| item.at <= due.hi) => {
                    next.push(Possible { returns: None, ..possible.clone() });
                }
                None => {
                    let expected =
                        format!("close() to return by {}", seconds(possible.returns.map_or(0, |due| due.hi)));
                    let actual = format!("a return at {}", seconds(item.at));
                    closest.offer(possible, 20, deviation(&rules::CALL_RESULT, expected, actual));
                }
                Some(due) if due.contains(item.at) => {
                    let fired = step(&possible.tcb, &Event::Timeout(Timeout::Linger), Span::at(item.at), self.profile);
                    next.extend(fired.into_iter().map(|transition| {
                        let moment = self.silently(item);
                        let woken = possible.follow_timer(Timeout::Linger, due, transition, item.at, moment);
                        let woken = woken.counted_by(item.at, possible);
                        Possible { returns: None, ..woken }
                    }));
                }
                Some(due) => {
                    let expected = format!("close() to linger until {}", seconds(due.lo));
                    closest.offer(
                        possible,
                        20,
                        deviation(&rules::CALL_RESULT, expected, format!("a return at {}", seconds(item.at))),
                    );
                }
            },
            SeenItem::Sampled(asked, sample) => {
                match possible.sampled().contradiction(*asked, item.at, sample, self.profile) {
                    None => next.push(possible.clone().held_to(checked_by(sample))),
                    Some((rule, expected, actual, likeness)) => {
                        closest.offer(possible, likeness, deviation(rule, expected, actual));
                    }
                }
            }
            SeenItem::Changed(from, to) => {
                let mut after = possible.clone();
                if after.unreported.first().is_some_and(|change| (change.from, change.to) == (*from, *to)) {
                    after.unreported.remove(0);
                    next.push(after.held_to(&[&rules::TRANSITION]));
                } else {
                    let expected = possible.unreported.first().map_or_else(
                        || format!("no state change from {}", possible.tcb.socket_state()),
                        |Change { from, to, .. }| format!("{from} to {to}"),
                    );
                    closest.offer(possible, 5, deviation(&rules::TRANSITION, expected, format!("{from} to {to}")));
                }
            }
            SeenItem::Counted(question) => {
                let counts = possible.tally.counts(&possible.tcb, question, item.at, self.profile);
                match reading(&counts, question) {
                    Ok(shown) => {
                        let asking = self.asked.last().copied().unwrap_or(Nanos::MAX);
                        let tally = possible.tally.clone().for_next(asking);
                        let chosen = possible.chosen.with(&shown);
                        let after = Possible { tally, chosen, ..possible.clone() };
                        next.push(after.held_to(&shown).held_to(&counted_by_answer(question.seen)));
                    }
                    Err((rule, expected, actual)) => closest.offer(possible, 7, deviation(rule, expected, actual)),
                }
            }
            // Who reads counts the bytes that it got: behind a number that is none of them the count is another.
            SeenItem::WrongByte(_) if possible.tcb.user.left_out > 0 => next.push(possible.clone()),
            SeenItem::WrongByte(at) => {
                let expected = "the bytes that were sent, in order".to_string();
                closest.offer(
                    possible,
                    30,
                    deviation(&rules::CALL_RECEIVE, expected, format!("another byte at offset {at}")),
                );
            }
            SeenItem::End => next.push(possible.clone()),
        }
    }
}

/// Takes a possibility, or lets it be one with another that goes on alike.
fn admit(possible: Possible, all: &mut Vec<Possible>) {
    match all.iter_mut().find(|other| other.equals(&possible)) {
        Some(other) => {
            other.chosen = other.chosen.common(possible.chosen);
            other.unreported =
                common(&other.unreported, &possible.unreported).expect("equal ones made the same changes");
            other.expired = Expiry::common(other.expired, possible.expired);
            // What is told may be as it was until the later of the two.
            other.earlier = [other.earlier, possible.earlier].into_iter().flatten().max_by_key(|(_, until)| *until);
            let timers = [other.earlier_timer, possible.earlier_timer];
            other.earlier_timer = timers.into_iter().flatten().max_by_key(|(_, until)| *until);
        }
        None => all.push(possible),
    }
}

/// Those that do not go on alike.
fn merged(possibilities: Vec<Possible>) -> Vec<Possible> {
    possibilities.into_iter().fold(Vec::new(), |mut all, possible| {
        admit(possible, &mut all);
        all
    })
}

impl Possible {
    /// The same, with rules that it was checked against and kept.
    fn held_to(mut self, rules: &[RuleRef]) -> Possible {
        self.fired = self.fired.with(rules);
        self
    }

    /// What a sample is held against.
    fn sampled(&self) -> Sampled<'_> {
        let Possible { tcb, earlier, earlier_timer, decided, .. } = self;
        Sampled { tcb, earlier: *earlier, earlier_timer: *earlier_timer, decided: *decided }
    }

    /// Whether both go on alike: how they came to be does not count.
    fn equals(&self, other: &Possible) -> bool {
        self.next == other.next
            && self.tcb == other.tcb
            && are_alike(&self.unreported, &other.unreported)
            && self.returns == other.returns
            && self.tally == other.tally
    }

    /// The same, which the kernel has counted by this time at the latest.
    fn counted_by(mut self, until: Nanos, before: &Possible) -> Possible {
        self.tally.note(&before.tcb.counts, &self.tcb.counts, until);
        self
    }

    /// The same after a segment: a timer that changes with it is set behind it (`tcp_write_xmit`).
    fn emitted(mut self, at: Nanos, profile: &Profile) -> Possible {
        if let Some((_, until)) = &mut self.earlier_timer
            && *until + profile.processing_ns >= at
        {
            *until = at.max(*until);
        }
        self
    }

    /// The possibility after a timer that nothing showed.
    fn follow_timer(&self, timeout: Timeout, due: Span, fired: Transition, at: Nanos, moment: Moment) -> Possible {
        let after = self.follow(fired, at, moment);
        if timeout != Timeout::Linger {
            return Possible { returns: self.returns, ..after };
        }
        // A thread that wakes in close() sets the timer of the orphan at a time that only its return bounds.
        Possible { returns: Some(due), earlier_timer: Some((TimerTold::of(&self.tcb), at)), ..after }
    }

    /// The possibility after a transition at `at`, or, as far as can be told, at this moment.
    fn follow(&self, transition: Transition, at: Nanos, moment: Moment) -> Possible {
        let mut tcb = transition.tcb;
        let mut unreported = self.unreported.clone();
        // A listener's events carry no peer, and a request socket has none: the tracepoint cannot tell whose they are.
        let told = tcb.transitions.drain(..).filter(|(from, to)| *from != State::Listen && *to != State::Listen);
        unreported.extend(told.map(|(from, to)| Change { from, to, moment }));
        let earlier = if tcb.state == self.tcb.state { self.earlier } else { Some((self.tcb.state, at)) };
        let timer = TimerTold::of(&self.tcb);
        let earlier_timer = if TimerTold::of(&tcb) == timer { self.earlier_timer } else { Some((timer, at)) };
        let (fired, chosen) = (self.fired.with(&transition.rules), self.chosen.with(&transition.rules));
        let expired = Expiry::of(&transition.rules, transition.due).or(self.expired);
        let Possible { next, elapsed, decided, returns, trail, .. } = *self;
        let tally = self.tally.clone();
        Possible {
            tcb,
            next,
            elapsed,
            unreported,
            earlier,
            earlier_timer,
            fired,
            chosen,
            expired,
            decided,
            returns,
            trail,
            tally,
        }
    }
}

/// The rules about the header that a segment with timestamps is checked against; the first three without.
static HEADER_RULES: [RuleRef; 6] = [
    &rules::SEGMENT_CHECKSUM,
    &rules::SEGMENT_RESERVED,
    &rules::SEGMENT_HOP_LIMIT,
    &rules::SEGMENT_TIMESTAMPS,
    &rules::SEGMENT_TSECR,
    &rules::SEGMENT_TSVAL,
];

fn checked_in(segment: &Segment) -> &'static [RuleRef] {
    if segment.options.timestamps.is_some() { &HEADER_RULES } else { &HEADER_RULES[..3] }
}

/// Why the result of a call is wrong: what it should have been.
fn wrong_result(transition: &Transition, actual: Option<CallResult>) -> Option<String> {
    match (transition.result, actual) {
        (Some(wanted), Some(actual)) if wanted != actual => Some(result_text(wanted)),
        (None, Some(CallResult::Error(_))) => Some("success".to_string()),
        (Some(_) | None, Some(_) | None) => None,
    }
}

fn call_rule(transition: &Transition) -> RuleRef {
    transition.rules.first().copied().unwrap_or(&rules::CALL_RESULT)
}

fn result_text(result: CallResult) -> String {
    match result {
        CallResult::Value(value) => value.to_string(),
        CallResult::Events(events) => crate::notation::print_poll(events),
        CallResult::Error(errno) => errno.name().map_or_else(|| format!("errno {}", errno.0), str::to_string),
    }
}

/// A segment that is owed and did not come.
fn missing(possible: &Possible, overdue: &Emission, item: &Item<'_>) -> Deviation {
    let owed = describe(&possible.tcb);
    let at = possible.tcb.owed.iter().position(|owed| owed == overdue).unwrap_or(0);
    Deviation {
        rule: overdue.rule,
        expected: owed.get(at).cloned().unwrap_or_default(),
        actual: "no such segment".to_string(),
        at: overdue.due.hi,
        record: item.record,
        due: Some(overdue.due),
        possible: vec![possible.tcb.state],
    }
}

/// A timer that should have fired.
fn late(possible: &Possible, timeout: Timeout, due: Span, item: &Item<'_>, profile: &Profile) -> Deviation {
    let fired = step(&possible.tcb, &Event::Timeout(timeout), due, profile);
    let rule = fired.first().and_then(|t| t.rules.first().copied()).unwrap_or(&rules::TIMER_REPORTED);
    let expected = describe(&possible.tcb).into_iter().next_back().unwrap_or_default();
    let text = match timeout {
        Timeout::Retransmit => "no retransmission",
        Timeout::DelayedAck => "no ACK",
        Timeout::Keepalive => "no probe",
        Timeout::TimeWait => "the wait goes on",
        Timeout::Linger => "close() goes on",
    };
    Deviation {
        rule,
        expected,
        actual: text.to_string(),
        at: due.hi,
        record: item.record,
        due: Some(due),
        possible: vec![possible.tcb.state],
    }
}

fn states(possible: &[Possible]) -> Vec<State> {
    let mut states: Vec<State> = possible.iter().map(|p| p.tcb.state).collect();
    states.sort();
    states.dedup();
    states
}
