//! The running kernel as a target: one case's hosts, watched from outside.
//!
//! Owns the waiting: on captures, the relay's deliveries, calls in the background and the wish to stop. Refuses to know what a
//! step is. Everything the kernel does is told with the kernel's own time stamp, so being late to fetch it changes nothing.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use tcpconform_engine::case::{Case, Endpoint, Host, Operation, OperationCall, RelayRule, Topology};
use tcpconform_engine::play::{Seen, Target, TargetError};
use tcpconform_engine::relay::Middle;
use tcpconform_engine::trace::{
    CallReturn, CallSeen, EndpointIdentity, Nanos, RelayAct, Sample, Source, Stall, TargetIdentity, TargetKind, Time,
    Way, What,
};
use tcpconform_model::{Call, State};

use crate::clock::{Clock, realtime_ns};
use crate::host::{HostUnderTest, in_doubt};
use crate::mailbox::Mailbox;
use crate::router::Router;
use crate::sockets::{Returned, timed_close};
use crate::testbed::{Addresses, Testbed};

/// A delivery of the relay is waited for asleep until this long before it is due, nanoseconds, and awake from then on.
const AWAKE_NS: u64 = 80_000;
/// A thread that calls close() and nothing else.
const CLOSER_STACK_BYTES: usize = 64 * 1024;

/// One case on the running kernel.
#[derive(Debug)]
pub struct KernelTarget {
    testbed: Arc<Testbed>,
    case: Case,
    addresses: Addresses,
    /// Those that have crashed are not among them.
    hosts: Vec<HostUnderTest>,
    middle: Option<Middle>,
    router: Option<Router>,
    deliveries: BTreeMap<(Nanos, u64), (Endpoint, Vec<u8>)>,
    delivered: u64,
    pending: VecDeque<Seen>,
    /// Whether a capture gave anything since it was asked for losses.
    fetched: bool,
    /// Whether nothing was asked of a host, and nothing waited for, since everything was fetched.
    caught_up: bool,
    mailbox: Arc<Mailbox>,
    clock: Clock,
}

impl KernelTarget {
    /// Makes the case's namespaces and links; the trace's time starts when they are ready.
    ///
    /// `Unsupported` when this kernel lacks a sysctl of the case. Everything made goes when the target is dropped.
    pub fn new(testbed: &Arc<Testbed>, case: &Case) -> Result<KernelTarget, TargetError> {
        let addresses = testbed.addresses(case.ip);
        let mut hosts = vec![HostUnderTest::set_up(testbed, case, Host::A, &addresses)?];
        if case.topology.has_two_kernels() {
            hosts.push(HostUnderTest::set_up(testbed, case, Host::B, &addresses)?);
        }
        let middle = case.topology.has_two_kernels().then(|| {
            let identities: Vec<EndpointIdentity> = hosts.iter().flat_map(HostUnderTest::identities).cloned().collect();
            Middle::new(&identities)
        });
        let router = match case.topology {
            Topology::Crafted | Topology::TwoKernels => None,
            Topology::Routed => Some(Router::set_up(testbed, case, &addresses)?),
        };
        let mailbox = Arc::new(Mailbox::new().map_err(|errno| TargetError::Failed(format!("eventfd: {errno}")))?);
        let clock = Clock::start();
        for host in &hosts {
            host.watch_transitions(clock, &mailbox);
        }
        // Timers of this thread are not put off to save wake-ups.
        let _ = prctl::set_timerslack(1);
        Ok(KernelTarget {
            testbed: Arc::clone(testbed),
            case: case.clone(),
            addresses,
            hosts,
            middle,
            router,
            deliveries: BTreeMap::new(),
            delivered: 0,
            pending: VecDeque::new(),
            fetched: false,
            caught_up: false,
            mailbox,
            clock,
        })
    }

    /// Puts an Ethernet frame on the link of a host, whoever it is from or for: what else may be on a link.
    pub fn disturb(&mut self, of: Endpoint, frame: &[u8]) -> Result<(), TargetError> {
        self.host(of)?.deliver_frame(frame)
    }

    fn host(&mut self, of: Endpoint) -> Result<&mut HostUnderTest, TargetError> {
        self.running(of.host).ok_or_else(|| TargetError::Failed(format!("there is no endpoint {of} now")))
    }

    /// The host, unless it has crashed.
    fn running(&mut self, name: Host) -> Option<&mut HostUnderTest> {
        // Whoever asks for it lets it do something, or lets time pass.
        self.caught_up = false;
        self.hosts.iter_mut().find(|host| host.name == name)
    }

    /// Fetches everything that has happened, relays what is to be relayed, and fetches what that made happen.
    ///
    /// What happens by itself in between is fetched at the next turn, as if it had happened a moment later.
    fn catch_up(&mut self) -> Result<(), TargetError> {
        if self.caught_up {
            return Ok(());
        }
        let known = self.pending.len();
        loop {
            for index in 0..self.hosts.len() {
                while let Some(seen) = self.hosts[index].next_packet(&self.clock)? {
                    self.fetched = true;
                    let act = self.relay_segment(&seen);
                    self.pending.push_back(seen);
                    self.pending.extend(act);
                }
            }
            let delivered = self.deliver_due()?;
            if !(self.leave_router()? || delivered) {
                break;
            }
            self.fetched = true;
        }
        if let Ok(tracepoint) = &self.testbed.tracepoint {
            tracepoint.catch_up();
        }
        self.pending.extend(self.mailbox.take());
        if self.pending.len() > known {
            self.pending.make_contiguous().sort_by_key(|seen| seen.at);
        }
        self.caught_up = true;
        Ok(())
    }

    /// Gives a segment that an endpoint emitted to the middle; what the middle did, if anything else than to pass it on.
    fn relay_segment(&mut self, seen: &Seen) -> Option<Seen> {
        let (Some(middle), What::Segment(segment)) = (&mut self.middle, &seen.what) else { return None };
        if segment.way != Way::Out {
            return None;
        }
        let treatment = middle.treat(segment.on, seen.at, segment.packet.clone());
        for delivery in treatment.deliver {
            self.delivered += 1;
            self.deliveries.insert((delivery.at, self.delivered), (delivery.to, delivery.packet));
        }
        let act = RelayAct { from: segment.on, emitted_at: seen.at, act: treatment.act? };
        Some(Seen { at: seen.at, what: What::Relay(act) })
    }

    /// Delivers what is due; whether there was any.
    fn deliver_due(&mut self) -> Result<bool, TargetError> {
        let mut any = false;
        while let Some(first) = self.deliveries.first_entry() {
            if first.key().0 > self.clock.now() {
                break;
            }
            let (to, packet) = first.remove();
            match &self.router {
                Some(router) => router.deliver(to.host.other(), &packet)?,
                None => self.arrive(to.host, &packet)?,
            }
            any = true;
        }
        Ok(any)
    }

    /// Delivers what the router has put on its links; whether there was any.
    fn leave_router(&mut self) -> Result<bool, TargetError> {
        let mut any = false;
        while let Some(router) = &mut self.router
            && let Some((to, packet)) = router.next_packet()?
        {
            self.arrive(to, &packet)?;
            any = true;
        }
        Ok(any)
    }

    /// Puts a packet on the link towards a host; nobody hears it where the host has crashed.
    fn arrive(&mut self, to: Host, packet: &[u8]) -> Result<(), TargetError> {
        self.running(to).map_or(Ok(()), |host| host.deliver(packet))
    }

    /// Takes a host away, and with `Reboot` makes it anew: other sockets, other timers, the same addresses.
    ///
    /// What the old one still does goes nowhere: its link is not listened to any more.
    fn host_goes(&mut self, name: Host, call: OperationCall) -> Result<Returned, TargetError> {
        let new = match call == OperationCall::Reboot {
            true => Some(HostUnderTest::set_up(&self.testbed, &self.case, name, &self.addresses)?),
            false => None,
        };
        // What it had sent before; from here on nothing reaches it.
        self.catch_up()?;
        self.caught_up = false;
        let entered_unix_ns = realtime_ns();
        self.hosts.retain(|host| host.name != name);
        if let Some(new) = new {
            new.watch_transitions(self.clock, &self.mailbox);
            self.hosts.push(new);
        }
        let result = CallReturn::Value(0);
        Ok(Returned { entered_unix_ns, left_unix_ns: realtime_ns(), result, wrong_byte: None })
    }

    /// Waits until something may have happened, or this time has come.
    fn wait(&self, until: Nanos) -> Result<(), TargetError> {
        let delivery = self.deliveries.keys().next().map(|(at, _)| *at).filter(|at| *at < until);
        let asleep_until = delivery.map_or(until, |at| at.saturating_sub(AWAKE_NS));
        let now = self.clock.now();
        if asleep_until > now {
            let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(4);
            polled.push(PollFd::new(self.testbed.stop.as_fd(), PollFlags::POLLIN));
            polled.push(PollFd::new(self.mailbox.as_ref().as_fd(), PollFlags::POLLIN));
            polled
                .extend(self.router.iter().flat_map(|r| r.descriptors().map(|fd| PollFd::new(fd, PollFlags::POLLIN))));
            polled.extend(self.hosts.iter().map(|host| PollFd::new(host.as_fd(), PollFlags::POLLIN)));
            let timeout = TimeSpec::from_duration(Duration::from_nanos(asleep_until - now));
            return match ppoll(&mut polled, Some(timeout), None) {
                Ok(_) | Err(Errno::EINTR) => Ok(()),
                Err(errno) => Err(TargetError::Failed(format!("ppoll: {errno}"))),
            };
        }
        while delivery.is_some_and(|at| self.clock.now() < at) {
            std::hint::spin_loop();
        }
        Ok(())
    }

    /// What put the trace in doubt since the last time that it was asked; `waited` says whether time has passed. Every play ends with
    /// a wait.
    fn doubt(&mut self, waited: bool) -> Option<Seen> {
        let fetched = std::mem::take(&mut self.fetched);
        if !fetched && !waited {
            return None;
        }
        let now = self.clock.now();
        // Frames are lost where others wait to be fetched, and nowhere else.
        for host in self.hosts.iter().filter(|_| fetched) {
            let lost = host.lost();
            if lost > 0 {
                self.fetched = true;
                return Some(in_doubt(now, format!("the capture on {} lost {lost} frames", host.name)));
            }
        }
        let lost = self.router.as_ref().filter(|_| fetched).map_or(0, Router::lost);
        if lost > 0 {
            return Some(in_doubt(now, format!("the captures on the router lost {lost} frames")));
        }
        let jump = self.clock.jump_ns()?;
        Some(in_doubt(now, format!("the wall clock was set by {:.6} s while the case was played", jump as f64 / 1e9)))
    }

    fn check_stop(&self) -> Result<(), TargetError> {
        if self.testbed.stop.requested() { Err(TargetError::Interrupted) } else { Ok(()) }
    }

    fn call_record(on: Endpoint, op: &Operation, returned: Returned, clock: &Clock) -> Seen {
        let what = What::Call(CallSeen {
            on,
            op: op.clone(),
            left: clock.at(returned.left_unix_ns),
            result: returned.result,
            wrong_byte: returned.wrong_byte,
        });
        Seen { at: clock.at(returned.entered_unix_ns), what }
    }
}

impl Target for KernelTarget {
    fn identity(&self) -> TargetIdentity {
        TargetIdentity {
            kind: TargetKind::Kernel,
            release: self.testbed.release.clone(),
            hz: self.testbed.hz,
            time: Time::Real,
        }
    }

    fn endpoints(&self) -> Vec<EndpointIdentity> {
        let mut identities: Vec<EndpointIdentity> =
            self.hosts.iter().flat_map(HostUnderTest::identities).cloned().collect();
        identities.sort_by_key(|identity| identity.name);
        identities
    }

    fn started_unix_ns(&self) -> u64 {
        self.clock.started_unix_ns()
    }

    fn now(&mut self) -> Nanos {
        self.clock.now()
    }

    /// `tcp_info` gives a sample. In the background only `close` can block; whatever else returns at once all the same.
    fn call(&mut self, on: Endpoint, op: &Operation, background: bool) -> Result<Option<Seen>, TargetError> {
        self.check_stop()?;
        let clock = self.clock;
        if op.call.is_of_host() {
            let returned = self.host_goes(on.host, op.call)?;
            return Ok(Some(Self::call_record(on, op, returned, &clock)));
        }
        let host = self.host(on)?;
        let seen = match op.call {
            OperationCall::TcpInfo => host.sample(on, Source::TcpInfo, op.descriptor.as_deref(), &clock)?,
            OperationCall::Socket(Call::Close) if background && host.sockets(on)?.is_open(op) => {
                let socket = host.sockets(on)?.take(op)?;
                let (op, mailbox) = (op.clone(), Arc::clone(&self.mailbox));
                thread::Builder::new()
                    .name("close".into())
                    .stack_size(CLOSER_STACK_BYTES)
                    .spawn(move || mailbox.post(Self::call_record(on, &op, timed_close(socket), &clock)))
                    .map_err(|error| TargetError::Failed(format!("starting a thread for close(): {error}")))?;
                return Ok(None);
            }
            OperationCall::Socket(_)
            | OperationCall::Open
            | OperationCall::Bind
            | OperationCall::Handover
            | OperationCall::Serve { .. }
            | OperationCall::Exit
            | OperationCall::Kill
            | OperationCall::Crash
            | OperationCall::Reboot => Self::call_record(on, op, host.call(on, op)?, &clock),
        };
        if background {
            self.pending.push_back(seen);
            return Ok(None);
        }
        Ok(Some(seen))
    }

    fn inject(&mut self, to: Endpoint, packet: &[u8]) -> Result<(), TargetError> {
        if self.middle.is_some() {
            return Err(TargetError::Failed("between two kernels nothing is injected".to_string()));
        }
        self.host(to)?.deliver(packet)
    }

    fn sample(&mut self, of: Endpoint, source: Source) -> Result<Seen, TargetError> {
        // The answer means something else once the link has shown a handshake.
        self.catch_up()?;
        let clock = self.clock;
        let crashed = self.running(of.host).is_none() && self.case.endpoints().any(|endpoint| endpoint == of);
        if !crashed {
            return self.host(of)?.sample(of, source, None, &clock);
        }
        // There is no kernel to ask.
        let (at, state) = (clock.now(), State::Closed);
        let sample = Sample { on: of, source, until: at, state, timer: None, receive_queue: None, send_queue: None };
        Ok(Seen { at, what: What::Sample(sample) })
    }

    fn observe(&mut self, until: Nanos) -> Result<Option<Seen>, TargetError> {
        let mut waited = false;
        loop {
            self.check_stop()?;
            self.catch_up()?;
            if let Some(seen) = self.pending.pop_front() {
                return Ok(Some(seen));
            }
            if self.clock.now() >= until {
                return Ok(self.doubt(waited));
            }
            self.wait(until)?;
            self.caught_up = false;
            waited = true;
        }
    }

    fn ports(&mut self, of: Host, first: u16, last: u16) -> Result<(), TargetError> {
        self.host(Endpoint { connection: 1, host: of })?.set_ports(first, last)
    }

    fn counters(&mut self, of: Host) -> Result<Option<Seen>, TargetError> {
        let clock = self.clock;
        self.running(of).map(|host| host.counters(&clock)).transpose()
    }

    fn relay(&mut self, rule: &RelayRule) -> Result<(), TargetError> {
        let middle = self
            .middle
            .as_mut()
            .ok_or_else(|| TargetError::Failed("with the crafted peer there is no middle".to_string()))?;
        middle.add(rule);
        Ok(())
    }

    fn stalls(&mut self) -> Vec<Stall> {
        self.testbed.stalls.as_ref().map_or_else(Vec::new, |stalls| stalls.since(&self.clock))
    }
}
