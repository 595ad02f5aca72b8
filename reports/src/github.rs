//! What GitHub Actions shows of a run: annotations at the case files, and a summary of the job in Markdown.
//!
//! Owns the workflow commands and their limits. Refuses to know what is right, and whether GitHub is there.

use std::io;

use tcpconform_engine::judgement::{Judgement, Verdict};

use crate::Reporter;
use crate::failure::{self, alike};
use crate::palette::Palette;
use crate::printable::printable;
use crate::report::Report;

/// GitHub shows so many annotations of a kind for each step.
const ANNOTATIONS_MAX: usize = 10;
/// GitHub refuses a summary of more than a MiB for each step.
const SUMMARY_MAX: usize = 1000 << 10;

/// Writes workflow commands: an error or a warning for each way in which a case did not pass.
#[derive(Clone, Copy, Debug)]
pub struct Annotations;

impl Reporter for Annotations {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let groups = alike(&report.cases);
        for (command, verdicts) in
            [("error", &[Verdict::Fail, Verdict::Error][..]), ("warning", &[Verdict::Inconclusive])]
        {
            let of_kind = groups.iter().filter(|group| verdicts.contains(&group[0].verdict));
            for group in of_kind.take(ANNOTATIONS_MAX) {
                annotation(command, group, report, out)?;
            }
        }
        Ok(())
    }
}

fn annotation(command: &str, group: &[&Judgement], report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let case = group[0];
    let title = format!("{} {}", case.verdict.name().to_uppercase(), case.name());
    let also: Vec<&str> = group[1..].iter().map(|case| case.variant.as_str()).collect();
    let message = failure::message(case, &also, &report.target, &Palette::plain());
    let place = case.findings.first().map(|finding| place(&finding.place)).unwrap_or_default();
    writeln!(out, "::{command} {place}title={}::{}", property(&printable(&title)), data(message.trim_end()))
}

/// A place as the properties of a workflow command, as in `file=cases/a.yaml,line=3,col=5,`.
fn place(place: &str) -> String {
    let mut parts = place.rsplitn(3, ':');
    let (column, line, file) = (parts.next(), parts.next(), parts.next());
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
    match (file, number(line), number(column)) {
        (Some(file), Some(line), Some(column)) => {
            format!("file={},line={line},col={column},", property(&printable(file)))
        }
        (_, _, _) => String::new(),
    }
}

/// The value of a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Writes the job's summary.
#[derive(Clone, Copy, Debug)]
pub struct Summary;

impl Reporter for Summary {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let mut text = format!("### tcpconform on {}: {}\n\n", markdown(&report.target.title()), report.totals);
        if report.not_run > 0 {
            text += &format!("{} cases were not run.\n\n", report.not_run);
        }
        let columns = Verdict::ALL.map(Verdict::name).join(" | ");
        text += &format!("| cases | {columns} |\n|---|{}\n", "---:|".repeat(Verdict::ALL.len()));
        for (folder, cases) in report.folders() {
            let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
            let counts = Verdict::ALL.map(|verdict| match count(verdict) {
                0 => String::new(),
                some => some.to_string(),
            });
            text += &format!("| {} | {} |\n", markdown(folder), counts.join(" | "));
        }
        text.push('\n');
        let groups = alike(&report.cases);
        for (index, group) in groups.iter().enumerate() {
            let told = details(group, report);
            if text.len() + told.len() > SUMMARY_MAX {
                text += &format!("{} more are in the reports.\n", groups.len() - index);
                break;
            }
            text += &told;
        }
        out.write_all(text.as_bytes())
    }
}

/// The message about cases that are alike, folded away below its first line.
fn details(group: &[&Judgement], report: &Report) -> String {
    let also: Vec<&str> = group[1..].iter().map(|case| case.variant.as_str()).collect();
    let message = failure::message(group[0], &also, &report.target, &Palette::plain());
    let first = format!("{} {}", group[0].verdict.name().to_uppercase(), group[0].name());
    format!("<details><summary>{}</summary>\n\n<pre>\n{}</pre>\n\n</details>\n\n", markdown(&first), markdown(&message))
}

/// Text whose markup is shown, not obeyed, line by line; between HTML's tags as well.
fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            safe.push('\n');
        }
        for c in printable(line).chars() {
            match c {
                '<' | '>' | '&' | '"' | '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '@' | '~' => {
                    safe += &format!("&#{};", u32::from(c));
                }
                c => safe.push(c),
            }
        }
    }
    safe
}
