//! What goes into the model and what comes out of one step.

use alloc::vec::Vec;

use crate::another::AnotherCall;
use crate::call::{Call, CallResult};
use crate::icmp::IcmpError;
use crate::rule::RuleRef;
use crate::segment::Segment;
use crate::tcb::{Neighbours, Tcb};
use crate::time::Span;

/// An event of RFC 9293 section 3.10.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A user call on the latest socket of a connection that the user was given, and before there is one on the listener.
    Call(Call),
    /// The same on a socket that was given before, counted from 1: its connection is gone.
    CallEarlier(u32, Call),
    /// The same on the listener.
    CallListener(Call),
    /// A call on a descriptor that does not exist: what should have made it has failed.
    CallOnNothing,
    /// `accept()` of a process that has as many descriptors as it may have (`RLIMIT_NOFILE`).
    AcceptWithoutDescriptor,
    /// `connect()` of a socket without a port.
    ConnectEphemeral {
        /// Whether the ephemeral range has the endpoint's own port; all others in it are taken.
        in_range: bool,
    },
    /// A call on another socket of the same address, which is not connected and does not listen.
    Another(AnotherCall),
    /// The host's other connections are in other states now.
    Neighbours(Neighbours),
    /// A segment arrives.
    SegmentArrives(Segment),
    /// A segment arrives that is damaged: it is dropped unseen (RFC 9293 section 3.1).
    DamagedSegmentArrives(Damaged),
    /// An ICMP error arrives whose checksum is wrong, or that quotes no segment.
    DamagedIcmpArrives,
    /// An ICMP error about a segment of the connection arrives.
    IcmpArrives(IcmpError),
    /// The host crashes: whatever it knew of the connection is gone, and nothing is said (RFC 9293 section 3.5.1).
    HostDies,
    /// A timer's handler runs.
    Timeout(Timeout),
}

/// What is wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damaged {
    /// Its checksum.
    Checksum,
    /// Its header claims to be shorter than a header.
    Header,
    /// It ends before its header does.
    Short,
}

/// Which timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timeout {
    /// [`Tcb::retransmit`]
    Retransmit,
    /// [`Tcb::delayed_ack`]
    DelayedAck,
    /// [`Tcb::keepalive`]
    Keepalive,
    /// [`Tcb::time_wait`]
    TimeWait,
    /// A lingering `close()` gives up waiting.
    Linger,
}

impl Timeout {
    /// All.
    pub const ALL: [Timeout; 5] =
        [Timeout::Retransmit, Timeout::DelayedAck, Timeout::Keepalive, Timeout::TimeWait, Timeout::Linger];
}

/// One thing that may follow from an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The connection afterwards, with what it owes in [`Tcb::owed`].
    pub tcb: Tcb,
    /// For a call: what it returns. `None`: any result is right, or the call has not returned yet.
    pub result: Option<CallResult>,
    /// The rules that decided.
    pub rules: Vec<RuleRef>,
    /// Of what a timer caused: when its handler was allowed to run.
    pub due: Option<Span>,
}
