//! A deviation as a finding: with its neighbours in the trace, its place in the case and the likely cause.

use tcpconform_model::{RuleRef, rules};

use super::deviation::Deviation;
use super::seconds;
use crate::case::Topology;
use crate::judgement::{ContextLine, Finding};
use crate::notation::{display_segment, icmp_text};
use crate::trace::{EndpointIdentity, Record, Trace, Way, What};
use crate::view::View;
use crate::wire;

/// How many neighbours are shown before the finding.
const NEIGHBOURS: usize = 6;

/// The finding of a deviation.
pub(super) fn finding(trace: &Trace, endpoint: &EndpointIdentity, deviation: &Deviation) -> Finding {
    let rule = deviation.rule;
    let step = trace.records.get(deviation.record).map_or(0, |record| record.step as usize);
    Finding {
        rule: rule.id.to_string(),
        statement: rule.statement.to_string(),
        level: rule.level.name().to_string(),
        source: rule.source.to_string(),
        expected: deviation.expected.clone(),
        actual: deviation.actual.clone(),
        at_seconds: seconds(deviation.at),
        record: deviation.record,
        place: trace.header.steps.get(step).map(|step| step.place.clone()).unwrap_or_default(),
        context: context(trace, endpoint, deviation.record),
        possible: deviation.possible.iter().map(|state| state.to_string()).collect(),
        hint: hint(rule, endpoint),
        on: (trace.header.endpoints.len() > 1).then_some(endpoint.name),
    }
}

/// The records of this endpoint up to the finding's, the last ones.
fn context(trace: &Trace, endpoint: &EndpointIdentity, last: usize) -> Vec<ContextLine> {
    let mut view = View::default();
    let mut lines = Vec::new();
    for (i, record) in trace.records.iter().enumerate().take(last + 1) {
        if let Some((text, note)) = line(trace, endpoint, record, &mut view) {
            lines.push(ContextLine { record: i, at: record.at, text, note });
        }
    }
    lines.split_off(lines.len().saturating_sub(NEIGHBOURS))
}

fn line(trace: &Trace, endpoint: &EndpointIdentity, record: &Record, view: &mut View) -> Option<(String, String)> {
    match &record.what {
        What::Segment(segment) if segment.on == endpoint.name => {
            let Ok(packet) = wire::parse(&segment.packet) else {
                return Some(("a packet that cannot be read".to_string(), String::new()));
            };
            if packet.checksum_ok || segment.way == Way::Out {
                view.follow(segment.way, &packet.segment);
            }
            let (arrow, note) = match (segment.way, trace.header.topology) {
                (Way::Out, _) => ('>', "emitted"),
                (Way::In, Topology::Crafted) => ('<', "injected"),
                (Way::In, Topology::TwoKernels | Topology::Routed) => ('<', "relayed"),
            };
            Some((
                format!("{arrow} {}", display_segment(&packet.segment, view.bases(segment.way), false)),
                note.to_string(),
            ))
        }
        What::Icmp(error) if error.on == endpoint.name => {
            Some((format!("< {}", icmp_text(&error.packet, view.bases(Way::Out))), "icmp".to_string()))
        }
        What::Call(call) if call.on == endpoint.name => {
            Some((format!("  {} = {}", call.op, call.result), "call".to_string()))
        }
        What::Sample(sample) if sample.on == endpoint.name => {
            Some((format!("  {}", sample.state), "state".to_string()))
        }
        What::Counters(seen) if seen.on.host == endpoint.name.host => {
            Some((format!("  {seen}"), "counters".to_string()))
        }
        What::Relay(act) if act.from == endpoint.name => Some((format!("  {:?}", act.act), "middle".to_string())),
        What::Segment(_)
        | What::Icmp(_)
        | What::Relay(_)
        | What::Call(_)
        | What::Sample(_)
        | What::Transition(_)
        | What::Counters(_)
        | What::Ports(_)
        | What::Waited(_)
        | What::Trouble(_)
        | What::End { .. } => None,
    }
}

/// What on this machine may explain the deviation.
fn hint(rule: RuleRef, endpoint: &EndpointIdentity) -> Option<String> {
    let set = |name: &str, usual: &str| {
        let value = endpoint.sysctls.get(name)?;
        (value != usual).then(|| format!("net.ipv4.{name} is {value} here (usually {usual})"))
    };
    let candidates: &[(RuleRef, &str, &str)] = &[
        (&rules::TIME_WAIT_RST, "tcp_rfc1337", "0"),
        (&rules::RTO, "tcp_rto_min_us", "200000"),
        (&rules::LOSS_PROBE, "tcp_early_retrans", "3"),
        (&rules::RTO_GIVE_UP, "tcp_retries2", "15"),
        (&rules::RTO_GIVE_UP_ORPHAN, "tcp_orphan_retries", "0"),
        (&rules::FIN_WAIT_2_ORPHAN, "tcp_fin_timeout", "60"),
        (&rules::KEEPALIVE_PROBE, "tcp_keepalive_time", "7200"),
        (&rules::CHECK_SEQ, "tcp_invalid_ratelimit", "500"),
        (&rules::CHECK_SYN, "tcp_invalid_ratelimit", "500"),
    ];
    candidates.iter().filter(|(r, _, _)| *r == rule).find_map(|(_, name, usual)| set(name, usual))
}
