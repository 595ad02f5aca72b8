//! ICMP errors about a segment of the connection (RFC 9293 section 3.9.2.2, RFC 5461, RFC 5927, RFC 6069; Linux `tcp_v4_err`,
//! `tcp_v6_err`, `tcp_req_err`).
//!
//! Owns the kinds of errors, with what each means in either IP version, and what a connection does about them. Refuses to know
//! packets: the error comes in with the sequence number that it quotes.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::call::Errno;
use crate::rule::{RuleRef, rules};
use crate::segment::Seq;
use crate::state::State;
use crate::step::Work;
use crate::tcb::RetransmitKind;
use crate::time::{Span, Ticks};
use crate::timeouts;

/// An ICMP error that arrives, about a segment that the connection is said to have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IcmpError {
    /// What happened to the segment.
    pub kind: IcmpKind,
    /// ICMPv6: the same event has another errno there in places, and other consequences.
    pub ipv6: bool,
    /// SEG.SEQ of the segment quoted.
    pub seq: Seq,
}

/// The errors that say the same in ICMP and ICMPv6, and Source Quench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpKind {
    /// Destination unreachable, network; ICMPv6: no route.
    NetUnreachable,
    /// Destination unreachable, host; ICMPv6: address.
    HostUnreachable,
    /// Destination unreachable, protocol; ICMPv6: parameter problem, next header.
    ProtocolUnreachable,
    /// Destination unreachable, port.
    PortUnreachable,
    /// Destination unreachable, administratively prohibited.
    Prohibited,
    /// Time exceeded in transit.
    TimeExceeded,
    /// Parameter problem, erroneous header field.
    ParameterProblem,
    /// Source Quench (deprecated by RFC 6633); ICMP alone has it.
    SourceQuench,
    /// Any other error.
    Other {
        /// The type field.
        kind: u8,
        /// The code field.
        code: u8,
    },
}

impl IcmpKind {
    /// Each kind that has a name, with it.
    pub const NAMES: [(IcmpKind, &'static str); 8] = [
        (IcmpKind::NetUnreachable, "net-unreachable"),
        (IcmpKind::HostUnreachable, "host-unreachable"),
        (IcmpKind::ProtocolUnreachable, "protocol-unreachable"),
        (IcmpKind::PortUnreachable, "port-unreachable"),
        (IcmpKind::Prohibited, "prohibited"),
        (IcmpKind::TimeExceeded, "time-exceeded"),
        (IcmpKind::ParameterProblem, "parameter-problem"),
        (IcmpKind::SourceQuench, "source-quench"),
    ];

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<IcmpKind> {
        IcmpKind::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

impl fmt::Display for IcmpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let IcmpKind::Other { kind, code } = self {
            return write!(f, "ICMP type {kind} code {code}");
        }
        f.pad(IcmpKind::NAMES.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name))
    }
}

impl IcmpError {
    /// The errno that it stands for (`icmp_err_convert`, `icmpv6_err_convert`).
    fn errno(self) -> Option<Errno> {
        Some(match (self.kind, self.ipv6) {
            (IcmpKind::NetUnreachable, _) => Errno::NETUNREACH,
            (IcmpKind::HostUnreachable | IcmpKind::TimeExceeded, _) | (IcmpKind::Prohibited, false) => {
                Errno::HOSTUNREACH
            }
            (IcmpKind::Prohibited, true) => Errno::ACCES,
            (IcmpKind::ProtocolUnreachable, false) => Errno::NOPROTOOPT,
            (IcmpKind::ProtocolUnreachable, true) | (IcmpKind::ParameterProblem, _) => Errno::PROTO,
            (IcmpKind::PortUnreachable, _) => Errno::CONNREFUSED,
            (IcmpKind::SourceQuench | IcmpKind::Other { .. }, _) => return None,
        })
    }

    /// Whether the error will not pass by itself (RFC 5461 section 2.1; codes 2 and 3 of RFC 9293 section 3.9.2.2).
    fn is_hard(self) -> bool {
        match self.kind {
            IcmpKind::ProtocolUnreachable | IcmpKind::PortUnreachable | IcmpKind::Prohibited => true,
            IcmpKind::NetUnreachable
            | IcmpKind::HostUnreachable
            | IcmpKind::TimeExceeded
            | IcmpKind::ParameterProblem
            | IcmpKind::SourceQuench
            | IcmpKind::Other { .. } => false,
        }
    }

    /// Whether `tcp_req_err` ends the request: over IPv4 what may pass, over IPv6 what will not.
    fn ends_request(self) -> bool {
        match self.kind {
            IcmpKind::ParameterProblem => true,
            IcmpKind::NetUnreachable | IcmpKind::HostUnreachable | IcmpKind::TimeExceeded => !self.ipv6,
            IcmpKind::ProtocolUnreachable | IcmpKind::PortUnreachable | IcmpKind::Prohibited => self.ipv6,
            IcmpKind::SourceQuench | IcmpKind::Other { .. } => false,
        }
    }

    /// Whether it says that the path is broken, and not congested (RFC 6069 section 4).
    fn tells_of_disruption(self) -> bool {
        matches!(self.kind, IcmpKind::NetUnreachable) || matches!(self.kind, IcmpKind::HostUnreachable) && !self.ipv6
    }
}

/// An error arrives. None: the model has no rule for an error of this kind.
pub(crate) fn arrives(mut w: Work<'_>, error: IcmpError) -> Vec<Work<'_>> {
    if let IcmpKind::Other { .. } = error.kind {
        return Vec::new();
    }
    match w.t.state {
        State::Closed | State::Listen => {
            w.fired(&rules::ICMP_NO_CONNECTION);
            return vec![w];
        }
        State::FinWait2 | State::TimeWait if w.t.is_mini() => {
            w.fired(&rules::ICMP_MINI);
            return vec![w];
        }
        State::SynReceived if !w.t.user.owned => {
            arrives_for_request(&mut w, error);
            return vec![w];
        }
        State::SynSent
        | State::SynReceived
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait => {}
    }
    if error.seq.before(w.t.snd_una) || error.seq.after(w.t.snd_nxt) {
        w.fired(&rules::ICMP_OUTSIDE);
        return vec![w];
    }
    let Some(errno) = error.errno() else {
        w.fired(&rules::ICMP_SOURCE_QUENCH);
        return vec![w];
    };
    if matches!(w.t.state, State::SynSent | State::SynReceived) {
        w.fired(if error.is_hard() { &rules::ICMP_OPENING_HARD } else { &rules::ICMP_OPENING_SOFT });
        w.t.user.error = Some(errno);
        w.t.end();
        return vec![w];
    }
    w.fired(if error.is_hard() { &rules::ICMP_HARD } else { &rules::ICMP_SOFT });
    w.t.user.soft_error = Some(errno);
    if error.tells_of_disruption() { revert_back_off(w, error.seq) } else { vec![w] }
}

/// The request socket: it goes, or the error is nothing to it (`tcp_req_err`).
fn arrives_for_request(w: &mut Work<'_>, error: IcmpError) {
    let rule: RuleRef = if w.t.iss != Some(error.seq) {
        &rules::ICMP_OUTSIDE
    } else if error.ends_request() {
        w.drop_request();
        w.fired(&rules::COUNT_ATTEMPT_GIVEN_UP);
        &rules::ICMP_REQUEST
    } else {
        &rules::ICMP_REQUEST_KEPT
    };
    w.fired(rule);
}

/// The last back-off is taken back, and the timer counts from the last transmission (`tcp_ld_RTO_revert`).
fn revert_back_off(mut w: Work<'_>, seq: Seq) -> Vec<Work<'_>> {
    let Some(sent_at) = w.t.flight.first().map(|sent| sent.sent_at) else { return vec![w] };
    if seq != w.t.snd_una || w.t.retransmits == 0 || w.t.backoff == 0 {
        return vec![w];
    }
    w.fired(&rules::ICMP_REVERT);
    w.t.backoff -= 1;
    if w.t.rtt.srtt8.is_some() {
        w.t.rtt.set_rto(w.p);
    } else {
        w.t.rtt.rto = w.p.rto_initial();
    }
    let (shift, max) = (w.t.backoff, w.p.rto_max());
    w.t.rtt.rto = w.t.rtt.rto.map(|rto| (rto << shift).min(max));
    let gone = w.at.since(Span::at(sent_at));
    let rto = w.t.rtt.rto;
    // The kernel's clock of transmissions is not seen: it may read a little more or less than ours.
    let most_left = rto.hi.saturating_sub(w.p.ticks_of_us(gone.lo / 1000));
    let least_left = rto.lo.saturating_sub(w.p.ticks_of_us(gone.hi / 1000 + 1));
    let mut done = Vec::new();
    if most_left > 0 {
        let mut waits = w.clone();
        let left = Ticks { lo: least_left.max(1), hi: most_left };
        waits.t.retransmit = Some((RetransmitKind::Timeout, waits.timer(left)));
        done.push(waits);
    }
    if least_left == 0 {
        let asked = w.t.retransmit.map_or(w.at, |(_, timer)| timer.asked);
        done.extend(timeouts::retransmission_timeout(w, asked));
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for (kind, name) in IcmpKind::NAMES {
            assert_eq!((alloc::format!("{kind}").as_str(), IcmpKind::from_name(name)), (name, Some(kind)));
        }
    }
}
