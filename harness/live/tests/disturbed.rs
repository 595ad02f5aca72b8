//! What goes wrong around a case on the running kernel: frames from elsewhere on the link, and a sysctl that is not what the trace
//! says; skipped, with the reason, where that is not allowed.

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tcpconform_engine::case::{Case, Endpoint, Host, IpVersion, Operation, RelayRule};
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::load;
use tcpconform_engine::play::{Seen, Target, TargetError, play};
use tcpconform_engine::trace::{EndpointIdentity, Nanos, Source, TargetIdentity, Time, Trace, What};
use tcpconform_engine::wire;
use tcpconform_live::{KernelTarget, Testbed};
use tcpconform_model::{Flags, Segment};

static TESTBED: OnceLock<Arc<Testbed>> = OnceLock::new();

fn main() {
    let arguments = Arguments::from_args();
    let prepared = Testbed::prepare(Time::Real);
    let ignored = prepared.is_err();
    match prepared {
        Ok(testbed) => TESTBED.set(testbed).expect("set once"),
        Err(error) => println!("skipped: {error}"),
    }
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(name, test).with_ignored_flag(ignored);
    let trials = vec![
        trial("frames_from_elsewhere_do_not_disturb", frames_from_elsewhere_do_not_disturb),
        trial("a_frame_for_the_host_does", a_frame_for_the_host_does),
        trial("a_sysctl_that_is_not_what_the_trace_says_is_found", a_sysctl_that_is_not_what_the_trace_says_is_found),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn testbed() -> &'static Arc<Testbed> {
    TESTBED.get().expect("prepared by main")
}

fn cases(text: &str) -> Result<Vec<Case>, Failed> {
    load::catalogue_embedded(&[("disturbed.yaml", text)]).map_err(|wrong| wrong.render(false).into())
}

/// The frames that go with a packet that the case injects.
type Frames = dyn Fn(&EndpointIdentity, &[u8]) -> Vec<Vec<u8>>;

/// The kernel on a link with other traffic: before and behind everything that the case injects.
struct Busy<'f> {
    target: KernelTarget,
    frames: &'f Frames,
    sent: usize,
}

impl Busy<'_> {
    fn disturb(&mut self, to: Endpoint, packet: &[u8]) -> Result<(), TargetError> {
        let identity = self.target.endpoints().remove(0);
        for frame in (self.frames)(&identity, packet) {
            self.target.disturb(to, &frame)?;
            self.sent += 1;
        }
        Ok(())
    }
}

impl Target for Busy<'_> {
    fn identity(&self) -> TargetIdentity {
        self.target.identity()
    }

    fn endpoints(&self) -> Vec<EndpointIdentity> {
        self.target.endpoints()
    }

    fn started_unix_ns(&self) -> u64 {
        self.target.started_unix_ns()
    }

    fn now(&mut self) -> Nanos {
        self.target.now()
    }

    fn call(&mut self, on: Endpoint, op: &Operation, background: bool) -> Result<Option<Seen>, TargetError> {
        self.target.call(on, op, background)
    }

    fn inject(&mut self, to: Endpoint, packet: &[u8]) -> Result<(), TargetError> {
        self.disturb(to, packet)?;
        self.target.inject(to, packet)?;
        self.disturb(to, packet)
    }

    fn sample(&mut self, of: Endpoint, source: Source) -> Result<Seen, TargetError> {
        self.target.sample(of, source)
    }

    fn observe(&mut self, until: Nanos) -> Result<Option<Seen>, TargetError> {
        self.target.observe(until)
    }

    fn ports(&mut self, of: Host, first: u16, last: u16) -> Result<(), TargetError> {
        self.target.ports(of, first, last)
    }

    /// What else is on the link is counted too.
    fn counters(&mut self, _: Host) -> Result<Option<Seen>, TargetError> {
        Ok(None)
    }

    fn relay(&mut self, rule: &RelayRule) -> Result<(), TargetError> {
        self.target.relay(rule)
    }
}

const CLOSE: &str = "purpose: An active close.
cites: [RFC 9293 3.6]
variants:
  timestamps: [ts, no-ts]
steps:
  - establish
  - a: write(10)
  - inject: \". ack 11\"
  - a: close()
  - expect: \"F. 11:11(0) ack 1\"
  - inject: \". ack 12\"
  - state: FIN-WAIT-2
  - inject: \"F. 1:1(0) ack 12\"
  - expect: \". 12:12(0) ack 2\"
  - state: TIME-WAIT
";

const HOST: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const NEIGHBOUR: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

fn frame(to: [u8; 6], kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&to[..], &NEIGHBOUR, &kind, payload].concat()
}

fn kind_of(packet: &[u8]) -> [u8; 2] {
    if packet.first().is_some_and(|first| first >> 4 == 6) { [0x86, 0xdd] } else { [0x08, 0x00] }
}

/// The same packet with RST in it: it would end the connection where the packet is in order.
fn reset(packet: &[u8]) -> Vec<u8> {
    let parsed = wire::parse(packet).expect("the case's own");
    let segment = Segment { flags: Flags::RST, data_len: 0, ..parsed.segment };
    wire::craft(parsed.source, parsed.destination, &segment, &wire::encode_options(&segment.options), &[])
}

/// All that may be on a link beside the connection.
fn elsewhere(identity: &EndpointIdentity, packet: &[u8]) -> Vec<Vec<u8>> {
    let (reset, kind) = (reset(packet), kind_of(packet));
    let to_all = [0xff; 6];
    let tagged = |vlan: u8, packet: &[u8]| frame(HOST, [0x81, 0x00], &[&[0, vlan], &kind[..], packet].concat());
    let (mut other_local, mut other_remote) = (identity.local, identity.remote);
    other_local.set_port(9);
    other_remote.set_port(9);
    let syn = Segment { flags: Flags::SYN, wnd: 1000, ..Segment::default() };
    let crafted = |from, to, segment: &Segment| wire::craft(from, to, segment, &[], &[]);
    let mut udp = packet.to_vec();
    udp[if identity.local.is_ipv4() { 9 } else { 6 }] = 17;
    let noise =
        |seed: u8, len: usize| (0..len).map(|i| (i as u8).wrapping_mul(151).wrapping_add(seed)).collect::<Vec<u8>>();
    let mut jumbo = reset.clone();
    jumbo.resize(1500, 0);
    vec![
        // For other hosts, for all of them, for another VLAN; as long as a VLAN's frame may be.
        frame([2, 0, 0, 0, 0, 0x77], kind, &reset),
        frame(to_all, kind, &reset),
        tagged(5, &reset),
        tagged(5, &jumbo),
        // Of other connections.
        frame(HOST, kind, &crafted(other_remote, identity.local, &Segment { flags: Flags::RST, ..syn })),
        frame(HOST, kind, &crafted(identity.remote, other_local, &syn)),
        frame(HOST, kind, &udp),
        // Of other protocols.
        frame(to_all, [0x08, 0x06], &noise(1, 28)),
        frame(HOST, [0x88, 0xcc], &noise(2, 60)),
        frame(HOST, [0x86, 0xdd], &noise(3, 90)),
        frame(HOST, [0x08, 0x00], &noise(4, 90)),
        // Cut off, down to nothing.
        frame(HOST, kind, &reset[..reset.len() / 2]),
        frame(HOST, kind, &reset[..1]),
        frame(HOST, kind, &[]),
        frame(HOST, [0, 3], &[0xaa, 0xaa, 3]),
    ]
}

fn played(case: &Case, frames: &Frames) -> Result<(Trace, usize), Failed> {
    let mut busy = Busy { target: KernelTarget::new(testbed(), case)?, frames, sent: 0 };
    let trace = play(case, &mut busy, &|_| ())?;
    Ok((trace, busy.sent))
}

/// Whole ones: what is cut off is nobody's, and judged as damage.
fn segments(trace: &Trace) -> usize {
    let whole = |what: &What| matches!(what, What::Segment(seen) if wire::parse(&seen.packet).is_ok());
    trace.records.iter().filter(|record| whole(&record.what)).count()
}

fn is(judgement: &Judgement, verdict: Verdict) -> Result<(), Failed> {
    if judgement.verdict == verdict {
        return Ok(());
    }
    Err(format!("{} {}: {:?} {:#?}", judgement.name(), judgement.verdict, judgement.reason, judgement.findings).into())
}

fn frames_from_elsewhere_do_not_disturb() -> Result<(), Failed> {
    for case in cases(CLOSE)? {
        let (quiet, _) = played(&case, &|_, _| Vec::new())?;
        let (busy, sent) = played(&case, &elsewhere)?;
        is(&judge(&quiet), Verdict::Pass)?;
        is(&judge(&busy), Verdict::Pass)?;
        assert!(sent > 100, "{sent}");
        assert_eq!(segments(&busy), segments(&quiet), "{}", case.name());
    }
    Ok(())
}

/// The frames of the other test would have done harm, had they been for the host.
fn a_frame_for_the_host_does() -> Result<(), Failed> {
    let resets = |_: &EndpointIdentity, packet: &[u8]| {
        let is_close = wire::parse(packet).is_ok_and(|parsed| parsed.segment.has(Flags::FIN));
        if is_close { vec![frame(HOST, kind_of(packet), &reset(packet))] } else { Vec::new() }
    };
    for case in cases(CLOSE)?.into_iter().filter(|case| case.ip == IpVersion::Ipv4) {
        let (trace, _) = played(&case, &resets)?;
        is(&judge(&trace), Verdict::Inconclusive)?;
    }
    Ok(())
}

const ORPHAN: &str = "purpose: An orphan in FIN-WAIT-2.
cites: [Linux sysctl tcp_fin_timeout]
steps:
  - establish
  - a: close()
  - expect: \"F. 1:1(0) ack 1\"
  - inject: \". ack 2\"
  - state: FIN-WAIT-2
";

/// Somebody has made it 10 s after the case had made it 60 s, and had read it back.
fn a_sysctl_that_is_not_what_the_trace_says_is_found() -> Result<(), Failed> {
    const NAME: &str = "tcp_fin_timeout";
    for mut case in cases(ORPHAN)? {
        case.sysctls.insert(NAME.to_owned(), "10".to_owned());
        let (mut trace, _) = played(&case, &|_, _| Vec::new())?;
        is(&judge(&trace), Verdict::Pass)?;
        trace.header.endpoints[0].sysctls.insert(NAME.to_owned(), "60".to_owned());
        let judgement = judge(&trace);
        is(&judgement, Verdict::Fail)?;
        assert_eq!(judgement.findings[0].rule, "fin-wait-2/orphan-timeout");
    }
    Ok(())
}
