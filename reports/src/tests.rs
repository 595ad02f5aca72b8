//! The reports of a run made up by hand: every verdict, alike failures, hostile text.

use tcpconform_engine::judgement::{ContextLine, Finding, Judgement, Outcome, Verdict};
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::load;
use tcpconform_engine::trace::{TargetKind, Time};

use super::*;
use crate::json::Json;
use crate::report::Target;
use crate::terminal::Terminal;

fn judgement(id: &str, variant: &str, verdict: Verdict, reason: Option<&str>, target_seconds: f64) -> Judgement {
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
    }
}

const LEDGER: &str = "\
time_wait:
  - {id: T03, says: TIME_WAIT lasts 60 s., from: [002]}
  - {id: T17, says: tcp_tw_recycle recycles., from: [001], untested: Linux has no such knob since 4.12}
  - {id: T23, says: A RST ends TIME_WAIT., from: [004]}
close_wait:
  - {id: P01, says: CLOSE_WAIT lasts., from: [001]}
  - {id: P02, says: \"Nothing \\e[2J is shown.\", from: [001]}
";

fn ledger() -> Ledger {
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
    };
    let reason = Some("no segment for 1.000 s, where a RST within 1 s was owed");
    Judgement { findings: vec![finding], ..judgement("time-wait/rst", variant, Verdict::Fail, reason, 61.25) }
}

fn report() -> Report {
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
    let target =
        Target { kind: TargetKind::Kernel, release: "6.12.117+deb12-cloud-amd64".into(), time: Time::Real, hz: 250 };
    Report::new(target, "2026-11-21T01:15:57Z".into(), 61.75, cases, 2, &ledger())
}

fn text(reporter: &dyn Reporter, report: &Report) -> String {
    let mut text = Vec::new();
    reporter.write(report, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_terminal_report_reads_without_colour() {
    insta::assert_snapshot!(text(&Terminal { palette: Palette::plain() }, &report()));
}

#[test]
fn of_a_long_run_only_folders_and_what_did_not_pass_are_listed() {
    let mut report = report();
    report.cases = (0..50)
        .map(|n| judgement(&format!("close/case-{n}"), "ipv4", Verdict::Pass, None, 1.0))
        .chain([judgement("time-wait/length", "ipv4", Verdict::Inconclusive, Some("too late"), 60.5)])
        .collect();
    let text = text(&Terminal { palette: Palette::plain() }, &report);
    insta::assert_snapshot!(text.split("\n\n").next().unwrap());
}

fn without_colours(coloured: &str) -> String {
    let mut plain = String::new();
    let mut rest = coloured;
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').expect("a colour ends with m").1;
    }
    plain + rest
}

#[test]
fn colours_change_no_letter() {
    let coloured = text(&Terminal { palette: Palette::coloured() }, &report());
    assert_eq!(without_colours(&coloured), text(&Terminal { palette: Palette::plain() }, &report()));
    let all = [report(), report()];
    for reports in [&all[..1], &all] {
        assert_eq!(
            without_colours(&claims_table(reports, Palette::coloured())),
            claims_table(reports, Palette::plain())
        );
    }
}

fn claims_table(reports: &[Report], palette: Palette) -> String {
    let mut text = Vec::new();
    claims::table(reports, &palette, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_claims_of_one_run_with_their_evidence() {
    insta::assert_snapshot!(claims_table(&[report()], Palette::plain()));
}

#[test]
fn the_claims_of_several_runs_side_by_side() {
    let mut other = report();
    other.target.release = "7.2".into();
    // Another kernel, on which IPv6 makes no difference, and a ledger with a claim more and one less.
    other.cases.retain(|case| case.variant != "left-edge,ipv6");
    let text = LEDGER.replace("P01", "P03").replace("T17", "T18");
    let ledger = load::ledger("claims.yaml", text.as_bytes()).unwrap();
    let other = Report::new(other.target, other.started, 1.0, other.cases, 0, &ledger);
    let mut third = report();
    third.target.release = "6.18.44".into();
    insta::assert_snapshot!(claims_table(&[report(), other, third], Palette::plain()));
}

#[test]
fn claims_for_programs() {
    let mut text = Vec::new();
    claims::json(&[report()], &mut text).unwrap();
    insta::assert_snapshot!(String::from_utf8(text).unwrap());
}

#[test]
fn a_run_that_decides_no_claim_says_nothing_of_them() {
    let mut report = report();
    report.cases.iter_mut().for_each(|case| case.predictions.clear());
    report = Report::new(report.target, report.started, 1.0, report.cases, 0, &ledger());
    assert!(!text(&Terminal { palette: Palette::plain() }, &report).contains("claim"));
}

#[test]
fn many_claims_are_only_counted() {
    let mut report = report();
    let refuted = report.claims.iter().find(|claim| claim.id == "P02").unwrap().clone();
    report.claims = vec![refuted; 20];
    let text = text(&Terminal { palette: Palette::plain() }, &report);
    assert!(text.contains("claims: 20 refuted\n  tcpconform claims shows each with its evidence\n"), "{text}");
}

#[test]
fn the_json_report_has_the_fields_that_scripts_rely_on() {
    insta::assert_snapshot!(text(&Json, &report()));
}

#[test]
fn the_json_report_is_read_back() {
    let report = report();
    assert_eq!(json::read(text(&Json, &report).as_bytes()).unwrap(), report);
}

#[test]
fn what_is_no_report_is_refused() {
    let refusal = |text: &str| json::read(text.as_bytes()).unwrap_err().to_string();
    insta::assert_snapshot!(
        [refusal(""), refusal("{}"), refusal("{\"schema\": 2}"), refusal("{\"schema\": 1, \"tool\": 3}")].join("\n")
    );
}
