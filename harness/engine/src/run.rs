//! The run loop: many cases in flight, each played on a thread of its own and judged as soon as its trace is there.
//!
//! Owns which case starts when, what becomes of one that breaks, and the events between a run and whoever shows it.
//! Refuses to know targets (a [`Player`] plays), clocks (who halts a run brings the time) and output.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::case::Case;
use crate::judgement::{Judgement, Outcome, Verdict};
use crate::play::{Progress, TargetError};
use crate::trace::Trace;

/// Plays one case after the other, or many at once from as many threads.
pub trait Player: Send + Sync + 'static {
    /// Plays a case from set-up to tear-down, and says when it begins and ends to wait.
    fn play(&self, case: &Case, progress: &dyn Fn(Progress)) -> Result<Trace, TargetError>;

    /// Makes every play in progress, and every later one, return [`TargetError::Interrupted`] within half a second.
    fn stop(&self);
}

/// A case to play, with how long that takes if that is known.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The case.
    pub case: Case,
    /// How long the play lasts by the target's clock; the longest known start first.
    pub lasts: Option<Duration>,
}

/// How a run is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Cases in flight at most.
    pub jobs: usize,
    /// A further case starts only while fewer than this many are doing something else than waiting: setting up hundreds at
    /// once would make all of them late.
    pub active: usize,
    /// Whether an inconclusive case is played once more, with nothing else in flight, when all others are over. Of no use where
    /// a second play is like the first.
    pub again: bool,
}

/// Whether a run goes on; told through a watch channel by whoever hears the signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Go on.
    No,
    /// Start nothing more, tell the player to stop, and wait for the cases in flight.
    Soon,
    /// Wait for nothing.
    Now,
}

/// What happens in a run, in order; the only thing that output is made from.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent<T = Finished> {
    /// The first event.
    Started {
        /// Cases to play.
        total: usize,
    },
    /// A case is being played.
    CaseStarted {
        /// Its name.
        name: Arc<str>,
        /// How long it lasts, if known.
        lasts: Option<Duration>,
    },
    /// A case goes from doing something to waiting, or back.
    CaseProgress {
        /// Its name.
        name: Arc<str>,
        /// What it is doing.
        progress: Progress,
    },
    /// What came of a case.
    CaseFinished(Box<T>),
    /// A case was inconclusive and will be played once more.
    CaseAgain {
        /// Its name.
        name: Arc<str>,
        /// Why it was.
        reason: String,
    },
    /// A case came to no end because the run was halted.
    CaseHalted {
        /// Its name.
        name: Arc<str>,
    },
    /// The run was halted; the cases in flight are being stopped.
    Interrupted {
        /// How many they are.
        in_flight: usize,
    },
    /// The last event.
    Finished(Tally),
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The judgement.
    pub judgement: Judgement,
    /// The trace; none where the play gave none.
    pub trace: Option<Trace>,
}

/// What the end of a play says to the run.
pub trait Ended: Send + 'static {
    /// Why it is inconclusive, if it is.
    fn inconclusive(&self) -> Option<String>;

    /// Notes that there was a play before, and why it was inconclusive.
    fn note_first(&mut self, reason: String);
}

impl Ended for Finished {
    fn inconclusive(&self) -> Option<String> {
        let judgement = &self.judgement;
        (judgement.verdict == Verdict::Inconclusive).then(|| judgement.reason.clone().unwrap_or_default())
    }

    fn note_first(&mut self, reason: String) {
        self.judgement.retried = Some(reason);
    }
}

/// What is judged elsewhere is played once.
impl Ended for (String, Result<Trace, Unplayed>) {
    fn inconclusive(&self) -> Option<String> {
        None
    }

    fn note_first(&mut self, _: String) {}
}

/// Why there is no trace of a play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplayed {
    /// `skip` where the target cannot do what the case needs, `error` where something failed or panicked.
    pub verdict: Verdict,
    /// One sentence.
    pub reason: String,
}

/// How many cases a run has finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Judged, skipped or broken.
    pub finished: usize,
    /// Not started, or halted in the middle.
    pub not_run: usize,
}

/// Runs the cases and reports every event, from [`RunEvent::Started`] to [`RunEvent::Finished`]; `finish` says what came of a
/// play, on the thread that played.
///
/// Must be called in a tokio runtime that has room for `pace.jobs` blocking threads.
pub async fn run<P, F, T>(
    cases: Vec<Planned>,
    player: Arc<P>,
    finish: F,
    pace: Pace,
    mut halt: watch::Receiver<Halt>,
    mut report: impl FnMut(RunEvent<T>),
) -> Tally
where
    P: Player,
    F: Fn(&Case, Result<Trace, Unplayed>) -> T + Send + Sync + 'static,
    T: Ended,
{
    let finish = Arc::new(finish);
    let total = cases.len();
    let mut queue = longest_first(cases, pace.jobs);
    // Inconclusive ones, with what came of them.
    let mut again: VecDeque<(Arc<Planned>, Box<T>)> = VecDeque::new();
    let (sender, mut inbox) = mpsc::unbounded_channel();
    let mut in_flight = Flight::default();
    let mut finished = 0;
    let mut halted = false;
    report(RunEvent::Started { total });
    loop {
        while !halted && in_flight.len() < pace.jobs && in_flight.active < pace.active.max(1) {
            let alone = queue.is_empty() && in_flight.len() == 0;
            let next = match queue.pop_front() {
                Some(planned) => Some((Arc::new(planned), None)),
                None if alone => again.pop_front().map(|(planned, first)| (planned, Some(first))),
                None => None,
            };
            let Some((planned, first)) = next else { break };
            let name: Arc<str> = planned.case.name().into();
            report(RunEvent::CaseStarted { name: Arc::clone(&name), lasts: planned.lasts });
            let index = in_flight.start(name, Arc::clone(&planned), first);
            let (player, finish, sender) = (Arc::clone(&player), Arc::clone(&finish), sender.clone());
            tokio::task::spawn_blocking(move || {
                // The loop may have ended without us after `Halt::Now`: nobody listens then.
                let say = |message| drop(sender.send((index, message)));
                let played = play(&*player, &planned.case, &|progress| say(Message::Progress(progress)));
                say(Message::End(played.map(|played| Box::new(finish(&planned.case, played)))));
            });
        }
        if in_flight.len() == 0 {
            break;
        }
        tokio::select! {
            Some((index, message)) = inbox.recv() => match message {
                Message::Progress(progress) => {
                    let name = in_flight.progress(index, progress);
                    report(RunEvent::CaseProgress { name, progress });
                }
                Message::End(end) => {
                    let Playing { name, planned, first, .. } = in_flight.end(index);
                    match (end, first) {
                        (Some(mut end), Some(first)) => {
                            end.note_first(first.inconclusive().unwrap_or_default());
                            finished += 1;
                            report(RunEvent::CaseFinished(end));
                        }
                        (Some(end), None) => match end.inconclusive().filter(|_| pace.again) {
                            Some(reason) => {
                                again.push_back((planned, end));
                                report(RunEvent::CaseAgain { name, reason });
                            }
                            None => {
                                finished += 1;
                                report(RunEvent::CaseFinished(end));
                            }
                        },
                        (None, Some(first)) => again.push_back((planned, first)),
                        (None, None) => report(RunEvent::CaseHalted { name }),
                    }
                }
            },
            Ok(()) = halt.changed() => {
                let now = *halt.borrow_and_update();
                if now != Halt::No && !halted {
                    halted = true;
                    report(RunEvent::Interrupted { in_flight: in_flight.len() });
                    player.stop();
                }
                if now == Halt::Now {
                    break;
                }
            }
        }
    }
    // Who was to be played again and was not keeps what came of the first play.
    for (_, first) in again {
        finished += 1;
        report(RunEvent::CaseFinished(first));
    }
    let tally = Tally { finished, not_run: total - finished };
    report(RunEvent::Finished(tally));
    tally
}

/// Plays one case; `None` when it was interrupted.
fn play<P: Player>(player: &P, case: &Case, progress: &dyn Fn(Progress)) -> Option<Result<Trace, Unplayed>> {
    let unplayed = |verdict, reason| Some(Err(Unplayed { verdict, reason }));
    match panic::catch_unwind(AssertUnwindSafe(|| player.play(case, progress))) {
        Ok(Ok(trace)) => Some(Ok(trace)),
        Ok(Err(TargetError::Interrupted)) => None,
        Ok(Err(TargetError::Unsupported(reason))) => unplayed(Verdict::Skip, reason),
        Ok(Err(TargetError::Failed(reason))) => unplayed(Verdict::Error, reason),
        Err(payload) => unplayed(Verdict::Error, format!("the player panicked: {}", panic_text(&*payload))),
    }
}

/// Judges what came of a play. A panic in `judge` becomes the verdict `error`.
pub fn judged<J>(judge: &J, case: &Case, played: Result<Trace, Unplayed>) -> Finished
where
    J: Fn(&Trace) -> Judgement,
{
    let trace = match played {
        Ok(trace) => trace,
        Err(Unplayed { verdict, reason }) => {
            return Finished { judgement: unjudged(case, verdict, reason), trace: None };
        }
    };
    let judgement = panic::catch_unwind(AssertUnwindSafe(|| judge(&trace))).unwrap_or_else(|payload| {
        unjudged(case, Verdict::Error, format!("the judge panicked: {}", panic_text(&*payload)))
    });
    Finished { judgement, trace: Some(trace) }
}

/// Plays and judges one case; `None` when it was interrupted.
pub fn play_and_judge<P, J>(player: &P, judge: &J, case: &Case, progress: &dyn Fn(Progress)) -> Option<Finished>
where
    P: Player,
    J: Fn(&Trace) -> Judgement,
{
    play(player, case, progress).map(|played| judged(judge, case, played))
}

/// The judgement of a case of which there is no trace to judge.
fn unjudged(case: &Case, verdict: Verdict, reason: String) -> Judgement {
    let undecided = |prediction| Outcome::undecided(prediction, &reason);
    Judgement {
        id: case.id.clone(),
        variant: case.variant.clone(),
        verdict,
        axes: case.axes(),
        claims: case.claim_ids(),
        predictions: case.claims.iter().map(undecided).collect(),
        reason: Some(reason),
        requirements: case.requirements.clone(),
        rules_fired: Vec::new(),
        departures: Vec::new(),
        alternatives: BTreeMap::new(),
        behaviour: Vec::new(),
        findings: Vec::new(),
        target_seconds: 0.0,
        retried: None,
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// One at a time, the order given is what the user expects to see.
fn longest_first(mut cases: Vec<Planned>, jobs: usize) -> VecDeque<Planned> {
    if jobs > 1 {
        cases.sort_by_key(|planned| std::cmp::Reverse(planned.lasts));
    }
    cases.into()
}

enum Message<T> {
    Progress(Progress),
    End(Option<Box<T>>),
}

/// A case in flight.
struct Playing<T> {
    name: Arc<str>,
    planned: Arc<Planned>,
    /// What came of its first play, if this is the second.
    first: Option<Box<T>>,
    active: bool,
}

/// The cases in flight.
struct Flight<T> {
    cases: Vec<Option<Playing<T>>>,
    count: usize,
    active: usize,
}

impl<T> Default for Flight<T> {
    fn default() -> Flight<T> {
        Flight { cases: Vec::new(), count: 0, active: 0 }
    }
}

impl<T> Flight<T> {
    fn len(&self) -> usize {
        self.count
    }

    fn start(&mut self, name: Arc<str>, planned: Arc<Planned>, first: Option<Box<T>>) -> usize {
        self.cases.push(Some(Playing { name, planned, first, active: true }));
        self.count += 1;
        self.active += 1;
        self.cases.len() - 1
    }

    fn progress(&mut self, index: usize, progress: Progress) -> Arc<str> {
        let playing = self.cases[index].as_mut().expect("progress comes before the end");
        self.active -= usize::from(playing.active);
        playing.active = progress == Progress::Active;
        self.active += usize::from(playing.active);
        Arc::clone(&playing.name)
    }

    fn end(&mut self, index: usize) -> Playing<T> {
        let playing = self.cases[index].take().expect("a case ends once");
        self.count -= 1;
        self.active -= usize::from(playing.active);
        playing
    }
}

#[cfg(test)]
mod tests;
