//! A trace as a ladder: time runs down, endpoint `a` stands at the left, its peer at the right, arrows are segments.

use std::collections::HashMap;
use std::fmt::Write;

use tcpconform_engine::case::{Endpoint, Topology};
use tcpconform_engine::notation::{Bases, display_segment};
use tcpconform_engine::trace::{CallReturn, Fate, Nanos, Record, Trace, Way, What};
use tcpconform_engine::wire;
use tcpconform_model::{Errno, Flags, Poll, Seq, State};

use crate::printable::printable;

/// From the left side to the right one, characters.
const WIDTH: usize = 76;
/// A frame that reaches the other link sooner than this is drawn as one arrow, nanoseconds.
const AT_ONCE: Nanos = 1_000_000;

/// The ladder, one line for each thing that happened; the steps are counted from 1.
pub fn ladder(trace: &Trace) -> String {
    let right = match trace.header.topology {
        Topology::Crafted => "crafted peer",
        Topology::TwoKernels => "b",
    };
    let mut ladder = Ladder {
        out: format!("step        time  {:<gap$}{right}\n", "a", gap = WIDTH - right.chars().count()),
        step: None,
        bases: HashMap::new(),
        states: HashMap::new(),
        emitted: Vec::new(),
    };
    for record in &trace.records {
        ladder.record(record);
    }
    ladder.out
}

struct Ladder {
    out: String,
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
                let passed = |(at, packet): &(Nanos, Vec<u8>)| record.at - at < AT_ONCE && *packet == seen.packet;
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
                let arrow = match from {
                    Endpoint::A => format!("{text} {dashes}>"),
                    Endpoint::B => format!("<{dashes} {text}"),
                };
                self.line(record, &arrow);
            }
            What::Relay(relay) => {
                let fate = match relay.act {
                    Fate::Dropped => "dropped".to_owned(),
                    Fate::Delayed(nanos) => format!("held back for {} s", seconds(nanos)),
                    Fate::Duplicated(times) => format!("arrives {times} times"),
                    Fate::Swapped => "held back until the next one is through".to_owned(),
                    Fate::Rewritten => "rewritten".to_owned(),
                };
                self.line(record, &format!("{:>half$}", format!("x {fate}"), half = WIDTH / 2 + fate.len() / 2));
            }
            What::Call(call) => {
                let result = match call.result {
                    CallReturn::Value(value) => value.to_string(),
                    CallReturn::Events(events) => poll(events),
                    CallReturn::Error(errno) => error(errno),
                };
                let mut text = format!("{} = {result}", call.op);
                let took = call.left.saturating_sub(record.at);
                if took >= AT_ONCE {
                    let _ = write!(text, " after {} s", seconds(took));
                }
                self.side(record, call.on, &text);
            }
            What::Sample(sample) => self.state(record, sample.on, sample.state),
            What::Transition(transition) => self.state(record, transition.on, transition.to),
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
        match on {
            Endpoint::A => self.line(record, text),
            Endpoint::B => self.line(record, &format!("{text:>WIDTH$}")),
        }
    }

    fn line(&mut self, record: &Record, text: &str) {
        let step = match self.step.replace(record.step) {
            Some(step) if step == record.step => String::new(),
            Some(_) | None => (record.step + 1).to_string(),
        };
        let _ = writeln!(self.out, "{step:>4}  {:>10}  {}", seconds(record.at), printable(text));
    }
}

fn seconds(nanos: Nanos) -> String {
    format!("{}.{:06}", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000)
}

fn poll(events: Poll) -> String {
    let names: Vec<&str> = Poll::NAMES.iter().filter(|(event, _)| events.has(*event)).map(|(_, name)| *name).collect();
    if names.is_empty() { "no events".to_owned() } else { names.join(" ") }
}

fn error(errno: Errno) -> String {
    errno.name().map_or_else(|| format!("errno {}", errno.0), str::to_owned)
}
