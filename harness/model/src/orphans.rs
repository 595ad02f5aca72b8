//! How many orphans a machine may have (Linux `tcp_max_orphans`).
//!
//! Owns what the kernel knows of their number, which is not always the number (net/ipv4/tcp.c `tcp_orphan_update`), and what
//! becomes of an orphan beyond the limit (`tcp_check_oom`, `tcp_out_of_resources`). Refuses to know who the others are.

use alloc::vec::Vec;

use crate::counts::Counter;
use crate::rule::rules;
use crate::step::Work;
use crate::tcb::EmissionKind;
use crate::time::{Nanos, Span};

/// After a change of their number the kernel has counted again by then: a timer does every 100 ms, and it waits for an idle
/// processor to wake for something else (TIMER_DEFERRABLE). Nanoseconds.
const COUNTED_BY_NS: Nanos = 1_000_000_000;

/// The number of other orphans, and between which numbers it was while the kernel may not have counted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Orphans {
    now: u32,
    least: u32,
    most: u32,
    counted_by: Nanos,
}

impl Orphans {
    /// So many, and the kernel knows.
    pub fn exactly(number: u32) -> Orphans {
        Orphans { now: number, least: number, most: number, counted_by: 0 }
    }

    /// Their number is another one from `at` on.
    pub(crate) fn becomes(self, new: Orphans, at: Span) -> Orphans {
        if new.now == self.now {
            return self;
        }
        let (least, most) = self.counted(at);
        let counted_by = at.hi + COUNTED_BY_NS;
        Orphans { now: new.now, least: least.min(new.now), most: most.max(new.now), counted_by }
    }

    /// The least and the most that the kernel may take their number for.
    fn counted(self, at: Span) -> (u32, u32) {
        if at.lo >= self.counted_by { (self.now, self.now) } else { (self.least, self.most) }
    }
}

/// What becomes of a connection that has just become an orphan, or of an orphan's timer: beyond the limit it is reset, otherwise it
/// `goes_on`.
pub(crate) fn limited<'p>(w: Work<'p>, goes_on: impl FnOnce(Work<'p>) -> Vec<Work<'p>>) -> Vec<Work<'p>> {
    if !w.t.user.orphan {
        return goes_on(w);
    }
    let (mut least, mut most) = w.t.neighbours.orphans.counted(w.at);
    if let Some(since) = w.t.user.orphan_since {
        least += u32::from(w.at.lo >= since + COUNTED_BY_NS);
        most += 1;
    }
    // "If some dubious ICMP arrived, penalize even more."
    let shift = u32::from(w.t.user.soft_error.is_some() && w.t.user.orphan_since.is_some());
    let beyond = |number: u32| u64::from(number) << shift > u64::from(w.p.max_orphans);
    let mut done = Vec::new();
    if beyond(most) {
        done.push(reset(w.clone()));
    }
    if !beyond(least) {
        done.extend(goes_on(w));
    }
    done
}

/// What was to be sent at once is ahead of the RST.
fn reset(mut w: Work<'_>) -> Work<'_> {
    let sends = w.t.owed.iter().find(|owed| owed.kind == EmissionKind::Transmit && owed.must).cloned();
    let seq = if sends.is_some() { w.t.write_seq } else { w.t.acceptable_seq() };
    let ack = Some(w.t.rcv_nxt);
    w.t.delete();
    w.t.owed.extend(sends);
    w.owe(EmissionKind::Reset { seq, ack, active: true }, &rules::ORPHAN_LIMIT);
    w.t.counts.add(Counter::AbortOnMemory);
    w
}

#[cfg(test)]
mod tests {
    use super::{COUNTED_BY_NS, Orphans};
    use crate::time::Span;

    #[test]
    fn a_change_is_known_once_they_have_been_counted_again() {
        let one = Orphans::default().becomes(Orphans::exactly(1), Span::new(5, 7));
        assert_eq!(one.counted(Span::at(7)), (0, 1));
        assert_eq!(one.counted(Span::at(7 + COUNTED_BY_NS)), (1, 1));
        let none = one.becomes(Orphans::exactly(0), Span::at(8 + COUNTED_BY_NS));
        assert_eq!(none.counted(Span::at(9 + COUNTED_BY_NS)), (0, 1));
        let two = one.becomes(Orphans::exactly(2), Span::at(8));
        assert_eq!(two.counted(Span::at(7 + COUNTED_BY_NS)), (0, 2));
        assert_eq!(two.becomes(Orphans::exactly(2), Span::at(9)), two);
    }
}
