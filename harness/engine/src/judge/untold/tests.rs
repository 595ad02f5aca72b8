//! Traces without the tracepoint's records: what they decide is what they would decide with them.

use std::path::Path;

use super::*;
use crate::judge::predictions::{Inferred, predictions};
use crate::judge::{Course, follow, judge};
use crate::judgement::{Basis, Outcome, Verdict};
use crate::load::{catalogue, load_path};
use crate::model_target::play_on_model;
use crate::trace::What;

/// The catalogue's cases with predictions, over IPv4, as the model plays them.
fn played() -> impl Iterator<Item = Trace> {
    let cases = catalogue(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases")).expect("the catalogue loads");
    let with_claims = cases.into_iter().filter(|case| !case.claims.is_empty() && case.variant.ends_with("ipv4"));
    with_claims.map(|case| play_on_model(&case).expect("the model plays"))
}

fn without_tracepoint(mut trace: Trace) -> Trace {
    trace.records.retain(|record| !matches!(record.what, What::Transition(_)));
    trace
}

/// Those decided otherwise than with the tracepoint, and how many are undecided.
fn differing(name: &str, with: &[Outcome], without: &[Outcome], otherwise: &mut Vec<String>) -> usize {
    for (with, without) in with.iter().zip(without) {
        if without.holds.is_some() && without.holds != with.holds {
            otherwise.push(format!("{name}: {}: {}, with it {}", with.claim, without.text, with.text));
        }
    }
    without.iter().filter(|outcome| outcome.holds.is_none()).count()
}

#[test]
fn predictions_say_the_same_without_the_tracepoint() {
    let (mut otherwise, mut all, mut inferred, mut undecided, mut undecided_by_samples) = (Vec::new(), 0, 0, 0, 0);
    for trace in played() {
        let with = judge(&trace);
        let trace = without_tracepoint(trace);
        let without = judge(&trace);
        assert_eq!(without.verdict, Verdict::Pass, "{}: {:?}", without.name(), without.reason);
        all += without.predictions.len();
        inferred += without.predictions.iter().filter(|outcome| outcome.basis == Basis::Inferred).count();
        undecided += differing(&with.name(), &with.predictions, &without.predictions, &mut otherwise);
        let by_samples = predictions(&trace, &Inferred::new());
        undecided_by_samples += differing(&with.name(), &with.predictions, &by_samples, &mut otherwise);
    }
    assert!(otherwise.is_empty(), "decided otherwise:\n{}", otherwise.join("\n"));
    assert_eq!(undecided, 0, "of {all}");
    assert!(inferred > 0);
    assert_eq!(undecided_by_samples, inferred, "of {all}");
}

/// What is inferred of `a` in a case: each change with its time, its first and last place in the trace, and its record.
fn inferred(name: &str) -> (Trace, Vec<Placed>) {
    let (id, _) = name.split_once('@').expect("a variant");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../cases/{id}.yaml"));
    let cases = load_path(&file).expect("the case loads");
    let case = cases.iter().find(|case| case.name() == name).expect("the case exists");
    let trace = without_tracepoint(play_on_model(case).expect("the model plays"));
    let mut course = Course::default();
    follow(&trace, &trace.header.endpoints[0], &mut course).expect("the model conforms");
    let placed = placed(&trace, Endpoint::A, &course.inferred[&Endpoint::A]);
    (trace, placed)
}

fn states(placed: &[Placed]) -> Vec<State> {
    placed.iter().map(|change| change.to).collect()
}

#[test]
fn what_a_call_or_a_segment_does_is_told_by_its_record() {
    let (trace, changes) = inferred("close/active@crafted,ts,ipv4");
    let expected = [State::SynSent, State::Established, State::FinWait1, State::FinWait2, State::Closed];
    assert_eq!(states(&changes), expected);
    for change in &changes {
        let cause = &trace.records[change.record];
        assert!(matches!(cause.what, What::Call(_) | What::Segment(_)), "{cause:?}");
        assert_eq!((change.first, change.at.lo), (change.record + 1, cause.at));
        assert!(change.at.hi - change.at.lo < 1_000_000, "{change:?}");
        // The next segment that leaves shows it.
        let is_later = |record: &Record| record.at < change.at.hi || matches!(record.what, What::Sample(_));
        assert!(trace.records[change.first..change.last].iter().all(is_later), "{change:?}");
    }
}

#[test]
fn what_a_timer_does_is_told_by_the_samples_around_it() {
    let (trace, changes) = inferred("orphan/fin-wait-1@closed,1,sack,ipv4");
    assert_eq!(states(&changes)[2..], [State::FinWait1, State::Closed]);
    let samples = samples(&trace, Endpoint::A);
    let after = samples.iter().rposition(|asked| asked.sample.state == State::FinWait1).expect("it was asked for") + 1;
    let (before, after) = (&samples[after - 1], &samples[after]);
    let closed = changes[3];
    assert_eq!(closed.at, Span::new(before.at, after.sample.until));
    assert_eq!((closed.first, closed.last, closed.record), (before.record + 1, after.record, after.record));
    // The player looks around the expiry that it was told.
    assert!(closed.at.hi - closed.at.lo < 10_000_000, "{closed:?}");
}

#[test]
fn what_a_segment_shows_of_a_timer_is_told_by_it() {
    let (trace, changes) = inferred("keepalive/dead-peer@established,ts,ipv4");
    let closed = changes.last().expect("it gives up");
    assert_eq!(closed.to, State::Closed);
    assert!(matches!(trace.records[closed.record].what, What::Segment(_)));
    assert_eq!(closed.at, Span::at(trace.records[closed.record].at));
    assert_eq!((closed.first, closed.last), (closed.record + 1, closed.record + 1));
}
