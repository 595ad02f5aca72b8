//! The ledger of claims with verdicts: a section of the terminal report, and the table of `tcpconform claims`.
//!
//! Owns how verdicts and their evidence are shown, for one run and side by side for several. Refuses to judge.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use tcpconform_engine::claims::{ClaimState, ClaimVerdict};
use tcpconform_engine::judgement::{Basis, Judgement, Outcome};

use crate::palette::Palette;
use crate::printable::printable;
use crate::report::{Report, Target};

/// More refuted and conditional claims than this are left to `tcpconform claims`.
const LINES_MAX: usize = 16;
/// The width of the longest verdict.
const STATE_WIDTH: usize = 11;

/// The section of a report: how many claims have which verdict, and those that do not simply hold, as far as they fit a
/// screen. Nothing where nothing was decided.
pub fn section(report: &Report, palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
    if report.claims.iter().all(|claim| claim.verdict == ClaimState::Untested) {
        return Ok(());
    }
    writeln!(out, "claims: {}", counts(&report.claims, palette))?;
    let told: Vec<&ClaimVerdict> = report.claims.iter().filter(|claim| is_worth_a_line(claim)).collect();
    if told.len() <= LINES_MAX {
        for claim in &told {
            let text = claim.condition.as_deref().unwrap_or(&claim.says);
            writeln!(out, "  {}  {}  {}", state(claim.verdict, palette), printable(&claim.id), printable(text))?;
        }
    }
    // Traces that were judged again leave no report to show them from.
    if report.wall_seconds > 0.0 {
        writeln!(out, "  tcpconform claims shows each with its evidence")?;
    }
    writeln!(out)
}

fn is_worth_a_line(claim: &ClaimVerdict) -> bool {
    match claim.verdict {
        ClaimState::Refuted | ClaimState::Conditional => true,
        ClaimState::Confirmed | ClaimState::Untested => false,
    }
}

/// The table: of one run with the evidence, of several side by side.
pub fn table(reports: &[Report], palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
    match reports {
        [report] => one(report, palette, out),
        [..] => several(reports, palette, out),
    }
}

fn one(report: &Report, palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
    let strong = palette.strong;
    writeln!(out, "{}: {}", printable(&report.target.title()), counts(&report.claims, palette))?;
    let indent = " ".repeat(2 + 3 + 2 + STATE_WIDTH + 2);
    let mut group = "";
    for claim in &report.claims {
        if claim.group != group {
            group = &claim.group;
            writeln!(out, "\n{strong}{}{strong:#}", heading(group))?;
        }
        let state = state(claim.verdict, palette);
        writeln!(out, "  {}  {state}  {}", printable(&claim.id), printable(&claim.says))?;
        for text in claim.condition.iter().chain(&claim.reason).chain(&claim.caveat) {
            writeln!(out, "{indent}{}", printable(text))?;
        }
        for (holds, word) in [(true, "holds"), (false, "not")] {
            let all: Vec<(&Judgement, &Outcome)> = evidence(report, claim, holds).collect();
            if let Some((case, outcome)) = all.first() {
                let faint = palette.faint;
                let shown = format!("{word} in {}: {}", all.len(), shown(case, outcome));
                writeln!(out, "{indent}{faint}{}{faint:#}", printable(&shown))?;
            }
        }
    }
    Ok(())
}

/// The outcomes that say so.
pub(crate) fn evidence<'r>(
    report: &'r Report,
    claim: &'r ClaimVerdict,
    holds: bool,
) -> impl Iterator<Item = (&'r Judgement, &'r Outcome)> {
    outcomes(report, claim).filter(move |(_, outcome)| outcome.holds == Some(holds))
}

fn outcomes<'r>(report: &'r Report, claim: &'r ClaimVerdict) -> impl Iterator<Item = (&'r Judgement, &'r Outcome)> {
    let of_claim = |case: &'r Judgement| {
        case.predictions.iter().filter(|outcome| outcome.claim == claim.id).map(move |outcome| (case, outcome))
    };
    report.cases.iter().flat_map(of_claim)
}

/// As in `close/active@ipv4, record 12, 0.201 s: CLOSED of a`.
fn shown(case: &Judgement, outcome: &Outcome) -> String {
    let record = outcome.record.map(|record| format!(", record {record}")).unwrap_or_default();
    let at = outcome.at_seconds.map(|at| format!(", {at:.3} s")).unwrap_or_default();
    format!("{}{record}{at}: {}", case.name(), outcome.text)
}

fn several(reports: &[Report], palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
    let titles: Vec<String> = reports.iter().map(|report| printable(&report.target.release).into_owned()).collect();
    let widths: Vec<usize> = titles.iter().map(|title| title.chars().count().max(STATE_WIDTH)).collect();
    let strong = palette.strong;
    let heads: String = titles.iter().zip(&widths).map(|(title, width)| format!("{title:width$}  ")).collect();
    writeln!(out, "       {strong}{}{strong:#}", heads.trim_end())?;
    let indent = " ".repeat(7 + widths.iter().map(|width| width + 2).sum::<usize>());
    let mut group = "";
    for claim in union(reports.iter()) {
        if claim.group != group {
            group = &claim.group;
            writeln!(out, "\n{strong}{}{strong:#}", heading(group))?;
        }
        let of: Vec<Option<&ClaimVerdict>> = reports.iter().map(|report| find(report, &claim.id)).collect();
        let cell = |(claim, width): (&Option<&ClaimVerdict>, &usize)| match claim {
            Some(claim) => format!("{}{}", state(claim.verdict, palette), " ".repeat(width - STATE_WIDTH + 2)),
            None => format!("{:width$}  ", "-"),
        };
        let cells: String = of.iter().zip(&widths).map(cell).collect();
        writeln!(out, "  {}  {cells}{}", printable(&claim.id), printable(&claim.says))?;
        let mut texts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (claim, title) in of.iter().zip(&titles) {
            for text in claim.iter().flat_map(|claim| claim.condition.iter().chain(&claim.caveat)) {
                texts.entry(text).or_default().push(title);
            }
        }
        for (text, titles) in &texts {
            let whose = if titles.len() == reports.len() { String::new() } else { format!("{}: ", titles.join(", ")) };
            writeln!(out, "{indent}{whose}{}", printable(text))?;
        }
    }
    Ok(())
}

/// Each claim of any report once, group by group: those of the first in its order, then those that only later ones have.
pub(crate) fn union<'r>(reports: impl Iterator<Item = &'r Report>) -> Vec<&'r ClaimVerdict> {
    let mut all: Vec<&ClaimVerdict> = Vec::new();
    for claim in reports.flat_map(|report| &report.claims) {
        if all.iter().all(|known| known.id != claim.id) {
            all.push(claim);
        }
    }
    let mut groups: Vec<&str> = Vec::new();
    for claim in &all {
        if !groups.contains(&claim.group.as_str()) {
            groups.push(&claim.group);
        }
    }
    all.sort_by_key(|claim| groups.iter().position(|group| *group == claim.group));
    all
}

pub(crate) fn find<'r>(report: &'r Report, id: &str) -> Option<&'r ClaimVerdict> {
    report.claims.iter().find(|claim| claim.id == id)
}

/// The table for programs: per run the target and its claims, each with all its evidence.
pub fn json(reports: &[Report], out: &mut dyn io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Run<'r> {
        target: &'r Target,
        started: &'r str,
        claims: Vec<Told<'r>>,
    }

    #[derive(Serialize)]
    struct Told<'r> {
        #[serde(flatten)]
        claim: &'r ClaimVerdict,
        evidence: Vec<Shown<'r>>,
    }

    #[derive(Serialize)]
    struct Shown<'r> {
        case: String,
        given: Option<&'r str>,
        holds: Option<bool>,
        record: Option<usize>,
        at_seconds: Option<f64>,
        text: &'r str,
        #[serde(skip_serializing_if = "Basis::is_observed")]
        basis: Basis,
    }

    let runs: Vec<Run<'_>> = reports
        .iter()
        .map(|report| Run {
            target: &report.target,
            started: &report.started,
            claims: report
                .claims
                .iter()
                .map(|claim| Told {
                    claim,
                    evidence: outcomes(report, claim)
                        .map(|(case, outcome)| Shown {
                            case: case.name(),
                            given: outcome.given.as_deref(),
                            holds: outcome.holds,
                            record: outcome.record,
                            at_seconds: outcome.at_seconds,
                            text: &outcome.text,
                            basis: outcome.basis,
                        })
                        .collect(),
                })
                .collect(),
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &runs)?;
    out.write_all(b"\n")
}

/// As in `12 confirmed, 1 refuted`, and how many of them have plays that are undecided: what there is none of is left out.
fn counts(claims: &[ClaimVerdict], palette: &Palette) -> String {
    let count = |state: ClaimState| claims.iter().filter(|claim| claim.verdict == state).count();
    let texts: Vec<String> = ClaimState::ALL
        .into_iter()
        .filter(|state| count(*state) > 0)
        .map(|state| {
            let style = palette.of_claim(state);
            format!("{style}{} {state}{style:#}", count(state))
        })
        .collect();
    let counted = if texts.is_empty() { "no claim".to_owned() } else { texts.join(", ") };
    match claims.iter().filter(|claim| claim.caveat.is_some()).count() {
        0 => counted,
        some => format!("{counted}; {some} with undecided plays"),
    }
}

/// The verdict in its colour, as wide as the longest.
fn state(state: ClaimState, palette: &Palette) -> String {
    let style = palette.of_claim(state);
    format!("{style}{state}{style:#}{}", " ".repeat(STATE_WIDTH - state.name().len()))
}

/// The name of a group for people.
fn heading(group: &str) -> String {
    printable(group).replace('_', " ")
}
