//! Every wrong case file gets its place, a caret and what was expected there.

use std::fmt::Write;
use std::io::Write as _;
use std::path::Path;

use tcpconform_engine::load::{self, catalogue, catalogue_embedded, ledger, load_text};

/// A case around these steps.
fn case(steps: &str) -> String {
    with("", steps)
}

/// A case with these lines more, around these steps.
fn with(lines: &str, steps: &str) -> String {
    format!("purpose: A test.\ncites: [RFC 9293 3.6]\n{lines}steps:\n{steps}")
}

/// What is said of each, one after the other.
fn said(files: &[(&str, Vec<u8>)]) -> String {
    let mut all = String::new();
    for (name, bytes) in files {
        let diagnostics = load_text("t", "t.yaml", bytes).expect_err(name);
        writeln!(all, "## {name}\n{diagnostics}").expect("a String takes everything");
    }
    all
}

macro_rules! bad {
    ($test:ident: $($name:literal => $text:expr,)*) => {
        #[test]
        fn $test() {
            let files = [$(($name, Vec::<u8>::from($text)),)*];
            insta::assert_snapshot!(said(&files));
        }
    };
}

const GOOD_STEPS: &str = "  - establish\n  - a: close()\n  - expect: F.\n";

bad! { yaml:
    "empty" => "",
    "only a comment" => "# nothing\n",
    "only a document start" => "---\n",
    "a list" => "- purpose: x\n",
    "a text" => "purpose",
    "two documents" => format!("{}---\n{}", case(GOOD_STEPS), case(GOOD_STEPS)),
    "tab in the indentation" => "purpose: A test.\ncites:\n\t- RFC 9293 3.6\nsteps: [establish]\n",
    "quote not closed" => "purpose: \"A test.\ncites: [RFC 9293 3.6]\nsteps: [establish]\n",
    "bracket not closed" => "purpose: A test.\ncites: [RFC 9293 3.6\nsteps:\n  - establish\n",
    "colon in a plain text" => case("  - expect: F. 1: 1(0)\n"),
    "anchor" => "purpose: &p A test.\ncites: [RFC 9293 3.6]\nsteps: [establish]\n",
    "alias" => "purpose: A test.\ncites: *p\nsteps: [establish]\n",
    "pattern that YAML takes for an alias" => case("  - expect: * ack 2\n"),
    "tag" => "purpose: !!str A test.\ncites: [RFC 9293 3.6]\nsteps: [establish]\n",
    "merge key" => with("peer:\n  <<: {mss: 1460}\n", GOOD_STEPS),
    "duplicate key" => "purpose: A test.\ncites: [RFC 9293 3.6]\npurpose: Another.\nsteps: [establish]\n",
    "duplicate sysctl" => with("sysctls: {tcp_sack: 1, tcp_sack: 0}\n", GOOD_STEPS),
    "list as a key" => with("[a]: b\n", GOOD_STEPS),
    "key without value" => with("sysctls:\n", GOOD_STEPS),
    "null" => with("mtu: null\n", GOOD_STEPS),
    "nested too deep" => with(&format!("claims: {}{}\n", "[".repeat(200), "]".repeat(200)), GOOD_STEPS),
    "not UTF-8" => b"purpose: A t\xc3\xa4st.\ncites: [\xff]\n",
    "UTF-16" => b"\xff\xfep\0u\0r\0p\0",
    "control characters" => "purpose: \u{1b}[31mred\u{7}\ncites: [x]\nsteps: [establish]\n",
    "zero byte" => "purpose: A\0test.\n",
}

bad! { keys_and_types:
    "unknown key" => "purpose: A test.\ncite: [RFC 9293 3.6]\nsteps: [establish]\n",
    "unknown key far from any" => with("banana: 1\n", GOOD_STEPS),
    "missing key" => "purpose: A test.\nsteps: [establish]\n",
    "unknown step" => case("  - establish\n  - expct: F.\n"),
    "step that is a text" => case("  - stablish\n"),
    "step without value" => case("  - expect\n"),
    "step with a value too much" => case("  - establish: now\n"),
    "two keys in a step" => case("  - expect: F.\n    within: 3s\n"),
    "unknown key in a step" => case("  - expect: {segment: F., withn: 3s}\n"),
    "missing key in a step" => case("  - expect: {within: 3s}\n"),
    "delay without a time" => with("topology: two-kernels\n", "  - delay: F.\n"),
    "steps as a mapping" => case("  establish: 1\n"),
    "steps as a text" => "purpose: A test.\ncites: [RFC 9293 3.6]\nsteps: establish\n",
    "list instead of a text" => "purpose: [A, test]\ncites: [RFC 9293 3.6]\nsteps: [establish]\n",
    "text instead of a list" => "purpose: A test.\ncites: RFC 9293 3.6\nsteps: [establish]\n",
    "segment as a list" => case("  - expect: [F.]\n"),
    "unknown damage" => case("  - inject: {segment: ., damage: [cheksum]}\n"),
    "unknown key of the peer" => with("peer: {window: 3}\n", GOOD_STEPS),
}

bad! { names_and_ranges:
    "unknown sysctl" => with("sysctls: {tcp_fin_timeot: 5}\n", GOOD_STEPS),
    "sysctl far from any" => with("sysctls: {vm_swappiness: 5}\n", GOOD_STEPS),
    "sysctl out of range" => with("sysctls: {tcp_orphan_retries: 256}\n", GOOD_STEPS),
    "sysctl of another type" => with("sysctls: {tcp_rmem: 4096 x}\n", GOOD_STEPS),
    "optional sysctl demanded too" => with("sysctls: {tcp_sack: 1}\noptional-sysctls: {tcp_sack: 1}\n", GOOD_STEPS),
    "optional sysctl that is none" => with("optional-sysctls: {tcp_tw_recyle: 1}\n", GOOD_STEPS),
    "sysctl of the whole kernel" => with("sysctls: {tcp_max_orphans: 0}\n", GOOD_STEPS),
    "sysctl that no case sets" => with("machine-sysctls: {tcp_mem: 1 2 3}\n", GOOD_STEPS),
    "sysctl of a namespace among the machine's" => with("machine-sysctls: {tcp_sack: 0}\n", GOOD_STEPS),
    "machine's sysctl out of range" => with("machine-sysctls: {tcp_max_orphans: -1}\n", GOOD_STEPS),
    "unknown state" => case("  - establish\n  - state: FIN_WAIT_2\n"),
    "state in lower case" => case("  - establish\n  - state: {is: closed, within: 2s}\n"),
    "unknown topology" => with("topology: two-kernel\n", GOOD_STEPS),
    "unknown open" => with("open: pasive\n", GOOD_STEPS),
    "unknown endpoint" => case("  - establish\n  - expect: {segment: F., from: c}\n"),
    "unknown poll event" => case("  - establish\n  - poll: IN HANGUP\n"),
    "no poll event" => case("  - establish\n  - poll: ''\n"),
    "MTU too small for IPv6" => with("mtu: 1000\n", GOOD_STEPS),
    "MTU that is a word" => with("mtu: big\n", GOOD_STEPS),
    "window of the peer" => with("peer: {win: 65536}\n", GOOD_STEPS),
    "window scale of the peer" => with("peer: {wscale: 15}\n", GOOD_STEPS),
    "duration without unit" => case("  - establish\n  - expect: {segment: F., within: 3}\n"),
    "duration with another unit" => case("  - establish\n  - expect: F.\n  - wait: 3h\n"),
    "duration too long" => case("  - establish\n  - expect: F.\n  - wait: 21m\n"),
    "duration zero" => case("  - establish\n  - expect: F.\n  - wait: 0ms\n"),
    "duration negative" => case("  - establish\n  - expect: F.\n  - wait: -1s\n"),
    "times zero" => with("topology: two-kernels\n", "  - establish\n  - drop: {frames: F., times: 0}\n  - expect: F.\n"),
    "one copy" => with("topology: two-kernels\n", "  - establish\n  - duplicate: {frames: F., copies: 1}\n  - expect: F.\n"),
    "data offset" => case("  - establish\n  - inject: {segment: ., damage: [{data-offset: 16}]}\n  - expect: .\n"),
    "claim" => with("claims:\n  T4: [segment: F.]\n", GOOD_STEPS),
    "claim twice" => with("claims:\n  T04: [segment: F.]\n  T05: [segment: F.]\n  T04: [segment: F.]\n", GOOD_STEPS),
    "cites nothing" => "purpose: A test.\ncites: [rfc9293]\nsteps: [establish, expect: F.]\n",
    "cites no requirement" => "purpose: A test.\ncites: []\nsteps: [establish, expect: F.]\n",
    "cites an unknown sysctl" => "purpose: A test.\ncites: [Linux sysctl tcp_fin_time]\nsteps: [establish, expect: F.]\n",
    "empty purpose" => "purpose: ''\ncites: [RFC 9293]\nsteps: [establish, expect: F.]\n",
}

bad! { notation:
    "flags" => case("  - establish\n  - expect: \"FA 1:1(0)\"\n"),
    "END that contradicts" => case("  - establish\n  - expect: \"F. 1:2(0) ack 1\"\n"),
    "END that contradicts, with variables" => case("  - establish\n  - inject: 'P. rcv.nxt:rcv.nxt+99(100)'\n"),
    "END of another variable" => case("  - establish\n  - inject: . snd.una:snd.nxt(3)\n"),
    "unknown variable" => case("  - establish\n  - inject: R rcv.next(0)\n"),
    "unknown variable in a quoted text" => case("  - establish\n  - inject: 'R rcv.next(0)'\n"),
    "unknown variable in an escaped text" => case("  - establish\n  - inject: \"R\\x20rcv.next(0)\"\n"),
    "unknown variable in a folded text" => case("  - establish\n  - inject: >\n      R rcv.next(0)\n"),
    "after other letters than ASCII" => case("  - establish # ähnlich\n  - inject: {segment: R rcv.next(0)} # übrig\n"),
    "missing length" => case("  - establish\n  - inject: R rcv.nxt\n"),
    "window" => case("  - establish\n  - inject: . ack 1 win 65536\n"),
    "order" => case("  - establish\n  - inject: . win 3 ack 1\n"),
    "unknown option" => case("  - establish\n  - inject: . ack 1 <nop,wcale 3>\n"),
    "timestamps" => case("  - establish\n  - inject: . ack 1 <TS now>\n"),
    "too many options" => case("  - establish\n  - inject: . ack 1 <TS val 1 ecr 1,sack 1:2 3:4 5:6 7:8>\n"),
    "raw option" => case("  - establish\n  - inject: . <raw 1e0>\n"),
    "options in a pattern" => case("  - establish\n  - expect: . ack 1 <nop>\n"),
    "any flags to inject" => case("  - establish\n  - inject: '* ack 1'\n"),
    "unknown call" => case("  - establish\n  - a: shutdwn(WR)\n"),
    "call without parentheses" => case("  - establish\n  - a: close\n"),
    "direction" => case("  - establish\n  - a: shutdown(SHUT_WR)\n"),
    "option of a socket" => case("  - establish\n  - a: setsockopt(SO_LINGR, 0)\n"),
    "value of an option" => case("  - establish\n  - a: setsockopt(TCP_NODELAY, 2)\n"),
    "option that cannot be set" => case("  - establish\n  - a: setsockopt(SO_ERROR, 0)\n"),
    "dup without a name" => case("  - establish\n  - a: dup()\n"),
    "name for nothing" => case("  - establish\n  - a: spare = close()\n"),
    "exit without a child" => case("  - establish\n  - a: exit()\n"),
    "unknown ICMP error" => case("  - establish\n  - icmp: host-unreachble\n  - expect: F.\n"),
    "number of an ICMP error" => case("  - establish\n  - icmp: {error: time-exceeded, seq: snd.next}\n  - expect: F.\n"),
    "hops" => case("  - establish\n  - a: setsockopt(IP_TTL, 256)\n"),
    "more than a call" => case("  - establish\n  - a: close() && close()\n"),
}

bad! { variants:
    "unknown axis in a text" => with("variants: {position: {left: rcv.nxt}}\n", "  - establish\n  - inject: R ${positon}(0)\n  - expect: .\n"),
    "text that is not closed" => with("variants: {position: {left: rcv.nxt}}\n", "  - establish\n  - inject: R ${position(0)\n  - expect: .\n"),
    "axis that is never used" => with("variants: {position: {left: rcv.nxt}}\n", GOOD_STEPS),
    "wrong text of one value" => with("variants: {position: {left: rcv.nxt, right: rcv.next}}\n", "  - establish\n  - inject: R ${position}(0)\n  - expect: .\n"),
    "wrong behind a text" => with("variants: {position: {left: rcv.nxt}}\n", "  - establish\n  - inject: R ${position}(0) akc 2\n  - expect: .\n"),
    "unknown value of an axis" => with("variants: {ip: [ipv5]}\n", GOOD_STEPS),
    "texts for an axis of the language" => with("variants: {ip: {ipv4: x}}\n", GOOD_STEPS),
    "axis without values" => with("variants: {position: []}\n", GOOD_STEPS),
    "value twice" => with("variants: {ip: [ipv4, ipv4]}\n", GOOD_STEPS),
    "value of two axes" => with("variants: {position: {ts: x}, timestamps: [ts, no-ts]}\n", GOOD_STEPS),
    "name of a value" => with("variants: {position: {'left,edge': x}}\n", GOOD_STEPS),
    "name of an axis" => with("variants: {Position: [x]}\n", GOOD_STEPS),
    "topology twice" => with("topology: crafted\nvariants: {topology: [crafted, two-kernels]}\n", GOOD_STEPS),
    "unknown value in a when" => with("variants: {topology: [crafted, two-kernels]}\n", "  - establish\n  - when: {two-kernel: [expect: F.]}\n  - expect: F.\n"),
    "when without steps" => with("variants: {topology: [crafted, two-kernels]}\n", "  - establish\n  - when: {two-kernels: []}\n  - expect: F.\n"),
    "wrong in a nested when" => with("variants: {topology: [crafted, two-kernels]}\n", "  - establish\n  - when:\n      crafted:\n        - when: {ipv6: [wait: 5]}\n  - expect: F.\n"),
    "too many" => with("variants:\n  p: {a: x, b: x, c: x, d: x, e: x, f: x}\n  q: {g: x, h: x, i: x, j: x, k: x, l: x}\n  r: {m: x, n: x, o: x, u: x}\n", GOOD_STEPS),
}

/// A case with this list of events for a claim.
fn predicting(events: &str) -> String {
    with(&format!("claims:\n  T04:\n{events}"), GOOD_STEPS)
}

/// The same between two kernels, in variants.
fn predicting_two(events: &str) -> String {
    let lines = "topology: two-kernels\nvariants: {size: [small, large]}\n";
    let steps = "  - establish\n  - a: write(10)\n  - when: {small: [b: close()]}\n  - poll: IN\n";
    with(&format!("{lines}claims:\n  T04:\n{events}"), steps)
}

bad! { predictions:
    "claims without predictions" => with("claims: [T04]\n", GOOD_STEPS),
    "claim with a text" => with("claims: {T04: F.}\n", GOOD_STEPS),
    "empty list" => with("claims: {T04: []}\n", GOOD_STEPS),
    "empty list with a condition" => with("claims: {T04: {given: x is y, predicts: []}}\n", GOOD_STEPS),
    "condition without events" => with("claims: {T04: {given: x is y}}\n", GOOD_STEPS),
    "condition that is a sentence" => with("claims: {T04: {given: x is y., predicts: [segment: F.]}}\n", GOOD_STEPS),
    "unknown axis in a condition" => with("claims: {T04: {given: \"x is ${y}\", predicts: [segment: F.]}}\n", GOOD_STEPS),
    "no event" => predicting("    - {within: 3s}\n"),
    "two events in one" => predicting("    - {segment: F., state: CLOSED}\n"),
    "unknown event" => predicting("    - segmnt: F.\n"),
    "an event that is a text" => predicting("    - establish\n"),
    "segment" => predicting("    - segment: F. 1:2(0)\n"),
    "arriving segment" => predicting("    - {arrives: F. ack rcv.next}\n"),
    "state" => predicting("    - state: FIN_WAIT_1\n"),
    "duration" => predicting("    - {state: CLOSED, within: 10}\n"),
    "contradicting durations" => predicting("    - {state: CLOSED, within: 10s, after: 1m}\n"),
    "ratio" => predicting("    - segment: F.\n    - segment: F.\n    - {segment: F., ratio: twice}\n"),
    "first ratio" => predicting("    - segment: F.\n    - {segment: F., ratio: 2}\n"),
    "ratio of a repeated event" => predicting("    - segment: S\n    - {segment: F., ratio: 2, times: 3}\n"),
    "times" => predicting("    - {segment: F., times: 0}\n"),
    "times of a state" => predicting("    - {state: CLOSED, times: 2}\n"),
    "header" => predicting("    - {segment: F., header: 5}\n"),
    "checksum" => predicting("    - {segment: F., checksum: wrong}\n"),
    "ttl" => predicting("    - {segment: F., ttl: 256}\n"),
    "wrong endpoint word" => predicting("    - {segment: F., of: a}\n    - {state: CLOSED, from: a}\n"),
    "endpoint" => predicting("    - {segment: F., from: c}\n"),
    "endpoint that is not there" => predicting("    - {segment: F., from: b}\n    - {arrives: F., at: b}\n    - {state: CLOSED, of: b}\n"),
    "call" => predicting("    - call: clse()\n"),
    "call that no step makes" => predicting("    - call: shutdown(WR)\n"),
    "call of another endpoint" => predicting_two("    - {call: write(10), on: b}\n"),
    "call of another variant" => predicting_two("    - {call: close(), on: b}\n"),
    "result" => predicting("    - {call: close(), returns: nothing}\n"),
    "errno" => predicting("    - {call: close(), returns: EPIP}\n"),
    "poll" => predicting("    - poll: IN\n"),
    "poll events" => predicting_two("    - poll: INN\n"),
    "poll without events" => predicting_two("    - poll: \"\"\n"),
    "not of a text" => predicting("    - not: F.\n"),
    "not within a not" => predicting("    - not: {not: {segment: F.}}\n"),
    "time inside a not" => predicting("    - not: {segment: F., within: 3s}\n"),
    "times of a not" => predicting("    - {not: {segment: F.}, times: 3}\n"),
    "event beside a not" => predicting("    - {not: {segment: F.}, segment: F.}\n"),
    "unknown value in a when" => predicting_two("    - when: {smal: [segment: F.]}\n"),
    "when without events" => predicting_two("    - when: {small: []}\n"),
    "when without values" => predicting_two("    - when: {}\n"),
    "event beside a when" => predicting_two("    - {when: {small: [state: CLOSED]}, within: 3s}\n"),
    "too many" => predicting(&"    - segment: F.\n".repeat(501)),
}

bad! { order_of_steps:
    "no steps" => "purpose: A test.\ncites: [RFC 9293 3.6]\nsteps: []\n",
    "no step that waits" => case("  - establish\n  - a: close()\n"),
    "call before the opening" => case("  - a: write(3)\n  - a: close()\n  - expect: F.\n"),
    "expect before the opening" => case("  - expect: F.\n"),
    "state before the opening" => case("  - state: ESTABLISHED\n"),
    "establish twice" => case("  - establish\n  - establish\n  - expect: F.\n"),
    "establish after connect" => case("  - a: connect()\n  - establish\n  - expect: F.\n"),
    "accept without listen" => with("open: passive\n", "  - a: accept()\n  - expect: S.\n"),
    "listen of the one that connects" => case("  - a: listen(1)\n  - expect: S.\n"),
    "connect of the one that listens" => with("open: passive\n", "  - a: connect()\n  - expect: S\n"),
    "close twice" => case("  - establish\n  - a: close()\n  - a: close()\n  - expect: F.\n"),
    "poll after close" => case("  - establish\n  - a: close()\n  - poll: HUP\n"),
    "unknown descriptor" => case("  - establish\n  - a: spare.close()\n  - expect: F.\n"),
    "descriptor twice" => case("  - establish\n  - a: spare = dup()\n  - a: spare = dup()\n  - expect: F.\n"),
    "close of a process" => case("  - establish\n  - a: child = handover()\n  - a: child.close()\n  - expect: F.\n"),
    "exit of a descriptor" => case("  - establish\n  - a: spare = dup()\n  - a: spare.exit()\n  - expect: F.\n"),
    "descriptor handed over" => case("  - establish\n  - a: child = handover()\n  - a: close()\n  - expect: F.\n"),
    "bind by hand of the first socket" => case("  - a: bind()\n  - a: connect()\n  - expect: S\n"),
    "connect of another socket without a port" => case("  - establish\n  - a: again = socket()\n  - a: again.connect()\n  - expect: S\n"),
    "write on another socket" => case("  - establish\n  - a: again = socket()\n  - a: again.write(1)\n  - expect: F.\n"),
    "another connection that is not open" => case("  - establish\n  - a2: write(1)\n  - expect: F.\n"),
    "too many connections" => case("  - establish\n  - ports: 1-9\n  - expect: {segment: F., from: a5}\n"),
    "second end with the crafted peer" => case("  - establish-on: b2\n  - b2: close()\n  - expect: {segment: F., from: b2}\n"),
    "inject between two kernels" => with("topology: two-kernels\n", "  - establish\n  - inject: .\n  - expect: F.\n"),
    "ICMP between two kernels" => with("topology: routed\n", "  - establish\n  - icmp: host-unreachable\n  - expect: F.\n"),
    "ICMP before the opening" => case("  - icmp: host-unreachable\n  - expect: F.\n"),
    "Source Quench over IPv6" => case("  - establish\n  - icmp: source-quench\n  - expect: F.\n"),
    "option of the other IP version" => case("  - establish\n  - a: setsockopt(IP_TTL, 3)\n  - expect: F.\n"),
    "call on a host that crashed" => with("topology: two-kernels\n", "  - establish\n  - b: crash()\n  - b: close()\n  - expect: F.\n"),
    "call on a socket from before the reboot" => with("topology: two-kernels\n", "  - establish\n  - b: reboot()\n  - b: close()\n  - expect: F.\n"),
    "endpoint b with the crafted peer" => case("  - establish\n  - b: close()\n  - expect: {segment: F., from: b}\n"),
    "middle with the crafted peer" => case("  - establish\n  - drop: F.\n  - expect: F.\n"),
    "middle in one of two topologies" => with("variants: {topology: [crafted, two-kernels]}\n", "  - establish\n  - drop: F.\n  - expect: F.\n"),
    "peer between two kernels" => with("topology: two-kernels\npeer: {mss: 1000}\n", GOOD_STEPS),
    "many at once" => with("mtu: 1\nclaims: {x: [segment: F.]}\nsysctls: {tcp_fin: 1}\n", "  - state: OPEN\n  - a: clse()\n  - wait: 1\n"),
}

#[test]
fn a_wrong_ledger() {
    let good = "{id: W01, says: A close is a close., from: [000 1.1]}";
    let mut all = String::new();
    for (name, text) in [
        ("empty", String::new()),
        ("a case", case(GOOD_STEPS)),
        ("a list", format!("- {good}\n")),
        ("unknown key", "waves:\n  - {id: W01, say: x, from: [x]}\n".to_string()),
        ("missing key", "waves:\n  - {id: W01, says: x}\n".to_string()),
        ("id", "waves:\n  - {id: w1, says: A close., from: [x]}\n".to_string()),
        ("same id", format!("waves:\n  - {good}\nloss:\n  - {good}\n")),
        ("same group", format!("waves:\n  - {good}\nwaves:\n  - {good}\n")),
        (
            "no sentence",
            "waves:\n  - {id: W01, says: \"\", from: [x]}\n  - {id: W02, says: close, from: [x]}\n".to_string(),
        ),
        ("from nowhere", "waves:\n  - {id: W01, says: A close., from: []}\n".to_string()),
        ("no reason", "waves:\n  - {id: W01, says: A close., from: [x], untested: \" \"}\n".to_string()),
    ] {
        let diagnostics = ledger("claims.yaml", text.as_bytes()).expect_err(name);
        writeln!(all, "## {name}\n{diagnostics}").expect("a String takes everything");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_huge_file_is_refused_at_once() {
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a temporary file");
    file.write_all(b"purpose: x\n").expect("a line written");
    file.as_file().set_len(100 << 20).expect("a sparse file");
    let diagnostics = load::load(file.path()).expect_err("100 MB");
    let said = diagnostics.to_string().replace(&file.path().display().to_string(), "huge.yaml");
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_no_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let said = |path: &Path| {
        let diagnostics = load::load(path).expect_err("no file");
        diagnostics.to_string().replace(&folder.path().display().to_string(), "folder")
    };
    insta::assert_snapshot!(format!("{}{}", said(&folder.path().join("none.yaml")), said(folder.path())));
}

#[test]
fn folders_with_files_that_cannot_be_cases() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder made");
        std::fs::write(path, text).expect("a file written");
    };
    write("README.md", "not a case");
    write("claims.yaml", "not: a case");
    write("close/normal.yaml", &case(GOOD_STEPS));
    write("close/bad.yaml", &case("  - expct: F.\n"));
    write("close/odd@name.yaml", &case(GOOD_STEPS));
    write("close/other.yml", &case(GOOD_STEPS));
    write("close/claims.yaml", "not: a case");
    let diagnostics = catalogue(root).expect_err("bad files");
    insta::assert_snapshot!(diagnostics.to_string().replace(&root.display().to_string(), "cases"));
}

#[test]
fn compiled_in_files_are_shown_below_cases() {
    let files =
        [("README.md", "x".to_string()), ("claims.yaml", "x".to_string()), ("a/b.yaml", case("  - a: clse()\n"))];
    insta::assert_snapshot!(catalogue_embedded(&files).expect_err("a bad file").to_string());
}
