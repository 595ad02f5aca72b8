//! When a finding does not stand: the trace may be incomplete, or the machine did not do what was due. It stands where neither explains it.

use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::load;
use tcpconform_engine::model_target::ModelTarget;
use tcpconform_engine::play::play;
use tcpconform_engine::trace::{Nanos, Record, Stall, TargetKind, Time, Trace, Trouble, What};

/// The FIN is retransmitted about 200 ms after it was emitted.
const CASE: &str = r#"purpose: A FIN whose ACK does not come.
cites: [RFC 6298 5]
variants:
  sack: [no-sack]
steps:
  - establish
  - a: close()
  - expect: "F. 1:1(0)"
  - expect: "F. 1:1(0)"
"#;

const MS: Nanos = 1_000_000;

/// As if the running kernel had been played, on which timers may be 20 ms late.
fn played() -> Trace {
    let case = load::catalogue_embedded(&[("doubtful.yaml", CASE)]).unwrap().remove(0);
    let mut trace = play(&case, &mut ModelTarget::new(&case), &|_| ()).unwrap();
    trace.header.target.kind = TargetKind::Kernel;
    trace.header.target.time = Time::Real;
    trace
}

/// With everything from the retransmission on that much later, and stalls of these lengths.
fn late(by: Nanos, stalls: &[Nanos]) -> Judgement {
    let mut trace = played();
    for record in trace.records.iter_mut().filter(|record| record.at > 100 * MS) {
        record.at += by;
        match &mut record.what {
            What::Sample(sample) => sample.until += by,
            What::Counters(counters) => counters.until += by,
            What::End { stalls: told } => {
                *told = stalls.iter().map(|length| Stall { from: 200 * MS, until: 200 * MS + length }).collect();
            }
            What::Segment(_)
            | What::Icmp(_)
            | What::Relay(_)
            | What::Call(_)
            | What::Transition(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::Trouble(_) => {}
        }
    }
    judge(&trace)
}

/// With the retransmission 60 ms late, and trouble.
fn troubled(in_doubt: bool) -> Judgement {
    let mut trace = played();
    for record in trace.records.iter_mut().filter(|record| record.at > 100 * MS) {
        record.at += 60 * MS;
    }
    let text = "the capture on a lost 3 frames".to_string();
    trace.records.insert(0, Record { at: 0, step: 0, what: What::Trouble(Trouble { text, in_doubt }) });
    judge(&trace)
}

#[test]
fn a_timer_may_be_as_late_as_the_machine_stood_still() {
    assert_eq!(late(0, &[]).verdict, Verdict::Pass);
    assert_eq!(late(0, &[50 * MS]).verdict, Verdict::Pass);
    let judgement = late(60 * MS, &[10 * MS, 50 * MS]);
    assert_eq!((judgement.verdict, judgement.findings.len()), (Verdict::Inconclusive, 0));
    insta::assert_snapshot!(judgement.reason.unwrap());
}

#[test]
fn a_timer_that_is_later_than_that_is_the_targets() {
    for stalls in [&[][..], &[10 * MS], &[30 * MS, 30 * MS]] {
        let judgement = late(60 * MS, stalls);
        assert_eq!((judgement.verdict, judgement.findings.len()), (Verdict::Fail, 1), "{stalls:?}");
    }
}

#[test]
fn nothing_follows_from_a_trace_in_doubt() {
    let judgement = troubled(true);
    assert_eq!((judgement.verdict, judgement.findings.len()), (Verdict::Inconclusive, 0));
    insta::assert_snapshot!(judgement.reason.unwrap());
}

#[test]
fn a_finding_stands_beside_other_trouble() {
    let judgement = troubled(false);
    assert_eq!((judgement.verdict, judgement.findings.len()), (Verdict::Fail, 1));
}
