//! The trace of one played case: what was done to the target and what was seen of it, in the order of kernel time stamps.
//!
//! Owns the record types and their versioned JSON Lines form: the header on the first line, then one record a line.
//! Refuses to know what is right: a trace holds no verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::case::{Case, Endpoint, Operation, Step, Topology};
use crate::notation::{errno_text, operation_text, poll_text, print_poll, state_text};
use crate::prediction::Prediction;
use tcpconform_model::{Errno, Poll, State};

/// The version of the trace format that this program writes, and the newest that it reads.
///
/// Since 2 the header has the claims' predictions, since 3 hosts are asked for their counters.
pub const VERSION: u32 = 3;
/// The oldest that it reads: its header names the claims alone, without their predictions.
pub const VERSION_MIN: u32 = 1;

/// Nanoseconds since the trace's start.
pub type Nanos = u64;

/// A header and its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// First line.
    pub header: Header,
    /// The other lines, sorted by [`Record::at`].
    pub records: Vec<Record>,
}

/// What the judge must know of the case, the target and the addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Format version, [`VERSION`].
    pub trace: u32,
    /// The program's version.
    pub tool: String,
    /// Case id.
    pub case: String,
    /// Variant, as in `left-edge,ipv4`.
    pub variant: String,
    /// The case's purpose sentence.
    pub purpose: String,
    /// The axes of the variant's name, in its order.
    #[serde(default)]
    pub axes: Vec<String>,
    /// What the claims say of the case.
    #[serde(deserialize_with = "claims_of_any_version")]
    pub claims: Vec<Prediction>,
    /// Requirements that the case is about, as in `RFC 9293 3.10.7.4`.
    pub requirements: Vec<String>,
    /// Whose TCP was played.
    pub target: TargetIdentity,
    /// Who sits at the other end.
    pub topology: Topology,
    /// The endpoints under test: one with the crafted peer, two with two kernels.
    pub endpoints: Vec<EndpointIdentity>,
    /// The steps, each with its place, in the order of [`Record::step`].
    pub steps: Vec<StepIdentity>,
    /// Wall-clock start, nanoseconds since 1970; 0 where time is virtual.
    pub started_unix_ns: u64,
}

/// The claims of a header: each with its prediction, or, as version 1 wrote them, by its id alone.
fn claims_of_any_version<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Prediction>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Id(String),
        Whole(Prediction),
    }

    let stored = Vec::<Stored>::deserialize(d)?;
    let claim = |stored| match stored {
        Stored::Id(claim) => Prediction { claim, place: String::new(), given: None, predicts: Vec::new() },
        Stored::Whole(prediction) => prediction,
    };
    Ok(stored.into_iter().map(claim).collect())
}

impl Header {
    /// The header of a play of this case.
    pub fn of(case: &Case, target: TargetIdentity, endpoints: Vec<EndpointIdentity>, started_unix_ns: u64) -> Header {
        let step = |step: &Step| StepIdentity { place: step.place.clone(), text: step.text.clone() };
        Header {
            trace: VERSION,
            tool: env!("CARGO_PKG_VERSION").to_string(),
            case: case.id.clone(),
            variant: case.variant.clone(),
            purpose: case.purpose.clone(),
            axes: case.axes(),
            claims: case.claims.clone(),
            requirements: case.requirements.clone(),
            target,
            topology: case.topology,
            steps: case.steps.iter().map(step).collect(),
            started_unix_ns,
            endpoints,
        }
    }
}

/// Whose TCP was played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetIdentity {
    /// The kernel or the model.
    pub kind: TargetKind,
    /// Release as in uname(2), or the model's version.
    pub release: String,
    /// CONFIG_HZ: timer ticks a second.
    pub hz: u32,
    /// The clock that it lives by.
    #[serde(default)]
    pub time: Time,
}

/// The clock that a target lives by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Time {
    /// The world's.
    #[default]
    Real,
    /// One that jumps over waiting.
    Virtual,
}

impl Time {
    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Time::Real => "real",
            Time::Virtual => "virtual",
        }
    }
}

/// What kind of stack was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// A Linux kernel.
    Kernel,
    /// The reference model, played as a stack.
    Model,
}

/// One endpoint under test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointIdentity {
    /// `a` or `b`.
    pub name: Endpoint,
    /// Its own address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// MTU of its device, bytes.
    pub mtu: u32,
    /// The TCP sysctls of its namespace as read back after the case's own were written: name below `net.ipv4`, value.
    pub sysctls: BTreeMap<String, String>,
}

/// One step of the case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepIdentity {
    /// `file:line:column`.
    pub place: String,
    /// The step as resolved, in one line.
    pub text: String,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When, by the kernel's stamp where it has one; for a call and a sample, when it began.
    pub at: Nanos,
    /// The step in progress, an index into [`Header::steps`].
    pub step: u32,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A segment crossed the link of an endpoint under test.
    Segment(SegmentSeen),
    /// An ICMP error about a segment of an endpoint under test arrived on its link.
    Icmp(IcmpSeen),
    /// The middle did something else to a frame than to pass it on.
    Relay(RelayAct),
    /// A call on the endpoint's socket, with its result.
    Call(CallSeen),
    /// The state as the kernel told it when asked.
    Sample(Sample),
    /// A state change as the kernel's `inet_sock_set_state` tracepoint reported it.
    Transition(Transition),
    /// What a host has counted, as it told when asked.
    Counters(CountersSeen),
    /// The host's ephemeral port range was set.
    Ports(Ports),
    /// The end of a step that waits.
    Waited(Waited),
    /// Something that kept the tester from doing its part; the case is inconclusive unless a finding stands without it.
    Trouble(Trouble),
    /// The last record: the observation ended here.
    End {
        /// The longest times in which the machine did not do what was due, of those that were noticed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stalls: Vec<Stall>,
    },
}

impl What {
    /// The answer, if the state was asked for.
    pub fn sample(&self) -> Option<&Sample> {
        match self {
            What::Sample(sample) => Some(sample),
            What::Segment(_)
            | What::Icmp(_)
            | What::Relay(_)
            | What::Call(_)
            | What::Transition(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::Trouble(_)
            | What::End { .. } => None,
        }
    }

    /// The packet that it is about, if any: on whose link it was seen, in which direction, and its bytes.
    pub fn packet(&self) -> Option<(Endpoint, Way, &[u8])> {
        match self {
            What::Segment(seen) => Some((seen.on, seen.way, &seen.packet)),
            What::Icmp(error) => Some((error.on, Way::In, &error.packet)),
            What::Relay(_)
            | What::Call(_)
            | What::Sample(_)
            | What::Transition(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::Trouble(_)
            | What::End { .. } => None,
        }
    }
}

/// A segment on the link of an endpoint under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSeen {
    /// Whose link.
    pub on: Endpoint,
    /// Towards the endpoint or from it.
    pub way: Way,
    /// The IP packet, from the first byte of the IP header on, in lower-case hexadecimal.
    #[serde(with = "hex_bytes")]
    pub packet: Vec<u8>,
}

/// An ICMP error on the link of an endpoint under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpSeen {
    /// Who had sent the segment that it quotes, as it says.
    pub on: Endpoint,
    /// The IP packet, as in [`SegmentSeen::packet`].
    #[serde(with = "hex_bytes")]
    pub packet: Vec<u8>,
}

/// The direction of a segment, seen from the endpoint under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// It arrives at the endpoint.
    In,
    /// The endpoint emitted it.
    Out,
}

/// What the middle did to a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayAct {
    /// Which endpoint had emitted the frame.
    pub from: Endpoint,
    /// Stamp of the frame's `Out` record.
    pub emitted_at: Nanos,
    /// What was done.
    pub act: Fate,
}

/// What the middle does to a frame that a rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It never arrives.
    Dropped,
    /// It arrives this many nanoseconds later.
    Delayed(u64),
    /// It arrives this many times instead of once.
    Duplicated(u32),
    /// It arrives after the next frame of the same direction.
    Swapped,
    /// It arrives changed.
    Rewritten,
    /// It never arrives, and is answered in the name of the other end.
    Answered,
}

/// As in `held back for 1.500000 s`.
impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Dropped => f.write_str("dropped"),
            Fate::Delayed(nanos) => {
                write!(f, "held back for {}.{:06} s", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000)
            }
            Fate::Duplicated(times) => write!(f, "arrives {times} times"),
            Fate::Swapped => f.write_str("held back until the next one is through"),
            Fate::Rewritten => f.write_str("rewritten"),
            Fate::Answered => f.write_str("kept, and answered in the other end's name"),
        }
    }
}

/// A call with its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSeen {
    /// On whose socket.
    pub on: Endpoint,
    /// The operation, written as in a case file.
    #[serde(with = "operation_text")]
    pub op: Operation,
    /// When the call returned.
    pub left: Nanos,
    /// What it returned.
    pub result: CallReturn,
    /// For a read: index of the first byte that differs from what the peer sent ([`crate::wire::stream_byte`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_byte: Option<u32>,
}

/// What a call returned; the serialised form of `tcpconform_model::CallResult`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallReturn {
    /// Success.
    Value(i64),
    /// `poll` events, as in `IN RDHUP`.
    #[serde(with = "poll_text")]
    Events(Poll),
    /// Failure, as in `ECONNRESET`.
    #[serde(with = "errno_text")]
    Error(Errno),
}

/// As in `3`, `ECONNRESET` or `IN RDHUP`.
impl fmt::Display for CallReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallReturn::Value(value) => write!(f, "{value}"),
            CallReturn::Events(Poll(0)) => f.write_str("no events"),
            CallReturn::Events(events) => f.write_str(&print_poll(*events)),
            CallReturn::Error(errno) => match errno.name() {
                Some(name) => f.write_str(name),
                None => write!(f, "errno {}", errno.0),
            },
        }
    }
}

/// The state of the endpoint's connection, asked for once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Of whom.
    pub on: Endpoint,
    /// Who said it.
    pub source: Source,
    /// When the answer was there; the question was put at [`Record::at`].
    pub until: Nanos,
    /// The state; `CLOSED` when the kernel knows no such connection.
    #[serde(with = "state_text")]
    pub state: State,
    /// The pending timer, where the source tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<TimerSample>,
    /// Bytes in the receive queue (accept queue length on a listener), where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_queue: Option<u32>,
    /// Bytes sent or queued, not acknowledged, FIN included, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_queue: Option<u32>,
}

/// Where a state sample comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `sock_diag` lookup of the exact four-tuple.
    SockDiag,
    /// `getsockopt(TCP_INFO)`.
    TcpInfo,
}

/// The timer that `inet_diag` reports (`idiag_timer`, `idiag_retrans`, `idiag_expires`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSample {
    /// Which.
    pub kind: TimerKind,
    /// Milliseconds until it expires, as the kernel rounds them.
    pub expires_ms: u32,
    /// Retransmissions or probes so far without an answer.
    pub retransmits: u8,
}

/// The values of `idiag_timer` (include/uapi/linux/inet_diag.h, `inet_sk_diag_fill`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// 1: retransmission, loss probe or reordering timer.
    Retransmit,
    /// 2: `sk_timer`: keepalive, or FIN-WAIT-2 of an orphan.
    Keepalive,
    /// 3: TIME-WAIT mini-socket.
    TimeWait,
    /// 4: zero-window probe.
    Probe,
}

/// A state change as the tracepoint reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Of whom.
    pub on: Endpoint,
    /// The state left.
    #[serde(with = "state_text")]
    pub from: State,
    /// The state entered.
    #[serde(with = "state_text")]
    pub to: State,
}

/// The counters of a host, of all its connections together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountersSeen {
    /// The host's end of the first connection.
    pub on: Endpoint,
    /// When the answer was there; the question was put at [`Record::at`].
    pub until: Nanos,
    /// By the kernel's names, as in `EstabResets`; those that are 0 are left out.
    pub values: BTreeMap<String, i64>,
}

/// As in `ActiveOpens 1, OutSegs 3`.
impl fmt::Display for CountersSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = self.values.iter().map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(if told.is_empty() { "nothing" } else { "" })?;
        f.write_str(&told.join(", "))
    }
}

/// The ephemeral port range of a host (`ip_local_port_range`): from now on `connect` finds a port in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The host's end of the first connection.
    pub on: Endpoint,
    /// The first port.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// How a step that waits ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// Whether what it waited for came.
    pub met: bool,
    /// Since when it waited.
    pub since: Nanos,
    /// When what it waited for was there, however late that was noticed: the stamp of the segment, or the time that was to pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<Nanos>,
}

/// What kept the tester from doing its part, in one sentence with numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// As in "our injection was 40 ms late, the window is 12 ms".
    pub text: String,
    /// Whether what was seen may be incomplete, or its times wrong: then no finding stands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
}

/// A time in which something that was due on a processor of the machine did not happen: a thread of ours was to wake there, or its tick
/// to come. The kernel's timers may have been as late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// When it was due.
    pub from: Nanos,
    /// When it happened.
    pub until: Nanos,
}

impl Stall {
    /// How long, nanoseconds.
    pub fn length(&self) -> Nanos {
        self.until.saturating_sub(self.from)
    }
}

mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes
            .iter()
            .flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char])
            .collect();
        s.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let digit = |c: u8| (c as char).to_digit(16).map(|v| v as u8);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(serde::de::Error::custom("an odd number of hexadecimal digits"));
        }
        pairs
            .iter()
            .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| serde::de::Error::custom("not a hexadecimal digit"))
    }
}
