//! The verdict on each claim of the ledger, from the judgements of one run.
//!
//! Owns how the outcomes of all cases that bear on a claim become one verdict, and its condition in words. A pure function of
//! ledger and judgements. Refuses to know traces and how a verdict is shown.

mod condition;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::judgement::{Judgement, Outcome};
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
    /// The names of the cases that decide it.
    pub cases: Vec<String>,
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
    let verdict = |group: &str, claim: &Claim| {
        let outcomes = outcomes.get(claim.id.as_str()).map_or(&[][..], Vec::as_slice);
        verdict(group, claim, outcomes)
    };
    ledger.groups.iter().flat_map(|group| group.claims.iter().map(|claim| verdict(&group.name, claim))).collect()
}

fn verdict(group: &str, claim: &Claim, outcomes: &[(&Judgement, &Outcome)]) -> ClaimVerdict {
    let decided: Vec<Decided<'_>> = outcomes.iter().filter_map(|(judgement, o)| Decided::of(judgement, o)).collect();
    let holding = decided.iter().filter(|decided| decided.holds).count();
    let state = match (decided.len(), holding) {
        (0, _) => ClaimState::Untested,
        (_, 0) => ClaimState::Refuted,
        (all, holding) if all == holding => ClaimState::Confirmed,
        (_, _) => ClaimState::Conditional,
    };
    ClaimVerdict {
        id: claim.id.clone(),
        group: group.to_string(),
        says: claim.says.clone(),
        verdict: state,
        condition: (state == ClaimState::Conditional).then(|| condition(&decided)),
        reason: (state == ClaimState::Untested).then(|| reason(claim, outcomes)),
        cases: decided.iter().map(|decided| decided.judgement.name()).collect(),
    }
}

/// Why nothing decided the claim.
fn reason(claim: &Claim, outcomes: &[(&Judgement, &Outcome)]) -> String {
    if let Some(reason) = &claim.untested {
        return reason.clone();
    }
    let named: Vec<String> = outcomes
        .iter()
        .take(NAMED_MAX)
        .map(|(judgement, outcome)| format!("{} ({})", judgement.name(), outcome.text))
        .collect();
    match outcomes.len() {
        0 => "no case of it was played in this run".to_string(),
        1..=NAMED_MAX => format!("undecided: {}", named.join("; ")),
        more => format!("undecided: {}; and {} more", named.join("; "), more - NAMED_MAX),
    }
}

#[cfg(test)]
mod tests;
