//! A trace as one endpoint's frontier takes it: stimuli with the time in which each takes effect, and observations in order.

use tcpconform_model::{Call, CallResult, Damaged, Event, IcmpError, Nanos, Profile, Segment, State};

use super::counted::Question;
use super::others::Others;
use crate::names::{Names, Scope};
use crate::trace::{CallReturn, EndpointIdentity, Sample, Trace, Way, What};
use crate::wire::{self, Packet, WireError};

/// What was done to an endpoint and what was seen of it.
pub(super) struct Items<'t> {
    /// Sorted by time.
    pub stimuli: Vec<Stimulus>,
    /// Sorted by time; each knows how many stimuli came before it.
    pub observations: Vec<Item<'t>>,
}

/// Something done to the endpoint.
pub(super) struct Stimulus {
    /// When it was done.
    pub at: Nanos,
    /// By when it has taken effect at the latest.
    pub until: Nanos,
    /// What.
    pub event: Event,
    /// For a call: what it returned.
    pub result: Option<CallResult>,
    /// Index of the record.
    pub record: usize,
}

/// Something seen.
pub(super) struct Item<'t> {
    /// When.
    pub at: Nanos,
    /// Stimuli up to this one, not included, had begun.
    pub stimuli: usize,
    /// Index of the record.
    pub record: usize,
    /// What.
    pub seen: SeenItem<'t>,
}

/// The kinds of observations.
pub(super) enum SeenItem<'t> {
    /// The endpoint emitted a segment.
    Emitted(Segment),
    /// A call returned this that may have lingered.
    Returned(CallResult),
    /// The state was asked for, from this time on.
    Sampled(Nanos, &'t Sample),
    /// The kernel reported a state change.
    Changed(State, State),
    /// The host was asked for its counters.
    Counted(Question<'t>),
    /// The reader got other bytes than were sent, from this one on.
    WrongByte(u32),
    /// Nothing more is known from here on.
    End,
}

/// The items of the endpoint.
pub(super) fn items<'t>(trace: &'t Trace, identity: &EndpointIdentity, profile: &Profile) -> Items<'t> {
    let endpoint = identity.name;
    let mut names = Names::default();
    let mut others = Others::new(trace, endpoint);
    let mut stimuli: Vec<Stimulus> = Vec::new();
    let mut observations: Vec<Item<'t>> = Vec::new();
    let of_host = trace.header.endpoints.iter().filter(|other| other.name.host == endpoint.host);
    let alone = of_host.count() == 1;
    for (record, entry) in trace.records.iter().enumerate() {
        let at = entry.at;
        if let Some(neighbours) = others.see(&entry.what) {
            stimuli.push(Stimulus { at, until: at, event: Event::Neighbours(neighbours), result: None, record });
        }
        let mut observe = |at: Nanos, seen: SeenItem<'t>| observations.push(Item { at, stimuli: 0, record, seen });
        match &entry.what {
            What::Segment(segment) if segment.on == endpoint => {
                let parsed = wire::parse(&segment.packet);
                match segment.way {
                    Way::Out => {
                        if let Ok(packet) = parsed {
                            observe(at, SeenItem::Emitted(packet.segment));
                        }
                    }
                    Way::In => {
                        let event = segment_event(&parsed, false);
                        let until = at + profile.processing_ns;
                        stimuli.push(Stimulus { at, until, event, result: None, record });
                    }
                }
            }
            What::Icmp(error) if error.on == endpoint => {
                let event = icmp_event(&error.packet);
                stimuli.push(Stimulus { at, until: at + profile.processing_ns, event, result: None, record });
            }
            What::Ports(ports) if ports.on.host == endpoint.host => names.set_ports(ports.first, ports.last),
            What::Call(call) if call.on.host == endpoint.host => {
                let event = names.event(call.on, identity.local.port(), &call.op);
                names.returned(call.on, &call.op, call.result);
                if call.on != endpoint {
                    if let Some((event, Scope::Host)) = event {
                        stimuli.push(Stimulus { at, until: call.left.max(at), event, result: None, record });
                    }
                    continue;
                }
                if let Some(wrong) = call.wrong_byte {
                    observe(call.left, SeenItem::WrongByte(wrong));
                }
                if let Some((event, _)) = event {
                    let closes = matches!(event, Event::Call(Call::Close));
                    // A close may linger: it takes effect at its beginning all the same, but for that of another process,
                    // which has to get the processor first.
                    let begins = closes && !names.is_by_server(&call.op);
                    let until = if begins { call.left.min(at + profile.processing_ns) } else { call.left };
                    let result =
                        (!closes && !matches!(event, Event::Call(Call::Exit))).then_some(result_of(call.result));
                    stimuli.push(Stimulus { at, until: until.max(at), event, result, record });
                    if closes {
                        observe(call.left, SeenItem::Returned(result_of(call.result)));
                    }
                }
            }
            What::Sample(sample) if sample.on == endpoint => observe(sample.until, SeenItem::Sampled(at, sample)),
            // `tcp_close_state` sets the state again where it stays.
            What::Transition(change) if change.on == endpoint && change.from == change.to => {}
            What::Counters(seen) if seen.on.host == endpoint.host => {
                let question = Question { asked: at, seen, alone, emits_next: false };
                observe(seen.until, SeenItem::Counted(question));
            }
            What::Transition(change) if change.on == endpoint => observe(at, SeenItem::Changed(change.from, change.to)),
            What::End { .. } => observe(at, SeenItem::End),
            What::Segment(_)
            | What::Icmp(_)
            | What::Relay(_)
            | What::Call(_)
            | What::Sample(_)
            | What::Transition(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::Trouble(_) => {}
        }
    }
    stimuli.sort_by_key(|stimulus| stimulus.at);
    observations.sort_by_key(|item| item.at);
    look_ahead(&mut observations, profile);
    for item in &mut observations {
        item.stimuli = stimuli.partition_point(|stimulus| stimulus.at <= item.at);
    }
    Items { stimuli, observations }
}

/// The model's event for an ICMP error.
pub(crate) fn icmp_event(packet: &[u8]) -> Event {
    match wire::parse_icmp(packet) {
        Ok(message) if message.checksum_ok => {
            Event::IcmpArrives(IcmpError { kind: message.kind, ipv6: message.source.is_ipv6(), seq: message.seq })
        }
        Ok(_) | Err(_) => Event::DamagedIcmpArrives,
    }
}

/// The model's event for a segment that arrives; `trusted` where its checksum is not looked at.
pub(crate) fn segment_event(parsed: &Result<Packet, WireError>, trusted: bool) -> Event {
    match parsed {
        Ok(packet) if packet.checksum_ok || trusted => Event::SegmentArrives(packet.segment),
        Ok(_) => Event::DamagedSegmentArrives(Damaged::Checksum),
        Err(WireError::Length { .. }) => Event::DamagedSegmentArrives(Damaged::Header),
        Err(
            WireError::Short { .. }
            | WireError::Version(_)
            | WireError::Fragment
            | WireError::Protocol(_)
            | WireError::NotIcmp(_)
            | WireError::IcmpType(_),
        ) => Event::DamagedSegmentArrives(Damaged::Short),
    }
}

/// Finds the questions for counters that a segment follows so closely that it may be counted in the answer.
fn look_ahead(observations: &mut [Item<'_>], profile: &Profile) {
    let mut emitted = None;
    for item in observations.iter_mut().rev() {
        match &mut item.seen {
            SeenItem::Emitted(_) => emitted = Some(item.at),
            SeenItem::Counted(question) => {
                question.emits_next = emitted.is_some_and(|emitted| emitted <= item.at + profile.processing_ns);
            }
            SeenItem::Returned(_)
            | SeenItem::Sampled(..)
            | SeenItem::Changed(..)
            | SeenItem::WrongByte(_)
            | SeenItem::End => {}
        }
    }
}

fn result_of(result: CallReturn) -> CallResult {
    match result {
        CallReturn::Value(value) => CallResult::Value(value),
        CallReturn::Events(events) => CallResult::Events(events),
        CallReturn::Error(errno) => CallResult::Error(errno),
    }
}
