//! What the kernel tells without the socket's lock while it emits a segment: the timer of before until it has set the next one.

use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::load;
use tcpconform_engine::model_target::ModelTarget;
use tcpconform_engine::play::play;
use tcpconform_engine::trace::{Nanos, Record, TargetKind, Time, Trace, What};

/// The write sets a timer of some 200 ms, the FIN a shorter one: two segments are probed for sooner than a lone one.
const CASE: &str = r#"purpose: A close() behind data in flight.
cites: [RFC 9293 3.6]
steps:
  - establish
  - a: write(100)
  - expect: "P. 1:101(100) ack 1"
  - state: ESTABLISHED
  - a: close()
  - expect: "F. 101:101(0) ack 1"
  - inject: ". ack 102"
  - state: FIN-WAIT-2
"#;

/// The first sample after the FIN tells of the timer that was there before it; asked so long after the FIN, or before it.
fn judged(asked_behind: Nanos, asked_ahead: Nanos) -> Verdict {
    let case = load::catalogue_embedded(&[("unlocked.yaml", CASE)]).unwrap().remove(0);
    let mut trace = play(&case, &mut ModelTarget::new(&case), &|_| ()).unwrap();
    trace.header.target.kind = TargetKind::Kernel;
    trace.header.target.time = Time::Real;
    let fin = fin(&trace);
    let before = trace.records[..fin].iter().rev().find_map(|record| record.what.sample()?.timer).unwrap();
    let emitted = trace.records[fin].at;
    let (index, mut sample) = (fin..trace.records.len())
        .find_map(|index| Some((index, trace.records[index].what.sample()?.clone())))
        .unwrap();
    let at = emitted + asked_behind - asked_ahead;
    (sample.timer, sample.until) = (Some(before), emitted + asked_behind + 1_000);
    let record = Record { at, step: trace.records[index].step, what: What::Sample(sample) };
    trace.records.remove(index);
    let place = trace.records.partition_point(|record| record.at < at);
    trace.records.insert(place, record);
    judge(&trace).verdict
}

fn fin(trace: &Trace) -> usize {
    let close = |record: &Record| matches!(&record.what, What::Call(call) if call.op.to_string() == "close()");
    let close = trace.records.iter().position(close).unwrap();
    close + trace.records[close..].iter().position(|record| matches!(record.what, What::Segment(_))).unwrap()
}

#[test]
fn while_a_segment_leaves_the_timer_is_the_one_of_before() {
    assert_eq!(judged(0, 1_000), Verdict::Pass);
    assert_eq!(judged(0, 0), Verdict::Pass);
}

#[test]
fn behind_it_the_timer_is_the_next_one() {
    assert_eq!(judged(1_000, 0), Verdict::Fail);
}
