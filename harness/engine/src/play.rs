//! Plays a case: walks its steps against a target and writes the trace.
//!
//! Owns the meaning of each step kind. Refuses to know what is right (`expect` steps only pace the play) and what the
//! target is made of.

use thiserror::Error;

use crate::case::{Endpoint, Operation, RelayRule};
use crate::trace::{EndpointIdentity, Nanos, Source, TargetIdentity, What};

/// A stack that can be played: a live kernel, or the model.
///
/// Records come out of [`Target::observe`] in the order in which the stack saw them; `inject` and the relay make no record
/// of their own, their frames are observed where they reach the endpoint's link.
pub trait Target {
    /// Whose TCP this is.
    fn identity(&self) -> TargetIdentity;

    /// The endpoints under test with their addresses and sysctls.
    fn endpoints(&self) -> Vec<EndpointIdentity>;

    /// Wall-clock time of the trace's start, nanoseconds since 1970; 0 where time is virtual.
    fn started_unix_ns(&self) -> u64;

    /// Nanoseconds since the trace's start.
    fn now(&mut self) -> Nanos;

    /// Makes a call. In the foreground its record is returned; in the background it comes out of `observe` when the call
    /// returns.
    fn call(&mut self, on: Endpoint, op: &Operation, background: bool) -> Result<Option<Seen>, TargetError>;

    /// Puts an IP packet on the link towards endpoint `a` (crafted peer only).
    fn inject(&mut self, packet: &[u8]) -> Result<(), TargetError>;

    /// Asks the kernel for the state of the endpoint's connection.
    fn sample(&mut self, of: Endpoint, source: Source) -> Result<Seen, TargetError>;

    /// The next thing seen, waiting for it until `until` at most; `None` when nothing came by then. Whatever was seen
    /// before is handed out even when `until` has passed.
    fn observe(&mut self, until: Nanos) -> Result<Option<Seen>, TargetError>;

    /// Adds a rule to the middle (two kernels only).
    fn relay(&mut self, rule: &RelayRule) -> Result<(), TargetError>;
}

/// Something seen, with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// As [`crate::trace::Record::at`].
    pub at: Nanos,
    /// What.
    pub what: What,
}

/// Why a target could not go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// This target cannot do what the case needs; the case is skipped.
    #[error("{0}")]
    Unsupported(String),
    /// Something of ours or of the machine failed; one sentence that names the operation and the errno.
    #[error("{0}")]
    Failed(String),
}
