//! The reference model of TCP: what a kernel may do next, given what happened so far.
//!
//! Owns the connection record, the states, the rules and the timers of RFC 9293, and what the `linux` profile does
//! differently, each with its source. Refuses to know clocks, sockets, files and traces: time comes in as an integer,
//! the initial sequence number is taken from the first segment. Follows RFC 9293 section 3 in its order and words.
#![no_std]

extern crate alloc;

mod acking;
mod acknowledge;
mod alternative;
mod another;
mod arrives;
mod call;
mod calls;
mod congestion;
mod counts;
mod describe;
mod emit;
mod event;
mod former;
mod icmp;
mod listening;
mod opening;
mod orphans;
mod profile;
mod rack;
mod reassembly;
mod rtt;
mod rule;
mod segment;
mod socket_options;
mod state;
mod step;
mod tcb;
mod text;
mod time;
mod time_wait;
mod timeouts;
mod wheel;

pub use alternative::{ALTERNATIVES, Alternative, choice_of};
pub use another::{Another, AnotherCall, Listener, ephemeral_ports};
pub use call::{Call, CallResult, Errno, Poll, Queue, ShutdownHow, SocketOption};
pub use congestion::Congestion;
pub use counts::{Counter, Counts, unsent_counts};
pub use describe::describe;
pub use emit::{Mismatch, Voice, emitted, explain};
pub use event::{Damaged, Event, Timeout, Transition};
pub use icmp::{IcmpError, IcmpKind};
pub use orphans::Orphans;
pub use profile::{Profile, TimeWaitReuse};
pub use rack::{Rack, Recovery};
pub use rule::{Level, RULES, Rule, RuleRef, rule, rules};
pub use segment::{Flags, HOP_LIMIT_DEFAULT, Options, SackBlock, Segment, Seq, Timestamps};
pub use state::State;
pub use step::{pending, step};
pub use tcb::{
    AckBy, Acking, Agreed, Emission, EmissionKind, InFlight, LossProbe, Neighbours, RetransmitKind, Rtt, SocketOptions,
    Tcb, User,
};
pub use time::{Nanos, Span, Ticks, Timer};
pub use wheel::timer_slack_ns;
