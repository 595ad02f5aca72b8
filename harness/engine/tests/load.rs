//! What good case files resolve to, and that no file makes the loader panic or dawdle.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tcpconform_engine::case::Case;
use tcpconform_engine::load::{catalogue, catalogue_embedded, load_text, merge};
use tcpconform_engine::select::{SelectError, select};

const FEATURES: &str = r#"# A comment.
purpose: A RST at RCV.NXT ends TIME-WAIT; elsewhere it does not.
claims:
  T23:
    given: the RST is ${position}
    predicts:
      - state: TIME-WAIT
      - when:
          crafted:
            - {arrives: "R ${position}(0)", within: 3s, times: 1, checksum: valid, ttl: 64}
            - not: {segment: "* ack 2", header: 32}
              within: 10ms
            - {call: close(), returns: 0}
          two-kernels: [{segment: F., from: b}, {arrives: F., at: b}, {state: CLOSED, of: b, ratio: 1.5}]
          no-ts: [{state: CLOSED, after: 1.5s}]
  T24:
    - when: {two-kernels: [{call: child.kill(), on: b}]}
cites: [RFC 9293 3.10.7.4, RFC 9293 MUST-13, RFC 7323 A.2, Linux tcp_fin(), Linux sysctl tcp_rfc1337, Linux tcp(7)]
variants:
  topology: [crafted, two-kernels]
  position: {left-edge: "rcv.nxt", outside: "rcv.nxt+rcv.wnd+1"}
  timestamps: [ts, no-ts]
  ip: [ipv4]
sysctls: {tcp_fin_timeout: 5, tcp_rmem: 4096 131072 6291456, tcp_congestion_control: reno}
optional-sysctls: {tcp_tw_recycle: 1}
machine-sysctls: {tcp_max_orphans: 0}
steps:
  - establish
  - when:
      crafted:
        - a: spare = dup()
        - a: close() &
        - a: spare.close()
        - expect: "F. 1:1(0) ack 1"
        - inject: ". ack 2"
        - state: FIN-WAIT-2
        - inject: {segment: "F. rcv.nxt(0) ack 2 <nop,nop,TS val now+1 ecr last>", damage: [checksum, {data-offset: 3}]}
        - icmp: host-unreachable
        - icmp: {error: port-unreachable, seq: snd.una-1}
        - expect: {segment: ". ack 2", within: 300ms}
        - when: {no-ts: [wait: 1.5s]}
        - inject: {segment: "R ${position}(0)"}
      two-kernels:
        - drop: F.
        - delay: {frames: "* ack 2", by: 100ms, from: b, times: 3}
        - duplicate: {frames: F., copies: 3}
        - duplicate: F.
        - swap: {frames: P. (100), times: forever}
        - rewrite: {frames: F., to: "F. ${position}(0)", from: b}
        - b: child = handover()
        - a: close()
        - b: child.kill()
        - b: crash()
        - b: reboot()
        - expect: {segment: "F.", from: b, within: 3s}
  - state: {is: CLOSED, within: 63s}
"#;

const OPENINGS: &str = r#"purpose: The calls are made one by one.
cites: [RFC 9293]
open: passive
peer: {mss: none, wscale: 0, win: 65535}
variants: {sack: [no-sack], ip: [ipv6], retries: [0, 3]}
sysctls: {tcp_orphan_retries: "${retries}"}
mtu: 9000
steps:
  - a: setsockopt(SO_REUSEADDR, 1)
  - a: listen(1)
  - a: accept() &
  - poll: {events: IN RDHUP, within: 2m}
  - a: setsockopt(SO_LINGER, off)
  - a: setsockopt(IPV6_UNICAST_HOPS, 1)
  - a: read(10)
  - a: tcp_info()
  - a: shutdown(WR)
"#;

fn show(cases: &[Case]) -> String {
    let mut text = String::new();
    for case in cases {
        let sysctls = (&case.sysctls, &case.optional_sysctls, &case.machine_sysctls);
        let head = (&case.topology, &case.ip, &case.open, &case.peer, sysctls, case.mtu);
        let ids = case.claim_ids();
        writeln!(text, "{} {:?}\n  {head:?}\n  {ids:?} {:?}", case.name(), case.choices, case.requirements)
            .expect("a String takes everything");
        for step in &case.steps {
            writeln!(text, "  {} {}", step.place, step.text).expect("a String takes everything");
        }
    }
    text
}

#[test]
fn every_feature_in_two_files() {
    let features = load_text("time-wait/rst", "rst.yaml", FEATURES.as_bytes()).expect("a case");
    assert_eq!(features.len(), 8);
    insta::assert_snapshot!("features", show(&[features[0].clone(), features[7].clone()]));
    insta::assert_debug_snapshot!("steps", features[0].steps);
    insta::assert_debug_snapshot!("claims", [&features[0].claims, &features[7].claims]);
    insta::assert_snapshot!("openings", show(&load_text("o", "o.yaml", OPENINGS.as_bytes()).expect("a case")));
}

#[test]
fn line_ends_and_byte_order_mark_change_nothing() {
    let plain = load_text("t", "t.yaml", FEATURES.as_bytes());
    let windows = format!("\u{feff}{}", FEATURES.replace('\n', "\r\n"));
    assert_eq!(load_text("t", "t.yaml", windows.as_bytes()), plain);
    assert!(plain.is_ok());
}

#[test]
fn places_of_errors_are_the_same_with_windows_line_ends() {
    let wrong = FEATURES.replace("rcv.nxt(0) ack 2 <nop", "rcv.next(0) ack 2 <nop");
    let place =
        |text: &str| load_text("t", "t.yaml", text.as_bytes()).expect_err("a wrong variable").0[0].place.clone();
    assert_eq!(place(&wrong), "t.yaml:37:33");
    assert_eq!(place(&format!("\u{feff}{}", wrong.replace('\n', "\r\n"))), "t.yaml:37:33");
}

#[expect(clippy::disallowed_methods, reason = "the bound is on our own work, not on a target's")]
#[test]
fn monstrous_files_are_refused_soon() {
    let repeat = |head: &str, line: &dyn Fn(usize) -> String| {
        let mut text = head.to_string();
        let mut i = 0;
        while text.len() < 1_000_000 {
            text += &line(i);
            i += 1;
        }
        text
    };
    let head = "purpose: x\ncites: [RFC 9293]\n";
    let monsters = [
        repeat("", &|_| "[".into()),
        repeat("", &|_| "{a: ".into()),
        repeat("", &|_| "- ".into()),
        repeat("", &|_| "? ".into()),
        repeat("", &|_| "\"".into()),
        repeat("", &|i| format!("key{i}: 1\n")),
        repeat(&format!("{head}steps:\n"), &|_| "  - establish\n".into()),
        repeat(&format!("{head}steps:\n"), &|_| "  - a: clse()\n".into()),
        repeat(&format!("{head}steps:\n  - expect: F. "), &|_| "1+".into()),
        repeat(&format!("{head}steps: [expect: F.]\nsysctls:\n"), &|i| format!("  s{i}: 1\n")),
        repeat(&format!("{head}steps: [expect: F.]\nvariants:\n  x:\n"), &|i| format!("    v{i}: 1\n")),
        repeat(&format!("{head}steps: [expect: F.]\nclaims:\n"), &|i| format!("  T{i}: [segment: F.]\n")),
        repeat(&format!("{head}steps: [expect: F.]\nclaims:\n  T04:\n"), &|_| "    - not: {segment: F.}\n".into()),
    ];
    for monster in monsters {
        let start = Instant::now();
        let refused = load_text("t", "t.yaml", monster.as_bytes());
        let name: String = monster.chars().rev().take(20).collect();
        assert!(refused.is_err(), "{name}");
        let rendered = refused.expect_err("just seen").to_string();
        assert!(rendered.len() < 100_000, "{name}: {} bytes", rendered.len());
        assert!(start.elapsed() < Duration::from_secs(20), "{name}: {:?}", start.elapsed());
    }
}

proptest! {
    #[test]
    fn no_change_of_a_file_makes_the_loader_panic(
        at in 0..FEATURES.len(), len in 0..8usize, with in "[ -~é\n\t:\\[\\]{}&*!|>'\"%@`$-]{0,6}|[0-9a-z]{1,3}",
    ) {
        let mut bytes = FEATURES.as_bytes().to_vec();
        let end = (at + len).min(bytes.len());
        bytes.splice(at..end, with.bytes());
        if let Err(diagnostics) = load_text("t", "t.yaml", &bytes) {
            prop_assert!(!diagnostics.0.is_empty());
            prop_assert!(diagnostics.render(true).contains("t.yaml:"));
        }
    }
}

fn small(claim: &str) -> String {
    format!("purpose: x\nclaims: {{{claim}: [segment: F.]}}\ncites: [RFC 9293]\nsteps: [establish, expect: F.]\n")
}

fn some_cases() -> Vec<Case> {
    let files = [
        ("time-wait/rst.yaml", small("T04")),
        ("time-wait/syn.yaml", small("T05")),
        ("close/normal.yaml", small("T04")),
    ];
    catalogue_embedded(&files).expect("good cases")
}

fn selected(selectors: &[&str]) -> Result<Vec<String>, SelectError> {
    let selectors: Vec<String> = selectors.iter().map(|s| s.to_string()).collect();
    select(some_cases(), &selectors).map(|cases| cases.iter().map(Case::name).collect())
}

#[test]
fn selectors_name_cases() {
    let all = [
        "close/normal@ipv4",
        "close/normal@ipv6",
        "time-wait/rst@ipv4",
        "time-wait/rst@ipv6",
        "time-wait/syn@ipv4",
        "time-wait/syn@ipv6",
    ];
    let named = |selectors: &[&str]| selected(selectors).expect("cases");
    assert_eq!(named(&[]), all);
    assert_eq!(named(&["*"]), all);
    assert_eq!(named(&["time-wait/rst"]), all[2..4]);
    assert_eq!(named(&["time-wait/rst@ipv6"]), [all[3]]);
    assert_eq!(named(&["time-wait/*"]), all[2..]);
    assert_eq!(named(&["time-wait"]), all[2..]);
    assert_eq!(named(&["*@ipv6"]), [all[1], all[3], all[5]]);
    assert_eq!(named(&["claim:T04"]), all[..4]);
    assert_eq!(named(&["time-wait/rst", "claim:T04", "time-wait/r*"]), all[..4]);
}

#[test]
fn wrong_selectors_are_told_apart() {
    let said = |selector: &str| selected(&[selector]).expect_err(selector).to_string();
    assert_eq!(said("time-wait/rts"), "no case is named `time-wait/rts`; did you mean `time-wait/rst`?");
    assert_eq!(said("rst"), "no case is named `rst`; did you mean `time-wait/rst`?");
    assert_eq!(
        said("time-wait/rst@ipv5"),
        "no case is named `time-wait/rst@ipv5`; did you mean `time-wait/rst@ipv4` or `time-wait/rst@ipv6`?"
    );
    assert_eq!(said("banana"), "no case is named `banana`");
    assert_eq!(said("banana/*"), "nothing selected: no case fits `banana/*`");
    assert_eq!(said("claim:T99"), "nothing selected: no case fits `claim:T99`");
    assert_eq!(said("time[wait"), "`time[wait` is not a glob: unclosed character class; missing ']'");
    assert!(matches!(selected(&["none.yaml"]), Err(SelectError::Cases(_))));
    assert!(matches!(select(Vec::new(), &[]), Err(SelectError::Nothing { .. })));
}

#[test]
fn paths_select_and_an_id_belongs_to_one_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |root: &str, text: &str| {
        let root = folder.path().join(root).join("cases");
        std::fs::create_dir_all(root.join("time-wait")).expect("a folder made");
        std::fs::write(root.join("time-wait/rst.yaml"), text).expect("a file written");
        root
    };
    let (same, other) = (write("same", &small("T04")), write("other", &small("T09")));
    let path = same.join("time-wait/rst.yaml").display().to_string();
    let ids = ["time-wait/rst@ipv4", "time-wait/rst@ipv6"];
    assert_eq!(selected(&[&path]).expect("cases"), ids);
    assert_eq!(selected(&[&same.join("time-wait").display().to_string(), &path, "time-wait/rst"]).expect("cases"), ids);
    let both = selected(&[&path, &other.display().to_string()]).expect_err("an id of two files").to_string();
    let shown = both.replace(&folder.path().display().to_string(), "");
    assert_eq!(
        shown,
        "/other/cases/time-wait/rst.yaml: id `time-wait/rst` is taken by /same/cases/time-wait/rst.yaml\n  expected one file for each id\n"
    );
    assert!(merge([catalogue(&same).expect("cases"), catalogue(&same).expect("cases")]).is_ok());
}
