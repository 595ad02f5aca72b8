//! The reader that all notations share: a cursor over one line of text, and what it says when it does not like it.

use thiserror::Error;

use crate::diagnostic::one_of;

/// What is wrong in a text, where, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset}: {message}; expected {expected}")]
pub struct NotationError {
    /// Byte offset inside the text.
    pub offset: usize,
    /// How many bytes are wrong; 0 at the end of the text.
    pub len: usize,
    /// What is wrong, one clause.
    pub message: String,
    /// What was expected there.
    pub expected: String,
}

/// A cursor over one line of text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, pos: 0 }
    }

    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    pub(super) fn skip_spaces(&mut self) {
        self.pos += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    /// The next character after spaces, not taken.
    pub(super) fn peek(&mut self) -> Option<char> {
        self.skip_spaces();
        self.rest().chars().next()
    }

    /// Takes `c` after spaces if it is next.
    pub(super) fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.pos += c.len_utf8();
        }
        found
    }

    /// Takes `c` after spaces or complains.
    pub(super) fn need(&mut self, c: char, expected: &str) -> Result<(), NotationError> {
        if self.take(c) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Takes the characters that fit, after spaces; empty when none does.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> (usize, &'a str) {
        self.skip_spaces();
        let (start, rest) = (self.pos, self.rest());
        let word = &rest[..rest.find(|c| !fits(c)).unwrap_or(rest.len())];
        self.pos += word.len();
        (start, word)
    }

    /// Takes a name: letters, digits, `_` and `.`.
    pub(super) fn word(&mut self) -> (usize, &'a str) {
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    }

    /// The next name, not taken.
    pub(super) fn peek_word(&mut self) -> &'a str {
        let start = self.pos;
        let (_, word) = self.word();
        self.pos = start;
        word
    }

    /// Takes a decimal number between `min` and `max`.
    pub(super) fn number(&mut self, min: u64, max: u64, what: &str) -> Result<u64, NotationError> {
        let (start, digits) = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let expected = || format!("{what}, a number from {min} to {max}");
        if digits.is_empty() {
            return Err(self.unexpected(&expected()));
        }
        if !digits.bytes().all(|c| c.is_ascii_digit()) {
            return Err(wrong(start, digits, format!("`{digits}` is not a number"), expected()));
        }
        match digits.parse::<u64>() {
            Ok(n) if (min..=max).contains(&n) => Ok(n),
            Ok(_) | Err(_) => Err(wrong(start, digits, format!("`{digits}` is out of range"), expected())),
        }
    }

    /// Nothing may follow.
    pub(super) fn finish(&mut self, expected: &str) -> Result<(), NotationError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// The complaint about whatever is next.
    pub(super) fn unexpected(&mut self, expected: &str) -> NotationError {
        self.skip_spaces();
        let rest = self.rest();
        let word = match rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')) {
            Some(0) => &rest[..rest.chars().next().map_or(0, char::len_utf8)],
            Some(n) => &rest[..n],
            None => rest,
        };
        let message = if word.is_empty() { "the text ends here".into() } else { format!("found `{word}`") };
        NotationError { offset: self.pos, len: word.len(), message, expected: expected.into() }
    }
}

/// A complaint about `found` at `offset`.
pub(super) fn wrong(offset: usize, found: &str, message: String, expected: impl Into<String>) -> NotationError {
    NotationError { offset, len: found.len(), message, expected: expected.into() }
}

/// A complaint about a name that is none of `names`.
pub(super) fn unknown<'n>(
    offset: usize,
    found: &str,
    what: &str,
    names: impl IntoIterator<Item = &'n str> + Clone,
) -> NotationError {
    wrong(offset, found, format!("unknown {what} `{found}`"), one_of(found, names))
}
