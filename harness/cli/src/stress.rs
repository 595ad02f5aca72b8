//! `tcpconform stress`: the same cases again and again, on a machine that is kept busy if asked for; says what was not the same
//! every time.
//!
//! Owns the rounds and what is kept of them: `stress.json`, and the traces of plays that did not pass. Refuses to judge.

mod load;
mod spread;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tcpconform_engine::case::Case;
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::run::{Finished, Halt, Pace, Planned, Player, RunEvent, Tally, judged, run as run_cases};
use tcpconform_engine::trace::{TargetIdentity, Time};
use tcpconform_reports::Palette;
use tcpconform_reports::printable::printable;
use tcpconform_reports::report::Target;

use crate::arguments::{StressArguments, TargetArgument};
use crate::exit::{Exit, Refusal};
use crate::out_folder::{OutFolder, unwritten};
use crate::player::{KernelPlayer, ModelPlayer};
use crate::progress_line::ProgressLine;
use crate::rehearsal::rehearse;
use crate::run::{QUICK, default_out, drive, runtime};
use crate::{catalogue, in_flight, show_on_stdout};

use load::{Ballast, Burning};
use spread::Spread;

/// What came of all rounds, for programs.
const FILE: &str = "stress.json";

/// Plays the selected cases so many times, and says which verdicts were not the same every time.
pub fn stress(arguments: &StressArguments, folder: Option<&Path>) -> Result<Exit, Refusal> {
    let ledger = catalogue::ledger(folder)?;
    let cases = catalogue::select(catalogue::load(folder)?, &arguments.selectors, &ledger)?;
    let mut planned = rehearse(cases)?;
    if arguments.quick {
        planned.retain(|planned| planned.lasts.is_none_or(|lasts| lasts <= QUICK));
    }
    if planned.is_empty() {
        let what = "nothing is left to play after --quick".to_owned();
        return Err(Refusal { exit: Exit::NothingSelected, what, help: None });
    }
    match arguments.target {
        // Before the first thread: a user namespace cannot be entered later.
        TargetArgument::Kernel => {
            let player = KernelPlayer::start(Time::Real)?;
            let identity = player.identity().clone();
            play(planned, player, &identity, arguments)
        }
        TargetArgument::Model => {
            let player = ModelPlayer::default();
            let identity = player.identity(&planned[0].case);
            play(planned, player, &identity, arguments)
        }
    }
}

fn play<P: Player>(
    cases: Vec<Planned>,
    player: P,
    identity: &TargetIdentity,
    arguments: &StressArguments,
) -> Result<Exit, Refusal> {
    let target = Target::of(identity);
    let default = || default_out(&format!("stress-{}", identity.release));
    let path = arguments.out.clone().unwrap_or_else(default);
    fs::create_dir_all(&path).map_err(unwritten)?;
    let _ballast = arguments.memory.map(Ballast::leave).transpose()?;
    let _burning = arguments.burn.then(Burning::all_cores);
    let times = arguments.times;
    let asked = arguments.jobs.map_or(usize::MAX, |jobs| jobs as usize);
    let jobs = asked.min(in_flight::most()).min(cases.len());
    let pace = Pace { jobs, active: in_flight::most_active(), again: identity.time == Time::Real };
    let total = cases.len() * times as usize;
    let mut rounds = Rounds { spread: Spread::new(target, times), folder: path.clone(), round: 0, unwritten: None };
    let player = Arc::new(player);
    let runtime = runtime(jobs)?;
    let rounds_seen = &mut rounds;
    let note = |_, event: RunEvent, line: &ProgressLine| rounds_seen.note(event, line);
    let finished = runtime.block_on(drive(note, ProgressLine::new(), |halt, mut note| async move {
        note(0, RunEvent::Started { total });
        let mut finished = 0;
        for _ in 0..times {
            let finish = |case: &Case, played| judged(&judge, case, played);
            let tally = run_cases(cases.clone(), Arc::clone(&player), finish, pace, halt.clone(), |event| {
                // One run to whoever looks on.
                if !matches!(event, RunEvent::Started { .. }) {
                    note(0, event);
                }
            })
            .await;
            finished += tally.finished;
            if *halt.borrow() != Halt::No {
                break;
            }
        }
        finished
    }))?;
    runtime.shutdown_background();
    let tally = Tally { finished, not_run: total - finished };
    rounds.end(tally, arguments.all)
}

/// What is kept of the rounds.
struct Rounds {
    spread: Spread,
    folder: PathBuf,
    round: u32,
    /// The first trace that could not be written.
    unwritten: Option<std::io::Error>,
}

impl Rounds {
    fn note(&mut self, event: RunEvent, line: &ProgressLine) {
        match event {
            RunEvent::CaseFinished(finished) => self.finished(&finished, line),
            RunEvent::Finished(_) => self.round += 1,
            RunEvent::Started { .. }
            | RunEvent::CaseStarted { .. }
            | RunEvent::CaseProgress { .. }
            | RunEvent::CaseAgain { .. }
            | RunEvent::CaseHalted { .. }
            | RunEvent::Interrupted { .. } => {}
        }
    }

    fn finished(&mut self, finished: &Finished, line: &ProgressLine) {
        let Finished { judgement, trace } = finished;
        let round = self.round + 1;
        if judgement.verdict.is_bad() {
            let reason = judgement.reason.as_deref().unwrap_or_default();
            let text = format!("round {round}: {} {}   {reason}", judgement.verdict, judgement.name());
            line.say(&printable(&text));
            let folder = OutFolder::existing(&self.folder.join(format!("round-{round}")));
            if let Some(Err(error)) = trace.as_ref().map(|trace| folder.write_trace(trace)) {
                self.unwritten.get_or_insert(error);
            }
        }
        self.spread.add(round, judgement);
    }

    fn end(self, tally: Tally, all: bool) -> Result<Exit, Refusal> {
        let path = self.folder.join(FILE);
        let text = serde_json::to_string_pretty(&self.spread.told()).unwrap_or_else(|e| unreachable!("names: {e}"));
        fs::write(&path, text + "\n").map_err(unwritten)?;
        if let Some(error) = self.unwritten {
            return Err(unwritten(error));
        }
        show_on_stdout(|out| {
            self.spread.show(all, tally.not_run, &Palette::coloured(), out)?;
            writeln!(out, "{}", path.display())
        })?;
        let totals = self.spread.totals();
        let same = self.spread.differing().next().is_none();
        Ok(if same || totals.of(Verdict::Error) > 0 { Exit::of(&totals, tally.not_run) } else { Exit::Findings })
    }
}
