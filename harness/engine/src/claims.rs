//! The verdict on each claim of the ledger, from the judgements of one run.
//!
//! Owns how the outcomes of all cases that bear on a claim become one verdict, its condition in words, and what is to be known of
//! the plays that decided nothing. A pure function of ledger and judgements. Refuses to know traces and how a verdict is shown.

mod condition;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::judgement::{Basis, Judgement, Outcome};
use crate::ledger::{Claim, Ledger};
use condition::{Decided, condition};

/// More plays than this are not named in a reason.
const NAMED_MAX: usize = 3;

/// What the cases say about a claim of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimVerdict {
    /// As in `T23`.
    pub id: String,
    /// Its group in the ledger.
    #[serde(default)]
    pub group: String,
    /// The statement.
    #[serde(default)]
    pub says: String,
    /// Whether it holds.
    pub verdict: ClaimState,
    /// Where it holds and where not, where it does both.
    pub condition: Option<String>,
    /// Why it is untested.
    #[serde(default)]
    pub reason: Option<String>,
    /// How many plays of it are undecided, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
    /// The names of the cases that decide it.
    pub cases: Vec<String>,
    /// How many plays of the catalogue bear on it and are not in this run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unplayed: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimState {
    /// It holds.
    Confirmed,
    /// It does not.
    Refuted,
    /// It holds under a condition.
    Conditional,
    /// No case decided it.
    Untested,
}

impl ClaimState {
    /// All, in the order in which they are counted.
    pub const ALL: [ClaimState; 4] =
        [ClaimState::Confirmed, ClaimState::Refuted, ClaimState::Conditional, ClaimState::Untested];

    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            ClaimState::Confirmed => "confirmed",
            ClaimState::Refuted => "refuted",
            ClaimState::Conditional => "conditional",
            ClaimState::Untested => "untested",
        }
    }
}

impl fmt::Display for ClaimState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The verdict on every claim of the ledger, in its order.
pub fn verdicts(ledger: &Ledger, judgements: &[Judgement]) -> Vec<ClaimVerdict> {
    let mut outcomes: BTreeMap<&str, Vec<(&Judgement, &Outcome)>> = BTreeMap::new();
    for judgement in judgements {
        for outcome in &judgement.predictions {
            outcomes.entry(&outcome.claim).or_default().push((judgement, outcome));
        }
    }
    let played: BTreeSet<String> = judgements.iter().map(Judgement::name).collect();
    let verdict = |group: &str, claim: &Claim| {
        let outcomes = outcomes.get(claim.id.as_str()).map_or(&[][..], Vec::as_slice);
        let unplayed = claim.plays.iter().filter(|play| !played.contains(*play)).count();
        verdict(group, claim, outcomes, unplayed)
    };
    ledger.groups.iter().flat_map(|group| group.claims.iter().map(|claim| verdict(&group.name, claim))).collect()
}

fn verdict(group: &str, claim: &Claim, outcomes: &[(&Judgement, &Outcome)], unplayed: usize) -> ClaimVerdict {
    let decided: Vec<Decided<'_>> = outcomes.iter().filter_map(|(judgement, o)| Decided::of(judgement, o)).collect();
    let undecided: Vec<(&Judgement, &Outcome)> = outcomes.iter().filter(|(_, o)| o.holds.is_none()).copied().collect();
    // What such a play would show was there, and was not seen: it may be what the others do not show. So may one that was not played.
    let may_turn = unplayed > 0 || undecided.iter().any(|(_, outcome)| outcome.basis == Basis::Untold);
    let holding = decided.iter().filter(|decided| decided.holds).count();
    let state = match (decided.len(), holding) {
        (0, _) => ClaimState::Untested,
        (all, holding) if holding > 0 && holding < all => ClaimState::Conditional,
        (_, _) if may_turn => ClaimState::Untested,
        (_, 0) => ClaimState::Refuted,
        (_, _) => ClaimState::Confirmed,
    };
    let caveat = caveat(&undecided, unplayed);
    let reason = match (decided.len(), holding) {
        (0, _) => {
            let told = || caveat.clone().filter(|_| !undecided.is_empty());
            claim.untested.clone().or_else(told).unwrap_or("no case of it was played in this run".to_string())
        }
        (all, 0) => format!("does not hold in the {} that could tell", plays(all)),
        (all, _) => format!("holds in the {} that could tell", plays(all)),
    };
    ClaimVerdict {
        id: claim.id.clone(),
        group: group.to_string(),
        says: claim.says.clone(),
        verdict: state,
        condition: (state == ClaimState::Conditional).then(|| condition(&decided)),
        reason: (state == ClaimState::Untested).then_some(reason),
        caveat: caveat.filter(|_| !decided.is_empty()),
        cases: decided.iter().map(|decided| decided.judgement.name()).collect(),
        unplayed,
    }
}

/// How many plays are undecided, and why, and how many are not there; `None` when there are none.
fn caveat(undecided: &[(&Judgement, &Outcome)], unplayed: usize) -> Option<String> {
    let (untold, other): (Vec<_>, Vec<_>) = undecided.iter().partition(|(_, outcome)| outcome.basis == Basis::Untold);
    let mut texts = Vec::new();
    if !untold.is_empty() {
        let hint = "the tracepoint of state changes was not readable; run as root";
        texts.push(format!("{} undecided: {hint}", plays(untold.len())));
    }
    if !other.is_empty() {
        let named =
            |(judgement, outcome): &&&(&Judgement, &Outcome)| format!("{} ({})", judgement.name(), outcome.text);
        let mut named: Vec<String> = other.iter().take(NAMED_MAX).map(|one| named(&one)).collect();
        if other.len() > NAMED_MAX {
            named.push(format!("and {} more", other.len() - NAMED_MAX));
        }
        texts.push(format!("{} undecided: {}", plays(other.len()), named.join("; ")));
    }
    if unplayed > 0 {
        texts.push(format!("{} of it not in this run", plays(unplayed)));
    }
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// As in `1 play`.
fn plays(count: usize) -> String {
    if count == 1 { "1 play".to_string() } else { format!("{count} plays") }
}

#[cfg(test)]
mod tests;
