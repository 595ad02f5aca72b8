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
    BaselineCase {
        id: id.into(),
        variant: variant.into(),
        verdict,
        reason,
        behaviour: deeds(lines),
        target_seconds: None,
    }
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

/// Both runs either way round: what is named, and whether they went apart at a race.
fn compared(base: &[&str], new: &[&str], end: Option<f64>) -> (Vec<Aspect>, bool) {
    let one = |lines: &[&str]| {
        let case = BaselineCase { target_seconds: end, ..case("a/b", "", Verdict::Pass, lines) };
        run("6.12", vec![case])
    };
    let of = |base: &[&str], new: &[&str]| {
        let comparison = Comparison::of(&one(base), &one(new));
        let aspects = comparison.behaviour.first().map(|change| change.aspects.clone()).unwrap_or_default();
        (aspects, !comparison.parted.is_empty())
    };
    let found = of(base, new);
    assert_eq!(of(new, base), found, "the other way round");
    found
}

const ACKED: [&str; 5] = [
    "0.4 a > F. 1:1(0) ack 1",
    "0.5 due 0.4..8.4 b > . 1:1(0) ack 2",
    "0.6 b > F. 1:1(0) ack 2",
    "0.6 b = close() = 0",
    "500.0 a = again.connect() = EINPROGRESS",
];

#[test]
fn a_timer_that_another_thing_came_before_is_no_change() {
    // The FIN came before the delayed ACK, and carries it.
    let rides = [ACKED[0], "0.5 b > F. 1:1(0) ack 2", "0.5 b = close() = 0", ACKED[4]];
    assert_eq!(compared(&ACKED, &rides, None), (vec![], false));
    // The delayed ACK of one connection and a segment of another.
    let (one, other) = (
        ["0.2 due 0.1..8.1 a > . 1:1(0) ack 2", "0.3 a > P. 1:2(1) ack 2"],
        ["0.2 a > P. 1:2(1) ack 2", "4.0 due 0.1..8.1 a > . 1:1(0) ack 2"],
    );
    assert_eq!(compared(&one, &other, None), (vec![], false));
    // The observation ended before the retransmission.
    let (late, ended) =
        (["0.3 a > F. 1:1(0) ack 1", "4.7 due 4.2..12.2 a > F. 1:1(0) ack 1"], ["0.3 a > F. 1:1(0) ack 1"]);
    assert_eq!(compared(&late, &ended, Some(0.0058)), (vec![], false));
    assert_eq!(compared(&late, &ended, Some(0.0458)), (vec![Aspect::Segments], false));
    assert_eq!(compared(&late, &ended, None), (vec![Aspect::Segments], false));
}

#[test]
fn what_slack_does_not_explain_is_a_change() {
    // No timer: an answer that is gone.
    let answered = [ACKED[0], "0.5 b > . 1:1(0) ack 2", ACKED[2], ACKED[3], ACKED[4]];
    let rides = [ACKED[0], ACKED[2], ACKED[3], ACKED[4]];
    assert_eq!(compared(&answered, &rides, None), (vec![Aspect::Segments], false));
    // A timer, and nothing near it.
    let later =
        [ACKED[0], "60.6 b > F. 1:1(0) ack 2", "60.6 b = close() = 0", "560.0 a = again.connect() = EINPROGRESS"];
    assert_eq!(compared(&ACKED, &later, None).0, [Aspect::Segments]);
    // A delayed ACK that another kernel's model would allow for long, and that has gone behind a call 60 ms later.
    let wide = ["0.4 a < P. 1:2(1) ack 1", "40.5 due 40.4..200.4 a > . 1:1(0) ack 2", "100.6 a > P. 1:2(1) ack 2"];
    assert_eq!(compared(&wide, &[wide[0], wide[2]], None), (vec![Aspect::Segments], false));
    // Both came, by more than slack in another order.
    let (one, other) = (
        ["0.2 due 0.1..8.1 a > . 1:1(0) ack 2", "50.3 a > P. 1:2(1) ack 2"],
        ["50.2 a > P. 1:2(1) ack 2", "54.0 due 50.1..58.1 a > . 1:1(0) ack 2"],
    );
    assert_eq!(compared(&one, &other, None), (vec![Aspect::Order], false));
    // What came first here came first there too.
    let (acked, gone) = (["0.3 a = close() = 0", "0.5 due 0.4..8.4 a > . 1:1(0) ack 2"], ["0.3 a = close() = 0"]);
    assert_eq!(compared(&acked, &gone, None), (vec![Aspect::Segments], false));
    // The same timer does something else.
    let other = ACKED.map(|line| if line == ACKED[1] { "0.5 due 0.4..8.4 b > . 1:1(0) ack 2 win 0" } else { line });
    assert_eq!(compared(&ACKED, &other, None), (vec![Aspect::Segments], false));
    let again = [&other[..2], &["0.5 b > . 1:1(0) ack 2"], &other[2..]].concat();
    assert_eq!(compared(&ACKED, &again, None), (vec![Aspect::Segments], false));
}

#[test]
fn behind_a_race_a_change_is_one_unless_the_race_sent_the_runs_apart() {
    let rides = |last| [ACKED[0], "0.5 b > F. 1:1(0) ack 2", "0.5 b = close() = 0", last];
    let refused = rides("500.0 a = again.connect() = EADDRNOTAVAIL");
    assert_eq!(compared(&ACKED, &refused, None), (vec![Aspect::Calls], false));
    let apart =
        [ACKED[0], "0.4 a : FIN-WAIT-1", "0.5 b > F. 1:1(0) ack 2", "0.5 b = close() = 0", "204.5 a > F. 1:1(0) ack 1"];
    assert_eq!(compared(&ACKED, &apart, None), (vec![], true));
}

#[test]
fn a_time_is_held_against_what_it_follows_from() {
    // A close() that lingers, behind retransmissions that come when they may.
    let lingers = |retransmitted: &str, returned: &str| -> (Vec<Aspect>, bool) {
        let base = [
            "4.1 a > F. 1:1(0) ack 2",
            "845.7 due 830.1..866.1 a > F. 1:1(0) ack 2",
            "1005.9 took 1001.8 a = close() = 0",
        ];
        compared(&base, &[base[0], retransmitted, returned], None)
    };
    let retransmitted = "842.0 due 830.1..866.1 a > F. 1:1(0) ack 2";
    assert_eq!(lingers(retransmitted, "1036.9 took 1032.8 a = close() = 0"), (vec![], false));
    assert_eq!(lingers(retransmitted, "1096.9 took 1092.8 a = close() = 0"), (vec![Aspect::Timing], false));
    // A timer that was set long before what came last before it.
    let fires = |at: &str| {
        let base = ["0.1 a : FIN-WAIT-2", "59990.0 a < . 1:1(0) ack 2", "60100.0 due 60000.1..62052.1 a : CLOSED"];
        compared(&base, &[base[0], base[1], at], None)
    };
    assert_eq!(fires("61900.0 due 60000.1..62052.1 a : CLOSED"), (vec![], false));
    assert_eq!(fires("63900.0 due 63000.1..65052.1 a : CLOSED"), (vec![Aspect::Timing], false));
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
        unplayed: 0,
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
            case("route/apart", "", Verdict::Pass, &ACKED),
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
            case("route/apart", "", Verdict::Pass, &[ACKED[0], "0.4 a : FIN-WAIT-1", ACKED[2], ACKED[3]]),
        ],
    );
    new.fingerprint = vec![shown("right-edge-strict", "it is dropped")];
    new.claims = vec![claim(ClaimState::Conditional, Some("holds where tcp_tw_reuse is 1"))];
    Comparison::of(&base, &new)
}

#[test]
fn a_part_of_the_plays_says_less_and_that_is_no_change() {
    let with = |verdict, unplayed| {
        let mut run = run("6.12.95", vec![case("close/active", "ipv4", Verdict::Pass, &QUIET)]);
        run.claims = vec![BaselineClaim { id: "T14".into(), verdict, condition: None, unplayed }];
        run
    };
    let changes = |base: &Baseline, new: &Baseline| Comparison::of(base, new).claims.len();
    let (whole, other) = (with(ClaimState::Confirmed, 0), with(ClaimState::Refuted, 0));
    let part = with(ClaimState::Untested, 2);
    assert_eq!((changes(&whole, &other), changes(&whole, &part), changes(&part, &whole)), (1, 0, 0));
    assert_eq!(changes(&part, &with(ClaimState::Conditional, 2)), 1);
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
