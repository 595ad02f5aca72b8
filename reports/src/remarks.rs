//! Which packets of a trace the case or a rule speaks of, and what they say.
//!
//! Owns the search: what the case injected and expected, what the middle did, what a claim points at, where a finding came
//! out, and which rules decided what followed from it, or why it was emitted. Refuses to judge, and to know how remarks are
//! shown.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tcpconform_engine::case::Endpoint;
use tcpconform_engine::judge::explanations;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::notation::{Bases, Numbers, Pattern, parse_pattern};
use tcpconform_engine::trace::{Nanos, StepIdentity, Trace, Way, What};
use tcpconform_engine::view::View;
use tcpconform_engine::wire;
use tcpconform_model::Segment;

/// What is said about each record that holds a packet, by the record's index, in the order of importance.
pub fn remarks(trace: &Trace, judgement: &Judgement) -> BTreeMap<usize, Vec<String>> {
    let mut remarks: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut say = |record: usize, text: String| remarks.entry(record).or_default().push(text);
    for finding in &judgement.findings {
        say(finding.record, format!("{}: expected {}, got {}", finding.rule, finding.expected, finding.actual));
    }
    for outcome in &judgement.predictions {
        if let (Some(record), Some(holds)) = (outcome.record, outcome.holds) {
            let word = if holds { "holds" } else { "does not hold" };
            say(record, format!("claim {} {word}: {}", outcome.claim, outcome.text));
        }
    }
    for (record, text) in deeds(trace).chain(expected(trace)) {
        say(record, text);
    }
    for (record, rules) in explanations(trace) {
        rules.iter().for_each(|rule| say(record, format!("{}: {}", rule.id, rule.statement)));
    }
    remarks.retain(|record, _| trace.records.get(*record).is_some_and(|record| record.what.packet().is_some()));
    remarks
}

/// What the case did to packets: those that it injected, and what its middle made of others.
fn deeds(trace: &Trace) -> impl Iterator<Item = (usize, String)> {
    trace.records.iter().enumerate().filter_map(move |(index, record)| {
        if let What::Relay(relay) = &record.what {
            return Some((emitted_at(trace, relay.from, relay.emitted_at)?, relay.act.to_string()));
        }
        let (_, way, _) = record.what.packet()?;
        let step = step(trace, record.step)?;
        let is_ours = way == Way::In && ["inject ", "icmp "].iter().any(|word| step.text.starts_with(word));
        is_ours.then(|| (index, said(step)))
    })
}

fn emitted_at(trace: &Trace, from: Endpoint, at: Nanos) -> Option<usize> {
    let is_it = |what: &What| matches!(what, What::Segment(seen) if seen.way == Way::Out && seen.on == from);
    trace.records.iter().position(|record| record.at == at && is_it(&record.what))
}

/// An emitted segment as the player remembered it: with the numbers that were known before it.
struct Emitted {
    record: usize,
    on: Endpoint,
    segment: Segment,
    numbers: Numbers,
    bases: Bases,
}

/// The segments that ended the waiting of `expect` steps, found as the player found them.
fn expected(trace: &Trace) -> impl Iterator<Item = (usize, String)> {
    let mut views: BTreeMap<Endpoint, View> = BTreeMap::new();
    let mut emitted: Vec<Emitted> = Vec::new();
    let mut found = Vec::new();
    for (index, record) in trace.records.iter().enumerate() {
        if let What::Segment(seen) = &record.what
            && let Ok(packet) = wire::parse(&seen.packet)
        {
            let view = views.entry(seen.on).or_default();
            let before = *view;
            if packet.checksum_ok || seen.way == Way::Out {
                view.follow(seen.way, &packet.segment);
            }
            if seen.way == Way::Out {
                let known = if before.opened() { before } else { *view };
                let (numbers, bases) = (*known.numbers(), known.bases(Way::Out));
                emitted.push(Emitted { record: index, on: seen.on, segment: packet.segment, numbers, bases });
            }
        }
        let Some(step) = step(trace, record.step) else { continue };
        if !matches!(&record.what, What::Waited(waited) if waited.met) {
            continue;
        }
        if step.text.starts_with("establish") {
            emitted.clear();
        }
        let Some((pattern, from)) = expectation(&step.text) else { continue };
        let fits = |seen: &Emitted| seen.on == from && pattern.matches(&seen.segment, &seen.numbers, seen.bases);
        if let Some(at) = emitted.iter().position(fits) {
            let record = emitted[at].record;
            found.push((record, said(step)));
            emitted.retain(|seen| seen.on != from || seen.record > record);
        }
    }
    found.into_iter()
}

/// The pattern and the endpoint of an `expect` step, as in `expect F. 1:1(0) from b within 3s`.
fn expectation(text: &str) -> Option<(Pattern, Endpoint)> {
    let text = text.strip_prefix("expect ")?;
    let text = text.split_once(" within ").map_or(text, |(text, _)| text);
    let (pattern, from) = match text.split_once(" from ") {
        Some((pattern, from)) => (pattern, Endpoint::try_from(Cow::Borrowed(from)).ok()?),
        None => (text, Endpoint::A),
    };
    Some((parse_pattern(pattern).ok()?, from))
}

fn step(trace: &Trace, index: u32) -> Option<&StepIdentity> {
    trace.header.steps.get(index as usize)
}

fn said(step: &StepIdentity) -> String {
    format!("{} ({})", step.text, step.place)
}
