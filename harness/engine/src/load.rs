//! Reads case files: from YAML to resolved [`Case`]s, or to complaints with places.
//!
//! Owns the case language in four layers: `tree` (YAML syntax with places, and what YAML offers that cases must not use),
//! `shape` (keys and types, by serde), `axes` (variants), `resolve` (names, numbers, texts, order of steps). Refuses to
//! know how a case is played and what TCP does.

mod axes;
mod catalogue;
mod cites;
mod consistency;
mod context;
mod ledger;
mod predictions;
mod raw;
mod resolve;
mod schema;
mod shape;
mod steps;
mod sysctl;
mod template;
mod tree;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::case::Case;
use crate::diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics, Source};
use context::Complaints;

pub use catalogue::{case_id, catalogue, catalogue_embedded, load_path, merge, some_embedded};
pub use ledger::{LEDGER, ledger};
pub(crate) use resolve::{MTU_DEFAULT, peer_default};
pub use schema::schema;
pub(crate) use steps::WITHIN_DEFAULT;

/// A larger file is refused before it is looked at.
pub const FILE_MAX: u64 = 1 << 20;

/// The case of one file, in all its variants; its id is [`case_id`] of the path.
pub fn load(path: &Path) -> Result<Vec<Case>, Diagnostics> {
    let file = path.display().to_string();
    let bytes = read_limited(path).map_err(|error| {
        Diagnostics::from(Diagnostic::without_text(&file, &format!("cannot be read: {error}"), Some("a case file")))
    })?;
    load_text(&case_id(path, None), &file, &bytes)
}

/// The case of one file's bytes, in all its variants; `file` is what places are shown with.
pub fn load_text(id: &str, file: &str, bytes: &[u8]) -> Result<Vec<Case>, Diagnostics> {
    load_wanted(id, file, bytes, None)
}

/// The same, or only the variants whose names are wanted.
fn load_wanted(
    id: &str,
    file: &str,
    bytes: &[u8],
    wanted: Option<&dyn Fn(&str) -> bool>,
) -> Result<Vec<Case>, Diagnostics> {
    let source = read_text(file, bytes)?;
    let tree = tree::parse(&source, &CASE)?;
    let raw = shape::read(&source, &tree, &CASE)?;
    let mut complaints = Complaints::new(&source);
    let cases = resolve::resolve(id, &raw, &tree, &mut complaints, wanted);
    complaints.into_result(cases)
}

/// What a kind of file is and holds, in words.
struct Form {
    /// As in "a case".
    is: &'static str,
    /// Its keys.
    keys: &'static str,
    /// How many of it.
    one: &'static str,
}

const CASE: Form = Form { is: "a case", keys: "purpose, cites, steps", one: "one case in one file" };

/// The bytes as a text that can be shown.
fn read_text(file: &str, bytes: &[u8]) -> Result<Arc<Source>, Diagnostics> {
    if bytes.len() as u64 > FILE_MAX {
        let message = "the file is too large";
        return Err(Diagnostic::without_text(file, message, Some(&format!("at most {FILE_MAX} bytes"))).into());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(file, bytes, error.valid_up_to()))?;
    let source = Arc::new(Source { file: file.to_string(), text: text.to_string() });
    if let Some((at, c)) = source.text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        let message = format!("control character U+{:04X}", u32::from(c));
        return Err(Diagnostic::at(&source, at..at + c.len_utf8(), &message, Some("plain text")).into());
    }
    Ok(source)
}

/// At most one byte more than allowed is read, however large the file is.
fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::Error::from(std::io::ErrorKind::IsADirectory));
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn not_utf8(file: &str, bytes: &[u8], valid: usize) -> Diagnostics {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let good = Source { file: file.to_string(), text: before.into_owned() };
    let message = format!("byte {:#04x} is not UTF-8", bytes[valid]);
    Diagnostic::without_text(&good.place(valid), &message, Some("text in UTF-8")).into()
}

/// Sorted by place, none twice, not more than anybody reads.
fn tidy(mut diagnostics: Vec<Diagnostic>) -> Diagnostics {
    diagnostics.truncate(DIAGNOSTICS_MAX);
    Diagnostics(diagnostics)
}
