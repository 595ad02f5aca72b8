//! A comparison as one page of HTML, for a browser.

use std::io;

use super::{Change, Comparison, Row, VerdictChange};
use crate::html::escaped;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;max-width:110ch;margin:2em auto;padding:0 1em}\
:root{color-scheme:light dark}table{border-collapse:collapse}td,th{padding:.1em .8em .1em 0;text-align:left;vertical-align:top}\
.ladder td{font:12px/1.4 ui-monospace,monospace;white-space:pre}.changed td{background:#f5a62344}\
summary{cursor:pointer}h2{margin-top:1.6em;font-size:1.1em}";

/// Writes a comparison for a browser.
#[derive(Clone, Copy, Debug)]
pub struct Html;

impl Html {
    /// Writes it, also when nothing changed: a page that is asked for is there.
    pub fn write(&self, comparison: &Comparison, out: &mut dyn io::Write) -> io::Result<()> {
        let c = comparison;
        let title = format!("{} → {}", escaped(&c.base), escaped(&c.new));
        writeln!(
            out,
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{}</p>",
            escaped(&c.summary())
        )?;
        verdicts("Worse", &c.worse, c, out)?;
        verdicts("Better", &c.better, c, out)?;
        names("New cases", &c.came, out)?;
        names("Cases gone", &c.went, out)?;
        changes("Claims", &c.claims, out)?;
        changes("Alternatives", &c.alternatives, out)?;
        if !c.behaviour.is_empty() {
            writeln!(out, "<h2>Behaviour</h2>")?;
        }
        for change in &c.behaviour {
            let aspects: Vec<String> = change.aspects.iter().map(ToString::to_string).collect();
            writeln!(out, "<details><summary>{}: {}</summary>", escaped(&change.case), aspects.join(", "))?;
            if !change.also.is_empty() {
                writeln!(out, "<p>also {}</p>", escaped(&change.also.join(", ")))?;
            }
            ladder(&change.rows, c, out)?;
            writeln!(out, "</details>")?;
        }
        if let Some(parted) = c.parted_text() {
            writeln!(out, "<p>{}</p>", escaped(&parted))?;
        }
        if let Some(why) = &c.not_compared {
            writeln!(out, "<p>{}</p>", escaped(why))?;
        }
        writeln!(out, "</html>")
    }
}

fn verdicts(title: &str, changes: &[VerdictChange], c: &Comparison, out: &mut dyn io::Write) -> io::Result<()> {
    if !changes.is_empty() {
        writeln!(out, "<h2>{title}</h2>")?;
    }
    for change in changes {
        let (case, reason) = (escaped(&change.case), escaped(change.reason.as_deref().unwrap_or("")));
        writeln!(out, "<details><summary>{case}: {} → {}</summary><p>{reason}</p>", change.base, change.new)?;
        ladder(&change.rows, c, out)?;
        writeln!(out, "</details>")?;
    }
    Ok(())
}

fn names(title: &str, names: &[String], out: &mut dyn io::Write) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>{title}</h2><p>{}</p>", escaped(&names.join(", ")))
}

fn changes(title: &str, changes: &[Change], out: &mut dyn io::Write) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>{title}</h2><table><tr><th></th><th>was</th><th>is</th></tr>")?;
    for change in changes {
        let (was, is) = (escaped(&change.base), escaped(&change.new));
        writeln!(out, "<tr><th>{}</th><td>{was}</td><td>{is}</td></tr>", escaped(&change.name))?;
    }
    writeln!(out, "</table>")
}

fn ladder(rows: &[Row], c: &Comparison, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "<table class=\"ladder\"><tr><th>{}</th><th>{}</th></tr>", escaped(&c.base), escaped(&c.new))?;
    for row in rows {
        let cell = |deed: &Option<tcpconform_engine::behaviour::Deed>| {
            deed.as_ref().map(|deed| escaped(&deed.to_string())).unwrap_or_default()
        };
        let class = if row.changed { " class=\"changed\"" } else { "" };
        writeln!(out, "<tr{class}><td>{}</td><td>{}</td></tr>", cell(&row.base), cell(&row.new))?;
    }
    writeln!(out, "</table>")
}
