//! The report at a terminal: a table with one line per folder and case file, what did not pass in full, the verdicts on the
//! claims, and the totals last.

use std::collections::BTreeMap;
use std::io;

use anstyle::Style;
use tcpconform_engine::judgement::{Judgement, Verdict};

use crate::Reporter;
use crate::claims;
use crate::failure;
use crate::palette::Palette;
use crate::printable::printable;
use crate::report::{Report, Totals};

/// Writes the report for people.
#[derive(Clone, Debug, Default)]
pub struct Terminal {
    /// Its colours.
    pub palette: Palette,
    /// What happened in the cases that did not pass, by their names: the part of the ladder that is shown below the message.
    pub ladders: BTreeMap<String, String>,
    /// Whether ladders are shown however many cases did not pass.
    pub all_ladders: bool,
}

impl Reporter for Terminal {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        self.failures(report, out)?;
        self.table(report, out)?;
        self.skips(report, out)?;
        self.played_twice(report, out)?;
        claims::section(report, &self.palette, out)?;
        self.totals(report, out)
    }
}

/// More case files than this do not fit a screen; those that passed are then left to their folder's line, and of the others
/// only so many are shown.
const FILES_MAX: usize = 40;
const FILES_SHOWN: usize = 12;
/// With more cases that fail in different ways than this, only the first are told in full.
const MESSAGES_MAX: usize = 20;
/// With more than this, ladders are shown only if asked for.
const LADDERS_MAX: usize = 3;

/// What one case file, or a folder of them, came to.
#[derive(Default)]
struct Row {
    totals: Totals,
    longest: f64,
}

impl Row {
    fn add(&mut self, case: &Judgement) {
        self.totals.add(case.verdict);
        self.longest = self.longest.max(case.target_seconds);
    }

    fn is_all_pass(&self) -> bool {
        self.totals.all() == self.totals.of(Verdict::Pass)
    }
}

impl Terminal {
    fn table(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let mut folders: BTreeMap<&str, (Row, BTreeMap<&str, Row>)> = BTreeMap::new();
        for case in &report.cases {
            let (folder, file) = case.path();
            let (row, files) = folders.entry(folder).or_default();
            row.add(case);
            files.entry(file).or_default().add(case);
        }
        let is_long = folders.values().map(|(_, files)| files.len()).sum::<usize>() > FILES_MAX;
        let mut rows: Vec<(String, Row)> = Vec::new();
        let (mut shown, mut left_out) = (0, 0);
        for (folder, (row, files)) in folders {
            let count = files.len();
            rows.push((format!("{} ({count} {})", printable(folder), plural(count, "file")), row));
            for (name, row) in files.into_iter().filter(|(_, row)| !is_long || !row.is_all_pass()) {
                if is_long && shown == FILES_SHOWN {
                    left_out += 1;
                } else {
                    shown += 1;
                    rows.push((format!("  {}", printable(name)), row));
                }
            }
        }
        let name_width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let counts_width = rows.iter().map(|(_, row)| row.totals.to_string().len()).max().unwrap_or(0);
        for (name, row) in &rows {
            let strong = if name.starts_with(' ') { Style::new() } else { self.palette.strong };
            let name_gap = " ".repeat(name_width - name.chars().count());
            let counts = self.counts(&row.totals);
            let gap = " ".repeat(counts_width - row.totals.to_string().len());
            let longest = if row.longest > 0.0 { seconds(row.longest) } else { "-".to_owned() };
            writeln!(out, "{strong}{name}{strong:#}{name_gap}  {counts}{gap}  {longest:>9}")?;
        }
        if left_out > 0 {
            writeln!(out, "... and {left_out} more {} with other verdicts than pass", plural(left_out, "file"))?;
        }
        if rows.is_empty() { Ok(()) } else { writeln!(out) }
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

    /// Those that were inconclusive at first, whatever the second play came to.
    fn played_twice(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let twice = || report.cases.iter().filter_map(|case| Some((case, case.retried.as_deref()?)));
        for (case, reason) in twice().take(MESSAGES_MAX) {
            let style = self.palette.of(case.verdict);
            let name = case.name();
            let (name, reason) = (printable(&name), printable(reason));
            writeln!(out, "{style}{}{style:#} {name} at the second play; at the first: {reason}", case.verdict)?;
        }
        let rest = twice().count().saturating_sub(MESSAGES_MAX);
        if rest > 0 {
            writeln!(out, "... and {rest} more {} that needed a second play", plural(rest, "case"))?;
        }
        if twice().next().is_none() { Ok(()) } else { writeln!(out) }
    }

    fn failures(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let groups = failure::alike(&report.cases);
        for group in groups.iter().take(MESSAGES_MAX) {
            let also: Vec<&str> = group[1..].iter().map(|case| case.variant.as_str()).collect();
            writeln!(out, "{}", failure::message(group[0], &also, &report.target, &self.palette))?;
            let ladder = self.ladders.get(&group[0].name());
            if let Some(ladder) = ladder.filter(|_| self.all_ladders || groups.len() <= LADDERS_MAX) {
                writeln!(out, "{ladder}")?;
            }
        }
        let rest = &groups[groups.len().min(MESSAGES_MAX)..];
        for group in rest {
            let variants =
                if group.len() > 1 { format!(" and {} more of its variants", group.len() - 1) } else { String::new() };
            let line = format!("{}{variants}: {}", group[0].name(), group[0].reason.as_deref().unwrap_or_default());
            let (verdict, style) = (group[0].verdict, self.palette.of(group[0].verdict));
            writeln!(out, "{style}{}{style:#} {}", verdict.name().to_uppercase(), printable(&line))?;
        }
        if rest.is_empty() { Ok(()) } else { writeln!(out) }
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

fn seconds(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}

/// The noun, in the plural unless it is one.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
