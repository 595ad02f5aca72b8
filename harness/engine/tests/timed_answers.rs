//! What the judge tells of timers: when each was allowed to fire, and the record that shows that it did.

use std::fmt::Write;
use std::path::Path;

use tcpconform_engine::judge::{judge, timed_answers};
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::load::load_path;
use tcpconform_engine::model_target::play_on_model;
use tcpconform_engine::trace::{
    Nanos, Record, Sample, Source, TargetKind, Time, TimerKind, TimerSample, Trace, Way, What,
};
use tcpconform_engine::wire;
use tcpconform_model::{Flags, State};

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
            What::Icmp(_)
            | What::Relay(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::Trouble(_)
            | What::End { .. } => "something else".to_string(),
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

/// Indices of the records of emitted FINs.
fn fins(trace: &Trace) -> Vec<usize> {
    let is_fin = |what: &What| match what {
        What::Segment(seen) => seen.way == Way::Out && wire::parse(&seen.packet).unwrap().segment.has(Flags::FIN),
        What::Icmp(_) | What::Relay(_) | What::Call(_) | What::Sample(_) | What::Transition(_) => false,
        What::Counters(_) | What::Ports(_) | What::Waited(_) | What::Trouble(_) | What::End { .. } => false,
    };
    (0..trace.records.len()).filter(|record| is_fin(&trace.records[*record].what)).collect()
}

#[test]
fn what_did_not_come_has_no_record() {
    let mut trace = trace("orphan/fin-wait-1@closed,2,sack,ipv4");
    let third = fins(&trace)[2];
    trace.records.remove(third);
    insta::assert_snapshot!(text(&trace));
}

/// The kernel was asked from `before` the second FIN until `after` it, and told of this timer.
fn asked_around_a_retransmission(before: Nanos, after: Nanos, timer: Option<TimerSample>) -> Judgement {
    let mut trace = trace("orphan/fin-wait-1@closed,2,no-sack,ipv4");
    let fin = fins(&trace)[1];
    let (at, step) = (trace.records[fin].at, trace.records[fin].step);
    let sample = Sample {
        on: trace.header.endpoints[0].name,
        source: Source::SockDiag,
        until: at + after,
        state: State::FinWait1,
        timer,
        receive_queue: None,
        send_queue: None,
    };
    trace.records.insert(fin, Record { at: at - before, step, what: What::Sample(sample) });
    judge(&trace)
}

#[test]
fn a_handler_that_runs_while_the_kernel_is_asked_has_taken_its_timer_away() {
    let told = |expires_ms, retransmits| Some(TimerSample { kind: TimerKind::Retransmit, expires_ms, retransmits });
    for timer in [None, told(0, 0), told(400, 1)] {
        let judgement = asked_around_a_retransmission(6000, 2000, timer);
        assert_eq!(judgement.verdict, Verdict::Pass, "{timer:?}: {judgement:?}");
    }
    for (timer, reason) in
        [(told(0, 1), "got Retransmit timer, 1 retr"), (told(400, 0), "got Retransmit timer, 0 retr")]
    {
        let judgement = asked_around_a_retransmission(6000, 2000, timer);
        assert!(judgement.reason.as_ref().is_some_and(|told| told.contains(reason)), "{timer:?}: {judgement:?}");
    }
}

#[test]
fn otherwise_a_timer_is_pending() {
    let mut trace = trace("orphan/fin-wait-1@closed,2,no-sack,ipv4");
    let fins = fins(&trace);
    let halfway = trace.records[fins[1]].at.midpoint(trace.records[fins[2]].at);
    let samples = trace.records[fins[1]..fins[2]].iter_mut().filter_map(|record| match &mut record.what {
        What::Sample(sample) => Some((&mut record.at, sample)),
        What::Segment(_) | What::Icmp(_) | What::Relay(_) | What::Call(_) | What::Transition(_) => None,
        What::Counters(_) | What::Ports(_) | What::Waited(_) | What::Trouble(_) | What::End { .. } => None,
    });
    let (at, sample) = samples.last().expect("the case asks between the second FIN and the third");
    (*at, sample.until, sample.timer) = (halfway, halfway, None);
    let findings = judge(&trace).findings;
    assert_eq!(findings.first().map(|finding| finding.actual.as_str()), Some("no timer"));
}

#[test]
fn a_thread_that_wakes_in_close_sets_the_timer_before_it_returns() {
    let asked = |from: i64, to: i64| {
        let mut trace = trace("close/linger-acked@ipv4");
        let closed = trace.records.iter().find_map(|record| match &record.what {
            What::Call(call) if call.op.to_string() == "close()" => Some((call.left as i64, record.step)),
            What::Call(_) | What::Segment(_) | What::Icmp(_) | What::Relay(_) | What::Sample(_) => None,
            What::Transition(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::Trouble(_)
            | What::End { .. } => None,
        });
        let (left, step) = closed.expect("the case closes");
        let sample = Sample {
            on: trace.header.endpoints[0].name,
            source: Source::SockDiag,
            until: (left + to) as Nanos,
            state: State::FinWait2,
            timer: None,
            receive_queue: None,
            send_queue: None,
        };
        trace.records.push(Record { at: (left + from) as Nanos, step, what: What::Sample(sample) });
        trace.records.sort_by_key(|record| record.at);
        judge(&trace)
    };
    assert_eq!(asked(-2000, 2000).verdict, Verdict::Pass, "{:?}", asked(-2000, 2000).reason);
    let findings = asked(200_000, 201_000).findings;
    assert_eq!(findings.first().map(|finding| finding.actual.as_str()), Some("no timer"));
}

#[test]
fn a_keepalive_timer_that_finds_the_time_not_up_is_followed_to_its_end() {
    let mut trace = trace("keepalive/answered-by-more@established,data,ipv4");
    let heard = trace.records.iter().rfind(|record| matches!(record.what.packet(), Some((_, Way::In, _))));
    let (heard, step) = heard.map(|record| (record.at, record.step)).expect("data comes");
    // Asked a tick before the idle time is up, which may be when the timer fires that was set in ticks.
    let at = heard + 2_995_000_000;
    let sample = Sample {
        on: trace.header.endpoints[0].name,
        source: Source::SockDiag,
        until: at + 4000,
        state: State::Established,
        timer: Some(TimerSample { kind: TimerKind::Keepalive, expires_ms: 4, retransmits: 0 }),
        receive_queue: None,
        send_queue: None,
    };
    trace.records.push(Record { at, step, what: What::Sample(sample) });
    trace.records.sort_by_key(|record| record.at);
    // A machine may be late, and the model allows for it.
    (trace.header.target.kind, trace.header.target.time) = (TargetKind::Kernel, Time::Real);
    let judgement = judge(&trace);
    assert_eq!(judgement.verdict, Verdict::Pass, "{:?}", judgement.reason);
}

/// Two answers 5 ms apart, both with the whole time ahead, came from a kernel whose tick was a millisecond late.
#[test]
fn a_late_tick_makes_an_answer_stale_by_no_more_than_a_tick() {
    let asked = |later: Nanos, time: Time| {
        let mut trace = trace("orphan/fin-wait-1@closed,2,no-sack,ipv4");
        let fin = fins(&trace)[1];
        let (at, step) = (trace.records[fin].at + later, trace.records[fin].step);
        let sample = Sample {
            on: trace.header.endpoints[0].name,
            source: Source::SockDiag,
            until: at + 2000,
            state: State::FinWait1,
            timer: Some(TimerSample { kind: TimerKind::Retransmit, expires_ms: 408, retransmits: 1 }),
            receive_queue: None,
            send_queue: None,
        };
        trace.records.push(Record { at, step, what: What::Sample(sample) });
        trace.records.sort_by_key(|record| record.at);
        (trace.header.target.kind, trace.header.target.time) = (TargetKind::Kernel, time);
        judge(&trace)
    };
    for later in [0, 5_000_000, 8_500_000] {
        assert_eq!(asked(later, Time::Real).verdict, Verdict::Pass, "{later}: {:?}", asked(later, Time::Real).reason);
    }
    for (later, time) in [(5_500_000, Time::Virtual), (9_500_000, Time::Real)] {
        let reason = asked(later, time).reason;
        assert!(reason.as_ref().is_some_and(|told| told.contains("expires in 408 ms")), "{later}: {reason:?}");
    }
}
