//! `tcpconform check`: case files, without playing them on a kernel: syntax, names, and a dry run on the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tcpconform_engine::case::Case;
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::run::play_and_judge;
use tcpconform_reports::printable::printable;

use crate::exit::{Exit, Refusal};
use crate::player::ModelPlayer;
use crate::{catalogue, show_on_stdout};

/// Checks the case files in these files and folders, or the whole catalogue.
pub fn check(paths: &[PathBuf], folder: Option<&Path>) -> Result<Exit, Refusal> {
    let cases = if paths.is_empty() { catalogue::load(folder)? } else { catalogue::load_paths(paths)? };
    if cases.is_empty() {
        return Err(Refusal { exit: Exit::NothingSelected, what: "no case file (*.yaml) there".into(), help: None });
    }
    let player = ModelPlayer::default();
    // What is wrong with a file is mostly wrong with all its variants: the first one tells.
    let mut complaints: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    for case in &cases {
        let Some(finished) = play_and_judge(&player, &judge, case, &|_| ()) else { continue };
        if let Some(complaint) = complaint(case, &finished.judgement) {
            complaints.entry(&case.id).or_insert((complaint, 0)).1 += 1;
        }
    }
    if !complaints.is_empty() {
        let texts: Vec<String> = complaints.into_values().map(|(text, variants)| with_count(text, variants)).collect();
        return Err(Refusal::usage(texts.join("\n\n")));
    }
    let files = cases.iter().map(|case| case.id.as_str()).collect::<BTreeSet<_>>().len();
    show_on_stdout(|out| writeln!(out, "{files} case files are right: {} cases", cases.len()))?;
    Ok(Exit::AllPass)
}

fn with_count(text: String, variants: usize) -> String {
    match variants {
        1 => text,
        2 => format!("{text}\n  and one more variant"),
        more => format!("{text}\n  and {} more variants", more - 1),
    }
}

/// What is wrong with a case that the model itself does not pass: it expects what can never come.
fn complaint(case: &Case, judgement: &Judgement) -> Option<String> {
    match judgement.verdict {
        Verdict::Pass => return None,
        Verdict::Skip | Verdict::Inconclusive | Verdict::Fail | Verdict::Error => {}
    }
    let place = match (judgement.findings.first(), case.steps.first()) {
        (Some(finding), _) => finding.place.as_str(),
        (None, Some(step)) => step.place.as_str(),
        (None, None) => "",
    };
    let what = match judgement.findings.first() {
        Some(finding) => format!("the case expects {}, but the model says: {}", finding.expected, finding.actual),
        None => judgement.reason.clone().unwrap_or_default(),
    };
    let text = format!("{place}: {}: on the model this case is `{}`: {what}", case.name(), judgement.verdict);
    Some(format!("{}\n  show it: tcpconform show {}", printable(&text), printable(&case.name())))
}
