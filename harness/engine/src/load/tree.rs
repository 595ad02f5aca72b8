//! YAML syntax: one document as a tree whose every node knows its bytes, and the refusal of what cases must not use.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::Form;
use crate::diagnostic::{Diagnostic, Diagnostics, Source};

/// Deeper nesting is refused.
const DEPTH_MAX: usize = 32;

const ALIAS_EXPECTED: &str = "a plain value; a text that starts with `*` in quotes";

/// A node of the document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Its bytes in the source; for a block mapping or sequence, its first byte only.
    pub(super) span: Range<usize>,
    pub(super) kind: NodeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeKind {
    Scalar {
        text: String,
        /// Neither in quotes nor a block: it may be a number or a truth value.
        plain: bool,
        /// Where `text` stands in the source letter by letter; `None` when it is escaped or folded.
        verbatim: Option<usize>,
    },
    Sequence(Vec<Node>),
    /// Keys and values.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The value under this key; the node itself when there is none, as where a short form leaves the key out.
    pub(super) fn get(&self, key: &str) -> &Node {
        self.entry(key).map_or(self, |(_, value)| value)
    }

    /// Key and value.
    pub(super) fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        match &self.kind {
            NodeKind::Mapping(entries) => {
                entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(key, value)| (key, value))
            }
            NodeKind::Scalar { .. } | NodeKind::Sequence(_) => None,
        }
    }

    /// The element; the node itself when there is none.
    pub(super) fn item(&self, index: usize) -> &Node {
        match &self.kind {
            NodeKind::Sequence(items) => items.get(index).unwrap_or(self),
            NodeKind::Scalar { .. } | NodeKind::Mapping(_) => self,
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
        }
    }

    /// The bytes of a part of the scalar's text; all of it when its letters are not those of the source.
    pub(super) fn inside(&self, part: Range<usize>) -> Range<usize> {
        match &self.kind {
            NodeKind::Scalar { verbatim: Some(start), .. } => start + part.start..start + part.end,
            NodeKind::Scalar { .. } | NodeKind::Sequence(_) | NodeKind::Mapping(_) => self.span.clone(),
        }
    }
}

/// Parses the text of a file of this form.
pub(super) fn parse(source: &Arc<Source>, form: &Form) -> Result<Node, Diagnostics> {
    let parser = Parser::new_from_str(&source.text);
    let mut reader = Reader { source, form, parser, bytes: char_offsets(&source.text) };
    reader.document().map_err(Diagnostics::from)
}

/// Byte offset of each character; empty where every character is one byte.
fn char_offsets(text: &str) -> Vec<usize> {
    if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() }
}

struct Reader<'s> {
    source: &'s Arc<Source>,
    form: &'s Form,
    parser: Parser<'s, StrInput<'s>>,
    bytes: Vec<usize>,
}

impl<'s> Reader<'s> {
    fn document(&mut self) -> Result<Node, Diagnostic> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => {
                    return Err(self.empty());
                }
                (Event::Scalar(text, ScalarStyle::Plain, 0, None), _) if matches!(&*text, "" | "~") => {
                    return Err(self.empty());
                }
                (first, span) => {
                    let root = self.node(first, span, 0)?;
                    self.end_of_document()?;
                    return self.not_empty(root);
                }
            }
        }
    }

    fn empty(&self) -> Diagnostic {
        self.complain(0..0, "the file is empty", &format!("{}: {}", self.form.is, self.form.keys))
    }

    fn not_empty(&self, root: Node) -> Result<Node, Diagnostic> {
        match &root.kind {
            NodeKind::Mapping(_) => Ok(root),
            NodeKind::Scalar { .. } | NodeKind::Sequence(_) => {
                let message = format!("this is not {}", self.form.is);
                Err(self.complain(root.span, &message, &format!("a mapping: {}", self.form.keys)))
            }
        }
    }

    fn end_of_document(&mut self) -> Result<(), Diagnostic> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), span) => {
                    let span = self.range(span);
                    return Err(self.complain(span, "a second document", self.form.one));
                }
                (_, _) => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'s>, Span), Diagnostic> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        let range = self.range(span);
        if depth > DEPTH_MAX {
            return Err(self.complain(range, "nested too deep", &format!("at most {DEPTH_MAX} levels")));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain(anchor, tag.is_some(), &range)?;
                self.scalar(&text, style, range)
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain(anchor, tag.is_some(), &range)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Node { span: range, kind: NodeKind::Sequence(items) }),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.plain(anchor, tag.is_some(), &range)?;
                self.mapping(range, depth)
            }
            Event::Alias(_) => Err(self.complain(range, "an alias", ALIAS_EXPECTED)),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(self.complain(range, "the document ends too early", "a value")),
        }
    }

    fn mapping(&mut self, range: Range<usize>, depth: usize) -> Result<Node, Diagnostic> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                let flow = self.source.text[range.start..].starts_with('{');
                let start = if flow { range } else { entries.first().map_or(range, |(key, _)| key.span.clone()) };
                return Ok(Node { span: start, kind: NodeKind::Mapping(entries) });
            }
            let key = self.node(event, span, depth + 1)?;
            match key.text() {
                None => return Err(self.complain(key.span, "a key that is not a name", "a name")),
                Some("<<") => return Err(self.complain(key.span, "a merge key", "the keys themselves")),
                Some(name) => {
                    if let Some(first) = lines.insert(name.to_string(), key.span.start) {
                        let line = self.source.line_and_column(first).0;
                        let message = format!("key `{name}` given twice; it stands in line {line} already");
                        return Err(self.complain(key.span.clone(), &message, "each key once"));
                    }
                }
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            entries.push((key, value));
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, range: Range<usize>) -> Result<Node, Diagnostic> {
        if style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Err(self.complain(range, "there is no value", "a value, or not the key either"));
        }
        let quote = match style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => 0,
        };
        let start = range.start + quote;
        let verbatim = self.source.text.get(start..).filter(|rest| rest.starts_with(text)).map(|_| start);
        let span = match verbatim {
            Some(start) => range.start..start + text.len() + quote,
            None => range,
        };
        Ok(Node {
            span,
            kind: NodeKind::Scalar { text: text.to_string(), plain: style == ScalarStyle::Plain, verbatim },
        })
    }

    /// No anchor, no tag.
    fn plain(&self, anchor: usize, tag: bool, range: &Range<usize>) -> Result<(), Diagnostic> {
        if anchor != 0 {
            let span = self.mark_before('&', range);
            return Err(self.complain(span, "an anchor", "a plain value; a text that starts with `&` in quotes"));
        }
        if tag {
            let span = self.mark_before('!', range);
            return Err(self.complain(span, "a tag", "a plain value; a text that starts with `!` in quotes"));
        }
        Ok(())
    }

    /// The word before a node that starts with this mark.
    fn mark_before(&self, mark: char, range: &Range<usize>) -> Range<usize> {
        let before = self.source.text[..range.start].trim_end();
        let word = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        match before[word..].find(mark) {
            Some(at) => word + at..before.len(),
            None => range.clone(),
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let at = self.byte(error.marker().index());
        let line_start = self.source.text[..at].rfind('\n').map_or(0, |n| n + 1);
        let line = self.source.text[line_start..].lines().next().unwrap_or("");
        let indentation = line.len() - line.trim_start().len();
        if let Some(tab) = line[..indentation].find('\t') {
            let tab = line_start + tab;
            return self.complain(tab..tab + 1, "a tab in the indentation", "spaces");
        }
        if self.source.text[at..].starts_with('*') {
            return self.complain(at..at + 1, "an alias", ALIAS_EXPECTED);
        }
        self.complain(
            at..at,
            &format!("not YAML: {}", error.info()),
            "YAML, with text quoted where it has `: `, `#` or starts with a special character",
        )
    }

    fn complain(&self, span: Range<usize>, message: &str, expected: &str) -> Diagnostic {
        Diagnostic::at(self.source, span, message, Some(expected))
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.byte(span.start.index())..self.byte(span.end.index())
    }

    fn byte(&self, index: usize) -> usize {
        let end = self.source.text.len();
        if self.bytes.is_empty() { index.min(end) } else { self.bytes.get(index).copied().unwrap_or(end) }
    }
}
