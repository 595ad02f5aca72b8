//! The page of one case: what it is about and what it does; and, of a stored trace, what happened and what the judge says.
//!
//! Owns what a reader gets who has nothing but a trace. Refuses to play, and to judge.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use tcpconform_engine::case::{Endpoint, IpVersion, Topology};
use tcpconform_engine::judge::{TimedAnswer, explanations, timed_answers};
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::trace::{EndpointIdentity, Header, Trace};
use tcpconform_model::Nanos;

use crate::failure;
use crate::ladder::ladder;
use crate::palette::Palette;
use crate::printable::printable;
use crate::report::Target;
use crate::rfc3339;

/// The width of lines that are wrapped.
const WIDTH: usize = 112;
/// What labels take of it.
const LABELS: usize = 16;

/// What a case is about, and its steps.
#[derive(Clone, Copy, Debug)]
pub struct About<'c> {
    /// Its name with the variant.
    pub name: &'c str,
    /// One sentence.
    pub purpose: &'c str,
    /// As in `RFC 9293 3.10.7.4`.
    pub requirements: &'c [String],
    /// Ids of the claims that it bears on.
    pub claims: &'c [String],
    /// Who sits at the other end.
    pub topology: Topology,
    /// IP version.
    pub ip: IpVersion,
}

impl About<'_> {
    /// Writes it, down to the line before the steps; `more` lines follow its own.
    pub fn write(&self, more: &[(&str, String)], out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "{}\n  {}\n", printable(self.name), printable(self.purpose))?;
        let topology = match self.topology {
            Topology::Crafted => "one kernel, crafted peer",
            Topology::TwoKernels => "two kernels, relay between them",
            Topology::Routed => "two kernels, relay and router between them",
        };
        let ip = match self.ip {
            IpVersion::Ipv4 => "IPv4",
            IpVersion::Ipv6 => "IPv6",
        };
        label("requirements", &self.requirements.join(", "), out)?;
        label("claims", &self.claims.join(", "), out)?;
        label("topology", &format!("{topology}, {ip}"), out)?;
        more.iter().try_for_each(|(name, text)| label(name, text, out))
    }
}

/// Writes the steps, each with its place.
pub fn steps<'c>(steps: impl Iterator<Item = (&'c str, &'c str)> + Clone, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "\nSteps:\n")?;
    let width = steps.clone().map(|(text, _)| text.chars().count()).max().unwrap_or(0).min(76);
    for (number, (text, place)) in (1..).zip(steps) {
        writeln!(out, "{number:>4}  {:width$}  {}", printable(text), printable(place))?;
    }
    Ok(())
}

/// Writes the page of a judged trace.
pub fn page(trace: &Trace, judgement: &Judgement, palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
    let Header { purpose, requirements, topology, target, started_unix_ns, endpoints, tool, .. } = &trace.header;
    let is_ipv6 = endpoints.iter().any(|endpoint| endpoint.local.is_ipv6());
    let ip = if is_ipv6 { IpVersion::Ipv6 } else { IpVersion::Ipv4 };
    let (name, claims) = (judgement.name(), &judgement.claims);
    let target = Target::of(target);
    let mut more = vec![
        ("target", format!("{}, {} time, HZ {}", target.title(), target.time.name(), target.hz)),
        ("tool", format!("tcpconform {tool}")),
    ];
    // In virtual time there is no date.
    if *started_unix_ns > 0 {
        more.push(("played", rfc3339(UNIX_EPOCH + Duration::from_nanos(*started_unix_ns))));
    }
    more.extend(endpoints.iter().map(|endpoint| ("endpoint", address(endpoint))));
    more.extend(endpoints.iter().map(|endpoint| ("sysctls", sysctls(endpoint))));
    About { name: &name, purpose, requirements, claims, topology: *topology, ip }.write(&more, out)?;
    steps(trace.header.steps.iter().map(|step| (step.text.as_str(), step.place.as_str())), out)?;
    write!(out, "\nWhat happened:\n\n{}", ladder(trace, &judgement.findings, &explanations(trace)))?;
    timers(&timed_answers(trace), out)?;
    verdict(judgement, &target, palette, out)?;
    predictions(judgement, out)
}

fn address(endpoint: &EndpointIdentity) -> String {
    format!("{} is {}, its peer {}, MTU {}", endpoint.name, endpoint.local, endpoint.remote, endpoint.mtu)
}

fn sysctls(endpoint: &EndpointIdentity) -> String {
    let settings: Vec<String> = endpoint.sysctls.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("of {}: {}", endpoint.name, settings.join(", "))
}

/// What timers did, with the time in which the model lets them.
fn timers(timed: &[TimedAnswer], out: &mut dyn io::Write) -> io::Result<()> {
    if timed.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTimers, and when the model lets them fire:\n")?;
    let width = timed.iter().map(|answer| answer.rule.id.len()).max().unwrap_or(0);
    for TimedAnswer { on, rule, due, record } in timed {
        let seen = record.map_or("did not come".to_owned(), |record| format!("record {record}"));
        let window = format!("{} to {}", seconds(due.lo), seconds(due.hi));
        writeln!(out, "  {:<width$}  {}  {window:<24}  {seen}", rule.id, endpoint(*on))?;
    }
    Ok(())
}

fn verdict(judgement: &Judgement, target: &Target, palette: &Palette, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out)?;
    if judgement.verdict.is_bad() {
        writeln!(out, "{}", failure::message(judgement, &[], target, palette))?;
    } else {
        let style = palette.of(judgement.verdict);
        let word = judgement.verdict.name().to_uppercase();
        let (name, title) = (judgement.name(), target.title());
        writeln!(out, "{style}{word}{style:#} {}   {}", printable(&name), printable(&title))?;
    }
    let alternatives: Vec<String> =
        judgement.alternatives.iter().map(|(name, shown)| format!("{name}: {shown}")).collect();
    label("rules", &judgement.rules_fired.join(", "), out)?;
    label("departures", &judgement.departures.join(", "), out)?;
    label("alternatives", &alternatives.join(", "), out)
}

fn predictions(judgement: &Judgement, out: &mut dyn io::Write) -> io::Result<()> {
    if judgement.predictions.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWhat the claims say of it:\n")?;
    for outcome in &judgement.predictions {
        let holds = match outcome.holds {
            Some(true) => "holds",
            Some(false) => "does not hold",
            None => "not decided",
        };
        let given = outcome.given.as_deref().map(|given| format!(" (where {given})")).unwrap_or_default();
        let record = outcome.record.map(|record| format!(", record {record}")).unwrap_or_default();
        let text = format!("{:<5} {holds}{given}: {}{record}", outcome.claim, outcome.text);
        writeln!(out, "  {}", printable(&text))?;
    }
    Ok(())
}

/// A line with a label, wrapped at its commas and spaces; none for an empty text.
fn label(name: &str, text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let text = printable(text);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_inclusive(' ') {
        match lines.last_mut() {
            Some(line) if LABELS + line.chars().count() + word.trim_end().chars().count() <= WIDTH => {
                line.push_str(word)
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    for (index, line) in lines.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        writeln!(out, "  {name:<width$}{}", line.trim_end(), width = LABELS - 2)?;
    }
    Ok(())
}

fn endpoint(on: Endpoint) -> String {
    format!("{:<2}", on.to_string())
}

fn seconds(nanos: Nanos) -> String {
    format!("{}.{:06}", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000)
}
