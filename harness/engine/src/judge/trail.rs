//! How each possible connection came to be: which rules decided what to make of which record.
//!
//! Owns the steps of all possibilities, which share what they have in common. Refuses to know what the rules say.

use std::cell::RefCell;

use tcpconform_model::RuleRef;

/// The steps of all possibilities, dead ones too; none where nobody wants to know.
pub(super) struct Trails {
    wanted: bool,
    steps: RefCell<Vec<Step>>,
}

/// The end of one possibility's trail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail(Option<usize>);

struct Step {
    before: Trail,
    record: usize,
    rules: Vec<RuleRef>,
}

impl Trails {
    /// Without a step.
    pub(super) fn new(wanted: bool) -> Trails {
        Trails { wanted, steps: RefCell::default() }
    }

    /// The trail one step on.
    pub(super) fn on(&self, before: Trail, record: usize, rules: &[RuleRef]) -> Trail {
        if !self.wanted {
            return before;
        }
        let mut steps = self.steps.borrow_mut();
        steps.push(Step { before, record, rules: rules.to_vec() });
        Trail(Some(steps.len() - 1))
    }

    /// The steps of a trail: records and their rules, the last one first.
    pub(super) fn steps(&self, mut trail: Trail) -> Vec<(usize, Vec<RuleRef>)> {
        let steps = self.steps.borrow();
        let mut found = Vec::new();
        while let Some(step) = trail.0.map(|index| &steps[index]) {
            found.push((step.record, step.rules.clone()));
            trail = step.before;
        }
        found
    }
}
