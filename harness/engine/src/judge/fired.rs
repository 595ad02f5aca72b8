//! Which rules led to a possible connection.
//!
//! Owns a set over the rule table that is cheap to copy: every possibility of the frontier carries one. Refuses to know what
//! the rules say.

use tcpconform_model::{RULES, RuleRef};

const WORDS: usize = 4;
const _: () = assert!(RULES.len() <= WORDS * 64, "the set is too small for the rule table");

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fired([u64; WORDS]);

impl Fired {
    /// Adds rules.
    pub(super) fn with<'r>(mut self, rules: impl IntoIterator<Item = &'r RuleRef>) -> Fired {
        for rule in rules {
            if let Some(i) = RULES.iter().position(|other| core::ptr::eq(*other, *rule)) {
                self.0[i / 64] |= 1 << (i % 64);
            }
        }
        self
    }

    /// Their ids, in the order of the table.
    pub(super) fn ids(self) -> impl Iterator<Item = &'static str> {
        RULES.iter().enumerate().filter(move |(i, _)| self.0[i / 64] >> (i % 64) & 1 == 1).map(|(_, rule)| rule.id)
    }
}
