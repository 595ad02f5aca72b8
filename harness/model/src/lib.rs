//! The reference model of TCP: what a kernel may do next, given what happened so far.
//!
//! Owns the connection record, the states, the rules and the timers of RFC 9293, and what the `linux` profile does
//! differently, each with its source. Refuses to know clocks, sockets, files and traces: time comes in as an integer,
//! the initial sequence number as an argument. Follows RFC 9293 section 3 in its order and words.
#![no_std]

extern crate alloc;

mod call;
mod segment;
mod state;

pub use call::{Call, CallResult, Errno, Poll, ShutdownHow, SocketOption};
pub use segment::{Flags, Options, SackBlock, Segment, Seq, Timestamps};
pub use state::State;
