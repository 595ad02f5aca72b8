//! Which requirement of RFC 9293 which rule covers, which cases exercised it on which kernel, and what nobody covers yet.
//!
//! Owns the RFC's numbered requirements (its appendix B) and their rules, which stand in `coverage/rfc9293.tsv`; what has no
//! number is told by the rules themselves, by their sections. Refuses to judge: that a rule was exercised is in the reports.

use std::collections::BTreeMap;
use std::io;
use std::sync::LazyLock;

use serde::Serialize;
use tcpconform_model::{RULES, RuleRef, rules};

use crate::palette::Palette;
use crate::printable::printable;
use crate::report::{Report, Target};
use crate::terminal::plural;

static TABLE: &str = include_str!("coverage/rfc9293.tsv");
/// How sources name a section of the RFC.
const SECTION: &str = "RFC 9293 section ";

/// A requirement that has a number in the RFC.
#[derive(Debug)]
pub struct Requirement {
    /// As in `MUST-13`.
    pub label: &'static str,
    /// As in `MUST NOT`.
    pub level: &'static str,
    /// As in `3.6.1`.
    pub section: &'static str,
    /// What is required, in a few words.
    pub requires: &'static str,
    /// The rules by which a kernel that does not do so would be found.
    pub rules: Vec<RuleRef>,
}

/// The numbered requirements, section by section.
pub static REQUIREMENTS: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
    let rows = TABLE.lines().skip(1).map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
        [label, level, section, requires, rules] => {
            let rules = rules.split_whitespace().map(|id| {
                tcpconform_model::rule(id).unwrap_or_else(|| unreachable!("{label}: the model has a rule `{id}`"))
            });
            Requirement { label, level, section, requires, rules: rules.collect() }
        }
        _ => unreachable!("five columns: `{line}`"),
    });
    rows.collect()
});

/// Something that is required, numbered or not.
#[derive(Debug, Serialize)]
pub struct Required {
    /// As in `3.10.7.4`.
    pub section: &'static str,
    /// As in `MUST-13`; none where the RFC gives no number.
    pub label: Option<&'static str>,
    /// As in `MUST NOT`.
    pub level: &'static str,
    /// In a few words.
    pub requires: &'static str,
    /// The rules that cover it.
    pub rules: Vec<Covering>,
}

/// A rule, and how it was exercised.
#[derive(Debug, Serialize)]
pub struct Covering {
    /// Its id.
    pub rule: &'static str,
    /// For a documented departure: the clause it departs from.
    pub departs: Option<&'static str>,
    /// On each target, in the order of the reports.
    pub on: Vec<Exercise>,
}

/// How a rule was exercised in one run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exercise {
    /// The case variants in which it explained something, or was broken.
    pub cases: usize,
    /// Those in which it was broken.
    pub broken: usize,
    /// The first of them, a broken one if there is one.
    pub example: Option<String>,
}

/// What several runs cover of the RFC.
#[derive(Debug, Serialize)]
pub struct Coverage<'r> {
    /// What was played, in the order of [`Covering::on`].
    pub targets: Vec<&'r Target>,
    /// What rules cover, by section: first what is numbered, then what is not.
    pub covered: Vec<Required>,
    /// The numbered requirements that no rule covers.
    pub uncovered: Vec<Required>,
    /// Rules, of whatever source, that no case exercised.
    pub unexercised: Vec<&'static str>,
}

/// What these runs cover.
pub fn coverage(reports: &[Report]) -> Coverage<'_> {
    let exercised: Vec<BTreeMap<&str, Exercise>> = reports.iter().map(exercised).collect();
    let covering = |rule: RuleRef| Covering {
        rule: rule.id,
        departs: rule.departs,
        on: exercised.iter().map(|of| of.get(rule.id).cloned().unwrap_or_default()).collect(),
    };
    let numbered = REQUIREMENTS.iter().map(|requirement| Required {
        section: requirement.section,
        label: Some(requirement.label),
        level: requirement.level,
        requires: requirement.requires,
        rules: requirement.rules.iter().copied().map(covering).collect(),
    });
    let (mut covered, uncovered): (Vec<Required>, Vec<Required>) = numbered.partition(|one| !one.rules.is_empty());
    let has_number = |rule: RuleRef| REQUIREMENTS.iter().any(|one| one.rules.iter().any(|other| other.id == rule.id));
    covered.extend(RULES.iter().copied().filter(|rule| !has_number(rule)).filter_map(|rule| {
        let (_, section) = rule.source.split_once(SECTION)?;
        let section = section.split(|c: char| c == ',' || c.is_whitespace()).next()?;
        let (level, requires) = (rule.level.name(), rule.statement);
        Some(Required { section, label: None, level, requires, rules: vec![covering(rule)] })
    }));
    covered.sort_by_cached_key(|required| (numbers(required.section), required.label.is_none()));
    // Only what no rule explains brings up the one about that.
    let can_be_kept = |rule: RuleRef| rule.id != rules::SEGMENT_UNEXPLAINED.id;
    let is_idle = |rule: &&RuleRef| can_be_kept(rule) && exercised.iter().all(|of| !of.contains_key(rule.id));
    Coverage {
        targets: reports.iter().map(|report| &report.target).collect(),
        covered,
        uncovered,
        unexercised: RULES.iter().filter(is_idle).map(|rule| rule.id).collect(),
    }
}

/// How often each rule was exercised in a run.
fn exercised(report: &Report) -> BTreeMap<&str, Exercise> {
    let mut exercised: BTreeMap<&str, Exercise> = BTreeMap::new();
    for case in &report.cases {
        for rule in &case.rules_fired {
            let exercise = exercised.entry(rule).or_default();
            exercise.cases += 1;
            exercise.example.get_or_insert_with(|| case.name());
        }
        for finding in &case.findings {
            let exercise = exercised.entry(&finding.rule).or_default();
            exercise.cases += usize::from(!case.rules_fired.contains(&finding.rule));
            if exercise.broken == 0 {
                exercise.example = Some(case.name());
            }
            exercise.broken += 1;
        }
    }
    exercised
}

/// A section's number to sort by.
fn numbers(section: &str) -> Vec<u32> {
    section.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

/// Writes it for people.
pub fn text(coverage: &Coverage<'_>, palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
    let strong = palette.strong;
    let is_exercised = |required: &Required| required.rules.iter().any(|rule| rule.on.iter().any(|on| on.cases > 0));
    let numbered = || coverage.covered.iter().filter(|required| required.label.is_some());
    let all = numbered().count() + coverage.uncovered.len();
    writeln!(
        out,
        "RFC 9293: rules cover {} of {all} numbered requirements; cases exercised {}",
        numbered().count(),
        numbered().filter(|required| is_exercised(required)).count()
    )?;
    match &coverage.targets[..] {
        [] => writeln!(out, "no run given: tcpconform run makes one")?,
        targets => {
            for target in targets {
                writeln!(out, "  {}", printable(&target.title()))?;
            }
        }
    }
    let mut section = "";
    for required in &coverage.covered {
        if required.section != section {
            section = required.section;
            writeln!(out, "\n{strong}{section}{strong:#}")?;
        }
        requirement(required, out)?;
        for rule in &required.rules {
            covering(rule, &coverage.targets, palette, out)?;
        }
    }
    if !coverage.uncovered.is_empty() {
        writeln!(out, "\n{strong}Nobody covers yet{strong:#}")?;
        for required in &coverage.uncovered {
            write!(out, "{:<11}", required.section)?;
            requirement(required, out)?;
        }
    }
    if !coverage.unexercised.is_empty() && !coverage.targets.is_empty() {
        writeln!(out, "\n{strong}Rules that no case exercised{strong:#}\n  {}", coverage.unexercised.join("\n  "))?;
    }
    Ok(())
}

fn requirement(required: &Required, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "  {:<8} {:<10}  {}", required.label.unwrap_or(""), required.level, required.requires)
}

fn covering(rule: &Covering, targets: &[&Target], palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
    let faint = palette.faint;
    let departs = if rule.departs.is_some() { ", a documented departure" } else { "" };
    let on: Vec<String> = targets
        .iter()
        .zip(&rule.on)
        .map(|(target, on)| {
            let whose = if targets.len() > 1 { format!("{}: ", target.release) } else { String::new() };
            let broken = if on.broken > 0 { format!(", broken in {}", on.broken) } else { String::new() };
            match &on.example {
                Some(example) => format!("{whose}{} {}{broken}, as {example}", on.cases, plural(on.cases, "case")),
                None => format!("{whose}no case"),
            }
        })
        .collect();
    let text = format!("{}{departs}; {}", rule.rule, on.join("; "));
    writeln!(out, "{:23}{faint}{}{faint:#}", "", printable(text.trim_end_matches("; ")))
}

/// Writes it for programs.
pub fn json(coverage: &Coverage<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, coverage)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Appendix B of RFC 9293 numbers MUST from 1 to 69, SHLD to 31, MAY to 18, and one REC.
    #[test]
    fn every_number_of_the_rfc_is_there_once() {
        let labels: Vec<&str> = REQUIREMENTS.iter().map(|requirement| requirement.label).collect();
        let numbers = |kind: &str, last: u32| (1..=last).map(|n| format!("{kind}-{n}")).collect::<Vec<_>>();
        let all = [numbers("MUST", 69), numbers("SHLD", 31), numbers("MAY", 18), numbers("REC", 1)].concat();
        assert_eq!(labels.len(), all.len());
        assert_eq!(labels.into_iter().collect::<BTreeSet<_>>(), all.iter().map(String::as_str).collect());
    }

    #[test]
    fn levels_are_those_of_the_labels() {
        for requirement in REQUIREMENTS.iter() {
            let kind = requirement.label.split_once('-').unwrap().0;
            let level = requirement.level.trim_end_matches(" NOT");
            assert_eq!(level, if kind == "SHLD" || kind == "REC" { "SHOULD" } else { kind }, "{requirement:?}");
            assert!(requirement.section.starts_with("3."), "{requirement:?}");
            assert!(!requirement.requires.is_empty(), "{requirement:?}");
        }
    }

    #[test]
    fn sections_are_in_order() {
        let sections: Vec<Vec<u32>> = REQUIREMENTS.iter().map(|requirement| numbers(requirement.section)).collect();
        assert!(sections.is_sorted());
    }
}
