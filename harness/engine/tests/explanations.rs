//! What the judge tells of records: the rules that decided what followed from them, or why they came.

use tcpconform_engine::case::Case;
use tcpconform_engine::judge::explanations;
use tcpconform_engine::load::load_text;
use tcpconform_engine::model_target::play_on_model;
use tcpconform_engine::trace::{Trace, Way, What};

const CASE: &str = "\
purpose: A segment outside the window is answered, one that makes no sense is not.
cites: [RFC 9293 3.10.7.4]
steps:
  - establish
  - inject: \"R rcv.nxt + 7(0)\"
  - expect: \". 1:1(0) ack 1\"
  - inject: \"P 1:11(10)\"
  - a: close()
  - expect: \"F. 1:1(0) ack 1\"
";

fn trace() -> Trace {
    let cases: Vec<Case> = load_text("a", "a.yaml", CASE.as_bytes()).expect("the case loads");
    play_on_model(&cases[0]).expect("the model plays")
}

/// Each segment and call with its rules.
fn text(trace: &Trace) -> String {
    let explanations = explanations(trace);
    let line = |(index, what): (usize, &What)| {
        let what = match what {
            What::Segment(seen) if seen.way == Way::Out => "out".to_string(),
            What::Segment(_) => "in".to_string(),
            What::Call(call) => call.op.to_string(),
            What::Icmp(_) | What::Relay(_) | What::Sample(_) | What::Transition(_) => return None,
            What::Counters(_) | What::Ports(_) | What::Waited(_) | What::Trouble(_) | What::End { .. } => return None,
        };
        let rules: Vec<&str> = explanations.get(&index).into_iter().flatten().map(|rule| rule.id).collect();
        Some(format!("{index:>3} {what}: {}\n", rules.join(", ")))
    };
    trace.records.iter().map(|record| &record.what).enumerate().filter_map(line).collect()
}

#[test]
fn each_segment_and_call_has_its_rules() {
    insta::assert_snapshot!(text(&trace()));
}

#[test]
fn of_a_target_that_deviates_they_end_there() {
    let mut trace = trace();
    let is_challenge_ack = |what: &What| what.packet().is_some_and(|(_, way, _)| way == Way::Out);
    let emitted: Vec<usize> =
        (0..trace.records.len()).filter(|&at| is_challenge_ack(&trace.records[at].what)).collect();
    // Behind the SYN and the ACK of the handshake.
    trace.records.remove(emitted[2]);
    insta::assert_snapshot!(text(&trace));
}
