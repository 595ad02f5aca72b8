//! Which of the named alternatives a possible connection has shown.
//!
//! Owns the answers so far, one a question, and when two of them contradict each other. Refuses to know other traces: that a
//! kernel answers alike in all of them is checked over a whole run.

use std::collections::BTreeMap;

use tcpconform_model::{ALTERNATIVES, RuleRef, choice_of};

/// An answer to each question, where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    answers: [Option<u8>; ALTERNATIVES.len()],
    /// An answer that contradicts an earlier one.
    contradicts: Option<(u8, u8)>,
}

impl Chosen {
    /// With what these rules answer.
    pub(super) fn with<'r>(mut self, rules: impl IntoIterator<Item = &'r RuleRef>) -> Chosen {
        for (question, choice) in rules.into_iter().filter_map(|rule| choice_of(rule)) {
            let before = self.answers[question].replace(choice as u8);
            if before.is_some_and(|before| before != choice as u8) {
                self.contradicts = Some((question as u8, choice as u8));
                self.answers[question] = before;
            }
        }
        self
    }

    /// The rule shown before and the one that contradicts it.
    pub(super) fn contradiction(self) -> Option<(RuleRef, RuleRef)> {
        let (question, choice) = self.contradicts?;
        let choices = ALTERNATIVES[usize::from(question)].choices;
        let before = self.answers[usize::from(question)]?;
        Some((choices[usize::from(before)], choices[usize::from(choice)]))
    }

    /// What is certain when both are possible.
    pub(super) fn common(mut self, other: Chosen) -> Chosen {
        for (answer, others) in self.answers.iter_mut().zip(other.answers) {
            if *answer != others {
                *answer = None;
            }
        }
        self
    }

    /// Question and answer, by their ids.
    pub(super) fn named(self) -> BTreeMap<String, String> {
        let answered = ALTERNATIVES.iter().zip(self.answers);
        answered
            .filter_map(|(alternative, answer)| {
                let rule = alternative.choices[usize::from(answer?)];
                Some((alternative.id.to_string(), rule.id.to_string()))
            })
            .collect()
    }
}
