//! How long cases last: the model plays each one in no time, by its own clock.

use std::time::Duration;

use tcpconform_engine::case::{Case, StepKind};
use tcpconform_engine::run::{Planned, Player};

use crate::player::ModelPlayer;

/// The cases with how long each lasts.
pub fn plan(cases: Vec<Case>) -> Vec<Planned> {
    cases.into_iter().map(|case| Planned { lasts: Some(lasts(&case)), case }).collect()
}

/// By the model's trace; where the model cannot play the case, the time that its steps let pass.
fn lasts(case: &Case) -> Duration {
    let played = std::panic::catch_unwind(|| ModelPlayer::default().play(case, &|_| ())).ok().and_then(Result::ok);
    match played.and_then(|trace| trace.records.last().map(|record| record.at)) {
        Some(nanos) => Duration::from_nanos(nanos),
        None => case.steps.iter().map(|step| waits(&step.kind)).sum(),
    }
}

fn waits(step: &StepKind) -> Duration {
    match step {
        StepKind::Wait(time) => *time,
        StepKind::Establish
        | StepKind::Call { .. }
        | StepKind::Inject(_)
        | StepKind::Expect { .. }
        | StepKind::Await { .. }
        | StepKind::Poll { .. }
        | StepKind::Relay(_) => Duration::ZERO,
    }
}
