//! What a host counts of its connections: the TCP group of the MIB (RFC 4022; Linux /proc/net/snmp) and, of Linux's own counters
//! (/proc/net/netstat), those of the ends of connections.
//!
//! Owns the counters and what one connection has added to each. Refuses to know when: the rules that decide an event count it.

use crate::rule::{RuleRef, rules};
use crate::segment::Segment;
use crate::tcb::{EmissionKind, Tcb};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $variant:ident: $name:literal, $rule:ident;)*) => {
        /// A counter of a host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Counter {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Counter {
            /// All, in the kernel's order.
            pub const ALL: [Counter; COUNTERS] = [$(Counter::$variant),*];

            /// As the kernel writes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Counter::$variant => $name,)*
                }
            }

            /// The rule that it is held to.
            pub const fn rule(self) -> RuleRef {
                match self {
                    $(Counter::$variant => &rules::$rule,)*
                }
            }
        }
    };
}

const COUNTERS: usize = 21;

counters! {
    /// tcpActiveOpens
    ActiveOpens: "ActiveOpens", COUNT_ACTIVE_OPENS;
    /// tcpPassiveOpens
    PassiveOpens: "PassiveOpens", COUNT_PASSIVE_OPENS;
    /// tcpAttemptFails
    AttemptFails: "AttemptFails", COUNT_ATTEMPT_FAILS;
    /// tcpEstabResets
    EstabResets: "EstabResets", COUNT_ESTAB_RESETS;
    /// tcpCurrEstab: the one that also goes down.
    CurrEstab: "CurrEstab", COUNT_CURR_ESTAB;
    /// tcpInSegs
    InSegs: "InSegs", COUNT_IN_SEGS;
    /// tcpOutSegs
    OutSegs: "OutSegs", COUNT_OUT_SEGS;
    /// tcpRetransSegs
    RetransSegs: "RetransSegs", COUNT_RETRANS_SEGS;
    /// tcpInErrs
    InErrs: "InErrs", COUNT_IN_ERRS;
    /// tcpOutRsts
    OutRsts: "OutRsts", COUNT_OUT_RSTS;
    /// Of those in error the ones with a wrong checksum.
    InCsumErrors: "InCsumErrors", COUNT_IN_CSUM_ERRORS;
    /// Mini-sockets that wait for more than four seconds.
    TimeWaited: "TW", COUNT_TIME_WAITED;
    /// Connections in TIME-WAIT that `connect` took over.
    TimeWaitRecycled: "TWRecycled", COUNT_TIME_WAIT_RECYCLED;
    /// Mini-sockets that wait for four seconds at most.
    TimeWaitKilled: "TWKilled", COUNT_TIME_WAIT_KILLED;
    /// SYNs and handshakes that a full accept queue dropped.
    ListenOverflows: "ListenOverflows", COUNT_LISTEN_OVERFLOWS;
    /// Aborts for data after CLOSE, by SO_LINGER 0 or TCP_LINGER2 < 0.
    AbortOnData: "TCPAbortOnData", COUNT_ABORT_ON_DATA;
    /// Aborts for unread data.
    AbortOnClose: "TCPAbortOnClose", COUNT_ABORT_ON_CLOSE;
    /// Aborts for too many orphans.
    AbortOnMemory: "TCPAbortOnMemory", COUNT_ABORT_ON_MEMORY;
    /// Aborts for want of an answer.
    AbortOnTimeout: "TCPAbortOnTimeout", COUNT_ABORT_ON_TIMEOUT;
    /// Aborts in FIN-WAIT-2 by TCP_LINGER2 < 0.
    AbortOnLinger: "TCPAbortOnLinger", COUNT_ABORT_ON_LINGER;
    /// Connections that found no room in TIME-WAIT.
    TimeWaitOverflow: "TCPTimeWaitOverflow", COUNT_TIME_WAIT_OVERFLOW;
}

/// What a connection has added to each counter, within bounds where observation cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Counts {
    counted: [Bounds; COUNTERS],
    /// Waits that are over: long ones and short ones.
    over: [Bounds; 2],
}

/// The least and the most.
type Bounds = (i32, i32);

impl Counts {
    /// The least and the most that it may be.
    pub fn of(&self, counter: Counter) -> (i32, i32) {
        self.counted[counter as usize]
    }

    /// One more.
    pub fn add(&mut self, counter: Counter) {
        one_more(&mut self.counted[counter as usize]);
    }

    /// One less.
    pub fn take(&mut self, counter: Counter) {
        let (least, most) = &mut self.counted[counter as usize];
        (*least, *most) = (*least - 1, *most - 1);
    }

    /// One more, or not.
    pub(crate) fn add_perhaps(&mut self, counter: Counter) {
        self.counted[counter as usize].1 += 1;
    }

    /// A mini-socket's timer is armed for the first time: `short` where the wait is one of four seconds at most, if that is known.
    pub(crate) fn add_wait(&mut self, short: Option<bool>) {
        let [long, short_ones] = [Counter::TimeWaited, Counter::TimeWaitKilled].map(|counter| counter as usize);
        let mut waits = [self.counted[long], self.counted[short_ones]];
        one_of(&mut waits, short);
        (self.counted[long], self.counted[short_ones]) = (waits[0], waits[1]);
    }

    /// Its timer has ended the wait.
    pub(crate) fn end_wait(&mut self, short: Option<bool>) {
        one_of(&mut self.over, short);
    }

    /// What kernels make of it that count a wait when it begins or when it is over, each with the rule that says so.
    pub fn readings(&self) -> [(RuleRef, Counts); 2] {
        let mut when_over = *self;
        [when_over.counted[Counter::TimeWaited as usize], when_over.counted[Counter::TimeWaitKilled as usize]] =
            self.over;
        [(&rules::COUNT_WAIT_AT_ONCE, *self), (&rules::COUNT_WAIT_WHEN_OVER, when_over)]
    }

    fn each(&mut self, other: &Counts, join: impl Fn(Bounds, Bounds) -> Bounds) {
        let others = other.counted.iter().chain(&other.over);
        self.counted.iter_mut().chain(&mut self.over).zip(others).for_each(|(mine, other)| *mine = join(*mine, *other));
    }

    /// What another connection of the host has added, too.
    pub fn plus(mut self, other: &Counts) -> Counts {
        self.each(other, |(least, most), other| (least + other.0, most + other.1));
        self
    }

    /// What it is in one of two cases.
    pub fn or(mut self, other: &Counts) -> Counts {
        self.each(other, |(least, most), other| (least.min(other.0), most.max(other.1)));
        self
    }
}

fn one_more((least, most): &mut Bounds) {
    (*least, *most) = (*least + 1, *most + 1);
}

/// One more of the long waits or of the short ones.
fn one_of([long, short_ones]: &mut [Bounds; 2], short: Option<bool>) {
    match short {
        Some(true) => one_more(short_ones),
        Some(false) => one_more(long),
        None => {
            long.1 += 1;
            short_ones.1 += 1;
        }
    }
}

/// A segment leaves that was owed by `rule`.
pub(crate) fn count_sent(t: &mut Tcb, kind: EmissionKind, rule: RuleRef, segment: &Segment) {
    match kind {
        EmissionKind::Syn if t.flight.is_empty() => t.counts.add(Counter::OutSegs),
        EmissionKind::SynAck if t.user.owned => {
            // It takes the SYN's place in the queue, and is neither new nor a retransmission (`tcp_send_synack`).
            if rule != &rules::SYN_SENT_SYN {
                t.counts.add(Counter::RetransSegs);
            }
        }
        EmissionKind::SynAck => {
            // `tcp_make_synack`, `tcp_rtx_synack`
            t.counts.add(Counter::OutSegs);
            if !t.flight.is_empty() {
                t.counts.add(Counter::RetransSegs);
            }
        }
        EmissionKind::Ack { .. } | EmissionKind::Transmit | EmissionKind::Probe { .. } => {
            t.counts.add(Counter::OutSegs)
        }
        EmissionKind::LossProbe if segment.end().after(t.snd_nxt) => t.counts.add(Counter::OutSegs),
        EmissionKind::Syn | EmissionKind::Retransmit | EmissionKind::LossProbe => t.counts.add(Counter::RetransSegs),
        EmissionKind::Reset { .. } => {
            t.counts.add(Counter::OutSegs);
            t.counts.add(Counter::OutRsts);
        }
    }
}

/// What will have been counted once something that is owed now has left: the kernel counts a segment before it is on the link.
pub fn unsent_counts(t: &Tcb) -> Counts {
    let mut counts = t.counts;
    for owed in &t.owed {
        let counted: &[Counter] = match owed.kind {
            EmissionKind::Syn | EmissionKind::SynAck | EmissionKind::LossProbe => {
                &[Counter::OutSegs, Counter::RetransSegs]
            }
            EmissionKind::Ack { .. } | EmissionKind::Transmit | EmissionKind::Probe { .. } => &[Counter::OutSegs],
            EmissionKind::Retransmit => &[Counter::RetransSegs],
            EmissionKind::Reset { .. } => &[Counter::OutSegs, Counter::OutRsts],
        };
        counted.iter().for_each(|counter| counts.add_perhaps(*counter));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_place_and_a_rule_of_its_own() {
        for (i, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, i, "{}", counter.name());
            assert!(Counter::ALL[..i].iter().all(|other| other.rule() != counter.rule()), "{}", counter.name());
        }
    }
}
