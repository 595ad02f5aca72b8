//! A target that looks at the clock whenever something is seen of the target behind it.

use std::collections::VecDeque;

use tcpconform_engine::case::{Endpoint, Host, Operation, RelayRule};
use tcpconform_engine::play::{Seen, Target, TargetError};
use tcpconform_engine::trace::{EndpointIdentity, Nanos, Source, TargetIdentity, Way, What};

/// An answer that comes later than this was made by a timer, not by the segment before it.
const ANSWER_MAX: Nanos = 1_000_000;

/// A target, and how soon answers to what was injected into it were seen.
pub struct Measured<T> {
    target: T,
    /// Whether something was injected and not yet seen on the link.
    injecting: bool,
    /// The stamp of what was injected last and is not answered yet.
    injected_at: Option<Nanos>,
    /// Seen and measured, not yet asked for.
    seen: VecDeque<Seen>,
    /// From the kernel's stamp of an injected segment to our look at the answer.
    pub answers: Vec<Nanos>,
}

impl<T: Target> Measured<T> {
    /// Measures this target.
    pub fn new(target: T) -> Measured<T> {
        Measured { target, injecting: false, injected_at: None, seen: VecDeque::new(), answers: Vec::new() }
    }

    fn note(&mut self, seen: &Seen) {
        let What::Segment(segment) = &seen.what else { return };
        match segment.way {
            // What the middle delivers was not injected.
            Way::In => self.injected_at = std::mem::take(&mut self.injecting).then_some(seen.at),
            Way::Out => {
                let Some(injected_at) = self.injected_at.take() else { return };
                if seen.at - injected_at < ANSWER_MAX {
                    self.answers.push(self.target.now() - injected_at);
                }
            }
        }
    }
}

impl<T: Target> Target for Measured<T> {
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
        self.injecting = true;
        self.target.inject(to, packet)
    }

    fn sample(&mut self, of: Endpoint, source: Source) -> Result<Seen, TargetError> {
        self.target.sample(of, source)
    }

    fn observe(&mut self, until: Nanos) -> Result<Option<Seen>, TargetError> {
        if let Some(seen) = self.seen.pop_front() {
            return Ok(Some(seen));
        }
        let mut next = self.target.observe(until)?;
        while let Some(seen) = next {
            self.note(&seen);
            self.seen.push_back(seen);
            // What the player does between two looks is not what is measured: the answer to an injected segment is looked
            // for at once.
            next = if self.injected_at.is_some() { self.target.observe(0)? } else { None };
        }
        Ok(self.seen.pop_front())
    }

    fn ports(&mut self, of: Host, first: u16, last: u16) -> Result<(), TargetError> {
        self.target.ports(of, first, last)
    }

    fn counters(&mut self, of: Host) -> Result<Option<Seen>, TargetError> {
        self.target.counters(of)
    }

    fn relay(&mut self, rule: &RelayRule) -> Result<(), TargetError> {
        self.target.relay(rule)
    }
}
