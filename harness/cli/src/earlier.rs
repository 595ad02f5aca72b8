//! What an earlier run left in the folder that a run is to write to.
//!
//! Owns which files are that run's: the traces and captures of the cases that its report or its journal names. They go before other
//! ones are written, and nothing else does; where only a part is played, they are kept elsewhere. Refuses to guess: what neither
//! names stays.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tcpconform_reports::JSON;

use crate::exit::Refusal;
use crate::journal::Stored;
use crate::out_folder::{OutFolder, unwritten};
use crate::run::default_out;

/// An earlier run.
#[derive(Debug, Default, Deserialize)]
pub struct Earlier {
    cases: Vec<Finished>,
    #[serde(default)]
    not_run: usize,
}

/// A case that it finished.
#[derive(Debug, Deserialize)]
struct Finished {
    id: String,
    variant: String,
}

impl Earlier {
    /// The run whose report or journal lies in the folder; one without cases where there is none that can be read.
    pub fn of(folder: &Path) -> Earlier {
        let read = fs::read(folder.join(JSON)).ok().and_then(|report| serde_json::from_slice(&report).ok());
        let journal = || Stored::read(folder).ok().flatten().map(Earlier::begun);
        read.or_else(journal).unwrap_or_default()
    }

    fn begun(stored: Stored) -> Earlier {
        let not_run = stored.not_run();
        let finished =
            stored.done.into_iter().map(|done| Finished { id: done.judgement.id, variant: done.judgement.variant });
        Earlier { cases: finished.collect(), not_run }
    }

    /// How many cases it was to play.
    fn size(&self) -> usize {
        self.cases.len() + self.not_run
    }

    /// Takes its traces and captures away.
    pub fn clear(&self, folder: &OutFolder) -> Result<(), Refusal> {
        let mut remove = |case: &Finished| folder.remove(&case.id, &case.variant);
        self.cases.iter().try_for_each(&mut remove).map_err(unwritten)
    }
}

/// The default folder of a run of this many cases on this target. The results of a larger run that lie there are kept in a folder
/// beside it, so that playing a part again does not cost the whole.
pub fn default_folder(release: &str, cases: usize) -> Result<PathBuf, Refusal> {
    let (folder, kept) = (default_out(release), default_out(&format!("{release}-whole")));
    let size = Earlier::of(&folder).size();
    if size > cases && size >= Earlier::of(&kept).size() {
        replace(&folder, &kept).map_err(unwritten)?;
        let shown = kept.display();
        let _ = crate::say(&format!("this is a part: the results of {size} cases that lay here are kept in {shown}"));
    }
    Ok(folder)
}

/// Moves a folder to where an older one of its kind is.
fn replace(folder: &Path, kept: &Path) -> io::Result<()> {
    match fs::remove_dir_all(kept) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::rename(folder, kept)
}
