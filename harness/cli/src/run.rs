//! `tcpconform run`: plays and judges cases, and writes down what came of it.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tcpconform_engine::case::Case;
use tcpconform_engine::judge::judge;
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::run::{Halt, Pace, Planned, Player, RunEvent, judged, run as run_cases};
use tcpconform_engine::trace::{TargetIdentity, Time};
use tcpconform_reports::JSON;
use tcpconform_reports::report::Target;
use tokio::sync::watch;

use crate::arguments::{RunArguments, RunSettings, TargetArgument};
use crate::earlier::default_folder;
use crate::exit::{Exit, Refusal};
use crate::halt::Signals;
use crate::journal::{self, Stored};
use crate::player::{KernelPlayer, ModelPlayer};
use crate::progress_line::{ProgressLine, REDRAW};
use crate::recording::Recording;
use crate::rehearsal::rehearse;
use crate::reporting::Reporting;
use crate::{catalogue, in_flight, machines, stored};

/// Stack of the thread that plays a case.
const STACK: usize = 512 << 10;
/// What `--quick` leaves out takes longer than this.
pub const QUICK: Duration = Duration::from_secs(5);

/// Plays the selected cases on the target, or what is left of a run, reports, and says what the exit code is.
pub fn run(arguments: &RunArguments, folder: Option<&Path>) -> Result<Exit, Refusal> {
    let asked = RunSettings::of(arguments, folder);
    let Some(path) = &arguments.resume else { return start(arguments, asked) };
    let Some(begun) = begun(path)? else { return show_whole(arguments, path) };
    if !asked.are_default() && asked != begun {
        return Err(Refusal {
            help: Some("--resume takes its settings from the run that it goes on with: leave them out".to_owned()),
            ..Refusal::usage(format!("the run in {} is of {begun}, and this asks for {asked}", path.display()))
        });
    }
    let arguments = begun.put_into(arguments).map_err(|error| Refusal::usage(error.to_string()))?;
    start(&arguments, begun)
}

/// The settings of the unfinished run in a folder, or in the folders of its kernels.
fn begun(path: &Path) -> Result<Option<RunSettings>, Refusal> {
    let mut folders = vec![path.to_owned()];
    if let Ok(entries) = fs::read_dir(path) {
        folders.extend(entries.flatten().map(|entry| entry.path()));
    }
    for folder in folders {
        if let Some(stored) = Stored::read(&folder)? {
            return Ok(Some(stored.begun.settings));
        }
    }
    Ok(None)
}

/// Shows what came of a run of which nothing is left to play.
fn show_whole(arguments: &RunArguments, path: &Path) -> Result<Exit, Refusal> {
    let file = path.join(JSON);
    if !file.exists() {
        return Err(journal::nothing(path));
    }
    let report = stored::report(&file)?;
    let mut reporting = Reporting::new(arguments.format, arguments.ladder);
    reporting.show(&report)?;
    reporting.end(&report, Some(&file))?;
    Ok(Exit::of(&report.totals, report.not_run))
}

fn start(arguments: &RunArguments, settings: RunSettings) -> Result<Exit, Refusal> {
    let folder = settings.cases.clone();
    let folder = folder.as_deref();
    if arguments.fault.is_some() && arguments.target == TargetArgument::Kernel {
        let help = Some("tcpconform run --target model --fault NAME".to_owned());
        return Err(Refusal { help, ..Refusal::usage("--fault is for the model: a kernel brings its own") });
    }
    let (cases, ledger) = catalogue::load_with_ledger(folder)?;
    let cases = catalogue::select(cases, &arguments.selectors, &ledger)?;
    let others = machines::find(&arguments.kernel)?;
    let mut planned = rehearse(cases)?;
    // Before the first thread: a user namespace cannot be entered later.
    let kernel = match arguments.target {
        TargetArgument::Kernel if others.is_empty() => Some(KernelPlayer::start(Time::Real)?),
        TargetArgument::Kernel | TargetArgument::Model => None,
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
    if !others.is_empty() {
        return machines::play(planned, others, arguments, &settings, &ledger);
    }
    match kernel {
        Some(player) => {
            let identity = player.identity().clone();
            let default = identity.release.clone();
            play(planned, player, identity, arguments, settings, &default, &ledger)
        }
        None => {
            let player = ModelPlayer::faulty(arguments.fault);
            let identity = player.identity(&planned[0].case);
            let default = format!("model-{}", identity.release);
            play(planned, player, identity, arguments, settings, &default, &ledger)
        }
    }
}

/// Where a run on this target writes to unless it is told where.
pub fn default_out(release: &str) -> PathBuf {
    PathBuf::from("target/tcpconform").join(release)
}

fn play<P: Player>(
    cases: Vec<Planned>,
    player: P,
    identity: TargetIdentity,
    arguments: &RunArguments,
    settings: RunSettings,
    default: &str,
    ledger: &Ledger,
) -> Result<Exit, Refusal> {
    let reporting = Reporting::new(arguments.format, arguments.ladder);
    let target = Target::of(&identity);
    let (recording, cases) = match &arguments.resume {
        Some(path) => Recording::resume(path, cases, target, settings, reporting)?,
        None => {
            let path = match &arguments.out {
                Some(path) => path.clone(),
                None => default_folder(default, cases.len())?,
            };
            (Recording::begin(&path, &cases, target, settings, reporting)?, cases)
        }
    };
    let mut recording = [recording];
    let asked = arguments.jobs.map_or(usize::MAX, |jobs| jobs as usize);
    let jobs = asked.min(in_flight::most()).min(cases.len()).max(1);
    let pace = Pace { jobs, active: in_flight::most_active(), again: identity.time == Time::Real };
    let finish = |case: &Case, played| judged(&judge, case, played);
    let runtime = runtime(jobs)?;
    let note = |which: usize, event, line: &ProgressLine| recording[which].note(event, line);
    let tally = runtime.block_on(drive(note, ProgressLine::new(), |halt, mut note| {
        run_cases(cases, Arc::new(player), finish, pace, halt, move |event| note(0, event))
    }))?;
    // A play that did not stop in time is left behind; it ends with the process.
    runtime.shutdown_background();
    let [recording] = recording;
    let report = recording.end(&identity, tally.not_run, ledger)?;
    Ok(Exit::of(&report.totals, tally.not_run))
}

/// A runtime with room for this many plays.
pub fn runtime(jobs: usize) -> Result<tokio::runtime::Runtime, Refusal> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(jobs)
        .thread_stack_size(STACK)
        .build()
        .map_err(|error| Refusal::could_not_run(format!("starting the runtime: {error}"), None))
}

/// Takes an event of one of several runs.
pub type Notes<'a> = Box<dyn FnMut(usize, RunEvent) + 'a>;

/// Does one run or several, takes their events down, and keeps the progress line fresh and an ear on the signals.
pub async fn drive<'a, R: Future>(
    mut taken_down: impl FnMut(usize, RunEvent, &ProgressLine) + 'a,
    line: ProgressLine,
    run: impl FnOnce(watch::Receiver<Halt>, Notes<'a>) -> R,
) -> Result<R::Output, Refusal> {
    let (sender, halt) = watch::channel(Halt::No);
    let catching = |error: io::Error| Refusal::could_not_run(format!("catching signals: {error}"), None);
    let signals = tokio::spawn(Signals::catch().map_err(catching)?.pass_on(sender));
    let line = Rc::new(RefCell::new(line));
    let its_line = Rc::clone(&line);
    let note = move |which: usize, event: RunEvent| {
        its_line.borrow_mut().note(which, &event);
        taken_down(which, event, &its_line.borrow());
    };
    let run = run(halt, Box::new(note));
    tokio::pin!(run);
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let ended = loop {
        tokio::select! {
            ended = &mut run => break ended,
            _ = redraw.tick() => line.borrow_mut().tick(),
        }
    };
    signals.abort();
    line.borrow().clear();
    Ok(ended)
}
