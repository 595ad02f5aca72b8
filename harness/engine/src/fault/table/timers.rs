//! Faults in timers: RFC 6298, RFC 8985, RFC 9293 section 3.8.3.

use tcpconform_model::{EmissionKind, Event, RetransmitKind, State, Timeout, rules};

use super::{owe, retransmits, synchronized};
use crate::fault::{Bend, Fault};

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        name: "rto-not-doubled",
        mistake: "the RTO stays what it is after a retransmission",
        rules: &[&rules::RTO],
        case: "loss/wave1-forever-closed",
        bend: Bend::Waits(|t, timeout, due, p| {
            if synchronized(t.state) && retransmits(t, timeout, RetransmitKind::Timeout) {
                due - (t.rtt.rto.lo - (t.rtt.rto.lo >> t.backoff)) * p.tick_ns()
            } else {
                due
            }
        }),
    },
    Fault {
        name: "rto-too-long",
        mistake: "retransmissions come half an RTO late",
        rules: &[&rules::RTO],
        case: "loss/wave1",
        bend: Bend::Waits(|t, timeout, due, p| {
            if retransmits(t, timeout, RetransmitKind::Timeout) { due + t.rtt.rto.lo / 2 * p.tick_ns() } else { due }
        }),
    },
    Fault {
        name: "rto-without-a-limit",
        mistake: "the RTO grows beyond tcp_rto_max_ms",
        rules: &[&rules::RTO],
        case: "timeout/rto-max",
        bend: Bend::Constants(|p| p.rto_max_ms *= 4),
    },
    Fault {
        name: "rto-min-ignored",
        mistake: "tcp_rto_min_us is not looked at",
        rules: &[&rules::RTO, &rules::LOSS_PROBE],
        case: "timeout/rto-min",
        bend: Bend::Constants(|p| p.rto_min_us = 200_000),
    },
    Fault {
        name: "overtaken-not-resent",
        mistake: "a segment that later ones have overtaken waits for the RTO",
        rules: &[&rules::REORDERING],
        case: "walks/overtaken-by-the-next",
        bend: Bend::Forgets(&rules::REORDERING),
    },
    Fault {
        name: "user-timeout-not-for-syn",
        mistake: "TCP_USER_TIMEOUT does not bear on the SYN",
        rules: &[&rules::USER_TIMEOUT, &rules::SYN_RETRY],
        case: "walks/syn-user-timeout",
        bend: Bend::Takes(|t, _| {
            if t.state == State::SynSent {
                t.user.options.user_timeout_ms = 0;
            }
        }),
    },
    Fault {
        name: "loss-probe-missing",
        mistake: "there is no tail loss probe",
        rules: &[&rules::LOSS_PROBE],
        case: "close/data-both-ways",
        bend: Bend::Constants(|p| p.loss_probe = false),
    },
    Fault {
        name: "loss-probe-late",
        mistake: "the tail loss probe waits twice as long as the RTO",
        rules: &[&rules::LOSS_PROBE],
        case: "loss/wave1",
        bend: Bend::Waits(|t, timeout, due, p| {
            if retransmits(t, timeout, RetransmitKind::LossProbe) { due + 2 * t.rtt.rto.lo * p.tick_ns() } else { due }
        }),
    },
    Fault {
        name: "retransmits-the-newest",
        mistake: "the newest outstanding segment is retransmitted, not the earliest",
        rules: &[&rules::RTO],
        case: "loss/data-and-fin",
        bend: Bend::Says(|t, s| {
            if let (Some(first), Some(last)) = (t.flight.first(), t.flight.last())
                && t.retransmits > 0
                && s.seq == first.seq
            {
                (s.seq, s.data_len) = (last.seq, last.end.since(last.seq) as u32);
            }
            true
        }),
    },
    Fault {
        name: "data-not-retransmitted",
        mistake: "data goes out once",
        rules: &[&rules::RTO, &rules::LOSS_PROBE],
        case: "loss/data-and-fin",
        bend: Bend::Says(|t, s| !(s.data_len > 0 && s.seq.before(t.snd_nxt))),
    },
    Fault {
        name: "given-up-late",
        mistake: "retransmission goes on beyond tcp_retries2",
        rules: &[&rules::RTO_GIVE_UP],
        case: "timeout/retries2-data",
        bend: Bend::Constants(|p| p.retries2 += 1),
    },
    Fault {
        name: "given-up-early",
        mistake: "retransmission ends before tcp_retries2",
        rules: &[&rules::RTO_GIVE_UP],
        case: "timeout/retries2-data",
        bend: Bend::Constants(|p| p.retries2 = p.retries2.saturating_sub(1)),
    },
    Fault {
        name: "given-up-with-a-reset",
        mistake: "a connection that is given up says so with a RST",
        rules: &[&rules::RTO_GIVE_UP, &rules::RTO_GIVE_UP_ORPHAN, &rules::SEGMENT_UNEXPLAINED],
        case: "timeout/retries2-data",
        bend: Bend::Becomes(|before, event, _, next| {
            let timed_out = matches!(event, Event::Timeout(Timeout::Retransmit)) && next.tcb.state == State::Closed;
            if timed_out && synchronized(before.state) {
                let kind = EmissionKind::Reset { seq: before.snd_nxt, ack: Some(before.rcv_nxt), active: true };
                owe(next, kind, &rules::RTO_GIVE_UP);
            }
        }),
    },
    Fault {
        name: "given-up-without-error",
        mistake: "a connection that is given up tells no error",
        rules: &[&rules::CALL_RECEIVE_ERROR, &rules::CALL_RESULT, &rules::POLL_EVENTS],
        case: "timeout/retries2-data",
        bend: Bend::Becomes(|_, event, _, next| {
            if matches!(event, Event::Timeout(_)) && next.tcb.state == State::Closed {
                next.tcb.user.error = None;
            }
        }),
    },
    Fault {
        name: "orphan-not-limited",
        mistake: "an orphan retransmits as long as tcp_retries2 allows",
        rules: &[&rules::RTO_GIVE_UP_ORPHAN],
        case: "orphan/fin-wait-1",
        bend: Bend::Constants(|p| p.orphan_retries = p.retries2),
    },
    Fault {
        name: "orphans-not-counted",
        mistake: "tcp_max_orphans is not looked at",
        rules: &[&rules::ORPHAN_LIMIT],
        case: "orphan/too-many",
        bend: Bend::Constants(|p| p.max_orphans = u32::MAX),
    },
    Fault {
        name: "orphans-limited-too-soon",
        mistake: "a connection is reset at its CLOSE when there are as many orphans as tcp_max_orphans",
        rules: &[&rules::CLOSE_FIN],
        case: "orphan/too-many",
        bend: Bend::Constants(|p| p.max_orphans = p.max_orphans.saturating_sub(1)),
    },
    Fault {
        name: "user-timeout-ignored",
        mistake: "TCP_USER_TIMEOUT is not looked at",
        rules: &[&rules::USER_TIMEOUT],
        case: "timeout/user-timeout-data",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Timeout(_)) {
                t.user.options.user_timeout_ms = 0;
            }
        }),
    },
];
