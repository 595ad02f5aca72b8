//! Keys and types: serde reads the document, and what it does not like is shown where it stands.

use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment, Track};
use serde_yaml::Value;

use super::Form;
use super::tree::{Node, NodeKind};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, one_of};

/// Reads the document's keys and types; stops at the first that is wrong.
pub(super) fn read<T: DeserializeOwned>(source: &Arc<Source>, tree: &Node, form: &Form) -> Result<T, Diagnostics> {
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value(tree), &mut track);
    serde_yaml::with::singleton_map_recursive::deserialize(tracked).map_err(|error| {
        let fault = Fault::of(&error.to_string());
        let (span, depth) = place(tree, &track.path(), &fault);
        let expected = fault.expected.or_else(|| (depth == 0).then(|| format!("{}: {}", form.is, form.keys)));
        Diagnostic::at(source, span, &fault.message, expected.as_deref()).into()
    })
}

/// The node as serde reads it: the document is parsed once.
fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar { text, plain, .. } => match *plain && is_typed(text) {
            // One way to tell `1e3` from a word.
            true => serde_yaml::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
            false => Value::String(text.clone()),
        },
        NodeKind::Sequence(items) => Value::Sequence(items.iter().map(value).collect()),
        NodeKind::Mapping(entries) => Value::Mapping(entries.iter().map(|(k, v)| (value(k), value(v))).collect()),
    }
}

/// Whether a plain scalar can be something else than a text: a number, or true or false.
fn is_typed(text: &str) -> bool {
    let is_of_number =
        |c: char| c.is_ascii_hexdigit() || matches!(c, '+' | '-' | '.' | '_' | 'x' | 'o' | 'i' | 'n' | 'I' | 'N');
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    (starts && text.chars().all(is_of_number)) || matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// What serde said, taken apart.
struct Fault {
    message: String,
    expected: Option<String>,
    /// The key that is wrong, where it is a key.
    key: Option<String>,
}

impl Fault {
    fn of(said: &str) -> Fault {
        let (what, expected) = match said.split_once(", expected ") {
            Some((what, expected)) => (what, Some(expected)),
            None => (said, None),
        };
        if let Some(name) = quoted(what, "unknown field ") {
            return Fault {
                message: format!("unknown key `{name}`"),
                expected: named(name, expected),
                key: Some(name.into()),
            };
        }
        if let Some(name) = quoted(what, "unknown variant ") {
            let what = if said.contains("`establish`") { "step" } else { "damage" };
            return Fault {
                message: format!("unknown {what} `{name}`"),
                expected: named(name, expected),
                key: Some(name.into()),
            };
        }
        if let Some(name) = quoted(what, "missing field ") {
            return Fault {
                message: format!("`{name}` is missing"),
                expected: Some(format!("`{name}: ...` here")),
                key: None,
            };
        }
        if let Some(found) = what.strip_prefix("invalid type: ").or_else(|| what.strip_prefix("invalid value: ")) {
            let one_key = expected.is_some_and(|e| e.contains("single key"));
            let expected = if one_key {
                Some(
                    "one key; more keys of a step are indented below it, as in `expect: {segment: ..., within: 3s}`"
                        .to_string(),
                )
            } else {
                expected.map(plain)
            };
            return Fault { message: format!("found {}", plain(found)), expected, key: None };
        }
        Fault { message: plain(what), expected: expected.map(plain), key: None }
    }
}

/// The name in backquotes behind `lead`.
fn quoted<'a>(text: &'a str, lead: &str) -> Option<&'a str> {
    text.strip_prefix(lead)?.strip_prefix('`')?.split_once('`').map(|(name, _)| name)
}

/// The names that serde lists, with the near one.
fn named(wrong: &str, expected: Option<&str>) -> Option<String> {
    let names: Vec<&str> = expected?.split('`').skip(1).step_by(2).collect();
    Some(one_of(wrong, names))
}

/// Serde's words in those of YAML.
fn plain(text: &str) -> String {
    match text {
        "sequence" | "a sequence" => "a list".into(),
        "map" | "a map" => "a mapping".into(),
        "unit value" | "unit variant" | "unit" => "no value".into(),
        "newtype variant" => "a value".into(),
        _ => match text.split_once(' ') {
            Some(("string", quoted)) => format!("the text {quoted}"),
            Some(("integer" | "boolean", quoted)) => quoted.to_string(),
            Some(_) | None => text.to_string(),
        },
    }
}

/// The bytes at fault, and how deep they stand.
fn place(tree: &Node, path: &Path, fault: &Fault) -> (Range<usize>, usize) {
    let mut node = tree;
    let mut depth = 0;
    for segment in path.iter() {
        let next = match segment {
            Segment::Seq { index } => node.item(*index),
            Segment::Map { key } => match node.entry(key) {
                Some((key_node, _)) if fault.key.as_deref() == Some(key) => return (key_node.span.clone(), depth + 1),
                Some((_, value)) => value,
                None => node,
            },
            Segment::Enum { variant } => node.get(variant),
            Segment::Unknown => node,
        };
        if !std::ptr::eq(next, node) {
            depth += 1;
        }
        node = next;
    }
    if let Some((key_node, _)) = fault.key.as_deref().and_then(|key| node.entry(key)) {
        return (key_node.span.clone(), depth);
    }
    match &node.kind {
        // Of a mapping with keys too many, the second is the likely intruder.
        NodeKind::Mapping(entries)
            if entries.len() > 1 && fault.expected.as_ref().is_some_and(|e| e.starts_with("one key")) =>
        {
            (entries[1].0.span.clone(), depth)
        }
        NodeKind::Mapping(_) | NodeKind::Scalar { .. } | NodeKind::Sequence(_) => (node.span.clone(), depth),
    }
}
