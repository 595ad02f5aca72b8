//! Predictions over traces made by hand: each kind of event and each qualifier, come true and not.

use std::net::SocketAddr;

use tcpconform_model::{Call, Errno, Flags, Poll, Segment, Seq, Span, State};

use super::super::untold::Moment;
use super::*;
use crate::case::{Endpoint, Operation, OperationCall, Topology};
use crate::notation::{Numbers, parse_operation, parse_pattern, parse_segment};
use crate::prediction::{Predicted, SegmentEvent};
use crate::trace::{
    CallReturn, CallSeen, Header, Nanos, Record, Sample, SegmentSeen, Source, TargetIdentity, TargetKind, Time,
    Transition, Trouble, VERSION, Waited, Way,
};
use crate::wire;

const A: Endpoint = Endpoint::A;
const B: Endpoint = Endpoint::B;
const MS: Nanos = 1_000_000;

fn record(at_ms: Nanos, what: What) -> Record {
    Record { at: at_ms * MS, step: 0, what }
}

/// A segment on the link of `a` whose initial number is 100 and whose peer's is 900, with TTL 64.
fn segment(at_ms: Nanos, way: Way, text: &str) -> Record {
    let numbers = Numbers { iss: Seq(100), irs: Seq(900), ..Numbers::default() };
    let bases = match way {
        Way::Out => numbers.emitted(),
        Way::In => numbers.arriving(),
    };
    let text = parse_segment(text).unwrap();
    let at = |expression: &Option<crate::notation::Expression>, base| {
        expression.as_ref().map_or(base, |expression| expression.resolve(&numbers, base))
    };
    let made = Segment {
        flags: text.flags,
        seq: at(&text.seq, bases.seq),
        ack: if text.flags.has(Flags::ACK) { at(&text.ack, bases.ack) } else { Seq(0) },
        wnd: 502,
        data_len: text.data_len,
        ..Segment::default()
    };
    let [a, peer]: [SocketAddr; 2] = ["10.0.0.1:1", "10.0.0.2:2"].map(|text| text.parse().unwrap());
    let (source, destination) = if way == Way::Out { (a, peer) } else { (peer, a) };
    let data = vec![0; text.data_len as usize];
    let packet = wire::craft(source, destination, &made, &[], &data);
    record(at_ms, What::Segment(SegmentSeen { on: A, way, packet }))
}

fn out(at_ms: Nanos, text: &str) -> Record {
    segment(at_ms, Way::Out, text)
}

fn arrives(at_ms: Nanos, text: &str) -> Record {
    segment(at_ms, Way::In, text)
}

/// With the last bytes of the TCP header's checksum, or the TTL, changed.
fn damaged(mut record: Record, at: usize) -> Record {
    let What::Segment(segment) = &mut record.what else { panic!("a segment") };
    segment.packet[at] ^= 1;
    record
}

fn sample(at_ms: Nanos, on: Endpoint, state: State) -> Record {
    let until = at_ms * MS;
    let (source, timer, receive_queue, send_queue) = (Source::SockDiag, None, None, None);
    record(at_ms, What::Sample(Sample { on, source, until, state, timer, receive_queue, send_queue }))
}

fn change(at_ms: Nanos, on: Endpoint, from: State, to: State) -> Record {
    record(at_ms, What::Transition(Transition { on, from, to }))
}

fn call(at_ms: Nanos, left_ms: Nanos, op: &str, result: CallReturn) -> Record {
    let op = parse_operation(op).unwrap();
    record(at_ms, What::Call(CallSeen { on: A, op, left: left_ms * MS, result, wrong_byte: None }))
}

fn end(at_ms: Nanos) -> Record {
    record(at_ms, What::End { stalls: Vec::new() })
}

/// An open connection at 0 ms, and these records.
fn trace(records: Vec<Record>) -> Trace {
    let opening = [
        call(0, 0, "connect()", CallReturn::Error(Errno::INPROGRESS)),
        change(0, A, State::Closed, State::SynSent),
        out(0, "S 0:0(0)"),
        arrives(0, "S. 0:0(0) ack 1"),
        change(0, A, State::SynSent, State::Established),
        out(0, ". 1:1(0) ack 1"),
    ];
    Trace {
        header: Header {
            trace: VERSION,
            tool: String::new(),
            case: "close/active".into(),
            variant: String::new(),
            purpose: String::new(),
            axes: Vec::new(),
            claims: Vec::new(),
            requirements: Vec::new(),
            target: TargetIdentity { kind: TargetKind::Kernel, release: String::new(), time: Time::Real, hz: 250 },
            topology: Topology::TwoKernels,
            endpoints: Vec::new(),
            steps: Vec::new(),
            started_unix_ns: 0,
        },
        records: opening.into_iter().chain(records).collect(),
    }
}

fn event(event: Event) -> Predicted {
    Predicted { place: String::new(), event, forbidden: false, within: None, after: None, ratio: None, times: None }
}

fn segment_event(way: Way, text: &str) -> SegmentEvent {
    SegmentEvent { way, on: A, pattern: parse_pattern(text).unwrap(), header: None, checksum: false, ttl: None }
}

fn emits(text: &str) -> Predicted {
    event(Event::Segment(segment_event(Way::Out, text)))
}

fn gets(text: &str) -> Predicted {
    event(Event::Segment(segment_event(Way::In, text)))
}

fn is(state: State) -> Predicted {
    event(Event::State { of: A, state })
}

fn returns(op: &str, returns: Option<CallReturn>) -> Predicted {
    event(Event::Call { on: A, op: parse_operation(op).unwrap(), returns })
}

fn polls(events: Poll) -> Predicted {
    event(Event::Poll { on: A, events })
}

fn not(predicted: Predicted) -> Predicted {
    Predicted { forbidden: true, ..predicted }
}

fn within(ms: Nanos, predicted: Predicted) -> Predicted {
    Predicted { within: Some(ms * MS), ..predicted }
}

fn after(ms: Nanos, predicted: Predicted) -> Predicted {
    Predicted { after: Some(ms * MS), ..predicted }
}

fn ratio(ratio: f64, predicted: Predicted) -> Predicted {
    Predicted { ratio: Some(ratio), ..predicted }
}

fn times(times: u32, predicted: Predicted) -> Predicted {
    Predicted { times: Some(times), ..predicted }
}

fn judged(mut trace: Trace, predicts: Vec<Predicted>) -> Outcome {
    let given = Some("x is y".into());
    trace.header.claims = vec![Prediction { claim: "W02".into(), place: String::new(), given, predicts }];
    let outcome = predictions(&trace, &Inferred::new()).remove(0);
    assert_eq!((outcome.claim.as_str(), outcome.given.as_deref()), ("W02", Some("x is y")));
    outcome
}

/// The record counts from the first behind the opening.
#[track_caller]
fn holds(records: &[Record], predicts: &[Predicted], shown_by: usize) -> String {
    let outcome = judged(trace(records.to_vec()), predicts.to_vec());
    assert_eq!(outcome.holds, Some(true), "{}", outcome.text);
    assert_eq!(outcome.record, Some(6 + shown_by), "{}", outcome.text);
    assert_eq!(outcome.at_seconds, Some(records[shown_by].at as f64 / 1e9));
    outcome.text
}

#[track_caller]
fn fails(records: &[Record], predicts: &[Predicted], shown_by: usize) -> String {
    let outcome = judged(trace(records.to_vec()), predicts.to_vec());
    assert_eq!(outcome.holds, Some(false), "{}", outcome.text);
    assert_eq!(outcome.record, Some(6 + shown_by), "{}", outcome.text);
    outcome.text
}

/// `a` closes at 10 ms, and the peer acknowledges at 20 ms.
fn close() -> Vec<Record> {
    vec![
        call(10, 10, "close()", CallReturn::Value(0)),
        change(10, A, State::Established, State::FinWait1),
        out(10, "F. 1:1(0) ack 1"),
        arrives(20, ". 1:1(0) ack 2"),
        change(20, A, State::FinWait1, State::FinWait2),
        sample(25, A, State::FinWait2),
        end(30),
    ]
}

#[test]
fn events_match_in_the_order_of_the_records() {
    let wave = [returns("close()", None), emits("F. 1:1(0) ack 1"), gets(". ack 2"), is(State::FinWait2)];
    let text = holds(&close(), &wave, 4);
    assert_eq!(text, "FIN-WAIT-2 of a 0.000 s after `. 1:1(0) ack 2 win 502` at a");
    let text = fails(&close(), &[gets(". ack 2"), emits("F.")], 6);
    assert_eq!(text, "`F.` from a was to come after `. 1:1(0) ack 2 win 502` at a, and did not: no segment did");
}

#[test]
fn a_segment_must_fit_in_all_that_its_pattern_names() {
    let lost = |text| fails(&close(), &[returns("close()", None), emits(text)], 6);
    holds(&close(), &[emits("F. ack 1")], 2);
    holds(&close(), &[emits("F. snd.nxt(0) win 502")], 2);
    assert_eq!(
        lost("F. 2:2(0)"),
        "`F. 2:2(0)` from a was to come after `close() = 0` on a, and did not: the next there is `F. 1:1(0) ack 1 win 502` from a"
    );
    lost("F");
    lost("F. ack 2");
    lost("F. win 501");
    // Of another endpoint, or the other way round.
    let mut of_b = segment_event(Way::Out, "F.");
    of_b.on = B;
    fails(&close(), &[event(Event::Segment(of_b))], 6);
    fails(&close(), &[gets("F.")], 6);
}

#[test]
fn numbers_are_those_before_the_segment() {
    let records = [arrives(10, "P. 1:11(10) ack 1"), out(11, ". 1:1(0) ack 11"), end(20)];
    holds(&records, &[gets("P. rcv.nxt(10)"), emits(". ack rcv.nxt+10")], 1);
}

#[test]
fn a_state_that_lasts_is_seen_after_what_came_with_it() {
    // The tracepoint tells of FIN-WAIT-1 before the FIN is sent.
    let wave = [returns("close()", None), emits("F."), is(State::FinWait1)];
    assert_eq!(holds(&close(), &wave, 1), "FIN-WAIT-1 of a 0.000 s after `F. 1:1(0) ack 1 win 502` from a");
    holds(&close(), &[emits("F."), is(State::FinWait1), gets(". ack 2"), is(State::FinWait2)], 4);
    let text = fails(&close(), &[gets(". ack 2"), is(State::Established)], 6);
    assert_eq!(
        text,
        "ESTABLISHED of a was to come after `. 1:1(0) ack 2 win 502` at a, and did not: the last seen is FIN-WAIT-2 of a"
    );
    // At the start nothing is known yet.
    holds(&close(), &[is(State::FinWait2)], 4);
}

#[test]
fn the_state_that_a_change_leaves_was_there() {
    let records = [change(10, A, State::SynReceived, State::Established), sample(11, A, State::Established), end(20)];
    holds(&records, &[is(State::SynReceived), is(State::Established)], 0);
    // The change tells nothing new of where it starts, so the state is not seen anew in it.
    let forbidden = [emits(". ack 1"), returns("close()", None), not(is(State::Established)), is(State::FinWait1)];
    holds(&close(), &forbidden, 1);
}

#[test]
fn a_change_to_closed_is_none_where_a_mini_socket_lives_on() {
    let ended = |asked| [change(10, A, State::FinWait1, State::Closed), sample(12, A, asked), end(20)];
    holds(&ended(State::TimeWait), &[not(is(State::Closed)), is(State::TimeWait)], 1);
    fails(&ended(State::TimeWait), &[is(State::Closed)], 2);
    holds(&ended(State::Closed), &[is(State::Closed)], 0);
}

#[test]
fn a_state_that_nobody_watched_is_undecided_when_it_was_not_seen() {
    let of_b = |state| event(Event::State { of: B, state });
    let mut records = close();
    records.insert(5, sample(25, B, State::CloseWait));
    let outcome = judged(trace(records.clone()), vec![of_b(State::LastAck)]);
    assert_eq!((outcome.holds, outcome.record), (None, None));
    assert_eq!(outcome.text, "LAST-ACK of b was not seen, and nothing told of every change of its state");
    holds(&records, &[of_b(State::CloseWait)], 5);
    records.insert(5, change(25, B, State::Established, State::CloseWait));
    fails(&records, &[of_b(State::LastAck)], 8);
}

/// Of `b`, which nothing watches.
fn b_is(state: State) -> Predicted {
    event(Event::State { of: B, state })
}

#[track_caller]
fn undecided(records: &[Record], predicts: &[Predicted]) -> String {
    let outcome = judged(trace(records.to_vec()), predicts.to_vec());
    assert_eq!((outcome.holds, outcome.record, outcome.at_seconds), (None, None, None), "{}", outcome.text);
    outcome.text
}

/// `b` is asked at 110 ms and at 350 ms, and is gone in between.
fn gone() -> Vec<Record> {
    vec![out(100, "F. 1:1(0)"), sample(110, B, State::FinWait1), sample(350, B, State::Closed), end(400)]
}

#[test]
fn a_state_that_was_asked_for_came_between_two_samples() {
    let after_fin = |predicted| [emits("F."), predicted];
    let text = holds(&gone(), &after_fin(within(250, b_is(State::Closed))), 2);
    assert_eq!(text, "CLOSED of b 0.010 to 0.250 s after `F. 1:1(0) ack 0 win 502` from a");
    let text = undecided(&gone(), &after_fin(within(249, b_is(State::Closed))));
    assert_eq!(
        text,
        "CLOSED of b was to come within 0.249 s, and came 0.010 to 0.250 s after `F. 1:1(0) ack 0 win 502` from a: nothing told when"
    );
    undecided(&gone(), &after_fin(within(10, b_is(State::Closed))));
    fails(&gone(), &after_fin(within(9, b_is(State::Closed))), 2);
    holds(&gone(), &after_fin(after(10, b_is(State::Closed))), 2);
    undecided(&gone(), &after_fin(after(11, b_is(State::Closed))));
    undecided(&gone(), &after_fin(after(250, b_is(State::Closed))));
    fails(&gone(), &after_fin(after(251, b_is(State::Closed))), 2);
}

#[test]
fn the_ratio_of_a_gap_that_is_not_known() {
    let asked = |before, then| {
        let [first, second] = [100, 200].map(|at| out(at, "F. 1:1(0)"));
        vec![first, second, sample(before, B, State::FinWait1), sample(then, B, State::Closed), end(900)]
    };
    let doubled = [emits("F."), emits("F."), ratio(2.0, b_is(State::Closed))];
    let text = holds(&asked(380, 420), &doubled, 3);
    assert_eq!(text, "CLOSED of b 0.180 to 0.220 s after `F. 1:1(0) ack 0 win 502` from a");
    let text = undecided(&asked(380, 440), &doubled);
    assert!(text.contains("which is 1.80 to 2.40 times 0.100 s: nothing told when"), "{text}");
    undecided(&asked(350, 400), &doubled);
    undecided(&asked(300, 500), &doubled);
    fails(&asked(300, 360), &doubled, 3);
    fails(&asked(440, 500), &doubled, 3);
}

#[test]
fn the_order_of_a_state_that_was_asked_for_is_not_known() {
    let mut records = gone();
    records.insert(2, out(200, "R 2:2(0)"));
    // It may have been gone before the RST as well as behind it.
    undecided(&records, &[b_is(State::Closed), emits("R")]);
    undecided(&records, &[emits("R"), b_is(State::FinWait1)]);
    undecided(&records, &[b_is(State::FinWait1), not(b_is(State::Closed)), emits("R")]);
    holds(&records, &[emits("R"), b_is(State::Closed)], 3);
    holds(&records, &[b_is(State::FinWait1), emits("R")], 2);
    // What came and went between two samples was not seen.
    let text = undecided(&records, &[b_is(State::FinWait1), not(b_is(State::FinWait2)), emits("R")]);
    assert_eq!(text, "FIN-WAIT-2 of b was not to come and was not seen, and nothing told of every change of its state");
    let fails = judged(trace(records), vec![b_is(State::FinWait1), not(b_is(State::Closed))]);
    assert_eq!((fails.holds, fails.basis), (Some(false), Basis::Observed));
}

#[test]
fn a_mini_socket_was_there_since_the_full_one_went() {
    let ended = |asked| {
        let went = change(40, A, State::FinWait2, State::Closed);
        vec![
            arrives(40, "F. 1:1(0) ack 2"),
            went,
            out(41, ". 2:2(0) ack 2"),
            sample(asked, A, State::TimeWait),
            end(99),
        ]
    };
    let wait = |predicted| [gets("F."), predicted];
    holds(&ended(50), &wait(within(10, is(State::TimeWait))), 3);
    undecided(&ended(51), &wait(within(10, is(State::TimeWait))));
    undecided(&ended(51), &wait(after(1, is(State::TimeWait))));
    // It is seen when the player asks.
    fails(&ended(50), &[is(State::TimeWait), emits(". 2:2(0)")], 4);
}

/// What is inferred of `b` in these records: `from` to `to` between these milliseconds, because of a record, shown by another.
fn inferring(
    records: Vec<Record>,
    changes: &[(State, State, [Nanos; 2], usize, usize)],
    predicts: &[Predicted],
) -> Outcome {
    let mut trace = trace(records);
    let change = |(from, to, [lo, hi], cause, shown): &(State, State, [Nanos; 2], usize, usize)| Change {
        from: *from,
        to: *to,
        moment: Moment { at: Span::new(lo * MS, hi * MS), cause: Some(6 + cause), shown: 6 + shown },
    };
    let inferred = Inferred::from([(B, changes.iter().map(change).collect())]);
    let (claim, place) = ("W02".into(), String::new());
    trace.header.claims = vec![Prediction { claim, place, given: None, predicts: predicts.to_vec() }];
    predictions(&trace, &inferred).remove(0)
}

#[test]
fn what_every_explanation_agrees_on_is_known() {
    let records = || {
        vec![
            arrives(10, "F. 1:1(0)"),
            out(12, ". 1:1(0) ack 2"),
            out(20, "F. 1:1(0) ack 2"),
            arrives(30, ". ack 2"),
            sample(40, B, State::Closed),
            end(50),
        ]
    };
    let (closes, closed) = ((State::Established, State::LastAck), (State::LastAck, State::Closed));
    let certain = [(closes.0, closes.1, [20, 20], 1, 2), (closed.0, closed.1, [30, 30], 3, 4)];
    let of = |predicts: &[Predicted]| {
        let outcome = inferring(records(), &certain, predicts);
        (outcome.holds, outcome.basis, outcome.text)
    };
    let (holds, basis, text) = of(&[emits("F."), b_is(State::LastAck), gets(". ack 2")]);
    assert_eq!((holds, basis), (Some(true), Basis::Inferred));
    assert!(text.ends_with("(states inferred)"), "{text}");
    let (holds, basis, _) = of(&[emits("F."), b_is(State::CloseWait)]);
    assert_eq!((holds, basis), (Some(false), Basis::Inferred));
    let (holds, basis, _) = of(&[emits("F."), not(b_is(State::CloseWait)), gets(". ack 2")]);
    assert_eq!((holds, basis), (Some(true), Basis::Inferred));
    // Where samples decide as well, nothing is inferred.
    let (holds, basis, _) = of(&[gets(". ack 2"), within(10, b_is(State::Closed))]);
    assert_eq!((holds, basis), (Some(true), Basis::Observed));
    // A change that may have come before a segment or behind it.
    let wide = [(closes.0, closes.1, [10, 40], 0, 4), (closed.0, closed.1, [30, 40], 3, 4)];
    let outcome = inferring(records(), &wide, &[b_is(State::LastAck), emits("F.")]);
    assert_eq!((outcome.holds, outcome.basis), (None, Basis::Untold), "{}", outcome.text);
    let outcome = inferring(records(), &wide, &[gets("F."), within(15, b_is(State::LastAck))]);
    assert_eq!((outcome.holds, outcome.basis), (None, Basis::Untold), "{}", outcome.text);
}

#[test]
fn a_call_is_seen_when_it_returns() {
    let records = [
        call(10, 50, "read(10)", CallReturn::Value(0)),
        arrives(50, "F. 1:1(0) ack 1"),
        out(51, ". 1:1(0) ack 2"),
        call(60, 60, "read(10)", CallReturn::Error(Errno::CONNRESET)),
        end(70),
    ];
    // The read began before the FIN came, and returned because of it.
    holds(&records, &[gets("F."), returns("read(10)", Some(CallReturn::Value(0)))], 0);
    holds(&records, &[gets("F."), returns("read(10)", None), emits(". ack 2")], 2);
    holds(&records, &[emits(". ack 2"), returns("read(10)", None)], 3);
    // Each call once.
    holds(&records, &[returns("read(10)", None), returns("read(10)", Some(CallReturn::Error(Errno::CONNRESET)))], 3);
    let text = fails(&records, &[emits(". ack 2"), returns("read(10)", Some(CallReturn::Value(0)))], 4);
    assert_eq!(
        text,
        "`read(10) = 0` on a was to come after `. 1:1(0) ack 2 win 502` from a, and did not: `read(10) = ECONNRESET` on a came"
    );
    fails(&records, &[returns("write(10)", None)], 4);
    // The time is that of the return.
    let text = fails(&records, &[within(40, returns("read(10)", None))], 0);
    assert_eq!(text, "the end of `read(10)` on a was to come within 0.040 s, and came at 0.050 s");
}

#[test]
fn a_poll_reports_at_least_the_events() {
    let poll = |at, events| call(at, at, "poll()", CallReturn::Events(events));
    let both = Poll(Poll::IN.0 | Poll::RDHUP.0);
    let records = [poll(10, Poll::OUT), poll(20, both), end(30)];
    holds(&records, &[polls(Poll::IN)], 1);
    holds(&records, &[polls(both)], 1);
    let text = fails(&records, &[polls(Poll::HUP)], 2);
    assert_eq!(text, "poll events HUP of a was to come, and did not: the last reported are IN RDHUP");
    holds(&records, &[returns("poll()", Some(CallReturn::Events(Poll::OUT)))], 0);
}

#[test]
fn within_and_after_bound_the_earliest_match() {
    let fins = [out(100, "F. 1:1(0) ack 1"), out(300, "F. 1:1(0) ack 1"), end(400)];
    holds(&fins, &[within(100, emits("F."))], 0);
    holds(&fins, &[emits("F."), within(200, emits("F."))], 1);
    holds(&fins, &[emits("F."), after(200, emits("F."))], 1);
    let text = fails(&fins, &[emits("F."), within(199, emits("F."))], 1);
    assert_eq!(text, "`F.` from a was to come within 0.199 s, and came 0.200 s after `F. 1:1(0) ack 1 win 502` from a");
    let text = fails(&fins, &[emits("F."), after(201, emits("F."))], 1);
    assert_eq!(
        text,
        "`F.` from a was to come after 0.201 s or more, and came 0.200 s after `F. 1:1(0) ack 1 win 502` from a"
    );
    // A later one does not make up for it.
    fails(&fins, &[after(200, emits("F."))], 0);
}

#[test]
fn the_ratio_of_two_gaps() {
    let fins = |third| [out(100, "F. 1:1(0)"), out(200, "F. 1:1(0)"), out(third, "F. 1:1(0)"), end(900)];
    let doubled = [emits("F."), emits("F."), ratio(2.0, emits("F."))];
    for third in [371, 400, 429] {
        holds(&fins(third), &doubled, 2);
    }
    for third in [369, 431] {
        fails(&fins(third), &doubled, 2);
    }
    let text = fails(&fins(300), &doubled, 2);
    assert_eq!(
        text,
        "`F.` from a was to come after 2 times the gap before, and came 0.100 s after `F. 1:1(0) ack 0 win 502` from a, which is 1.00 times 0.100 s"
    );
    let at_once = [out(100, "F. 1:1(0)"), out(100, "F. 1:1(0)"), out(100, "F. 1:1(0)"), end(900)];
    fails(&at_once, &doubled, 2);
}

#[test]
fn so_many_and_no_more() {
    let fins = |count: u64| -> Vec<Record> {
        let sent = (0..count).map(|n| out(100 << n, "F. 1:1(0) ack 1"));
        sent.chain([change(4_000, A, State::FinWait1, State::Closed), end(5_000)]).collect()
    };
    let four = [times(4, emits("F.")), is(State::Closed)];
    holds(&fins(4), &four, 4);
    assert!(fails(&fins(3), &four, 4).starts_with("`F.` from a was to come after"));
    let text = fails(&fins(5), &four, 4);
    assert_eq!(
        text,
        "`F.` from a was to come 4 times, and came once more 0.800 s after `F. 1:1(0) ack 1 win 502` from a"
    );
    // To the end of the trace, too.
    let text = holds(&fins(4), &[times(4, emits("F."))], 3);
    assert!(text.ends_with("; no more of `F.` from a by 5.000 s, the end of the trace"), "{text}");
    fails(&fins(5), &[times(4, emits("F."))], 4);
    // Behind the next event more may come.
    let mut again = fins(4);
    again.insert(5, out(4_500, "F. 1:1(0) ack 1"));
    holds(&again, &four, 4);
    // Bounds hold for each of them.
    holds(&fins(4), &[emits("F."), times(3, within(400, emits("F.")))], 3);
    fails(&fins(4), &[emits("F."), times(3, within(399, emits("F.")))], 3);
    holds(&fins(5), &[emits("F."), emits("F."), times(3, ratio(2.0, emits("F.")))], 4);
}

#[test]
fn what_is_not_to_come_ends_a_prediction() {
    let quiet = [emits("F."), not(gets("R")), gets(". ack 2")];
    holds(&close(), &quiet, 3);
    let text = fails(&close(), &[emits("F."), not(gets(". ack 2")), is(State::FinWait2)], 3);
    assert_eq!(text, "`. ack 2` at a was not to come, and came 0.010 s after `F. 1:1(0) ack 1 win 502` from a");
    // Only between its neighbours.
    holds(&close(), &[gets(". ack 2"), not(emits("F.")), is(State::FinWait2)], 4);
    holds(&close(), &[not(gets(". ack 2")), emits("F.")], 2);
    fails(&close(), &[not(emits("F.")), gets(". ack 2")], 2);
    // The next event itself is not in between.
    holds(&close(), &[returns("close()", None), not(emits("*")), emits("F.")], 2);
    // To the end of the trace.
    let text = holds(&close(), &[emits("F."), not(gets("R")), not(is(State::Closed))], 2);
    assert_eq!(
        text,
        "`F. 1:1(0) ack 1 win 502` from a at 0.010 s; no `R` at a, no CLOSED of a by 0.030 s, the end of the trace"
    );
    fails(&close(), &[emits("F."), not(is(State::FinWait2))], 4);
    // Nothing else needs to come.
    assert_eq!(holds(&close(), &[not(emits("R"))], 6), "no `R` from a by 0.030 s, the end of the trace");
}

#[test]
fn what_is_not_to_come_may_be_bounded() {
    let acked = [emits("F."), within(9, not(gets(". ack 2")))];
    holds(&close(), &acked, 2);
    fails(&close(), &[emits("F."), within(10, not(gets(". ack 2")))], 3);
    holds(&close(), &[emits("F."), after(11, not(gets(". ack 2")))], 2);
    fails(&close(), &[emits("F."), after(10, not(gets(". ack 2")))], 3);
}

#[test]
fn header_checksum_and_ttl() {
    let with = |change: fn(&mut SegmentEvent)| {
        let mut segment = segment_event(Way::Out, "F.");
        change(&mut segment);
        event(Event::Segment(segment))
    };
    let [header_20, header_32] = [with(|s| s.header = Some(20)), with(|s| s.header = Some(32))];
    let [ttl_64, ttl_63] = [with(|s| s.ttl = Some(64)), with(|s| s.ttl = Some(63))];
    let checksum = with(|s| s.checksum = true);
    holds(&close(), std::slice::from_ref(&header_20), 2);
    holds(&close(), &[ttl_64], 2);
    holds(&close(), std::slice::from_ref(&checksum), 2);
    assert_eq!(
        fails(&close(), std::slice::from_ref(&header_32), 2),
        "`F.` from a was to have a TCP header of 32 bytes, and has one of 20"
    );
    assert_eq!(fails(&close(), &[ttl_63], 2), "`F.` from a was to have TTL 63, and has 64");
    let mut records = close();
    records[2] = damaged(records[2].clone(), 20 + 17);
    assert_eq!(fails(&records, &[checksum], 2), "`F.` from a was to have a valid checksum, and has a wrong one");
    // What is not to come is named in full.
    holds(&close(), &[not(header_32)], 6);
    fails(&close(), &[not(header_20)], 2);
}

#[test]
fn a_play_that_is_not_complete_decides_nothing() {
    let undecided = |records: Vec<Record>, reason: &str| {
        for predicts in [vec![emits("F.")], vec![emits("R")]] {
            let outcome = judged(trace(records.clone()), predicts);
            assert_eq!((outcome.holds, outcome.record, outcome.at_seconds), (None, None, None));
            assert!(outcome.text.contains(reason), "{}", outcome.text);
        }
    };
    let mut records = close();
    records.pop();
    undecided(records.clone(), "the trace ends before its end record");
    records.push(record(30, What::Waited(Waited { met: false, since: 0, there: None })));
    records.push(end(30));
    undecided(records.clone(), "what the case is about did not come up");
    records[7] = record(30, What::Trouble(Trouble { text: "our injection was late".into(), in_doubt: false }));
    undecided(vec![records[7].clone(), end(30)], "our injection was late");
    let mut met = close();
    met.insert(6, record(30, What::Waited(Waited { met: true, since: 0, there: None })));
    holds(&met, &[emits("F.")], 2);
    let outcome = judged(trace(close()), Vec::new());
    assert_eq!(outcome.text, "the trace names the claim without its prediction");
}

#[test]
fn operations_are_compared_in_full() {
    let records = [call(10, 10, "spare.close()", CallReturn::Value(0)), end(20)];
    holds(&records, &[returns("spare.close()", None)], 0);
    fails(&records, &[returns("close()", None)], 1);
    let close = Operation { descriptor: None, makes: None, call: OperationCall::Socket(Call::Close) };
    fails(&records, &[event(Event::Call { on: B, op: close, returns: None })], 1);
}
