//! Plays a case: walks its steps against a target and writes the trace.
//!
//! Owns the meaning of each step kind. Refuses to know what is right (`expect` steps only pace the play) and what the
//! target is made of.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tcpconform_model::{Call, CallResult, Errno, Flags, Poll, Segment, State};
use thiserror::Error;

use crate::case::{Case, Endpoint, Host, Open, Operation, OperationCall, RelayRule, Step, StepKind, Topology};
use crate::notation::{Numbers, Pattern};
use crate::peer::Peer;
use crate::trace::{
    CallReturn, EndpointIdentity, Header, Nanos, Ports, Record, Sample, Source, Stall, TargetIdentity, Trace, Trouble,
    Waited, Way, What,
};
use crate::view::View;
use crate::wire;

/// A stack that can be played: a live kernel, or the model.
///
/// Records come out of [`Target::observe`] in the order in which the stack saw them; `inject` and the relay make no record
/// of their own, their frames are observed where they reach the endpoint's link.
pub trait Target {
    /// Whose TCP this is.
    fn identity(&self) -> TargetIdentity;

    /// The endpoints under test with their addresses and sysctls.
    fn endpoints(&self) -> Vec<EndpointIdentity>;

    /// Wall-clock time of the trace's start, nanoseconds since 1970; 0 where time is virtual.
    fn started_unix_ns(&self) -> u64;

    /// Nanoseconds since the trace's start.
    fn now(&mut self) -> Nanos;

    /// Makes a call. In the foreground its record is returned; in the background it comes out of `observe` when the call
    /// returns.
    fn call(&mut self, on: Endpoint, op: &Operation, background: bool) -> Result<Option<Seen>, TargetError>;

    /// Puts an IP packet on the link towards an endpoint (crafted peer only).
    fn inject(&mut self, to: Endpoint, packet: &[u8]) -> Result<(), TargetError>;

    /// Asks the kernel for the state of the endpoint's connection.
    fn sample(&mut self, of: Endpoint, source: Source) -> Result<Seen, TargetError>;

    /// The next thing seen, waiting for it until `until` at most; `None` when nothing came by then. Whatever was seen
    /// before is handed out even when `until` has passed.
    fn observe(&mut self, until: Nanos) -> Result<Option<Seen>, TargetError>;

    /// Makes the ephemeral port range of a host these ports; from now on `connect` finds a port in it by itself.
    fn ports(&mut self, of: Host, first: u16, last: u16) -> Result<(), TargetError>;

    /// Asks a host for its counters; `None` where it has crashed.
    fn counters(&mut self, of: Host) -> Result<Option<Seen>, TargetError>;

    /// Adds a rule to the middle (two kernels only).
    fn relay(&mut self, rule: &RelayRule) -> Result<(), TargetError>;

    /// When the machine did not do what was due, since the trace's start; none where time is virtual.
    fn stalls(&mut self) -> Vec<Stall> {
        Vec::new()
    }
}

/// Something seen, with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// As [`crate::trace::Record::at`].
    pub at: Nanos,
    /// What.
    pub what: What,
}

/// What a play is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Nothing but waiting, at most this long.
    Waiting {
        /// Seconds from now.
        seconds_left: f64,
    },
    /// Something of its own.
    Active,
}

/// Why a target could not go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// This target cannot do what the case needs; the case is skipped.
    #[error("{0}")]
    Unsupported(String),
    /// Something of ours or of the machine failed; one sentence that names the operation and the errno.
    #[error("{0}")]
    Failed(String),
}

/// Plays `case` on `target`.
///
/// A wait that is not met ends the play: what would follow is no longer the case's situation. The judge decides what that means.
pub fn play(case: &Case, target: &mut impl Target, progress: &dyn Fn(Progress)) -> Result<Trace, TargetError> {
    let endpoints = target.endpoints();
    let header = Header::of(case, target.identity(), endpoints.clone(), target.started_unix_ns());
    let mut playing = Playing {
        ends: endpoints.iter().map(|e| End::new(e, case)).collect(),
        addresses: endpoints,
        records: Vec::new(),
        listening: BTreeSet::new(),
        unreturned: Vec::new(),
        observed: 0,
        step: 0,
        case,
        target,
        progress,
    };
    for (i, step) in case.steps.iter().enumerate() {
        playing.step = i as u32;
        if !playing.perform(step)? {
            break;
        }
    }
    playing.finish()?;
    let mut records = playing.records;
    records.sort_by_key(|(order, record)| (record.at, *order));
    Ok(Trace { header, records: records.into_iter().map(|(_, record)| record).collect() })
}

/// How long opening the connection may take before the play gives up.
const OPENING: Nanos = 5_000_000_000;
/// The longest time between two looks at the state while nothing happens.
const SAMPLE_EVERY_MAX: Nanos = 250_000_000;
/// The shortest.
const SAMPLE_EVERY_MIN: Nanos = 2_000_000;
/// A timer that the kernel has told of is looked at this long before it expires: it fires up to a tick before the time told, and a
/// machine may be late with one look.
const BEFORE_EXPIRY: [Nanos; 2] = [62_000_000, 6_000_000];
/// And next this much later, when it has fired unless its wheel keeps it.
const ACROSS_EXPIRY: Nanos = 8_000_000;
/// How long an accept is tried again while the kernel still works on the handshake.
const RETRY_EVERY: Nanos = 1_000_000;
/// How long a call in the background may go on after the last step: what a call did is judged only once it has returned.
const RETURNING: Nanos = 5_000_000_000;
/// By then the kernel has counted what was seen, and has done what was asked of it ([`tcpconform_model::Profile::processing_ns`]).
const COUNTED_AFTER: Nanos = 5_000_000;
/// Waits shorter than this are not worth a progress event.
const WORTH_TELLING: Nanos = 200_000_000;

/// A play in progress.
struct Playing<'a, T: Target> {
    case: &'a Case,
    target: &'a mut T,
    progress: &'a dyn Fn(Progress),
    ends: Vec<End>,
    addresses: Vec<EndpointIdentity>,
    /// With the order in which they were observed, for those of the same time.
    records: Vec<(u64, Record)>,
    /// Hosts that have called `listen`: the listener serves all their connections.
    listening: BTreeSet<Host>,
    /// Calls in the background that have not returned.
    unreturned: Vec<(Endpoint, Operation)>,
    observed: u64,
    step: u32,
}

/// What the play keeps of one endpoint under test.
struct End {
    name: Endpoint,
    view: View,
    /// Who plays the other end; of no use between two kernels.
    peer: Peer,
    /// Segments emitted and not yet taken by an `expect`.
    emitted: VecDeque<Emitted>,
    /// The packet of the latest segment emitted.
    latest: Option<Vec<u8>>,
    /// The latest sample that says the same as the one recorded before it.
    repeated: Option<(u64, Record)>,
    last_sample: Option<Sample>,
    /// When the timer expires that the latest sample told of.
    expiry: Option<Nanos>,
}

/// A segment that an endpoint has emitted.
struct Emitted {
    at: Nanos,
    segment: Segment,
    /// The numbers before it.
    numbers: Numbers,
}

impl End {
    fn new(identity: &EndpointIdentity, case: &Case) -> End {
        End {
            name: identity.name,
            view: View::default(),
            peer: Peer::new(identity.remote, identity.local, case.peer),
            emitted: VecDeque::new(),
            latest: None,
            repeated: None,
            last_sample: None,
            expiry: None,
        }
    }
}

impl<T: Target> Playing<'_, T> {
    /// One step; false when a wait was not met.
    fn perform(&mut self, step: &Step) -> Result<bool, TargetError> {
        let since = self.target.now();
        let met = match &step.kind {
            StepKind::Establish { connection } => self.establish(*connection, since + OPENING)?,
            StepKind::Call { on, op, background } => {
                self.call(*on, op, *background)?;
                true
            }
            StepKind::Inject { to, injection } => {
                self.inject(*to, |end, now| end.peer.segment(injection, now, &end.view))?;
                true
            }
            StepKind::Icmp { to, error } => {
                let end = self.end(*to);
                let nothing =
                    || TargetError::Failed(format!("{to} has sent nothing that an ICMP error could be about"));
                let packet = end.peer.icmp(error, end.latest.as_deref(), &end.view).ok_or_else(nothing)?;
                self.target.inject(*to, &packet)?;
                true
            }
            StepKind::Expect { from, pattern, within } => {
                let until = since + nanos(*within);
                let mut there = None;
                let met = self.wait(until, |playing| {
                    there = playing.take_match(*from, pattern);
                    Ok(there.is_some())
                })?;
                self.waited(since, met, there);
                met
            }
            StepKind::Await { of, state, within } => {
                let until = since + nanos(*within);
                let met = self.wait(until, |playing| Ok(playing.sample(*of)? == *state))?;
                self.waited(since, met, None);
                met
            }
            StepKind::Poll { on, events, within } => {
                let until = since + nanos(*within);
                let met = self.wait(until, |playing| Ok(playing.poll(*on)?.has(*events)))?;
                self.waited(since, met, None);
                met
            }
            StepKind::Wait(duration) => {
                let until = since + nanos(*duration);
                self.wait(until, |_| Ok(false))?;
                self.waited(since, true, Some(until));
                true
            }
            StepKind::Ports { of, first, last } => {
                let port = |connection| {
                    let endpoint = Endpoint { connection, host: *of };
                    self.addresses
                        .iter()
                        .find(|identity| identity.name == endpoint)
                        .map(|identity| identity.local.port())
                };
                if let (Some(first), Some(last)) = (port(*first), port(*last)) {
                    let on = Endpoint { connection: 1, host: *of };
                    let at = self.target.now();
                    self.target.ports(*of, first, last)?;
                    self.push(Seen { at, what: What::Ports(Ports { on, first, last }) });
                }
                true
            }
            StepKind::Counters { of } => {
                self.settle()?;
                self.tell_repeated();
                self.counters(*of)?;
                true
            }
            StepKind::Relay(rule) => {
                self.target.relay(rule)?;
                true
            }
        };
        self.drain()?;
        self.sample_all()?;
        Ok(met)
    }

    /// Opens a connection; false when it did not come to that.
    fn establish(&mut self, connection: u8, until: Nanos) -> Result<bool, TargetError> {
        let since = self.target.now();
        let [a, b] = [Host::A, Host::B].map(|host| Endpoint { connection, host });
        let met = match self.case.topology {
            Topology::Crafted => self.establish_crafted(a, until)?,
            Topology::TwoKernels | Topology::Routed => self.establish_two(a, b, until)?,
        };
        self.waited(since, met, None);
        Ok(met)
    }

    fn establish_crafted(&mut self, a: Endpoint, until: Nanos) -> Result<bool, TargetError> {
        match self.case.open {
            Open::Active => {
                self.socket_call(a, Call::Connect)?;
                let mut syn = None;
                let found = self.wait(until, |playing| {
                    syn = playing.end(a).emitted.pop_front().map(|emitted| emitted.segment);
                    Ok(syn.is_some_and(|s| s.has(Flags::SYN)))
                })?;
                let Some(syn) = syn.filter(|_| found) else { return Ok(false) };
                self.inject(a, |end, now| end.peer.opening(Some(&syn), now, &end.view))?;
                if !self.wait(until, |playing| Ok(playing.sample(a)? == State::Established))? {
                    return Ok(false);
                }
                self.wait(until, |playing| Ok(playing.end(a).emitted.pop_front().is_some()))?;
                Ok(self.socket_call(a, Call::Connect)? == CallReturn::Value(0))
            }
            Open::Passive => {
                self.listen(a)?;
                self.inject(a, |end, now| end.peer.opening(None, now, &end.view))?;
                if !self.wait(until, |playing| Ok(playing.end(a).emitted.pop_front().is_some()))? {
                    return Ok(false);
                }
                let ack = crate::case::Injection {
                    segment: crate::notation::parse_segment(".").expect("an ACK's notation"),
                    damage: Vec::new(),
                };
                self.inject(a, |end, now| end.peer.segment(&ack, now, &end.view))?;
                self.accept(a, until)
            }
        }
    }

    fn establish_two(&mut self, a: Endpoint, b: Endpoint, until: Nanos) -> Result<bool, TargetError> {
        let (connects, listens) = match self.case.open {
            Open::Active => (a, b),
            Open::Passive => (b, a),
        };
        self.listen(listens)?;
        self.socket_call(connects, Call::Connect)?;
        if !self.wait(until, |playing| Ok(playing.sample(connects)? == State::Established))? {
            return Ok(false);
        }
        if self.socket_call(connects, Call::Connect)? != CallReturn::Value(0) || !self.accept(listens, until)? {
            return Ok(false);
        }
        for end in &mut self.ends {
            end.emitted.clear();
        }
        Ok(true)
    }

    /// `listen()`, unless the host does already.
    fn listen(&mut self, on: Endpoint) -> Result<(), TargetError> {
        if !self.listening.contains(&on.host) {
            self.socket_call(on, Call::Listen { backlog: 8 })?;
        }
        Ok(())
    }

    /// `accept()`, again while the kernel is still at the handshake's last ACK.
    fn accept(&mut self, on: Endpoint, until: Nanos) -> Result<bool, TargetError> {
        if !self.wait(until, |playing| Ok(playing.sample(on)? == State::Established))? {
            return Ok(false);
        }
        loop {
            let result = self.socket_call(on, Call::Accept)?;
            if matches!(result, CallReturn::Value(_)) {
                return Ok(true);
            }
            let now = self.target.now();
            if result != CallReturn::Error(Errno::AGAIN) || now >= until {
                return Ok(false);
            }
            self.wait(now + RETRY_EVERY, |_| Ok(false))?;
        }
    }

    fn socket_call(&mut self, on: Endpoint, call: Call) -> Result<CallReturn, TargetError> {
        let op = Operation { descriptor: None, makes: None, call: OperationCall::Socket(call) };
        let result = self.call(on, &op, false)?;
        result.ok_or_else(|| TargetError::Failed(format!("{op} on {on} gave no result")))
    }

    /// Makes a call and records it with what happened meanwhile; the result where it is there already.
    fn call(&mut self, on: Endpoint, op: &Operation, background: bool) -> Result<Option<CallReturn>, TargetError> {
        if op.call == OperationCall::TcpInfo {
            let seen = self.target.sample(on, Source::TcpInfo)?;
            self.push(seen);
            return Ok(None);
        }
        if matches!(op.call, OperationCall::Socket(Call::Listen { .. })) {
            self.listening.insert(on.host);
        }
        if op.call.is_of_host() {
            self.listening.remove(&on.host);
        }
        let seen = self.target.call(on, op, background)?;
        if background && seen.is_none() {
            self.unreturned.push((on, op.clone()));
        }
        let result = match &seen {
            Some(Seen { what: What::Call(call), .. }) => Some(call.result),
            Some(_) | None => None,
        };
        if let Some(seen) = seen {
            self.push(seen);
        }
        self.drain()?;
        Ok(result)
    }

    /// The crafted peer of `to` sends the packet that `made` gives.
    fn inject(&mut self, to: Endpoint, made: impl FnOnce(&mut End, Nanos) -> Vec<u8>) -> Result<(), TargetError> {
        let now = self.target.now();
        let packet = made(self.end(to), now);
        self.target.inject(to, &packet)?;
        self.drain()
    }

    /// Takes the first emitted segment that fits, and forgets those before it; when it was emitted.
    fn take_match(&mut self, from: Endpoint, pattern: &Pattern) -> Option<Nanos> {
        let end = self.end(from);
        let fits = |e: &Emitted| pattern.matches(&e.segment, &e.numbers, e.numbers.emitted());
        let found = end.emitted.iter().position(fits)?;
        end.emitted.drain(..=found).next_back().map(|emitted| emitted.at)
    }

    /// `poll()` once; recorded only when it says something new.
    fn poll(&mut self, on: Endpoint) -> Result<Poll, TargetError> {
        let op = Operation { descriptor: None, makes: None, call: OperationCall::Socket(Call::Poll) };
        let Some(seen) = self.target.call(on, &op, false)? else { return Ok(Poll::default()) };
        let What::Call(call) = &seen.what else { return Ok(Poll::default()) };
        let result = call.result;
        let said_before = self.records.iter().rev().find_map(|(_, record)| match &record.what {
            What::Call(before) if before.on == on && before.op == op => Some(before.result),
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
        });
        if said_before != Some(result) {
            self.push(seen);
        }
        Ok(match result {
            CallReturn::Events(events) => events,
            CallReturn::Value(_) | CallReturn::Error(_) => Poll::default(),
        })
    }

    /// Observes until `done` says so or `until` has come; looks at the states as often as things happen, now and then in between, and
    /// around the expiry of timers.
    fn wait(
        &mut self,
        until: Nanos,
        mut done: impl FnMut(&mut Self) -> Result<bool, TargetError>,
    ) -> Result<bool, TargetError> {
        let mut told = false;
        let mut every = SAMPLE_EVERY_MIN;
        let met = loop {
            self.drain()?;
            if done(self)? {
                break true;
            }
            let now = self.target.now();
            if now >= until {
                break false;
            }
            if !told && until - now > WORTH_TELLING {
                told = true;
                (self.progress)(Progress::Waiting { seconds_left: (until - now) as f64 / 1e9 });
            }
            let expiries = self.ends.iter().filter_map(|end| end.expiry);
            let looks = expiries.flat_map(|expiry| BEFORE_EXPIRY.map(|before| expiry.saturating_sub(before)));
            let expiry = looks.filter(|look| now < *look && *look <= now + every).min();
            match self.target.observe(until.min(expiry.unwrap_or(now + every)))? {
                Some(seen) => {
                    self.push(seen);
                    every = SAMPLE_EVERY_MIN;
                }
                None if expiry.is_some() => every = ACROSS_EXPIRY,
                None => every = (every * 3 / 2).min(SAMPLE_EVERY_MAX),
            }
            self.drain()?;
            self.sample_all()?;
        };
        if told {
            (self.progress)(Progress::Active);
        }
        Ok(met)
    }

    /// Records what has been seen already.
    fn drain(&mut self) -> Result<(), TargetError> {
        while let Some(seen) = self.target.observe(0)? {
            self.push(seen);
        }
        Ok(())
    }

    fn sample_all(&mut self) -> Result<(), TargetError> {
        for i in 0..self.ends.len() {
            let name = self.ends[i].name;
            self.sample(name)?;
        }
        Ok(())
    }

    /// Asks for the state; recorded when it is new, and the last of a run of equal ones too.
    fn sample(&mut self, of: Endpoint) -> Result<State, TargetError> {
        let seen = self.target.sample(of, Source::SockDiag)?;
        let step = self.step;
        let What::Sample(sample) = &seen.what else {
            self.push(seen);
            return Ok(State::Closed);
        };
        let sample = sample.clone();
        let state = sample.state;
        let order = self.next_order();
        let end = self.end(of);
        end.expiry = sample.timer.map(|timer| seen.at + Nanos::from(timer.expires_ms) * 1_000_000);
        if end.last_sample.as_ref().is_some_and(|last| says_the_same(last, &sample)) {
            end.repeated = Some((order, Record { at: seen.at, step, what: seen.what }));
        } else {
            let repeated = end.repeated.take();
            end.last_sample = Some(sample);
            self.records.extend(repeated);
            self.push(seen);
        }
        Ok(state)
    }

    /// Waits until the kernel has counted what was done and seen so far.
    fn settle(&mut self) -> Result<(), TargetError> {
        let until = self.target.now() + COUNTED_AFTER;
        self.wait(until, |_| Ok(false)).map(drop)
    }

    /// Records the last of each run of equal samples: a wrong state says more than what was counted wrong in consequence.
    fn tell_repeated(&mut self) {
        for end in &mut self.ends {
            self.records.extend(end.repeated.take());
        }
    }

    /// Asks a host for its counters.
    fn counters(&mut self, of: Host) -> Result<(), TargetError> {
        if let Some(seen) = self.target.counters(of)? {
            self.push(seen);
        }
        self.drain()
    }

    fn waited(&mut self, since: Nanos, met: bool, there: Option<Nanos>) {
        let at = self.target.now();
        self.push(Seen { at, what: What::Waited(Waited { met, since, there }) });
    }

    fn push(&mut self, seen: Seen) {
        if let What::Call(call) = &seen.what
            && let Some(i) = self.unreturned.iter().position(|(on, op)| *on == call.on && *op == call.op)
        {
            self.unreturned.remove(i);
        }
        if let What::Segment(segment) = &seen.what
            && let Ok(packet) = wire::parse(&segment.packet)
        {
            let way = segment.way;
            let end = self.end(segment.on);
            let before = end.view;
            // A packet that is damaged on purpose tells the connection nothing.
            if packet.checksum_ok || way == Way::Out {
                end.view.follow(way, &packet.segment);
            }
            if way == Way::Out {
                let numbers = if before.opened() { *before.numbers() } else { *end.view.numbers() };
                end.emitted.push_back(Emitted { at: seen.at, segment: packet.segment, numbers });
                end.latest = Some(segment.packet.clone());
            }
        }
        let order = self.next_order();
        self.records.push((order, Record { at: seen.at, step: self.step, what: seen.what }));
    }

    fn next_order(&mut self) -> u64 {
        self.observed += 1;
        self.observed
    }

    fn end(&mut self, name: Endpoint) -> &mut End {
        let i = self.ends.iter().position(|end| end.name == name).unwrap_or(0);
        &mut self.ends[i]
    }

    /// The last samples, the hosts' counters, and the record that ends the trace.
    fn finish(&mut self) -> Result<(), TargetError> {
        self.drain()?;
        let until = self.target.now() + RETURNING;
        self.wait(until, |playing| Ok(playing.unreturned.is_empty()))?;
        if let Some((on, op)) = self.unreturned.pop() {
            let at = self.target.now();
            let text = format!("{op} of {on} has not returned");
            self.push(Seen { at, what: What::Trouble(Trouble { text, in_doubt: false }) });
        }
        self.settle()?;
        self.sample_all()?;
        // What arrived while the samples were taken explains them.
        self.drain()?;
        self.tell_repeated();
        let hosts: BTreeSet<Host> = self.ends.iter().map(|end| end.name.host).collect();
        for host in hosts {
            self.counters(host)?;
        }
        let at = self.target.now();
        let stalls = self.target.stalls();
        self.push(Seen { at, what: What::End { stalls } });
        Ok(())
    }
}

/// Whether two samples differ in nothing but their times.
fn says_the_same(a: &Sample, b: &Sample) -> bool {
    let timer = |sample: &Sample| sample.timer.map(|timer| (timer.kind, timer.retransmits));
    a.state == b.state && timer(a) == timer(b) && a.receive_queue == b.receive_queue && a.send_queue == b.send_queue
}

fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX / 2)
}

impl From<CallResult> for CallReturn {
    fn from(result: CallResult) -> CallReturn {
        match result {
            CallResult::Value(value) => CallReturn::Value(value),
            CallResult::Events(events) => CallReturn::Events(events),
            CallResult::Error(errno) => CallReturn::Error(errno),
        }
    }
}
