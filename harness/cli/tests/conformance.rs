//! Every case as a test: played on the running kernel (`[kernel]`), and on the model (`[model]`).
//!
//! Takes libtest's arguments: filters, `--list`, `--exact`, `--skip`, `--ignored`, `--test-threads`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tcpconform::exit::Refusal;
use tcpconform::out_folder::OutFolder;
use tcpconform::player::{KernelPlayer, ModelPlayer};
use tcpconform::rehearsal::rehearse;
use tcpconform::{catalogue, in_flight};
use tcpconform_engine::case::Case;
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::play::Progress;
use tcpconform_engine::run::{Ended, Finished, Player, play_and_judge};
use tcpconform_engine::trace::{TargetIdentity, Time};
use tcpconform_reports::report::Target;
use tcpconform_reports::{Palette, failure};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Before the first thread: a user namespace cannot be entered later.
    let kernel = kernel(&arguments).map(Arc::new);
    let cases = match cases(&arguments) {
        Ok(cases) => cases,
        Err(refusal) => {
            eprintln!("{refusal}");
            return refusal.exit.into();
        }
    };
    let gate = Arc::new(Gate::new());
    let mut trials = kernel_trials(&cases, kernel, &gate, &arguments);
    trials.extend(cases.into_iter().map(|case| model_trial(case, &gate)));
    let asked = std::env::var("RUST_TEST_THREADS").ok().and_then(|threads| threads.parse().ok());
    let wanted = trials.iter().filter(|trial| !arguments.is_filtered_out(trial)).count();
    // Cases wait for TCP's timers and compute almost nothing. One thread would make libtest-mimic announce each case before it is played, which only makes sense if asked for.
    arguments.test_threads = arguments.test_threads.or(asked).or(Some(wanted.clamp(2, in_flight::most().max(2))));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The kernel, with what all cases share; not where one test on the model is named, as by nextest.
fn kernel(arguments: &Arguments) -> Result<KernelPlayer, Refusal> {
    match &arguments.filter {
        Some(name) if arguments.exact && name.starts_with("[model] ") => {
            Err(Refusal::could_not_run("not asked for", None))
        }
        Some(_) | None => KernelPlayer::start(Time::Real),
    }
}

/// The catalogue; of it only the one file where a test is named exactly, as by nextest in a process for each test.
fn cases(arguments: &Arguments) -> Result<Vec<Case>, Refusal> {
    match &arguments.filter {
        Some(name) if arguments.exact => {
            let name = name.rsplit_once(' ').map_or(name.as_str(), |(_kind, name)| name);
            catalogue::load_id(name.split_once('@').map_or(name, |(id, _variant)| id))
        }
        Some(_) | None => catalogue::load(None),
    }
}

/// The longest first, so that all are over when the longest is; in the catalogue's order for a list.
fn kernel_trials(
    cases: &[Case],
    kernel: Result<Arc<KernelPlayer>, Refusal>,
    gate: &Arc<Gate>,
    arguments: &Arguments,
) -> Vec<Trial> {
    let is_wanted = |case: &Case| !arguments.is_filtered_out(&Trial::test(case.name(), || Ok(())).with_kind("kernel"));
    let (wanted, others): (Vec<Case>, Vec<Case>) = cases.iter().cloned().partition(is_wanted);
    // What is listed, or played alone as nextest does, needs no plan.
    let mut ordered = wanted;
    // A case that the model refuses fails as a trial of its own.
    if !arguments.list
        && ordered.len() > 1
        && let Ok(mut planned) = rehearse(ordered.clone())
    {
        planned.sort_by_key(|planned| std::cmp::Reverse(planned.lasts));
        ordered = planned.into_iter().map(|planned| planned.case).collect();
    }
    ordered.extend(others);
    ordered
        .into_iter()
        .map(|case| {
            let name = case.name();
            match &kernel {
                Ok(player) => {
                    let (player, gate) = (Arc::clone(player), Arc::clone(gate));
                    Trial::ignorable_test(name, move || outcome(&case, &*player, player.identity(), &gate))
                }
                // In a list the flag says that it is ignored; in a run the reason is given as well.
                Err(refusal) => {
                    let reason = refusal.what.clone();
                    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason)))
                        .with_ignored_flag(arguments.list)
                }
            }
            .with_kind("kernel")
        })
        .collect()
}

fn model_trial(case: Case, gate: &Arc<Gate>) -> Trial {
    let gate = Arc::clone(gate);
    let name = case.name();
    let play = move || {
        let player = ModelPlayer::default();
        outcome(&case, &player, &player.identity(&case), &gate)
    };
    Trial::ignorable_test(name, play).with_kind("model")
}

fn outcome<P: Player>(case: &Case, player: &P, identity: &TargetIdentity, gate: &Gate) -> Result<Completion, Failed> {
    gate.enter();
    // Whether this case counts as busy; a play reports from its own thread, one after the other.
    let busy = Mutex::new(true);
    let progress = |progress| {
        let mut busy = busy.lock().unwrap_or_else(PoisonError::into_inner);
        let now = progress == Progress::Active;
        if *busy != now {
            if now {
                gate.resume()
            } else {
                gate.leave()
            }
            *busy = now;
        }
    };
    let mut finished = play_and_judge(player, &judge, case, &progress);
    if identity.time == Time::Real
        && let Some(reason) = finished.as_ref().and_then(Ended::inconclusive)
    {
        eprintln!("{} is played once more: {reason}", case.name());
        finished = play_and_judge(player, &judge, case, &progress);
    }
    progress(Progress::Waiting { seconds_left: 0.0 });
    let Some(Finished { judgement, trace }) = finished else { return Err("interrupted".into()) };
    match judgement.verdict {
        Verdict::Pass => return Ok(Completion::Completed),
        Verdict::Skip => return Ok(Completion::ignored_with(judgement.reason.unwrap_or_default())),
        Verdict::Inconclusive | Verdict::Fail | Verdict::Error => {}
    }
    let mut message = failure::message(&judgement, &[], &Target::of(identity), &Palette::coloured());
    if let Some(trace) = trace {
        // As `target/tmp` lies in it.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
        let folder = target.join("tcpconform/tests").join(Target::of(identity).title().replace(' ', "-"));
        let kept = OutFolder::existing(&folder).write_trace(&trace);
        message += &match kept {
            Ok(path) => format!("  judge     tcpconform judge {}\n", path.display()),
            Err(error) => format!("  the trace could not be kept: {error}\n"),
        };
    }
    Err(message.into())
}

/// Lets a case begin only while few are busy: hundreds that set up at once would all be late.
struct Gate {
    busy: Mutex<usize>,
    fewer: Condvar,
    most: usize,
}

impl Gate {
    fn new() -> Gate {
        Gate { busy: Mutex::new(0), fewer: Condvar::new(), most: in_flight::most_active() }
    }

    fn enter(&self) {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut busy = self.fewer.wait_while(busy, |busy| *busy >= self.most).unwrap_or_else(PoisonError::into_inner);
        *busy += 1;
    }

    /// A case that was let in goes on, however many are busy.
    fn resume(&self) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn leave(&self) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.fewer.notify_one();
    }
}
