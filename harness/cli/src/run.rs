//! `tcpconform run`: plays and judges cases, and writes down what came of it.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tcpconform_engine::case::Case;
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::run::{Halt, Pace, Planned, Player, RunEvent, Tally, judged, run as run_cases};
use tcpconform_engine::trace::TargetIdentity;
use tcpconform_reports::printable::printable;
use tcpconform_reports::report::Target;
use tcpconform_reports::{Report, rfc3339};
use tokio::sync::watch;

use crate::arguments::{RunArguments, TargetArgument};
use crate::exit::{Exit, Refusal};
use crate::halt::Signals;
use crate::out_folder::{OutFolder, unwritten};
use crate::player::{KernelPlayer, ModelPlayer};
use crate::progress_line::{ProgressLine, REDRAW};
use crate::rehearsal::rehearse;
use crate::reporting::Reporting;
use crate::{catalogue, in_flight};

/// Stack of the thread that plays a case.
const STACK: usize = 512 << 10;
/// What `--quick` leaves out takes longer than this.
const QUICK: Duration = Duration::from_secs(5);

/// Plays the selected cases on the target, reports, and says what the exit code is.
pub fn run(arguments: &RunArguments, folder: Option<&Path>) -> Result<Exit, Refusal> {
    let ledger = catalogue::ledger(folder)?;
    let cases = catalogue::select(&catalogue::load(folder)?, &arguments.selectors, &ledger)?;
    let mut planned = rehearse(cases)?;
    // Before the first thread: a user namespace cannot be entered later.
    let kernel = match arguments.target {
        TargetArgument::Kernel => Some(KernelPlayer::start()?),
        TargetArgument::Model => None,
    };
    if arguments.quick {
        planned.retain(|planned| planned.lasts.is_none_or(|lasts| lasts <= QUICK));
    }
    if let Some(shard) = arguments.shard {
        planned = shard.of(planned);
    }
    if planned.is_empty() {
        let what = "nothing is left to run after --quick and --shard".to_owned();
        return Err(Refusal { exit: Exit::NothingSelected, what, help: None });
    }
    match kernel {
        Some(player) => {
            let identity = player.identity().clone();
            let default = identity.release.clone();
            play(planned, player, identity, arguments, &default, &ledger)
        }
        None => {
            let identity = ModelPlayer::identity(&planned[0].case);
            let default = format!("model-{}", identity.release);
            play(planned, ModelPlayer::default(), identity, arguments, &default, &ledger)
        }
    }
}

/// Where a run on this target writes to unless it is told where.
pub fn default_out(release: &str) -> PathBuf {
    PathBuf::from("target/tcpconform").join(release)
}

/// What has come of the cases so far.
#[derive(Default)]
struct Outcome {
    judgements: Vec<Judgement>,
    /// The first trace that could not be written.
    unwritten: Option<io::Error>,
    reporting: Reporting,
}

fn play<P: Player>(
    cases: Vec<Planned>,
    player: P,
    identity: TargetIdentity,
    arguments: &RunArguments,
    default: &str,
    ledger: &Ledger,
) -> Result<Exit, Refusal> {
    let path = arguments.out.clone().unwrap_or_else(|| default_out(default));
    let out = OutFolder::prepare(&path, cases.len())?;
    let asked = arguments.jobs.map_or(usize::MAX, |jobs| jobs as usize);
    let jobs = asked.min(in_flight::most()).min(cases.len());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(jobs)
        .thread_stack_size(STACK)
        .build()
        .map_err(|error| Refusal::could_not_run(format!("starting the runtime: {error}"), None))?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let reporting = Reporting::new(arguments.format, arguments.ladder);
    let mut outcome = Outcome { reporting, ..Outcome::default() };
    let tally = runtime.block_on(drive(cases, player, jobs, &out, &mut outcome));
    // A play that did not stop in time is left behind; it ends with the process.
    runtime.shutdown_background();
    let tally = tally.map_err(|error| Refusal::could_not_run(format!("catching signals: {error}"), None))?;

    let target = Target::of(&identity);
    let wall_seconds = clock.elapsed().as_secs_f64();
    let report = Report::new(target, rfc3339(started), wall_seconds, outcome.judgements, tally.not_run, ledger);
    outcome.reporting.show(&report)?;
    let path = out.write_reports(&report).map_err(unwritten)?;
    if let Some(error) = outcome.unwritten {
        return Err(unwritten(error));
    }
    outcome.reporting.end(&report, Some(&path))?;
    Ok(Exit::of(&report.totals, tally.not_run))
}

/// Runs the cases while keeping the progress line fresh and an ear on the signals.
async fn drive<P: Player>(
    cases: Vec<Planned>,
    player: P,
    jobs: usize,
    out: &OutFolder,
    outcome: &mut Outcome,
) -> io::Result<Tally> {
    let (sender, halt) = watch::channel(Halt::No);
    let signals = tokio::spawn(Signals::catch()?.pass_on(sender));
    let line = RefCell::new(ProgressLine::new());
    let finish = |case: &Case, played| judged(&judge, case, played);
    let run =
        run_cases(cases, Arc::new(player), finish, Pace { jobs, active: in_flight::most_active() }, halt, |event| {
            line.borrow_mut().note(&event);
            outcome.reporting.note(&event);
            note(event, out, outcome, &line.borrow());
        });
    tokio::pin!(run);
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let tally = loop {
        tokio::select! {
            tally = &mut run => break tally,
            _ = redraw.tick() => line.borrow_mut().tick(),
        }
    };
    signals.abort();
    line.borrow().clear();
    Ok(tally)
}

fn note(event: RunEvent, out: &OutFolder, outcome: &mut Outcome, line: &ProgressLine) {
    match event {
        RunEvent::CaseFinished(finished) => {
            let judgement = &finished.judgement;
            let write = |trace| out.write_trace(trace).and_then(|_| out.write_capture(trace, judgement));
            if let Some(Err(error)) = finished.trace.as_ref().map(write) {
                outcome.unwritten.get_or_insert(error);
            }
            if let Some(text) = notice(&finished.judgement) {
                line.say(&text);
            }
            outcome.judgements.push(finished.judgement);
        }
        RunEvent::Interrupted { in_flight } => {
            line.say(&format!("interrupted: stopping {in_flight} cases; what is finished will be reported"));
        }
        RunEvent::Started { .. }
        | RunEvent::CaseStarted { .. }
        | RunEvent::CaseProgress { .. }
        | RunEvent::CaseHalted { .. }
        | RunEvent::Finished(_) => {}
    }
}

/// One line about a case that did not pass, as soon as it is known; the whole message is in the report.
fn notice(judgement: &Judgement) -> Option<String> {
    if !judgement.verdict.is_bad() {
        return None;
    }
    let why = match judgement.findings.first() {
        Some(finding) => format!("{}: {}", finding.rule, finding.actual),
        None => judgement.reason.clone().unwrap_or_default(),
    };
    let text = format!("{} {}   {why}", judgement.verdict.name().to_uppercase(), judgement.name());
    Some(printable(&text).into_owned())
}
