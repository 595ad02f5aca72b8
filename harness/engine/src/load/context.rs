//! What the resolving of one file carries along: its complaints, and the texts of the variant in hand.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::template::{Expanded, expand};
use super::tree::Node;
use crate::diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics, Source};
use crate::notation::NotationError;

/// No step waits longer.
const DURATION_MAX: Duration = Duration::from_secs(20 * 60);
const DURATION_EXPECTED: &str = "a duration above 0 and at most 20m, as in `10ms`, `1.5s` or `2m`";

/// The complaints about one file.
pub(super) struct Complaints<'s> {
    source: &'s Arc<Source>,
    /// Where each line begins: every step of every variant has a place.
    lines: Vec<usize>,
    found: RefCell<Vec<(Range<usize>, Diagnostic)>>,
}

impl<'s> Complaints<'s> {
    pub(super) fn new(source: &'s Arc<Source>) -> Complaints<'s> {
        let breaks = source.text.match_indices('\n').map(|(at, _)| at + 1);
        Complaints { source, lines: [0].into_iter().chain(breaks).collect(), found: RefCell::new(Vec::new()) }
    }

    /// Notes one, once.
    pub(super) fn push(&self, span: Range<usize>, message: &str, expected: &str) {
        let mut found = self.found.borrow_mut();
        if found.len() == DIAGNOSTICS_MAX {
            return;
        }
        let diagnostic = Diagnostic::at(self.source, span.clone(), message, Some(expected));
        if !found.iter().any(|(_, known)| *known == diagnostic) {
            found.push((span, diagnostic));
        }
    }

    /// Whether there is nothing to complain about so far.
    pub(super) fn none(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// `file:line:column`.
    pub(super) fn place(&self, node: &Node) -> String {
        let line = self.lines.partition_point(|start| *start <= node.span.start);
        let column = self.source.text[self.lines[line - 1]..node.span.start].chars().count() + 1;
        format!("{}:{line}:{column}", self.source.file)
    }

    pub(super) fn into_result<T>(self, read: T) -> Result<T, Diagnostics> {
        let mut found = self.found.into_inner();
        if found.is_empty() {
            return Ok(read);
        }
        found.sort_by_key(|(span, _)| span.start);
        Err(super::tidy(found.into_iter().map(|(_, diagnostic)| diagnostic).collect()))
    }
}

/// One value of one axis, chosen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) axis: String,
    pub(super) value: String,
    /// What `${axis}` stands for.
    pub(super) text: String,
    /// Whether the variant's name has it.
    pub(super) named: bool,
}

/// The variant in hand.
pub(super) struct Context<'c, 's> {
    pub(super) complaints: &'c Complaints<'s>,
    pub(super) choices: &'c [Choice],
    /// Axes that a text or a `when` has used, over all variants.
    pub(super) used: &'c RefCell<BTreeSet<String>>,
}

impl Context<'_, '_> {
    pub(super) fn complain(&self, node: &Node, message: &str, expected: &str) {
        self.complaints.push(node.span.clone(), message, expected);
    }

    /// The text with this variant's values put in.
    pub(super) fn expand(&self, node: &Node, text: &str) -> Option<Expanded> {
        match expand(text, self.choices) {
            Ok(expanded) => {
                self.used.borrow_mut().extend(expanded.axes.iter().cloned());
                Some(expanded)
            }
            Err(error) => {
                self.complaints.push(
                    span_of(node, text, error.offset..error.offset + error.len),
                    &error.message,
                    &error.expected,
                );
                None
            }
        }
    }

    /// What `parse` makes of the text; complaints point into it.
    pub(super) fn parse<T>(
        &self,
        node: &Node,
        text: &str,
        parse: impl Fn(&str) -> Result<T, NotationError>,
    ) -> Option<T> {
        let expanded = self.expand(node, text)?;
        match parse(&expanded.text) {
            Ok(value) => Some(value),
            Err(error) => {
                let inside = expanded.to_template(error.offset..error.offset + error.len);
                let message = if expanded.axes.is_empty() {
                    error.message
                } else {
                    format!("{} (in `{}`)", error.message, expanded.text)
                };
                self.complaints.push(span_of(node, text, inside), &message, &error.expected);
                None
            }
        }
    }

    /// A whole number in a range.
    pub(super) fn number(&self, node: &Node, text: &str, min: u64, max: u64, what: &str) -> Option<u64> {
        let expected = format!("{what}, a number from {min} to {max}");
        self.parse(node, text, |text| match text.parse::<u64>() {
            Ok(n) if (min..=max).contains(&n) => Ok(n),
            Ok(_) => Err(whole(text, format!("`{text}` is out of range"), &expected)),
            Err(_) => Err(whole(text, format!("`{text}` is not such a number"), &expected)),
        })
    }

    /// A duration, as in `1.5s`.
    pub(super) fn duration(&self, node: &Node, text: &str) -> Option<Duration> {
        self.parse(node, text, |text| parse_duration(text).map_err(|message| whole(text, message, DURATION_EXPECTED)))
    }
}

/// A complaint about all of a text.
pub(super) fn whole(text: &str, message: String, expected: &str) -> NotationError {
    NotationError { offset: 0, len: text.len(), message, expected: expected.to_string() }
}

/// The bytes of a part of a scalar whose text serde gave; the whole scalar where serde spelled it otherwise.
fn span_of(node: &Node, text: &str, part: Range<usize>) -> Range<usize> {
    if node.text() == Some(text) { node.inside(part) } else { node.span.clone() }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let number_len = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let nanos_per_unit = match unit.trim_start() {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        _ if number.is_empty() => return Err(format!("`{text}` is not a duration")),
        "" => return Err(format!("`{text}` has no unit")),
        other => return Err(format!("`{other}` is not a unit")),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|c| c.is_ascii_digit());
    if !digits(whole) || (number.contains('.') && !digits(fraction)) {
        return Err(format!("`{number}` is not a number"));
    }
    let value = |part: &str| part.parse::<u64>().unwrap_or(0);
    let fraction_scale = 10u64.pow(fraction.len() as u32);
    let nanos = u128::from(value(whole)) * nanos_per_unit
        + u128::from(value(fraction)) * nanos_per_unit / u128::from(fraction_scale);
    let duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    if duration.is_zero() || duration > DURATION_MAX {
        return Err(format!("`{text}` is out of range"));
    }
    Ok(duration)
}
