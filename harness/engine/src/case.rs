//! A case as resolved from its YAML file: one variant, all names known, all texts parsed.
//!
//! Owns the types that `load` produces and `play` walks. Refuses to know YAML and time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tcpconform_model::{Call, IcmpKind, Poll, State};

use crate::notation::{Expression, Pattern, SegmentText};
use crate::prediction::Prediction;

/// One variant of a case, ready to play.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Path under the catalogue without `.yaml`, as in `time-wait/rst`.
    pub id: String,
    /// Values of the axes, as in `left-edge,ipv4`; empty without axes.
    pub variant: String,
    /// Value chosen on each axis, in the order of the variant's name.
    pub choices: Vec<(String, String)>,
    /// What it is about, one sentence.
    pub purpose: String,
    /// What the claims of the ledger say of it, in the order of the file.
    pub claims: Vec<Prediction>,
    /// Requirements, as in `RFC 9293 3.10.7.4`.
    pub requirements: Vec<String>,
    /// Who sits at the other end.
    pub topology: Topology,
    /// How many connections there are: one, unless a step speaks of another.
    pub connections: u8,
    /// IP version.
    pub ip: IpVersion,
    /// Which side opens the connection: whether endpoint `a` connects.
    pub open: Open,
    /// What the crafted peer offers in its SYN.
    pub peer: PeerOptions,
    /// Sysctls below `net.ipv4` to write in the namespace of each endpoint under test.
    pub sysctls: BTreeMap<String, String>,
    /// The same, written only where the kernel has them.
    pub optional_sysctls: BTreeMap<String, String>,
    /// Sysctls below `net.ipv4` of the whole kernel: the case needs a machine of its own, and is alone on it.
    pub machine_sysctls: BTreeMap<String, String>,
    /// MTU of the links, bytes.
    pub mtu: u32,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Case {
    /// What is added to a host's port for this connection: the side that connects has a port for each.
    pub fn port_offset(&self, endpoint: Endpoint) -> u16 {
        let connects = match self.open {
            Open::Active => Host::A,
            Open::Passive => Host::B,
        };
        if endpoint.host == connects { u16::from(endpoint.connection) - 1 } else { 0 }
    }

    /// The endpoints under test, connection by connection.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        let hosts = match self.topology {
            Topology::Crafted => &[Host::A][..],
            Topology::TwoKernels | Topology::Routed => &[Host::A, Host::B],
        };
        (1..=self.connections).flat_map(move |connection| hosts.iter().map(move |&host| Endpoint { connection, host }))
    }

    /// The ids of the claims that it bears on.
    pub fn claim_ids(&self) -> Vec<String> {
        self.claims.iter().map(|prediction| prediction.claim.clone()).collect()
    }

    /// The axes of the variant's name, in its order.
    pub fn axes(&self) -> Vec<String> {
        self.choices.iter().map(|(axis, _)| axis.clone()).collect()
    }

    /// `id@variant`, or the id alone when there is one variant only.
    pub fn name(&self) -> String {
        if self.variant.is_empty() { self.id.clone() } else { format!("{}@{}", self.id, self.variant) }
    }
}

/// The topologies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// One kernel endpoint, `a`; the other end of the link is ours.
    Crafted,
    /// Two kernel endpoints, `a` and `b`; every frame crosses our relay.
    TwoKernels,
    /// The same with a third kernel between them, a router, behind our relay.
    Routed,
}

impl Topology {
    /// Whether a kernel sits at either end.
    pub const fn has_two_kernels(self) -> bool {
        match self {
            Topology::Crafted => false,
            Topology::TwoKernels | Topology::Routed => true,
        }
    }
}

/// IP version of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpVersion {
    /// IPv4
    Ipv4,
    /// IPv6
    Ipv6,
}

/// How endpoint `a` opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Open {
    /// `a` connects.
    Active,
    /// `a` listens and accepts; the peer connects.
    Passive,
}

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// The first; the only one with the crafted peer.
    A,
    /// The second, with two kernels.
    B,
}

impl Host {
    /// The other one.
    pub const fn other(self) -> Host {
        match self {
            Host::A => Host::B,
            Host::B => Host::A,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Host::A => "a",
            Host::B => "b",
        })
    }
}

/// An endpoint under test: one host's end of one connection. Written `a`, `b`, and `a2`, `b2` of a second connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "Cow<'_, str>")]
pub struct Endpoint {
    /// Which connection, counted from 1.
    pub connection: u8,
    /// Whose end of it.
    pub host: Host,
}

impl Endpoint {
    /// The first host's end of the first connection.
    pub const A: Endpoint = Endpoint { connection: 1, host: Host::A };
    /// The second host's.
    pub const B: Endpoint = Endpoint { connection: 1, host: Host::B };
    /// The most connections of a case.
    pub const CONNECTIONS_MAX: u8 = 4;

    /// All that there can be, in order.
    pub fn all() -> impl Iterator<Item = Endpoint> {
        (1..=Endpoint::CONNECTIONS_MAX)
            .flat_map(|connection| [Host::A, Host::B].map(|host| Endpoint { connection, host }))
    }

    /// The other end of the same connection.
    pub const fn other(self) -> Endpoint {
        Endpoint { connection: self.connection, host: self.host.other() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.connection == 1 { self.host.fmt(f) } else { f.pad(&format!("{}{}", self.host, self.connection)) }
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.to_string()
    }
}

impl TryFrom<Cow<'_, str>> for Endpoint {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Endpoint, String> {
        let host = match text.as_bytes().first() {
            Some(b'a') => Some(Host::A),
            Some(b'b') => Some(Host::B),
            Some(_) | None => None,
        };
        let connection = match text.get(1..) {
            Some("") => Some(1),
            Some(number) => number.parse().ok().filter(|n| (2..=Endpoint::CONNECTIONS_MAX).contains(n)),
            None => None,
        };
        host.zip(connection)
            .map(|(host, connection)| Endpoint { connection, host })
            .ok_or_else(|| format!("`{text}` is not an endpoint, as in `a`, `b` or `a2`"))
    }
}

/// What the crafted peer offers when the connection opens; also its initial window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerOptions {
    /// MSS, bytes; `None` leaves the option out.
    pub mss: Option<u16>,
    /// Window scale shift.
    pub wscale: Option<u8>,
    /// SACK permitted.
    pub sack: bool,
    /// Timestamps.
    pub timestamps: bool,
    /// Window in its segments, as in the header.
    pub wnd: u16,
}

/// A step with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// `file:line:column`.
    pub place: String,
    /// The step in one line, as resolved.
    pub text: String,
    /// What to do.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// Open a connection: both endpoints end in ESTABLISHED, `accept` included.
    Establish {
        /// Which, counted from 1.
        connection: u8,
    },
    /// A call on an endpoint's socket.
    Call {
        /// Whose.
        on: Endpoint,
        /// Which.
        op: Operation,
        /// Go on with the next step while the call blocks.
        background: bool,
    },
    /// The crafted peer sends a segment.
    Inject {
        /// To whom.
        to: Endpoint,
        /// What.
        injection: Injection,
    },
    /// An ICMP error arrives, about a segment of the kernel.
    Icmp {
        /// To whom.
        to: Endpoint,
        /// What it says.
        error: IcmpInjection,
    },
    /// Wait until an endpoint emits a segment that fits.
    Expect {
        /// Whose segment.
        from: Endpoint,
        /// What it looks like.
        pattern: Pattern,
        /// For how long.
        within: Duration,
    },
    /// Wait until the kernel says that the connection is in this state; `CLOSED` is no such connection.
    Await {
        /// Of whom.
        of: Endpoint,
        /// The state.
        state: State,
        /// For how long.
        within: Duration,
    },
    /// Wait until `poll` reports at least these events.
    Poll {
        /// On whose socket.
        on: Endpoint,
        /// The events.
        events: Poll,
        /// For how long.
        within: Duration,
    },
    /// Let time pass; everything that happens meanwhile is observed and judged.
    Wait(Duration),
    /// From now on the host's ephemeral port range has the ports of these connections, and `connect` finds the port itself.
    Ports {
        /// Whose range.
        of: Host,
        /// The first connection.
        first: u8,
        /// The last.
        last: u8,
    },
    /// Ask a host for its counters, once what was done so far has been counted.
    Counters {
        /// Which host.
        of: Host,
    },
    /// From now on the middle treats frames that fit so; for the crafted peer there is no middle.
    Relay(RelayRule),
}

impl StepKind {
    /// The connection that the step speaks of.
    pub fn connection(&self) -> Option<u8> {
        match self {
            StepKind::Establish { connection } => Some(*connection),
            StepKind::Call { on: endpoint, .. }
            | StepKind::Inject { to: endpoint, .. }
            | StepKind::Icmp { to: endpoint, .. }
            | StepKind::Expect { from: endpoint, .. }
            | StepKind::Await { of: endpoint, .. }
            | StepKind::Poll { on: endpoint, .. }
            | StepKind::Relay(RelayRule { from: endpoint, .. }) => Some(endpoint.connection),
            StepKind::Ports { last, .. } => Some(*last),
            StepKind::Counters { .. } | StepKind::Wait(_) => None,
        }
    }
}

/// A call with its descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The descriptor used; `None` is the socket's first one. As in `spare.close()`.
    pub descriptor: Option<String>,
    /// For `socket`, `accept`, `dup` and `handover`: the name of the descriptor or child process made. As in `spare = dup()`.
    pub makes: Option<String>,
    /// The call.
    pub call: OperationCall,
}

/// A call on a socket, or on the child process that holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationCall {
    /// A call that the model knows.
    Socket(Call),
    /// `again = socket()`: another socket for the same address.
    Open,
    /// `again.bind()`: to the endpoint's own address and port.
    Bind,
    /// `child = handover()`: a child process gets the descriptor and ours is closed, so the child alone holds it.
    Handover,
    /// `server = serve(2)`: a child process gets the listener, with room for so many more descriptors (`RLIMIT_NOFILE`).
    Serve {
        /// How many connections it can hold.
        room: u32,
    },
    /// `child.exit()`: it exits by itself.
    Exit,
    /// `child.kill()`: SIGKILL.
    Kill,
    /// `tcp_info()`: TCP_INFO is read and recorded as a sample.
    TcpInfo,
    /// `crash()`: the whole host goes, without a word.
    Crash,
    /// `reboot()`: the whole host goes, without a word, and is back at once with nothing in its memory; also after a crash.
    Reboot,
}

impl OperationCall {
    /// Whether it is done to the host, with all its connections.
    pub const fn is_of_host(self) -> bool {
        matches!(self, OperationCall::Crash | OperationCall::Reboot)
    }
}

/// A segment to inject.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// The segment; what it leaves out is filled in by the peer.
    pub segment: SegmentText,
    /// Deliberate damage below the level of the notation, applied in order.
    pub damage: Vec<Damage>,
}

/// An ICMP error to inject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpInjection {
    /// What it says.
    pub kind: IcmpKind,
    /// The sequence number that it quotes, relative to the kernel's; `None` is that of the kernel's latest segment.
    pub seq: Option<Expression>,
}

/// What is broken in an injected packet on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The TCP checksum is wrong.
    Checksum,
    /// The data offset field says this many 32-bit words.
    DataOffset(u8),
    /// The packet ends this many bytes early; the IP length says so too.
    Truncate(u16),
    /// The reserved bits are set to this value (0 to 15).
    Reserved(u8),
}

/// A rule of the middle.
#[derive(Clone, Debug, PartialEq)]
pub struct RelayRule {
    /// Frames that this endpoint emits.
    pub from: Endpoint,
    /// Which frames.
    pub pattern: Pattern,
    /// What happens to them.
    pub action: RelayAction,
    /// To how many of them; `None` is all that come.
    pub times: Option<u32>,
}

/// What the middle does to a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum RelayAction {
    /// It never arrives.
    Drop,
    /// It arrives later.
    Delay(Duration),
    /// It arrives this many times.
    Duplicate(u32),
    /// It arrives after the next frame of the same direction.
    Swap,
    /// It arrives with the fields that the text names changed.
    Rewrite(SegmentText),
    /// It never arrives: the middle answers it with this segment, in the name of the other end.
    Answer(SegmentText),
}
