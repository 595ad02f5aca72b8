//! The report at a terminal: a table with one line per case file, what did not pass in full, and the totals last.

use std::collections::BTreeMap;
use std::io;

use tcpconform_engine::judgement::{Judgement, Verdict};

use crate::Reporter;
use crate::failure;
use crate::palette::Palette;
use crate::printable::printable;
use crate::report::{Report, Totals};

/// Writes the report for people.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Its colours.
    pub palette: Palette,
}

impl Reporter for Terminal {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        self.table(report, out)?;
        self.skips(report, out)?;
        self.failures(report, out)?;
        self.totals(report, out)
    }
}

/// What one case file came to.
#[derive(Default)]
struct File {
    totals: Totals,
    longest: f64,
}

impl Terminal {
    fn table(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let mut folders: BTreeMap<&str, BTreeMap<&str, File>> = BTreeMap::new();
        for case in &report.cases {
            let (folder, file) = case.id.rsplit_once('/').unwrap_or((".", &case.id));
            let file = folders.entry(folder).or_default().entry(file).or_default();
            file.totals.add(case.verdict);
            file.longest = file.longest.max(case.target_seconds);
        }
        let names = folders.values().flat_map(|files| files.keys());
        let name_width = names.map(|name| name.chars().count()).max().unwrap_or(0);
        let counts = folders.values().flat_map(|files| files.values());
        let counts_width = counts.map(|file| file.totals.to_string().len()).max().unwrap_or(0);
        let strong = self.palette.strong;
        if folders.is_empty() {
            return Ok(());
        }
        for (folder, files) in &folders {
            writeln!(out, "{strong}{}{strong:#}", printable(folder))?;
            for (name, file) in files {
                let name = printable(name);
                let counts = self.counts(&file.totals);
                let gap = " ".repeat(counts_width - file.totals.to_string().len());
                let longest = if file.longest > 0.0 { seconds(file.longest) } else { "-".to_owned() };
                writeln!(out, "  {name:name_width$}  {counts}{gap}  {longest:>9}")?;
            }
        }
        writeln!(out)
    }

    fn counts(&self, totals: &Totals) -> String {
        let counted = Verdict::ALL.into_iter().filter(|verdict| totals.of(*verdict) > 0);
        let texts: Vec<String> = counted
            .map(|verdict| {
                let style = self.palette.of(verdict);
                format!("{style}{} {verdict}{style:#}", totals.of(verdict))
            })
            .collect();
        if texts.is_empty() { totals.to_string() } else { texts.join(", ") }
    }

    /// One line per reason: what cannot be played here cannot for many cases at once.
    fn skips(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for case in report.cases.iter().filter(|case| case.verdict == Verdict::Skip) {
            *reasons.entry(case.reason.as_deref().unwrap_or("no reason given")).or_default() += 1;
        }
        for (reason, count) in &reasons {
            let style = self.palette.of(Verdict::Skip);
            writeln!(out, "{style}SKIP{style:#} {count} {}: {}", plural(*count, "case"), printable(reason))?;
        }
        if reasons.is_empty() { Ok(()) } else { writeln!(out) }
    }

    fn failures(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        for group in alike(&report.cases) {
            let also: Vec<&str> = group[1..].iter().map(|case| case.variant.as_str()).collect();
            writeln!(out, "{}", failure::message(group[0], &also, &report.target, &self.palette))?;
        }
        Ok(())
    }

    fn totals(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let title = report.target.title();
        write!(out, "{}: {}", printable(&title), self.counts(&report.totals))?;
        if report.not_run > 0 {
            write!(out, ", {} not run", report.not_run)?;
        }
        // Traces that were judged again were not run.
        if report.wall_seconds > 0.0 {
            write!(out, " in {} ({} of TCP's time)", seconds(report.wall_seconds), seconds(report.target_seconds))?;
        }
        writeln!(out)
    }
}

/// The cases that did not pass and were not skipped; variants of a case with the same trouble at the same place together.
fn alike(cases: &[Judgement]) -> Vec<Vec<&Judgement>> {
    let mut groups: Vec<Vec<&Judgement>> = Vec::new();
    for case in cases {
        match case.verdict {
            Verdict::Pass | Verdict::Skip => continue,
            Verdict::Inconclusive | Verdict::Fail | Verdict::Error => {}
        }
        match groups.iter_mut().find(|group| is_same_trouble(group[0], case)) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}

/// Whether two variants have the same verdict for the same reason: the first finding's, or the one given.
fn is_same_trouble(one: &Judgement, other: &Judgement) -> bool {
    let why = match (one.findings.first(), other.findings.first()) {
        (Some(one), Some(other)) => {
            (&one.rule, &one.place, &one.expected) == (&other.rule, &other.place, &other.expected)
        }
        (None, None) => one.reason == other.reason,
        (Some(_), None) | (None, Some(_)) => false,
    };
    why && (&one.id, one.verdict) == (&other.id, other.verdict)
}

fn seconds(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
