//! Predictions of one variant: each event with its place, its texts parsed, and refused where the case cannot show it.

use std::time::Duration;

use super::axes::Axis;
use super::context::{Context, whole};
use super::raw::{Pairs, RawPredicted, RawPrediction, Text};
use super::resolve::values_of;
use super::steps::{parse_endpoint, parse_some_poll, parse_state};
use super::tree::Node;
use crate::case::{Case, Endpoint, Host, Operation, OperationCall, StepKind, Topology};
use crate::diagnostic::one_of;
use crate::notation::{NotationError, parse_icmp_kind, parse_operation, parse_pattern, parse_poll};
use crate::prediction::{Event, Predicted, Prediction, SegmentEvent};
use crate::trace::{CallReturn, Nanos, Way};
use tcpconform_model::{Call, Errno};

const GIVEN_MAX: usize = 200;
const TIMES_MAX: u64 = 1_000;
const RATIO_MAX: f64 = 1_000.0;
const EVENTS: [&str; 6] = ["segment", "arrives", "icmp", "state", "call", "poll"];
const EVENT_EXPECTED: &str = "one of `segment`, `arrives`, `icmp`, `state`, `call`, `poll`, `not` and `when`";

/// How many events there are, those of all branches counted.
pub(super) fn count_predicted(raw: &[RawPredicted]) -> usize {
    let count = |raw: &RawPredicted| match &raw.when {
        Some(branches) => branches.0.iter().map(|(_, events)| 1 + count_predicted(events)).sum(),
        None => 1,
    };
    raw.iter().map(count).sum()
}

/// The predictions of one variant, whose steps are known.
pub(super) struct Predictions<'v, 'c, 's> {
    pub(super) context: &'v Context<'c, 's>,
    pub(super) axes: &'v [Axis],
    pub(super) case: &'v Case,
}

impl Predictions<'_, '_, '_> {
    /// What each claim predicts of this variant; a claim whose events all stand under other values says nothing of it.
    pub(super) fn all(&self, raw: &Pairs<RawPrediction>, node: &Node) -> Vec<Prediction> {
        let mut predictions = Vec::new();
        for (claim, raw) in &raw.0 {
            let Some((key, value)) = node.entry(claim) else { continue };
            let given = raw.given.as_ref().and_then(|text| self.given(text, value.get("given")));
            let mut predicts = Vec::new();
            self.add_all(&raw.predicts, value.get("predicts"), &mut predicts);
            self.check_ratios(&predicts, value.get("predicts"));
            if !predicts.is_empty() {
                let place = self.context.complaints.place(key);
                predictions.push(Prediction {
                    claim: claim.clone(),
                    place,
                    given,
                    predicts: predicts.into_iter().map(|(predicted, _)| predicted).collect(),
                });
            }
        }
        predictions
    }

    fn given(&self, text: &Text, node: &Node) -> Option<String> {
        self.context.parse(node, &text.0, |text| {
            let is_phrase = !text.trim().is_empty() && !text.contains('\n') && !text.ends_with('.');
            if is_phrase && text.len() <= GIVEN_MAX {
                return Ok(text.trim().to_string());
            }
            let expected =
                format!("a phrase that reads well after \"where\", without full stop, at most {GIVEN_MAX} bytes");
            Err(whole(text, "this is not a condition in words".into(), &expected))
        })
    }

    fn add_all<'n>(&self, raw: &[RawPredicted], list: &'n Node, found: &mut Vec<(Predicted, &'n Node)>) {
        for (i, raw) in raw.iter().enumerate() {
            let node = list.item(i);
            match &raw.when {
                Some(branches) => self.branches(raw, branches, node, found),
                None => found.extend(self.predicted(raw, node).map(|predicted| (predicted, node))),
            }
        }
    }

    fn branches<'n>(
        &self,
        raw: &RawPredicted,
        branches: &Pairs<Vec<RawPredicted>>,
        node: &'n Node,
        found: &mut Vec<(Predicted, &'n Node)>,
    ) {
        let when = node.get("when");
        if let Some((key, _)) = keys(raw).find(|(key, _)| *key != "when") {
            self.misplaced(key, "when", node);
        }
        if branches.0.is_empty() {
            self.context.complain(when, "a `when` without values", "values of axes, each with its events");
        }
        for (value, events) in &branches.0 {
            let Some((key, list)) = when.entry(value) else { continue };
            let named = self.axes.iter().find(|axis| axis.named && axis.values.iter().any(|(v, _)| v == value));
            let Some(axis) = named else {
                let expected = format!("a value of an axis under `variants`: {}", values_of(self.axes, value));
                self.context.complain(key, &format!("no axis has the value `{value}`"), &expected);
                continue;
            };
            if events.is_empty() {
                self.context.complain(list, "a `when` without events", "at least one event");
            }
            if self.context.choices.iter().any(|choice| choice.axis == axis.name && choice.value == *value) {
                self.add_all(events, list, found);
            }
        }
    }

    fn predicted(&self, raw: &RawPredicted, node: &Node) -> Option<Predicted> {
        let (event, event_node, forbidden) = match &raw.not {
            Some(not) => {
                let allowed = |key: &str| matches!(key, "not" | "within" | "after");
                if let Some((key, _)) = keys(raw).find(|(key, _)| !allowed(key)) {
                    self.misplaced(key, "not", node);
                }
                let inner = node.get("not");
                let timed = keys(not).find(|(key, _)| matches!(*key, "not" | "within" | "after" | "ratio" | "times"));
                if let Some((key, _)) = timed {
                    let at = inner.entry(key).map_or(inner, |(key, _)| key);
                    self.context.complain(
                        at,
                        &format!("`{key}` inside a `not`"),
                        "one event; `within` and `after` stand beside `not`",
                    );
                }
                (&**not, inner, true)
            }
            None => (raw, node, false),
        };
        let event = self.event(event, event_node);
        let within = self.duration(&raw.within, node, "within");
        let after = self.duration(&raw.after, node, "after");
        let ratio = match &raw.ratio {
            Some(text) => self.context.parse(node.get("ratio"), &text.0, parse_ratio).map(Some),
            None => Some(None),
        };
        let times = match &raw.times {
            Some(text) => self.context.number(node.get("times"), &text.0, 1, TIMES_MAX, "how often it comes").map(Some),
            None => Some(None),
        };
        if let (Some(Some(within)), Some(Some(after))) = (within, after)
            && within <= after
        {
            let expected = "a `within` that is longer than the `after`";
            self.context.complain(node.get("within"), "contradiction: `within` ends before `after` begins", expected);
        }
        Some(Predicted {
            place: self.context.complaints.place(node),
            event: event?,
            forbidden,
            within: within?,
            after: after?,
            ratio: ratio?,
            times: times?.map(|n| n as u32),
        })
    }

    fn event(&self, raw: &RawPredicted, node: &Node) -> Option<Event> {
        let mut named = keys(raw).filter(|(key, _)| EVENTS.contains(key));
        let (Some((key, text)), None) = (named.next(), named.next()) else {
            let message =
                if keys(raw).any(|(key, _)| EVENTS.contains(&key)) { "two events in one" } else { "no event" };
            self.context.complain(node, message, EVENT_EXPECTED);
            return None;
        };
        let (own, more): (&str, &[&str]) = match key {
            "segment" => ("from", &["header", "checksum", "ttl", "times"]),
            "arrives" => ("at", &["header", "checksum", "ttl", "times"]),
            "icmp" => ("at", &["times"]),
            "state" => ("of", &[]),
            "call" => ("on", &["returns", "times"]),
            _ => ("on", &["times"]),
        };
        let fits = |name: &str| {
            name == key || name == own || matches!(name, "within" | "after" | "ratio") || more.contains(&name)
        };
        if let Some((wrong, _)) = keys(raw).find(|(name, _)| !fits(name)) {
            self.misplaced(wrong, key, node);
        }
        let text = text.map_or("", |text| text.0.as_str());
        let at = node.get(key);
        let on = match [("from", &raw.from), ("at", &raw.at), ("of", &raw.of), ("on", &raw.on)]
            .into_iter()
            .find(|(name, _)| *name == own)
        {
            Some((name, Some(text))) => self.endpoint(text, node.get(name)),
            Some((_, None)) | None => Some(Endpoint::A),
        };
        match key {
            "segment" => self.segment(raw, text, node, at, Way::Out, on),
            "arrives" => self.segment(raw, text, node, at, Way::In, on),
            "icmp" => {
                let kind = self.context.parse(at, text, parse_icmp_kind);
                Some(Event::Icmp { at: on?, kind: kind? })
            }
            "state" => {
                let state = self.context.parse(at, text, parse_state);
                Some(Event::State { of: on?, state: state? })
            }
            "call" => {
                let op = self.context.parse(at, text, parse_operation);
                let returns = match &raw.returns {
                    Some(text) => self.context.parse(node.get("returns"), &text.0, parse_returns).map(Some),
                    None => Some(None),
                };
                let (on, op, returns) = (on?, op?, returns?);
                self.check_is_made(on, &op, at);
                Some(Event::Call { on, op, returns })
            }
            _ => {
                let events = self.context.parse(at, text, parse_some_poll);
                let (on, events) = (on?, events?);
                self.check_is_polled(on, at);
                Some(Event::Poll { on, events })
            }
        }
    }

    fn segment(
        &self,
        raw: &RawPredicted,
        text: &str,
        node: &Node,
        at: &Node,
        way: Way,
        on: Option<Endpoint>,
    ) -> Option<Event> {
        let pattern = self.context.parse(at, text, parse_pattern);
        let number = |key: &str, text: &Option<Text>, min, max, what: &str| match text {
            Some(text) => self.context.number(node.get(key), &text.0, min, max, what).map(|n| Some(n as u8)),
            None => Some(None),
        };
        let header = number("header", &raw.header, 20, 60, "the length of the TCP header in bytes");
        let ttl = number("ttl", &raw.ttl, 0, 255, "the TTL");
        let checksum = match &raw.checksum {
            Some(text) => self.context.parse(node.get("checksum"), &text.0, parse_checksum),
            None => Some(false),
        };
        Some(Event::Segment(SegmentEvent {
            way,
            on: on?,
            pattern: pattern?,
            header: header?,
            checksum: checksum?,
            ttl: ttl?,
        }))
    }

    fn endpoint(&self, text: &Text, node: &Node) -> Option<Endpoint> {
        let endpoint = self.context.parse(node, &text.0, parse_endpoint)?;
        if self.case.endpoints().all(|there| there != endpoint) {
            let (message, expected) = if endpoint.host == Host::B && self.case.topology == Topology::Crafted {
                (
                    format!("contradiction: with the crafted peer there is no endpoint `{endpoint}`"),
                    "`a`, or `topology: two-kernels`, or this event under `when: {two-kernels: [...]}`",
                )
            } else {
                (format!("no step speaks of `{endpoint}`"), "an endpoint of a connection that the steps open")
            };
            self.context.complain(node, &message, expected);
            return None;
        }
        Some(endpoint)
    }

    fn duration(&self, text: &Option<Text>, node: &Node, key: &str) -> Option<Option<Nanos>> {
        match text {
            Some(text) => self.context.duration(node.get(key), &text.0).map(nanos).map(Some),
            None => Some(None),
        }
    }

    /// A key that has no meaning beside the event.
    fn misplaced(&self, key: &str, event: &str, node: &Node) {
        let at = node.entry(key).map_or(node, |(key, _)| key);
        let expected = match event {
            "when" => "`when` alone",
            "not" => "`within` or `after` beside `not`",
            "segment" => "from, within, after, ratio, times, header, checksum or ttl",
            "arrives" => "at, within, after, ratio, times, header, checksum or ttl",
            "icmp" => "at, within, after, ratio or times",
            "state" => "of, within, after or ratio",
            "call" => "on, returns, within, after, ratio or times",
            _ => "on, within, after, ratio or times",
        };
        self.context.complain(at, &format!("`{key}` does not go with `{event}`"), expected);
    }

    /// What `establish` does counts as well.
    fn check_is_made(&self, on: Endpoint, op: &Operation, at: &Node) {
        let opens = matches!(op.call, OperationCall::Socket(Call::Connect | Call::Accept | Call::Listen { .. }));
        let is_made = self.case.steps.iter().any(|step| match &step.kind {
            StepKind::Call { on: whose, op: made, .. } => *whose == on && made == op,
            StepKind::Establish { connection } => opens && *connection == on.connection,
            StepKind::Inject { .. }
            | StepKind::Icmp { .. }
            | StepKind::Expect { .. }
            | StepKind::Await { .. }
            | StepKind::Poll { .. }
            | StepKind::Wait(_)
            | StepKind::Counters { .. }
            | StepKind::Ports { .. }
            | StepKind::Relay(_) => false,
        });
        // A step that is wrong may be the one.
        if !is_made && self.context.complaints.none() {
            let made = self.case.steps.iter().filter_map(|step| match &step.kind {
                StepKind::Call { on: whose, op, .. } if *whose == on => Some(op.to_string()),
                StepKind::Call { .. }
                | StepKind::Establish { .. }
                | StepKind::Inject { .. }
                | StepKind::Icmp { .. }
                | StepKind::Expect { .. }
                | StepKind::Await { .. }
                | StepKind::Poll { .. }
                | StepKind::Wait(_)
                | StepKind::Counters { .. }
                | StepKind::Ports { .. }
                | StepKind::Relay(_) => None,
            });
            let made: Vec<String> = made.collect();
            let expected = match made.is_empty() {
                true => format!("a call that a step makes on `{on}`; there is none"),
                false => {
                    let names = made.iter().map(String::as_str).collect::<Vec<_>>();
                    format!("a call that a step makes on `{on}`: {}", one_of(&op.to_string(), names))
                }
            };
            self.context.complain(at, &format!("no step makes `{op}` on `{on}`"), &expected);
        }
    }

    fn check_is_polled(&self, on: Endpoint, at: &Node) {
        let poll = OperationCall::Socket(Call::Poll);
        let is_polled = self.case.steps.iter().any(|step| match &step.kind {
            StepKind::Poll { on: whose, .. } => *whose == on,
            StepKind::Call { on: whose, op, .. } => *whose == on && op.call == poll,
            StepKind::Establish { .. }
            | StepKind::Inject { .. }
            | StepKind::Icmp { .. }
            | StepKind::Expect { .. }
            | StepKind::Await { .. }
            | StepKind::Wait(_)
            | StepKind::Counters { .. }
            | StepKind::Ports { .. }
            | StepKind::Relay(_) => false,
        });
        if !is_polled && self.context.complaints.none() {
            self.context.complain(at, &format!("no step polls `{on}`"), "a `poll` step before");
        }
    }

    /// A ratio of gaps needs two events before.
    fn check_ratios(&self, predicts: &[(Predicted, &Node)], list: &Node) {
        let mut before = 0;
        for (predicted, node) in predicts.iter().filter(|(predicted, _)| !predicted.forbidden) {
            if predicted.ratio.is_some() && before < 2 {
                let at = node.entry("ratio").map_or(list, |(key, _)| key);
                self.context.complain(at, "no gap to compare with", "two events before the one with a `ratio`");
            }
            before += predicted.times.unwrap_or(1);
        }
    }
}

/// The keys that are given, with the texts of those that have one.
fn keys(raw: &RawPredicted) -> impl Iterator<Item = (&'static str, Option<&Text>)> {
    let texts = [
        ("segment", &raw.segment),
        ("arrives", &raw.arrives),
        ("icmp", &raw.icmp),
        ("state", &raw.state),
        ("call", &raw.call),
        ("poll", &raw.poll),
        ("from", &raw.from),
        ("at", &raw.at),
        ("of", &raw.of),
        ("on", &raw.on),
        ("returns", &raw.returns),
        ("within", &raw.within),
        ("after", &raw.after),
        ("ratio", &raw.ratio),
        ("times", &raw.times),
        ("header", &raw.header),
        ("checksum", &raw.checksum),
        ("ttl", &raw.ttl),
    ];
    let others = [("not", raw.not.is_some()), ("when", raw.when.is_some())];
    let texts = texts.into_iter().filter(|(_, text)| text.is_some()).map(|(key, text)| (key, text.as_ref()));
    texts.chain(others.into_iter().filter(|(_, given)| *given).map(|(key, _)| (key, None)))
}

fn nanos(duration: Duration) -> Nanos {
    duration.as_nanos() as Nanos
}

fn parse_checksum(text: &str) -> Result<bool, NotationError> {
    match text {
        "valid" => Ok(true),
        _ => Err(whole(text, format!("unknown checksum `{text}`"), "`valid`")),
    }
}

fn parse_ratio(text: &str) -> Result<f64, NotationError> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio > 0.0 && ratio <= RATIO_MAX => Ok(ratio),
        Ok(_) | Err(_) => {
            let expected = format!("a number above 0 and at most {RATIO_MAX}, as in `2` or `1.5`");
            Err(whole(text, format!("`{text}` is not a ratio"), &expected))
        }
    }
}

/// A number, an errno or poll events.
fn parse_returns(text: &str) -> Result<CallReturn, NotationError> {
    if let Ok(value) = text.parse() {
        return Ok(CallReturn::Value(value));
    }
    if text.starts_with('E') && text != "ERR" && !text.starts_with("ERR ") {
        let names = Errno::NAMES.map(|(_, name)| name);
        let named = Errno::NAMES.into_iter().find(|(_, name)| *name == text);
        return match named {
            Some((errno, _)) => Ok(CallReturn::Error(errno)),
            None => Err(whole(text, format!("unknown errno `{text}`"), &one_of(text, names))),
        };
    }
    parse_poll(text).map(CallReturn::Events).map_err(|_| {
        whole(
            text,
            format!("`{text}` is no result"),
            "a number, an errno or poll events, as in `0`, `EPIPE` or `IN RDHUP`",
        )
    })
}
