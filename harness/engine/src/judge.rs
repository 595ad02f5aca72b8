//! The judge: a pure function from a trace to a judgement.
//!
//! Owns the verdict. Keeps a frontier of every connection that is still possible; what was done to the target advances it,
//! what was seen narrows it, and when it is empty the target did something that no rule allows. Refuses to know where the trace
//! came from.

mod blame;
mod chosen;
mod counted;
mod deeds;
mod deviation;
mod expiry;
mod finding;
mod fired;
mod frontier;
mod items;
mod lateness;
mod link;
mod others;
mod predictions;
mod sampled;
mod sights;
mod trail;
mod untold;

use std::collections::{BTreeMap, BTreeSet};

use tcpconform_model::{Profile, RULES, RuleRef, Span, rules};

use crate::case::Endpoint;
use crate::judgement::{Finding, Judgement, Verdict};
use crate::trace::{EndpointIdentity, Header, Nanos, Stall, TargetKind, Time, Trace, Way, What};
use crate::wire;

use counted::{Shares, wrong_sum};
use expiry::Expiry;
use frontier::{Failure, Frontier};
use items::items;
pub(crate) use items::{icmp_event, segment_event};
use lateness::lateness;
use link::link;
pub use predictions::Shown;
use predictions::{Inferred, predictions};
use trail::Trails;

/// Judges a trace against the `linux` profile of each endpoint's namespace.
///
/// A finding that a stall of the machine would explain, or that comes of a trace in doubt, shows nothing about the target: inconclusive.
pub fn judge(trace: &Trace) -> Judgement {
    let (mut seen, mut excuse) = (Followed::new(trace, 0), doubt(trace).map(str::to_string));
    if let (false, None, Some(stall)) = (seen.findings.is_empty(), &excuse, longest_stall(trace)) {
        let later = Followed::new(trace, stall.length());
        if later.findings.is_empty() {
            let (at, length) = (seconds(stall.from), stall.length() as f64 / 1e6);
            excuse = Some(format!("the machine stood still for {length:.1} ms at +{at:.6} s"));
        }
    }
    let excused = excuse.filter(|_| !seen.findings.is_empty()).map(|excuse| {
        let findings = std::mem::take(&mut seen.findings);
        format!("{excuse}, which leaves open whether this is one: {}", findings.first().map_or_else(String::new, told))
    });
    let Followed { findings, gaps, course } = seen;
    let Course { fired, alternatives, timed, shares: _, inferred, stalled: _, explains: _, explained: _ } = course;
    let (verdict, reason) = match excused {
        Some(excused) => (Verdict::Inconclusive, Some(excused)),
        None => verdict(trace, &findings, &gaps, &timed),
    };
    let inferred = if verdict == Verdict::Pass { inferred } else { Inferred::new() };
    let departures = RULES.iter().filter(|rule| rule.departs.is_some() && fired.contains(rule.id));
    Judgement {
        id: trace.header.case.clone(),
        variant: trace.header.variant.clone(),
        verdict,
        reason,
        axes: trace.header.axes.clone(),
        claims: trace.header.claims.iter().map(|prediction| prediction.claim.clone()).collect(),
        predictions: predictions(trace, &inferred),
        requirements: trace.header.requirements.clone(),
        departures: departures.map(|rule| rule.id.to_string()).collect(),
        alternatives,
        behaviour: deeds::deeds(trace, &timed),
        rules_fired: fired.into_iter().map(str::to_string).collect(),
        findings,
        target_seconds: seconds(trace.records.last().map_or(0, |record| record.at)),
        retried: None,
    }
}

/// What comes of following all endpoints of a trace.
struct Followed {
    /// In the order of their times.
    findings: Vec<Finding>,
    /// What the model has no rule for.
    gaps: Vec<String>,
    course: Course,
}

impl Followed {
    /// On a machine that did not do what was due for this long.
    fn new(trace: &Trace, stalled: Nanos) -> Followed {
        let mut findings = Vec::new();
        let mut gaps = Vec::new();
        let mut course = Course { stalled, ..Course::default() };
        for endpoint in &trace.header.endpoints {
            findings.extend(damaged_output(trace, endpoint));
            match follow(trace, endpoint, &mut course) {
                Ok(()) => {}
                Err(Failure::Deviates(deviation)) => findings.push(finding::finding(trace, endpoint, &deviation)),
                Err(Failure::NoRule { record, text }) => {
                    gaps.push(format!("record {record}: the model has no rule for {text}"))
                }
            }
        }
        if let Some((on, deviation)) = wrong_sum(trace, &course.shares) {
            let endpoint = trace.header.endpoints.iter().find(|endpoint| endpoint.name == on);
            findings.extend(endpoint.map(|endpoint| finding::finding(trace, endpoint, &deviation)));
        }
        findings.sort_by(|a, b| a.at_seconds.total_cmp(&b.at_seconds));
        Followed { findings, gaps, course }
    }
}

/// Why nothing follows from what the trace shows, if so.
fn doubt(trace: &Trace) -> Option<&str> {
    trace.records.iter().find_map(|record| {
        let What::Trouble(trouble) = &record.what else { return None };
        trouble.in_doubt.then_some(trouble.text.as_str())
    })
}

fn longest_stall(trace: &Trace) -> Option<Stall> {
    let What::End { stalls } = &trace.records.last()?.what else { return None };
    stalls.iter().max_by_key(|stall| stall.length()).copied()
}

fn told(finding: &Finding) -> String {
    format!("{}: expected {}, got {}", finding.rule, finding.expected, finding.actual)
}

/// Something that a timer of the target did, or should have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedAnswer {
    /// Whose timer.
    pub on: Endpoint,
    /// The rule that decided what it does.
    pub rule: RuleRef,
    /// When the model allows it.
    pub due: Span,
    /// Index of the record that showed it first: the segment, or the sample that finds the state changed. `None` where the
    /// judge found that it did not come, or not in time.
    pub record: Option<usize>,
}

/// What the target's timers did according to the judge, endpoint by endpoint, each in the order of the records.
pub fn timed_answers(trace: &Trace) -> Vec<TimedAnswer> {
    let mut course = Course::default();
    for endpoint in &trace.header.endpoints {
        // How far a target that deviates was followed is worth showing too.
        let _ = follow(trace, endpoint, &mut course);
    }
    course.timed
}

/// The rules that speak of a record, by its index.
pub type Explanations = BTreeMap<usize, Vec<RuleRef>>;

/// Which rules decided what to make of a record: what followed from an arriving segment or a call, and why a segment was emitted.
/// Of a target that deviates, up to there.
pub fn explanations(trace: &Trace) -> Explanations {
    let mut course = Course { explains: true, ..Course::default() };
    for endpoint in &trace.header.endpoints {
        // How far a target that deviates was followed is worth showing too.
        let _ = follow(trace, endpoint, &mut course);
    }
    course.explained
}

/// What came up while endpoints were followed.
#[derive(Default)]
struct Course {
    /// Ids of the rules that explained something.
    fired: BTreeSet<&'static str>,
    /// Named alternatives that were shown.
    alternatives: BTreeMap<String, String>,
    timed: Vec<TimedAnswer>,
    shares: Shares,
    /// State changes that the kernel did not report.
    inferred: Inferred,
    /// For how long the machine did not do what was due.
    stalled: Nanos,
    /// Whether what follows is wanted.
    explains: bool,
    explained: Explanations,
}

/// The profile of an endpoint's namespace.
pub fn profile(header: &Header, endpoint: &EndpointIdentity) -> Profile {
    let sysctl = |name: &str| endpoint.sysctls.get(name)?.split_whitespace().next()?.parse().ok();
    let profile = Profile::linux(header.target.hz, sysctl);
    let profile = if endpoint.local.is_ipv6() { profile.over_ipv6() } else { profile };
    match (header.target.kind, header.target.time) {
        (TargetKind::Kernel, Time::Real) => profile,
        (TargetKind::Kernel, Time::Virtual) => profile.in_virtual_time().with_one_processor(),
        (TargetKind::Model, _) => profile.in_virtual_time(),
    }
}

/// Runs the frontier of one endpoint through everything that concerns it.
fn follow(trace: &Trace, endpoint: &EndpointIdentity, course: &mut Course) -> Result<(), Failure> {
    let profile = profile(&trace.header, endpoint).stalled(course.stalled);
    let items = items(trace, endpoint, &profile);
    let mut frontier = Frontier::new(&profile, &items, Trails::new(course.explains));
    let outcome = items.observations.iter().try_for_each(|item| frontier.observe(item));
    course.fired.extend(frontier.rules_fired());
    for (record, rules) in frontier.explained() {
        let explained: &mut Vec<RuleRef> = course.explained.entry(record).or_default();
        rules.into_iter().for_each(|rule| {
            if !explained.contains(&rule) {
                explained.push(rule)
            }
        });
    }
    course.alternatives.extend(frontier.chosen().named());
    for (record, share) in frontier.shares() {
        course.shares.entry(record).or_default().push(share);
    }
    course.inferred.extend(frontier.untold().map(|changes| (endpoint.name, changes)));
    let timed = frontier.timed();
    course.timed.extend(timed.map(|(Expiry { rule, due }, record)| TimedAnswer {
        on: endpoint.name,
        rule,
        due,
        record,
    }));
    outcome
}

/// Segments that leave with something wrong below the model's level: checksum, reserved bits.
fn damaged_output(trace: &Trace, endpoint: &EndpointIdentity) -> Option<Finding> {
    trace.records.iter().enumerate().find_map(|(record, seen)| {
        let What::Segment(segment) = &seen.what else { return None };
        if segment.on != endpoint.name || segment.way != Way::Out {
            return None;
        }
        let (rule, expected, actual): (RuleRef, &str, String) = match wire::parse(&segment.packet) {
            Err(error) => (&rules::SEGMENT_CHECKSUM, "a well-formed packet", error.to_string()),
            Ok(packet) if !packet.checksum_ok => (&rules::SEGMENT_CHECKSUM, "a right checksum", "a wrong one".into()),
            Ok(packet) if packet.reserved != 0 => {
                (&rules::SEGMENT_RESERVED, "reserved bits 0", format!("reserved bits {:#x}", packet.reserved))
            }
            Ok(_) => return None,
        };
        let deviation = deviation::Deviation {
            rule,
            expected: expected.to_string(),
            actual,
            at: seen.at,
            record,
            due: None,
            possible: Vec::new(),
        };
        Some(finding::finding(trace, endpoint, &deviation))
    })
}

/// A finding, a gap in the model, a lie of the middle, trouble of our own, a wait that was not met.
fn verdict(trace: &Trace, findings: &[Finding], gaps: &[String], timed: &[TimedAnswer]) -> (Verdict, Option<String>) {
    if let Some(first) = findings.first() {
        return (Verdict::Fail, Some(told(first)));
    }
    if let Some(gap) = gaps.first() {
        return (Verdict::Error, Some(gap.clone()));
    }
    let link = link(trace);
    if let Some(lie) = link.lie {
        return (Verdict::Error, Some(lie));
    }
    match incomplete(trace) {
        Some(reason) => {
            let why = lateness(trace, timed, &link.due).map_or_else(String::new, |why| format!("{why}; "));
            (Verdict::Inconclusive, Some(why + &reason))
        }
        None => (Verdict::Pass, None),
    }
}

/// Why the play did not come to its end as the case wants it; `None` when it did.
fn incomplete(trace: &Trace) -> Option<String> {
    let ended = trace.records.last().is_some_and(|record| matches!(record.what, What::End { .. }));
    if !ended {
        return Some("the trace ends before its end record".to_string());
    }
    for record in &trace.records {
        match &record.what {
            What::Trouble(trouble) => return Some(trouble.text.clone()),
            What::Waited(waited) if !waited.met => {
                let step = trace.header.steps.get(record.step as usize);
                let (place, text) = step.map_or(("", "a step"), |step| (&step.place, &step.text));
                let waited_for = seconds(record.at.saturating_sub(waited.since));
                return Some(format!(
                    "{place}: what the case is about did not come up: {text} (waited {waited_for:.3} s)"
                ));
            }
            What::Segment(_)
            | What::Icmp(_)
            | What::Relay(_)
            | What::Call(_)
            | What::Sample(_)
            | What::Transition(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::End { .. } => {}
        }
    }
    None
}

fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}
