//! What changed between two runs: verdicts, cases, claims, named alternatives, and behaviour although both pass.
//!
//! Owns what counts as a change. Refuses to know how it is shown. Behaviour is compared between runs in virtual time, where the
//! same kernel does the same each time; in real time a busy machine can merge or part segments.

mod behaviour;
mod html;
mod markdown;
mod races;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::trace::Time;

use crate::baseline::{Baseline, BaselineCase};
use behaviour::Side;
pub use behaviour::{Aspect, Row};
pub use html::Html;
pub use markdown::Markdown;
pub use text::Text;

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Title of the first run's target.
    pub base: String,
    /// Title of the second's.
    pub new: String,
    /// Case variants with a worse verdict.
    pub worse: Vec<VerdictChange>,
    /// Those with a better one.
    pub better: Vec<VerdictChange>,
    /// Case variants that only the second run has.
    pub came: Vec<String>,
    /// Those that only the first has.
    pub went: Vec<String>,
    /// Claims with another verdict, or another condition.
    pub claims: Vec<Change>,
    /// Named alternatives that the kernels answer differently.
    pub alternatives: Vec<Change>,
    /// Case variants that pass in both and behave differently.
    pub behaviour: Vec<BehaviourChange>,
    /// Case variants whose behaviour cannot be compared: a timer and something else were due within a tick, came in one order here and in the
    /// other there, and what followed is of that order. By itself no change.
    pub parted: Vec<String>,
    /// Why behaviour was not compared.
    pub not_compared: Option<String>,
}

/// A verdict that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictChange {
    /// The case variant.
    pub case: String,
    /// The verdict before.
    pub base: Verdict,
    /// The verdict now.
    pub new: Verdict,
    /// Why the one that is no pass is none.
    pub reason: Option<String>,
    /// Both runs side by side.
    pub rows: Vec<Row>,
}

/// Something with a name that was one thing and is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The claim or the alternative.
    pub name: String,
    /// What it was.
    pub base: String,
    /// What it is.
    pub new: String,
}

/// A behaviour that changed, in one case variant or in several alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BehaviourChange {
    /// The first case variant.
    pub case: String,
    /// The others with the same change.
    pub also: Vec<String>,
    /// In what it differs.
    pub aspects: Vec<Aspect>,
    /// Both runs side by side.
    pub rows: Vec<Row>,
}

impl Comparison {
    /// Compares two runs.
    pub fn of(base: &Baseline, new: &Baseline) -> Comparison {
        let by_name = |run: &'_ Baseline| -> BTreeMap<String, BaselineCase> {
            run.cases.iter().map(|case| (case.name(), case.clone())).collect()
        };
        let (before, after) = (by_name(base), by_name(new));
        let only = |one: &BTreeMap<String, BaselineCase>, other: &BTreeMap<String, BaselineCase>| -> Vec<String> {
            one.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        let mut comparison = Comparison {
            base: base.target.title(),
            new: new.target.title(),
            worse: Vec::new(),
            better: Vec::new(),
            came: only(&after, &before),
            went: only(&before, &after),
            claims: claims(base, new),
            alternatives: alternatives(base, new),
            behaviour: Vec::new(),
            parted: Vec::new(),
            not_compared: not_compared(base, new),
        };
        for (name, was) in &before {
            if let Some(is) = after.get(name) {
                comparison.case(name, was, is, [base.target.hz, new.target.hz]);
            }
        }
        comparison
    }

    fn case(&mut self, name: &str, was: &BaselineCase, is: &BaselineCase, hz: [u32; 2]) {
        let [base, new] = [(was, hz[0]), (is, hz[1])].map(|(case, hz)| Side {
            deeds: &case.behaviour,
            end: case.target_seconds.map(|seconds| (seconds * 1e4) as u64),
            hz,
        });
        if was.verdict != is.verdict {
            let change = VerdictChange {
                case: name.to_string(),
                base: was.verdict,
                new: is.verdict,
                reason: is.reason.clone().or_else(|| was.reason.clone()),
                rows: behaviour::compare(&base, &new).rows,
            };
            // A case that is skipped has lost what it showed; one that was has gained it.
            let rank = |verdict: Verdict| if verdict == Verdict::Skip { Verdict::Inconclusive } else { verdict };
            if rank(is.verdict) > rank(was.verdict) {
                self.worse.push(change)
            } else {
                self.better.push(change)
            }
            return;
        }
        if self.not_compared.is_some() {
            return;
        }
        let found = behaviour::compare(&base, &new);
        if found.parted {
            self.parted.push(name.to_string());
        }
        if found.aspects.is_empty() {
            return;
        }
        let alike =
            self.behaviour.iter_mut().find(|change| change.aspects == found.aspects && same(&change.rows, &found.rows));
        match alike {
            Some(change) => change.also.push(name.to_string()),
            None => self.behaviour.push(BehaviourChange {
                case: name.to_string(),
                also: Vec::new(),
                aspects: found.aspects,
                rows: found.rows,
            }),
        }
    }

    /// Which cases went apart at a race; `None` where none did.
    fn parted_text(&self) -> Option<String> {
        let names = self.parted.join(", ");
        let why = "a timer and something else came within a tick of each other, in another order in each run";
        (!self.parted.is_empty()).then(|| format!("not compared: {names}: {why}"))
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.worse.is_empty()
            && self.better.is_empty()
            && self.came.is_empty()
            && self.went.is_empty()
            && self.claims.is_empty()
            && self.alternatives.is_empty()
            && self.behaviour.is_empty()
    }

    /// Whether the second run is worse than the first somewhere.
    pub fn regresses(&self) -> bool {
        !self.worse.is_empty()
    }

    /// The changes counted, as in `2 verdicts worse, 1 alternative`.
    pub fn summary(&self) -> String {
        let variants = self.behaviour.iter().map(|change| 1 + change.also.len()).sum();
        let counts = [
            (self.worse.len(), "verdict worse", "verdicts worse"),
            (self.better.len(), "verdict better", "verdicts better"),
            (self.came.len(), "new case", "new cases"),
            (self.went.len(), "case gone", "cases gone"),
            (self.claims.len(), "claim", "claims"),
            (self.alternatives.len(), "alternative", "alternatives"),
            (variants, "case behaves differently", "cases behave differently"),
        ];
        let texts: Vec<String> = counts
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
            .collect();
        if texts.is_empty() { "nothing changed".to_string() } else { texts.join(", ") }
    }
}

/// Whether two changes are the same but for times, and for what did not change.
fn same(one: &[Row], other: &[Row]) -> bool {
    let changed = |rows: &[Row]| -> Vec<(Option<String>, Option<String>)> {
        rows.iter().filter(|row| row.changed).map(Row::texts).collect()
    };
    changed(one) == changed(other)
}

fn not_compared(base: &Baseline, new: &Baseline) -> Option<String> {
    let real: Vec<String> =
        [base, new].iter().filter(|run| run.target.time == Time::Real).map(|run| run.target.title()).collect();
    (!real.is_empty())
        .then(|| format!("behaviour is compared between runs in virtual time; {} ran in real time", real.join(" and ")))
}

fn claims(base: &Baseline, new: &Baseline) -> Vec<Change> {
    let said = |verdict: &crate::baseline::BaselineClaim| match &verdict.condition {
        Some(condition) => format!("{}: {condition}", verdict.verdict),
        None => verdict.verdict.to_string(),
    };
    // A part of the plays says less than all of them, and that is no change.
    let plays = |claim: &crate::baseline::BaselineClaim| (claim.id.clone(), claim.unplayed);
    let before: BTreeMap<(String, usize), String> =
        base.claims.iter().map(|claim| (plays(claim), said(claim))).collect();
    new.claims
        .iter()
        .filter_map(|claim| {
            let (was, is) = (before.get(&plays(claim))?, said(claim));
            (*was != is).then(|| Change { name: claim.id.clone(), base: was.clone(), new: is })
        })
        .collect()
}

fn alternatives(base: &Baseline, new: &Baseline) -> Vec<Change> {
    let answers = |run: &Baseline| -> BTreeMap<String, (String, String)> {
        let shown = run.fingerprint.iter().cloned();
        shown.map(|shown| (shown.alternative, (shown.rule, shown.statement))).collect()
    };
    let (before, after) = (answers(base), answers(new));
    before
        .iter()
        .filter_map(|(name, (was, statement))| {
            let (is, now) = after.get(name)?;
            (was != is).then(|| Change {
                name: name.clone(),
                base: format!("{was}: {statement}"),
                new: format!("{is}: {now}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
