//! A trace as a picture of it shows it: which segment arrived where and what the middle did to it, which states changed.
//!
//! Owns what is worth a mark and what belongs together. Refuses to know how a mark is drawn, and what is right.

use std::collections::BTreeMap;

use tcpconform_engine::case::Endpoint;
use tcpconform_engine::notation::{display_segment, icmp_text};
use tcpconform_engine::trace::{Fate, Nanos, Record, SegmentSeen, Trace, Way, What};
use tcpconform_engine::view::View;
use tcpconform_engine::wire;
use tcpconform_model::{Flags, State};

/// Something that a picture of a trace shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When.
    pub at: Nanos,
    /// The step in progress, counted from 0; none for what the tracepoint reports, which is read later than it was made.
    pub step: Option<u32>,
    /// Index of the record.
    pub record: usize,
    /// What.
    pub shown: Shown,
}

/// The kinds of marks.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// An endpoint emitted a segment.
    Emitted {
        /// Which.
        arrow: Arrow,
        /// What the middle did to it.
        fate: Option<Fate>,
    },
    /// A segment arrived at an endpoint.
    Arrived {
        /// Which.
        arrow: Arrow,
        /// The mark of its emission, where that was seen.
        emitted: Option<usize>,
    },
    /// An ICMP error arrived.
    Icmp {
        /// At whom.
        on: Endpoint,
        /// As in `host-unreachable, seq 1`.
        text: String,
    },
    /// The middle did something else to a frame than to pass it on.
    Relay {
        /// What.
        fate: Fate,
    },
    /// A call, which began at the mark's time.
    Call {
        /// On whose socket.
        on: Endpoint,
        /// As in `close() = 0`.
        text: String,
        /// When it returned.
        until: Nanos,
    },
    /// Another state than before.
    State {
        /// Of whom.
        on: Endpoint,
        /// Which.
        state: State,
    },
    /// The host's ephemeral port range was set.
    Ports {
        /// The host's end of the first connection.
        on: Endpoint,
        /// The first port.
        first: u16,
        /// The last.
        last: u16,
    },
    /// A host told what it had counted.
    Counters {
        /// The host's end of the first connection.
        on: Endpoint,
        /// As in `ActiveOpens 1, OutSegs 3`.
        text: String,
    },
    /// The tester could not do its part.
    Trouble(String),
    /// The observation ends.
    End,
}

/// A segment in the words of tcpdump.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrow {
    /// Who sent it, or would have: with the crafted peer, that is where `b` would be.
    pub from: Endpoint,
    /// As in `F. 1:1(0) ack 1 win 502`, its options only on a SYN.
    pub text: String,
    /// All its options, as in `TS val 7 ecr 9`; empty without any.
    pub options: String,
}

/// The marks of a trace, in the order of its records.
pub fn exchange(trace: &Trace) -> Vec<Mark> {
    let fates = trace.records.iter().filter_map(|record| match &record.what {
        What::Relay(relay) => Some(((relay.from, relay.emitted_at), relay.act)),
        What::Segment(_)
        | What::Icmp(_)
        | What::Call(_)
        | What::Sample(_)
        | What::Transition(_)
        | What::Counters(_)
        | What::Ports(_)
        | What::Waited(_)
        | What::Trouble(_)
        | What::End { .. } => None,
    });
    let mut exchange = Exchange { marks: Vec::new(), fates: fates.collect(), ..Exchange::default() };
    for (index, record) in trace.records.iter().enumerate() {
        if let Some(shown) = exchange.shown(record, &trace.records[index + 1..]) {
            let step = (!matches!(record.what, What::Transition(_))).then_some(record.step);
            exchange.step = step.or(exchange.step);
            exchange.marks.push(Mark { at: record.at, step, record: index, shown });
        }
    }
    exchange.marks
}

#[derive(Default)]
struct Exchange {
    marks: Vec<Mark>,
    fates: BTreeMap<(Endpoint, Nanos), Fate>,
    /// The step of the last mark.
    step: Option<u32>,
    views: BTreeMap<Endpoint, View>,
    states: BTreeMap<Endpoint, State>,
    under_way: Vec<UnderWay>,
}

/// A frame that an endpoint emitted and that may still arrive.
struct UnderWay {
    mark: usize,
    to: Endpoint,
    packet: Vec<u8>,
    expected: Nanos,
    copies: u32,
    rewritten: bool,
}

impl Exchange {
    fn shown(&mut self, record: &Record, later: &[Record]) -> Option<Shown> {
        match &record.what {
            What::Segment(seen) => Some(self.segment(record.at, seen)),
            What::Icmp(error) => {
                let bases = self.views.entry(error.on).or_default().bases(Way::Out);
                Some(Shown::Icmp { on: error.on, text: icmp_text(&error.packet, bases) })
            }
            What::Relay(relay) => Some(Shown::Relay { fate: relay.act }),
            What::Call(call) => {
                let text = format!("{} = {}", call.op, call.result);
                Some(Shown::Call { on: call.on, text, until: call.left })
            }
            // A sample of an earlier step has been overtaken by what the next step did at once.
            What::Sample(_) if self.step.is_some_and(|step| step > record.step) => None,
            What::Sample(sample) => self.state(sample.on, sample.state),
            What::Transition(transition) if is_contradicted(transition.on, transition.to, later) => None,
            What::Transition(transition) => self.state(transition.on, transition.to),
            What::Ports(ports) => Some(Shown::Ports { on: ports.on, first: ports.first, last: ports.last }),
            What::Counters(seen) => Some(Shown::Counters { on: seen.on, text: seen.to_string() }),
            What::Waited(_) => None,
            What::Trouble(trouble) => Some(Shown::Trouble(trouble.text.clone())),
            What::End { .. } => Some(Shown::End),
        }
    }

    fn segment(&mut self, at: Nanos, seen: &SegmentSeen) -> Shown {
        let arrow = self.arrow(seen);
        match seen.way {
            Way::Out => {
                let fate = self.fates.get(&(seen.on, at)).copied();
                let (copies, expected) = match fate {
                    Some(Fate::Dropped | Fate::Answered) => (0, at),
                    Some(Fate::Delayed(nanos)) => (1, at.saturating_add(nanos)),
                    Some(Fate::Duplicated(times)) => (times, at),
                    Some(Fate::Swapped | Fate::Rewritten) | None => (1, at),
                };
                let rewritten = fate == Some(Fate::Rewritten);
                let (mark, to, packet) = (self.marks.len(), seen.on.other(), seen.packet.clone());
                self.under_way.push(UnderWay { mark, to, packet, expected, copies, rewritten });
                Shown::Emitted { arrow, fate }
            }
            Way::In => {
                let emitted = self.arrival(at, seen);
                Shown::Arrived { arrow, emitted }
            }
        }
    }

    /// The emission of a segment that arrives: the same packet, or one that the middle rewrites, expected nearest to now.
    fn arrival(&mut self, at: Nanos, seen: &SegmentSeen) -> Option<usize> {
        let candidates = self.under_way.iter_mut().filter(|frame| frame.to == seen.on && frame.copies > 0);
        let fitting =
            candidates.filter(|frame| frame.rewritten || wire::same_but_for_hops(&frame.packet, &seen.packet));
        let frame = fitting.min_by_key(|frame| frame.expected.abs_diff(at))?;
        frame.copies -= 1;
        Some(frame.mark)
    }

    /// The segment, with the numbers that the endpoint's connection counts from.
    fn arrow(&mut self, seen: &SegmentSeen) -> Arrow {
        let from = match seen.way {
            Way::Out => seen.on,
            Way::In => seen.on.other(),
        };
        let packet = match wire::parse(&seen.packet) {
            Ok(packet) => packet,
            Err(error) => return Arrow { from, text: format!("({error})"), options: String::new() },
        };
        let view = self.views.entry(seen.on).or_default();
        // A packet that is damaged on purpose tells the connection nothing.
        if packet.checksum_ok || seen.way == Way::Out {
            view.follow(seen.way, &packet.segment);
        }
        let bases = view.bases(seen.way);
        let mut text = display_segment(&packet.segment, bases, false);
        let all = display_segment(&packet.segment, bases, true);
        let options = all[text.len()..].trim_start_matches(" <").trim_end_matches('>').to_string();
        if packet.segment.has(Flags::SYN) {
            text = all;
        }
        if !packet.checksum_ok {
            text += " (wrong checksum)";
        }
        Arrow { from, text, options }
    }

    fn state(&mut self, on: Endpoint, state: State) -> Option<Shown> {
        (self.states.insert(on, state) != Some(state)).then_some(Shown::State { on, state })
    }
}

/// Whether this is the tracepoint's CLOSED of a connection that lives on in FIN-WAIT-2 or TIME-WAIT: the full socket is
/// gone, and later samples find its mini-socket (`tcp_time_wait`).
fn is_contradicted(on: Endpoint, to: State, later: &[Record]) -> bool {
    let lives_on = |later: &Record| match &later.what {
        What::Sample(sample) => sample.on == on && sample.state != State::Closed,
        What::Segment(_)
        | What::Icmp(_)
        | What::Relay(_)
        | What::Call(_)
        | What::Transition(_)
        | What::Counters(_)
        | What::Ports(_)
        | What::Waited(_)
        | What::Trouble(_)
        | What::End { .. } => false,
    };
    to == State::Closed && later.iter().any(lives_on)
}
