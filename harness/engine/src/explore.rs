//! Random walks: reproducible sequences of calls, segments, losses and waits that nobody thought of, as ordinary cases.
//!
//! Owns which walk a seed and a number stand for, how a walk that disagrees is shrunk, and how a case is written as a file. Refuses to know
//! what is right: a walk is played and judged like any other case.

mod calls;
mod dice;
mod file;
mod middle;
mod segments;
mod shrink;
mod simpler;
mod walk;

pub use file::{reloaded, yaml};
pub use tcpconform_model::RULES;

pub use shrink::{Shrunk, shrink};
pub use walk::{STEPS_MAX, Walks};

use crate::judgement::{Judgement, Verdict};

/// What target and model disagree about, so far as it tells one disagreement from another: the rule that was broken, or where the judge has
/// none. `None` where they agree, or where the walk did not come to its situation.
pub fn disagreement(judgement: &Judgement) -> Option<String> {
    match judgement.verdict {
        Verdict::Pass | Verdict::Inconclusive | Verdict::Skip => None,
        Verdict::Fail => judgement.findings.first().map(|finding| finding.rule.clone()),
        Verdict::Error => {
            let reason = judgement.reason.as_deref().unwrap_or_default();
            // Records and sequence numbers are other ones in a shorter walk.
            Some(reason.chars().filter(|c| !c.is_ascii_digit()).collect())
        }
    }
}
