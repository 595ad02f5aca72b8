//! The middle between two kernels: which frame is dropped, delayed, duplicated, swapped, rewritten or answered.
//!
//! Owns the rules of a case and their counts. Refuses to know sockets and clocks: frames and times come in, deliveries
//! go out.

use std::net::SocketAddr;

use tcpconform_model::{Flags, Options, Segment, Seq, Timestamps};

use crate::case::{Endpoint, RelayAction, RelayRule};
use crate::notation::SegmentText;
use crate::trace::{EndpointIdentity, Fate, Nanos, Way};
use crate::view::View;
use crate::wire::{self, Packet};

/// The middle of one case.
#[derive(Debug)]
pub struct Middle {
    addresses: Vec<(Endpoint, SocketAddr)>,
    views: Vec<(Endpoint, View)>,
    rules: Vec<Counted>,
    held: Vec<(Endpoint, Vec<u8>)>,
}

#[derive(Debug)]
struct Counted {
    rule: RelayRule,
    left: Option<u32>,
}

/// What becomes of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// What was done, if anything else than to pass it on.
    pub act: Option<Fate>,
    /// What is to be put on a link, and when.
    pub deliver: Vec<Delivery>,
}

/// An IP packet to put on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: Nanos,
    /// To whom.
    pub to: Endpoint,
    /// The packet.
    pub packet: Vec<u8>,
}

impl Middle {
    /// A middle that passes everything on.
    pub fn new(endpoints: &[EndpointIdentity]) -> Middle {
        Middle {
            addresses: endpoints.iter().map(|e| (e.name, e.local)).collect(),
            views: endpoints.iter().map(|e| (e.name, View::default())).collect(),
            rules: Vec::new(),
            held: Vec::new(),
        }
    }

    /// From now on frames that fit `rule` are treated so; of several rules that fit the oldest counts.
    pub fn add(&mut self, rule: &RelayRule) {
        self.rules.push(Counted { rule: rule.clone(), left: rule.times });
    }

    /// Decides on a packet that `from` emitted at `at`.
    pub fn treat(&mut self, from: Endpoint, at: Nanos, packet: Vec<u8>) -> Treatment {
        let to = from.other();
        let pass = |packet| Treatment { act: None, deliver: vec![Delivery { at, to, packet }] };
        let Ok(parsed) = wire::parse(&packet) else {
            return pass(packet);
        };
        let Some((_, view)) = self.views.iter_mut().find(|(name, _)| *name == from) else {
            return pass(packet);
        };
        let before = *view;
        view.follow(Way::Out, &parsed.segment);
        // Relative numbers hold from the segment that sets them on, the SYN itself included.
        let numbers = if before.opened() { *before.numbers() } else { *view.numbers() };
        let chosen = self.rules.iter_mut().find(|counted| {
            counted.rule.from == from
                && counted.left != Some(0)
                && counted.rule.pattern.matches(&parsed.segment, &numbers, numbers.emitted())
        });
        let action = chosen.map(|counted| {
            counted.left = counted.left.map(|n| n - 1);
            counted.rule.action.clone()
        });
        if let Some((_, view)) = self.views.iter_mut().find(|(name, _)| *name == from.other()) {
            view.follow(Way::In, &parsed.segment);
        }
        let mut treatment = match action {
            None => pass(packet),
            Some(RelayAction::Drop) => Treatment { act: Some(Fate::Dropped), deliver: Vec::new() },
            Some(RelayAction::Delay(by)) => {
                let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
                let deliver = vec![Delivery { at: at.saturating_add(by), to, packet }];
                Treatment { act: Some(Fate::Delayed(by)), deliver }
            }
            Some(RelayAction::Duplicate(copies)) => {
                let deliver = (0..copies).map(|_| Delivery { at, to, packet: packet.clone() }).collect();
                Treatment { act: Some(Fate::Duplicated(copies)), deliver }
            }
            Some(RelayAction::Swap) => {
                self.held.push((from, packet));
                return Treatment { act: Some(Fate::Swapped), deliver: Vec::new() };
            }
            Some(RelayAction::Rewrite(text)) => {
                let packet = self.rewrite(from, &parsed, &packet, &text);
                Treatment { act: Some(Fate::Rewritten), deliver: vec![Delivery { at, to, packet }] }
            }
            Some(RelayAction::Answer(text)) => {
                let packet = self.answer(from, &parsed, &text);
                return Treatment { act: Some(Fate::Answered), deliver: vec![Delivery { at, to: from, packet }] };
            }
        };
        if !treatment.deliver.is_empty() {
            let due = self.held.iter().position(|(held_from, _)| *held_from == from);
            if let Some(i) = due {
                let (_, packet) = self.held.remove(i);
                treatment.deliver.push(Delivery { at, to, packet });
            }
        }
        treatment
    }

    /// The packet with the fields changed that the text names; flags are always taken from it.
    fn rewrite(&self, from: Endpoint, parsed: &Packet, packet: &[u8], text: &SegmentText) -> Vec<u8> {
        let numbers =
            self.views.iter().find(|(name, _)| *name == from).map_or_else(Default::default, |(_, v)| *v.numbers());
        let bases = numbers.emitted();
        let mut segment = parsed.segment;
        segment.flags = text.flags;
        if let Some(seq) = &text.seq {
            segment.seq = seq.resolve(&numbers, bases.seq);
        }
        if let Some(ack) = &text.ack {
            segment.ack = ack.resolve(&numbers, bases.ack);
        }
        if let Some(wnd) = text.wnd {
            segment.wnd = wnd;
        }
        if let Some(urg) = text.urg {
            segment.urg = urg;
        }
        let payload = &packet[packet.len() - parsed.segment.data_len as usize..];
        let to = self.addresses.iter().find(|(name, _)| *name == from.other());
        let destination = to.map_or(parsed.destination, |(_, address)| *address);
        wire::craft(parsed.source, destination, &segment, &wire::encode_options(&segment.options), payload)
    }

    /// The answer to a packet in the name of the end that it was for.
    fn answer(&mut self, from: Endpoint, parsed: &Packet, text: &SegmentText) -> Vec<u8> {
        let other = self.views.iter().find(|(name, _)| *name == from.other());
        let numbers = other.map_or_else(Default::default, |(_, view)| *view.numbers());
        let bases = numbers.emitted();
        let ack = text.ack.as_ref().map_or(parsed.segment.end(), |ack| ack.resolve(&numbers, bases.ack));
        let timestamps = parsed.segment.options.timestamps;
        let segment = Segment {
            seq: text.seq.as_ref().map_or(numbers.snd_nxt, |seq| seq.resolve(&numbers, bases.seq)),
            ack: if text.flags.has(Flags::ACK) { ack } else { Seq(0) },
            flags: text.flags,
            wnd: text.wnd.unwrap_or(parsed.segment.wnd),
            urg: text.urg.unwrap_or(0),
            options: Options {
                // The stamps that the other end is known to have reached.
                timestamps: timestamps.map(|stamps| Timestamps { val: stamps.ecr, ecr: stamps.val }),
                ..Options::default()
            },
            ..Segment::default()
        };
        if let Some((_, view)) = self.views.iter_mut().find(|(name, _)| *name == from) {
            view.follow(Way::In, &segment);
        }
        wire::craft(parsed.destination, parsed.source, &segment, &wire::encode_options(&segment.options), &[])
    }
}
