//! A finished run on one kernel: what every report is made from, and, serialised, `report.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tcpconform_engine::claims::{ClaimVerdict, verdicts};
use tcpconform_engine::fingerprint::{Shown, fingerprint};
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::trace::{TargetIdentity, TargetKind, Time};

/// The version of `report.json` that this program writes, and the newest that it reads.
pub const SCHEMA: u32 = 1;

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Format version, [`SCHEMA`].
    pub schema: u32,
    /// What wrote it.
    pub tool: Tool,
    /// Whose TCP was played.
    pub target: Target,
    /// When the run began, RFC 3339 in UTC.
    pub started: String,
    /// How long the run took.
    pub wall_seconds: f64,
    /// How long the cases took together, by the target's clock.
    pub target_seconds: f64,
    /// Cases that the user's interrupt kept from being finished.
    #[serde(default)]
    pub not_run: usize,
    /// One per case variant, sorted by id and variant.
    pub cases: Vec<Judgement>,
    /// The claims of the ledger, with verdicts.
    pub claims: Vec<ClaimVerdict>,
    /// Which of the named alternatives the kernel shows.
    #[serde(default)]
    pub fingerprint: Vec<Shown>,
    /// How many cases have which verdict.
    pub totals: Totals,
}

/// The program that wrote a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `tcpconform`
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Whose TCP was played, and in which time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// A kernel or the model.
    pub kind: TargetKind,
    /// Release as in uname(2), or the model's version.
    pub release: String,
    /// Whether the target's clock is the world's.
    pub time: Time,
    /// CONFIG_HZ.
    pub hz: u32,
}

impl Target {
    /// The target of a trace.
    pub fn of(identity: &TargetIdentity) -> Target {
        Target { kind: identity.kind, release: identity.release.clone(), time: identity.time, hz: identity.hz }
    }

    /// `linux` or `model`.
    pub const fn stack(&self) -> &'static str {
        match self.kind {
            TargetKind::Kernel => "linux",
            TargetKind::Model => "model",
        }
    }

    /// As in `linux 6.12.117+deb12-cloud-amd64`.
    pub fn title(&self) -> String {
        format!("{} {}", self.stack(), self.release)
    }
}

/// How many cases have which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Everything explained.
    pub pass: usize,
    /// The situation did not come up.
    pub inconclusive: usize,
    /// A finding.
    pub fail: usize,
    /// The harness failed.
    pub error: usize,
    /// Not played.
    pub skip: usize,
}

impl Totals {
    /// Counts one more.
    pub fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Skip => &mut self.skip,
            Verdict::Pass => &mut self.pass,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::Fail => &mut self.fail,
            Verdict::Error => &mut self.error,
        } += 1;
    }

    /// How many have this verdict.
    pub fn of(&self, verdict: Verdict) -> usize {
        match verdict {
            Verdict::Skip => self.skip,
            Verdict::Pass => self.pass,
            Verdict::Inconclusive => self.inconclusive,
            Verdict::Fail => self.fail,
            Verdict::Error => self.error,
        }
    }

    /// All together.
    pub fn all(&self) -> usize {
        Verdict::ALL.iter().map(|verdict| self.of(*verdict)).sum()
    }
}

/// As in `12 pass, 1 fail`: what there is none of is left out.
impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = Verdict::ALL.into_iter().filter(|verdict| self.of(*verdict) > 0);
        let texts: Vec<String> = counted.map(|verdict| format!("{} {verdict}", self.of(verdict))).collect();
        f.pad(if texts.is_empty() { "no case".to_owned() } else { texts.join(", ") }.as_str())
    }
}

impl Report {
    /// The cases by the folders of their files.
    pub fn folders(&self) -> BTreeMap<&str, Vec<&Judgement>> {
        let mut folders: BTreeMap<&str, Vec<&Judgement>> = BTreeMap::new();
        for case in &self.cases {
            folders.entry(case.path().0).or_default().push(case);
        }
        folders
    }

    /// The report of these judgements, which it holds to one fingerprint, sorts and counts, with what they say of the ledger's
    /// claims.
    pub fn new(
        target: Target,
        started: String,
        wall_seconds: f64,
        mut cases: Vec<Judgement>,
        not_run: usize,
        ledger: &Ledger,
    ) -> Report {
        let fingerprint = fingerprint(&mut cases);
        cases.sort_by(|a, b| (&a.id, &a.variant).cmp(&(&b.id, &b.variant)));
        let mut totals = Totals::default();
        for case in &cases {
            totals.add(case.verdict);
        }
        Report {
            schema: SCHEMA,
            tool: Tool { name: "tcpconform".into(), version: env!("CARGO_PKG_VERSION").into() },
            target,
            started,
            wall_seconds,
            // A sum of nothing would be -0.0.
            target_seconds: cases.iter().fold(0.0, |sum, case| sum + case.target_seconds),
            not_run,
            claims: verdicts(ledger, &cases),
            cases,
            fingerprint,
            totals,
        }
    }
}
