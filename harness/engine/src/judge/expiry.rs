//! What a timer did, with the time in which the model let it.
//!
//! Owns what several possible connections have in common of it. Refuses to know how it shows.

use tcpconform_model::{RuleRef, Span, rules};

/// A timer that has fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry {
    /// The rule that decided what it did.
    pub rule: RuleRef,
    /// When its handler was allowed to run.
    pub due: Span,
}

impl Expiry {
    /// That of a transition; none where no timer caused it.
    pub fn of(rules: &[RuleRef], due: Option<Span>) -> Option<Expiry> {
        let rule = rules.first().copied().unwrap_or(&rules::CALL_RESULT);
        Some(Expiry { rule, due: due? })
    }

    /// What two possibilities agree on: none unless a timer has fired in both, and then at any time that one of them allows.
    pub fn common(one: Option<Expiry>, other: Option<Expiry>) -> Option<Expiry> {
        let (one, other) = (one?, other?);
        let due = Span::new(one.due.lo.min(other.due.lo), one.due.hi.max(other.due.hi));
        Some(Expiry { rule: one.rule, due })
    }
}
