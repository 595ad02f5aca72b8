//! `${axis}` in a text.

use std::ops::Range;

use super::context::Choice;
use crate::diagnostic::one_of;
use crate::notation::NotationError;

/// A text with the values put in, and where each part came from.
pub(super) struct Expanded {
    pub(super) text: String,
    /// The axes used.
    pub(super) axes: Vec<String>,
    pieces: Vec<Piece>,
}

struct Piece {
    text: Range<usize>,
    template: Range<usize>,
    literal: bool,
}

impl Expanded {
    /// The part of the template that made this part of the text; of a value put in, the whole `${axis}`.
    pub(super) fn to_template(&self, part: Range<usize>) -> Range<usize> {
        let Some(first) = self.pieces.iter().find(|piece| piece.text.end > part.start).or(self.pieces.last()) else {
            return 0..0;
        };
        if !first.literal {
            return first.template.clone();
        }
        let start = first.template.start + part.start.saturating_sub(first.text.start);
        let end = start + part.len();
        start.min(first.template.end)..end.min(first.template.end)
    }
}

/// Puts the values of this variant into a text.
pub(super) fn expand(template: &str, choices: &[Choice]) -> Result<Expanded, NotationError> {
    let mut expanded = Expanded { text: String::new(), axes: Vec::new(), pieces: Vec::new() };
    let mut at = 0;
    while let Some(found) = template[at..].find("${") {
        let start = at + found;
        expanded.push(&template[at..start], at..start, true);
        let Some(len) = template[start..].find('}') else {
            return Err(NotationError {
                offset: start,
                len: template.len() - start,
                message: "`${` without `}`".into(),
                expected: "`${axis}`".into(),
            });
        };
        let name = &template[start + 2..start + len];
        let Some(choice) = choices.iter().find(|choice| choice.axis == name) else {
            let names: Vec<&str> = choices.iter().map(|choice| choice.axis.as_str()).collect();
            return Err(NotationError {
                offset: start,
                len: len + 1,
                message: format!("no axis is named `{name}`"),
                expected: format!("an axis of `variants`: {}", one_of(name, names)),
            });
        };
        at = start + len + 1;
        expanded.push(&choice.text, start..at, false);
        expanded.axes.push(name.to_string());
    }
    expanded.push(&template[at..], at..template.len(), true);
    Ok(expanded)
}

impl Expanded {
    fn push(&mut self, text: &str, template: Range<usize>, literal: bool) {
        let start = self.text.len();
        self.text.push_str(text);
        self.pieces.push(Piece { text: start..self.text.len(), template, literal });
    }
}
