//! A stack with one mistake in it: what the judge must find, or it proves nothing.
//!
//! Owns the seam at which a fault bends the model's stack: what reaches the model, what comes of it, what leaves, when timers fire.
//! The model behind it stays right, and so does the judge, which has one of its own. Refuses to know cases and verdicts.

mod table;

use thiserror::Error;

use crate::diagnostic::nearness;
use crate::select::{NEAR_MAX, near_text};
use tcpconform_model::{CallResult, Event, Nanos, Profile, RuleRef, Segment, Tcb, Timeout, Transition};

pub use table::faults;

/// A mistake that a TCP could make.
#[derive(Debug)]
pub struct Fault {
    /// As in `rto-not-doubled`.
    pub name: &'static str,
    /// What such a stack does, in one sentence.
    pub mistake: &'static str,
    /// The rules that are about it.
    pub rules: &'static [RuleRef],
    /// A case that shows it, by its id.
    pub case: &'static str,
    bend: Bend,
}

/// Where a fault bends, and how.
#[derive(Debug)]
enum Bend {
    /// The stack was built with other constants.
    Constants(fn(&mut Profile)),
    /// It takes an event for another one, or meets it with a wrong record of the connection.
    Takes(fn(&mut Tcb, &mut Event)),
    /// It comes to another end than the model.
    Becomes(fn(&Tcb, &Event, Nanos, &mut Transition)),
    /// What it owes by this rule it does not send.
    Forgets(RuleRef),
    /// A call returns something else.
    Returns(fn(&Tcb, &Event, CallResult) -> CallResult),
    /// A segment leaves otherwise, or, where this is false, not at all.
    Says(fn(&Tcb, &mut Segment) -> bool),
    /// The bytes of a packet that leaves are wrong.
    Writes(fn(&mut [u8])),
    /// A timer fires at another time.
    Waits(fn(&Tcb, Timeout, Nanos, &Profile) -> Nanos),
    /// The host counts something else of what happens to the connection.
    Counts(fn(&Tcb, &mut Tcb)),
    /// Checksums of what arrives are not looked at.
    Trusts,
}

/// No fault has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no fault is named `{name}`{}; tcpconform faults lists them", near_text(.near))]
pub struct UnknownFault {
    /// The name.
    pub name: String,
    /// Those that may have been meant.
    pub near: Vec<&'static str>,
}

/// The fault of this name.
pub fn fault(name: &str) -> Result<&'static Fault, UnknownFault> {
    faults().find(|fault| fault.name == name).ok_or_else(|| {
        let edits = |fault: &'static Fault| Some((nearness(name, fault.name)?, fault.name));
        let mut near: Vec<(usize, &'static str)> = faults().filter_map(edits).collect();
        near.sort();
        let best = near.first().map(|(edits, _)| *edits);
        let near = near.into_iter().filter(|(edits, _)| Some(*edits) == best).map(|(_, name)| name).take(NEAR_MAX);
        UnknownFault { name: name.to_string(), near: near.collect() }
    })
}

/// A stack's fault, if it has one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bent(pub Option<&'static Fault>);

impl Bent {
    fn bend(self) -> Option<&'static Bend> {
        self.0.map(|fault| &fault.bend)
    }

    /// The constants that the stack was built with.
    pub fn constants(self, mut profile: Profile) -> Profile {
        if let Some(Bend::Constants(change)) = self.bend() {
            change(&mut profile);
        }
        profile
    }

    /// What the stack takes an event for, before it meets the connection.
    pub fn takes(self, tcb: &mut Tcb, event: &Event) -> Event {
        let mut event = event.clone();
        if let Some(Bend::Takes(change)) = self.bend() {
            change(tcb, &mut event);
        }
        event
    }

    /// What comes of the event.
    pub fn becomes(self, before: &Tcb, event: &Event, at: Nanos, mut next: Transition) -> Transition {
        match self.bend() {
            Some(Bend::Becomes(change)) => change(before, event, at, &mut next),
            Some(Bend::Forgets(rule)) => next.tcb.owed.retain(|owed| owed.rule != *rule),
            Some(Bend::Returns(change)) => next.result = next.result.map(|result| change(before, event, result)),
            Some(
                Bend::Constants(_)
                | Bend::Takes(_)
                | Bend::Says(_)
                | Bend::Writes(_)
                | Bend::Waits(_)
                | Bend::Counts(_)
                | Bend::Trusts,
            )
            | None => {}
        }
        next
    }

    /// What the host counts of it when the connection `before` becomes this one.
    pub fn counts(self, before: &Tcb, after: &mut Tcb) {
        if let Some(Bend::Counts(change)) = self.bend() {
            change(before, after);
        }
    }

    /// The segment that leaves in place of the right one.
    pub fn says(self, tcb: &Tcb, right: &Segment) -> Option<Segment> {
        let mut segment = *right;
        match self.bend() {
            Some(Bend::Says(change)) => change(tcb, &mut segment).then_some(segment),
            Some(_) | None => Some(segment),
        }
    }

    /// The bytes of a packet that leaves.
    pub fn writes(self, mut packet: Vec<u8>) -> Vec<u8> {
        if let Some(Bend::Writes(change)) = self.bend() {
            change(&mut packet);
        }
        packet
    }

    /// When a timer fires that should at `due`.
    pub fn fires(self, tcb: &Tcb, timeout: Timeout, due: Nanos, profile: &Profile) -> Nanos {
        match self.bend() {
            Some(Bend::Waits(change)) => change(tcb, timeout, due, profile),
            Some(_) | None => due,
        }
    }

    /// Whether a segment that arrives is taken whatever its checksum.
    pub fn trusts(self) -> bool {
        matches!(self.bend(), Some(Bend::Trusts))
    }
}
