//! Two runs of one case, deed by deed.
//!
//! Owns the alignment, and how far a time may move before it counts: by more than both kernels' ticks and the slack of their timer wheels.
//! Refuses to know when order is chance.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use tcpconform_engine::behaviour::{Deed, Kind};
use tcpconform_engine::case::Endpoint;
use tcpconform_model::timer_slack_ns;

use super::races::{Settled, by_kind, settle};

/// In what two runs of a case differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// Other segments.
    Segments,
    /// The same segments in another order.
    Order,
    /// Other states.
    States,
    /// Other results of calls.
    Calls,
    /// The same, at other times.
    Timing,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Aspect::Segments => "other segments",
            Aspect::Order => "other order",
            Aspect::States => "other states",
            Aspect::Calls => "other results of calls",
            Aspect::Timing => "other times",
        })
    }
}

/// What both runs did at one point.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The first run.
    pub base: Option<Deed>,
    /// The second.
    pub new: Option<Deed>,
    /// Whether they differ.
    pub changed: bool,
}

impl Row {
    /// The deeds without their times.
    pub(super) fn texts(&self) -> (Option<String>, Option<String>) {
        let text = |deed: &Option<Deed>| deed.as_ref().map(|deed| format!("{} {}", deed.on, deed.text));
        (text(&self.base), text(&self.new))
    }
}

/// What one run did, on a kernel with so many ticks a second.
pub(super) struct Side<'d> {
    /// Its deeds.
    pub deeds: &'d [Deed],
    /// When the observation ended, tenths of milliseconds, if that is known.
    pub end: Option<u64>,
    /// Ticks a second.
    pub hz: u32,
}

/// Two runs side by side.
pub(super) struct Found {
    /// In what they differ; empty when they do not.
    pub aspects: Vec<Aspect>,
    /// Whether they took different turns at a race, so that nothing can be said.
    pub parted: bool,
    /// All of both.
    pub rows: Vec<Row>,
}

/// States are looked for at most this often, tenths of milliseconds.
const SEEN_WITHIN: u64 = 2_500;
/// What a tester's own doing may take, tenths of milliseconds.
pub(super) const OWN: u64 = 10;

/// Compares what two runs of a case did.
pub(super) fn compare(base: &Side<'_>, new: &Side<'_>) -> Found {
    let Settled { raced, parted } = settle([base, new]);
    if parted {
        return Found { aspects: Vec::new(), parted, rows: aligned(base.deeds, new.deeds, &raced) };
    }
    let (before, after) = (texts(base.deeds, &raced[0]), texts(new.deeds, &raced[1]));
    let mut aspects = Vec::new();
    for key in before.keys().chain(after.keys()) {
        let empty = Vec::new();
        let (was, is) = (before.get(key).unwrap_or(&empty), after.get(key).unwrap_or(&empty));
        if was == is {
            continue;
        }
        let sorted = |texts: &[&str]| {
            let mut texts = texts.to_vec();
            texts.sort_unstable();
            texts.iter().map(|text| (*text).to_string()).collect::<Vec<String>>()
        };
        aspects.push(match key.1 {
            Kind::Emits if sorted(was) == sorted(is) => Aspect::Order,
            Kind::Emits => Aspect::Segments,
            Kind::State => Aspect::States,
            Kind::Call => Aspect::Calls,
            // What arrives is the case's doing.
            Kind::Arrives => continue,
        });
    }
    let mut rows = aligned(base.deeds, new.deeds, &raced);
    if aspects.is_empty() {
        let mut anchors = vec![[0, 0]];
        for row in &mut rows {
            row.changed = false;
            let (Some(was), Some(is)) = (&row.base, &row.new) else { continue };
            row.changed = was.kind.is_of_target() && has_moved([was, is], &anchors, [base.hz, new.hz]);
            anchors.push([was.at, is.at]);
        }
        if rows.iter().any(|row| row.changed) {
            aspects.push(Aspect::Timing);
        }
    }
    aspects.sort_unstable();
    aspects.dedup();
    Found { aspects, parted, rows }
}

/// Whether a deed came at another time than ticks and slack explain, or a call took another.
///
/// What it follows from is one of those before it (`anchors`), as a rule the last. A timer that was set long before tells by its due time
/// since when it ran.
fn has_moved(deeds: [&Deed; 2], anchors: &[[u64; 2]], hz: [u32; 2]) -> bool {
    let apart = |times: [u64; 2], anchor: &[u64; 2]| {
        let gaps = [0, 1].map(|side| times[side] as i64 - anchor[side] as i64);
        (gaps[0] - gaps[1]).unsigned_abs()
    };
    let since = |times: [u64; 2], anchor: &[u64; 2]| [0, 1].map(|side| times[side].saturating_sub(anchor[side]));
    let kind = deeds[0].kind;
    let took = deeds.map(|deed| deed.took.unwrap_or(0));
    if took[0].abs_diff(took[1]) > tolerance(kind, took, hz) {
        return true;
    }
    let times = [0, 1].map(|side| deeds[side].at.saturating_sub(took[side]));
    let allowed = anchors.last().map_or(OWN, |last| tolerance(kind, since(times, last), hz));
    if anchors.iter().any(|anchor| apart(times, anchor) <= allowed) {
        return false;
    }
    let Some((was, is)) = deeds[0].due.zip(deeds[1].due) else { return true };
    let due = [was, is];
    // What set it came as long before it was due in both, and no longer than its slack goes with.
    let set = anchors.iter().find(|anchor| {
        let lengths = since(due.map(|(lo, _)| lo), anchor);
        let goes_with = |side: usize| slack(lengths[side], hz[side]) <= due[side].1.saturating_sub(due[side].0) + OWN;
        lengths[0].abs_diff(lengths[1]) <= OWN && goes_with(0) && goes_with(1)
    });
    set.is_none_or(|set| apart(times, set) > tolerance(kind, since(times, set), hz))
}

/// How far the end of so long a time may move, tenths of milliseconds.
fn tolerance(kind: Kind, gaps: [u64; 2], hz: [u32; 2]) -> u64 {
    let explained: u64 = gaps.into_iter().zip(hz).map(|(gap, hz)| slack(gap, hz)).sum();
    let seen = if kind == Kind::State { SEEN_WITHIN } else { 0 };
    explained + seen + OWN
}

/// How late a timer of this length may be, both in tenths of milliseconds.
pub(super) fn slack(length: u64, hz: u32) -> u64 {
    timer_slack_ns(length.saturating_mul(100_000), hz) / 100_000
}

/// What each endpoint did, kind by kind: which of two kinds comes first within the same moment is chance.
fn texts<'d>(deeds: &'d [Deed], without: &BTreeSet<usize>) -> BTreeMap<(Endpoint, Kind), Vec<&'d str>> {
    let text = |index: usize| &*deeds[index].text;
    by_kind(deeds, without).into_iter().map(|(key, indices)| (key, indices.into_iter().map(text).collect())).collect()
}

/// Both runs side by side; what was raced has not changed.
fn aligned(base: &[Deed], new: &[Deed], raced: &[BTreeSet<usize>; 2]) -> Vec<Row> {
    let keys = |deeds: &[Deed]| -> Vec<(Endpoint, Kind, String)> {
        deeds.iter().map(|deed| (deed.on, deed.kind, deed.text.clone())).collect()
    };
    let mut rows = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &keys(base), &keys(new)) {
        let (was, is) = (op.old_range(), op.new_range());
        let differs = !matches!(op, DiffOp::Equal { .. });
        for i in 0..was.len().max(is.len()) {
            let places = [was.clone().nth(i), is.clone().nth(i)];
            let is_raced = |side: usize| places[side].is_none_or(|place| raced[side].contains(&place));
            let changed = differs && !(is_raced(0) && is_raced(1));
            let pick = |deeds: &[Deed], place: Option<usize>| place.and_then(|place| deeds.get(place).cloned());
            rows.push(Row { base: pick(base, places[0]), new: pick(new, places[1]), changed });
        }
    }
    rows
}
