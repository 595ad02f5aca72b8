//! What the page knows of all runs before a case is opened: verdicts, claims, rules.
//!
//! Owns the union of the runs' cases and what of a report the tables and filters need. Refuses to know traces, but for each
//! case's purpose.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tcpconform_engine::claims::{ClaimState, ClaimVerdict};
use tcpconform_engine::fingerprint::Shown;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_model::{RULES, Rule, rule};

use super::Run;
use super::play::Play;
use crate::claims::{evidence, find, union};
use crate::coverage::{Coverage, Required, coverage};
use crate::report::{Report, Totals};

/// All runs.
#[derive(Debug, Serialize)]
pub(super) struct Index<'r> {
    runs: Vec<RunData<'r>>,
    rules: Vec<RuleData<'r>>,
    /// Sets of rules that fired together, as positions in `rules`: many plays share one.
    sets: Vec<Vec<usize>>,
    requirements: Vec<&'r str>,
    /// What RFC 9293 requires, by section.
    rfc: Vec<RequiredData>,
    pub cases: Vec<CaseData<'r>>,
    claims: Vec<ClaimData<'r>>,
}

#[derive(Debug, Serialize)]
struct RunData<'r> {
    title: String,
    release: &'r str,
    started: &'r str,
    totals: Totals,
    fingerprint: &'r [Shown],
    /// What most endpoints have.
    sysctls: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct RuleData<'r> {
    id: &'r str,
    level: &'r str,
    source: &'r str,
    statement: &'r str,
    departs: Option<&'r str>,
}

/// Something that the RFC requires, and the rules that cover it, as positions in `rules`.
#[derive(Debug, Serialize)]
struct RequiredData {
    section: &'static str,
    label: Option<&'static str>,
    level: &'static str,
    requires: &'static str,
    rules: Vec<usize>,
}

/// A case file.
#[derive(Debug, Serialize)]
pub(super) struct CaseData<'r> {
    pub id: &'r str,
    pub purpose: String,
    pub variants: Vec<VariantData<'r>>,
}

/// One of its variants.
#[derive(Debug, Serialize)]
pub(super) struct VariantData<'r> {
    name: &'r str,
    claims: BTreeSet<&'r str>,
    /// Positions in the index's list.
    requirements: Vec<usize>,
    runs: Vec<Option<Cell<'r>>>,
    #[serde(skip)]
    pub judgements: Vec<Option<&'r Judgement>>,
}

/// What one variant came to in one run.
#[derive(Debug, Serialize)]
struct Cell<'r> {
    verdict: Verdict,
    ms: u64,
    /// The set of rules that explained it.
    rules: usize,
    /// The rules that were broken.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    broken: BTreeSet<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
}

#[derive(Debug, Serialize)]
struct ClaimData<'r> {
    id: &'r str,
    group: &'r str,
    says: &'r str,
    runs: Vec<Option<ClaimRun<'r>>>,
}

#[derive(Debug, Serialize)]
struct ClaimRun<'r> {
    verdict: ClaimState,
    condition: Option<&'r str>,
    reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caveat: Option<&'r str>,
    holds: Option<Evidence<'r>>,
    fails: Option<Evidence<'r>>,
}

/// In how many plays it holds, or does not, and what one of them shows.
#[derive(Debug, Serialize)]
struct Evidence<'r> {
    plays: usize,
    case: String,
    text: &'r str,
}

/// The place of each thing in a list, in the order in which they were first asked for.
struct Places<T>(BTreeMap<T, usize>);

impl<T: Ord + Clone> Places<T> {
    fn of(&mut self, thing: T) -> usize {
        let next = self.0.len();
        *self.0.entry(thing).or_insert(next)
    }

    fn list(self) -> Vec<T> {
        let mut list: Vec<(T, usize)> = self.0.into_iter().collect();
        list.sort_by_key(|(_, place)| *place);
        list.into_iter().map(|(thing, _)| thing).collect()
    }
}

impl<'r> Index<'r> {
    /// The index of these runs; purposes and usual settings are known once their traces have been read.
    pub fn of(runs: &[Run<'r>]) -> Index<'r> {
        let mut rules = Places(RULES.iter().enumerate().map(|(place, rule)| (rule.id, place)).collect());
        let mut sets = Places(BTreeMap::new());
        let mut requirements = Places(BTreeMap::new());
        let mut cases: BTreeMap<&str, BTreeMap<&str, Vec<Option<&Judgement>>>> = BTreeMap::new();
        for (number, run) in runs.iter().enumerate() {
            for judgement in &run.report.cases {
                let variants = cases.entry(&judgement.id).or_default();
                let of_runs = variants.entry(&judgement.variant).or_insert_with(|| vec![None; runs.len()]);
                of_runs[number] = Some(judgement);
            }
        }
        let mut cell = |judgement: &'r Judgement| Cell {
            verdict: judgement.verdict,
            ms: (judgement.target_seconds * 1e3) as u64,
            rules: sets.of(judgement.rules_fired.iter().map(|id| rules.of(id)).collect::<Vec<usize>>()),
            broken: judgement.findings.iter().map(|finding| rules.of(&finding.rule)).collect(),
            reason: judgement.reason.as_deref(),
        };
        let mut variant = |(name, judgements): (&'r str, Vec<Option<&'r Judgement>>)| {
            let played = || judgements.iter().copied().flatten();
            let about: BTreeSet<&str> =
                played().flat_map(|judgement| &judgement.requirements).map(String::as_str).collect();
            VariantData {
                name,
                claims: played().flat_map(|judgement| &judgement.claims).map(String::as_str).collect(),
                requirements: about.into_iter().map(|text| requirements.of(text)).collect(),
                runs: judgements.iter().map(|judgement| judgement.map(&mut cell)).collect(),
                judgements,
            }
        };
        let cases = cases
            .into_iter()
            .map(|(id, variants)| CaseData {
                id,
                purpose: String::new(),
                variants: variants.into_iter().map(&mut variant).collect(),
            })
            .collect();
        let Coverage { covered, uncovered, .. } = coverage(&[]);
        let required = |required: &Required| RequiredData {
            section: required.section,
            label: required.label,
            level: required.level,
            requires: required.requires,
            rules: required.rules.iter().map(|covering| rules.of(covering.rule)).collect(),
        };
        Index {
            rfc: covered.iter().chain(&uncovered).map(required).collect(),
            runs: runs.iter().map(|run| RunData::of(run.report)).collect(),
            rules: rules.list().into_iter().map(RuleData::of).collect(),
            sets: sets.list(),
            requirements: requirements.list(),
            cases,
            claims: claims(runs),
        }
    }

    /// Takes what only traces tell from the plays of all cases, and leaves the unusual in them.
    pub fn learn(&mut self, plays: &mut [Vec<Vec<Option<Play<'_>>>>]) {
        for (number, run) in self.runs.iter_mut().enumerate() {
            let of_run = || plays.iter().flatten().filter_map(|plays| plays[number].as_ref());
            run.sysctls = usual(of_run());
            let of_run = plays.iter_mut().flatten().filter_map(|plays| plays[number].as_mut());
            for end in of_run.filter_map(|play| play.trace.as_mut()).flat_map(|picture| &mut picture.ends) {
                end.sysctls.retain(|name, value| run.sysctls.get(name) != Some(value));
            }
        }
        for (case, plays) in self.cases.iter_mut().zip(plays) {
            let picture = plays.iter().flatten().flatten().find_map(|play| play.trace.as_ref());
            case.purpose = picture.map(|picture| picture.purpose.clone()).unwrap_or_default();
        }
    }
}

/// Of each setting the value that most endpoints have.
fn usual<'p>(plays: impl Iterator<Item = &'p Play<'p>>) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let ends = plays.filter_map(|play| play.trace.as_ref()).flat_map(|picture| &picture.ends);
    for (name, value) in ends.flat_map(|end| &end.sysctls) {
        *counts.entry(name).or_default().entry(value).or_default() += 1;
    }
    let usual = |(name, counts): (&str, BTreeMap<&str, usize>)| {
        let (value, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        Some((name.to_string(), value.to_string()))
    };
    counts.into_iter().filter_map(usual).collect()
}

impl RunData<'_> {
    fn of(report: &Report) -> RunData<'_> {
        RunData {
            title: report.target.title(),
            release: &report.target.release,
            started: &report.started,
            totals: report.totals,
            fingerprint: &report.fingerprint,
            sysctls: BTreeMap::new(),
        }
    }
}

impl RuleData<'_> {
    /// The rule of this id; of one that the model does not know, another version's, the id alone.
    fn of(id: &str) -> RuleData<'_> {
        match rule(id) {
            Some(rule) => {
                let Rule { id, level, source, statement, departs } = rule;
                RuleData { id, level: level.name(), source, statement, departs: *departs }
            }
            None => RuleData { id, level: "", source: "", statement: "", departs: None },
        }
    }
}

fn claims<'r>(runs: &[Run<'r>]) -> Vec<ClaimData<'r>> {
    let of_run = |report: &'r Report, id: &str| {
        let claim = find(report, id)?;
        let shows = |holds| {
            let mut plays = evidence(report, claim, holds).peekable();
            let (case, text) = plays.peek().map(|(case, outcome)| (case.name(), outcome.text.as_str()))?;
            Some(Evidence { case, text, plays: plays.count() })
        };
        Some(ClaimRun {
            verdict: claim.verdict,
            condition: claim.condition.as_deref(),
            reason: claim.reason.as_deref(),
            caveat: claim.caveat.as_deref(),
            holds: shows(true),
            fails: shows(false),
        })
    };
    let data = |claim: &'r ClaimVerdict| ClaimData {
        id: &claim.id,
        group: &claim.group,
        says: &claim.says,
        runs: runs.iter().map(|run| of_run(run.report, &claim.id)).collect(),
    };
    union(runs.iter().map(|run| run.report)).into_iter().map(data).collect()
}
