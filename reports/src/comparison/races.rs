//! What two runs of a case do apart because a timer came a little earlier or later.
//!
//! Owns what a race is: a timer of the target did something here, and in the other run something else came first, within the time in which
//! the timer was due, and no further off than ticks and slack explain. Either order is what the kernel does. What no timer did follows from
//! what was before it: its order is behaviour, and so is what a timer does. Refuses to know what the deeds mean.

use std::collections::{BTreeMap, BTreeSet};

use similar::{Algorithm, DiffOp, capture_diff_slices};
use tcpconform_engine::behaviour::{Deed, Kind, LASTS};
use tcpconform_engine::case::Endpoint;

use super::behaviour::{OWN, Side, slack};

/// What of the difference between two runs is chance.
#[derive(Default)]
pub(super) struct Settled {
    /// Which deeds of the first run and of the second are there, or elsewhere in the order, by a race alone.
    pub raced: [BTreeSet<usize>; 2],
    /// Whether the runs took different turns at a race: what comes after follows from it, and is not comparable.
    pub parted: bool,
}

/// Finds the races, from the first difference on, until there is a difference that is none.
pub(super) fn settle(sides: [&Side<'_>; 2]) -> Settled {
    let mut settled = Settled::default();
    // In the clock of the first run: when, and how far around.
    let mut races: Vec<(i64, i64)> = Vec::new();
    loop {
        let pairs = Pairs::of(sides, &settled.raced);
        let Some((side, index)) = pairs.first_alone(sides, &settled.raced) else { return settled };
        let deed = &sides[side].deeds[index];
        let shift = pairs.shift(sides, side, index);
        let in_first = deed.at as i64 - if side == 0 { 0 } else { shift };
        match race(sides, &pairs, side, index) {
            Some(Race { around, later }) => {
                settled.raced[side].insert(index);
                settled.raced[1 - side].extend(later);
                races.push((in_first, around));
            }
            None => {
                settled.parted = races.iter().any(|(at, around)| (at - in_first).abs() <= *around);
                return settled;
            }
        }
    }
}

/// That a timer's deed came before something else in one run, and in the other one after it or not at all.
struct Race {
    /// How far around the deed chance decides what comes first.
    around: i64,
    /// Its place in the other run, if it came there.
    later: Option<usize>,
}

/// `None` where it is not by chance that the other run has a deed elsewhere or not at all.
fn race(sides: [&Side<'_>; 2], pairs: &Pairs, side: usize, index: usize) -> Option<Race> {
    let (here, there) = (sides[side], sides[1 - side]);
    let deed = &here.deeds[index];
    let (lo, hi) = deed.due?;
    let before = here.deeds[..index].iter().rfind(|before| before.on == deed.on && happens_then(before));
    let length = deed.at - before.map_or(0, |before| before.at);
    let around = (slack(length, here.hz) + slack(length, there.hz) + OWN) as i64;
    let shift = pairs.shift(sides, side, index);
    let (at, due) = (deed.at as i64, lo as i64 - OWN as i64..=hi as i64 + OWN as i64);
    let is_near = |other: u64| due.contains(&(other as i64 + shift)) && (other as i64 + shift - at).abs() <= around;
    // The same timer, as far as can be told: not what it did here, nor something else that a timer did in both runs.
    let does_otherwise = there.deeds.iter().enumerate().any(|(i, other)| {
        let is_of_timer = |deed: &Deed| deed.due.is_some();
        let comes_again = pairs.of_other(1 - side, i).map(|i| (i, &here.deeds[i]));
        let is_new = comes_again.is_none_or(|(i, again)| i > index && !is_of_timer(again));
        let is_like = (other.on, other.kind) == (deed.on, deed.kind) && is_of_timer(other) && other.text != deed.text;
        is_new && is_like && is_near(other.at)
    });
    if does_otherwise {
        return None;
    }
    let came_first = there.deeds.iter().enumerate().find(|(i, other)| {
        let comes_after = pairs.of_other(1 - side, *i).is_some_and(|here| here > index);
        happens_then(other) && comes_after && is_near(other.at)
    });
    let later = came_first.and_then(|(first, other)| {
        let mut behind = there.deeds.iter().enumerate().skip(first + 1);
        let twin = behind.find(|(i, twin)| {
            let is_alone = pairs.of_other(1 - side, *i).is_none();
            let in_time =
                twin.due.is_some_and(|(lo, _)| lo <= other.at + OWN) && twin.at as i64 - other.at as i64 <= around;
            is_alone && (twin.on, twin.kind) == (deed.on, deed.kind) && twin.text == deed.text && in_time
        });
        twin.map(|(i, _)| i)
    });
    (came_first.is_some() || there.end.is_some_and(is_near)).then_some(Race { around, later })
}

/// Whether a deed happened when it was seen: a state may have been entered before somebody looked, unless a timer's time is known.
fn happens_then(deed: &Deed) -> bool {
    deed.kind != Kind::State || deed.due.is_some()
}

/// Which deeds of two runs are the same.
struct Pairs([BTreeMap<usize, usize>; 2]);

impl Pairs {
    /// The same in each endpoint's sequence of each kind: which of two kinds comes first within a moment is chance.
    fn of(sides: [&Side<'_>; 2], raced: &[BTreeSet<usize>; 2]) -> Pairs {
        let mut pairs = Pairs([BTreeMap::new(), BTreeMap::new()]);
        let sequences = [0, 1].map(|side| by_kind(sides[side].deeds, &raced[side]));
        for (key, was) in &sequences[0] {
            let Some(is) = sequences[1].get(key) else { continue };
            for (one, other) in matched(sides, was, is) {
                pairs.0[0].insert(one, other);
                pairs.0[1].insert(other, one);
            }
        }
        pairs
    }

    /// The same deed of the other run.
    fn of_other(&self, side: usize, index: usize) -> Option<usize> {
        self.0[side].get(&index).copied()
    }

    /// How far the other run's clock is behind at a deed, by the nearest one before it that both have.
    fn shift(&self, sides: [&Side<'_>; 2], side: usize, index: usize) -> i64 {
        let time = |side: usize, index: usize| sides[side].deeds[index].at as i64;
        let before = self.0[side].range(..index).rfind(|(here, _)| happens_then(&sides[side].deeds[**here]));
        before.map_or(0, |(here, there)| time(side, *here) - time(1 - side, *there))
    }

    /// The first deed of the target that the other run does not have there: its run, and its place in it.
    fn first_alone(&self, sides: [&Side<'_>; 2], raced: &[BTreeSet<usize>; 2]) -> Option<(usize, usize)> {
        let alone = [0, 1].into_iter().flat_map(|side| {
            let deeds = sides[side].deeds.iter().enumerate().filter(|(_, deed)| deed.kind.is_of_target());
            deeds
                .filter(move |(index, _)| self.of_other(side, *index).is_none() && !raced[side].contains(index))
                .map(move |(index, deed)| (known_at(deed), side, index))
        });
        alone.min().map(|(_, side, index)| (side, index))
    }
}

/// The same deeds in two sequences. Where that leaves out some that no timer did, but those are the same and in the same order without the
/// timers', the timers' are in between by chance.
fn matched(sides: [&Side<'_>; 2], was: &[usize], is: &[usize]) -> Vec<(usize, usize)> {
    let is_due = |side: usize, index: usize| sides[side].deeds[index].due.is_some();
    let part = |side: usize, indices: &[usize], due: bool| -> Vec<usize> {
        indices.iter().copied().filter(|index| is_due(side, *index) == due).collect()
    };
    let all = longest(sides, was, is);
    let (rest_was, rest_is) = (part(0, was, false), part(1, is, false));
    let rest = longest(sides, &rest_was, &rest_is);
    let covers = |pairs: &[(usize, usize)]| {
        rest_was.iter().all(|index| pairs.iter().any(|(was, _)| was == index))
            && rest_is.iter().all(|index| pairs.iter().any(|(_, is)| is == index))
    };
    if covers(&all) || !covers(&rest) {
        return all;
    }
    let timers = longest(sides, &part(0, was, true), &part(1, is, true));
    let crosses = |(was, is): (usize, usize)| rest.iter().any(|(one, other)| (*one < was) != (*other < is));
    let beside = timers.into_iter().filter(|pair| !crosses(*pair));
    rest.iter().copied().chain(beside).collect()
}

/// The longest common subsequence of both sequences, as pairs.
fn longest(sides: [&Side<'_>; 2], was: &[usize], is: &[usize]) -> Vec<(usize, usize)> {
    let texts = |side: usize, indices: &[usize]| -> Vec<&str> {
        indices.iter().map(|index| &*sides[side].deeds[*index].text).collect()
    };
    let ops = capture_diff_slices(Algorithm::Myers, &texts(0, was), &texts(1, is));
    let equal = ops.into_iter().filter_map(|op| match op {
        DiffOp::Equal { old_index, new_index, len } => Some((0..len).map(move |i| (old_index + i, new_index + i))),
        DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => None,
    });
    equal.flatten().map(|(old, new)| (was[old], is[new])).collect()
}

/// From when on it is behaviour: a state only once it has lasted.
fn known_at(deed: &Deed) -> u64 {
    deed.at + if deed.kind == Kind::State { LASTS / 100_000 } else { 0 }
}

/// The places of each endpoint's deeds, kind by kind.
pub(super) fn by_kind(deeds: &[Deed], without: &BTreeSet<usize>) -> BTreeMap<(Endpoint, Kind), Vec<usize>> {
    let mut all: BTreeMap<(Endpoint, Kind), Vec<usize>> = BTreeMap::new();
    for (index, deed) in deeds.iter().enumerate().filter(|(index, _)| !without.contains(index)) {
        all.entry((deed.on, deed.kind)).or_default().push(index);
    }
    all
}
