//! A sysctl that is not what the trace says: the case says 60 s, the namespace has 10, and the judge finds it.

use std::path::Path;

use tcpconform_engine::case::Case;
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::load::catalogue;
use tcpconform_engine::model_target::play_on_model;

/// Case, sysctl, what the trace says of it, what the stack has, and the rule that comes out as broken.
const WRONG: [(&str, &str, &str, &str, &str); 8] = [
    ("fin-wait-2/orphan-timeout", "tcp_fin_timeout", "60", "10", "fin-wait-2/orphan-timeout"),
    ("keepalive/sysctls", "tcp_keepalive_time", "7200", "5", "keepalive/probe"),
    ("keepalive/sysctls", "tcp_keepalive_probes", "9", "1", "state/transition"),
    ("timeout/retries2-data", "tcp_retries2", "15", "3", "poll/events"),
    ("orphan/last-ack", "tcp_orphan_retries", "0", "1", "check-ack/last-ack"),
    ("timeout/syn", "tcp_syn_retries", "6", "1", "state/transition"),
    ("time-wait/rst", "tcp_rfc1337", "0", "1", "arrives/closed"),
    ("timeout/rto-max", "tcp_rto_max_ms", "120000", "1000", "timeout/retransmission"),
];

/// Plays the case with the sysctl as the stack has it, and judges it as if it were what the trace says.
fn judged(case: &Case, name: &str, said: &str, real: &str) -> Judgement {
    let mut other = case.clone();
    other.sysctls.insert(name.to_owned(), real.to_owned());
    let mut trace = play_on_model(&other).unwrap();
    for endpoint in &mut trace.header.endpoints {
        endpoint.sysctls.insert(name.to_owned(), said.to_owned());
    }
    judge(&trace)
}

#[test]
fn a_sysctl_that_is_not_what_the_trace_says_is_a_finding() {
    let cases = catalogue(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases")).unwrap();
    let mut escaped = Vec::new();
    for (id, name, said, real, rule) in WRONG {
        let judgements: Vec<Judgement> =
            cases.iter().filter(|case| case.id == id).map(|case| judged(case, name, said, real)).collect();
        let by =
            |judgement: &Judgement| judgement.findings.iter().map(|finding| finding.rule.clone()).collect::<Vec<_>>();
        let found: Vec<_> = judgements.iter().filter(|judgement| judgement.verdict == Verdict::Fail).map(by).collect();
        if !found.iter().flatten().any(|by| by == rule) {
            escaped.push(format!("{id} with {name} {real} for {said}: {} plays, {found:?}", judgements.len()));
        }
        let right = cases.iter().filter(|case| case.id == id).map(|case| judged(case, name, real, real));
        assert!(right.into_iter().all(|judgement| judgement.verdict != Verdict::Fail), "{id} with {name} {real}");
    }
    assert!(escaped.is_empty(), "{}", escaped.join("\n"));
}
