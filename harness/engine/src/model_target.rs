//! The reference model played as a stack, in virtual time: to check cases, to draw what is expected, to judge the judge.
//!
//! Owns a virtual clock and one model connection per endpoint. Refuses to know privileges: nothing leaves the process. Where the
//! model leaves a choice it takes the first; a timer fires in the middle of its window.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tcpconform_model::{
    Call, CallResult, Counter, Counts, Event, Flags, Neighbours, Orphans, Profile, RetransmitKind, Segment, Seq, Span,
    State, Tcb, Timeout, Voice, emitted, explain, pending, step,
};

use crate::case::{Case, Endpoint, Host, IpVersion, Operation, OperationCall, RelayRule, Topology};
use crate::fault::{Bent, Fault};
use crate::judge::{icmp_event, segment_event};
use crate::names::{Names, Scope};
use crate::play::{Seen, Target, TargetError, play};
use crate::relay::Middle;
use crate::trace::{
    CallReturn, CallSeen, CountersSeen, EndpointIdentity, IcmpSeen, Nanos, RelayAct, Sample, SegmentSeen, Source,
    TargetIdentity, TargetKind, Time, TimerKind, TimerSample, Trace, Transition as Change, Way, What,
};
use crate::wire::{self, Forwarded, WireError};

/// How long a segment takes over a link.
const LINK_NS: Nanos = 20_000;
/// How long the stack takes to answer.
const ANSWER_NS: Nanos = 3_000;
/// How long a call takes.
const CALL_NS: Nanos = 2_000;
/// The router's number in the network.
const ROUTER: u8 = 3;
/// How far a host's initial sequence numbers have gone on when it is back from a reboot.
const REBOOTED_ISS: u32 = 500_000_000;
/// More emissions than this at one moment are a fault of the model.
const BURST: usize = 1_000;

/// Plays a case on the model.
pub fn play_on_model(case: &Case) -> Result<Trace, TargetError> {
    play_on_faulty_model(case, None)
}

/// The same on a model with a fault, if there is one.
pub fn play_on_faulty_model(case: &Case, fault: Option<&'static Fault>) -> Result<Trace, TargetError> {
    play(case, &mut ModelTarget::faulty(case, fault), &|_| {})
}

/// The model as a [`Target`].
#[derive(Debug)]
pub struct ModelTarget {
    now: Nanos,
    stacks: Vec<Stack>,
    identities: Vec<EndpointIdentity>,
    middle: Option<Middle>,
    names: BTreeMap<Host, Names>,
    /// The router's address, where there is one.
    router: Option<IpAddr>,
    /// Hosts that have crashed, and are not back.
    crashed: BTreeSet<Host>,
    /// Packets on their way: when, to whom.
    flying: Vec<(Nanos, Endpoint, Vec<u8>)>,
    seen: std::collections::VecDeque<Seen>,
    /// That of host A's stacks.
    fault: Option<&'static Fault>,
}

#[derive(Debug)]
struct Stack {
    name: Endpoint,
    local: SocketAddr,
    remote: SocketAddr,
    profile: Profile,
    /// Its mistake, if it makes one.
    bent: Bent,
    tcb: Tcb,
    iss: Seq,
    /// The initial sequence number of the next connection.
    iss_next: Seq,
    sent: u32,
    /// A lingering close in progress: since when, and whether its record goes to `observe`.
    lingering: Option<(Nanos, Operation)>,
}

impl ModelTarget {
    /// A model for each endpoint of the case, with the case's sysctls.
    pub fn new(case: &Case) -> ModelTarget {
        ModelTarget::faulty(case, None)
    }

    /// The same with a fault in all stacks of host A.
    pub fn faulty(case: &Case, fault: Option<&'static Fault>) -> ModelTarget {
        let address = |name: Endpoint| {
            let (host, port) = match name.host {
                Host::A => (1, 20_000),
                Host::B => (2, 40_000),
            };
            SocketAddr::new(host_address(case.ip, host), port + case.port_offset(name))
        };
        let mut sysctls: BTreeMap<String, String> =
            [("tcp_syn_linear_timeouts", "4"), ("tcp_pingpong_thresh", "1"), ("tcp_tw_reuse_delay", "1000")]
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .into();
        sysctls.extend(case.sysctls.clone());
        sysctls.extend(case.machine_sysctls.clone());
        let identities: Vec<EndpointIdentity> = case
            .endpoints()
            .map(|name| EndpointIdentity {
                name,
                local: address(name),
                remote: address(name.other()),
                mtu: case.mtu,
                sysctls: sysctls.clone(),
            })
            .collect();
        let profile = Profile::linux(HZ, |name| sysctls.get(name)?.parse().ok()).in_virtual_time();
        let profile = if case.ip == IpVersion::Ipv6 { profile.over_ipv6() } else { profile };
        let stacks = identities
            .iter()
            .map(|identity| (identity, Bent(fault.filter(|_| identity.name.host == Host::A))))
            .map(|(identity, bent)| Stack {
                name: identity.name,
                local: identity.local,
                remote: identity.remote,
                profile: bent.constants(profile.clone()),
                bent,
                tcb: Tcb::closed(),
                iss: first_iss(identity.name),
                iss_next: first_iss(identity.name),
                sent: 0,
                lingering: None,
            })
            .collect();
        let middle = case.topology.has_two_kernels().then(|| Middle::new(&identities));
        let router = (case.topology == Topology::Routed).then(|| host_address(case.ip, ROUTER));
        let crashed = BTreeSet::new();
        ModelTarget {
            now: 0,
            stacks,
            identities,
            middle,
            names: BTreeMap::new(),
            router,
            crashed,
            flying: Vec::new(),
            seen: Default::default(),
            fault,
        }
    }

    fn stack(&mut self, name: Endpoint) -> &mut Stack {
        let i = self.stacks.iter().position(|stack| stack.name == name).unwrap_or(0);
        &mut self.stacks[i]
    }

    /// An event meets a stack now; what it emits goes out.
    fn happen(&mut self, name: Endpoint, event: &Event) -> Result<Option<CallResult>, TargetError> {
        let now = self.now;
        let neighbours = self.neighbours(name);
        let stack = self.stack(name);
        stack.tcb.neighbours = neighbours;
        let event = &stack.bent.takes(&mut stack.tcb, event);
        let Some(transition) = step(&stack.tcb, event, Span::at(now), &stack.profile).into_iter().next() else {
            return Err(TargetError::Failed(format!("the model has no rule for {event:?} in {}", stack.tcb.state)));
        };
        let mut transition = stack.bent.becomes(&stack.tcb, event, now, transition);
        stack.bent.counts(&stack.tcb, &mut transition.tcb);
        stack.tcb = transition.tcb;
        let changes = std::mem::take(&mut stack.tcb.transitions);
        // As on a kernel, where a listener's events cannot be told apart.
        for (from, to) in changes.into_iter().filter(|(from, to)| *from != State::Listen && *to != State::Listen) {
            self.seen.push_back(Seen { at: now, what: What::Transition(Change { on: name, from, to }) });
        }
        self.emit(name)?;
        Ok(transition.result)
    }

    /// The other connections of a stack's host.
    fn neighbours(&self, of: Endpoint) -> Neighbours {
        let others = || self.stacks.iter().filter(|other| other.name.host == of.host && other.name != of);
        let open = |t: &Tcb| !matches!(t.state, State::Closed | State::Listen | State::SynSent | State::SynReceived);
        Neighbours {
            time_waits: others().filter(|other| other.tcb.is_mini()).count() as u32,
            orphans: Orphans::exactly(others().filter(|other| is_orphan(&other.tcb)).count() as u32),
            unaccepted: others()
                .filter(|other| other.tcb.user.listening && !other.tcb.user.owned && open(&other.tcb))
                .count() as u32,
        }
    }

    /// Everything owed goes out, one segment after the other.
    fn emit(&mut self, name: Endpoint) -> Result<(), TargetError> {
        for _ in 0..BURST {
            let at = self.now;
            let stack = self.stack(name);
            stack.tcb.owed.retain(|owed| owed.must);
            let voice = Voice {
                iss: stack.iss_next,
                clock: 5_000_000 + (at / 1_000_000) as u32,
                window: 64_256,
                mss: if stack.local.is_ipv4() { 1460 } else { 1440 },
                shift: 7,
            };
            let Some(segment) = emitted(&stack.tcb, &voice, &stack.profile) else { return Ok(()) };
            let next = explain(&stack.tcb, &segment, at, &stack.profile).ok().and_then(|all| all.into_iter().next());
            let Some(mut next) = next else {
                return Err(TargetError::Failed(format!("the model does not explain what it emits: {segment:?}")));
            };
            let said = stack.bent.says(&stack.tcb, &segment);
            stack.bent.counts(&stack.tcb, &mut next.tcb);
            stack.tcb = next.tcb;
            let Some(said) = said else { continue };
            let packet = stack.bent.writes(stack.packet(&said));
            self.now += ANSWER_NS;
            let what = What::Segment(SegmentSeen { on: name, way: Way::Out, packet: packet.clone() });
            self.seen.push_back(Seen { at, what });
            self.relay_packet(name, at, packet);
        }
        Err(TargetError::Failed("the model emits without end".to_string()))
    }

    fn relay_packet(&mut self, from: Endpoint, at: Nanos, packet: Vec<u8>) {
        let Some(middle) = &mut self.middle else { return };
        let treatment = middle.treat(from, at, packet);
        if let Some(act) = treatment.act {
            self.seen.push_back(Seen { at, what: What::Relay(RelayAct { from, emitted_at: at, act }) });
        }
        for delivery in treatment.deliver {
            let at = delivery.at + LINK_NS;
            let routed = self.router.map(|router| wire::forward(delivery.packet.clone(), router));
            self.flying.push(match routed {
                None => (at, delivery.to, delivery.packet),
                Some(Forwarded::On(packet)) => (at, delivery.to, packet),
                Some(Forwarded::Died(error)) => (at, delivery.to.other(), error),
            });
        }
    }

    /// The next packet or timer, if it is not later than `until`.
    fn advance(&mut self, until: Nanos) -> Result<bool, TargetError> {
        let packet = self.flying.iter().enumerate().min_by_key(|(_, (at, _, _))| *at).map(|(i, (at, _, _))| (*at, i));
        let timer = self
            .stacks
            .iter()
            .flat_map(|stack| {
                pending(&stack.tcb).map(|(timeout, due)| {
                    let middle = due.lo + (due.hi - due.lo) / 2;
                    (stack.bent.fires(&stack.tcb, timeout, middle, &stack.profile), stack.name, timeout)
                })
            })
            .min_by_key(|(at, _, _)| *at);
        match (packet, timer) {
            (Some((at, i)), timer) if at <= until && timer.is_none_or(|(due, _, _)| at <= due) => {
                self.now = self.now.max(at);
                let (_, to, packet) = self.flying.remove(i);
                self.arrive(to, packet)?;
                Ok(true)
            }
            (_, Some((due, name, timeout))) if due <= until => {
                self.now = self.now.max(due);
                self.happen(name, &Event::Timeout(timeout))?;
                self.end_lingering(name);
                Ok(true)
            }
            (Some(_) | None, Some(_) | None) => Ok(false),
        }
    }

    fn arrive(&mut self, to: Endpoint, packet: Vec<u8>) -> Result<(), TargetError> {
        if self.crashed.contains(&to.host) {
            return Ok(());
        }
        let bent = self.stack(to).bent;
        let (event, what) = match wire::parse(&packet) {
            Err(WireError::Protocol(_)) => (icmp_event(&packet), What::Icmp(IcmpSeen { on: to, packet })),
            parsed => {
                let event = segment_event(&parsed, bent.trusts());
                (event, What::Segment(SegmentSeen { on: to, way: Way::In, packet }))
            }
        };
        self.seen.push_back(Seen { at: self.now, what });
        self.now += ANSWER_NS;
        self.happen(to, &event)?;
        self.end_lingering(to);
        Ok(())
    }

    /// A host that has forgotten everything is gone, or starts anew; what is on its way to it arrives if it is back.
    fn host_goes(&mut self, host: Host, call: OperationCall) {
        for stack in self.stacks.iter_mut().filter(|stack| stack.name.host == host) {
            (stack.iss, stack.sent, stack.lingering) = (stack.iss + REBOOTED_ISS, 0, None);
        }
        if call == OperationCall::Crash {
            self.crashed.insert(host);
        } else {
            self.crashed.remove(&host);
        }
    }

    fn end_lingering(&mut self, name: Endpoint) {
        let left = self.now;
        let stack = self.stack(name);
        if stack.tcb.user.closing_until.is_none()
            && let Some((entered, op)) = stack.lingering.take()
        {
            let call = CallSeen { on: name, op, left, result: CallReturn::Value(0), wrong_byte: None };
            self.seen.push_back(Seen { at: entered, what: What::Call(call) });
        }
    }
}

fn is_orphan(t: &Tcb) -> bool {
    t.user.orphan && t.state != State::Closed && !t.is_mini()
}

fn host_address(ip: IpVersion, host: u8) -> IpAddr {
    match ip {
        IpVersion::Ipv4 => Ipv4Addr::new(192, 0, 2, host).into(),
        IpVersion::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()).into(),
    }
}

/// The initial sequence number of an endpoint's first connection.
fn first_iss(name: Endpoint) -> Seq {
    let of_host = match name.host {
        Host::A => Seq(1_000_000),
        Host::B => Seq(3_000_000_000),
    };
    of_host + 10_000_000 * u32::from(name.connection - 1)
}

/// CONFIG_HZ of the model's stack.
const HZ: u32 = 250;

impl Stack {
    fn packet(&mut self, segment: &Segment) -> Vec<u8> {
        let first = segment.seq.since(self.iss + 1) as u32;
        let payload: Vec<u8> = (0..segment.data_len).map(|i| wire::stream_byte(first.wrapping_add(i))).collect();
        self.sent += segment.data_len;
        if segment.has(Flags::SYN) {
            self.iss = segment.seq;
            self.iss_next = segment.seq + 5_000_000;
        }
        wire::craft(self.local, self.remote, segment, &wire::encode_options(&segment.options), &payload)
    }
}

impl Target for ModelTarget {
    fn identity(&self) -> TargetIdentity {
        TargetIdentity {
            kind: TargetKind::Model,
            release: match self.fault {
                None => env!("CARGO_PKG_VERSION").to_string(),
                Some(fault) => format!("{}+{}", env!("CARGO_PKG_VERSION"), fault.name),
            },
            hz: HZ,
            time: Time::Virtual,
        }
    }

    fn endpoints(&self) -> Vec<EndpointIdentity> {
        self.identities.clone()
    }

    fn started_unix_ns(&self) -> u64 {
        0
    }

    fn now(&mut self) -> Nanos {
        self.now
    }

    fn call(&mut self, on: Endpoint, op: &Operation, background: bool) -> Result<Option<Seen>, TargetError> {
        let entered = self.now;
        let port = self.stack(on).local.port();
        let result = match self.names.entry(on.host).or_default().event(on, port, op) {
            Some((event, scope)) => {
                let result = self.happen(on, &event)?;
                let others: Vec<Endpoint> = self.stacks.iter().map(|stack| stack.name).collect();
                for other in others.into_iter().filter(|name| name.host == on.host && *name != on) {
                    if scope == Scope::Host {
                        self.happen(other, &event)?;
                    }
                }
                result
            }
            None => None,
        };
        if op.call.is_of_host() {
            self.host_goes(on.host, op.call);
        }
        let returned = result.map_or(CallReturn::Value(0), CallReturn::from);
        self.names.entry(on.host).or_default().returned(on, op, returned);
        let lingers = self.stack(on).tcb.user.closing_until.is_some();
        if lingers && matches!(op.call, OperationCall::Socket(Call::Close)) {
            self.stack(on).lingering = Some((entered, op.clone()));
            self.now += CALL_NS;
            while !background && self.stack(on).lingering.is_some() && self.advance(Nanos::MAX)? {}
            return Ok(None);
        }
        self.now += CALL_NS;
        let result = result.map_or(CallReturn::Value(if op.makes.is_some() { 3 } else { 0 }), CallReturn::from);
        let call = CallSeen { on, op: op.clone(), left: self.now, result, wrong_byte: None };
        Ok(Some(Seen { at: entered, what: What::Call(call) }))
    }

    fn inject(&mut self, to: Endpoint, packet: &[u8]) -> Result<(), TargetError> {
        self.arrive(to, packet.to_vec())
    }

    fn sample(&mut self, of: Endpoint, source: Source) -> Result<Seen, TargetError> {
        let at = self.now;
        let stack = self.stack(of);
        let t = &stack.tcb;
        let ms = |timeout: Timeout, timer: tcpconform_model::Timer| {
            let asked = stack.bent.fires(t, timeout, timer.asked.lo, &stack.profile);
            (asked.saturating_sub(at) / 1_000_000) as u32
        };
        let timer = match (t.time_wait, t.retransmit, t.keepalive) {
            (Some(timer), _, _) => Some(TimerSample {
                kind: TimerKind::TimeWait,
                expires_ms: ms(Timeout::TimeWait, timer),
                retransmits: 0,
            }),
            (None, Some((kind, timer)), _) => {
                let (kind, count) = match kind {
                    RetransmitKind::WindowProbe => (TimerKind::Probe, t.probes_out),
                    RetransmitKind::Timeout | RetransmitKind::LossProbe | RetransmitKind::Reordering => {
                        (TimerKind::Retransmit, t.retransmits)
                    }
                };
                let expires_ms = ms(Timeout::Retransmit, timer);
                Some(TimerSample { kind, expires_ms, retransmits: count.min(255) as u8 })
            }
            (None, None, Some(timer)) => {
                let retransmits = t.probes_out.min(255) as u8;
                let expires_ms = ms(Timeout::Keepalive, timer);
                Some(TimerSample { kind: TimerKind::Keepalive, expires_ms, retransmits })
            }
            (None, None, None) => None,
        };
        let state = match source {
            Source::SockDiag => t.state,
            Source::TcpInfo => t.socket_state(),
        };
        let timer = timer.filter(|_| source == Source::SockDiag);
        let sample = Sample { on: of, source, until: at, state, timer, receive_queue: None, send_queue: None };
        Ok(Seen { at, what: What::Sample(sample) })
    }

    fn observe(&mut self, until: Nanos) -> Result<Option<Seen>, TargetError> {
        while self.seen.is_empty() {
            if !self.advance(until)? {
                self.now = self.now.max(until);
                return Ok(None);
            }
        }
        Ok(self.seen.pop_front())
    }

    fn ports(&mut self, of: Host, first: u16, last: u16) -> Result<(), TargetError> {
        self.names.entry(of).or_default().set_ports(first, last);
        Ok(())
    }

    fn counters(&mut self, of: Host) -> Result<Option<Seen>, TargetError> {
        if self.crashed.contains(&of) {
            return Ok(None);
        }
        let (at, on) = (self.now, Endpoint { connection: 1, host: of });
        let stacks = self.stacks.iter().filter(|stack| stack.name.host == of);
        let counts = stacks.fold(Counts::default(), |counts, stack| counts.plus(&stack.tcb.counts));
        let value = |counter: Counter| (counter.name().to_string(), i64::from(counts.of(counter).0));
        self.now += CALL_NS;
        let values = Counter::ALL.into_iter().map(value).filter(|(_, count)| *count != 0).collect();
        Ok(Some(Seen { at, what: What::Counters(CountersSeen { on, until: at, values }) }))
    }

    fn relay(&mut self, rule: &RelayRule) -> Result<(), TargetError> {
        match &mut self.middle {
            Some(middle) => {
                middle.add(rule);
                Ok(())
            }
            None => Err(TargetError::Failed("there is no middle between the target and a crafted peer".to_string())),
        }
    }
}
