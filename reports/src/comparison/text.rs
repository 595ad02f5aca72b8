//! A comparison at a terminal.

use std::io;

use super::{Change, Comparison, Row, VerdictChange};
use crate::palette::Palette;
use crate::printable::printable;

/// More names than this are counted.
const NAMES_MAX: usize = 12;
/// Rows that did not change are shown so many around one that did.
const AROUND: usize = 3;

/// Writes a comparison for people.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text {
    /// Its colours.
    pub palette: Palette,
}

impl Text {
    /// Writes it; nothing when nothing changed.
    pub fn write(&self, comparison: &Comparison, out: &mut dyn io::Write) -> io::Result<()> {
        if comparison.is_empty() {
            return Ok(());
        }
        let strong = self.palette.strong;
        writeln!(out, "{strong}{} -> {}{strong:#}: {}", comparison.base, comparison.new, comparison.summary())?;
        self.verdicts("worse", comparison, &comparison.worse, out)?;
        self.verdicts("better", comparison, &comparison.better, out)?;
        self.names("new cases", &comparison.came, out)?;
        self.names("cases gone", &comparison.went, out)?;
        self.changes("claims", &comparison.claims, out)?;
        self.changes("alternatives", &comparison.alternatives, out)?;
        if !comparison.behaviour.is_empty() {
            writeln!(out, "\n{strong}behaviour{strong:#}")?;
        }
        for change in &comparison.behaviour {
            let aspects: Vec<String> = change.aspects.iter().map(ToString::to_string).collect();
            writeln!(out, "  {strong}{}{strong:#}: {}", printable(&change.case), aspects.join(", "))?;
            if !change.also.is_empty() {
                writeln!(out, "    also {}", printable(&listed(&change.also)))?;
            }
            self.rows(comparison, &change.rows, out)?;
        }
        if let Some(parted) = comparison.parted_text() {
            writeln!(out, "\n{}", printable(&parted))?;
        }
        match &comparison.not_compared {
            Some(why) => writeln!(out, "\n{why}"),
            None => Ok(()),
        }
    }

    fn verdicts(
        &self,
        title: &str,
        comparison: &Comparison,
        changes: &[VerdictChange],
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let strong = self.palette.strong;
        if !changes.is_empty() {
            writeln!(out, "\n{strong}{title}{strong:#}")?;
        }
        for change in changes {
            let (was, is) = (self.palette.of(change.base), self.palette.of(change.new));
            writeln!(out, "  {}  {was}{}{was:#} -> {is}{}{is:#}", printable(&change.case), change.base, change.new)?;
            if let Some(reason) = &change.reason {
                writeln!(out, "    {}", printable(reason))?;
            }
            self.rows(comparison, &change.rows, out)?;
        }
        Ok(())
    }

    fn names(&self, title: &str, names: &[String], out: &mut dyn io::Write) -> io::Result<()> {
        let strong = self.palette.strong;
        if names.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{strong}{title}{strong:#}\n  {}", printable(&listed(names)))
    }

    fn changes(&self, title: &str, changes: &[Change], out: &mut dyn io::Write) -> io::Result<()> {
        let strong = self.palette.strong;
        if !changes.is_empty() {
            writeln!(out, "\n{strong}{title}{strong:#}")?;
        }
        for change in changes {
            writeln!(out, "  {}  was {}\n    now {}", change.name, printable(&change.base), printable(&change.new))?;
        }
        Ok(())
    }

    /// Both runs side by side, around what changed.
    fn rows(&self, comparison: &Comparison, rows: &[Row], out: &mut dyn io::Write) -> io::Result<()> {
        let cell = |deed: &Option<tcpconform_engine::behaviour::Deed>| {
            deed.as_ref().map(|deed| printable(&deed.to_string()).into_owned()).unwrap_or_default()
        };
        let near = |i: usize| rows.iter().enumerate().any(|(j, row)| row.changed && i.abs_diff(j) <= AROUND);
        let shown: Vec<usize> = (0..rows.len()).filter(|i| near(*i)).collect();
        if shown.is_empty() {
            return Ok(());
        }
        let width = shown.iter().map(|i| cell(&rows[*i].base).chars().count()).max().unwrap_or(0);
        let width = width.max(comparison.base.chars().count());
        let dim = self.palette.faint;
        writeln!(out, "      {dim}{:width$}   {}{dim:#}", comparison.base, comparison.new)?;
        let mut last = None;
        for i in shown {
            if last.is_some_and(|last| last + 1 != i) {
                writeln!(out, "      {dim}...{dim:#}")?;
            }
            last = Some(i);
            let row = &rows[i];
            let mark = if row.changed { "*" } else { " " };
            let line = format!("    {mark} {:width$}   {}", cell(&row.base), cell(&row.new));
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
