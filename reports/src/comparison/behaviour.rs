//! Two runs of one case, deed by deed.
//!
//! Owns the alignment, and how far a time may move before it counts: by more than both kernels' ticks and the slack of their timer wheels.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use tcpconform_engine::behaviour::{Deed, Kind};
use tcpconform_engine::case::Endpoint;
use tcpconform_model::timer_slack_ns;

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

/// Two runs side by side.
pub(super) struct Found {
    /// In what they differ; empty when they do not.
    pub aspects: Vec<Aspect>,
    /// All of both.
    pub rows: Vec<Row>,
}

/// States are looked for at most this often, tenths of milliseconds.
const SEEN_WITHIN: u64 = 2_500;
/// What a tester's own doing may take, tenths of milliseconds.
const OWN: u64 = 10;

/// Compares what two runs of a case did, on kernels with these ticks a second.
pub(super) fn compare(base: &[Deed], new: &[Deed], hz: [u32; 2]) -> Found {
    let (before, after) = (by_kind(base), by_kind(new));
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
    let mut rows = aligned(base, new);
    if aspects.is_empty() {
        let mut previous = [0, 0];
        for row in &mut rows {
            row.changed = false;
            let (Some(was), Some(is)) = (&row.base, &row.new) else { continue };
            let gaps = [was.at.saturating_sub(previous[0]), is.at.saturating_sub(previous[1])];
            previous = [was.at, is.at];
            row.changed = was.kind.is_of_target() && gaps[0].abs_diff(gaps[1]) > tolerance(was.kind, gaps, hz);
        }
        if rows.iter().any(|row| row.changed) {
            aspects.push(Aspect::Timing);
        }
    }
    aspects.sort_unstable();
    aspects.dedup();
    Found { aspects, rows }
}

/// How far the time since the deed before may move, tenths of milliseconds.
fn tolerance(kind: Kind, gaps: [u64; 2], hz: [u32; 2]) -> u64 {
    let explained: u64 = gaps.iter().zip(hz).map(|(gap, hz)| timer_slack_ns(gap * 100_000, hz) / 100_000).sum();
    let seen = if kind == Kind::State { SEEN_WITHIN } else { 0 };
    explained + seen + OWN
}

/// What each endpoint did, kind by kind: which of two kinds comes first within the same moment is chance.
fn by_kind(deeds: &[Deed]) -> BTreeMap<(Endpoint, Kind), Vec<&str>> {
    let mut all: BTreeMap<(Endpoint, Kind), Vec<&str>> = BTreeMap::new();
    for deed in deeds {
        all.entry((deed.on, deed.kind)).or_default().push(&deed.text);
    }
    all
}

/// Both runs side by side.
fn aligned(base: &[Deed], new: &[Deed]) -> Vec<Row> {
    let keys = |deeds: &[Deed]| -> Vec<(Endpoint, Kind, String)> {
        deeds.iter().map(|deed| (deed.on, deed.kind, deed.text.clone())).collect()
    };
    let mut rows = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &keys(base), &keys(new)) {
        let (was, is) = (op.old_range(), op.new_range());
        let changed = !matches!(op, DiffOp::Equal { .. });
        for i in 0..was.len().max(is.len()) {
            let pick = |deeds: &[Deed], range: &std::ops::Range<usize>| {
                range.clone().nth(i).and_then(|index| deeds.get(index).cloned())
            };
            rows.push(Row { base: pick(base, &was), new: pick(new, &is), changed });
        }
    }
    rows
}
