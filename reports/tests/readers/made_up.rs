//! Runs made up by hand: every verdict, alike failures, hostile text; and plays of small cases on the model.

use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Basis, ContextLine, Finding, Judgement, Outcome, Verdict};
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::load;
use tcpconform_engine::model_target::play_on_model;
use tcpconform_engine::trace::{TargetKind, Time, Trace, Way, What};
use tcpconform_engine::wire;
use tcpconform_model::{Flags, Segment};

use super::{Report, Target};

/// A judgement without findings.
pub fn judgement(id: &str, variant: &str, verdict: Verdict, reason: Option<&str>, target_seconds: f64) -> Judgement {
    Judgement {
        id: id.into(),
        variant: variant.into(),
        verdict,
        reason: reason.map(str::to_owned),
        axes: vec!["position".into(), "ip".into()],
        claims: vec!["T23".into()],
        predictions: outcomes(id, variant),
        requirements: vec!["RFC 9293 3.10.7.4".into()],
        rules_fired: vec!["check-rst-bit/time-wait".into()],
        departures: Vec::new(),
        alternatives: Default::default(),
        behaviour: Vec::new(),
        findings: Vec::new(),
        target_seconds,
        retried: (verdict == Verdict::Inconclusive).then(|| "our call was 40 ms late".to_owned()),
    }
}

/// A small ledger.
pub const LEDGER: &str = "\
time_wait:
  - {id: T03, says: TIME_WAIT lasts 60 s., from: [002]}
  - {id: T17, says: tcp_tw_recycle recycles., from: [001], untested: Linux has no such knob since 4.12}
  - {id: T23, says: A RST ends TIME_WAIT., from: [004]}
close_wait:
  - {id: P01, says: CLOSE_WAIT lasts., from: [001]}
  - {id: P02, says: \"Nothing \\e[2J is shown.\", from: [001]}
";

/// The ledger of the runs.
pub fn ledger() -> Ledger {
    load::ledger("claims.yaml", LEDGER.as_bytes()).unwrap()
}

/// What the claims come to in a case: `T23` depends on who carries it, `T03` holds, `P02` does not.
fn outcomes(id: &str, variant: &str) -> Vec<Outcome> {
    let outcome = |claim: &str, holds: Option<bool>, text: &str| Outcome {
        claim: claim.into(),
        given: (claim == "T23").then(|| "the RST is in the window".into()),
        holds,
        record: holds.map(|_| 28),
        at_seconds: holds.map(|_| 62.179),
        text: text.into(),
        basis: Basis::Observed,
    };
    match id {
        "time-wait/rst" if variant.ends_with("ipv4") => vec![outcome("T23", Some(true), "CLOSED of a")],
        "time-wait/rst" => vec![outcome("T23", Some(false), "CLOSED of a was to come, and did not")],
        "time-wait/length" => vec![outcome("P01", None, "our injection was 40 ms late")],
        "close/normal" => vec![outcome("T03", Some(true), "CLOSED of a"), outcome("P02", Some(false), "\x1b[2J")],
        _ => Vec::new(),
    }
}

fn failed(variant: &str) -> Judgement {
    let line = |record, at, text: &str| ContextLine { record, at, text: text.into(), note: "injected".into() };
    let finding = Finding {
        rule: "check-rst-bit/time-wait".into(),
        statement: "a RST at RCV.NXT deletes the connection".into(),
        level: "MUST".into(),
        source: "RFC 9293 section 3.10.7.4".into(),
        expected: "CLOSED, and our next ACK answered by a RST within 1 s".into(),
        actual: "no segment for 1.000 s".into(),
        at_seconds: 1.200114,
        record: 10,
        place: "cases/time-wait/rst.yaml:15:5".into(),
        context: vec![line(8, 1_000, "< R  2:2(0)"), line(9, 200_114_000, "< .  2:2(0) ack 2")],
        possible: vec!["CLOSED".into()],
        hint: Some("net.ipv4.tcp_rfc1337=1 here makes Linux ignore RST in TIME-WAIT".into()),
        on: None,
    };
    let reason = Some("no segment for 1.000 s, where a RST within 1 s was owed");
    Judgement { findings: vec![finding], ..judgement("time-wait/rst", variant, Verdict::Fail, reason, 61.25) }
}

/// A run with every verdict.
pub fn report() -> Report {
    let late = "our injection was 40 ms late, the window is 12 ms";
    let cases = vec![
        judgement("time-wait/rst", "right-edge,ipv4", Verdict::Pass, None, 61.0),
        failed("left-edge,ipv4"),
        failed("left-edge,ipv6"),
        judgement("time-wait/length", "ipv4", Verdict::Inconclusive, Some(late), 60.5),
        judgement("close/normal", "ipv4,crafted", Verdict::Pass, None, 0.04),
        judgement("close/normal", "ipv6,crafted", Verdict::Pass, None, 0.05),
        judgement("close/traced", "", Verdict::Skip, Some("the tracepoint needs CAP_PERFMON"), 0.0),
        judgement("close/evil", "", Verdict::Error, Some("socket(): \x1b[2Jgone\u{7}"), 0.0),
    ];
    run(cases)
}

/// A run that came to this.
pub fn run(cases: Vec<Judgement>) -> Report {
    let target =
        Target { kind: TargetKind::Kernel, release: "6.12.117+deb12-cloud-amd64".into(), time: Time::Real, hz: 250 };
    Report::new(target, "2026-11-21T01:15:57Z".into(), 61.75, cases, 2, &ledger())
}

/// What a report format must not take for its own: markup, directives, control characters, marks that reorder text.
pub const HOSTILE: &str = "]]>&<b>\"'\u{0}\x1b[2J\u{202e}\u{fffe}\t\r\n  ok 1 - forged # SKIP\nKTAP version 1\n# Subtest: x\n1..9\n::error::%0A|` reboot: System halted";

/// A run whose texts are all hostile, with every verdict.
pub fn hostile() -> Report {
    let cases = Verdict::ALL.map(|verdict| {
        let name = format!("{HOSTILE}/{HOSTILE}-{verdict}");
        let mut case = Judgement { findings: Vec::new(), ..failed(HOSTILE) };
        if verdict == Verdict::Fail {
            case.findings = failed("").findings;
            let finding = &mut case.findings[0];
            for text in [&mut finding.rule, &mut finding.statement, &mut finding.expected, &mut finding.actual] {
                *text = HOSTILE.into();
            }
            finding.hint = Some(HOSTILE.into());
            finding.place = format!("{HOSTILE}:1:1");
        }
        Judgement { id: name, verdict, reason: Some(HOSTILE.into()), claims: vec![HOSTILE.into()], ..case }
    });
    let mut report = run(cases.into());
    report.target.release = HOSTILE.into();
    report
}

const CASE: &str = "\
purpose: The first FIN is lost, and comes again.
claims:
  W02: [segment: \"F. 1:1(0) ack 1\"]
cites: [RFC 9293 3.6]
variants:
  topology: [crafted, two-kernels]
steps:
  - establish
  - when:
      two-kernels:
        - drop: {frames: \"F.\", times: 1}
  - a: close()
  - expect: \"F. 1:1(0) ack 1\"
  - expect: {segment: \"F. 1:1(0) ack 1\", within: 3s}
  - when:
      crafted:
        - inject: \". ack 2\"
  - state: FIN-WAIT-2
";

/// The traces of a case over IPv4, with the crafted peer and between two kernels.
pub fn traces() -> [Trace; 2] {
    let cases = load::load_text("loss/first-fin", "cases/loss/first-fin.yaml", CASE.as_bytes()).unwrap();
    ["crafted,ipv4", "two-kernels,ipv4"].map(|variant| {
        let case = cases.iter().find(|case| case.variant == variant).unwrap();
        play_on_model(case).unwrap()
    })
}

/// The trace with the crafted peer in which the FIN that came again acknowledges too much, and the judgement that finds it.
pub fn broken() -> (Trace, Judgement) {
    let [mut trace, _] = traces();
    let emitted = |what: &What| what.packet().is_some_and(|(_, way, _)| way == Way::Out);
    let again = trace.records.iter_mut().rfind(|record| emitted(&record.what)).unwrap();
    let What::Segment(seen) = &mut again.what else { unreachable!("only segments are emitted") };
    let packet = wire::parse(&seen.packet).unwrap();
    assert!(packet.segment.has(Flags::FIN));
    let segment = Segment { ack: packet.segment.ack + 1, ..packet.segment };
    let options = wire::encode_options(&segment.options);
    seen.packet = wire::craft(packet.source, packet.destination, &segment, &options, &[]);
    let judgement = judge(&trace);
    assert_eq!(judgement.verdict, Verdict::Fail);
    (trace, judgement)
}
