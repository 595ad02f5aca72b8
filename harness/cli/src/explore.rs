//! `tcpconform explore`: plays random walks, shrinks those that disagree with the model, and writes them down as cases.
//!
//! Owns the order of a run of walks, and which of them are shrunk: on the thread that played, while others go on. Refuses to know what a walk
//! does and what is right.

mod disagreement;
mod summary;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use tcpconform_engine::case::Case;
use tcpconform_engine::explore::Walks;
use tcpconform_engine::judge::judge;
use tcpconform_engine::run::{Finished, Halt, Pace, Planned, Player, RunEvent, Tally, judged, run as run_cases};
use tcpconform_engine::trace::Time;
use tokio::sync::watch;

use crate::arguments::{ExploreArguments, TargetArgument};
use crate::exit::{Exit, Refusal};
use crate::player::{KernelPlayer, ModelPlayer};
use crate::progress_line::ProgressLine;
use crate::run::{drive, runtime};
use crate::{in_flight, show_on_stdout};
use disagreement::Disagreement;
use summary::Summary;

/// Walks that are made at once.
const BATCH: u64 = 2_000;

/// Plays the walks, reports, and says what the exit code is.
pub fn explore(arguments: &ExploreArguments) -> Result<Exit, Refusal> {
    if arguments.fault.is_some() && arguments.target == TargetArgument::Kernel {
        let help = Some("tcpconform explore --target model --fault NAME".to_owned());
        return Err(Refusal { help, ..Refusal::usage("--fault is for the model: a kernel brings its own") });
    }
    match arguments.target {
        TargetArgument::Kernel => {
            // Before the first thread: a user namespace cannot be entered later.
            let player = KernelPlayer::start(Time::Real)?;
            let target = format!("linux {}", player.identity().release);
            play(arguments, player, &target)
        }
        TargetArgument::Model => {
            let fault = arguments.fault.map(|fault| format!(" with {}", fault.name)).unwrap_or_default();
            play(arguments, ModelPlayer::faulty(arguments.fault), &format!("the model{fault}"))
        }
    }
}

fn play<P: Player>(arguments: &ExploreArguments, player: P, target: &str) -> Result<Exit, Refusal> {
    let walks = Walks { seed: arguments.seed, steps_max: arguments.steps_max };
    let (first, last) = arguments.walk.map_or((1, arguments.walks), |walk| (walk, walk));
    let asked = arguments.jobs.map_or(usize::MAX, |jobs| jobs as usize);
    let jobs = asked.min(in_flight::most());
    let pace = Pace { jobs, active: in_flight::most_active(), again: false };
    let player = Arc::new(player);
    let found: Arc<Mutex<Vec<Disagreement>>> = Arc::default();
    let finish = {
        let (player, found) = (Arc::clone(&player), Arc::clone(&found));
        move |case: &Case, played| {
            let finished = judged(&judge, case, played);
            if let Some(disagreement) = Disagreement::of(case, &finished, &*player) {
                found.lock().expect("whoever holds it does not panic").push(disagreement);
            }
            finished
        }
    };
    let mut summary = Summary::default();
    let (started, used_before) = (Instant::now(), cpu_time()?);
    let runtime = runtime(jobs)?;
    let note = |_: usize, event: RunEvent, line: &ProgressLine| {
        if let RunEvent::CaseFinished(finished) = event {
            if finished.judgement.verdict.is_bad() {
                line.say(&notice(&finished));
            }
            summary.add(&finished.judgement);
        }
    };
    let tally = runtime.block_on(drive(note, ProgressLine::new(), |halt, mut note| async move {
        let mut tally = Tally::default();
        for batch in batches(first, last) {
            if *halt.borrow() != Halt::No {
                tally.not_run += batch.clone().count();
                continue;
            }
            let cases = batch.map(|number| Planned { case: walks.walk(number), lasts: None }).collect();
            let halt: watch::Receiver<Halt> = halt.clone();
            let one = run_cases(cases, Arc::clone(&player), finish.clone(), pace, halt, |event| note(0, event)).await;
            tally.finished += one.finished;
            tally.not_run += one.not_run;
        }
        tally
    }))?;
    // A play that did not stop in time is left behind; it ends with the process.
    runtime.shutdown_background();
    summary.took(started.elapsed(), cpu_time()?.saturating_sub(used_before));
    let mut found = std::mem::take(&mut *found.lock().expect("whoever holds it does not panic"));
    found.sort_by(|a, b| (&a.about, &a.walk).cmp(&(&b.about, &b.walk)));
    let files = found.iter().map(|found| found.write(&arguments.out)).collect::<Result<Vec<_>, _>>()?;
    show_on_stdout(|out| {
        for (found, file) in found.iter().zip(&files) {
            found.show(file, arguments, out)?;
        }
        summary.show(arguments.seed, target, out)
    })?;
    Ok(match (found.is_empty(), tally.not_run) {
        (false, _) => Exit::Findings,
        (true, 0) => Exit::AllPass,
        (true, _) => Exit::CouldNotRun,
    })
}

fn batches(first: u64, last: u64) -> impl Iterator<Item = std::ops::RangeInclusive<u64>> {
    (first..=last).step_by(BATCH as usize).map(move |start| start..=last.min(start.saturating_add(BATCH - 1)))
}

/// One line about a walk that did not pass, as soon as it is known.
fn notice(finished: &Finished) -> String {
    let judgement = &finished.judgement;
    let reason = judgement.reason.as_deref().unwrap_or_default();
    format!("{} {}   {reason}", judgement.verdict.name().to_uppercase(), judgement.name())
}

/// What this process has used, with what the kernel did for it.
fn cpu_time() -> Result<Duration, Refusal> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|errno| Refusal::could_not_run(format!("asking for the time used: {errno}"), None))?;
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(value.tv_sec().unsigned_abs(), value.tv_usec().unsigned_abs() as u32 * 1000)
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}
