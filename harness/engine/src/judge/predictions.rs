//! Whether what the claims predict of a case came true in its trace.
//!
//! Owns what an outcome rests on: what was observed, or, of an endpoint whose state changes nothing told of, what every connection
//! that explains the trace has done. Refuses to know the model: whether the target was right is another question.

mod walk;

use std::collections::{BTreeMap, BTreeSet};

use super::sights::{Sight, Untold, sights, sights_with};
use super::untold::{Change, Placed, placed, sampled};
use super::{incomplete, seconds};
use crate::case::Endpoint;
use crate::judgement::{Basis, Outcome};
use crate::prediction::{Event, Prediction};
use crate::trace::{Trace, What};
use walk::{Stop, Walk, fits};

/// What a trace shows, to be asked for single events.
pub struct Shown(Vec<Sight>);

impl Shown {
    /// All of it.
    pub fn of(trace: &Trace) -> Shown {
        Shown(sights(trace))
    }

    /// Whether there is such an event anywhere, its qualifiers left aside.
    pub fn shows(&self, event: &Event) -> bool {
        self.0.iter().any(|sight| fits(event, sight))
    }
}

/// The state changes of endpoints that the kernel reported none of, as the judge found them.
pub(super) type Inferred = BTreeMap<Endpoint, Vec<Change>>;

/// The outcome of each prediction in the trace's header.
pub(super) fn predictions(trace: &Trace, inferred: &Inferred) -> Vec<Outcome> {
    let incomplete = incomplete(trace);
    let sights = sights(trace);
    let outcome = |prediction: &Prediction| match &incomplete {
        Some(reason) => Outcome::undecided(prediction, reason),
        None if prediction.predicts.is_empty() => {
            Outcome::undecided(prediction, "the trace names the claim without its prediction")
        }
        None => outcome(prediction, trace, &sights, inferred),
    };
    trace.header.claims.iter().map(outcome).collect()
}

fn outcome(prediction: &Prediction, trace: &Trace, sights: &[Sight], inferred: &Inferred) -> Outcome {
    let unwatched = unwatched(prediction, trace);
    if unwatched.is_empty() {
        return followed(prediction, trace, sights, &[]);
    }
    let all = unwatched.iter().map(|of| Some((*of, placed(trace, *of, inferred.get(of)?))));
    let by_inference = all.collect::<Option<Vec<_>>>().map(|known| arranged(prediction, trace, &known, &[]));
    let of_samples: Vec<(Endpoint, Vec<Placed>)> = unwatched.iter().map(|of| (*of, sampled(trace, *of))).collect();
    let by_samples = arranged(prediction, trace, &of_samples, &unwatched);
    match by_inference.filter(|outcome| outcome.holds.is_some()) {
        Some(outcome) if outcome.holds == by_samples.holds => outcome,
        Some(outcome) => {
            let text = format!("{} (states inferred)", outcome.text);
            Outcome { basis: Basis::Inferred, text, ..outcome }
        }
        None if by_samples.holds.is_some() => by_samples,
        None => Outcome { basis: Basis::Untold, ..by_samples },
    }
}

/// The endpoints whose states the prediction names and whose state changes the kernel did not report.
fn unwatched(prediction: &Prediction, trace: &Trace) -> Vec<Endpoint> {
    let named = prediction.predicts.iter().filter_map(|predicted| match &predicted.event {
        Event::State { of, .. } => Some(*of),
        Event::Segment(_) | Event::Icmp { .. } | Event::Call { .. } | Event::Poll { .. } => None,
    });
    let named: BTreeSet<Endpoint> = named.collect();
    let reports = |of: Endpoint| trace.records.iter().any(|r| matches!(&r.what, What::Transition(t) if t.on == of));
    named.into_iter().filter(|of| !reports(*of)).collect()
}

/// The outcome that is the same wherever each endpoint's changes are between the first and the last places that they may have.
fn arranged(
    prediction: &Prediction,
    trace: &Trace,
    changes: &[(Endpoint, Vec<Placed>)],
    incomplete: &[Endpoint],
) -> Outcome {
    let outcomes = (0..1_usize << changes.len()).map(|lateness| {
        let late = (0..changes.len()).map(|i| lateness >> i & 1 == 1);
        let untold = changes.iter().zip(late).map(|((of, changes), late)| Untold { of: *of, changes, late });
        let untold: Vec<Untold<'_>> = untold.collect();
        followed(prediction, trace, &sights_with(trace, &untold), incomplete)
    });
    let agreed = outcomes.reduce(|one, other| match (one.holds, other.holds) {
        (None, _) => one,
        (_, None) => other,
        (one_holds, other_holds) if one_holds == other_holds => one,
        (Some(_), Some(_)) => {
            let reason = format!("nothing told when the states changed: {}; or {}", one.text, other.text);
            Outcome::undecided(prediction, &reason)
        }
    });
    agreed.expect("there is one arrangement of nothing")
}

/// The outcome as these sights show it, where states of these endpoints may have gone unseen.
fn followed(prediction: &Prediction, trace: &Trace, sights: &[Sight], incomplete: &[Endpoint]) -> Outcome {
    let mut walk = Walk::new(trace, sights, incomplete);
    let (holds, record, text) = match walk.follow(&prediction.predicts) {
        Ok(text) => (true, walk.shown_by().unwrap_or(trace.records.len() - 1), text),
        Err(Stop::Fails { record, text }) => (false, record, text),
        Err(Stop::Undecided(reason)) => return Outcome::undecided(prediction, &reason),
    };
    Outcome {
        claim: prediction.claim.clone(),
        given: prediction.given.clone(),
        holds: Some(holds),
        record: Some(record),
        at_seconds: Some(seconds(trace.records[record].at)),
        text,
        basis: Basis::Observed,
    }
}

#[cfg(test)]
mod tests;
