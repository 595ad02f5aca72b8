//! Faults in what a host counts: RFC 4022, /proc/net/snmp, /proc/net/netstat.

use tcpconform_model::{Counter, State, Tcb, rules};

use crate::fault::{Bend, Fault};

/// How much more it is than before.
fn more(before: &Tcb, after: &Tcb, counter: Counter) -> i32 {
    after.counts.of(counter).0 - before.counts.of(counter).0
}

fn uncounted(before: &Tcb, after: &mut Tcb, counter: Counter) {
    (0..more(before, after, counter)).for_each(|_| after.counts.take(counter));
}

/// Whether the connection has gone from one of these states to CLOSED.
fn closed_from(before: &Tcb, after: &Tcb, states: &[State]) -> bool {
    states.contains(&before.state) && after.state == State::Closed
}

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        name: "active-open-per-syn",
        mistake: "a SYN that is sent again counts as another active OPEN",
        rules: &[&rules::COUNT_ACTIVE_OPENS],
        case: "counters/syn-again",
        bend: Bend::Counts(|before, after| {
            if before.state == State::SynSent && more(before, after, Counter::RetransSegs) > 0 {
                after.counts.add(Counter::ActiveOpens);
            }
        }),
    },
    Fault {
        name: "passive-open-at-syn",
        mistake: "a passive OPEN counts when the SYN arrives",
        rules: &[&rules::COUNT_PASSIVE_OPENS],
        case: "counters/passive-open",
        bend: Bend::Counts(|before, after| {
            uncounted(before, after, Counter::PassiveOpens);
            if before.state == State::Listen && after.state == State::SynReceived {
                after.counts.add(Counter::PassiveOpens);
            }
        }),
    },
    Fault {
        name: "crossing-open-is-passive",
        mistake: "an OPEN that crosses the peer's counts as a passive one too",
        rules: &[&rules::COUNT_PASSIVE_OPENS],
        case: "counters/simultaneous-open",
        bend: Bend::Counts(|before, after| {
            if before.state == State::SynSent && after.state == State::SynReceived {
                after.counts.add(Counter::PassiveOpens);
            }
        }),
    },
    Fault {
        name: "closed-attempt-fails",
        mistake: "close() in SYN-SENT counts as a failed OPEN",
        rules: &[&rules::COUNT_ATTEMPT_FAILS],
        case: "counters/attempt-fails",
        bend: Bend::Counts(|before, after| {
            if closed_from(before, after, &[State::SynSent]) && after.user.orphan {
                after.counts.add(Counter::AttemptFails);
            }
        }),
    },
    Fault {
        name: "attempt-fails-uncounted",
        mistake: "an OPEN that fails is not counted",
        rules: &[&rules::COUNT_ATTEMPT_FAILS],
        case: "counters/attempt-fails",
        bend: Bend::Counts(|before, after| uncounted(before, after, Counter::AttemptFails)),
    },
    Fault {
        name: "reset-in-close-wait-uncounted",
        mistake: "only connections that are reset in ESTABLISHED are counted",
        rules: &[&rules::COUNT_ESTAB_RESETS],
        case: "counters/estab-resets",
        bend: Bend::Counts(|before, after| {
            if before.state == State::CloseWait {
                uncounted(before, after, Counter::EstabResets);
            }
        }),
    },
    Fault {
        name: "reset-while-closing-counted",
        mistake: "a connection that is reset in a closing state counts as one that was established",
        rules: &[&rules::COUNT_ESTAB_RESETS],
        case: "counters/closing-is-no-reset",
        bend: Bend::Counts(|before, after| {
            let closing = [State::FinWait1, State::FinWait2, State::Closing];
            if closed_from(before, after, &closing) && more(before, after, Counter::InSegs) > 0 {
                after.counts.add(Counter::EstabResets);
            }
        }),
    },
    Fault {
        name: "close-wait-not-current",
        mistake: "a connection in CLOSE-WAIT does not count as established",
        rules: &[&rules::COUNT_CURR_ESTAB],
        case: "counters/estab-resets",
        bend: Bend::Counts(|before, after| match (before.state, after.state) {
            (State::Established, State::CloseWait) => after.counts.take(Counter::CurrEstab),
            (State::CloseWait, to) if to != State::CloseWait => after.counts.add(Counter::CurrEstab),
            (_, _) => {}
        }),
    },
    Fault {
        name: "fin-wait-1-is-current",
        mistake: "a connection counts as established until its FIN is acknowledged",
        rules: &[&rules::COUNT_CURR_ESTAB],
        case: "counters/time-wait",
        bend: Bend::Counts(|before, after| match (before.state, after.state) {
            (State::Established, State::FinWait1) => after.counts.add(Counter::CurrEstab),
            (State::FinWait1, to) if to != State::FinWait1 => after.counts.take(Counter::CurrEstab),
            (_, _) => {}
        }),
    },
    Fault {
        name: "damaged-uncounted",
        mistake: "a segment in error does not count as received",
        rules: &[&rules::COUNT_IN_SEGS],
        case: "counters/in-error",
        bend: Bend::Counts(|before, after| {
            if more(before, after, Counter::InErrs) > 0 {
                uncounted(before, after, Counter::InSegs);
            }
        }),
    },
    Fault {
        name: "retransmission-counts-as-sent",
        mistake: "a retransmission counts as sent, too",
        rules: &[&rules::COUNT_OUT_SEGS],
        case: "counters/retransmissions",
        bend: Bend::Counts(|before, after| {
            if more(before, after, Counter::RetransSegs) > more(before, after, Counter::OutSegs) {
                after.counts.add(Counter::OutSegs);
            }
        }),
    },
    Fault {
        name: "retransmission-uncounted",
        mistake: "a FIN that is sent again does not count as a retransmission",
        rules: &[&rules::COUNT_RETRANS_SEGS],
        case: "counters/retransmissions",
        bend: Bend::Counts(|before, after| {
            if before.fin_sent() {
                uncounted(before, after, Counter::RetransSegs);
            }
        }),
    },
    Fault {
        name: "header-error-uncounted",
        mistake: "only a wrong checksum counts as an error",
        rules: &[&rules::COUNT_IN_ERRS],
        case: "counters/in-error",
        bend: Bend::Counts(|before, after| {
            if more(before, after, Counter::InCsumErrors) == 0 {
                uncounted(before, after, Counter::InErrs);
            }
        }),
    },
    Fault {
        name: "checksum-error-uncounted",
        mistake: "wrong checksums have no count of their own",
        rules: &[&rules::COUNT_IN_CSUM_ERRORS],
        case: "counters/in-error",
        bend: Bend::Counts(|before, after| uncounted(before, after, Counter::InCsumErrors)),
    },
    Fault {
        name: "rst-of-nobody-uncounted",
        mistake: "a RST that answers a segment for no connection is not counted",
        rules: &[&rules::COUNT_OUT_RSTS],
        case: "counters/no-connection",
        bend: Bend::Counts(|before, after| {
            if before.state == State::Closed && before.iss.is_none() {
                uncounted(before, after, Counter::OutRsts);
            }
        }),
    },
    Fault {
        name: "time-wait-counted-twice",
        mistake: "a FIN-WAIT-2 without an owner that becomes a TIME-WAIT counts as two waits",
        rules: &[&rules::COUNT_TIME_WAITED],
        case: "counters/short-wait",
        bend: Bend::Counts(|before, after| {
            if before.is_mini() && (before.state, after.state) == (State::FinWait2, State::TimeWait) {
                after.counts.add(Counter::TimeWaited);
            }
        }),
    },
    Fault {
        name: "short-wait-counts-as-long",
        mistake: "a wait of four seconds counts as a longer one",
        rules: &[&rules::COUNT_TIME_WAITED, &rules::COUNT_TIME_WAIT_KILLED],
        case: "counters/short-wait",
        bend: Bend::Counts(|before, after| {
            if more(before, after, Counter::TimeWaitKilled) > 0 {
                uncounted(before, after, Counter::TimeWaitKilled);
                after.counts.add(Counter::TimeWaited);
            }
        }),
    },
    Fault {
        name: "recycled-uncounted",
        mistake: "a connection that takes over one in TIME-WAIT is not counted",
        rules: &[&rules::COUNT_TIME_WAIT_RECYCLED],
        case: "counters/recycled",
        bend: Bend::Counts(|before, after| uncounted(before, after, Counter::TimeWaitRecycled)),
    },
    Fault {
        name: "overflow-uncounted",
        mistake: "a handshake that meets a full accept queue is not counted",
        rules: &[&rules::COUNT_LISTEN_OVERFLOWS],
        case: "listen/abort-on-overflow",
        bend: Bend::Counts(|before, after| uncounted(before, after, Counter::ListenOverflows)),
    },
    Fault {
        name: "abort-on-data-uncounted",
        mistake: "data after close() ends the connection and is not counted",
        rules: &[&rules::COUNT_ABORT_ON_DATA],
        case: "counters/abort-reasons",
        bend: Bend::Counts(|before, after| uncounted(before, after, Counter::AbortOnData)),
    },
    Fault {
        name: "abort-on-close-counts-as-data",
        mistake: "close() with unread data counts as an abort by data after close()",
        rules: &[&rules::COUNT_ABORT_ON_CLOSE, &rules::COUNT_ABORT_ON_DATA],
        case: "counters/estab-resets",
        bend: Bend::Counts(|before, after| {
            if more(before, after, Counter::AbortOnClose) > 0 {
                uncounted(before, after, Counter::AbortOnClose);
                after.counts.add(Counter::AbortOnData);
            }
        }),
    },
    Fault {
        name: "abort-on-timeout-uncounted",
        mistake: "an orphan that is given up is not counted",
        rules: &[&rules::COUNT_ABORT_ON_TIMEOUT],
        case: "counters/abort-reasons",
        bend: Bend::Counts(|before, after| {
            if before.user.orphan {
                uncounted(before, after, Counter::AbortOnTimeout);
            }
        }),
    },
    Fault {
        name: "abort-on-linger-uncounted",
        mistake: "close() in FIN-WAIT-2 with TCP_LINGER2 < 0 is not counted",
        rules: &[&rules::COUNT_ABORT_ON_LINGER],
        case: "counters/abort-reasons",
        bend: Bend::Counts(|before, after| uncounted(before, after, Counter::AbortOnLinger)),
    },
    Fault {
        name: "time-wait-overflow-uncounted",
        mistake: "a connection that finds no room in TIME-WAIT is not counted",
        rules: &[&rules::COUNT_TIME_WAIT_OVERFLOW],
        case: "counters/time-wait-overflow",
        bend: Bend::Counts(|before, after| uncounted(before, after, Counter::TimeWaitOverflow)),
    },
];
