//! `junit.xml`: the run as GitHub, GitLab and Jenkins read test results.
//!
//! Owns the dialect that they have in common: one suite for each folder of cases, one test case for each variant. Nothing but a
//! pass or a skip is quiet: what is inconclusive is an error there. Refuses to know what is right.

use std::borrow::Cow;
use std::io;

use tcpconform_engine::judgement::{Judgement, Verdict};

use crate::Reporter;
use crate::failure;
use crate::palette::Palette;
use crate::printable::printable;
use crate::report::{Report, Target, Totals};

/// Writes `junit.xml`.
#[derive(Clone, Copy, Debug)]
pub struct Junit;

impl Reporter for Junit {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
        let title = attribute(&report.target.title()).into_owned();
        writeln!(out, r#"<testsuites name="tcpconform on {title}" {}>"#, counts(&report.cases))?;
        for (folder, cases) in report.folders() {
            suite(report, folder, &cases, out)?;
        }
        writeln!(out, "</testsuites>")
    }
}

fn suite(report: &Report, folder: &str, cases: &[&Judgement], out: &mut dyn io::Write) -> io::Result<()> {
    let skipped = cases.iter().filter(|case| case.verdict == Verdict::Skip).count();
    let counts = counts(cases.iter().copied());
    write!(out, r#"  <testsuite name="{}" {counts} skipped="{skipped}""#, attribute(folder))?;
    // Traces that were judged again were not run.
    if !report.started.is_empty() {
        write!(out, r#" timestamp="{}""#, attribute(&report.started))?;
    }
    writeln!(out, ">\n    <properties>")?;
    let target = &report.target;
    for (name, value) in [
        ("target", target.stack().to_owned()),
        ("release", target.release.clone()),
        ("time", target.time.name().to_owned()),
        ("hz", target.hz.to_string()),
        ("tool", format!("{} {}", report.tool.name, report.tool.version)),
    ] {
        writeln!(out, r#"      <property name="{name}" value="{}"/>"#, attribute(&value))?;
    }
    writeln!(out, "    </properties>")?;
    for case in cases {
        test_case(case, target, out)?;
    }
    writeln!(out, "  </testsuite>")
}

/// `tests`, `failures`, `errors` and `time`.
fn counts<'r>(cases: impl IntoIterator<Item = &'r Judgement>) -> String {
    let mut totals = Totals::default();
    let mut seconds = 0.0;
    for case in cases {
        totals.add(case.verdict);
        seconds += case.target_seconds;
    }
    let errors = totals.of(Verdict::Error) + totals.of(Verdict::Inconclusive);
    let (tests, failures) = (totals.all(), totals.of(Verdict::Fail));
    format!(r#"tests="{tests}" failures="{failures}" errors="{errors}" time="{seconds:.6}""#)
}

fn test_case(case: &Judgement, target: &Target, out: &mut dyn io::Write) -> io::Result<()> {
    // Readers take what is before the last dot for the package.
    let class = case.id.replace('/', ".");
    let (name, class) = (case.name(), attribute(&class));
    write!(out, r#"    <testcase name="{}" classname="{class}" time="{:.6}""#, attribute(&name), case.target_seconds)?;
    let reason = attribute(case.reason.as_deref().unwrap_or_default());
    let element = match case.verdict {
        Verdict::Pass => return writeln!(out, "/>"),
        Verdict::Skip => return writeln!(out, ">\n      <skipped message=\"{reason}\"/>\n    </testcase>"),
        Verdict::Fail => "failure",
        Verdict::Inconclusive | Verdict::Error => "error",
    };
    let kind = case.findings.first().map_or(case.verdict.name(), |finding| &finding.rule);
    writeln!(out, ">\n      <{element} type=\"{}\" message=\"{reason}\">", attribute(kind))?;
    write!(out, "{}", text(&failure::message(case, &[], target, &Palette::plain())))?;
    writeln!(out, "</{element}>\n    </testcase>")
}

/// A text as an attribute's value; control characters, which XML cannot hold, are shown as escapes.
fn attribute(value: &str) -> Cow<'_, str> {
    let value = printable(value);
    if value.contains(is_markup) { Cow::Owned(text(&value)) } else { value }
}

/// A text between tags, of whose control characters none but line breaks are left.
fn text(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 16);
    for c in value.chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '"' => text.push_str("&quot;"),
            '\t' => text.push_str("&#9;"),
            c if is_markup(c) => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}

/// What XML 1.0 gives a meaning, and the two that are no characters to it.
fn is_markup(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '"' | '\t' | '\u{fffe}' | '\u{ffff}')
}
