//! What all cases of a process share: privileges, the tester's namespace, and the threads and the process that serve them.
//!
//! Owns the set-up before the first thread, addresses and ports that no two cases in flight share, and the wish to stop.
//! Refuses to know cases.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::utsname::uname;
use tcpconform_engine::case::{Host, IpVersion};
use tcpconform_engine::trace::Time;
use tcpconform_netns::{Namespace, NetnsError, PrivilegeError, Privileges, enter_user_namespace};
use thiserror::Error;

use crate::clock::hz;
use crate::packet_socket::InjectionSocket;
use crate::reaper::Reaper;
use crate::stalls::Stalls;
use crate::stamping::Stamping;
use crate::stop::Stop;
use crate::sysctls::Sysctls;
use crate::tracefs::Layout;
use crate::tracepoint::Tracepoint;
use crate::zygote::Zygote;

/// What all cases of a process share; made once, before the first thread.
#[derive(Debug)]
pub struct Testbed {
    pub(crate) zygote: Arc<Zygote>,
    pub(crate) stop: Stop,
    /// The namespace with our ends of all links. No address there, so nothing in it ever answers.
    pub(crate) tester: Namespace,
    pub(crate) injection: InjectionSocket,
    _stamping: Stamping,
    pub(crate) tracepoint: Result<Tracepoint, String>,
    /// Nobody looks where time is virtual.
    pub(crate) stalls: Option<Stalls>,
    pub(crate) sysctls: Sysctls,
    pub(crate) release: String,
    pub(crate) hz: u32,
    // Behind what gives it descriptors to close.
    pub(crate) reaper: Reaper,
    privileges: Privileges,
    next: AtomicU32,
    next_link: AtomicU32,
    subnet: u32,
}

/// Why nothing can be played here.
#[derive(Debug, Error)]
pub enum SetupError {
    /// No right to make network namespaces.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// The kernel refused a namespace or what goes into it.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// A system call failed.
    #[error("{operation}: {error}{advice}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// What the kernel said.
        error: io::Error,
        /// What helps, from a semicolon on; may be empty.
        advice: &'static str,
    },
    /// Set up too late.
    #[error("the testbed must be prepared while the process has one thread; it has {0}")]
    Threads(usize),
}

/// The first index of our ends of links; the loopback device has 1, and tunnel modules may have added others.
const FIRST_LINK: u32 = 100;
/// Ports of a case's endpoint `a`, and of its peer: `FIRST_PORTS[n] .. + PORTS`.
const FIRST_PORTS: [u16; 2] = [20_000, 40_000];
const PORTS: u32 = 10_000;

impl Testbed {
    /// Gets the rights, starts the process that makes child processes, and makes the tester's namespace.
    ///
    /// In virtual time the machine never stalls, and nobody looks whether it does.
    ///
    /// To be called once, while the process has one thread. As an ordinary user the whole process is in a user namespace
    /// afterwards, and in a network namespace without any way out.
    pub fn prepare(time: Time) -> Result<Arc<Testbed>, SetupError> {
        let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads != 1 {
            return Err(SetupError::Threads(threads));
        }
        let privileges = enter_user_namespace()?;
        let zygote = Zygote::start().map_err(system("starting the process that makes child processes", ""))?;
        let layout = Layout::find();
        raise_descriptor_limit();

        let tester = Namespace::new()?;
        // Before the first link is made: without IPv6 our ends send nothing by themselves. A kernel without IPv6 has no such
        // sysctl.
        let no_ipv6 = [("net.ipv6.conf.default.disable_ipv6".to_string(), "1".to_string())].into();
        match tester.write_sysctls(&no_ipv6) {
            Ok(_) | Err(NetnsError::UnknownSysctl { .. }) => {}
            Err(other) => return Err(other.into()),
        }
        let injection = tester
            .run(InjectionSocket::open)?
            .map_err(system("socket(AF_PACKET)", "; it needs CAP_NET_RAW and a kernel with CONFIG_PACKET"))?;
        let stamping = tester
            .run(Stamping::start)?
            .map_err(system("SO_TIMESTAMPNS on the loopback device", "; without stamps nothing can be timed"))?;
        let sysctls = Sysctls::of_fresh_namespace(&Namespace::new()?)?;
        let tracepoint = layout.and_then(|layout| {
            Tracepoint::start(layout)
                .map_err(|error| format!("perf_event_open: {error}; as root, or with CAP_PERFMON, it is allowed"))
        });
        let stop = Stop::new().map_err(system("eventfd", ""))?;
        let stalls = match time {
            Time::Real => Some(Stalls::watch()),
            Time::Virtual => None,
        };
        Ok(Arc::new(Testbed {
            zygote: Arc::new(zygote),
            stop,
            tester,
            injection,
            _stamping: stamping,
            tracepoint,
            stalls,
            sysctls,
            release: uname().map_or_else(|_| String::new(), |name| name.release().to_string_lossy().into_owned()),
            hz: hz(),
            reaper: Reaper::default(),
            privileges,
            next: AtomicU32::new(random() % PORTS),
            next_link: AtomicU32::new(0),
            subnet: random(),
        }))
    }

    /// Makes every case in flight return `TargetError::Interrupted`, now and at every later wait.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// Where the right to make namespaces comes from.
    pub fn privileges(&self) -> Privileges {
        self.privileges
    }

    /// Why the tracepoint tells nothing, if it does not.
    pub fn tracepoint_lack(&self) -> Option<&str> {
        self.tracepoint.as_ref().err().map(String::as_str)
    }

    /// The kernel's release, as in uname(2).
    pub fn release(&self) -> &str {
        &self.release
    }

    /// CONFIG_HZ of the kernel.
    pub fn hz(&self) -> u32 {
        self.hz
    }

    /// The addresses of a case, with ports that no other case in flight has.
    pub(crate) fn addresses(&self, ip: IpVersion) -> Addresses {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let port = |n: usize| FIRST_PORTS[n] + (number % PORTS) as u16;
        Addresses {
            hosts: [0, 1].map(|n| SocketAddr::new(address(ip, self.subnet, n as u8 + 1), port(n))),
            ports: [3, 4].map(|n| address(ip, self.subnet, n)),
        }
    }

    /// An index for our end of a link, in the tester's namespace.
    pub(crate) fn next_link(&self) -> u32 {
        FIRST_LINK + self.next_link.fetch_add(1, Ordering::Relaxed)
    }
}

/// The addresses of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    hosts: [SocketAddr; 2],
    ports: [IpAddr; 2],
}

impl Addresses {
    /// A host's address, and its port of the first connection.
    pub(crate) fn of(&self, host: Host) -> SocketAddr {
        self.hosts[position(host)]
    }

    /// The address of a router's port towards a host.
    pub(crate) fn port_towards(&self, host: Host) -> IpAddr {
        self.ports[position(host)]
    }
}

const fn position(host: Host) -> usize {
    match host {
        Host::A => 0,
        Host::B => 1,
    }
}

/// Prefix length of the addresses.
pub(crate) const fn prefix(ip: IpVersion) -> u8 {
    match ip {
        IpVersion::Ipv4 => 24,
        IpVersion::Ipv6 => 64,
    }
}

/// An address of the benchmarking network (RFC 2544) or a unique local one (RFC 4193), in a subnet of this process: the
/// tracepoint hears the cases of other processes too.
fn address(ip: IpVersion, subnet: u32, host: u8) -> IpAddr {
    let [high, low, third, fourth] = subnet.to_be_bytes();
    match ip {
        IpVersion::Ipv4 => Ipv4Addr::new(198, 18 + high % 2, low, host).into(),
        IpVersion::Ipv6 => {
            let pair = |a: u8, b: u8| u16::from_be_bytes([a, b]);
            Ipv6Addr::new(pair(0xfd, high), pair(low, third), pair(fourth, 0), 0, 0, 0, 0, host.into()).into()
        }
    }
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes));
    if read.is_ok() { u32::from_ne_bytes(bytes) } else { std::process::id() }
}

/// A case holds up to a dozen descriptors, and hundreds are in flight.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn system<E: Into<io::Error>>(operation: &'static str, advice: &'static str) -> impl FnOnce(E) -> SetupError {
    move |error| SetupError::System { operation, error: error.into(), advice }
}
