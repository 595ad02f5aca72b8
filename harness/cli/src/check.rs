//! `tcpconform check`: case files, without playing them on a kernel: syntax, names, and a dry run on the model.

mod showing;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tcpconform_engine::case::Case;
use tcpconform_engine::diagnostic::{Diagnostic, Diagnostics};
use tcpconform_engine::ledger::Ledger;

use crate::exit::{Exit, Refusal};
use crate::rehearsal::rehearse_and_watch;
use crate::{catalogue, show_on_stdout};
use showing::Showing;

/// Checks the case files in these files and folders, or the whole catalogue.
pub fn check(paths: &[PathBuf], folder: Option<&Path>) -> Result<Exit, Refusal> {
    let ledger = catalogue::ledger(folder)?;
    let cases = if paths.is_empty() { catalogue::load(folder)? } else { catalogue::load_paths(paths, &ledger)? };
    if cases.is_empty() {
        return Err(Refusal { exit: Exit::NothingSelected, what: "no case file (*.yaml) there".into(), help: None });
    }
    let mut showing = Showing::default();
    let mut complaints = contradicted(&ledger, &cases);
    let planned = rehearse_and_watch(cases, |case, trace| showing.add(case, trace))?;
    complaints.extend(showing.complaints());
    if !complaints.is_empty() {
        return Err(catalogue::wrong_cases(Diagnostics(complaints)));
    }
    let files = planned.iter().map(|planned| planned.case.id.as_str()).collect::<BTreeSet<_>>().len();
    show_on_stdout(|out| writeln!(out, "{files} case files are right: {} cases", planned.len()))?;
    Ok(Exit::AllPass)
}

/// Claims that the ledger calls untested, and that have cases.
fn contradicted(ledger: &Ledger, cases: &[Case]) -> Vec<Diagnostic> {
    let bearing = |id: &str| cases.iter().find(|case| case.claims.iter().any(|prediction| prediction.claim == id));
    let untested = ledger.claims().filter(|claim| claim.untested.is_some());
    let contradicted = untested.filter_map(|claim| Some((claim, bearing(&claim.id)?)));
    contradicted
        .map(|(claim, case)| {
            let message = format!("claim {} is `untested`, but {} puts it to the test", claim.id, case.name());
            catalogue::at_place(&claim.place, None, &message, "no `untested`, or no case that bears on the claim")
        })
        .collect()
}
