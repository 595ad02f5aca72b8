//! The middle between two kernels: which frame is dropped, delayed, duplicated, swapped or rewritten.
//!
//! Owns the rules of a case and their counts. Refuses to know sockets and clocks: frames and times come in, deliveries
//! go out.

use crate::case::{Endpoint, RelayRule};
use crate::trace::{EndpointIdentity, Fate, Nanos};

/// The middle of one case.
#[derive(Debug)]
pub struct Middle {
    endpoints: Vec<EndpointIdentity>,
    rules: Vec<(RelayRule, u32)>,
    held: Vec<(Endpoint, Vec<u8>)>,
}

/// What becomes of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// What was done, if anything else than to pass it on.
    pub act: Option<Fate>,
    /// What is to be put on the other link, and when.
    pub deliver: Vec<Delivery>,
}

/// An IP packet to put on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: Nanos,
    /// The packet.
    pub packet: Vec<u8>,
}
