//! A middle that lies: what the trace says of it is held against no kernel, what it does not say against the middle, and a kernel
//! that is wrong beside it is named.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tcpconform_engine::case::{Case, Endpoint, Step, StepKind};
use tcpconform_engine::fault::fault;
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::load::load_text;
use tcpconform_engine::model_target::{play_on_faulty_model, play_on_model};
use tcpconform_engine::trace::{Way, What};
use tcpconform_engine::wire;
use tcpconform_model::Flags;

/// The lies, and whether a frame comes out of one that nobody has sent, or none where one was.
const LIES: [(&str, bool); 4] = [
    ("middle/ack-rewritten", true),
    ("middle/re-ack-eaten", true),
    ("middle/answer-late", false),
    ("middle/answered-for", true),
];

fn variants(id: &str) -> Vec<Case> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases").join(format!("{id}.yaml"));
    let variants = load_text(id, &format!("cases/{id}.yaml"), &fs::read(file).unwrap()).unwrap();
    assert!(!variants.is_empty(), "{id}");
    variants
}

/// The judgement of the play where the middle says nothing, observed so long that a frame which has not arrived never will.
fn unsaid(case: &Case) -> Judgement {
    let mut longer = case.clone();
    let wait = Step { place: String::new(), text: "wait 2s".to_owned(), kind: StepKind::Wait(Duration::from_secs(2)) };
    longer.steps.push(wait);
    let mut trace = play_on_model(&longer).unwrap();
    trace.records.retain(|record| !matches!(record.what, What::Relay(_)));
    judge(&trace)
}

#[test]
fn a_lie_that_the_trace_tells_of_is_held_against_nobody() {
    for (id, _) in LIES {
        for case in variants(id) {
            let judgement = judge(&play_on_model(&case).unwrap());
            assert_eq!(judgement.verdict, Verdict::Pass, "{}: {:?}", case.name(), judgement.reason);
        }
    }
}

#[test]
fn a_lie_that_the_trace_does_not_tell_of_is_held_against_the_middle() {
    let mut told = String::new();
    for (id, shows) in LIES {
        for case in variants(id) {
            let judgement = unsaid(&case);
            assert!(judgement.findings.is_empty(), "{}: {:#?}", case.name(), judgement.findings);
            let expected = if shows { Verdict::Error } else { Verdict::Pass };
            assert_eq!(judgement.verdict, expected, "{}: {:?}", case.name(), judgement.reason);
        }
        let first = unsaid(&variants(id)[0]);
        told += &format!("{}: {}\n", first.name(), first.reason.unwrap_or_default());
    }
    insta::assert_snapshot!(told);
}

/// A stack with a mistake in it behind a middle that lies: host A has it.
#[test]
fn the_kernel_that_is_wrong_is_named() {
    for (id, mistake) in [
        ("middle/ack-rewritten", "ack-of-the-future-taken"),
        ("middle/re-ack-eaten", "rto-not-doubled"),
        ("middle/answer-late", "fin-wait-2-skipped"),
        ("middle/answered-for", "fin-wait-1-stays"),
    ] {
        let found = variants(id).iter().any(|case| {
            let trace = play_on_faulty_model(case, Some(fault(mistake).unwrap())).unwrap();
            let judgement = judge(&trace);
            assert!(judgement.findings.iter().all(|finding| finding.on == Some(Endpoint::A)), "{judgement:#?}");
            judgement.verdict == Verdict::Fail
        });
        assert!(found, "{id} with {mistake}");
    }
}

/// `b` does not acknowledge again what it gets again; the middle would have kept that anyhow.
#[test]
fn the_other_kernel_is_named_too() {
    for case in variants("middle/re-ack-eaten") {
        let mut trace = play_on_model(&case).unwrap();
        let flags = |packet: &[u8]| wire::parse(packet).map(|packet| packet.segment.flags);
        let is_ack = |what: &What| {
            let sent = what.packet().filter(|(on, way, _)| (*on, *way) == (Endpoint::B, Way::Out));
            sent.is_some_and(|(_, _, packet)| flags(packet) == Ok(Flags::ACK))
        };
        let acks: Vec<u64> = trace.records.iter().filter(|r| is_ack(&r.what)).map(|record| record.at).collect();
        let again = acks[1];
        trace.records.retain(|record| {
            let is_kept = matches!(&record.what, What::Relay(act) if act.emitted_at == again);
            let is_ack = record.at == again && is_ack(&record.what);
            !is_kept && !is_ack
        });
        let judgement = judge(&trace);
        assert_eq!(judgement.verdict, Verdict::Fail, "{}: {:?}", case.name(), judgement.reason);
        assert_eq!(judgement.findings[0].on, Some(Endpoint::B), "{:#?}", judgement.findings);
    }
}

/// Nobody can tell a middle that holds back in secret from a slow machine.
#[test]
fn a_delivery_that_was_late_without_a_word_says_by_how_much() {
    let mut trace = play_on_model(&variants("middle/answer-late")[0]).unwrap();
    trace.records.retain(|record| !matches!(record.what, What::Relay(_)));
    let waits = trace.records.iter_mut().rev().find_map(|record| match &mut record.what {
        What::Waited(waited) => Some(waited),
        What::Segment(_)
        | What::Icmp(_)
        | What::Relay(_)
        | What::Call(_)
        | What::Sample(_)
        | What::Transition(_)
        | What::Counters(_)
        | What::Ports(_)
        | What::Trouble(_)
        | What::End { .. } => None,
    });
    waits.expect("the case waits for something").met = false;
    let judgement = judge(&trace);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    insta::assert_snapshot!(judgement.reason.unwrap());
}
