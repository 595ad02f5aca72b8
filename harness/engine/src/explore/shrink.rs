//! From a walk that disagrees to the shortest that still does.
//!
//! Owns the search: steps are left out, many at once and one by one, and what is left is made simpler. Refuses to know what disagreeing is: who
//! asks brings the test.

use super::file::reloaded;
use super::simpler::simpler;
use crate::case::Case;

/// More plays than this are not spent on one walk.
const PLAYS_MAX: u32 = 200;

/// What became of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk {
    /// The shortest that passed the test.
    pub case: Case,
    /// How often the test was asked.
    pub plays: u32,
}

/// The shortest case that `disagrees` is still true of; the case itself if that is true of no shorter one.
pub fn shrink(case: &Case, disagrees: impl FnMut(&Case) -> bool) -> Shrunk {
    let mut search = Search { case: case.clone(), plays: 0, disagrees };
    while search.leaves_out() | search.simplifies() {}
    Shrunk { case: search.case, plays: search.plays }
}

struct Search<F> {
    case: Case,
    plays: u32,
    disagrees: F,
}

impl<F: FnMut(&Case) -> bool> Search<F> {
    /// Goes on with the candidate if it is a case and still disagrees.
    fn try_with(&mut self, candidate: &Case) -> bool {
        if self.plays >= PLAYS_MAX {
            return false;
        }
        let Some(candidate) = reloaded(candidate).ok().filter(|candidate| *candidate != self.case) else {
            return false;
        };
        self.plays += 1;
        let disagrees = (self.disagrees)(&candidate);
        if disagrees {
            self.case = candidate;
        }
        disagrees
    }

    /// Leaves steps out, halves first, the last ones first.
    fn leaves_out(&mut self) -> bool {
        let mut shorter = false;
        let mut size = self.case.steps.len() / 2;
        while size > 0 {
            let mut end = self.case.steps.len();
            while end > 0 {
                let start = end.saturating_sub(size);
                let mut candidate = self.case.clone();
                candidate.steps.drain(start..end);
                shorter |= self.try_with(&candidate);
                end = start;
            }
            size /= 2;
        }
        shorter
    }

    /// Makes the setting and the steps simpler, each as far as it goes.
    fn simplifies(&mut self) -> bool {
        let mut simplified = false;
        while simpler(&self.case).iter().any(|candidate| self.try_with(candidate)) {
            simplified = true;
        }
        simplified
    }
}
