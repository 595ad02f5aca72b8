//! Steps: each with its place, its texts parsed, in the order in which they are played.

use std::borrow::Cow;
use std::time::Duration;

use tcpconform_model::{Poll, State};

use super::axes::Axis;
use super::consistency::Sockets;
use super::context::{Context, whole};
use super::raw::{RawDamage, RawStep, Text};
use super::resolve::values_of;
use super::tree::Node;
use crate::case::{
    Damage, Endpoint, Host, IcmpInjection, Injection, Operation, RelayAction, RelayRule, Step, StepKind,
};
use crate::diagnostic::one_of;
use crate::notation::{
    NotationError, parse_expression, parse_icmp_kind, parse_operation, parse_pattern, parse_poll, parse_segment,
};

/// How long a step waits that does not say it.
pub(crate) const WITHIN_DEFAULT: Duration = Duration::from_secs(1);
const TIMES_MAX: u64 = 1_000_000;
const COPIES_MAX: u64 = 100;

/// How many steps there are, those of all branches counted.
pub(super) fn count_steps(raw: &[RawStep]) -> usize {
    raw.iter()
        .map(|step| match step {
            RawStep::When(branches) => branches.0.iter().map(|(_, steps)| 1 + count_steps(steps)).sum(),
            RawStep::Establish
            | RawStep::EstablishOn(_)
            | RawStep::A(_)
            | RawStep::B(_)
            | RawStep::A2(_)
            | RawStep::B2(_)
            | RawStep::A3(_)
            | RawStep::B3(_)
            | RawStep::A4(_)
            | RawStep::B4(_)
            | RawStep::Expect(_)
            | RawStep::Inject(_)
            | RawStep::Icmp(_)
            | RawStep::State(_)
            | RawStep::Poll(_)
            | RawStep::Wait(_)
            | RawStep::Ports(_)
            | RawStep::Counters(_)
            | RawStep::Drop(_)
            | RawStep::Delay(_)
            | RawStep::Duplicate(_)
            | RawStep::Swap(_)
            | RawStep::Rewrite(_)
            | RawStep::Answer(_) => 1,
        })
        .sum()
}

/// The steps of one variant, as they come.
pub(super) struct Steps<'v, 'c, 's> {
    pub(super) context: &'v Context<'c, 's>,
    pub(super) axes: &'v [Axis],
    pub(super) sockets: &'v mut Sockets,
    pub(super) steps: Vec<Step>,
}

impl Steps<'_, '_, '_> {
    /// Adds the steps of a list, those of its `when`s included.
    pub(super) fn add_all(&mut self, raw: &[RawStep], list: &Node) {
        for (i, step) in raw.iter().enumerate() {
            self.add(step, list.item(i));
        }
    }

    fn add(&mut self, raw: &RawStep, node: &Node) {
        if let RawStep::When(branches) = raw {
            let when = node.get("when");
            if branches.0.is_empty() {
                self.context.complain(when, "a `when` without values", "values of axes, each with its steps");
            }
            for (value, steps) in &branches.0 {
                self.branch(value, steps, when);
            }
            return;
        }
        let Some(kind) = self.kind(raw, node) else { return };
        self.sockets.check(self.context, node, &kind);
        self.steps.push(Step { place: self.context.complaints.place(node), text: text(&kind), kind });
    }

    fn branch(&mut self, value: &str, steps: &[RawStep], when: &Node) {
        let Some((key, list)) = when.entry(value) else { return };
        let named = self.axes.iter().find(|axis| axis.named && axis.values.iter().any(|(v, _)| v == value));
        let Some(axis) = named else {
            let expected = format!("a value of an axis under `variants`: {}", values_of(self.axes, value));
            self.context.complain(key, &format!("no axis has the value `{value}`"), &expected);
            return;
        };
        self.context.used.borrow_mut().insert(axis.name.clone());
        if steps.is_empty() {
            self.context.complain(list, "a `when` without steps", "at least one step");
        }
        if self.context.choices.iter().any(|choice| choice.axis == axis.name && choice.value == value) {
            self.add_all(steps, list);
        }
    }

    fn kind(&self, raw: &RawStep, node: &Node) -> Option<StepKind> {
        match raw {
            RawStep::Establish => Some(StepKind::Establish { connection: 1 }),
            RawStep::EstablishOn(text) => {
                let endpoint = self.context.parse(node.get("establish-on"), &text.0, parse_endpoint)?;
                Some(StepKind::Establish { connection: endpoint.connection })
            }
            RawStep::A(text) => self.call("a", text, node),
            RawStep::B(text) => self.call("b", text, node),
            RawStep::A2(text) => self.call("a2", text, node),
            RawStep::B2(text) => self.call("b2", text, node),
            RawStep::A3(text) => self.call("a3", text, node),
            RawStep::B3(text) => self.call("b3", text, node),
            RawStep::A4(text) => self.call("a4", text, node),
            RawStep::B4(text) => self.call("b4", text, node),
            RawStep::Expect(raw) => {
                let (raw, node) = (&raw.0, node.get("expect"));
                let pattern = self.context.parse(node.get("segment"), &raw.segment.0, parse_pattern);
                let (from, within) = (self.endpoint(&raw.from, node, "from"), self.within(&raw.within, node));
                Some(StepKind::Expect { from: from?, pattern: pattern?, within: within? })
            }
            RawStep::Inject(raw) => {
                let (raw, node) = (&raw.0, node.get("inject"));
                let segment = self.context.parse(node.get("segment"), &raw.segment.0, parse_segment);
                let damage = self.damage(&raw.damage, node.get("damage"));
                let to = self.endpoint(&raw.to, node, "to");
                Some(StepKind::Inject { to: to?, injection: Injection { segment: segment?, damage: damage? } })
            }
            RawStep::Icmp(raw) => {
                let (raw, node) = (&raw.0, node.get("icmp"));
                let kind = self.context.parse(node.get("error"), &raw.error.0, parse_icmp_kind);
                let to = self.endpoint(&raw.to, node, "to");
                let seq = match &raw.seq {
                    Some(text) => self.context.parse(node.get("seq"), &text.0, parse_expression).map(Some),
                    None => Some(None),
                };
                Some(StepKind::Icmp { to: to?, error: IcmpInjection { kind: kind?, seq: seq? } })
            }
            RawStep::State(raw) => {
                let (raw, node) = (&raw.0, node.get("state"));
                let state = self.context.parse(node.get("is"), &raw.is.0, parse_state);
                let (of, within) = (self.endpoint(&raw.of, node, "of"), self.within(&raw.within, node));
                Some(StepKind::Await { of: of?, state: state?, within: within? })
            }
            RawStep::Poll(raw) => {
                let (raw, node) = (&raw.0, node.get("poll"));
                let events = self.context.parse(node.get("events"), &raw.events.0, parse_some_poll);
                let (on, within) = (self.endpoint(&raw.on, node, "on"), self.within(&raw.within, node));
                Some(StepKind::Poll { on: on?, events: events?, within: within? })
            }
            RawStep::Wait(text) => self.context.duration(node.get("wait"), &text.0).map(StepKind::Wait),
            RawStep::Ports(raw) => {
                let (raw, node) = (&raw.0, node.get("ports"));
                let range = self.context.parse(node.get("connections"), &raw.connections.0, parse_connections);
                let of = self.endpoint(&raw.of, node, "of");
                let (first, last) = range?;
                Some(StepKind::Ports { of: of?.host, first, last })
            }
            RawStep::Counters(text) => {
                let of = self.context.parse(node.get("counters"), &text.0, parse_host)?;
                Some(StepKind::Counters { of })
            }
            RawStep::Drop(raw) => {
                let (raw, node) = (&raw.0, node.get("drop"));
                self.relay(&raw.frames, &raw.from, &raw.times, node, Some(RelayAction::Drop))
            }
            RawStep::Swap(raw) => {
                let (raw, node) = (&raw.0, node.get("swap"));
                self.relay(&raw.frames, &raw.from, &raw.times, node, Some(RelayAction::Swap))
            }
            RawStep::Delay(raw) => {
                let node = node.get("delay");
                let action = self.context.duration(node.get("by"), &raw.by.0).map(RelayAction::Delay);
                self.relay(&raw.frames, &raw.from, &raw.times, node, action)
            }
            RawStep::Duplicate(raw) => {
                let (raw, node) = (&raw.0, node.get("duplicate"));
                let copies = match &raw.copies {
                    Some(text) => {
                        self.context.number(node.get("copies"), &text.0, 2, COPIES_MAX, "how often it arrives")
                    }
                    None => Some(2),
                };
                let action = copies.map(|n| RelayAction::Duplicate(n as u32));
                self.relay(&raw.frames, &raw.from, &raw.times, node, action)
            }
            RawStep::Rewrite(raw) => {
                let node = node.get("rewrite");
                let action = self.context.parse(node.get("to"), &raw.to.0, parse_segment).map(RelayAction::Rewrite);
                self.relay(&raw.frames, &raw.from, &raw.times, node, action)
            }
            RawStep::Answer(raw) => {
                let node = node.get("answer");
                let action = self.context.parse(node.get("with"), &raw.with.0, parse_segment).map(RelayAction::Answer);
                self.relay(&raw.frames, &raw.from, &raw.times, node, action)
            }
            RawStep::When(_) => unreachable!("taken apart by `add`"),
        }
    }

    fn call(&self, key: &str, text: &Text, node: &Node) -> Option<StepKind> {
        let node = node.get(key);
        let on = self.context.parse(node, key, parse_endpoint)?;
        let (op, background) = self.context.parse(node, &text.0, parse_call)?;
        Some(StepKind::Call { on, op, background })
    }

    fn relay(
        &self,
        frames: &Text,
        from: &Option<Text>,
        times: &Option<Text>,
        node: &Node,
        action: Option<RelayAction>,
    ) -> Option<StepKind> {
        let pattern = self.context.parse(node.get("frames"), &frames.0, parse_pattern);
        let from = self.endpoint(from, node, "from");
        let times = match times {
            None => Some(Some(1)),
            Some(text) => self.context.parse(node.get("times"), &text.0, parse_times),
        };
        Some(StepKind::Relay(RelayRule { from: from?, pattern: pattern?, action: action?, times: times? }))
    }

    fn endpoint(&self, text: &Option<Text>, node: &Node, key: &str) -> Option<Endpoint> {
        match text {
            None => Some(Endpoint::A),
            Some(text) => self.context.parse(node.get(key), &text.0, parse_endpoint),
        }
    }

    fn within(&self, text: &Option<Text>, node: &Node) -> Option<Duration> {
        match text {
            None => Some(WITHIN_DEFAULT),
            Some(text) => self.context.duration(node.get("within"), &text.0),
        }
    }

    fn damage(&self, raw: &[RawDamage], list: &Node) -> Option<Vec<Damage>> {
        let number = |i: usize, key: &str, text: &Text, min, max, what: &str| {
            self.context.number(list.item(i).get(key), &text.0, min, max, what)
        };
        let damages: Vec<Option<Damage>> = raw
            .iter()
            .enumerate()
            .map(|(i, damage)| match damage {
                RawDamage::Checksum => Some(Damage::Checksum),
                RawDamage::DataOffset(text) => number(i, "data-offset", text, 0, 15, "the data offset in words")
                    .map(|n| Damage::DataOffset(n as u8)),
                RawDamage::Truncate(text) => {
                    number(i, "truncate", text, 1, 65_000, "bytes cut off").map(|n| Damage::Truncate(n as u16))
                }
                RawDamage::Reserved(text) => {
                    number(i, "reserved", text, 0, 15, "the reserved bits").map(|n| Damage::Reserved(n as u8))
                }
            })
            .collect();
        damages.into_iter().collect()
    }
}

fn parse_call(text: &str) -> Result<(Operation, bool), NotationError> {
    let call = text.trim_end();
    match call.strip_suffix('&') {
        Some(call) => parse_operation(call.trim_end()).map(|op| (op, true)),
        None => parse_operation(call).map(|op| (op, false)),
    }
}

/// An endpoint, as in `a` or `b2`.
pub(super) fn parse_endpoint(text: &str) -> Result<Endpoint, NotationError> {
    Endpoint::try_from(Cow::Borrowed(text)).map_err(|_| {
        let names: Vec<String> = Endpoint::all().map(|endpoint| endpoint.to_string()).collect();
        whole(text, format!("unknown endpoint `{text}`"), &one_of(text, names.iter().map(String::as_str)))
    })
}

/// A host, as in `a`.
fn parse_host(text: &str) -> Result<Host, NotationError> {
    [Host::A, Host::B]
        .into_iter()
        .find(|host| host.to_string() == text)
        .ok_or_else(|| whole(text, format!("unknown host `{text}`"), &one_of(text, ["a", "b"])))
}

pub(super) fn parse_state(text: &str) -> Result<State, NotationError> {
    State::from_name(text)
        .ok_or_else(|| whole(text, format!("unknown state `{text}`"), &one_of(text, State::ALL.map(State::name))))
}

/// At least one poll event.
pub(super) fn parse_some_poll(text: &str) -> Result<Poll, NotationError> {
    if text.trim().is_empty() {
        return Err(whole(text, "no event".into(), "poll events, as in `IN RDHUP`"));
    }
    parse_poll(text)
}

/// A connection's number, or a range of them, as in `1-2`.
fn parse_connections(text: &str) -> Result<(u8, u8), NotationError> {
    let number = |text: &str| text.parse().ok().filter(|n| (1..=Endpoint::CONNECTIONS_MAX).contains(n));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (_, _) => {
            let expected =
                format!("numbers of connections from 1 to {}, as in `1` or `1-2`", Endpoint::CONNECTIONS_MAX);
            Err(whole(text, format!("`{text}` is no range of connections"), &expected))
        }
    }
}

fn parse_times(text: &str) -> Result<Option<u32>, NotationError> {
    match text.parse::<u64>() {
        Ok(n) if (1..=TIMES_MAX).contains(&n) => Ok(Some(n as u32)),
        Ok(_) | Err(_) if text == "forever" => Ok(None),
        Ok(_) | Err(_) => {
            let expected = format!("how often, a number from 1 to {TIMES_MAX}, or `forever`");
            Err(whole(text, format!("`{text}` is not a count"), &expected))
        }
    }
}

/// The step in one line; what a step does when it says nothing else is left out.
fn text(kind: &StepKind) -> String {
    let by = |word: &str, endpoint: Endpoint| {
        if endpoint == Endpoint::A { String::new() } else { format!(" {word} {endpoint}") }
    };
    let within = |duration: Duration| {
        if duration == WITHIN_DEFAULT { String::new() } else { format!(" within {duration:?}") }
    };
    match kind {
        StepKind::Establish { connection: 1 } => "establish".into(),
        StepKind::Establish { connection } => format!("establish-on a{connection}"),
        StepKind::Call { on, op, background } => format!("{on}: {op}{}", if *background { " &" } else { "" }),
        StepKind::Inject { to, injection } => {
            let damage: String = injection.damage.iter().map(|damage| format!(", {}", damage_text(*damage))).collect();
            format!("inject {}{}{damage}", injection.segment, by("to", *to))
        }
        StepKind::Icmp { to, error } => {
            let seq = error.seq.as_ref().map(|seq| format!(", seq {seq}")).unwrap_or_default();
            format!("icmp {}{}{seq}", error.kind, by("to", *to))
        }
        StepKind::Expect { from, pattern, within: time } => {
            format!("expect {pattern}{}{}", by("from", *from), within(*time))
        }
        StepKind::Await { of, state, within: time } => format!("state {state}{}{}", by("of", *of), within(*time)),
        StepKind::Poll { on, events, within: time } => {
            format!("poll {}{}{}", crate::notation::print_poll(*events), by("on", *on), within(*time))
        }
        StepKind::Wait(duration) => format!("wait {duration:?}"),
        StepKind::Counters { of } => format!("counters of {of}"),
        StepKind::Ports { of, first, last } => format!("ports of {of}: {first}-{last}"),
        StepKind::Relay(rule) => {
            let (verb, how) = match &rule.action {
                RelayAction::Drop => ("drop", String::new()),
                RelayAction::Delay(duration) => ("delay", format!(" by {duration:?}")),
                RelayAction::Duplicate(copies) => ("duplicate", format!(" into {copies}")),
                RelayAction::Swap => ("swap", String::new()),
                RelayAction::Rewrite(segment) => ("rewrite", format!(" to {segment}")),
                RelayAction::Answer(segment) => ("answer", format!(" with {segment}")),
            };
            let times = match rule.times {
                Some(1) => String::new(),
                Some(n) => format!(", {n} times"),
                None => ", forever".into(),
            };
            format!("{verb} {}{}{how}{times}", rule.pattern, by("from", rule.from))
        }
    }
}

fn damage_text(damage: Damage) -> String {
    match damage {
        Damage::Checksum => "checksum wrong".into(),
        Damage::DataOffset(words) => format!("data offset {words}"),
        Damage::Truncate(bytes) => format!("{bytes} bytes cut off"),
        Damage::Reserved(bits) => format!("reserved bits {bits}"),
    }
}
