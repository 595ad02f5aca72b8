//! Runs inside other kernels: boots a machine for each, turns what it tells into the events of a run, and judges its traces.
//!
//! Owns the thread that listens to a machine, and how many run at once. Refuses to play: that happens inside.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tcpconform_engine::case::Case;
use tcpconform_engine::judge::judge;
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::play::Progress;
use tcpconform_engine::run::{Finished, Halt, Planned, RunEvent, Tally, Unplayed, judged};
use tcpconform_engine::trace::{Header, TargetIdentity, TargetKind, Time, Trace};
use tcpconform_machines::machine::last_lines;
use tcpconform_machines::{EMULATOR, Kernel, Machine, MachineError, Message, Pace, Plan, Setup};
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

/// A guest that tells nothing for so long hangs. While it computes it tells something every second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Finds the kernels, each in an image, a folder or packages.
pub fn find(kernels: &[String]) -> Result<Vec<Kernel>, Refusal> {
    let found = kernels.iter().map(|what| Kernel::find(what)).collect::<Result<Vec<_>, _>>();
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
        let plan = Plan::of(&cases, arguments.jobs, source).map_err(|what| Refusal::could_not_run(what, None))?;
        recordings.push(recording);
        to_play.push((kernel, plan, Arc::new(cases)));
    }
    let Some((first, ..)) = to_play.first() else { return Ok(Exit::of(&totals, 0)) };
    let consoles: Vec<PathBuf> = recordings.iter().map(Recording::console).collect();
    let line = ProgressLine::of(to_play.iter().map(|(kernel, ..)| kernel.release.clone()).collect());
    let mut setup = Setup {
        pace: Pace::Virtual,
        command_line: arguments.kernel_cmdline.clone().unwrap_or_default(),
        console: consoles[0].clone(),
        patience: PATIENCE,
        emulator: EMULATOR.into(),
    };
    if arguments.time == TimeArgument::Real {
        setup.pace = real_pace(first, &setup);
        setup.patience += cases.iter().filter_map(|planned| planned.lasts).max().unwrap_or_default();
    }
    let machines = to_play.into_iter().zip(&consoles).map(|((kernel, plan, cases), console)| Inside {
        cases,
        plan,
        kernel,
        setup: Setup { console: console.clone(), ..setup.clone() },
    });
    let machines: Vec<Inside> = machines.collect();
    // A machine has one processor.
    let runtime = runtime(std::thread::available_parallelism().map_or(1, usize::from))?;
    let note = |which: usize, event, line: &ProgressLine| recordings[which].note(event, line);
    let ended = runtime.block_on(drive(note, line, |halt, note| run(machines, halt, note)))?;
    for ((ended, recording), console) in ended.into_iter().zip(recordings).zip(&consoles) {
        not_run += ended.tally.not_run;
        if let Some(identity) = &ended.identity {
            let report = recording.end(identity, ended.tally.not_run, ledger)?;
            report.cases.iter().for_each(|case| totals.add(case.verdict));
        }
        match ended.trouble {
            None | Some(MachineError::Interrupted) => {}
            Some(error) => drop(trouble.get_or_insert_with(|| refusal(&error, console))),
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

/// What is to be played, and where.
struct Inside {
    cases: Arc<Vec<Planned>>,
    plan: Plan,
    kernel: Kernel,
    setup: Setup,
}

/// How a run inside a machine ended.
struct Ended {
    tally: Tally,
    /// Whose TCP it was; none where the guest never came up.
    identity: Option<TargetIdentity>,
    /// Why it came to no good end.
    trouble: Option<MachineError>,
}

/// Boots the machines and reports every event of the run in each. To be called in a runtime with room for a blocking thread for
/// each that is to run at once.
async fn run(
    machines: Vec<Inside>,
    mut halt: watch::Receiver<Halt>,
    mut report: impl FnMut(usize, RunEvent),
) -> Vec<Ended> {
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, mut inbox) = mpsc::unbounded_channel();
    let totals: Vec<usize> = machines.iter().map(|inside| inside.cases.len()).collect();
    let listening: Vec<_> = machines
        .into_iter()
        .enumerate()
        .map(|(which, inside)| {
            let (sender, stop) = (sender.clone(), Arc::clone(&stop));
            tokio::task::spawn_blocking(move || {
                let mut identity = None;
                // The run may have been told to end without us.
                let result = listen(inside, &stop, &mut identity, |event| drop(sender.send((which, event))));
                (identity, result)
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
    let mut ended = Vec::new();
    for (listening, (finished, total)) in listening.into_iter().zip(finished.into_iter().zip(totals)) {
        let (identity, result) = listening.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let tally = Tally { finished, not_run: total - finished };
        report(ended.len(), RunEvent::Finished(tally));
        ended.push(Ended { tally, identity, trouble: result.err() });
    }
    ended
}

fn listen(
    inside: Inside,
    stop: &Arc<AtomicBool>,
    identity: &mut Option<TargetIdentity>,
    report: impl Fn(RunEvent),
) -> Result<(), MachineError> {
    let Inside { cases, plan, kernel, setup } = inside;
    let mut machine = Machine::start(&kernel, plan, &setup, Arc::clone(stop))?;
    let time = match setup.pace {
        Pace::Virtual => Time::Virtual,
        Pace::RealKvm | Pace::RealEmulated => Time::Real,
    };
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
