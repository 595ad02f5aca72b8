//! What the judge tells of timers: when each was allowed to fire, and the record that shows that it did.

use std::fmt::Write;
use std::path::Path;

use tcpconform_engine::judge::timed_answers;
use tcpconform_engine::load::load_path;
use tcpconform_engine::model_target::play_on_model;
use tcpconform_engine::trace::{Nanos, Trace, Way, What};
use tcpconform_engine::wire;
use tcpconform_model::Flags;

fn trace(name: &str) -> Trace {
    let (id, _) = name.split_once('@').expect("a variant");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../cases/{id}.yaml"));
    let cases = load_path(&file).expect("the case loads");
    let case = cases.iter().find(|case| case.name() == name).expect("the case exists");
    play_on_model(case).expect("the model plays")
}

fn text(trace: &Trace) -> String {
    let mut text = String::new();
    for timed in timed_answers(trace) {
        let ms = |nanos: Nanos| format!("{:.3}", nanos as f64 / 1e6);
        let shown = timed.record.map(|record| match &trace.records[record].what {
            What::Segment(seen) => wire::parse(&seen.packet).unwrap().segment.flags.to_string(),
            What::Sample(sample) => sample.state.to_string(),
            What::Transition(change) => format!("{} to {}", change.from, change.to),
            What::Call(call) => call.op.to_string(),
            What::Icmp(_) | What::Relay(_) | What::Ports(_) | What::Waited(_) | What::Trouble(_) | What::End {} => {
                "something else".to_string()
            }
        });
        let at = timed.record.map_or("-".into(), |record| ms(trace.records[record].at));
        let (on, rule, due) = (timed.on, timed.rule.id, timed.due);
        let _ = writeln!(text, "{on} {rule} {}..{} ms: {at} {}", ms(due.lo), ms(due.hi), shown.unwrap_or_default());
    }
    text
}

#[test]
fn each_timer_has_its_window_and_its_record() {
    insta::assert_snapshot!(text(&trace("orphan/fin-wait-1@closed,2,sack,ipv4")));
    insta::assert_snapshot!(text(&trace("time-wait/length@default,ts,ipv4")));
    insta::assert_snapshot!(text(&trace("ack/fin-delayed@ts,ipv4")));
    insta::assert_snapshot!(text(&trace("keepalive/dead-peer@established,ts,ipv4")));
}

#[test]
fn what_did_not_come_has_no_record() {
    let mut trace = trace("orphan/fin-wait-1@closed,2,sack,ipv4");
    let is_fin = |what: &What| match what {
        What::Segment(seen) => seen.way == Way::Out && wire::parse(&seen.packet).unwrap().segment.has(Flags::FIN),
        What::Icmp(_) | What::Relay(_) | What::Call(_) | What::Sample(_) | What::Transition(_) => false,
        What::Ports(_) | What::Waited(_) | What::Trouble(_) | What::End {} => false,
    };
    let third = (0..trace.records.len()).filter(|record| is_fin(&trace.records[*record].what)).nth(2).unwrap();
    trace.records.remove(third);
    insta::assert_snapshot!(text(&trace));
}
