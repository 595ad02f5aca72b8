//! What this machine allows, each with the command that helps where it does not.
//!
//! Owns the list of checks. Refuses to change anything on the machine: what it tries is tried in namespaces of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use tcpconform_engine::case::{Case, Endpoint, IpVersion, Open, Operation, OperationCall, PeerOptions, Topology};
use tcpconform_engine::play::Target;
use tcpconform_engine::trace::{Time, Way, What};
use tcpconform_engine::wire;
use tcpconform_model::{Call, Flags, Segment, State};
use tcpconform_netns::{Namespace, Privileges, probe_user_namespace};

use crate::clock::hz;
use crate::kernel_target::KernelTarget;
use crate::sock_diag::{DiagSocket, Diagnosis};
use crate::testbed::Testbed;

/// One thing that playing on the kernel needs or uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether nothing can be played without it.
    pub required: bool,
    /// What was found, or what is missing and the command that helps.
    pub outcome: Result<String, String>,
}

/// Looks at everything. To be called while the process has one thread; prepares a testbed and gives it up again.
pub fn examine() -> Vec<Check> {
    let required = |name, outcome| Check { name, required: true, outcome };
    let optional = |name, outcome| Check { name, required: false, outcome };
    let user_namespace = probe_user_namespace().map_err(|error| error.to_string());
    let mut checks =
        vec![optional("user namespace", user_namespace.map(|()| "an ordinary user can run this too".to_string()))];
    let testbed = match Testbed::prepare(Time::Real) {
        Ok(testbed) => testbed,
        Err(error) => {
            checks.push(required("privileges", Err(error.to_string())));
            return checks;
        }
    };
    checks.push(required(
        "privileges",
        Ok(match testbed.privileges() {
            Privileges::Root => "root".to_string(),
            Privileges::UserNamespace => "root in a user namespace".to_string(),
        }),
    ));
    checks.push(required("kernel", Ok(testbed.release().to_string())));
    checks.push(required(
        "timer tick",
        match hz() {
            0 => {
                Err("clock_getres(CLOCK_MONOTONIC_COARSE) tells no tick; build with CONFIG_POSIX_TIMERS=y".to_string())
            }
            hz => Ok(format!("HZ {hz}")),
        },
    ));
    checks.push(required("descriptors", descriptors()));
    checks.push(optional("ipv6", ipv6()));
    checks.push(required("links, capture with time stamps", play_on(&testbed)));
    checks.push(required("states by sock_diag", time_wait_is_told()));
    checks.push(optional(
        "state changes by tracepoint",
        testbed
            .tracepoint_lack()
            .map_or_else(|| Ok("sock:inet_sock_set_state".to_string()), |lack| Err(lack.to_string())),
    ));
    checks
}

fn descriptors() -> Result<String, String> {
    use nix::sys::resource::{Resource, getrlimit};
    /// A hundred cases in flight.
    const ENOUGH: u64 = 1024;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| errno.to_string())?;
    if hard >= ENOUGH { Ok(format!("{hard}")) } else { Err(format!("{hard} at most; raise it: ulimit -Hn 20000")) }
}

fn ipv6() -> Result<String, String> {
    if fs::exists("/proc/net/if_inet6").unwrap_or(false) {
        Ok("there".to_string())
    } else {
        Err("the kernel has no IPv6; remove ipv6.disable=1 from its command line, or: modprobe ipv6".to_string())
    }
}

/// Opens a connection with a hand-made SYN: namespaces, link, addresses, injection, capture, stamps and checksums at once.
fn play_on(testbed: &Arc<Testbed>) -> Result<String, String> {
    let started = Instant::now();
    let mut target = KernelTarget::new(testbed, &empty_case()).map_err(|error| error.to_string())?;
    let set_up = started.elapsed();
    let listen = Operation { descriptor: None, makes: None, call: OperationCall::Socket(Call::Listen { backlog: 1 }) };
    target.call(Endpoint::A, &listen, false).map_err(|error| error.to_string())?;
    let own = target.endpoints().remove(0);
    let syn = Segment { flags: Flags::SYN, wnd: 65_535, ..Segment::default() };
    target
        .inject(Endpoint::A, &wire::craft(own.remote, own.local, &syn, &[], &[]))
        .map_err(|error| error.to_string())?;
    let until = target.now() + 1_000_000_000;
    while let Some(seen) = target.observe(until).map_err(|error| error.to_string())? {
        let What::Segment(segment) = seen.what else { continue };
        if segment.way == Way::Out {
            let packet = wire::parse(&segment.packet).map_err(|error| error.to_string())?;
            if !packet.checksum_ok {
                return Err("checksum offload stays on; the kernel needs CONFIG_VETH with ethtool support".to_string());
            }
            return Ok(format!("set up in {:.1} ms", set_up.as_secs_f64() * 1e3));
        }
    }
    Err("a SYN on the link was not answered within a second; does a packet filter of the host drop it?".to_string())
}

fn empty_case() -> Case {
    Case {
        id: "doctor".to_string(),
        variant: String::new(),
        choices: Vec::new(),
        purpose: String::new(),
        claims: Vec::new(),
        requirements: Vec::new(),
        topology: Topology::Crafted,
        connections: 1,
        ip: IpVersion::Ipv4,
        open: Open::Passive,
        peer: PeerOptions { mss: None, wscale: None, sack: false, timestamps: false, wnd: 65_535 },
        sysctls: BTreeMap::new(),
        optional_sysctls: BTreeMap::new(),
        machine_sysctls: BTreeMap::new(),
        mtu: 1500,
        steps: Vec::new(),
    }
}

/// Closes a connection over a loopback device of its own and asks for the side that closed first.
fn time_wait_is_told() -> Result<String, String> {
    let namespace = Namespace::new().map_err(|error| error.to_string())?;
    let told = namespace.run(|| -> io::Result<_> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let first = TcpStream::connect(listener.local_addr()?)?;
        let (second, _) = listener.accept()?;
        let (local, remote) = (first.local_addr()?, first.peer_addr()?);
        drop(first);
        drop(second);
        DiagSocket::open()?.look_up(local, remote)
    });
    match told.map_err(|error| error.to_string())? {
        Ok(Some(Diagnosis { state: State::TimeWait, timer: Some(timer), .. })) => {
            Ok(format!("TIME-WAIT for {} ms more", timer.expires_ms))
        }
        Ok(other) => Err(format!("TIME-WAIT was not told, but {other:?}")),
        Err(error) => Err(format!("{error}; modprobe tcp_diag, or build with CONFIG_INET_TCP_DIAG")),
    }
}
