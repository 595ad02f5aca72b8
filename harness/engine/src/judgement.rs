//! The outcome of judging one trace.
//!
//! Owns verdicts and findings as data. Refuses to know how they are shown.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// Claims that the case bears on.
    pub claims: Vec<String>,
    /// Requirements that the case is about.
    pub requirements: Vec<String>,
    /// Ids of the rules that explained something, sorted.
    pub rules_fired: Vec<String>,
    /// Ids of the documented departures from RFC 9293 that were seen, sorted.
    pub departures: Vec<String>,
    /// What the target did wrong.
    pub findings: Vec<Finding>,
    /// Time from the first record to the last, by the target's clock, seconds.
    pub target_seconds: f64,
}

impl Judgement {
    /// `id@variant`, or the id alone.
    pub fn name(&self) -> String {
        if self.variant.is_empty() { self.id.clone() } else { format!("{}@{}", self.id, self.variant) }
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
