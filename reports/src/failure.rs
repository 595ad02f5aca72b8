//! The message about a case that did not pass: the clause, both values, both places, the neighbours in the trace, what was
//! still possible, the likely cause, and the command to run it again; and which cases one message speaks for.

use std::fmt::Write;

use tcpconform_engine::judgement::{Finding, Judgement};
use tcpconform_engine::trace::{Nanos, TargetKind};

use crate::palette::Palette;
use crate::printable::printable;
use crate::report::Target;

/// The right-hand column (places, records) stands behind the longest text, but not further right than this.
const LEFT_MAX: usize = 72;

/// The message about one judgement; `also` are variants of the same case that failed in the same way.
pub fn message(judgement: &Judgement, also: &[&str], target: &Target, palette: &Palette) -> String {
    let mut out = String::new();
    let style = palette.of(judgement.verdict);
    let word = judgement.verdict.name().to_uppercase();
    let name = judgement.name();
    let _ = write!(out, "{style}{word}{style:#} {}   {}", printable(&name), printable(&target.title()));
    if let Some(Finding { level, source, .. }) = judgement.findings.first() {
        let _ = write!(out, "   {}, {}", printable(level), printable(source));
    }
    out.push('\n');
    let mut lines = Lines { out, palette };
    for (index, finding) in judgement.findings.iter().enumerate() {
        if index > 0 {
            lines.line("", &format!("and at {:.6} s, {}, {}", finding.at_seconds, finding.level, finding.source));
        }
        lines.finding(finding);
    }
    if let Some(reason) = judgement.reason.as_deref().filter(|_| judgement.findings.is_empty()) {
        lines.line("reason", reason);
    }
    if !also.is_empty() {
        let variants = if also.len() == 1 { "variant" } else { "variants" };
        let some = also.iter().take(3).copied().collect::<Vec<_>>().join("; ");
        let rest = if also.len() > 3 { "; ..." } else { "" };
        lines.line("also", &format!("{} {variants} in the same way: {some}{rest}", also.len()));
    }
    let option = match target.kind {
        TargetKind::Kernel => "",
        TargetKind::Model => "--target model ",
    };
    lines.line("rerun", &format!("tcpconform run {option}{name}"));
    lines.out
}

/// The cases that did not pass and were not skipped; variants of a case with the same trouble together. `cases` are sorted, as
/// in a report.
pub fn alike(cases: &[Judgement]) -> Vec<Vec<&Judgement>> {
    let mut groups: Vec<Vec<&Judgement>> = Vec::new();
    for case in cases.iter().filter(|case| case.verdict.is_bad()) {
        let mut of_case = groups.iter_mut().rev().take_while(|group| group[0].id == case.id);
        match of_case.find(|group| is_same_trouble(group[0], case)) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}

/// Whether two variants of a case have the same verdict for the same reason: the rule of the first finding, or the sentence given.
/// Places and numbers may differ: the same trouble comes at other times in other variants.
fn is_same_trouble(one: &Judgement, other: &Judgement) -> bool {
    let is_same_reason = match (one.findings.first(), other.findings.first()) {
        (Some(one), Some(other)) => one.rule == other.rule,
        (None, None) => one.reason == other.reason,
        (Some(_), None) | (None, Some(_)) => false,
    };
    is_same_reason && one.verdict == other.verdict
}

struct Lines<'a> {
    out: String,
    palette: &'a Palette,
}

impl Lines<'_> {
    fn finding(&mut self, finding: &Finding) {
        let text_width = width(finding.context.iter().map(|line| line.text.as_str()));
        let times: Vec<String> = finding.context.iter().map(|line| seconds(line.at)).collect();
        let time_width = width(times.iter().map(String::as_str));
        let context: Vec<(String, usize)> = finding
            .context
            .iter()
            .zip(&times)
            .map(|(line, time)| {
                let text = format!("{time:>time_width$} {:text_width$}  {}", line.text, line.note);
                (text.trim_end().to_owned(), line.record)
            })
            .collect();
        let texts = [finding.expected.as_str(), finding.actual.as_str()];
        let left = width(texts.into_iter().chain(context.iter().map(|(text, _)| text.as_str()))).min(LEFT_MAX);
        if let Some(on) = finding.on {
            self.line("endpoint", &on.to_string());
        }
        self.line("rule", &format!("{}: {}", finding.rule, finding.statement));
        self.line("expected", &format!("{:left$}    {}", finding.expected, finding.place));
        self.line("actual", &format!("{:left$}    record {}", finding.actual, finding.record));
        for (index, (text, record)) in context.iter().enumerate() {
            self.line(if index == 0 { "trace" } else { "" }, &format!("{text:left$}    record {record}"));
        }
        if !finding.possible.is_empty() {
            self.line("possible", &finding.possible.join(", "));
        }
        if let Some(hint) = &finding.hint {
            self.line("hint", hint);
        }
    }

    fn line(&mut self, label: &str, text: &str) {
        let faint = self.palette.faint;
        let _ = writeln!(self.out, "  {faint}{label:<8}{faint:#}  {}", printable(text));
    }
}

fn seconds(nanos: Nanos) -> String {
    format!("+{}.{:06}", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000)
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}
