//! The dry run: the model plays each case in no time, before a kernel does.
//!
//! Owns two answers: how long a case lasts by the target's clock, and whether it expects what can never come. Refuses to play
//! anything on a kernel.

use std::collections::BTreeMap;
use std::time::Duration;

use tcpconform_engine::case::{Case, StepKind};
use tcpconform_engine::diagnostic::{Diagnostic, Diagnostics};
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::notation::display_segment;
use tcpconform_engine::run::{Planned, play_and_judge};
use tcpconform_engine::trace::{Trace, Way, What};
use tcpconform_engine::view::View;
use tcpconform_engine::wire;

use crate::catalogue::{self, at_place};
use crate::exit::Refusal;
use crate::player::ModelPlayer;

/// The cases with how long each lasts; refused where the model itself does not pass one.
pub fn rehearse(cases: Vec<Case>) -> Result<Vec<Planned>, Refusal> {
    rehearse_and_watch(cases, |_, _| ())
}

/// The same, with a look at each case as the model plays it.
pub fn rehearse_and_watch(cases: Vec<Case>, mut watch: impl FnMut(&Case, &Trace)) -> Result<Vec<Planned>, Refusal> {
    let player = ModelPlayer::default();
    // What is wrong with a file is mostly wrong with all its variants: the first one tells.
    let mut wrong: BTreeMap<String, (Case, Judgement, Option<Trace>, usize)> = BTreeMap::new();
    let mut planned = Vec::with_capacity(cases.len());
    for case in cases {
        let mut lasts = case.steps.iter().map(|step| waits(&step.kind)).sum();
        if let Some(finished) = play_and_judge(&player, &judge, &case, &|_| ()) {
            if let Some(end) = finished.trace.as_ref().and_then(|trace| trace.records.last()) {
                lasts = Duration::from_nanos(end.at);
            }
            if let Some(trace) = &finished.trace {
                watch(&case, trace);
            }
            if finished.judgement.verdict != Verdict::Pass {
                let first = || (case.clone(), finished.judgement.clone(), finished.trace.clone(), 0);
                wrong.entry(case.id.clone()).or_insert_with(first).3 += 1;
            }
        }
        planned.push(Planned { lasts: Some(lasts), case });
    }
    if wrong.is_empty() {
        return Ok(planned);
    }
    let complaints = wrong
        .into_values()
        .map(|(case, judgement, trace, variants)| complaint(&case, &judgement, trace.as_ref(), variants));
    Err(catalogue::wrong_cases(Diagnostics(complaints.collect())))
}

fn waits(step: &StepKind) -> Duration {
    match step {
        StepKind::Wait(time) => *time,
        StepKind::Establish { .. }
        | StepKind::Call { .. }
        | StepKind::Inject { .. }
        | StepKind::Icmp { .. }
        | StepKind::Expect { .. }
        | StepKind::Await { .. }
        | StepKind::Poll { .. }
        | StepKind::Counters { .. }
        | StepKind::Ports { .. }
        | StepKind::Relay(_) => Duration::ZERO,
    }
}

/// What is wrong with a case that the model does not pass: the step that it never gets beyond, and what happens there instead.
fn complaint(case: &Case, judgement: &Judgement, trace: Option<&Trace>, variants: usize) -> Diagnostic {
    let unmet = trace.and_then(|trace| {
        let record = trace.records.iter().find(|record| matches!(&record.what, What::Waited(w) if !w.met))?;
        Some((record.step, trace.header.steps.get(record.step as usize)?, trace))
    });
    let others = match variants {
        1 => String::new(),
        2 => ", and one more variant".to_string(),
        more => format!(", and {} more variants", more - 1),
    };
    let show = format!("tcpconform show {} draws all of it", case.name());
    match unmet {
        Some((step, identity, trace)) => {
            let message = format!("this never comes: {} ({}{others})", identity.text, case.name());
            let expected = format!("{}; {show}", what_comes(trace, step));
            at_place(&identity.place, None, &message, &expected)
        }
        None => {
            let place = judgement.findings.first().map(|finding| finding.place.clone());
            let place = place.or(case.steps.first().map(|step| step.place.clone())).unwrap_or_default();
            let reason = judgement.reason.clone().unwrap_or_default();
            let message = format!("the model cannot play this: {reason} ({}{others})", case.name());
            at_place(&place, None, &message, &show)
        }
    }
}

/// The segments that the model emits from this step on, or the last one before.
fn what_comes(trace: &Trace, step: u32) -> String {
    let mut views: BTreeMap<_, View> = BTreeMap::new();
    let mut emitted = Vec::new();
    for record in &trace.records {
        let What::Segment(seen) = &record.what else { continue };
        let Ok(packet) = wire::parse(&seen.packet) else { continue };
        let view = views.entry(seen.on).or_default();
        view.follow(seen.way, &packet.segment);
        if seen.way == Way::Out {
            let text = display_segment(&packet.segment, view.bases(Way::Out), false);
            emitted.push((record.step, format!("`{text}` from {}", seen.on)));
        }
    }
    let later: Vec<&str> =
        emitted.iter().filter(|(at, _)| *at >= step).map(|(_, text)| text.as_str()).take(3).collect();
    match (later.is_empty(), emitted.last()) {
        (false, _) => format!("by the model {}", later.join(", then ")),
        (true, Some((_, last))) => format!("by the model nothing more after {last}"),
        (true, None) => "by the model no segment at all".to_string(),
    }
}
