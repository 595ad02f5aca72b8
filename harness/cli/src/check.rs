//! `tcpconform check`: case files, without playing them on a kernel: syntax, names, and a dry run on the model.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Refusal};
use crate::rehearsal::rehearse;
use crate::{catalogue, show_on_stdout};

/// Checks the case files in these files and folders, or the whole catalogue.
pub fn check(paths: &[PathBuf], folder: Option<&Path>) -> Result<Exit, Refusal> {
    let cases = if paths.is_empty() { catalogue::load(folder)? } else { catalogue::load_paths(paths)? };
    if cases.is_empty() {
        return Err(Refusal { exit: Exit::NothingSelected, what: "no case file (*.yaml) there".into(), help: None });
    }
    let planned = rehearse(cases)?;
    let files = planned.iter().map(|planned| planned.case.id.as_str()).collect::<BTreeSet<_>>().len();
    show_on_stdout(|out| writeln!(out, "{files} case files are right: {} cases", planned.len()))?;
    Ok(Exit::AllPass)
}
