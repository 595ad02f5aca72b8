//! A trace as a ladder: time runs down, endpoint `a` stands at the left, its peer at the right, arrows are segments.

use std::collections::BTreeSet;

use tcpconform_engine::case::{Endpoint, Host, Topology};
use tcpconform_engine::judge::Explanations;
use tcpconform_engine::judgement::Finding;
use tcpconform_engine::trace::{Nanos, Trace};

use crate::exchange::{Arrow, Mark, Shown, exchange};
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

/// The ladder, one line for each thing that happened, and some for each finding where it came out; the steps are counted
/// from 1. Beside a segment stand the rules that `why` names for its record.
pub fn ladder(trace: &Trace, findings: &[Finding], why: &Explanations) -> String {
    join(&head(trace), lines(trace, findings, why).into_iter())
}

/// The part of the ladder around each finding; without one, the end.
pub fn excerpt(trace: &Trace, findings: &[Finding]) -> String {
    let lines = lines(trace, findings, &Explanations::new());
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

fn lines(trace: &Trace, findings: &[Finding], why: &Explanations) -> Vec<Line> {
    let mut ladder = Ladder { lines: Vec::new(), step: None, arrived: BTreeSet::new(), why };
    let marks = exchange(trace);
    let mut told = 0;
    for mark in &marks {
        told = ladder.findings(findings, told, mark.record);
        ladder.mark(mark, &marks);
    }
    ladder.findings(findings, told, trace.records.len());
    ladder.lines
}

/// One line.
struct Line {
    text: String,
    is_finding: bool,
}

struct Ladder<'w> {
    lines: Vec<Line>,
    step: Option<u32>,
    /// The marks of segments whose arrow has its end.
    arrived: BTreeSet<usize>,
    why: &'w Explanations,
}

impl Ladder<'_> {
    fn mark(&mut self, mark: &Mark, marks: &[Mark]) {
        match &mark.shown {
            Shown::Emitted { arrow, .. } => self.arrow(mark, arrow),
            Shown::Arrived { arrow, emitted } => {
                let at_once = |emitted: &usize| mark.at - marks[*emitted].at < AT_ONCE;
                if emitted.filter(at_once).is_none_or(|emitted| !self.arrived.insert(emitted)) {
                    self.arrow(mark, arrow);
                }
            }
            Shown::Icmp { on, text } => {
                let arrow = match on.host {
                    Host::A => format!("<- icmp {text}"),
                    Host::B => format!("{:>WIDTH$}", format!("icmp {text} ->")),
                };
                self.line(mark, &arrow);
            }
            Shown::Relay { fate } => {
                let fate = fate.to_string();
                self.line(mark, &format!("{:>half$}", format!("x {fate}"), half = WIDTH / 2 + fate.len() / 2));
            }
            Shown::Call { on, text, until } => {
                let took = until.saturating_sub(mark.at);
                let after = if took >= AT_ONCE { format!(" after {} s", seconds(took)) } else { String::new() };
                self.side(mark, *on, &format!("{text}{after}"));
            }
            Shown::State { on, state } => self.side(mark, *on, &format!("[{state}]")),
            Shown::Ports { on, first, last } => {
                self.side(mark, *on, &format!("ports {first} to {last} for connect()"));
            }
            Shown::Counters { on, text } => self.side(mark, *on, &format!("counted {text}")),
            Shown::Trouble(text) => self.line(mark, &format!("! {text}")),
            Shown::End => self.line(mark, "the observation ends"),
        }
    }

    fn arrow(&mut self, mark: &Mark, Arrow { from, text, .. }: &Arrow) {
        let dashes = "-".repeat(WIDTH.saturating_sub(text.chars().count() + 3).max(2));
        let arrow = match from.host {
            Host::A => format!("{text} {dashes}>"),
            Host::B => format!("<{dashes} {text}"),
        };
        let why: Vec<&str> = self.why.get(&mark.record).into_iter().flatten().map(|rule| rule.id).collect();
        self.line(mark, format!("{arrow}  {}", why.join(", ")).trim_end());
    }

    fn side(&mut self, mark: &Mark, on: Endpoint, text: &str) {
        match on.host {
            Host::A => self.line(mark, text),
            Host::B => self.line(mark, &format!("{text:>WIDTH$}")),
        }
    }

    fn line(&mut self, mark: &Mark, text: &str) {
        let step = match mark.step.filter(|step| self.step != Some(*step)) {
            Some(step) => {
                self.step = Some(step);
                (step + 1).to_string()
            }
            None => String::new(),
        };
        let text = format!("{step:>4}  {:>10}  {}", seconds(mark.at), printable(text));
        self.lines.push(Line { text, is_finding: false });
    }

    /// Tells the findings of the records from `from` up to `to`, not included, and says up to where it told them.
    fn findings(&mut self, findings: &[Finding], from: usize, to: usize) -> usize {
        findings
            .iter()
            .filter(|finding| (from..to).contains(&finding.record))
            .for_each(|finding| self.finding(finding));
        to
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
        CallReturn, CallSeen, EndpointIdentity, Fate, Header, Record, RelayAct, Sample, SegmentSeen, Source,
        TargetIdentity, TargetKind, Time, VERSION, Way, What,
    };
    use tcpconform_engine::wire;
    use tcpconform_model::{Call, Flags, Segment, Seq, State};

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
            Record { at: 60_000_000 * MICROSECOND, step: 2, what: What::End { stalls: Vec::new() } },
        ];
        insta::assert_snapshot!(ladder(&trace(Topology::TwoKernels, records), &[], &Explanations::new()));
    }
}
