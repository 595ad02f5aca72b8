//! Faults in TIME-WAIT: RFC 9293 sections 3.4.2, 3.6.1, 3.10.7.4; RFC 1337; RFC 6191.

use tcpconform_model::{AckBy, Another, AnotherCall, EmissionKind, Event, Flags, State, TimeWaitReuse, rules};

use super::{MS, arriving, in_time_wait, owe, unseen};
use crate::fault::{Bend, Fault};

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        name: "time-wait-skipped",
        mistake: "a FIN in FIN-WAIT-2 leads to CLOSED",
        rules: &[&rules::FIN_FIN_WAIT_2, &rules::TIME_WAIT_LENGTH],
        case: "close/active",
        bend: Bend::Becomes(|before, _, _, next| {
            if before.state == State::FinWait2 && next.tcb.state == State::TimeWait {
                (next.tcb.state, next.tcb.time_wait) = (State::Closed, None);
            }
        }),
    },
    Fault {
        name: "time-wait-30-s",
        mistake: "TIME-WAIT lasts 30 s",
        rules: &[&rules::TIME_WAIT_LENGTH],
        case: "time-wait/length",
        bend: Bend::Waits(|t, timeout, due, _| if in_time_wait(t, timeout) { due - 30_000 * MS } else { due }),
    },
    Fault {
        name: "time-wait-120-s",
        mistake: "TIME-WAIT lasts 120 s",
        rules: &[&rules::TIME_WAIT_LENGTH],
        case: "time-wait/length",
        bend: Bend::Waits(|t, timeout, due, _| if in_time_wait(t, timeout) { due + 60_000 * MS } else { due }),
    },
    Fault {
        name: "time-wait-not-restarted",
        mistake: "a repeated FIN does not restart TIME-WAIT",
        rules: &[&rules::TIME_WAIT_ACK, &rules::TIME_WAIT_LENGTH],
        case: "time-wait/restart",
        bend: Bend::Becomes(|before, _, _, next| {
            if before.state == State::TimeWait && next.tcb.state == State::TimeWait {
                next.tcb.time_wait = before.time_wait;
            }
        }),
    },
    Fault {
        name: "time-wait-fin-silent",
        mistake: "a repeated FIN in TIME-WAIT is not acknowledged",
        rules: &[&rules::TIME_WAIT_ACK],
        case: "time-wait/fin-again",
        bend: Bend::Forgets(&rules::TIME_WAIT_ACK),
    },
    Fault {
        name: "time-wait-stray-silent",
        mistake: "an unacceptable segment in TIME-WAIT is not answered",
        rules: &[&rules::TIME_WAIT_OUT_OF_WINDOW],
        case: "time-wait/segments",
        bend: Bend::Forgets(&rules::TIME_WAIT_OUT_OF_WINDOW),
    },
    Fault {
        name: "time-wait-answers-acks",
        mistake: "a pure ACK at RCV.NXT in TIME-WAIT is answered",
        rules: &[&rules::TIME_WAIT_SILENT, &rules::SEGMENT_UNEXPLAINED],
        case: "time-wait/segments",
        bend: Bend::Becomes(|_, _, _, next| {
            if next.rules.contains(&&rules::TIME_WAIT_SILENT) {
                let kind = EmissionKind::Ack { seq: next.tcb.snd_nxt, ack: next.tcb.rcv_nxt, by: AckBy::TimeWait };
                owe(next, kind, &rules::TIME_WAIT_SILENT);
            }
        }),
    },
    Fault {
        name: "time-wait-window-used-up",
        mistake: "what arrives in TIME-WAIT uses up the window that its ACKs tell",
        rules: &[&rules::TIME_WAIT_WINDOW],
        case: "walks/time-wait-window-wraps",
        bend: Bend::Says(|t, s| {
            if let (State::TimeWait, Some(told)) = (t.state, t.wait_window) {
                s.wnd = told.saturating_sub(1);
            }
            true
        }),
    },
    Fault {
        name: "time-wait-any-rst",
        mistake: "any RST ends TIME-WAIT",
        rules: &[&rules::TIME_WAIT_RST_IGNORED],
        case: "rst/never-answered",
        bend: Bend::Takes(|t, event| {
            if let (State::TimeWait, nxt, Some(s)) = (t.state, t.rcv_nxt, arriving(event))
                && s.has(Flags::RST)
            {
                s.seq = nxt;
            }
        }),
    },
    Fault {
        name: "time-wait-no-rst",
        mistake: "no RST ends TIME-WAIT",
        rules: &[&rules::TIME_WAIT_RST],
        case: "loss/slow-path",
        bend: Bend::Takes(|t, event| {
            if t.state == State::TimeWait && arriving(event).is_some_and(|s| s.has(Flags::RST)) {
                *event = unseen();
            }
        }),
    },
    Fault {
        name: "rfc1337-ignored",
        mistake: "tcp_rfc1337 is not looked at",
        rules: &[&rules::TIME_WAIT_RFC1337],
        case: "loss/slow-path",
        bend: Bend::Constants(|p| p.rfc1337 = false),
    },
    Fault {
        name: "time-wait-old-syn-opens",
        mistake: "an old SYN in TIME-WAIT opens a new connection",
        rules: &[&rules::TIME_WAIT_SYN],
        case: "reuse/server-side",
        bend: Bend::Takes(|t, event| {
            if let (State::TimeWait, Some(seq)) =
                (t.state, arriving(event).filter(|s| s.flags == Flags::SYN).map(|s| s.seq))
            {
                (t.rcv_nxt, t.ts_recent) = (seq - 1, 0);
            }
        }),
    },
    Fault {
        name: "time-wait-never-reopens",
        mistake: "a new SYN in TIME-WAIT is taken for an old one",
        rules: &[&rules::TIME_WAIT_REOPEN],
        case: "time-wait/syn",
        bend: Bend::Takes(|t, event| {
            if let (State::TimeWait, nxt, Some(s)) = (t.state, t.rcv_nxt, arriving(event))
                && s.has(Flags::SYN)
            {
                (s.seq, s.options.timestamps) = (nxt - 10, None);
            }
        }),
    },
    Fault {
        name: "time-wait-syn-silent",
        mistake: "an old SYN in TIME-WAIT is not answered",
        rules: &[&rules::TIME_WAIT_SYN],
        case: "time-wait/syn",
        bend: Bend::Forgets(&rules::TIME_WAIT_SYN),
    },
    Fault {
        name: "time-wait-never-reused",
        mistake: "connect never takes over a four-tuple in TIME-WAIT",
        rules: &[&rules::TIME_WAIT_REUSE, &rules::CONNECT_TUPLE],
        case: "reuse/connect",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Another(AnotherCall::Connect { .. })) && t.is_mini() {
                t.ts_recent = 0;
            }
        }),
    },
    Fault {
        name: "time-wait-reused-at-once",
        mistake: "connect takes over a four-tuple in TIME-WAIT without tcp_tw_reuse",
        rules: &[&rules::CONNECT_TUPLE, &rules::TIME_WAIT_REUSE],
        case: "reuse/connect",
        bend: Bend::Constants(|p| p.tw_reuse = TimeWaitReuse::After { ms: 0 }),
    },
    Fault {
        name: "time-wait-leaves-the-port",
        mistake: "a port in TIME-WAIT can be bound without SO_REUSEADDR",
        rules: &[&rules::BIND],
        case: "bind/over-time-wait",
        bend: Bend::Takes(|t, event| {
            if let Event::Another(AnotherCall::Bind) = event
                && t.state == State::TimeWait
            {
                t.user.options.reuse_addr = true;
                t.another = t.another.map(|another| Another { reuse_addr: true, ..another });
            }
        }),
    },
    Fault {
        name: "reuse-addr-ignored",
        mistake: "bind fails over TIME-WAIT in spite of SO_REUSEADDR",
        rules: &[&rules::BIND],
        case: "bind/listen-over-time-wait",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Another(AnotherCall::Bind | AnotherCall::Listen { .. })) {
                t.user.options.reuse_addr = false;
            }
        }),
    },
    Fault {
        name: "time-wait-without-limit",
        mistake: "tcp_max_tw_buckets is not looked at",
        rules: &[&rules::TIME_WAIT_NO_ROOM],
        case: "time-wait/bucket-limit",
        bend: Bend::Constants(|p| p.max_tw_buckets = u32::MAX),
    },
];
