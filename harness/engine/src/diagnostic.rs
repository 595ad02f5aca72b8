//! What a wrong case file gets: a place, a caret, what was expected there.
//!
//! Owns the form of a complaint. Refuses to know what is wrong in a case.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::printable::printable;

/// At most so many are kept of one file; whoever mends these runs the check again.
pub const DIAGNOSTICS_MAX: usize = 50;
/// A longer line is not shown.
const LINE_MAX: usize = 400;

/// The text of a file, with its name as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name, as in `cases/time-wait/rst.yaml`.
    pub file: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Line and column of a byte offset, both from 1, the column in characters.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// `file:line:column` of a byte offset.
    pub fn place(&self, offset: usize) -> String {
        let (line, column) = self.line_and_column(offset);
        format!("{}:{line}:{column}", self.file)
    }
}

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `file:line:column`, or the file alone when it could not be read.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What was expected there.
    pub expected: Option<String>,
    /// Bytes of the source that are wrong.
    at: Option<(Arc<Source>, Range<usize>)>,
}

impl Diagnostic {
    /// A complaint about bytes of a text.
    pub fn at(source: &Arc<Source>, span: Range<usize>, message: &str, expected: Option<&str>) -> Diagnostic {
        let start = source.text.floor_char_boundary(span.start);
        let end = source.text.ceil_char_boundary(span.end).max(start);
        Diagnostic {
            place: source.place(start),
            message: printable(message).into_owned(),
            expected: expected.map(|text| printable(text).into_owned()),
            at: Some((Arc::clone(source), start..end)),
        }
    }

    /// A complaint about a place whose text cannot be shown.
    pub fn without_text(place: &str, message: &str, expected: Option<&str>) -> Diagnostic {
        Diagnostic {
            place: printable(place).into_owned(),
            message: printable(message).into_owned(),
            expected: expected.map(|text| printable(text).into_owned()),
            at: None,
        }
    }

    /// The complaint in lines: place and message, the source line with a caret, what was expected.
    pub fn render(&self, colour: bool) -> String {
        let head = format!("{}: {}", self.place, self.message);
        let snippet = self.at.as_ref().and_then(|(source, span)| self.snippet(source, span, colour));
        match (snippet, &self.expected) {
            (Some(snippet), _) => format!("{head}\n{snippet}\n"),
            (None, Some(expected)) => format!("{head}\n  expected {expected}\n"),
            (None, None) => format!("{head}\n"),
        }
    }

    fn snippet(&self, source: &Source, span: &Range<usize>, colour: bool) -> Option<String> {
        let text = source.text.as_str();
        let line_start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        if line.len() > LINE_MAX {
            return None;
        }
        let start = (span.start - line_start).min(line.len());
        let end = (span.end - line_start).min(line.len()).max(start);
        let annotation =
            AnnotationKind::Primary.span(start..end).label(self.expected.as_ref().map(|e| format!("expected {e}")));
        let snippet = Snippet::source(line).line_start(source.line_and_column(span.start).0).annotation(annotation);
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        Some(renderer.term_width(LINE_MAX * 2).render(&[Group::with_level(Level::ERROR).element(snippet)]))
    }
}

/// The complaints about one or more files, in the order of their places; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// All complaints as [`Diagnostic::render`] shows them.
    pub fn render(&self, colour: bool) -> String {
        self.0.iter().map(|diagnostic| diagnostic.render(colour)).collect::<Vec<_>>().join("\n")
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics(vec![diagnostic])
    }
}

/// Without colour.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// `a, b or c`, with `did you mean` when `wrong` is near one.
pub fn one_of<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str> + Clone) -> String {
    let list: Vec<&str> = names.clone().into_iter().collect();
    let all = match list.split_last() {
        Some((last, [])) => (*last).to_string(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_string(),
    };
    match nearest(wrong, names) {
        Some(near) => format!("{all}; did you mean `{near}`?"),
        None => all,
    }
}

/// The name of `names` that `wrong` was probably meant to be; `None` when none is near.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names.into_iter().filter_map(|name| Some((nearness(wrong, name)?, name))).min().map(|(_, name)| name)
}

/// How many edits away the name is; `None` when it is not near.
pub(crate) fn nearness(wrong: &str, name: &str) -> Option<usize> {
    let limit = match wrong.chars().count() {
        0..3 => 0,
        length => length.div_ceil(3).min(4),
    };
    Some(distance(wrong, name)).filter(|edits| *edits <= limit)
}

/// Edits (insert, delete, change, swap of neighbours) between two names; case and `-`, `_`, `.` count for nothing, and
/// the rest of a name that was begun counts one.
fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| -> Vec<char> {
        text.chars().take(64).filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
    };
    let (a, b) = (plain(a), plain(b));
    if a.len() >= 4 && b.len() > a.len() && b.starts_with(&a) {
        return 1;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("rcv.next", ["snd.nxt", "rcv.nxt", "rcv.wnd"]), Some("rcv.nxt"));
        assert_eq!(nearest("FIN_WAIT_2", ["FIN-WAIT-1", "FIN-WAIT-2"]), Some("FIN-WAIT-2"));
        assert_eq!(nearest("tcp_fin", ["tcp_ecn", "tcp_fin_timeout"]), Some("tcp_fin_timeout"));
        assert_eq!(nearest("c", ["a", "b"]), None);
        assert_eq!(nearest("banana", ["close", "shutdown"]), None);
    }
}
