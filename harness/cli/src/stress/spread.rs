//! How the plays of each case compare: verdicts, and the target's time from the shortest to the longest.
//!
//! Owns the comparison and how it is told. Refuses to know how the plays came about.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_reports::Palette;
use tcpconform_reports::printable::printable;
use tcpconform_reports::report::{Target, Totals};

/// Cases whose time differs by the most, shown unless all are.
const WIDEST: usize = 10;
/// Cases that needed a second play, shown unless all are.
const TWICE: usize = 20;

/// What came of all plays.
pub struct Spread {
    target: Target,
    times: u32,
    cases: BTreeMap<String, Plays>,
}

/// The plays of one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plays {
    verdicts: Vec<Verdict>,
    seconds_min: f64,
    seconds_median: f64,
    seconds_max: f64,
    remarks: Vec<Remark>,
    #[serde(skip)]
    seconds: Vec<f64>,
    #[serde(skip)]
    twice: usize,
}

/// Why a play did not pass, or not at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Remark {
    round: u32,
    why: String,
}

impl Plays {
    fn spread(&self) -> f64 {
        self.seconds_max - self.seconds_min
    }

    fn is_same(&self) -> bool {
        self.verdicts.windows(2).all(|two| two[0] == two[1])
    }
}

/// `stress.json`.
#[derive(Serialize)]
pub struct Told<'s> {
    target: &'s Target,
    times: u32,
    totals: Totals,
    /// Cases with other verdicts in one round than in another.
    differing: Vec<&'s str>,
    cases: &'s BTreeMap<String, Plays>,
}

impl Spread {
    /// Of no play yet; so many are to come of each case.
    pub fn new(target: Target, times: u32) -> Spread {
        Spread { target, times, cases: BTreeMap::new() }
    }

    /// Adds a play.
    pub fn add(&mut self, round: u32, judgement: &Judgement) {
        let plays = self.cases.entry(judgement.name()).or_default();
        plays.verdicts.push(judgement.verdict);
        if let Some(first) = &judgement.retried {
            plays.twice += 1;
            let why = format!("{} at the second play; at the first: {first}", judgement.verdict);
            plays.remarks.push(Remark { round, why });
        }
        if let Some(reason) = &judgement.reason {
            plays.remarks.push(Remark { round, why: format!("{}: {reason}", judgement.verdict) });
        }
        let at = plays.seconds.partition_point(|seconds| *seconds < judgement.target_seconds);
        plays.seconds.insert(at, judgement.target_seconds);
        let of = |at: usize| plays.seconds.get(at).copied().unwrap_or_default();
        let last = plays.seconds.len() - 1;
        (plays.seconds_min, plays.seconds_median, plays.seconds_max) = (of(0), of(last / 2), of(last));
    }

    /// Cases with other verdicts in one round than in another.
    pub fn differing(&self) -> impl Iterator<Item = (&str, &Plays)> {
        self.cases.iter().filter(|(_, plays)| !plays.is_same()).map(|(name, plays)| (name.as_str(), plays))
    }

    /// How many plays have which verdict.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.cases.values().flat_map(|plays| &plays.verdicts).for_each(|verdict| totals.add(*verdict));
        totals
    }

    /// For programs.
    pub fn told(&self) -> Told<'_> {
        let differing = self.differing().map(|(name, _)| name).collect();
        Told { target: &self.target, times: self.times, totals: self.totals(), differing, cases: &self.cases }
    }

    /// For people.
    pub fn show(&self, all: bool, not_run: usize, palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
        let mut widest: Vec<(&String, &Plays)> = self.cases.iter().collect();
        widest.sort_by(|(_, a), (_, b)| b.spread().total_cmp(&a.spread()));
        let shown = if all { widest.len() } else { WIDEST.min(widest.len()) };
        let strong = palette.strong;
        writeln!(out, "{strong}shortest    median    longest      spread{strong:#}")?;
        for (name, plays) in &widest[..shown] {
            let Plays { seconds_min, seconds_median, seconds_max, .. } = plays;
            let spread = plays.spread() * 1e3;
            let name = printable(name);
            writeln!(out, "{seconds_min:>8.3}  {seconds_median:>8.3}  {seconds_max:>8.3} s  {spread:>7.1} ms  {name}")?;
        }
        if shown < widest.len() {
            writeln!(out, "... and {} with less; --all shows them", widest.len() - shown)?;
        }
        let twice = || self.cases.iter().filter(|(_, plays)| plays.twice > 0 && plays.is_same());
        for (name, plays) in twice().take(if all { usize::MAX } else { TWICE }) {
            for Remark { round, why } in &plays.remarks {
                writeln!(out, "{} in round {round}: {}", printable(name), printable(why))?;
            }
        }
        for (name, plays) in self.differing() {
            let mut totals = Totals::default();
            plays.verdicts.iter().for_each(|verdict| totals.add(*verdict));
            let style = palette.of(plays.verdicts.iter().copied().max().unwrap_or(Verdict::Pass));
            writeln!(out, "\n{style}NOT THE SAME{style:#} {}: {totals}", printable(name))?;
            for Remark { round, why } in &plays.remarks {
                writeln!(out, "  round {round}: {}", printable(why))?;
            }
        }
        let (totals, differing) = (self.totals(), self.differing().count());
        let title = self.target.title();
        write!(out, "\n{}: {} cases, {} times: {totals}", printable(&title), self.cases.len(), self.times)?;
        if not_run > 0 {
            write!(out, ", {not_run} not run")?;
        }
        let plays_twice: usize = self.cases.values().map(|plays| plays.twice).sum();
        if plays_twice > 0 {
            write!(out, "; {plays_twice} needed a second play")?;
        }
        match differing {
            0 => writeln!(out, "; each the same every time"),
            1 => writeln!(out, "; 1 case not the same every time"),
            more => writeln!(out, "; {more} cases not the same every time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tcpconform_engine::load;
    use tcpconform_engine::model_target::play_on_model;
    use tcpconform_engine::trace::{TargetKind, Time};

    use super::*;

    const CLOSE: &str = "purpose: A close.\ncites: [RFC 9293 3.6]\nsteps:\n  - establish\n  - a: close()\n  \
                         - expect: F. 1:1(0)\n";

    fn plays(of: &[(&str, Verdict, f64, Option<&str>)]) -> Spread {
        let case = load::catalogue_embedded(&[("close.yaml", CLOSE)]).unwrap().remove(0);
        let played = tcpconform_engine::judge::judge(&play_on_model(&case).unwrap());
        let target = Target { kind: TargetKind::Kernel, release: "6.1".into(), time: Time::Real, hz: 250 };
        let mut spread = Spread::new(target, 3);
        let mut rounds: BTreeMap<&str, u32> = BTreeMap::new();
        for (id, verdict, target_seconds, retried) in of {
            let round = rounds.entry(id).or_default();
            *round += 1;
            let judgement = Judgement {
                id: (*id).to_owned(),
                verdict: *verdict,
                reason: verdict.is_bad().then(|| "check-rst-bit/time-wait: expected a RST".to_owned()),
                target_seconds: *target_seconds,
                retried: retried.map(str::to_owned),
                ..played.clone()
            };
            spread.add(*round, &judgement);
        }
        spread
    }

    fn shown(spread: &Spread) -> String {
        let mut text = Vec::new();
        spread.show(false, 0, &Palette::plain(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_was_not_the_same_every_time_is_told() {
        let late = Some("our call was 40 ms late, the window is 12 ms");
        let spread = plays(&[
            ("same", Verdict::Pass, 60.5, None),
            ("same", Verdict::Pass, 60.25, late),
            ("same", Verdict::Pass, 60.0, None),
            ("flaky", Verdict::Pass, 1.0, None),
            ("flaky", Verdict::Fail, 1.5, None),
            ("flaky", Verdict::Pass, 1.0, None),
        ]);
        assert_eq!(spread.differing().map(|(name, _)| name).collect::<Vec<_>>(), ["flaky@ipv4"]);
        insta::assert_snapshot!(shown(&spread));
        insta::assert_snapshot!(serde_json::to_string_pretty(&spread.told()).unwrap());
    }

    #[test]
    fn a_verdict_that_is_the_same_every_time_is_no_difference() {
        let failing = plays(&[("fails", Verdict::Fail, 1.0, None), ("fails", Verdict::Fail, 1.0, None)]);
        assert_eq!(failing.differing().count(), 0);
        assert!(shown(&failing).ends_with("2 fail; each the same every time\n"), "{}", shown(&failing));
    }
}
