//! The outcome of judging one trace.
//!
//! Owns verdicts and findings as data. Refuses to know how they are shown.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::behaviour::Deed;
use crate::case::Endpoint;
use crate::prediction::Prediction;
use crate::trace::Nanos;

/// TTCN-3's verdicts, worst last, with `Skip` beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Not played, with the reason.
    Skip,
    /// Everything seen is explained and the situation came up.
    Pass,
    /// Nothing wrong was seen, but the situation that the case is about did not come up.
    Inconclusive,
    /// The target did something that no rule allows, or left out what a rule demands.
    Fail,
    /// The harness could not do its part, or the model has no rule for what happened.
    Error,
}

impl Verdict {
    /// All, in the order of `report.json`'s totals.
    pub const ALL: [Verdict; 5] = [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail, Verdict::Error, Verdict::Skip];

    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Skip => "skip",
            Verdict::Pass => "pass",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Fail => "fail",
            Verdict::Error => "error",
        }
    }

    /// Whether somebody has to look at it.
    pub const fn is_bad(self) -> bool {
        match self {
            Verdict::Pass | Verdict::Skip => false,
            Verdict::Inconclusive | Verdict::Fail | Verdict::Error => true,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What came of one case variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Case id.
    pub id: String,
    /// Variant.
    pub variant: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not a pass, in one sentence.
    pub reason: Option<String>,
    /// The axes of the variant's name, in its order.
    #[serde(default)]
    pub axes: Vec<String>,
    /// Claims that the case bears on.
    pub claims: Vec<String>,
    /// What came of what they say, whatever the verdict.
    #[serde(default)]
    pub predictions: Vec<Outcome>,
    /// Requirements that the case is about.
    pub requirements: Vec<String>,
    /// Ids of the rules that explained something, sorted.
    pub rules_fired: Vec<String>,
    /// Ids of the documented departures from RFC 9293 that were seen, sorted.
    pub departures: Vec<String>,
    /// Named alternatives that the trace shows: question and rule, by their ids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alternatives: BTreeMap<String, String>,
    /// What the target did, for comparison with other runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behaviour: Vec<Deed>,
    /// What the target did wrong.
    pub findings: Vec<Finding>,
    /// Time from the first record to the last, by the target's clock, seconds.
    pub target_seconds: f64,
    /// Why the first play was inconclusive, where the case was played once more; all else is of the second play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<String>,
}

impl Judgement {
    /// `id@variant`, or the id alone.
    pub fn name(&self) -> String {
        if self.variant.is_empty() { self.id.clone() } else { format!("{}@{}", self.id, self.variant) }
    }

    /// The folder of its case file, and the file's name in it without `.yaml`.
    pub fn path(&self) -> (&str, &str) {
        self.id.rsplit_once('/').unwrap_or((".", &self.id))
    }
}

/// What came of one claim's prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Id of the claim in the ledger.
    pub claim: String,
    /// The condition under which this case puts the claim to the test.
    pub given: Option<String>,
    /// Whether it came true; `None` where this play cannot tell.
    pub holds: Option<bool>,
    /// Index of the trace record that shows it.
    pub record: Option<usize>,
    /// Its time, seconds since the trace's start.
    pub at_seconds: Option<f64>,
    /// What was seen, or what was predicted and what came; or why it is not decided.
    pub text: String,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Basis::is_observed")]
    pub basis: Basis,
}

/// What an outcome rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// What was observed.
    #[default]
    Observed,
    /// State changes that the kernel did not report, and that every connection which explains the trace has made.
    Inferred,
    /// It is undecided because the kernel did not report state changes.
    Untold,
}

impl Basis {
    /// Whether nothing needs to be said of it.
    pub fn is_observed(&self) -> bool {
        *self == Basis::Observed
    }
}

impl Outcome {
    /// That of a play that cannot tell.
    pub fn undecided(prediction: &Prediction, reason: &str) -> Outcome {
        let (claim, given) = (prediction.claim.clone(), prediction.given.clone());
        Outcome {
            claim,
            given,
            holds: None,
            record: None,
            at_seconds: None,
            text: reason.to_string(),
            basis: Basis::Observed,
        }
    }
}

/// One deviation, with all that a kernel developer needs to act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Rule id, as in `check-rst-bit/time-wait`.
    pub rule: String,
    /// The rule in one sentence.
    pub statement: String,
    /// `MUST`, `SHOULD`, `MAY` or `Linux`.
    pub level: String,
    /// Where it is written, as in `RFC 9293 section 3.10.7.4`.
    pub source: String,
    /// What would have been right.
    pub expected: String,
    /// What was seen instead.
    pub actual: String,
    /// When, seconds since the trace's start.
    pub at_seconds: f64,
    /// Index of the trace record at which it came out.
    pub record: usize,
    /// Place of the step in progress, `file:line:column`.
    pub place: String,
    /// The neighbours in the trace.
    pub context: Vec<ContextLine>,
    /// The states that were still possible.
    pub possible: Vec<String>,
    /// The likely cause, where one is known.
    pub hint: Option<String>,
    /// Whose it is, where more than one endpoint is under test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Endpoint>,
}

/// A record near a finding, ready to print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextLine {
    /// Index of the record.
    pub record: usize,
    /// When.
    pub at: Nanos,
    /// As in `< R  2:2(0)`.
    pub text: String,
    /// As in `injected`.
    pub note: String,
}
