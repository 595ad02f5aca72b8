//! The fingerprint of a kernel: which of the named alternatives it shows, over all traces of a run.
//!
//! Owns the demand that a kernel answers each question in one way: a trace that shows another answer than the rest is a finding.
//! Refuses to know what the alternatives are about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tcpconform_model::{ALTERNATIVES, rule};

use crate::judgement::{Finding, Judgement, Verdict};

/// The answer that a kernel has shown to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// As in `right-edge`.
    pub alternative: String,
    /// The question, in one sentence.
    pub question: String,
    /// The rule that answers it.
    pub rule: String,
    /// The rule in one sentence.
    pub statement: String,
    /// How many case variants show it.
    pub cases: usize,
}

/// The fingerprint of the kernel that these judgements are of. Those that contradict the majority become failures.
pub fn fingerprint(judgements: &mut [Judgement]) -> Vec<Shown> {
    let mut shown = Vec::new();
    for alternative in &ALTERNATIVES {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for choice in judgements.iter().filter_map(|judgement| judgement.alternatives.get(alternative.id)) {
            *counts.entry(choice.clone()).or_default() += 1;
        }
        // Of as many for the one as for the other, the first by name.
        let most = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
        let Some((choice, cases)) = most.map(|(choice, cases)| (choice.clone(), *cases)) else { continue };
        let statement = rule(&choice).map_or("", |rule| rule.statement).to_string();
        for judgement in judgements.iter_mut() {
            let other = judgement.alternatives.get(alternative.id).filter(|other| **other != choice).cloned();
            if let Some(other) = other {
                contradict(judgement, &other, &statement, cases);
            }
        }
        let question = alternative.question.to_string();
        shown.push(Shown { alternative: alternative.id.to_string(), question, rule: choice, statement, cases });
    }
    shown
}

/// A judgement whose trace shows another answer than the rest.
fn contradict(judgement: &mut Judgement, shown: &str, majority: &str, cases: usize) {
    let Some(rule) = rule(shown) else { return };
    let expected = format!("{majority}, as in {cases} others of this run");
    let actual = rule.statement.to_string();
    judgement.reason = Some(format!("{}: expected {expected}, got {actual}", rule.id));
    judgement.verdict = judgement.verdict.max(Verdict::Fail);
    judgement.findings.push(Finding {
        rule: rule.id.to_string(),
        statement: rule.statement.to_string(),
        level: rule.level.name().to_string(),
        source: rule.source.to_string(),
        expected,
        actual,
        at_seconds: 0.0,
        record: 0,
        place: String::new(),
        context: Vec::new(),
        possible: Vec::new(),
        hint: Some(
            "a kernel does one or the other; one that does both depends on something that the model lacks".into(),
        ),
        on: None,
    });
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use crate::judgement::{Judgement, Verdict};
    use tcpconform_model::ALTERNATIVES;

    fn judgement(id: &str, choice: Option<usize>) -> Judgement {
        let alternative = &ALTERNATIVES[0];
        let shown = choice.map(|choice| (alternative.id.to_string(), alternative.choices[choice].id.to_string()));
        Judgement {
            id: id.to_string(),
            variant: String::new(),
            verdict: Verdict::Pass,
            reason: None,
            axes: Vec::new(),
            claims: Vec::new(),
            predictions: Vec::new(),
            requirements: Vec::new(),
            rules_fired: Vec::new(),
            departures: Vec::new(),
            alternatives: shown.into_iter().collect(),
            behaviour: Vec::new(),
            findings: Vec::new(),
            target_seconds: 0.0,
            retried: None,
        }
    }

    #[test]
    fn the_one_that_contradicts_the_rest_fails() {
        let mut all =
            vec![judgement("a", Some(1)), judgement("b", None), judgement("c", Some(0)), judgement("d", Some(1))];
        let shown = fingerprint(&mut all);
        assert_eq!((shown.len(), shown[0].cases), (1, 2));
        assert_eq!(shown[0].rule, ALTERNATIVES[0].choices[1].id);
        let verdicts: Vec<Verdict> = all.iter().map(|judgement| judgement.verdict).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Pass, Verdict::Fail, Verdict::Pass]);
        assert_eq!(all[2].findings.len(), 1);
    }
}
