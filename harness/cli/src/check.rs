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
    // A part of the catalogue, or cases without a ledger of their own, need not bear on every claim.
    let is_whole = folder.is_none_or(catalogue::has_ledger);
    if paths.is_empty() && is_whole {
        complaints.extend(forgotten(&ledger, &cases));
    }
    let planned = rehearse_and_watch(cases, |case, trace| showing.add(case, trace))?;
    complaints.extend(showing.complaints());
    if !complaints.is_empty() {
        return Err(catalogue::wrong_cases(Diagnostics(complaints)));
    }
    let files = planned.iter().map(|planned| planned.case.id.as_str()).collect::<BTreeSet<_>>().len();
    show_on_stdout(|out| writeln!(out, "{files} case files are right: {} cases", planned.len()))?;
    Ok(Exit::AllPass)
}

/// Claims that nothing puts to the test, without a reason why.
fn forgotten(ledger: &Ledger, cases: &[Case]) -> Vec<Diagnostic> {
    let forgotten = ledger.claims().filter(|claim| claim.untested.is_none() && bearing(cases, &claim.id).is_none());
    forgotten
        .map(|claim| {
            let message = format!("no case bears on claim {}", claim.id);
            let expected = format!("a case with `{}` under its `claims`, or `untested: <reason>` here", claim.id);
            catalogue::at_place(&claim.place, None, &message, &expected)
        })
        .collect()
}

/// Some case that puts the claim to the test.
fn bearing<'c>(cases: &'c [Case], id: &str) -> Option<&'c Case> {
    cases.iter().find(|case| case.claims.iter().any(|prediction| prediction.claim == id))
}

/// Claims that the ledger calls untested, and that have cases.
fn contradicted(ledger: &Ledger, cases: &[Case]) -> Vec<Diagnostic> {
    let untested = ledger.claims().filter(|claim| claim.untested.is_some());
    let contradicted = untested.filter_map(|claim| Some((claim, bearing(cases, &claim.id)?)));
    contradicted
        .map(|(claim, case)| {
            let message = format!("claim {} is `untested`, but {} puts it to the test", claim.id, case.name());
            catalogue::at_place(&claim.place, None, &message, "no `untested`, or no case that bears on the claim")
        })
        .collect()
}
