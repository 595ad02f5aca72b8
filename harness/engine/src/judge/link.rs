//! The middle between two kernels, held to what it says of itself: what arrives at one end is what the other had sent, but for the
//! frames of which the trace says what was done to them.
//!
//! Owns the pairing of emissions and arrivals. Refuses to judge the kernels: each is judged by what arrived at its own end, so a lie
//! of the middle is no mistake of theirs.

use std::collections::BTreeMap;

use super::doubt;
use crate::case::{Endpoint, Topology};
use crate::notation::display_segment;
use crate::trace::{Fate, Nanos, SegmentSeen, Trace, Way, What};
use crate::view::View;
use crate::wire;

/// A frame may be so long on its way when the observation ends.
const UNDER_WAY: Nanos = 1_000_000_000;

/// A frame that one end has sent.
struct Sent<'t> {
    record: usize,
    from: Endpoint,
    due: Nanos,
    packet: &'t [u8],
    fate: Option<Fate>,
    copies: u32,
    text: String,
}

/// What was found out about the middle.
pub(super) struct Link {
    /// What it did and did not say; none where it says all.
    pub lie: Option<String>,
    /// When each frame that arrived was due, by the index of its record.
    pub due: BTreeMap<usize, Nanos>,
}

/// Pairs what was sent with what arrived.
pub(super) fn link(trace: &Trace) -> Link {
    let mut link = Link { lie: None, due: BTreeMap::new() };
    if trace.header.topology == Topology::Crafted || doubt(trace).is_some() {
        return link;
    }
    let fates = fates(trace);
    let mut views: BTreeMap<Endpoint, View> = BTreeMap::new();
    let mut sent: Vec<Sent<'_>> = Vec::new();
    for (index, record) in trace.records.iter().enumerate() {
        let What::Segment(seen) = &record.what else { continue };
        let text = text(&mut views, seen);
        match seen.way {
            Way::Out => {
                let fate = fates.get(&(seen.on, record.at)).copied();
                let (due, copies) = match fate {
                    Some(Fate::Delayed(by)) => (record.at.saturating_add(by), 1),
                    Some(Fate::Dropped) => (record.at, 0),
                    Some(Fate::Duplicated(copies)) => (record.at, copies),
                    Some(Fate::Swapped | Fate::Rewritten | Fate::Answered) | None => (record.at, 1),
                };
                sent.push(Sent { record: index, from: seen.on, due, packet: &seen.packet, fate, copies, text });
            }
            Way::In => match arrived(&mut sent, seen) {
                Some(due) => drop(link.due.insert(index, due)),
                None => {
                    let (on, other) = (seen.on, seen.on.other());
                    let lie = format!("record {index}: `{text}` arrived at {on}, and {other} had not sent it");
                    link.lie.get_or_insert(lie);
                }
            },
        }
    }
    link.lie = link.lie.or_else(|| lost(trace, &sent)).map(|lie| format!("the middle did what it did not say: {lie}"));
    link
}

/// Takes the frame that arrives, as it was or made of one that the middle rewrote or answered; when it was due.
fn arrived(sent: &mut [Sent<'_>], seen: &SegmentSeen) -> Option<Nanos> {
    let is_as_it_was = |sent: &Sent<'_>| {
        let is_passed_on = !matches!(sent.fate, Some(Fate::Answered | Fate::Rewritten));
        is_passed_on && sent.from.other() == seen.on && wire::same_but_for_hops(sent.packet, &seen.packet)
    };
    let is_made_of = |sent: &Sent<'_>| match sent.fate {
        Some(Fate::Answered) => sent.from == seen.on,
        Some(Fate::Rewritten) => sent.from.other() == seen.on,
        Some(Fate::Dropped | Fate::Delayed(_) | Fate::Duplicated(_) | Fate::Swapped) | None => false,
    };
    let first = |fits: &dyn Fn(&Sent<'_>) -> bool| sent.iter().position(|sent| sent.copies > 0 && fits(sent));
    // Of frames that are alike one that is held back may still be held.
    let passed_on = |sent: &Sent<'_>| is_as_it_was(sent) && sent.fate != Some(Fate::Swapped);
    let sent = &mut sent[first(&passed_on).or_else(|| first(&is_as_it_was)).or_else(|| first(&is_made_of))?];
    sent.copies -= 1;
    Some(sent.due)
}

/// A frame that never arrived, though it should have; behind a router it may have died.
fn lost(trace: &Trace, sent: &[Sent<'_>]) -> Option<String> {
    let end = trace.records.last()?.at;
    // Who goes down hears nothing.
    let goes_down = |to: Endpoint| {
        trace.records.iter().any(
            |record| matches!(&record.what, What::Call(call) if call.on.host == to.host && call.op.call.is_of_host()),
        )
    };
    let lost = sent.iter().find(|sent| {
        let to = sent.from.other();
        let is_held = sent.fate == Some(Fate::Swapped);
        sent.copies > 0 && !is_held && sent.due.saturating_add(UNDER_WAY) < end && !goes_down(to)
    });
    let lost = lost.filter(|_| trace.header.topology == Topology::TwoKernels)?;
    Some(format!("record {}: `{}` of {} never arrived", lost.record, lost.text, lost.from))
}

/// What the middle says that it did, by whose frame it was and when that was sent.
fn fates(trace: &Trace) -> BTreeMap<(Endpoint, Nanos), Fate> {
    let acts = trace.records.iter().filter_map(|record| match &record.what {
        What::Relay(act) => Some(((act.from, act.emitted_at), act.act)),
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
    acts.collect()
}

fn text(views: &mut BTreeMap<Endpoint, View>, seen: &SegmentSeen) -> String {
    let Ok(packet) = wire::parse(&seen.packet) else { return "a packet that cannot be read".to_owned() };
    let view = views.entry(seen.on).or_default();
    view.follow(seen.way, &packet.segment);
    display_segment(&packet.segment, view.bases(seen.way), false)
}
