//! A walk that target and model disagree about, shrunk, and what is kept of it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tcpconform_engine::case::Case;
use tcpconform_engine::explore::{disagreement, reloaded, shrink, yaml};
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::run::{Finished, Player, play_and_judge};
use tcpconform_engine::trace_file;
use tcpconform_reports::printable::printable;

use crate::arguments::{ExploreArguments, TargetArgument};
use crate::exit::Refusal;
use crate::out_folder::unwritten;

/// How often a walk is played again before it counts as one that cannot be had again.
const AGAIN: u32 = 3;
/// The longest purpose of a case, bytes.
const PURPOSE_MAX: usize = 300;

/// A disagreement.
pub(super) struct Disagreement {
    /// The name of the walk.
    pub(super) walk: String,
    /// What it is about: a rule, or what the judge has none for.
    pub(super) about: String,
    /// The shortest walk that disagrees about the same.
    case: Case,
    /// Its last play.
    last: Finished,
    /// Steps of the walk as it was.
    steps: usize,
    /// How often it was played to shrink it; `None` where it did not come up again.
    plays: Option<u32>,
}

impl Disagreement {
    /// What came of a walk, if it is one: the walk is played again until nothing more can be left out.
    pub(super) fn of(case: &Case, finished: &Finished, player: &impl Player) -> Option<Disagreement> {
        let about = disagreement(&finished.judgement)?;
        let last = RefCell::new(finished.clone());
        let disagrees = |case: &Case| {
            let played = play_and_judge(player, &judge, case, &|_| ());
            let same = played.filter(|played| disagreement(&played.judgement).as_ref() == Some(&about));
            same.map(|played| *last.borrow_mut() = played).is_some()
        };
        let comes_again = (0..AGAIN).any(|_| disagrees(case));
        let (mut shortest, plays) = match comes_again {
            true => {
                let shrunk = shrink(case, disagrees);
                (shrunk.case, Some(shrunk.plays))
            }
            false => (case.clone(), None),
        };
        let last = last.into_inner();
        shortest.purpose = purpose(&last.judgement);
        let shortest = reloaded(&shortest).unwrap_or(shortest);
        Some(Disagreement { walk: case.name(), about, case: shortest, last, steps: case.steps.len(), plays })
    }

    /// Writes the case, and the trace beside it; says where the case is.
    pub(super) fn write(&self, folder: &Path) -> Result<PathBuf, Refusal> {
        let name = self.case.id.replace('/', "-");
        let path = folder.join(format!("{name}.yaml"));
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            fs::write(&path, yaml(&self.case))?;
            if let Some(trace) = &self.last.trace {
                let mut file = BufWriter::new(File::create(folder.join(format!("{name}.jsonl")))?);
                trace_file::write(trace, &mut file)?;
                file.flush()?;
            }
            Ok(())
        };
        write().map_err(unwritten)?;
        Ok(path)
    }

    /// What it is about, in how many steps, and where it is written.
    pub(super) fn show(&self, file: &Path, arguments: &ExploreArguments, out: &mut dyn Write) -> io::Result<()> {
        let judgement = &self.last.judgement;
        let word = judgement.verdict.name().to_uppercase();
        let reason = judgement.reason.as_deref().unwrap_or_default();
        writeln!(out, "{word} {}   {}", printable(&self.walk), printable(reason))?;
        match self.plays {
            Some(plays) => {
                writeln!(out, "  shrunk    {} steps of {}, after {plays} plays", self.case.steps.len(), self.steps)?
            }
            None => writeln!(out, "  shrunk    not at all: it did not come up in {AGAIN} further plays")?,
        }
        for step in &self.case.steps {
            writeln!(out, "  step      {}", printable(&step.text))?;
        }
        let (target, fault) = match (arguments.target, arguments.fault) {
            (TargetArgument::Kernel, _) => ("", String::new()),
            (TargetArgument::Model, fault) => {
                (" --target model", fault.map(|fault| format!(" --fault {}", fault.name)).unwrap_or_default())
            }
        };
        writeln!(out, "  rerun     tcpconform run{target}{fault} {}", file.display())?;
        writeln!(out, "  trace     tcpconform show {}\n", file.with_extension("jsonl").display())
    }
}

/// One sentence of what was found.
fn purpose(judgement: &Judgement) -> String {
    let reason: String = judgement.reason.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let mut purpose = format!("A random walk on which target and model disagree: {reason}");
    while purpose.len() >= PURPOSE_MAX {
        purpose.pop();
    }
    purpose + "."
}
