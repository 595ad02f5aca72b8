//! The judge fails what is wrong: traces of the model that pass, each with one thing changed.
//!
//! A judge that has never failed a broken stack is untested.

use std::path::Path;

use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::load::catalogue;
use tcpconform_engine::model_target::play_on_model;
use tcpconform_engine::trace::{CallReturn, Nanos, Trace, Way, What};
use tcpconform_engine::wire;
use tcpconform_model::{Counter, Errno, Flags, Seq, State};

/// What leaves less time than this to the trace's end may still have come later.
const MARGIN: Nanos = 20_000_000;

/// One trace of each case: the first variant of each topology.
fn traces() -> Vec<Trace> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
    let cases = catalogue(&root).expect("the catalogue loads");
    let mut seen = std::collections::BTreeSet::new();
    cases
        .iter()
        .filter(|case| seen.insert((case.id.clone(), case.topology as u8)))
        .map(|case| play_on_model(case).expect("the model plays"))
        .collect()
}

/// Every way in which `change` can be applied to one record must end in a failure, except where two things happen at the same
/// moment and either order is right: one in a hundred at most.
fn every_change_fails(what: &str, mut change: impl FnMut(&Trace, usize) -> Option<Trace>) {
    let mut changes = 0;
    let mut escaped = Vec::new();
    for trace in traces() {
        assert_eq!(judge(&trace).verdict, Verdict::Pass, "{}@{}", trace.header.case, trace.header.variant);
        for record in 0..trace.records.len() {
            let Some(changed) = change(&trace, record) else { continue };
            changes += 1;
            let verdict = judge(&changed).verdict;
            if verdict != Verdict::Fail {
                escaped.push(format!(
                    "{}@{} record {record}: {verdict} {:?}",
                    trace.header.case, trace.header.variant, trace.records[record].what
                ));
            }
        }
    }
    assert!(changes > 0, "nothing was changed");
    assert!(escaped.len() * 100 <= changes, "{what}: {} of {changes} escaped:\n{}", escaped.len(), escaped.join("\n"));
}

fn end_of(trace: &Trace) -> Nanos {
    trace.records.last().map_or(0, |record| record.at)
}

/// Changes the packet of an emitted segment.
fn with_packet(trace: &Trace, record: usize, change: impl Fn(&mut tcpconform_model::Segment) -> bool) -> Option<Trace> {
    let What::Segment(seen) = &trace.records[record].what else { return None };
    if seen.way != Way::Out {
        return None;
    }
    let packet = wire::parse(&seen.packet).ok()?;
    let mut segment = packet.segment;
    if !change(&mut segment) {
        return None;
    }
    let options = wire::encode_options(&segment.options);
    let payload = vec![0; segment.data_len as usize];
    let mut changed = trace.clone();
    if let What::Segment(seen) = &mut changed.records[record].what {
        seen.packet = wire::craft(packet.source, packet.destination, &segment, &options, &payload);
    }
    Some(changed)
}

#[test]
fn a_segment_that_is_left_out() {
    every_change_fails("left out", |trace, record| {
        let What::Segment(seen) = &trace.records[record].what else { return None };
        let at = trace.records[record].at;
        let answers = trace.records[..record].iter().any(|r| {
            matches!(&r.what, What::Segment(before) if before.on == seen.on && before.way == Way::In)
                && r.at + 1_000_000 > at
        });
        let packet = wire::parse(&seen.packet).ok()?;
        let delayed_ack = packet.segment.is_empty() && packet.segment.flags == Flags::ACK && !answers;
        // What a delayed ACK says, the next segment says too.
        if seen.way != Way::Out || at + MARGIN > end_of(trace) || delayed_ack {
            return None;
        }
        let mut changed = trace.clone();
        changed.records.remove(record);
        Some(changed)
    });
}

#[test]
fn a_segment_too_many() {
    every_change_fails("too many", |trace, record| {
        let What::Segment(seen) = &trace.records[record].what else { return None };
        let packet = wire::parse(&seen.packet).ok()?;
        // A second copy of new data or of a FIN may be a recovery: taken apart elsewhere.
        if seen.way != Way::Out || packet.segment.data_len > 0 || packet.segment.has(Flags::FIN) {
            return None;
        }
        let mut changed = trace.clone();
        let again = changed.records[record].clone();
        changed.records.insert(record + 1, again);
        Some(changed)
    });
}

#[test]
fn a_wrong_acknowledgment() {
    every_change_fails("wrong ACK", |trace, record| {
        with_packet(trace, record, |segment| {
            segment.ack = segment.ack + 1;
            segment.has(Flags::ACK)
        })
    });
}

#[test]
fn a_wrong_sequence_number() {
    every_change_fails("wrong SEQ", |trace, record| {
        with_packet(trace, record, |segment| {
            segment.seq = Seq(segment.seq.0.wrapping_add(1));
            // The first SYN is where the numbers begin.
            !segment.has(Flags::SYN)
        })
    });
}

#[test]
fn wrong_flags() {
    every_change_fails("wrong flags", |trace, record| {
        with_packet(trace, record, |segment| {
            // A retransmission may leave out a FIN that could go with its data.
            let optional = segment.has(Flags::FIN) && segment.data_len > 0;
            segment.flags = Flags(segment.flags.0 ^ Flags::FIN.0);
            !optional
        })
    });
    every_change_fails("a RST instead", |trace, record| {
        with_packet(trace, record, |segment| {
            segment.flags = Flags(segment.flags.0 ^ Flags::RST.0);
            true
        })
    });
}

#[test]
fn a_wrong_hop_limit() {
    every_change_fails("wrong hop limit", |trace, record| {
        with_packet(trace, record, |segment| {
            segment.hop_limit -= 1;
            true
        })
    });
}

#[test]
fn timestamps_left_out() {
    every_change_fails("no timestamps", |trace, record| {
        with_packet(trace, record, |segment| segment.options.timestamps.take().is_some())
    });
}

#[test]
fn a_wrong_state() {
    every_change_fails("wrong state", |trace, record| {
        let What::Sample(sample) = &trace.records[record].what else { return None };
        let wrong = if sample.state == State::Closing { State::LastAck } else { State::Closing };
        let near = |other: usize| {
            matches!(&trace.records[other].what, What::Sample(s) if s.state == wrong)
                && trace.records[other].at + MARGIN > trace.records[record].at
        };
        // A state that was true a moment ago may still be seen.
        if (0..record).any(near) {
            return None;
        }
        let mut changed = trace.clone();
        if let What::Sample(sample) = &mut changed.records[record].what {
            sample.state = wrong;
        }
        Some(changed)
    });
}

#[test]
fn a_wrong_result() {
    every_change_fails("wrong result", |trace, record| {
        let What::Call(call) = &trace.records[record].what else { return None };
        let text = call.op.to_string();
        // These return nothing that the connection decides.
        if text.contains("exit") || text.contains("kill") || text.contains("handover") || call.op.call.is_of_host() {
            return None;
        }
        let mut changed = trace.clone();
        if let What::Call(call) = &mut changed.records[record].what {
            call.result = CallReturn::Error(Errno::NOBUFS);
        }
        Some(changed)
    });
}

#[test]
fn a_counter_that_is_off_by_one() {
    // Each answer has another one wrong, so that each counter is wrong in many.
    let turns = Counter::ALL.into_iter().flat_map(|counter| [(counter, 1), (counter, -1)]);
    // A wait less is what a kernel says that counts a wait when it is over.
    let mut turns = turns.filter(|turn| *turn != (Counter::TimeWaited, -1)).cycle();
    every_change_fails("one more or less", |trace, record| {
        let mut changed = trace.clone();
        let What::Counters(seen) = &mut changed.records[record].what else { return None };
        let (counter, by) = turns.next()?;
        *seen.values.entry(counter.name().to_string()).or_default() += by;
        Some(changed)
    });
}

#[test]
fn a_retransmission_at_the_wrong_time() {
    every_change_fails("early", |trace, record| {
        let What::Segment(seen) = &trace.records[record].what else { return None };
        let packet = wire::parse(&seen.packet).ok()?;
        let at = trace.records[record].at;
        // Something that follows half a second of silence is a timer's doing.
        let before = trace.records[..record].iter().rev().find_map(|r| match &r.what {
            What::Segment(_) | What::Icmp(_) | What::Call(_) => Some(r.at),
            What::Relay(_)
            | What::Sample(_)
            | What::Transition(_)
            | What::Waited(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Trouble(_)
            | What::End { .. } => None,
        })?;
        if seen.way != Way::Out || at < before + 500_000_000 || !packet.segment.has(Flags::ACK) {
            return None;
        }
        let mut changed = trace.clone();
        changed.records[record].at = before + (at - before) / 2;
        changed.records.sort_by_key(|record| record.at);
        Some(changed)
    });
}
