//! A comparison as Markdown, for a pull request.

use std::io;

use super::{Comparison, Row};

/// Case variants of one kind of change that are shown in full; the others are named.
const SHOWN_MAX: usize = 50;

/// Writes a comparison for a pull request.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

impl Markdown {
    /// Writes it; nothing when nothing changed.
    pub fn write(&self, comparison: &Comparison, out: &mut dyn io::Write) -> io::Result<()> {
        if comparison.is_empty() {
            return Ok(());
        }
        let c = comparison;
        writeln!(out, "### {} → {}\n\n{}\n", escaped(&c.base), escaped(&c.new), c.summary())?;
        for (title, changes) in [("Worse", &c.worse), ("Better", &c.better)] {
            if changes.is_empty() {
                continue;
            }
            writeln!(out, "#### {title}\n\n| case | was | is | why |\n|---|---|---|---|")?;
            for change in changes {
                let reason = escaped(change.reason.as_deref().unwrap_or(""));
                writeln!(out, "| {} | {} | {} | {reason} |", escaped(&change.case), change.base, change.new)?;
            }
            writeln!(out)?;
        }
        for (title, names) in [("New cases", &c.came), ("Cases gone", &c.went)] {
            if !names.is_empty() {
                writeln!(out, "<details><summary>{title}: {}</summary>\n", names.len())?;
                for name in names {
                    writeln!(out, "- {}", escaped(name))?;
                }
                writeln!(out, "\n</details>\n")?;
            }
        }
        for (title, changes) in [("Claims", &c.claims), ("Alternatives", &c.alternatives)] {
            if changes.is_empty() {
                continue;
            }
            writeln!(out, "#### {title}\n\n| | was | is |\n|---|---|---|")?;
            for change in changes {
                writeln!(out, "| {} | {} | {} |", change.name, escaped(&change.base), escaped(&change.new))?;
            }
            writeln!(out)?;
        }
        if !c.behaviour.is_empty() {
            writeln!(out, "#### Behaviour\n")?;
        }
        for change in c.behaviour.iter().take(SHOWN_MAX) {
            let aspects: Vec<String> = change.aspects.iter().map(ToString::to_string).collect();
            let also = match change.also.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let title = format!("{}{also}: {}", escaped(&change.case), aspects.join(", "));
            writeln!(out, "<details><summary>{title}</summary>\n\n```")?;
            table(&change.rows, c, out)?;
            writeln!(out, "```\n\n</details>\n")?;
        }
        if c.behaviour.len() > SHOWN_MAX {
            writeln!(out, "{} more changes are in the text of `tcpconform compare`.\n", c.behaviour.len() - SHOWN_MAX)?;
        }
        if let Some(parted) = c.parted_text() {
            writeln!(out, "{}\n", escaped(&parted))?;
        }
        match &c.not_compared {
            Some(why) => writeln!(out, "{}", escaped(why)),
            None => Ok(()),
        }
    }
}

fn table(rows: &[Row], comparison: &Comparison, out: &mut dyn io::Write) -> io::Result<()> {
    let cell = |deed: &Option<tcpconform_engine::behaviour::Deed>| {
        deed.as_ref().map(|deed| deed.to_string().replace(['`', '\n'], "'")).unwrap_or_default()
    };
    let width = rows.iter().map(|row| cell(&row.base).chars().count()).max().unwrap_or(0);
    let width = width.max(comparison.base.chars().count());
    writeln!(out, "  {:width$}   {}", comparison.base, comparison.new)?;
    for row in rows {
        let mark = if row.changed { "*" } else { " " };
        let line = format!("{mark} {:width$}   {}", cell(&row.base), cell(&row.new));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Markup in names and reasons is shown, not obeyed.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '@' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
