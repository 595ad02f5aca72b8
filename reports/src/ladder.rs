//! A trace as a ladder: time runs down, endpoint `a` stands at the left, its peer at the right, arrows are segments.

use std::collections::HashMap;
use std::fmt::Write;

use tcpconform_engine::case::{Endpoint, Host, Topology};
use tcpconform_engine::judgement::Finding;
use tcpconform_engine::notation::{Bases, display_segment, icmp_text};
use tcpconform_engine::trace::{Nanos, Record, Trace, Way, What};
use tcpconform_engine::wire;
use tcpconform_model::{Flags, Seq, State};

use crate::printable::printable;

/// From the left side to the right one, characters.
const WIDTH: usize = 76;
/// What an excerpt shows before a finding and behind it, lines.
const BEFORE: usize = 8;
const AFTER: usize = 3;
/// Stands for what an excerpt leaves out.
const CUT: &str = "       ...";
/// A frame that reaches the other link sooner than this is drawn as one arrow, nanoseconds.
const AT_ONCE: Nanos = 1_000_000;

/// The ladder, one line for each thing that happened, and one for each finding where it came out; the steps are counted
/// from 1.
pub fn ladder(trace: &Trace, findings: &[Finding]) -> String {
    join(&head(trace), lines(trace, findings).into_iter())
}

/// The part of the ladder around each finding; without one, the end.
pub fn excerpt(trace: &Trace, findings: &[Finding]) -> String {
    let lines = lines(trace, findings);
    let last = lines.len().saturating_sub(1);
    let mut marks: Vec<usize> = (0..lines.len()).filter(|&index| lines[index].is_finding).collect();
    if marks.is_empty() {
        marks.push(last);
    }
    let is_near =
        |index: usize| marks.iter().any(|&mark| (mark.saturating_sub(BEFORE)..=mark + AFTER).contains(&index));
    let mut shown = Vec::new();
    for (index, line) in lines.into_iter().enumerate() {
        if is_near(index) {
            shown.push(line);
        } else if shown.last().is_none_or(|line: &Line| line.text != CUT) {
            shown.push(Line { text: CUT.to_owned(), is_finding: false });
        }
    }
    join(&head(trace), shown.into_iter())
}

fn join(head: &str, lines: impl Iterator<Item = Line>) -> String {
    lines.fold(format!("{head}\n"), |text, line| text + &line.text + "\n")
}

fn head(trace: &Trace) -> String {
    let right = match trace.header.topology {
        Topology::Crafted => "crafted peer",
        Topology::TwoKernels | Topology::Routed => "b",
    };
    format!("step        time  {:<gap$}{right}", "a", gap = WIDTH - right.chars().count())
}

fn lines(trace: &Trace, findings: &[Finding]) -> Vec<Line> {
    let mut ladder =
        Ladder { lines: Vec::new(), step: None, bases: HashMap::new(), states: HashMap::new(), emitted: Vec::new() };
    for (index, record) in trace.records.iter().enumerate() {
        if !is_contradicted(record, &trace.records[index + 1..]) {
            ladder.record(record);
        }
        for finding in findings.iter().filter(|finding| finding.record == index) {
            ladder.finding(finding);
        }
    }
    ladder.lines
}

/// Whether this is the tracepoint's CLOSED of a connection that lives on in FIN-WAIT-2 or TIME-WAIT: the full socket is
/// gone, and later samples find its mini-socket (`tcp_time_wait`).
fn is_contradicted(record: &Record, later: &[Record]) -> bool {
    let What::Transition(transition) = &record.what else { return false };
    let lives_on = |later: &Record| match &later.what {
        What::Sample(sample) => sample.on == transition.on && sample.state != State::Closed,
        What::Segment(_)
        | What::Icmp(_)
        | What::Relay(_)
        | What::Call(_)
        | What::Transition(_)
        | What::Ports(_)
        | What::Waited(_)
        | What::Trouble(_)
        | What::End {} => false,
    };
    transition.to == State::Closed && later.iter().any(lives_on)
}

/// One line.
struct Line {
    text: String,
    is_finding: bool,
}

struct Ladder {
    lines: Vec<Line>,
    step: Option<u32>,
    /// Initial sequence number of who sends on this side.
    bases: HashMap<Endpoint, Seq>,
    states: HashMap<Endpoint, State>,
    /// What endpoints put on their links, to recognise it on the other one.
    emitted: Vec<(Nanos, Vec<u8>)>,
}

impl Ladder {
    fn record(&mut self, record: &Record) {
        match &record.what {
            What::Segment(seen) => {
                // With the crafted peer, what arrives at `a` comes from where `b` would be.
                let from = match seen.way {
                    Way::Out => seen.on,
                    Way::In => seen.on.other(),
                };
                let passed = |(at, packet): &(Nanos, Vec<u8>)| {
                    record.at - at < AT_ONCE && wire::same_but_for_hops(packet, &seen.packet)
                };
                match seen.way {
                    Way::Out => self.emitted.push((record.at, seen.packet.clone())),
                    Way::In => {
                        if let Some(index) = self.emitted.iter().position(passed) {
                            self.emitted.remove(index);
                            return;
                        }
                    }
                }
                let text = self.segment(from, &seen.packet);
                let dashes = "-".repeat(WIDTH.saturating_sub(text.chars().count() + 3).max(2));
                let arrow = match from.host {
                    Host::A => format!("{text} {dashes}>"),
                    Host::B => format!("<{dashes} {text}"),
                };
                self.line(record, &arrow);
            }
            What::Icmp(error) => {
                let base = self.bases.get(&error.on).copied().unwrap_or_default();
                let text = icmp_text(&error.packet, Bases { seq: base, ack: Seq(0) });
                let arrow = match error.on.host {
                    Host::A => format!("<- icmp {text}"),
                    Host::B => format!("{:>WIDTH$}", format!("icmp {text} ->")),
                };
                self.line(record, &arrow);
            }
            What::Relay(relay) => {
                let fate = relay.act.to_string();
                self.line(record, &format!("{:>half$}", format!("x {fate}"), half = WIDTH / 2 + fate.len() / 2));
            }
            What::Call(call) => {
                let mut text = format!("{} = {}", call.op, call.result);
                let took = call.left.saturating_sub(record.at);
                if took >= AT_ONCE {
                    let _ = write!(text, " after {} s", seconds(took));
                }
                self.side(record, call.on, &text);
            }
            // A sample of an earlier step has been overtaken by what the next step did at once.
            What::Sample(_) if self.step.is_some_and(|step| step > record.step) => {}
            What::Sample(sample) => self.state(record, sample.on, sample.state),
            What::Transition(transition) => self.state(record, transition.on, transition.to),
            What::Ports(ports) => {
                let text = format!("ports {} to {} for connect()", ports.first, ports.last);
                self.side(record, ports.on, &text);
            }
            What::Waited(_) => {}
            What::Trouble(trouble) => self.line(record, &format!("! {}", trouble.text)),
            What::End {} => self.line(record, "the observation ends"),
        }
    }

    fn segment(&mut self, from: Endpoint, packet: &[u8]) -> String {
        let segment = match wire::parse(packet) {
            Ok(packet) => packet.segment,
            Err(error) => return format!("({error})"),
        };
        if segment.has(Flags::SYN) {
            self.bases.entry(from).or_insert(segment.seq);
        }
        let base = |of| self.bases.get(&of).copied().unwrap_or_default();
        display_segment(&segment, Bases { seq: base(from), ack: base(from.other()) }, segment.has(Flags::SYN))
    }

    fn state(&mut self, record: &Record, on: Endpoint, state: State) {
        if self.states.insert(on, state) != Some(state) {
            self.side(record, on, &format!("[{state}]"));
        }
    }

    fn side(&mut self, record: &Record, on: Endpoint, text: &str) {
        match on.host {
            Host::A => self.line(record, text),
            Host::B => self.line(record, &format!("{text:>WIDTH$}")),
        }
    }

    fn line(&mut self, record: &Record, text: &str) {
        // The tracepoint's reports are read later than they were made: they belong to no step.
        let is_told_late = matches!(record.what, What::Transition(_));
        let step = if is_told_late || self.step == Some(record.step) {
            String::new()
        } else {
            self.step = Some(record.step);
            (record.step + 1).to_string()
        };
        let text = format!("{step:>4}  {:>10}  {}", seconds(record.at), printable(text));
        self.lines.push(Line { text, is_finding: false });
    }

    fn finding(&mut self, finding: &Finding) {
        for text in [
            format!("*** {}: {}", finding.rule, finding.statement),
            format!("    expected {}", finding.expected),
            format!("    got      {}", finding.actual),
        ] {
            self.lines.push(Line { text: format!("{:18}{}", "", printable(&text)), is_finding: true });
        }
    }
}

fn seconds(nanos: Nanos) -> String {
    format!("{}.{:06}", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    use tcpconform_engine::case::{Operation, OperationCall};
    use tcpconform_engine::trace::{
        CallReturn, CallSeen, EndpointIdentity, Fate, Header, RelayAct, Sample, SegmentSeen, Source, TargetIdentity,
        TargetKind, Time, VERSION,
    };
    use tcpconform_model::{Call, Segment};

    const MICROSECOND: Nanos = 1000;

    fn packet(from: Endpoint, flags: Flags, seq: u32, ack: u32) -> Vec<u8> {
        let [a, b]: [SocketAddr; 2] = ["10.0.0.1:20000", "10.0.0.2:40000"].map(|text| text.parse().unwrap());
        let (source, destination) = match from.host {
            Host::A => (a, b),
            Host::B => (b, a),
        };
        let segment = Segment { seq: Seq(seq), ack: Seq(ack), flags, wnd: 502, ..Segment::default() };
        wire::craft(source, destination, &segment, &[], &[])
    }

    fn seen(at: Nanos, step: u32, on: Endpoint, way: Way, packet: &[u8]) -> Record {
        Record { at, step, what: What::Segment(SegmentSeen { on, way, packet: packet.to_vec() }) }
    }

    fn trace(topology: Topology, records: Vec<Record>) -> Trace {
        let address = "10.0.0.1:1".parse().unwrap();
        let endpoint =
            |name| EndpointIdentity { name, local: address, remote: address, mtu: 1500, sysctls: Default::default() };
        let header = Header {
            trace: VERSION,
            tool: "0.1.0".into(),
            case: "close/normal".into(),
            variant: String::new(),
            purpose: "Four waves.".into(),
            axes: Vec::new(),
            claims: Vec::new(),
            requirements: Vec::new(),
            target: TargetIdentity { kind: TargetKind::Model, release: "0.1.0".into(), hz: 1000, time: Time::Virtual },
            topology,
            endpoints: [Endpoint::A, Endpoint::B].map(endpoint).into(),
            steps: Vec::new(),
            started_unix_ns: 0,
        };
        Trace { header, records }
    }

    #[test]
    fn a_ladder_reads_like_a_picture_in_the_rfc() {
        let fin = Flags::FIN | Flags::ACK;
        let (syn, syn_ack) =
            (packet(Endpoint::A, Flags::SYN, 100, 0), packet(Endpoint::B, Flags::SYN | Flags::ACK, 900, 101));
        let (lost, again) = (packet(Endpoint::A, fin, 101, 901), packet(Endpoint::A, fin, 101, 901));
        let op = Operation { descriptor: None, makes: None, call: OperationCall::Socket(Call::Close) };
        let close =
            CallSeen { on: Endpoint::A, op, left: 5_000 * MICROSECOND, result: CallReturn::Value(0), wrong_byte: None };
        let state = |at, on, state| Record {
            at,
            step: 1,
            what: What::Sample(Sample {
                on,
                source: Source::SockDiag,
                until: at,
                state,
                timer: None,
                receive_queue: None,
                send_queue: None,
            }),
        };
        let fate = RelayAct { from: Endpoint::A, emitted_at: 5_000 * MICROSECOND, act: Fate::Dropped };
        let records = vec![
            seen(0, 0, Endpoint::A, Way::Out, &syn),
            seen(2 * MICROSECOND, 0, Endpoint::B, Way::In, &syn),
            seen(4 * MICROSECOND, 0, Endpoint::B, Way::Out, &syn_ack),
            seen(6 * MICROSECOND, 0, Endpoint::A, Way::In, &syn_ack),
            Record { at: 5_000 * MICROSECOND, step: 1, what: What::Call(close) },
            seen(5_000 * MICROSECOND, 1, Endpoint::A, Way::Out, &lost),
            Record { at: 5_001 * MICROSECOND, step: 1, what: What::Relay(fate) },
            state(5_100 * MICROSECOND, Endpoint::A, State::FinWait1),
            state(6_100 * MICROSECOND, Endpoint::A, State::FinWait1),
            seen(209_000 * MICROSECOND, 1, Endpoint::A, Way::Out, &again),
            seen(209_002 * MICROSECOND, 1, Endpoint::B, Way::In, &again),
            state(209_100 * MICROSECOND, Endpoint::B, State::CloseWait),
            seen(209_200 * MICROSECOND, 1, Endpoint::A, Way::In, &[0x45, 0]),
            Record { at: 60_000_000 * MICROSECOND, step: 2, what: What::End {} },
        ];
        insta::assert_snapshot!(ladder(&trace(Topology::TwoKernels, records), &[]));
    }
}
