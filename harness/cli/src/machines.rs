//! Runs inside other kernels: boots machines for each, turns what they tell into the events of a run, and judges their traces.
//!
//! Owns the thread that listens to a machine, and how many run at once. Refuses to play: that happens inside.

mod split;

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use tcpconform_engine::case::Case;
use tcpconform_engine::judge::judge;
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::play::Progress;
use tcpconform_engine::run::{Finished, Halt, Planned, RunEvent, Tally, Unplayed, judged};
use tcpconform_engine::trace::{Header, TargetIdentity, TargetKind, Time, Trace};
use tcpconform_machines::machine::last_lines;
use tcpconform_machines::{EMULATOR, Emulator, Kernel, Machine, MachineError, Message, Pace, Plan, Setup};
use tcpconform_reports::JSON;
use tcpconform_reports::printable::printable;
use tcpconform_reports::report::{Target, Totals};
use tokio::sync::{mpsc, watch};

use crate::arguments::{RunArguments, RunSettings, TimeArgument};
use crate::earlier::default_folder;
use crate::exit::{Exit, Refusal};
use crate::journal::JOURNAL;
use crate::progress_line::ProgressLine;
use crate::recording::Recording;
use crate::reporting::Reporting;
use crate::run::{drive, runtime};
use crate::{catalogue, stored};
use split::{Part, split};

/// A guest that tells nothing for so long hangs. While it computes it tells something every second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Finds the kernels, each in an image, a folder or packages.
pub fn find(kernels: &[String]) -> Result<Vec<Kernel>, Refusal> {
    let found: Vec<_> = thread::scope(|scope| {
        let looking: Vec<_> = kernels.iter().map(|what| scope.spawn(|| Kernel::find(what))).collect();
        looking.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let found = found.into_iter().collect::<Result<Vec<_>, _>>();
    let kernels = found.map_err(|error| Refusal::could_not_run(error.to_string(), None))?;
    for (at, kernel) in kernels.iter().enumerate() {
        if kernels[..at].iter().any(|other| other.release == kernel.release) {
            return Err(Refusal::usage(format!("kernel {} is named twice", kernel.release)));
        }
    }
    Ok(kernels)
}

/// Plays inside each kernel, as many at once as there are cores, and reports on each.
pub fn play(
    cases: Vec<Planned>,
    kernels: Vec<Kernel>,
    arguments: &RunArguments,
    settings: &RunSettings,
    ledger: &Ledger,
) -> Result<Exit, Refusal> {
    let several = kernels.len() > 1;
    let folder = |kernel: &Kernel| match arguments.out.as_ref().or(arguments.resume.as_ref()) {
        Some(folder) if several => Ok(folder.join(&kernel.release)),
        Some(folder) => Ok(folder.clone()),
        None => default_folder(&kernel.release, cases.len()),
    };
    let reporting = |kernel: &Kernel| match Reporting::new(arguments.format, arguments.ladder) {
        reporting if several => reporting.of(&kernel.release),
        reporting => reporting,
    };
    let source = |case: &Case| catalogue::source(case.steps.first()?.place.rsplitn(3, ':').nth(2)?);
    let time = match arguments.time {
        TimeArgument::Virtual => Time::Virtual,
        TimeArgument::Real => Time::Real,
    };
    let (mut totals, mut not_run, mut trouble) = (Totals::default(), 0, None);
    let (mut recordings, mut to_play) = (Vec::new(), Vec::new());
    for kernel in kernels {
        let folder = folder(&kernel)?;
        if arguments.resume.is_some() && !folder.join(JOURNAL).exists() && folder.join(JSON).exists() {
            let whole = stored::report(&folder)?;
            whole.cases.iter().for_each(|case| totals.add(case.verdict));
            continue;
        }
        let target = Target { kind: TargetKind::Kernel, release: kernel.release.clone(), time, hz: 0 };
        let (settings, reporting) = (settings.clone(), reporting(&kernel));
        let (recording, cases) = match arguments.resume {
            Some(_) => Recording::resume(&folder, cases.clone(), target, settings, reporting)?,
            None => (Recording::begin(&folder, &cases, target, settings, reporting)?, cases.clone()),
        };
        recordings.push(recording);
        to_play.push((Arc::new(kernel), cases));
    }
    let Some((first, _)) = to_play.first() else { return Ok(Exit::of(&totals, 0)) };
    let mut setup = Setup {
        pace: Pace::Virtual,
        command_line: arguments.kernel_cmdline.clone().unwrap_or_default(),
        console: recordings[0].console(0),
        patience: PATIENCE,
        emulator: Emulator::ask(EMULATOR.into()),
        processor: None,
    };
    if arguments.time == TimeArgument::Real {
        setup.pace = real_pace(first, &setup);
        setup.patience += cases.iter().filter_map(|planned| planned.lasts).max().unwrap_or_default();
    }
    let line = ProgressLine::of(to_play.iter().map(|(kernel, _)| kernel.release.clone()).collect());
    let totals_to_play: Vec<usize> = to_play.iter().map(|(_, cases)| cases.len()).collect();
    let mut machines = Vec::new();
    for (which, (kernel, cases)) in to_play.into_iter().enumerate() {
        for (machine, Part { cases, jobs }) in split(cases, arguments.jobs).into_iter().enumerate() {
            let plan =
                Plan::of(&cases, jobs, setup.pace.time(), source).map_err(|what| Refusal::could_not_run(what, None))?;
            let setup = Setup { console: recordings[which].console(machine), ..setup.clone() };
            machines.push(Inside { which, cases, plan, kernel: Arc::clone(&kernel), setup });
        }
    }
    // A machine has one processor.
    let runtime = runtime(thread::available_parallelism().map_or(1, usize::from))?;
    let note = |which: usize, event, line: &ProgressLine| recordings[which].note(event, line);
    let ended = runtime.block_on(drive(note, line, |halt, note| run(machines, totals_to_play, halt, note)))?;
    for (ended, recording) in ended.into_iter().zip(recordings) {
        not_run += ended.tally.not_run;
        if let Some(identity) = &ended.identity {
            let report = recording.end(identity, ended.tally.not_run, ledger)?;
            report.cases.iter().for_each(|case| totals.add(case.verdict));
        }
        match ended.trouble {
            None | Some((MachineError::Interrupted, _)) => {}
            Some((error, console)) => drop(trouble.get_or_insert_with(|| refusal(&error, &console))),
        }
    }
    match trouble {
        Some(refusal) => Err(refusal),
        None => Ok(Exit::of(&totals, not_run)),
    }
}

/// On the processor itself where it can run this kernel; with a word where it cannot.
fn real_pace(kernel: &Kernel, setup: &Setup) -> Pace {
    match Machine::try_kvm(kernel, setup, Arc::default()) {
        Ok(()) => Pace::RealKvm,
        Err(error) => {
            // Progress that nobody can see is no reason to fail.
            let _ = writeln!(io::stderr(), "KVM does not work here ({error}): emulating, which is slow");
            Pace::RealEmulated
        }
    }
}

/// What is to be played in a machine.
struct Inside {
    /// Which of the kernels.
    which: usize,
    cases: Vec<Planned>,
    plan: Plan,
    kernel: Arc<Kernel>,
    setup: Setup,
}

/// How a run inside a kernel ended.
struct Ended {
    tally: Tally,
    /// Whose TCP it was; none where no guest ever came up.
    identity: Option<TargetIdentity>,
    /// Why the first machine that came to no good end did not, and the file of its console.
    trouble: Option<(MachineError, PathBuf)>,
}

/// Boots the machines and reports every event of the run in each kernel, of which `totals` says how many cases are to be played.
/// To be called in a runtime with room for a blocking thread for each machine that is to run at once.
async fn run(
    machines: Vec<Inside>,
    totals: Vec<usize>,
    mut halt: watch::Receiver<Halt>,
    mut report: impl FnMut(usize, RunEvent),
) -> Vec<Ended> {
    let stop = Arc::new(AtomicBool::new(false));
    let free = Arc::new(Mutex::new(processors()));
    let (sender, mut inbox) = mpsc::unbounded_channel();
    let listening: Vec<_> = machines
        .into_iter()
        .map(|mut inside| {
            let (sender, stop, free) = (sender.clone(), Arc::clone(&stop), Arc::clone(&free));
            tokio::task::spawn_blocking(move || {
                let (which, console) = (inside.which, inside.setup.console.clone());
                let free = || free.lock().unwrap_or_else(PoisonError::into_inner);
                let processor = free().pop();
                inside.setup.processor = processor.filter(|_| inside.setup.pace == Pace::Virtual);
                let mut identity = None;
                // The run may have been told to end without us.
                let result = listen(inside, &stop, &mut identity, |event| drop(sender.send((which, event))));
                free().extend(processor);
                (which, identity, result.err().map(|error| (error, console)))
            })
        })
        .collect();
    drop(sender);
    for (which, total) in totals.iter().enumerate() {
        report(which, RunEvent::Started { total: *total });
    }
    let mut finished = vec![0; totals.len()];
    let mut in_flight = 0;
    loop {
        tokio::select! {
            told = inbox.recv() => {
                let Some((which, event)) = told else { break };
                match &event {
                    RunEvent::CaseStarted { .. } => in_flight += 1,
                    RunEvent::CaseFinished(_) => (finished[which], in_flight) = (finished[which] + 1, in_flight - 1),
                    RunEvent::Started { .. }
                    | RunEvent::CaseProgress { .. }
                    | RunEvent::CaseAgain { .. }
                    | RunEvent::CaseHalted { .. }
                    | RunEvent::Interrupted { .. }
                    | RunEvent::Finished(_) => {}
                }
                report(which, event);
            }
            Ok(()) = halt.changed() => {
                if *halt.borrow_and_update() != Halt::No && !stop.swap(true, Ordering::Relaxed) {
                    report(0, RunEvent::Interrupted { in_flight });
                }
            }
        }
    }
    let tallies = finished.into_iter().zip(totals);
    let tallies = tallies.map(|(finished, total)| Tally { finished, not_run: total - finished });
    let mut ended: Vec<Ended> = tallies.map(|tally| Ended { tally, identity: None, trouble: None }).collect();
    for machine in listening {
        let (which, identity, trouble) = machine.await.unwrap_or_else(|panic| resume_unwind(panic.into_panic()));
        let ended = &mut ended[which];
        ended.identity = ended.identity.take().or(identity);
        ended.trouble = ended.trouble.take().or(trouble);
    }
    for (which, ended) in ended.iter().enumerate() {
        report(which, RunEvent::Finished(ended.tally));
    }
    ended
}

/// The processors that this process may use.
fn processors() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::count()).filter(|processor| allowed.is_set(*processor).unwrap_or(false)).collect()
}

fn listen(
    inside: Inside,
    stop: &Arc<AtomicBool>,
    identity: &mut Option<TargetIdentity>,
    report: impl Fn(RunEvent),
) -> Result<(), MachineError> {
    let Inside { cases, plan, kernel, setup, .. } = inside;
    let mut machine = Machine::start(&kernel, plan, &setup, Arc::clone(stop))?;
    let time = setup.pace.time();
    let case_of = |case: usize| {
        let planned = cases.get(case).ok_or_else(|| MachineError::NoMessage(format!("there is no case {case}")))?;
        Ok::<_, MachineError>(&planned.case)
    };
    let progress =
        |case, progress| Ok::<_, MachineError>(RunEvent::CaseProgress { name: case_of(case)?.name().into(), progress });
    let finished = |finished: Finished| RunEvent::CaseFinished(Box::new(finished));
    while let Some(message) = machine.hear()? {
        report(match message {
            Message::Ready { release, hz } => {
                *identity = Some(TargetIdentity { kind: TargetKind::Kernel, release, hz, time });
                continue;
            }
            Message::Lacks { .. } | Message::Finished {} => continue,
            // How long it lasts by the world's clock nobody knows.
            Message::Started { case } => RunEvent::CaseStarted { name: case_of(case)?.name().into(), lasts: None },
            Message::Waiting { case, seconds_left } => match time {
                Time::Real => progress(case, Progress::Waiting { seconds_left })?,
                Time::Virtual => progress(case, Progress::Waiting { seconds_left: 0.0 })?,
            },
            Message::Active { case } => progress(case, Progress::Active)?,
            Message::Played { case, endpoints, started_unix_ns, records } => {
                let case = case_of(case)?;
                let target = identity.clone().ok_or_else(|| MachineError::NoMessage("played before ready".into()))?;
                let started = match time {
                    Time::Real => started_unix_ns,
                    Time::Virtual => 0,
                };
                let trace = Trace { header: Header::of(case, target, endpoints, started), records };
                finished(judged(&judge, case, Ok(trace)))
            }
            Message::Unplayed { case, verdict, reason } => {
                finished(judged(&judge, case_of(case)?, Err(Unplayed { verdict, reason })))
            }
        });
    }
    Ok(())
}

/// What went wrong, with the end of the console.
fn refusal(trouble: &MachineError, console: &Path) -> Refusal {
    let help = matches!(trouble, MachineError::NoQemu(_)).then_some("apt install qemu-system-x86");
    let mut what = trouble.to_string();
    for line in last_lines(console) {
        what += &format!("\n  | {}", printable(&line));
    }
    Refusal::could_not_run(what, help)
}
