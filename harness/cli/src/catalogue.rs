//! The case files: those compiled into the program, or those of a folder; and what the selectors name of them.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use tcpconform_engine::case::Case;
use tcpconform_engine::diagnostic::Diagnostics;
use tcpconform_engine::load;
use tcpconform_engine::select::{self, SelectError};

use crate::exit::{Exit, Refusal};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../cases");

/// All cases of the folder, or of the catalogue that is compiled in.
pub fn load(folder: Option<&Path>) -> Result<Vec<Case>, Refusal> {
    match folder {
        Some(folder) => load::catalogue(folder),
        None => {
            let mut files = Vec::new();
            embedded(&EMBEDDED, &mut files);
            load::catalogue_embedded(&files)
        }
    }
    .map_err(wrong_cases)
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
pub fn load_paths(paths: &[PathBuf]) -> Result<Vec<Case>, Refusal> {
    let loaded: Result<Vec<_>, _> = paths.iter().map(|path| load::load_path(path)).collect();
    loaded.and_then(load::merge).map_err(wrong_cases)
}

/// The cases of the catalogue that the selectors name; all of it without selectors.
pub fn select(cases: &[Case], selectors: &[String]) -> Result<Vec<Case>, Refusal> {
    select::select(cases, selectors).map_err(|error| match error {
        SelectError::Cases(diagnostics) => wrong_cases(diagnostics),
        SelectError::Unknown { .. } | SelectError::Glob { .. } => Refusal {
            help: Some("tcpconform list shows the names; tcpconform run --help says what a selector is".into()),
            ..Refusal::usage(error.to_string())
        },
        SelectError::Nothing { .. } => Refusal { exit: Exit::NothingSelected, what: error.to_string(), help: None },
    })
}

/// The text of a case file as places name it: on disk, or compiled in.
pub fn source(file: &str) -> Option<String> {
    let compiled_in = || EMBEDDED.get_file(file.strip_prefix("cases/")?)?.contents_utf8().map(str::to_string);
    std::fs::read_to_string(file).ok().or_else(compiled_in)
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
