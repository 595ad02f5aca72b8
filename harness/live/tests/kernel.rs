//! The running kernel, played by hand through `KernelTarget`; skipped, with the reason, where that is not allowed.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use tcpconform_engine::case::{
    Case, Endpoint, IpVersion, Open, Operation, OperationCall, PeerOptions, RelayAction, RelayRule, Topology,
};
use tcpconform_engine::notation;
use tcpconform_engine::play::{Seen, Target, TargetError};
use tcpconform_engine::trace::{CallReturn, Fate, Sample, Source, Time, TimerKind, Way, What};
use tcpconform_engine::wire::{self, Packet};
use tcpconform_live::{KernelTarget, Testbed};
use tcpconform_model::{Call, Errno, Flags, IcmpKind, Poll, Segment, Seq, ShutdownHow, SocketOption, State};

static TESTBED: OnceLock<Arc<Testbed>> = OnceLock::new();

fn main() {
    let arguments = Arguments::from_args();
    let prepared = Testbed::prepare(Time::Real);
    let ignored = prepared.is_err();
    match prepared {
        Ok(testbed) => {
            println!("tracepoint: {}", testbed.tracepoint_lack().unwrap_or("read"));
            TESTBED.set(testbed).expect("set once");
        }
        Err(error) => println!("skipped: {error}"),
    }
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(name, test).with_ignored_flag(ignored);
    let trials = vec![
        trial("passive_open_and_close_to_time_wait", passive_open_and_close_to_time_wait),
        trial("active_open_over_ipv6", active_open_over_ipv6),
        trial("data_is_counted_and_checked", data_is_counted_and_checked),
        trial("a_killed_child_sends_fin", a_killed_child_sends_fin),
        trial("a_dup_holds_the_fin_back", a_dup_holds_the_fin_back),
        trial("a_lingering_close_returns_in_the_background", a_lingering_close_returns_in_the_background),
        trial("a_listener_is_not_the_connection", a_listener_is_not_the_connection),
        trial("two_kernels_shake_hands_through_the_relay", two_kernels_shake_hands_through_the_relay),
        trial("the_relay_drops_and_delays", the_relay_drops_and_delays),
        trial("a_router_lets_segments_die", a_router_lets_segments_die),
        trial("a_host_reboots_without_a_word", a_host_reboots_without_a_word),
        trial("sysctls_are_recorded", sysctls_are_recorded),
        trial("bad_calls_are_told", bad_calls_are_told),
        trial("a_name_stands_for_what_was_made_last", a_name_stands_for_what_was_made_last),
        trial("the_answer_comes_at_once", the_answer_comes_at_once),
        trial("set_up_and_tear_down", set_up_and_tear_down),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Interrupts every later case, so it is not one of the parallel ones.
    if !ignored && arguments.filter.is_none() && !arguments.list {
        stop_interrupts_all();
    }
    conclusion.exit();
}

fn testbed() -> &'static Arc<Testbed> {
    TESTBED.get().expect("prepared by main")
}

fn case(topology: Topology, ip: IpVersion) -> Case {
    Case {
        id: "by-hand".to_string(),
        variant: String::new(),
        choices: Vec::new(),
        purpose: String::new(),
        claims: Vec::new(),
        requirements: Vec::new(),
        topology,
        connections: 1,
        ip,
        open: Open::Passive,
        peer: PeerOptions { mss: None, wscale: None, sack: false, timestamps: false, wnd: 65_535 },
        sysctls: BTreeMap::new(),
        optional_sysctls: BTreeMap::new(),
        machine_sysctls: BTreeMap::new(),
        mtu: 1500,
        steps: Vec::new(),
    }
}

/// A case played by hand: our side of the connection has the initial sequence number 1000.
struct Hand {
    target: KernelTarget,
    seen: Vec<Seen>,
    seq: Seq,
    ack: Seq,
}

const SECOND: u64 = 1_000_000_000;

impl Hand {
    fn new(ip: IpVersion) -> Result<Hand, TargetError> {
        let target = KernelTarget::new(testbed(), &case(Topology::Crafted, ip))?;
        Ok(Hand { target, seen: Vec::new(), seq: Seq(1000), ack: Seq(0) })
    }

    /// A connection that the kernel has accepted.
    fn accepted(ip: IpVersion) -> Result<Hand, TargetError> {
        let mut hand = Hand::new(ip)?;
        hand.call(Call::Listen { backlog: 4 })?;
        hand.inject(Flags::SYN, 0)?;
        let answer = hand.segment(|p| p.segment.has(Flags::SYN | Flags::ACK))?;
        assert!(answer.checksum_ok, "checksum offload is off");
        hand.seq = hand.seq + 1;
        hand.ack = answer.segment.seq + 1;
        hand.inject(Flags::ACK, 0)?;
        assert_eq!(hand.call(Call::Accept)?, CallReturn::Value(0));
        Ok(hand)
    }

    fn op(&mut self, op: Operation) -> Result<CallReturn, TargetError> {
        let seen = self.target.call(Endpoint::A, &op, false)?.expect("in the foreground");
        let What::Call(call) = &seen.what else { panic!("not a call: {seen:?}") };
        assert!(call.left >= seen.at && call.wrong_byte.is_none(), "{call:?}");
        Ok(call.result)
    }

    fn call(&mut self, call: Call) -> Result<CallReturn, TargetError> {
        self.op(operation(None, None, OperationCall::Socket(call)))
    }

    fn inject(&mut self, flags: Flags, data_len: u32) -> Result<(), TargetError> {
        let identity = self.target.endpoints().remove(0);
        let segment = Segment { seq: self.seq, ack: self.ack, flags, wnd: 65_535, data_len, ..Segment::default() };
        let data: Vec<u8> = (0..data_len).map(|i| wire::stream_byte(self.seq.0 - 1001 + i)).collect();
        self.target.inject(Endpoint::A, &wire::craft(identity.remote, identity.local, &segment, &[], &data))
    }

    /// Waits a second at most for something.
    fn until<T>(&mut self, mut wanted: impl FnMut(&Seen) -> Option<T>) -> Result<T, TargetError> {
        let until = self.target.now() + SECOND;
        while let Some(seen) = self.target.observe(until)? {
            self.seen.push(seen);
            if let Some(found) = wanted(self.seen.last().expect("just pushed")) {
                return Ok(found);
            }
        }
        let seen: Vec<String> = self.seen.iter().map(line).collect();
        Err(TargetError::Failed(format!("nothing within a second; seen:\n{}", seen.join("\n"))))
    }

    /// Waits for a segment that the kernel sends.
    fn segment(&mut self, wanted: impl Fn(&Packet) -> bool) -> Result<Packet, TargetError> {
        self.until(|seen| out(seen).filter(|packet| wanted(packet)))
    }

    /// Nothing that the kernel sends for this long.
    fn silence(&mut self, how_long: Duration) -> Result<(), TargetError> {
        let until = self.target.now() + how_long.as_nanos() as u64;
        while let Some(seen) = self.target.observe(until)? {
            assert!(out(&seen).is_none(), "{seen:?}");
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Sample, TargetError> {
        let seen = self.target.sample(Endpoint::A, Source::SockDiag)?;
        let What::Sample(sample) = seen.what else { panic!("not a sample: {seen:?}") };
        Ok(sample)
    }
}

fn line(seen: &Seen) -> String {
    let What::Segment(segment) = &seen.what else { return format!("{:>12} {:?}", seen.at, seen.what) };
    match wire::parse(&segment.packet) {
        Ok(p) => format!("{:>12} {:?} {:?} checksum {}", seen.at, segment.way, p.segment, p.checksum_ok),
        Err(error) => format!("{:>12} {:?} {error}", seen.at, segment.way),
    }
}

fn out(seen: &Seen) -> Option<Packet> {
    let What::Segment(segment) = &seen.what else { return None };
    (segment.way == Way::Out).then(|| wire::parse(&segment.packet).expect("a segment"))
}

fn operation(descriptor: Option<&str>, makes: Option<&str>, call: OperationCall) -> Operation {
    Operation { descriptor: descriptor.map(str::to_string), makes: makes.map(str::to_string), call }
}

fn passive_open_and_close_to_time_wait() -> Result<(), Failed> {
    let mut hand = Hand::accepted(IpVersion::Ipv4)?;
    assert_eq!(hand.state()?.state, State::Established);
    assert_eq!(hand.call(Call::Close)?, CallReturn::Value(0));
    hand.segment(|p| p.segment.has(Flags::FIN))?;
    let sample = hand.state()?;
    assert_eq!((sample.state, sample.timer.map(|t| t.kind)), (State::FinWait1, Some(TimerKind::Retransmit)));
    hand.ack = hand.ack + 1;
    hand.inject(Flags::ACK, 0)?;
    assert_eq!(hand.state()?.state, State::FinWait2);
    hand.inject(Flags::FIN | Flags::ACK, 0)?;
    hand.segment(|p| p.segment.flags == Flags::ACK)?;
    let sample = hand.state()?;
    assert_eq!(sample.state, State::TimeWait);
    let timer = sample.timer.expect("TIME-WAIT has a timer");
    assert!(timer.kind == TimerKind::TimeWait && (59_000..=60_100).contains(&timer.expires_ms), "{timer:?}");
    if testbed().tracepoint_lack().is_none() {
        let to = |seen: &Seen| {
            let What::Transition(transition) = &seen.what else { return None };
            Some(transition.to)
        };
        if !hand.seen.iter().any(|seen| to(seen) == Some(State::Closed)) {
            hand.until(|seen| to(seen).filter(|state| *state == State::Closed))?;
        }
        let states: Vec<State> = hand.seen.iter().filter_map(to).collect();
        assert_eq!(states, [State::Established, State::FinWait1, State::FinWait2, State::Closed]);
    }
    let ins = hand.seen.iter().filter(|s| matches!(&s.what, What::Segment(s) if s.way == Way::In)).count();
    assert_eq!(ins, 4, "{:#?}", hand.seen);
    Ok(())
}

fn active_open_over_ipv6() -> Result<(), Failed> {
    let mut hand = Hand::new(IpVersion::Ipv6)?;
    assert_eq!(hand.state()?.state, State::Closed);
    assert_eq!(hand.call(Call::SetOption(SocketOption::Linger2(10)))?, CallReturn::Value(0));
    assert_eq!(hand.call(Call::GetOption(SocketOption::Linger2(0)))?, CallReturn::Value(10));
    assert_eq!(hand.call(Call::Connect)?, CallReturn::Error(Errno::INPROGRESS));
    let syn = hand.segment(|p| p.segment.flags == Flags::SYN)?;
    assert_eq!(hand.state()?.state, State::SynSent);
    hand.ack = syn.segment.seq + 1;
    hand.inject(Flags::SYN | Flags::ACK, 0)?;
    hand.segment(|p| p.segment.flags == Flags::ACK)?;
    assert_eq!(hand.call(Call::Connect)?, CallReturn::Value(0));
    assert_eq!(hand.call(Call::Poll)?, CallReturn::Events(Poll::OUT));
    let info = hand.target.sample(Endpoint::A, Source::TcpInfo)?;
    assert!(matches!(&info.what, What::Sample(s) if s.state == State::Established), "{info:?}");
    hand.seq = hand.seq + 1;
    hand.inject(Flags::RST | Flags::ACK, 0)?;
    assert_eq!(hand.state()?.state, State::Closed);
    assert_eq!(hand.call(Call::Receive { len: 1, peek: false })?, CallReturn::Error(Errno::CONNRESET));
    Ok(())
}

fn data_is_counted_and_checked() -> Result<(), Failed> {
    let mut hand = Hand::accepted(IpVersion::Ipv4)?;
    hand.inject(Flags::PSH | Flags::ACK, 100)?;
    assert_eq!(hand.state()?.receive_queue, Some(100));
    assert_eq!(hand.call(Call::Receive { len: 30, peek: true })?, CallReturn::Value(30));
    assert_eq!(hand.call(Call::Receive { len: 60, peek: false })?, CallReturn::Value(60));
    assert_eq!(hand.call(Call::Receive { len: 60, peek: false })?, CallReturn::Value(40));
    assert_eq!(hand.call(Call::Receive { len: 60, peek: false })?, CallReturn::Error(Errno::AGAIN));
    hand.inject(Flags::PSH | Flags::ACK, 10)?;
    let again = operation(None, None, OperationCall::Socket(Call::Receive { len: 10, peek: false }));
    // The same bytes as at the start are old; nothing new is there.
    assert_eq!(hand.op(again)?, CallReturn::Error(Errno::AGAIN));

    assert_eq!(hand.call(Call::Send { len: 3000, more: false })?, CallReturn::Value(3000));
    let mut offset = 0;
    while offset < 3000 {
        let packet = hand.segment(|p| p.segment.data_len > 0)?;
        assert!(packet.segment.data_len <= 1460, "no segmentation offload");
        offset += packet.segment.data_len;
    }
    let sent: Vec<u8> = hand
        .seen
        .iter()
        .filter_map(|seen| {
            let What::Segment(s) = &seen.what else { return None };
            (s.way == Way::Out).then(|| s.packet[wire::parse(&s.packet).expect("a segment").data_at..].to_vec())
        })
        .flatten()
        .collect();
    assert!(sent.iter().zip(0..).all(|(byte, at)| *byte == wire::stream_byte(at)), "the stream's bytes");
    Ok(())
}

fn a_killed_child_sends_fin() -> Result<(), Failed> {
    for ending in [OperationCall::Kill, OperationCall::Exit] {
        let mut hand = Hand::accepted(IpVersion::Ipv4)?;
        hand.op(operation(None, Some("child"), OperationCall::Handover))?;
        hand.silence(Duration::from_millis(20))?;
        assert_eq!(hand.state()?.state, State::Established);
        hand.op(operation(Some("child"), None, ending))?;
        assert_eq!(hand.state()?.state, State::FinWait1);
        hand.segment(|p| p.segment.has(Flags::FIN))?;
    }
    Ok(())
}

fn a_dup_holds_the_fin_back() -> Result<(), Failed> {
    let mut hand = Hand::accepted(IpVersion::Ipv4)?;
    hand.op(operation(None, Some("spare"), OperationCall::Socket(Call::Dup)))?;
    hand.call(Call::Close)?;
    hand.silence(Duration::from_millis(20))?;
    assert_eq!(hand.state()?.state, State::Established);
    hand.op(operation(Some("spare"), None, OperationCall::Socket(Call::Close)))?;
    hand.segment(|p| p.segment.has(Flags::FIN))?;
    Ok(())
}

fn a_lingering_close_returns_in_the_background() -> Result<(), Failed> {
    let mut hand = Hand::accepted(IpVersion::Ipv4)?;
    hand.call(Call::SetOption(SocketOption::Linger(Some(5))))?;
    assert_eq!(hand.call(Call::GetOption(SocketOption::Linger(None)))?, CallReturn::Value(5));
    let close = operation(None, None, OperationCall::Socket(Call::Close));
    assert_eq!(hand.target.call(Endpoint::A, &close, true)?, None);
    hand.segment(|p| p.segment.has(Flags::FIN))?;
    hand.silence(Duration::from_millis(20))?;
    hand.ack = hand.ack + 1;
    hand.inject(Flags::ACK, 0)?;
    let result = hand.until(|seen| {
        let What::Call(call) = &seen.what else { return None };
        Some(call.result)
    })?;
    assert_eq!(result, CallReturn::Value(0));
    Ok(())
}

fn a_listener_is_not_the_connection() -> Result<(), Failed> {
    let mut hand = Hand::new(IpVersion::Ipv4)?;
    hand.call(Call::Listen { backlog: 4 })?;
    assert_eq!(hand.state()?.state, State::Listen);
    hand.inject(Flags::SYN, 0)?;
    let answer = hand.segment(|p| p.segment.has(Flags::SYN | Flags::ACK))?;
    assert_eq!(hand.state()?.state, State::SynReceived);
    hand.seq = hand.seq + 1;
    hand.ack = answer.segment.seq + 1;
    // A request that is reset leaves the listener as it was.
    hand.inject(Flags::RST, 0)?;
    assert_eq!(hand.state()?.state, State::Listen);
    hand.seq = Seq(1000);
    hand.inject(Flags::SYN, 0)?;
    let answer = hand.segment(|p| p.segment.has(Flags::SYN | Flags::ACK))?;
    hand.seq = hand.seq + 1;
    hand.ack = answer.segment.seq + 1;
    hand.inject(Flags::ACK, 0)?;
    hand.inject(Flags::RST, 0)?;
    assert_eq!(hand.state()?.state, State::Closed);
    Ok(())
}

fn two_kernels_shake_hands_through_the_relay() -> Result<(), Failed> {
    for ip in [IpVersion::Ipv4, IpVersion::Ipv6] {
        let mut target = KernelTarget::new(testbed(), &case(Topology::TwoKernels, ip))?;
        let mut call = |on, call| -> Result<CallReturn, TargetError> {
            let op = operation(None, None, OperationCall::Socket(call));
            let until = target.now() + 20_000_000;
            let seen = target.call(on, &op, false)?.expect("in the foreground");
            while target.observe(until)?.is_some() {}
            let What::Call(call) = seen.what else { panic!("not a call") };
            Ok(call.result)
        };
        call(Endpoint::B, Call::Listen { backlog: 1 })?;
        assert_eq!(call(Endpoint::A, Call::Connect)?, CallReturn::Error(Errno::INPROGRESS));
        assert_eq!(call(Endpoint::A, Call::Connect)?, CallReturn::Value(0));
        assert_eq!(call(Endpoint::B, Call::Accept)?, CallReturn::Value(0));
        assert_eq!(call(Endpoint::A, Call::Send { len: 10_000, more: false })?, CallReturn::Value(10_000));
        assert_eq!(call(Endpoint::B, Call::Receive { len: 20_000, peek: false })?, CallReturn::Value(10_000));
        call(Endpoint::A, Call::Shutdown(ShutdownHow::Write))?;
        call(Endpoint::B, Call::Close)?;
        let state = |target: &mut KernelTarget, of| {
            let seen = target.sample(of, Source::SockDiag);
            let Ok(Seen { what: What::Sample(sample), .. }) = seen else { panic!("not a sample: {seen:?}") };
            sample.state
        };
        assert_eq!(state(&mut target, Endpoint::A), State::TimeWait);
        assert_eq!(state(&mut target, Endpoint::B), State::Closed);
    }
    Ok(())
}

/// The first FIN from `a` is lost and its retransmission 30 ms late.
fn the_relay_drops_and_delays() -> Result<(), Failed> {
    let mut target = KernelTarget::new(testbed(), &case(Topology::TwoKernels, IpVersion::Ipv4))?;
    let mut seen = Vec::new();
    let mut call = |target: &mut KernelTarget, on, call, wait_ns: u64| -> Result<(), TargetError> {
        seen.extend(target.call(on, &operation(None, None, OperationCall::Socket(call)), false)?);
        let until = target.now() + wait_ns;
        while let Some(one) = target.observe(until)? {
            seen.push(one);
        }
        Ok(())
    };
    call(&mut target, Endpoint::B, Call::Listen { backlog: 1 }, 0)?;
    call(&mut target, Endpoint::A, Call::Connect, 20_000_000)?;
    call(&mut target, Endpoint::B, Call::Accept, 0)?;
    let pattern = notation::parse_pattern("F.").map_err(|error| format!("{error:?}"))?;
    for action in [RelayAction::Drop, RelayAction::Delay(Duration::from_millis(30))] {
        target.relay(&RelayRule { from: Endpoint::A, pattern: pattern.clone(), action, times: Some(1) })?;
    }
    call(&mut target, Endpoint::A, Call::Shutdown(ShutdownHow::Write), 600_000_000)?;

    let of_fin = |on: Endpoint, way: Way| {
        seen.iter()
            .filter(|one| {
                let What::Segment(segment) = &one.what else { return false };
                segment.on == on
                    && segment.way == way
                    && wire::parse(&segment.packet).is_ok_and(|p| p.segment.has(Flags::FIN))
            })
            .map(|one| one.at)
            .collect::<Vec<_>>()
    };
    let (sent, received) = (of_fin(Endpoint::A, Way::Out), of_fin(Endpoint::B, Way::In));
    let fates: Vec<(u64, Fate)> = seen
        .iter()
        .filter_map(|one| {
            let What::Relay(act) = &one.what else { return None };
            Some((act.emitted_at, act.act))
        })
        .collect();
    assert!(sent.len() >= 2 && received.len() == 1, "sent {sent:?}, received {received:?}");
    assert_eq!(fates, [(sent[0], Fate::Dropped), (sent[1], Fate::Delayed(30_000_000))]);
    let late = received[0] - sent[1] - 30_000_000;
    println!("a delivery 30 ms later was {:.1} us late", late as f64 / 1e3);
    assert!(late < 20_000_000, "{late} ns late");
    Ok(())
}

/// Plays two hosts by hand, and keeps what is seen.
struct Hosts {
    target: KernelTarget,
    seen: Vec<Seen>,
}

impl Hosts {
    /// A connection from `a` to `b`.
    fn connected(topology: Topology, ip: IpVersion) -> Result<Hosts, TargetError> {
        let case = Case { open: Open::Active, ..case(topology, ip) };
        let mut hosts = Hosts { target: KernelTarget::new(testbed(), &case)?, seen: Vec::new() };
        hosts.call(Endpoint::B, OperationCall::Socket(Call::Listen { backlog: 1 }))?;
        hosts.call(Endpoint::A, OperationCall::Socket(Call::Connect))?;
        assert_eq!(hosts.call(Endpoint::B, OperationCall::Socket(Call::Accept))?, CallReturn::Value(0));
        Ok(hosts)
    }

    /// A call, and what happens within 20 ms.
    fn call(&mut self, on: Endpoint, call: OperationCall) -> Result<CallReturn, TargetError> {
        let returned = self.target.call(on, &operation(None, None, call), false)?.expect("in the foreground");
        let What::Call(call) = &returned.what else { panic!("not a call") };
        let result = call.result;
        self.seen.push(returned);
        self.watch(20_000_000)?;
        Ok(result)
    }

    fn watch(&mut self, ns: u64) -> Result<(), TargetError> {
        let until = self.target.now() + ns;
        while let Some(one) = self.target.observe(until)? {
            self.seen.push(one);
        }
        Ok(())
    }

    /// The segments that went this way on a host's link since it was last asked.
    fn segments(&mut self, on: Endpoint, way: Way) -> Vec<Segment> {
        let of_way = |one: &Seen| {
            let What::Segment(segment) = &one.what else { return None };
            let wanted = segment.on == on && segment.way == way;
            wanted.then(|| wire::parse(&segment.packet).expect("a segment").segment)
        };
        std::mem::take(&mut self.seen).iter().filter_map(of_way).collect()
    }
}

fn a_router_lets_segments_die() -> Result<(), Failed> {
    for ip in [IpVersion::Ipv4, IpVersion::Ipv6] {
        let mut hosts = Hosts::connected(Topology::Routed, ip)?;
        let arrived = hosts.segments(Endpoint::B, Way::In);
        assert!(arrived.iter().all(|segment| segment.hop_limit == 63) && arrived.len() == 2, "{arrived:?}");
        let option = match ip {
            IpVersion::Ipv4 => SocketOption::TimeToLive(1),
            IpVersion::Ipv6 => SocketOption::UnicastHops(1),
        };
        hosts.call(Endpoint::A, OperationCall::Socket(Call::SetOption(option)))?;
        hosts.call(Endpoint::A, OperationCall::Socket(Call::Send { len: 10, more: false }))?;
        let errors: Vec<_> = hosts
            .seen
            .iter()
            .filter_map(|one| {
                let What::Icmp(error) = &one.what else { return None };
                Some((error.on, wire::parse_icmp(&error.packet).expect("an error").kind))
            })
            .collect();
        assert_eq!(errors, [(Endpoint::A, IcmpKind::TimeExceeded)]);
        assert_eq!(hosts.segments(Endpoint::B, Way::In), []);
    }
    Ok(())
}

/// `b` has sent data that is not acknowledged, and closed; what its kernel does about both is not heard of again.
fn a_host_reboots_without_a_word() -> Result<(), Failed> {
    let mut hosts = Hosts::connected(Topology::TwoKernels, IpVersion::Ipv4)?;
    let pattern = notation::parse_pattern("*").map_err(|error| format!("{error:?}"))?;
    hosts.target.relay(&RelayRule { from: Endpoint::B, pattern, action: RelayAction::Drop, times: Some(2) })?;
    hosts.call(Endpoint::B, OperationCall::Socket(Call::Send { len: 10, more: false }))?;
    hosts.call(Endpoint::B, OperationCall::Socket(Call::Close))?;
    hosts.seen.clear();
    assert_eq!(hosts.call(Endpoint::B, OperationCall::Reboot)?, CallReturn::Value(0));
    hosts.watch(500_000_000)?;
    let heard: Vec<_> = hosts.seen.iter().filter(|one| !matches!(one.what, What::Call(_))).collect();
    assert!(heard.is_empty(), "{heard:?}");
    hosts.call(Endpoint::A, OperationCall::Socket(Call::Send { len: 10, more: false }))?;
    let answers = hosts.segments(Endpoint::B, Way::Out);
    assert!(answers.len() == 1 && answers[0].flags == Flags::RST, "{answers:?}");

    hosts.call(Endpoint::B, OperationCall::Crash)?;
    let seen = hosts.target.sample(Endpoint::B, Source::SockDiag)?;
    assert!(matches!(seen.what, What::Sample(Sample { state: State::Closed, .. })), "{seen:?}");
    assert!(hosts.call(Endpoint::B, OperationCall::Socket(Call::Listen { backlog: 1 })).is_err());
    hosts.call(Endpoint::B, OperationCall::Reboot)?;
    hosts.call(Endpoint::B, OperationCall::Socket(Call::Listen { backlog: 1 }))?;
    Ok(())
}

fn sysctls_are_recorded() -> Result<(), Failed> {
    let mut with = case(Topology::Crafted, IpVersion::Ipv4);
    with.sysctls = [("tcp_fin_timeout".to_string(), "5".to_string())].into();
    let sysctls = KernelTarget::new(testbed(), &with)?.endpoints().remove(0).sysctls;
    let value = |name: &str| sysctls.get(name).map(String::as_str);
    assert_eq!(value("tcp_fin_timeout"), Some("5"));
    assert_eq!(value("tcp_congestion_control"), Some("reno"));
    assert_eq!(value("tcp_orphan_retries"), Some("0"));
    assert_eq!(value("tcp_rmem"), Some("4096 131072 6291456"));
    with.sysctls = [("tcp_no_such".to_string(), "5".to_string())].into();
    assert!(
        matches!(KernelTarget::new(testbed(), &with), Err(TargetError::Unsupported(text)) if text.contains("tcp_no_such"))
    );
    with.sysctls = [("tcp_fin_timeout".to_string(), "often".to_string())].into();
    assert!(matches!(KernelTarget::new(testbed(), &with), Err(TargetError::Failed(_))));
    Ok(())
}

fn bad_calls_are_told() -> Result<(), Failed> {
    let mut hand = Hand::new(IpVersion::Ipv4)?;
    for call in [Call::Close, Call::Send { len: 1, more: false }, Call::Dup] {
        assert_eq!(hand.call(call)?, CallReturn::Error(Errno::BADF), "no descriptor is open");
    }
    let error = hand.call(Call::Accept).expect_err("there is no listener");
    assert!(matches!(&error, TargetError::Failed(text) if !text.is_empty()), "{error:?}");
    assert!(hand.op(operation(Some("child"), None, OperationCall::Kill)).is_err());
    assert!(hand.target.sample(Endpoint::B, Source::SockDiag).is_err());
    assert!(hand.target.inject(Endpoint::A, &[0; 2000]).is_err());
    Ok(())
}

/// From the stamp of what we inject to the kernel's answer in our hands.
fn a_name_stands_for_what_was_made_last() -> Result<(), Failed> {
    let mut hand = Hand::new(IpVersion::Ipv4)?;
    let mut spare = |makes: bool, call| {
        let (used, made) = if makes { (None, Some("spare")) } else { (Some("spare"), None) };
        hand.op(operation(used, made, call))
    };
    let nothing = CallReturn::Error(Errno::BADF);
    assert_eq!(spare(true, OperationCall::Socket(Call::Dup))?, nothing, "there is nothing to duplicate");
    assert_eq!(spare(false, OperationCall::Socket(Call::Close))?, nothing);
    assert_eq!(spare(true, OperationCall::Open)?, CallReturn::Value(0));
    assert_eq!(spare(false, OperationCall::Socket(Call::Close))?, CallReturn::Value(0));
    assert_eq!(spare(false, OperationCall::Socket(Call::Close))?, nothing, "closed twice");
    Ok(())
}

fn the_answer_comes_at_once() -> Result<(), Failed> {
    let mut hand = Hand::accepted(IpVersion::Ipv4)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let before = hand.target.now();
        // Old data is acknowledged every time.
        hand.inject(Flags::PSH | Flags::ACK, 1)?;
        let mut injected = None;
        let answered = hand.until(|seen| {
            let What::Segment(segment) = &seen.what else { return None };
            if segment.way == Way::In {
                injected = Some(seen.at);
                return None;
            }
            injected.map(|_| seen.at)
        })?;
        let now = hand.target.now();
        let stamp = injected.expect("the injected frame is seen");
        assert!(before <= stamp && stamp <= answered && answered <= now);
        times.push((now - stamp, answered - stamp, stamp - before));
    }
    let median = |part: fn(&(u64, u64, u64)) -> u64| {
        let mut all: Vec<u64> = times.iter().map(part).collect();
        all.sort();
        all[all.len() / 2] as f64 / 1e3
    };
    println!(
        "injection stamp to the answer in our hands: median {:.1} us; to the answer's stamp {:.1} us; before the stamp {:.1} us",
        median(|t| t.0),
        median(|t| t.1),
        median(|t| t.2)
    );
    Ok(())
}

fn set_up_and_tear_down() -> Result<(), Failed> {
    for topology in [Topology::Crafted, Topology::TwoKernels] {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let start = Instant::now();
            let target = KernelTarget::new(testbed(), &case(topology, IpVersion::Ipv4))?;
            up.push(start.elapsed());
            let start = Instant::now();
            drop(target);
            down.push(start.elapsed());
        }
        up.sort();
        down.sort();
        println!("{topology:?}: set up in {:?} (median; worst {:?}), torn down in {:?}", up[20], up[39], down[20]);
    }
    Ok(())
}

/// All 200 wait for ten minutes, half of them with an orphan that nobody answers.
fn stop_interrupts_all() {
    let all_wait = Arc::new(Barrier::new(201));
    let waiting: Vec<_> = (0..200)
        .map(|n| {
            let all_wait = Arc::clone(&all_wait);
            thread::spawn(move || {
                let mut hand = Hand::accepted(IpVersion::Ipv4).expect("a connection");
                if n % 2 == 0 {
                    hand.call(Call::Close).expect("closed");
                }
                all_wait.wait();
                let until = hand.target.now() + 600 * SECOND;
                let ended = loop {
                    match hand.target.observe(until) {
                        Ok(Some(_)) => {}
                        other => break other,
                    }
                };
                assert_eq!(ended, Err(TargetError::Interrupted));
            })
        })
        .collect();
    all_wait.wait();
    let started = Instant::now();
    testbed().stop();
    for thread in waiting {
        thread.join().expect("interrupted");
    }
    println!("200 cases interrupted and dropped in {:?}", started.elapsed());
}
