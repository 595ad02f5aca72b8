//! What a run of walks came to: how many, how fast, which verdicts and rules.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use tcpconform_engine::explore::RULES;
use tcpconform_engine::judgement::{Judgement, Verdict};

use tcpconform_reports::printable::printable;
use tcpconform_reports::report::Totals;

/// The width of a line of rules.
const WIDTH: usize = 110;

/// What the walks came to so far.
#[derive(Default)]
pub(super) struct Summary {
    totals: Totals,
    /// In how many walks each rule explained something.
    rules: BTreeMap<String, usize>,
    /// Why walks were inconclusive or skipped, with how many.
    reasons: BTreeMap<String, usize>,
    wall: Duration,
    cpu: Duration,
}

impl Summary {
    /// Counts a walk.
    pub(super) fn add(&mut self, judgement: &Judgement) {
        self.totals.add(judgement.verdict);
        for rule in &judgement.rules_fired {
            *self.rules.entry(rule.clone()).or_default() += 1;
        }
        if matches!(judgement.verdict, Verdict::Inconclusive | Verdict::Skip) {
            let reason = general(judgement.reason.as_deref().unwrap_or_default());
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// Notes what the walks took.
    pub(super) fn took(&mut self, wall: Duration, cpu: Duration) {
        (self.wall, self.cpu) = (wall, cpu);
    }

    /// Shows it all.
    pub(super) fn show(&self, seed: u64, target: &str, out: &mut dyn Write) -> io::Result<()> {
        let known = RULES.len();
        writeln!(out, "rules exercised: {} of {known}, with the number of walks", self.rules.len())?;
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (rule, count) in &self.rules {
            let (group, name) = rule.split_once('/').unwrap_or((rule, ""));
            groups.entry(group).or_default().push(format!("{name} {count}"));
        }
        for (group, rules) in groups {
            let mut line = format!("  {group}:");
            for rule in rules {
                if line.len() + rule.len() > WIDTH {
                    writeln!(out, "{line}")?;
                    line = "   ".to_string();
                }
                line += &format!(" {rule},");
            }
            writeln!(out, "{}", line.trim_end_matches(','))?;
        }
        for (reason, count) in &self.reasons {
            writeln!(out, "inconclusive: {count} x {}", printable(reason))?;
        }
        let walks = self.totals.all();
        let (wall, cpu) = (self.wall.as_secs_f64(), self.cpu.as_secs_f64());
        let noun = if walks == 1 { "walk" } else { "walks" };
        writeln!(out, "{walks} {noun} of seed {seed} on {target} in {wall:.1} s: {}", self.totals)?;
        writeln!(out, "{cpu:.1} s of CPU: {:.0} walks per second of CPU", walks as f64 / cpu.max(0.001))
    }
}

/// A reason without the place and the time of one walk.
fn general(reason: &str) -> String {
    let without_place = reason.split_once(": ").map_or(reason, |(_, rest)| rest);
    without_place.split(" (waited").next().unwrap_or(without_place).to_string()
}
