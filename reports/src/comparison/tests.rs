use tcpconform_engine::behaviour::Deed;
use tcpconform_engine::claims::ClaimState;
use tcpconform_engine::fingerprint::Shown;
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::trace::{TargetKind, Time};

use super::{Aspect, Comparison, Html, Markdown, Text};
use crate::baseline::{Baseline, BaselineCase, BaselineClaim};
use crate::report::{SCHEMA, Target};

fn deeds(lines: &[&str]) -> Vec<Deed> {
    lines.iter().map(|line| line.parse().expect("a deed")).collect()
}

fn case(id: &str, variant: &str, verdict: Verdict, lines: &[&str]) -> BaselineCase {
    let reason = (verdict != Verdict::Pass).then(|| "check <b>: expected | this".to_string());
    BaselineCase { id: id.into(), variant: variant.into(), verdict, reason, behaviour: deeds(lines) }
}

fn run(release: &str, cases: Vec<BaselineCase>) -> Baseline {
    let target = Target { kind: TargetKind::Kernel, release: release.into(), time: Time::Virtual, hz: 250 };
    Baseline { schema: SCHEMA, target, fingerprint: Vec::new(), claims: Vec::new(), cases }
}

const QUIET: [&str; 4] =
    ["0.1 a > F. 1:1(0) ack 1", "0.1 a = close() = 0", "0.2 a : FIN-WAIT-1", "204.1 a > F. 1:1(0) ack 1"];

fn aspects(base: &[&str], new: &[&str]) -> Vec<Aspect> {
    let one = |lines: &[&str]| run("6.12", vec![case("a/b", "", Verdict::Pass, lines)]);
    let comparison = Comparison::of(&one(base), &one(new));
    comparison.behaviour.first().map(|change| change.aspects.clone()).unwrap_or_default()
}

#[test]
fn between_two_runs_of_one_kernel_there_is_nothing_to_say() {
    let all = run("6.12", vec![case("a/b", "x", Verdict::Pass, &QUIET)]);
    let comparison = Comparison::of(&all, &all);
    assert!(comparison.is_empty() && !comparison.regresses());
    let mut out = Vec::new();
    Text::default().write(&comparison, &mut out).unwrap();
    Markdown.write(&comparison, &mut out).unwrap();
    assert!(out.is_empty());
}

#[test]
fn what_chance_decides_is_no_change() {
    // Which of two things of one moment is seen first.
    let other = ["0.1 a = close() = 0", "0.1 a > F. 1:1(0) ack 1", "0.2 a : FIN-WAIT-1", "204.1 a > F. 1:1(0) ack 1"];
    assert_eq!(aspects(&QUIET, &other), []);
    // A tick of each kernel.
    let late = ["0.1 a > F. 1:1(0) ack 1", "0.1 a = close() = 0", "0.2 a : FIN-WAIT-1", "208.1 a > F. 1:1(0) ack 1"];
    assert_eq!(aspects(&QUIET, &late), []);
}

#[test]
fn each_kind_of_change_has_its_name() {
    let with = |index: usize, line: &'static str| {
        let mut lines = QUIET.to_vec();
        lines[index] = line;
        lines
    };
    assert_eq!(aspects(&QUIET, &with(3, "244.1 a > F. 1:1(0) ack 1")), [Aspect::Timing]);
    assert_eq!(aspects(&QUIET, &with(3, "204.1 a > R. 1:1(0) ack 1")), [Aspect::Segments]);
    assert_eq!(aspects(&QUIET, &QUIET[..3]), [Aspect::Segments]);
    assert_eq!(aspects(&QUIET, &with(2, "0.2 a : CLOSED")), [Aspect::States]);
    assert_eq!(aspects(&QUIET, &with(1, "0.1 a = close() = EBADF")), [Aspect::Calls]);
    let (one, two) =
        (["0.1 a > . 1:1(0) ack 1", "0.2 a > F. 1:1(0) ack 1"], ["0.1 a > F. 1:1(0) ack 1", "0.2 a > . 1:1(0) ack 1"]);
    assert_eq!(aspects(&one, &two), [Aspect::Order]);
}

#[test]
fn behaviour_is_not_compared_in_real_time() {
    let mut real = run("6.12", vec![case("a/b", "", Verdict::Pass, &QUIET[..2])]);
    real.target.time = Time::Real;
    let comparison = Comparison::of(&real, &run("6.12", vec![case("a/b", "", Verdict::Pass, &QUIET)]));
    assert!(comparison.is_empty());
    assert!(comparison.not_compared.is_some());
}

/// Two kernels that differ in everything.
fn everything() -> Comparison {
    let shown = |rule: &str, statement: &str| Shown {
        alternative: "right-edge".into(),
        question: "What becomes of it?".into(),
        rule: rule.into(),
        statement: statement.into(),
        cases: 2,
    };
    let claim = |verdict, condition: Option<&str>| BaselineClaim {
        id: "T14".into(),
        verdict,
        condition: condition.map(str::to_string),
    };
    let changed = ["0.1 a > F. 1:1(0) ack 1", "0.1 a = close() = 0", "0.2 a : FIN-WAIT-1", "304.1 a > F. 1:1(0) ack 1"];
    let mut base = run(
        "6.12.95",
        vec![
            case("close/active", "ipv4", Verdict::Pass, &QUIET),
            case("close/active", "ipv6", Verdict::Pass, &QUIET),
            case("rst/gone", "", Verdict::Pass, &QUIET),
            case("rst/one", "", Verdict::Pass, &QUIET),
            case("rst/two", "", Verdict::Fail, &QUIET),
        ],
    );
    base.fingerprint = vec![shown("right-edge-taken", "it is taken")];
    base.claims = vec![claim(ClaimState::Confirmed, None)];
    let mut new = run(
        "7.2.13",
        vec![
            case("close/active", "ipv4", Verdict::Pass, &changed),
            case("close/active", "ipv6", Verdict::Pass, &changed),
            case("rst/new", "", Verdict::Pass, &QUIET),
            case("rst/one", "", Verdict::Fail, &QUIET[..3]),
            case("rst/two", "", Verdict::Pass, &QUIET),
        ],
    );
    new.fingerprint = vec![shown("right-edge-strict", "it is dropped")];
    new.claims = vec![claim(ClaimState::Conditional, Some("holds where tcp_tw_reuse is 1"))];
    Comparison::of(&base, &new)
}

#[test]
fn all_changes_in_all_formats() {
    let comparison = everything();
    assert!(comparison.regresses());
    let mut text = Vec::new();
    Text::default().write(&comparison, &mut text).unwrap();
    insta::assert_snapshot!("comparison_text", String::from_utf8(text).unwrap());
    let mut markdown = Vec::new();
    Markdown.write(&comparison, &mut markdown).unwrap();
    insta::assert_snapshot!("comparison_markdown", String::from_utf8(markdown).unwrap());
    let mut html = Vec::new();
    Html.write(&comparison, &mut html).unwrap();
    let html = String::from_utf8(html).unwrap();
    assert!(html.contains("check &lt;b&gt;: expected | this") && !html.contains("<b>"));
    assert!(!html.contains("http"), "nothing from the network");
}

#[test]
fn a_baseline_is_read_as_it_was_written() {
    let baseline = run("6.12", vec![case("a/b", "x", Verdict::Pass, &QUIET)]);
    let mut packed = Vec::new();
    baseline.write(&mut packed).unwrap();
    assert_eq!(Baseline::read(&packed).unwrap(), baseline);
    let plain = serde_json::to_vec(&baseline).unwrap();
    assert_eq!(Baseline::read(&plain).unwrap(), baseline);
    let cut = Baseline::read(&packed[..packed.len() / 2]).unwrap_err().to_string();
    assert!(cut.contains("cut off"), "{cut}");
    let newer = String::from_utf8(plain).unwrap().replacen("\"schema\":1", "\"schema\":9", 1);
    let newer = Baseline::read(newer.as_bytes()).unwrap_err().to_string();
    assert!(newer.contains("newer tcpconform"), "{newer}");
    for other in ["", "{}", "[1, 2]", "{\"schema\": 1, \"cases\": 3}"] {
        let said = Baseline::read(other.as_bytes()).unwrap_err().to_string();
        assert!(said.contains("neither a report.json nor a baseline"), "{said}");
    }
}
