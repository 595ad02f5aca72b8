//! The reports of runs made up by hand.

use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Basis, Judgement, Outcome, Verdict};
use tcpconform_engine::load;
use tcpconform_engine::play::Progress;
use tcpconform_engine::run::{Finished, RunEvent, Tally};
use tcpconform_engine::trace::Trace;

use super::*;
use crate::json::Json;
use crate::report::Target;
use crate::terminal::Terminal;
use made_up::{HOSTILE, LEDGER, broken, hostile, judgement, ledger, report, traces};

mod any_text;
#[path = "../tests/readers/made_up.rs"]
pub(crate) mod made_up;

fn text(reporter: &dyn Reporter, report: &Report) -> String {
    let mut text = Vec::new();
    reporter.write(report, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_terminal_report_reads_without_colour() {
    insta::assert_snapshot!(text(&Terminal { palette: Palette::plain(), ..Terminal::default() }, &report()));
}

#[test]
fn of_a_long_run_only_folders_and_what_did_not_pass_are_listed() {
    let mut report = report();
    report.cases = (0..50)
        .map(|n| judgement(&format!("close/case-{n}"), "ipv4", Verdict::Pass, None, 1.0))
        .chain([judgement("time-wait/length", "ipv4", Verdict::Inconclusive, Some("too late"), 60.5)])
        .collect();
    let text = text(&Terminal { palette: Palette::plain(), ..Terminal::default() }, &report);
    insta::assert_snapshot!(text.split("\n\n").nth(1).unwrap());
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
    let coloured = text(&Terminal { palette: Palette::coloured(), ..Terminal::default() }, &report());
    assert_eq!(
        without_colours(&coloured),
        text(&Terminal { palette: Palette::plain(), ..Terminal::default() }, &report())
    );
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

/// The run, made without the tracepoint: a play of T03 cannot tell, and one of T23 neither.
pub(crate) fn unprivileged() -> Report {
    let mut report = report();
    for case in &mut report.cases {
        let untold = |claim: &str| Outcome {
            claim: claim.into(),
            given: None,
            holds: None,
            record: None,
            at_seconds: None,
            text: "FIN-WAIT-1 of a was not seen, and nothing told of every change of its state".into(),
            basis: Basis::Untold,
        };
        match case.id.as_str() {
            "time-wait/length" => case.predictions.extend(["T03", "T23"].map(untold)),
            "close/normal" => case.predictions[0].basis = Basis::Inferred,
            _ => {}
        }
    }
    Report::new(report.target, report.started, 1.0, report.cases, 0, &ledger())
}

#[test]
fn plays_that_cannot_tell_are_told_with_the_claim() {
    let hint = "1 play undecided: the tracepoint of state changes was not readable; run as root";
    let alone = claims_table(&[unprivileged()], Palette::plain());
    let counts = "linux 6.12.117+deb12-cloud-amd64: 1 refuted, 1 conditional, 3 untested; 2 with undecided plays\n";
    assert!(alone.starts_with(counts), "{alone}");
    let of_t03 = format!("holds in the 2 plays that could tell\n{:20}{hint}\n", "");
    assert!(alone.contains(&of_t03), "{alone}");
    let mut other = report();
    other.target.release = "7.2".into();
    let both = claims_table(&[unprivileged(), other], Palette::plain());
    assert!(both.contains(&format!("6.12.117+deb12-cloud-amd64: {hint}\n")), "{both}");
    let section = text(&Terminal { palette: Palette::plain(), ..Terminal::default() }, &unprivileged());
    assert!(section.contains("3 untested; 2 with undecided plays\n"), "{section}");
    let mut programs = Vec::new();
    claims::json(&[unprivileged()], &mut programs).unwrap();
    let programs: serde_json::Value = serde_json::from_slice(&programs).unwrap();
    let t03 = &programs[0]["claims"].as_array().unwrap().iter().find(|claim| claim["id"] == "T03").unwrap();
    assert_eq!((&t03["verdict"], &t03["caveat"]), (&"untested".into(), &hint.into()));
    let bases: Vec<&serde_json::Value> = t03["evidence"].as_array().unwrap().iter().map(|one| &one["basis"]).collect();
    assert_eq!(bases, ["inferred", "inferred", "untold"]);
}

#[test]
fn a_run_that_decides_no_claim_says_nothing_of_them() {
    let mut report = report();
    report.cases.iter_mut().for_each(|case| case.predictions.clear());
    report = Report::new(report.target, report.started, 1.0, report.cases, 0, &ledger());
    assert!(!text(&Terminal { palette: Palette::plain(), ..Terminal::default() }, &report).contains("claim"));
}

#[test]
fn many_claims_are_only_counted() {
    let mut report = report();
    let refuted = report.claims.iter().find(|claim| claim.id == "P02").unwrap().clone();
    report.claims = vec![refuted; 20];
    let text = text(&Terminal { palette: Palette::plain(), ..Terminal::default() }, &report);
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

#[test]
fn the_report_for_continuous_integration() {
    insta::assert_snapshot!(text(&junit::Junit, &report()));
}

#[test]
fn hostile_text_stays_text_in_xml() {
    let text = text(&junit::Junit, &hostile());
    let document = roxmltree::Document::parse(&text).unwrap();
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    let names: Vec<&str> = cases.map(|case| case.attribute("name").unwrap()).collect();
    assert_eq!(names.len(), Verdict::ALL.len());
    let shown = printable::printable(HOSTILE).replace('\u{fffe}', "\\u{fffe}");
    assert!(names.iter().all(|name| name.contains(&shown)), "{names:?}");
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    assert!(failure.text().unwrap().contains(&shown), "{failure:?}");
}

#[test]
fn the_report_as_the_kernel_tests_write_it() {
    insta::assert_snapshot!(text(&ktap::Ktap, &report()));
}

#[test]
fn hostile_text_stays_text_in_ktap() {
    let text = text(&ktap::Ktap, &hostile());
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("ok ")).count(), 2);
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("not ok ")).count(), 4);
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("KTAP")).count(), 2);
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn the_submission_to_the_kernel_s_collected_results() {
    insta::assert_snapshot!(text(&kcidb::Kcidb, &report()));
}

#[test]
fn remarks_are_about_what_the_case_and_the_rules_speak_of() {
    let [crafted, two_kernels] = traces();
    let mut text = String::new();
    for trace in [&crafted, &two_kernels, &broken().0] {
        let judgement = judge(trace);
        text += &format!("{} {}\n", judgement.name(), judgement.verdict);
        for (record, remarks) in remarks::remarks(trace, &judgement) {
            text += &format!("{record:>4}  {}\n", remarks.join("\n      "));
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_blocks_of_a_capture_are_whole() {
    for trace in traces().into_iter().chain([broken().0]) {
        let mut bytes = Vec::new();
        capture::write(&trace, &judge(&trace), &mut bytes).unwrap();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let (mut at, mut kinds) = (0, Vec::new());
        while at < bytes.len() {
            let len = word(at + 4) as usize;
            assert_eq!((len % 4, word(at + len - 4) as usize), (0, len), "at byte {at}");
            kinds.push(word(at));
            at += len;
        }
        let packets = trace.records.iter().filter(|record| record.what.packet().is_some()).count();
        let links = trace.header.endpoints.len();
        let expected = [vec![0x0a0d_0d0a], vec![1; links], vec![6; packets]].concat();
        assert_eq!(kinds, expected);
    }
}

#[test]
fn the_page_of_a_trace_holds_all_that_it_tells() {
    let (trace, judgement) = broken();
    insta::assert_snapshot!(page_of(&trace, &judgement));
}

fn page_of(trace: &Trace, judgement: &Judgement) -> String {
    let mut text = Vec::new();
    page::page(trace, judgement, &Palette::plain(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn hostile_text_stays_text_on_a_page() {
    let (mut trace, _) = broken();
    let header = &mut trace.header;
    for text in
        [&mut header.case, &mut header.variant, &mut header.purpose, &mut header.tool, &mut header.target.release]
    {
        *text = HOSTILE.into();
    }
    header.requirements = vec![HOSTILE.into()];
    header.steps.iter_mut().for_each(|step| (step.text, step.place) = (HOSTILE.into(), HOSTILE.into()));
    header.claims.iter_mut().for_each(|claim| (claim.claim, claim.given) = (HOSTILE.into(), Some(HOSTILE.into())));
    let sysctls = [(HOSTILE.to_owned(), HOSTILE.to_owned())];
    header.endpoints.iter_mut().for_each(|endpoint| endpoint.sysctls = sysctls.clone().into());
    let text = page_of(&trace, &judge(&trace));
    assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("KTAP")).count(), 0, "{text}");
}

#[test]
fn a_few_that_failed_are_shown_with_what_happened() {
    let (trace, judgement) = broken();
    let ladder = ladder::excerpt(&trace, &judgement.findings);
    let few = Report::new(Target::of(&trace.header.target), String::new(), 0.0, vec![judgement.clone()], 0, &ledger());
    let terminal = |all_ladders| Terminal {
        ladders: [(judgement.name(), ladder.clone())].into(),
        all_ladders,
        ..Terminal::default()
    };
    insta::assert_snapshot!(text(&terminal(false), &few));
    let mut many = few;
    many.cases.extend((0..3).map(|n| Judgement { id: format!("loss/{n}"), ..judgement.clone() }));
    assert!(!text(&terminal(false), &many).contains(&ladder));
    assert!(text(&terminal(true), &many).contains(&ladder));
}

#[test]
fn an_excerpt_without_a_finding_is_the_end() {
    let [trace, _] = traces();
    insta::assert_snapshot!(ladder::excerpt(&trace, &[]));
}

#[test]
fn of_many_that_failed_the_rest_is_told_in_a_line_each() {
    let mut report = report();
    let failed = report.cases.iter().find(|case| case.verdict == Verdict::Fail).unwrap().clone();
    report.cases = (0..42).map(|n| Judgement { id: format!("close/case-{n:02}"), ..failed.clone() }).collect();
    insta::assert_snapshot!(text(&Terminal::default(), &report).split_once("FAIL close/case-19").unwrap().1);
}

#[test]
fn annotations_are_workflow_commands_of_one_line_each() {
    insta::assert_snapshot!(text(&github::Annotations, &report()));
    let hostile = text(&github::Annotations, &hostile());
    assert_eq!(hostile.lines().count(), 3, "{hostile}");
    assert!(hostile.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")), "{hostile}");
    assert!(hostile.contains("%3A%3Aerror%3A%3A%250A"), "{hostile}");
}

#[test]
fn no_more_annotations_than_are_shown() {
    let mut report = report();
    let failed = report.cases.iter().find(|case| case.verdict == Verdict::Fail).unwrap().clone();
    report.cases = (0..42).map(|n| Judgement { id: format!("close/case-{n:02}"), ..failed.clone() }).collect();
    assert_eq!(text(&github::Annotations, &report).lines().count(), 10);
}

#[test]
fn the_summary_of_a_job() {
    insta::assert_snapshot!(text(&github::Summary, &report()));
    let hostile = text(&github::Summary, &hostile());
    assert!(!hostile.contains("<b>") && !hostile.contains('`') && !hostile.contains('\x1b'), "{hostile}");
}

#[test]
fn a_summary_of_a_job_is_not_too_large() {
    let mut report = report();
    let failed = report.cases.iter().find(|case| case.verdict == Verdict::Fail).unwrap().clone();
    report.cases = (0..5000).map(|n| Judgement { id: format!("close/case-{n:04}"), ..failed.clone() }).collect();
    let text = text(&github::Summary, &report);
    assert!(text.len() < 1 << 20, "{}", text.len());
    assert!(text.trim_end().ends_with(" more are in the reports."), "{}", &text[text.len() - 200..]);
}

#[test]
fn each_event_of_a_run_is_a_line_for_programs() {
    let (trace, judgement) = broken();
    let name: std::sync::Arc<str> = "loss/first-fin@crafted,ipv4".into();
    let progress = |progress| RunEvent::CaseProgress { name: name.clone(), progress };
    let events = [
        RunEvent::Started { total: 1 },
        RunEvent::CaseStarted { name: name.clone(), lasts: Some(std::time::Duration::from_millis(208)) },
        progress(Progress::Waiting { seconds_left: 3.0 }),
        progress(Progress::Active),
        RunEvent::CaseFinished(Box::new(Finished { judgement: judgement.clone(), trace: Some(trace.clone()) })),
        RunEvent::CaseAgain { name: name.clone(), reason: "our call was 40 ms late".into() },
        RunEvent::CaseHalted { name: name.clone() },
        RunEvent::Interrupted { in_flight: 1 },
    ];
    let mut lines: Vec<String> = events.iter().map(|event| events::line(event, None).unwrap()).collect();
    assert_eq!(events::line(&RunEvent::Finished(Tally { finished: 1, not_run: 0 }), None), None);
    let run = Report::new(
        Target::of(&trace.header.target),
        "2026-11-21T01:15:57Z".into(),
        0.5,
        vec![judgement],
        0,
        &ledger(),
    );
    lines.push(events::finished(&run, Some(std::path::Path::new("out/report.json")), Some("6.12.1")));
    assert!(lines.iter().all(|line| !line.contains('\n')));
    let whole = format!(",\"judgement\":{}", serde_json::to_string(&run.cases[0]).unwrap());
    assert!(lines[4].contains(&whole), "{}", lines[4]);
    insta::assert_snapshot!(lines.join("\n").replace(&whole, ""));
}

fn coverage_of(reports: &[Report]) -> String {
    let mut text = Vec::new();
    coverage::text(&coverage::coverage(reports), &Palette::plain(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn coverage_names_rules_and_cases_and_what_nobody_covers() {
    let (_, broken) = broken();
    let run = |cases| Report::new(report().target, String::new(), 0.0, cases, 0, &ledger());
    let [mut one, other] = [run(vec![broken]), run(vec![judge(&traces()[0])])];
    one.target.release = "6.1".into();
    let text = coverage_of(&[one, other]);
    let part = |from: &str, lines: usize| {
        text.lines().skip_while(|line| !line.contains(from)).take(lines).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(
        [part("RFC 9293: rules", 7), part("MUST-13", 2), part("timeout/retransmission", 1), part("Nobody", 3)]
            .join("\n...\n")
    );
    let without = coverage_of(&[]);
    assert!(without.contains("no run given") && without.contains("\n  MUST-2   MUST "), "{without}");
}

#[test]
fn coverage_for_programs() {
    let reports = [report()];
    let mut text = Vec::new();
    coverage::json(&coverage::coverage(&reports), &mut text).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let rules = |of: &serde_json::Value| of["rules"].as_array().unwrap().len();
    assert_eq!(read["targets"][0]["release"], "6.12.117+deb12-cloud-amd64");
    assert!(read["covered"].as_array().unwrap().iter().all(|required| rules(required) > 0));
    assert!(
        read["uncovered"]
            .as_array()
            .unwrap()
            .iter()
            .all(|required| required["label"].is_string() && rules(required) == 0)
    );
    let of_rule = |required: &&serde_json::Value| required["rules"][0]["rule"] == "check-rst-bit/time-wait";
    let rst = read["covered"].as_array().unwrap().iter().find(of_rule).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(rst).unwrap());
}
