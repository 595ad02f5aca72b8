//! Folders of cases: which files are cases, and what their ids are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{LEDGER, load, load_text, load_wanted, read_limited, tidy};
use crate::case::Case;
use crate::diagnostic::{Diagnostic, Diagnostics};

/// The folder that ids count from, and what places of compiled-in cases are shown under.
const ROOT_NAME: &str = "cases";
/// Deeper folders are refused.
const DEPTH_MAX: usize = 8;

/// All cases below a folder, sorted by id, the variants of each in its file's order.
pub fn catalogue(root: &Path) -> Result<Vec<Case>, Diagnostics> {
    let mut files = Vec::new();
    let mut complaints = Vec::new();
    walk(root, root, 0, &mut files, &mut complaints);
    let mut cases = Vec::new();
    for path in files {
        let file = path.display().to_string();
        let loaded = read_limited(&path)
            .map_err(|error| unreadable(&file, &error).into())
            .and_then(|bytes| load_text(&case_id(&path, Some(root)), &file, &bytes));
        collect(loaded, &mut cases, &mut complaints);
    }
    finish(cases, complaints)
}

/// The same of files compiled in: each with its path below the root, and its bytes.
pub fn catalogue_embedded<P: AsRef<str>, B: AsRef<[u8]>>(files: &[(P, B)]) -> Result<Vec<Case>, Diagnostics> {
    embedded(files, None)
}

/// Those variants of files already found good whose names are wanted.
pub fn some_embedded<P: AsRef<str>, B: AsRef<[u8]>>(
    files: &[(P, B)],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Case>, Diagnostics> {
    embedded(files, Some(wanted))
}

fn embedded<P: AsRef<str>, B: AsRef<[u8]>>(
    files: &[(P, B)],
    wanted: Option<&dyn Fn(&str) -> bool>,
) -> Result<Vec<Case>, Diagnostics> {
    let (mut cases, mut complaints) = (Vec::new(), Vec::new());
    for (path, bytes) in files {
        let path = path.as_ref();
        if !path.ends_with(".yaml") || path == LEDGER {
            continue;
        }
        let id = path.trim_end_matches(".yaml");
        let file = format!("{ROOT_NAME}/{path}");
        let loaded = check_id(id, &file).and_then(|()| load_wanted(id, &file, bytes.as_ref(), wanted));
        collect(loaded, &mut cases, &mut complaints);
    }
    finish(cases, complaints)
}

/// Joins catalogues. A file that stands in both counts once; an id that two files have is a complaint.
pub fn merge(catalogues: impl IntoIterator<Item = Vec<Case>>) -> Result<Vec<Case>, Diagnostics> {
    let mut known: BTreeMap<String, Case> = BTreeMap::new();
    let (mut cases, mut complaints) = (Vec::new(), Vec::new());
    for case in catalogues.into_iter().flatten() {
        match known.get(&case.name()) {
            None => {
                known.insert(case.name(), case.clone());
                cases.push(case);
            }
            Some(first) if same_file(first.file(), case.file()) || same_content(first, &case) => {}
            Some(first) => {
                let message = format!("id `{}` is taken by {}", case.id, first.file());
                let complaint = Diagnostic::without_text(case.file(), &message, Some("one file for each id"));
                if !complaints.contains(&complaint) {
                    complaints.push(complaint);
                }
            }
        }
    }
    finish(cases, complaints)
}

/// The id of a case file: its path below `root`, or below the last folder named `cases`, else its name.
pub fn case_id(path: &Path, root: Option<&Path>) -> String {
    let below = root.and_then(|root| path.strip_prefix(root).ok());
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let from_cases = || {
        let parts: Vec<Component<'_>> = absolute.components().collect();
        let at = parts.iter().rposition(|part| part.as_os_str() == ROOT_NAME)?;
        (at + 1 < parts.len()).then(|| parts[at + 1..].iter().collect::<PathBuf>())
    };
    let relative = from_cases()
        .or_else(|| below.map(Path::to_path_buf))
        .or_else(|| path.file_name().map(PathBuf::from))
        .unwrap_or_default();
    relative.with_extension("").display().to_string()
}

impl Case {
    /// The file that the case stands in, as its places show it.
    pub fn file(&self) -> &str {
        let place = self.steps.first().map_or("", |step| step.place.as_str());
        place.rsplitn(3, ':').last().unwrap_or(place)
    }
}

fn walk(root: &Path, folder: &Path, depth: usize, files: &mut Vec<PathBuf>, complaints: &mut Vec<Diagnostic>) {
    let shown = folder.display().to_string();
    if depth > DEPTH_MAX {
        complaints.push(Diagnostic::without_text(
            &shown,
            "folders nested too deep",
            Some(&format!("at most {DEPTH_MAX}")),
        ));
        return;
    }
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut paths: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => return complaints.push(unreadable(&shown, &error)),
    };
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("").to_string();
        let file = path.display().to_string();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, depth + 1, files, complaints);
        } else if name.ends_with(".yml") {
            complaints.push(Diagnostic::without_text(
                &file,
                "a case file that would not be found",
                Some("the ending `.yaml`"),
            ));
        } else if name.ends_with(".yaml") && !(folder == root && name == LEDGER) {
            match check_id(&case_id(&path, Some(root)), &file) {
                Ok(()) => files.push(path),
                Err(diagnostics) => complaints.extend(diagnostics.0),
            }
        }
    }
}

/// An id must not look like a selector, nor `id@variant,variant`.
fn check_id(id: &str, file: &str) -> Result<(), Diagnostics> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if !id.is_empty() && id.chars().all(fits) {
        return Ok(());
    }
    let message = format!("`{id}` cannot be a case id");
    Err(Diagnostic::without_text(file, &message, Some("letters, digits, `-`, `_` and `.` in the file's path")).into())
}

fn collect(loaded: Result<Vec<Case>, Diagnostics>, cases: &mut Vec<Case>, complaints: &mut Vec<Diagnostic>) {
    match loaded {
        Ok(loaded) => cases.extend(loaded),
        Err(diagnostics) => complaints.extend(diagnostics.0),
    }
}

fn finish(mut cases: Vec<Case>, complaints: Vec<Diagnostic>) -> Result<Vec<Case>, Diagnostics> {
    if !complaints.is_empty() {
        return Err(tidy(complaints));
    }
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(cases)
}

fn unreadable(file: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::without_text(file, &format!("cannot be read: {error}"), None)
}

fn same_file(one: &str, other: &str) -> bool {
    one == other || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(a), Ok(b)) if a == b)
}

/// The same but for where it stands, as a compiled-in case and its file.
fn same_content(one: &Case, other: &Case) -> bool {
    let bare = |case: &Case| {
        let mut case = case.clone();
        for step in &mut case.steps {
            step.place.clear();
        }
        for claim in &mut case.claims {
            claim.place.clear();
            claim.predicts.iter_mut().for_each(|predicted| predicted.place.clear());
        }
        case
    };
    bare(one) == bare(other)
}

/// A file, or all files of a folder.
pub fn load_path(path: &Path) -> Result<Vec<Case>, Diagnostics> {
    if path.is_dir() { catalogue(path) } else { load(path) }
}
