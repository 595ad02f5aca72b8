//! The case files and the ledger of claims: those compiled into the program, or those of a folder; and what the selectors name
//! of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use tcpconform_engine::case::Case;
use tcpconform_engine::diagnostic::{Diagnostic, Diagnostics, Source};
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::load;
use tcpconform_engine::select::{self, SelectError};

use crate::exit::{Exit, Refusal};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../cases");

/// All cases of the folder, or of the catalogue that is compiled in.
pub fn load(folder: Option<&Path>) -> Result<Vec<Case>, Refusal> {
    let cases = match folder {
        Some(folder) => load::catalogue(folder),
        None => {
            let mut files = Vec::new();
            embedded(&EMBEDDED, &mut files);
            load::catalogue_embedded(&files)
        }
    };
    known_claims(cases.map_err(wrong_cases)?, &ledger(folder)?)
}

/// All cases as [`load`] gives them, and the ledger, which knows what bears on what.
pub fn load_with_ledger(folder: Option<&Path>) -> Result<(Vec<Case>, Ledger), Refusal> {
    let cases = load(folder)?;
    let ledger = ledger(folder)?.with_plays(&cases);
    Ok((cases, ledger))
}

/// Whether the folder has a ledger of its own.
pub fn has_ledger(folder: &Path) -> bool {
    folder.join(load::LEDGER).exists()
}

/// The ledger of the folder, where it has one, or the one that is compiled in.
pub fn ledger(folder: Option<&Path>) -> Result<Ledger, Refusal> {
    let path = folder.filter(|folder| has_ledger(folder)).map(|folder| folder.join(load::LEDGER));
    let read = match path {
        Some(path) => match std::fs::read(&path) {
            Ok(bytes) => load::ledger(&path.display().to_string(), &bytes),
            Err(error) => return Err(Refusal::usage(format!("{}: {error}", path.display()))),
        },
        None => {
            let compiled_in = EMBEDDED.get_file(load::LEDGER).map_or(&[][..], |file| file.contents());
            load::ledger(&format!("cases/{}", load::LEDGER), compiled_in)
        }
    };
    read.map_err(wrong_cases)
}

/// The cases, refused where they speak of claims that the ledger does not have.
fn known_claims(cases: Vec<Case>, ledger: &Ledger) -> Result<Vec<Case>, Refusal> {
    let mut complaints = Vec::new();
    for prediction in cases.iter().flat_map(|case| &case.claims) {
        if ledger.find(&prediction.claim).is_none() {
            let message = format!("no claim is named `{}`", prediction.claim);
            let expected = ledger.expected(&prediction.claim);
            let complaint = at_place(&prediction.place, Some(prediction.claim.len()), &message, &expected);
            if !complaints.contains(&complaint) {
                complaints.push(complaint);
            }
        }
    }
    if complaints.is_empty() { Ok(cases) } else { Err(wrong_cases(Diagnostics(complaints))) }
}

/// The variants of the compiled-in case of this id; none where there is no such case.
///
/// For a process that plays one case: it need not read all files.
pub fn load_id(id: &str) -> Result<Vec<Case>, Refusal> {
    let mut files = Vec::new();
    embedded(&EMBEDDED, &mut files);
    files.retain(|(path, _)| path.strip_suffix(".yaml") == Some(id));
    load::catalogue_embedded(&files).map_err(wrong_cases)
}

/// The cases of these files and folders.
pub fn load_paths(paths: &[PathBuf], ledger: &Ledger) -> Result<Vec<Case>, Refusal> {
    let loaded: Result<Vec<_>, _> = paths.iter().map(|path| load::load_path(path)).collect();
    known_claims(loaded.and_then(load::merge).map_err(wrong_cases)?, ledger)
}

/// The cases of the catalogue that the selectors name; all of it without selectors.
pub fn select(cases: Vec<Case>, selectors: &[String], ledger: &Ledger) -> Result<Vec<Case>, Refusal> {
    let mut claims = selectors.iter().filter_map(|selector| select::claim(selector));
    if let Some(claim) = claims.find(|claim| ledger.find(claim).is_none()) {
        let help = Some(ledger.expected(claim));
        return Err(Refusal { help, ..Refusal::usage(format!("no claim is named `{claim}`")) });
    }
    let selected = select::select(cases, selectors).map_err(|error| match error {
        SelectError::Cases(diagnostics) => wrong_cases(diagnostics),
        SelectError::Unknown { .. } | SelectError::Glob { .. } => Refusal {
            help: Some("tcpconform list shows the names; tcpconform run --help says what a selector is".into()),
            ..Refusal::usage(error.to_string())
        },
        SelectError::Nothing { .. } => Refusal { exit: Exit::NothingSelected, what: error.to_string(), help: None },
    });
    // A path may have brought cases from elsewhere.
    known_claims(selected?, ledger)
}

/// The text of a case file as places name it: on disk, or compiled in.
pub fn source(file: &str) -> Option<String> {
    let compiled_in = || EMBEDDED.get_file(file.strip_prefix("cases/")?)?.contents_utf8().map(str::to_string);
    std::fs::read_to_string(file).ok().or_else(compiled_in)
}

/// A complaint at `file:line:column`, with the line where the file can be read; about so many bytes, or the rest of the line.
pub fn at_place(place: &str, length: Option<usize>, message: &str, expected: &str) -> Diagnostic {
    let mut parts = place.rsplitn(3, ':');
    let (column, line, file) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok());
    let found = source(file).zip(number(line)).zip(number(column));
    let Some(((text, line), column)) = found else { return Diagnostic::without_text(place, message, Some(expected)) };
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let of_line = text[start..].lines().next().unwrap_or_default();
    let skipped: usize = of_line.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    let end = length.map_or(of_line.trim_end().len(), |length| skipped + length);
    let span = start + skipped..start + end;
    let source = Arc::new(Source { file: file.to_string(), text });
    Diagnostic::at(&source, span, message, Some(expected))
}

fn embedded<'a>(folder: &'a Dir<'a>, files: &mut Vec<(&'a str, &'a str)>) {
    files.extend(folder.files().filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?))));
    folder.dirs().for_each(|folder| embedded(folder, files));
}

/// The refusal of case files that are wrong.
pub fn wrong_cases(diagnostics: Diagnostics) -> Refusal {
    // Standard error drops the colours where nobody sees them.
    Refusal { exit: Exit::Usage, what: diagnostics.render(true), help: None }
}
