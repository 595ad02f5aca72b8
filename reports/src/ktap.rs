//! `report.ktap`: the run as the kernel's own tests report, KTAP version 1 (Documentation/dev-tools/ktap.rst).
//!
//! Owns the form: one test for each folder of cases, its variants nested in it, each message as diagnostic lines before the
//! result that it explains. Refuses to know what is right.

use std::io;

use tcpconform_engine::judgement::{Judgement, Verdict};

use crate::Reporter;
use crate::failure;
use crate::palette::Palette;
use crate::printable::printable;
use crate::report::{Report, Target};

/// Writes `report.ktap`.
#[derive(Clone, Copy, Debug)]
pub struct Ktap;

impl Reporter for Ktap {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let folders = report.folders();
        writeln!(out, "KTAP version 1\n1..{}", folders.len())?;
        let target = &report.target;
        diagnostic(out, "", &format!("{} {}", report.tool.name, report.tool.version))?;
        diagnostic(out, "", &format!("{}, {} time, HZ {}", target.title(), target.time.name(), target.hz))?;
        for (number, (folder, cases)) in (1..).zip(folders) {
            writeln!(out, "  KTAP version 1\n  # Subtest: {}\n  1..{}", name(folder), cases.len())?;
            for (number, case) in (1..).zip(&cases) {
                result(number, case, target, out)?;
            }
            let bad = cases.iter().any(|case| case.verdict.is_bad());
            let skipped = if cases.iter().all(|case| case.verdict == Verdict::Skip) { " # SKIP" } else { "" };
            writeln!(out, "{} {number} {}{skipped}", if bad { "not ok" } else { "ok" }, name(folder))?;
        }
        Ok(())
    }
}

fn result(number: usize, case: &Judgement, target: &Target, out: &mut dyn io::Write) -> io::Result<()> {
    if case.verdict.is_bad() {
        for line in failure::message(case, &[], target, &Palette::plain()).lines() {
            diagnostic(out, "  ", line)?;
        }
    }
    let directive = match case.verdict {
        Verdict::Pass | Verdict::Fail => String::new(),
        Verdict::Skip => format!(" # SKIP {}", readable(case.reason.as_deref().unwrap_or_default())),
        Verdict::Inconclusive | Verdict::Error => format!(" # ERROR {}", case.verdict),
    };
    let ok = if case.verdict.is_bad() { "not ok" } else { "ok" };
    writeln!(out, "  {ok} {number} {}{}", name(&case.name()), directive.trim_end())
}

fn diagnostic(out: &mut dyn io::Write, indent: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{indent}# {}", readable(text))
}

/// A test's name: behind a `#` readers look for a directive.
fn name(text: &str) -> String {
    readable(text).replace('#', "\\u{23}")
}

/// The text without what the kernel says when its tests are over, at which readers stop wherever it stands
/// (`KTAP_END` of tools/testing/kunit/kunit_parser.py).
fn readable(text: &str) -> String {
    const ENDS: [(&str, &str); 3] = [
        ("List of all partitions:", "List of all partitions\\u{3a}"),
        ("Kernel panic - not syncing: VFS:", "Kernel panic - not syncing: VFS\\u{3a}"),
        ("reboot: System halted", "reboot\\u{3a} System halted"),
    ];
    let text = printable(text).into_owned();
    ENDS.into_iter().fold(text, |text, (end, escaped)| text.replace(end, escaped))
}
