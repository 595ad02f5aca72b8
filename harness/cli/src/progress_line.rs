//! The line that says how a run stands: redrawn at a terminal, repeated every ten seconds elsewhere.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::play::Progress;
use tcpconform_engine::run::RunEvent;
use tcpconform_reports::report::Totals;

/// How often the line is drawn at a terminal.
pub const REDRAW: Duration = Duration::from_millis(100);
/// How often the line is written elsewhere.
const REPEAT: Duration = Duration::from_secs(10);

/// The line and where it goes: standard error, so that the report alone is on standard output.
pub struct ProgressLine {
    /// Of each run, with its name where there are several.
    standings: Vec<(String, Standing)>,
    started: Instant,
    written: Instant,
    bar: Option<ProgressBar>,
}

impl ProgressLine {
    /// A line for one run, at the terminal if there is one.
    pub fn new() -> ProgressLine {
        ProgressLine::of(vec![String::new()])
    }

    /// A line for several runs with these names.
    pub fn of(names: Vec<String>) -> ProgressLine {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg}").expect("a literal template");
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        let standings = names.into_iter().map(|name| (name, Standing::default())).collect();
        let now = Instant::now();
        ProgressLine { standings, started: now, written: now, bar }
    }

    /// Takes note of an event of one of the runs.
    pub fn note(&mut self, which: usize, event: &RunEvent) {
        self.standings[which].1.note(event, self.started.elapsed());
    }

    /// Writes a line of its own above.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprint(text),
        }
    }

    /// Draws or writes the line when it is time.
    pub fn tick(&mut self) {
        let elapsed = self.started.elapsed();
        match &self.bar {
            Some(bar) => bar.set_message(text(&self.standings, elapsed)),
            None if self.written.elapsed() >= REPEAT => {
                self.written = Instant::now();
                eprint(&text(&self.standings, elapsed));
            }
            None => {}
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn text(standings: &[(String, Standing)], elapsed: Duration) -> String {
    match standings {
        [(_, alone)] => alone.text(elapsed),
        several => several
            .iter()
            .fold(clock(elapsed), |text, (name, standing)| text + &format!(" | {name} {}", standing.counts())),
    }
}

/// Progress that nobody can see is no reason to fail.
fn eprint(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// How a run stands.
#[derive(Default)]
struct Standing {
    total: usize,
    playing: HashMap<Arc<str>, Play>,
    totals: Totals,
    stopping: bool,
}

/// A case in flight.
#[derive(Default)]
struct Play {
    waiting: bool,
    /// When it ends by the model's clock, counted from the run's start.
    planned: Duration,
    /// When its present wait ends at the latest.
    wait_ends: Duration,
}

impl Play {
    /// When it ends as far as is known: a wait mostly ends long before its latest moment.
    fn until(&self, elapsed: Duration) -> Duration {
        if self.planned > elapsed { self.planned } else { self.wait_ends }
    }
}

impl Standing {
    fn note(&mut self, event: &RunEvent, elapsed: Duration) {
        match event {
            RunEvent::Started { total } => self.total = *total,
            RunEvent::CaseStarted { name, lasts } => {
                let planned = elapsed + lasts.unwrap_or_default();
                self.playing.insert(Arc::clone(name), Play { planned, ..Play::default() });
            }
            RunEvent::CaseProgress { name, progress } => {
                let play = self.playing.entry(Arc::clone(name)).or_default();
                match progress {
                    Progress::Waiting { seconds_left } => {
                        let left = Duration::try_from_secs_f64(*seconds_left).unwrap_or_default();
                        (play.waiting, play.wait_ends) = (true, elapsed + left);
                    }
                    Progress::Active => play.waiting = false,
                }
            }
            RunEvent::CaseFinished(finished) => {
                self.playing.remove(finished.judgement.name().as_str());
                self.totals.add(finished.judgement.verdict);
            }
            RunEvent::CaseAgain { name, .. } | RunEvent::CaseHalted { name } => {
                self.playing.remove(name);
            }
            RunEvent::Interrupted { .. } => self.stopping = true,
            RunEvent::Finished(_) => {}
        }
    }

    fn text(&self, elapsed: Duration) -> String {
        let waiting = self.playing.values().filter(|play| play.waiting).count();
        let mut text = format!("{}  {} playing, {waiting} waiting", clock(elapsed), self.playing.len());
        let until = self.playing.values().map(|play| play.until(elapsed)).max();
        if let Some(until) = until.filter(|until| *until > elapsed) {
            text += &format!(", longest until {}", clock(until));
        }
        text += &format!(" | {}", self.counts());
        text + if self.stopping { ", stopping" } else { "" }
    }

    fn counts(&self) -> String {
        let failed = [Verdict::Fail, Verdict::Inconclusive, Verdict::Error].map(|verdict| self.totals.of(verdict));
        let failed: usize = failed.iter().sum();
        format!("{} passed {failed} failed of {}", self.totals.of(Verdict::Pass), self.total)
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_who_waits_until_when() {
        let mut standing = Standing::default();
        let at = Duration::from_secs;
        let progress = |name: &Arc<str>, progress| RunEvent::CaseProgress { name: Arc::clone(name), progress };
        let [a, b]: [Arc<str>; 2] = ["a".into(), "b".into()];
        standing.note(&RunEvent::Started { total: 2 }, at(0));
        standing.note(&RunEvent::CaseStarted { name: Arc::clone(&a), lasts: Some(at(60)) }, at(1));
        standing.note(&RunEvent::CaseStarted { name: Arc::clone(&b), lasts: None }, at(1));
        standing.note(&progress(&b, Progress::Waiting { seconds_left: 106.0 }), at(1));
        assert_eq!(
            standing.text(at(2)),
            "00:00:02  2 playing, 1 waiting, longest until 00:01:47 | 0 passed 0 failed of 2"
        );
        standing.note(&progress(&b, Progress::Active), at(50));
        standing.note(&RunEvent::CaseHalted { name: b }, at(50));
        standing.note(&RunEvent::Interrupted { in_flight: 1 }, at(50));
        assert_eq!(
            standing.text(at(51)),
            "00:00:51  1 playing, 0 waiting, longest until 00:01:01 | 0 passed 0 failed of 2, stopping"
        );
    }
}
