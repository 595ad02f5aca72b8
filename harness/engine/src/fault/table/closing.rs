//! Faults in closing, and in FIN-WAIT-2 without an owner: RFC 9293 sections 3.6, 3.10.4.

use tcpconform_model::{Call, EmissionKind, Errno, Event, Flags, ShutdownHow, Span, State, Timeout, Timer, rules};

use super::{MS, arriving, ends, in_a_minute, moves, owe, synchronized, unseen, wait_two_msl};
use crate::fault::{Bend, Fault};

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        name: "fin-without-number",
        mistake: "our FIN takes no sequence number",
        rules: &[
            &rules::FIN_FIN_WAIT_2,
            &rules::FIN_FIN_WAIT_1,
            &rules::TIME_WAIT_ACK,
            &rules::FIN_DUPLICATE,
            &rules::CHECK_SEQ,
            &rules::TEXT_IN_ORDER,
            &rules::ACK_QUICK,
        ],
        case: "close/active",
        bend: Bend::Says(|t, s| {
            if t.fin_sent() && s.flags == Flags::ACK && s.is_empty() {
                s.seq = s.seq - 1;
            }
            true
        }),
    },
    Fault {
        name: "fin-acked-one-short",
        mistake: "the ACK of a FIN is one short",
        rules: &[
            &rules::FIN_ESTABLISHED,
            &rules::FIN_FIN_WAIT_1,
            &rules::FIN_FIN_WAIT_2,
            &rules::FIN_DUPLICATE,
            &rules::ACK_QUICK,
            &rules::ACK_DELAYED,
            &rules::TIME_WAIT_ACK,
        ],
        case: "close/passive",
        bend: Bend::Says(|t, s| {
            if t.user.eof && s.flags == Flags::ACK && s.is_empty() {
                s.ack = s.ack - 1;
            }
            true
        }),
    },
    Fault {
        name: "fin-of-peer-ignored",
        mistake: "a FIN in ESTABLISHED is ignored",
        rules: &[&rules::FIN_ESTABLISHED, &rules::ACK_DELAYED],
        case: "close/passive",
        bend: Bend::Takes(|t, event| {
            if t.state == State::Established && arriving(event).is_some_and(|s| s.has(Flags::FIN)) {
                *event = unseen();
            }
        }),
    },
    Fault {
        name: "close-wait-skipped",
        mistake: "a FIN in ESTABLISHED is answered with our own FIN before the user closes",
        rules: &[&rules::FIN_ESTABLISHED, &rules::CLOSE_FIN],
        case: "close/passive",
        bend: Bend::Becomes(|before, _, _, next| {
            if before.state == State::Established && next.tcb.state == State::CloseWait {
                moves(next, State::LastAck);
                next.tcb.write_seq = next.tcb.write_seq + 1;
                next.tcb.fin_queued = true;
                owe(next, EmissionKind::Transmit, &rules::CLOSE_FIN);
            }
        }),
    },
    Fault {
        name: "close-wait-silent",
        mistake: "a FIN in ESTABLISHED is not acknowledged until something else is sent",
        rules: &[&rules::FIN_ESTABLISHED, &rules::ACK_QUICK, &rules::ACK_DELAYED],
        case: "close/passive",
        bend: Bend::Says(|t, s| !(t.state == State::CloseWait && s.flags == Flags::ACK && s.is_empty())),
    },
    Fault {
        name: "fin-not-retransmitted",
        mistake: "the FIN goes out once",
        rules: &[&rules::RTO, &rules::LOSS_PROBE],
        case: "loss/wave1",
        bend: Bend::Says(|t, s| !(s.has(Flags::FIN) && s.seq.before(t.snd_nxt))),
    },
    Fault {
        name: "fin-retransmitted-without-its-bit",
        mistake: "a FIN is retransmitted as a bare ACK",
        rules: &[&rules::RTO, &rules::LOSS_PROBE],
        case: "loss/wave1",
        bend: Bend::Says(|t, s| {
            if s.has(Flags::FIN) && s.seq.before(t.snd_nxt) {
                s.flags = s.flags.without(Flags::FIN);
            }
            true
        }),
    },
    Fault {
        name: "fin-retransmitted-at-snd-nxt",
        mistake: "a FIN is retransmitted with the next sequence number",
        rules: &[&rules::RTO, &rules::LOSS_PROBE],
        case: "loss/wave1",
        bend: Bend::Says(|t, s| {
            if s.has(Flags::FIN) && s.seq.before(t.snd_nxt) {
                s.seq = t.snd_nxt;
            }
            true
        }),
    },
    Fault {
        name: "fin-overtakes-data",
        mistake: "close drops the data that is not sent yet",
        rules: &[&rules::CLOSE_FIN],
        case: "close/corked",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Call(Call::Close | Call::Exit | Call::Shutdown(_)))
                && t.iss.is_some()
                && !t.fin_queued
            {
                t.write_seq = t.snd_nxt;
            }
        }),
    },
    Fault {
        name: "closing-skipped",
        mistake: "a simultaneous close goes from FIN-WAIT-1 to TIME-WAIT without the ACK of our FIN",
        rules: &[&rules::FIN_FIN_WAIT_1],
        case: "simultaneous/crossed-fins",
        bend: Bend::Becomes(|before, _, at, next| {
            if before.state == State::FinWait1 && next.tcb.state == State::Closing {
                wait_two_msl(next, at);
            }
        }),
    },
    Fault {
        name: "closing-without-time-wait",
        mistake: "a simultaneous close ends in CLOSED, not in TIME-WAIT",
        rules: &[&rules::ACK_CLOSING, &rules::TIME_WAIT_LENGTH],
        case: "simultaneous/crossed-fins",
        bend: Bend::Becomes(|before, _, _, next| {
            if before.state == State::Closing && next.tcb.state == State::TimeWait {
                (next.tcb.state, next.tcb.time_wait) = (State::Closed, None);
            }
        }),
    },
    Fault {
        name: "closing-ack-unnoticed",
        mistake: "the ACK of our FIN in CLOSING is ignored",
        rules: &[&rules::ACK_CLOSING],
        case: "simultaneous/crossed-fins",
        bend: Bend::Takes(|t, event| {
            if t.state == State::Closing && arriving(event).is_some_and(|s| s.is_empty()) {
                *event = unseen();
            }
        }),
    },
    Fault {
        name: "fin-wait-2-skipped",
        mistake: "the ACK of our FIN moves FIN-WAIT-1 to TIME-WAIT",
        rules: &[&rules::ACK_FIN_WAIT_1],
        case: "close/active",
        bend: Bend::Becomes(|before, _, at, next| {
            if before.state == State::FinWait1 && next.tcb.state == State::FinWait2 {
                wait_two_msl(next, at);
            }
        }),
    },
    Fault {
        name: "fin-wait-1-stays",
        mistake: "the ACK of our FIN in FIN-WAIT-1 is ignored",
        rules: &[&rules::ACK_FIN_WAIT_1],
        case: "close/active",
        bend: Bend::Takes(|t, event| {
            let all = t.snd_nxt;
            if t.state == State::FinWait1 && arriving(event).is_some_and(|s| s.is_empty() && s.ack == all) {
                *event = unseen();
            }
        }),
    },
    Fault {
        name: "last-ack-waits",
        mistake: "the ACK of our FIN in LAST-ACK leads to TIME-WAIT",
        rules: &[&rules::ACK_LAST_ACK],
        case: "close/passive",
        bend: Bend::Becomes(|before, _, at, next| {
            if before.state == State::LastAck && next.rules.contains(&&rules::ACK_LAST_ACK) {
                wait_two_msl(next, at);
            }
        }),
    },
    Fault {
        name: "last-ack-stays",
        mistake: "the ACK of our FIN in LAST-ACK is ignored",
        rules: &[&rules::ACK_LAST_ACK],
        case: "close/passive",
        bend: Bend::Takes(|t, event| {
            if t.state == State::LastAck && arriving(event).is_some_and(|s| s.flags == Flags::ACK) {
                *event = unseen();
            }
        }),
    },
    Fault {
        name: "fin-in-fin-wait-1-silent",
        mistake: "a FIN in FIN-WAIT-1 is not acknowledged",
        rules: &[&rules::FIN_FIN_WAIT_1],
        case: "simultaneous/crossed-fins",
        bend: Bend::Forgets(&rules::FIN_FIN_WAIT_1),
    },
    Fault {
        name: "fin-in-fin-wait-2-silent",
        mistake: "a FIN in FIN-WAIT-2 is not acknowledged",
        rules: &[&rules::FIN_FIN_WAIT_2],
        case: "close/active",
        bend: Bend::Forgets(&rules::FIN_FIN_WAIT_2),
    },
    Fault {
        name: "repeated-fin-silent",
        mistake: "a repeated FIN is not acknowledged again",
        rules: &[&rules::FIN_DUPLICATE],
        case: "disorder/duplicate-fin",
        bend: Bend::Forgets(&rules::FIN_DUPLICATE),
    },
    Fault {
        name: "fin-loses-its-data",
        mistake: "the data that comes with a FIN never reaches the reader",
        rules: &[&rules::CALL_RECEIVE],
        case: "abort/unread-data-close-wait",
        bend: Bend::Becomes(|before, event, _, next| {
            if let (Event::SegmentArrives(s), false, true) = (event, before.user.eof, next.tcb.user.eof)
                && s.data_len > 0
            {
                next.tcb.user.unread = before.user.unread;
            }
        }),
    },
    Fault {
        name: "fin-with-data-not-seen",
        mistake: "the FIN bit of a segment with data is not seen",
        rules: &[&rules::FIN_ESTABLISHED, &rules::FIN_FIN_WAIT_1, &rules::FIN_FIN_WAIT_2, &rules::TEXT_IN_ORDER],
        case: "abort/unread-data-close-wait",
        bend: Bend::Takes(|_, event| {
            if let Some(s) = arriving(event)
                && s.data_len > 0
            {
                s.flags = s.flags.without(Flags::FIN);
            }
        }),
    },
    Fault {
        name: "early-fin-taken",
        mistake: "a FIN is taken before the data that is missing in front of it",
        rules: &[&rules::TEXT_OUT_OF_ORDER],
        case: "disorder/fin-before-data",
        bend: Bend::Takes(|t, event| {
            let nxt = t.rcv_nxt;
            if let (true, Some(s)) = (synchronized(t.state), arriving(event))
                && s.has(Flags::FIN)
                && s.seq.after(nxt)
            {
                (s.seq, s.data_len) = (nxt, 0);
            }
        }),
    },
    Fault {
        name: "early-fin-forgotten",
        mistake: "a FIN that came before missing data is forgotten",
        rules: &[&rules::TEXT_FILLS_GAP, &rules::FIN_ESTABLISHED, &rules::TEXT_IN_ORDER],
        case: "disorder/fin-before-data",
        bend: Bend::Becomes(|_, _, _, next| {
            for (_, right, fin) in next.tcb.out_of_order.iter_mut().filter(|(_, _, fin)| *fin) {
                (*right, *fin) = (*right - 1, false);
            }
            next.tcb.out_of_order.retain(|(left, right, _)| left != right);
        }),
    },
    Fault {
        name: "half-close-closes-both",
        mistake: "shutdown of the write side closes the read side as well",
        rules: &[&rules::SHUTDOWN_WRITE, &rules::POLL_EVENTS],
        case: "icmp/closing-states",
        bend: Bend::Takes(|_, event| {
            if let Event::Call(Call::Shutdown(how @ ShutdownHow::Write)) = event {
                *how = ShutdownHow::Both;
            }
        }),
    },
    Fault {
        name: "read-shutdown-sends-fin",
        mistake: "shutdown of the read side sends a FIN",
        rules: &[&rules::SHUTDOWN_READ],
        case: "close/shutdown-read",
        bend: Bend::Takes(|_, event| {
            if let Event::Call(Call::Shutdown(how @ ShutdownHow::Read)) = event {
                *how = ShutdownHow::Both;
            }
        }),
    },
    Fault {
        name: "read-shutdown-resets",
        mistake: "data after a shutdown of the read side is answered with a RST",
        rules: &[&rules::SHUTDOWN_READ, &rules::ACK_QUICK],
        case: "close/shutdown-read",
        bend: Bend::Becomes(|before, event, _, next| {
            if let (Event::SegmentArrives(s), true, State::Established) = (event, before.user.read_shut, before.state)
                && s.data_len > 0
            {
                next.tcb.owed.clear();
                owe(next, EmissionKind::Reset { seq: s.ack, ack: None, active: false }, &rules::TEXT_AFTER_CLOSE);
                ends(next, Errno::CONNRESET);
            }
        }),
    },
    Fault {
        name: "shared-descriptor-closes",
        mistake: "the close of a descriptor closes the connection although another is open",
        rules: &[&rules::CLOSE_SHARED],
        case: "close/dup",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Call(Call::Close | Call::Exit)) {
                t.user.descriptors = t.user.descriptors.min(1);
            }
        }),
    },
    Fault {
        name: "unread-data-fin",
        mistake: "close with unread data sends a FIN",
        rules: &[&rules::CLOSE_UNREAD],
        case: "abort/unread-data",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Call(Call::Close | Call::Exit)) && t.user.descriptors == 1 {
                t.user.unread = 0;
            }
        }),
    },
    Fault {
        name: "linger-0-fin",
        mistake: "close with SO_LINGER 0 sends a FIN",
        rules: &[&rules::CLOSE_LINGER_ZERO],
        case: "abort/linger-0",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Call(Call::Close | Call::Exit)) && t.user.options.linger_s == Some(0) {
                t.user.options.linger_s = None;
            }
        }),
    },
    Fault {
        name: "linger-0-silent",
        mistake: "close with SO_LINGER 0 deletes the connection without a RST",
        rules: &[&rules::CLOSE_LINGER_ZERO],
        case: "abort/linger-0",
        bend: Bend::Forgets(&rules::CLOSE_LINGER_ZERO),
    },
    Fault {
        name: "linger-not-waited",
        mistake: "close with SO_LINGER returns at once",
        rules: &[&rules::CALL_RESULT],
        case: "close/linger-acked",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Call(Call::Close)) && t.user.options.linger_s.is_some_and(|s| s > 0) {
                t.user.options.linger_s = None;
            }
        }),
    },
    Fault {
        name: "linger-too-long",
        mistake: "close with SO_LINGER returns two seconds late",
        rules: &[&rules::CALL_RESULT],
        case: "linger/expires",
        bend: Bend::Waits(|_, timeout, due, _| if timeout == Timeout::Linger { due + 2_000 * MS } else { due }),
    },
    Fault {
        name: "data-after-close-acked",
        mistake: "data that arrives after close is acknowledged, not answered with a RST",
        rules: &[&rules::TEXT_AFTER_CLOSE],
        case: "abort/data-after-close",
        bend: Bend::Takes(|t, event| {
            if t.user.orphan && matches!(event, Event::SegmentArrives(_)) {
                t.user.read_shut = false;
            }
        }),
    },
    Fault {
        name: "unclaimed-connection-left",
        mistake: "close of a listener leaves the connections that nobody accepted",
        rules: &[&rules::CLOSE_LISTEN],
        case: "close/listener",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::CallListener(Call::Close)) && t.claimable() {
                (t.user.owned, t.user.descriptors) = (true, 2);
            }
        }),
    },
    Fault {
        name: "syn-sent-close-resets",
        mistake: "close in SYN-SENT sends a RST",
        rules: &[&rules::CLOSE_SYN_SENT],
        case: "close/syn-sent",
        bend: Bend::Becomes(|before, _, _, next| {
            if before.state == State::SynSent && next.rules.contains(&&rules::CLOSE_SYN_SENT) {
                owe(
                    next,
                    EmissionKind::Reset { seq: before.snd_nxt, ack: None, active: false },
                    &rules::CLOSE_SYN_SENT,
                );
            }
        }),
    },
    // FIN-WAIT-2 without an owner: tcp(7), tcp_fin_timeout and TCP_LINGER2.
    Fault {
        name: "fin-wait-2-never-ends",
        mistake: "an orphan stays in FIN-WAIT-2",
        rules: &[&rules::FIN_WAIT_2_ORPHAN],
        case: "fin-wait-2/orphan-timeout",
        bend: Bend::Waits(|t, timeout, due, _| {
            if t.state == State::FinWait2 && t.user.orphan && timeout != Timeout::DelayedAck {
                due + 3_600_000 * MS
            } else {
                due
            }
        }),
    },
    Fault {
        name: "fin-wait-2-half-as-long",
        mistake: "an orphan stays in FIN-WAIT-2 for half of tcp_fin_timeout",
        rules: &[&rules::FIN_WAIT_2_ORPHAN],
        case: "fin-wait-2/orphan-timeout",
        bend: Bend::Constants(|p| p.fin_timeout_s /= 2),
    },
    Fault {
        name: "fin-wait-2-extended",
        mistake: "what arrives for an orphan in FIN-WAIT-2 restarts its timeout",
        rules: &[&rules::FIN_WAIT_2_ORPHAN],
        case: "fin-wait-2/ack-does-not-extend",
        bend: Bend::Becomes(|before, _, at, next| {
            if let (State::FinWait2, State::FinWait2, Some(old)) = (before.state, next.tcb.state, before.time_wait) {
                let late = at.saturating_sub(before.heard_at.lo);
                next.tcb.heard_at = Span::at(at);
                next.tcb.time_wait = Some(Timer { asked: old.asked.plus(late, late), due: old.due.plus(late, late) });
            }
        }),
    },
    Fault {
        name: "linger2-ignored",
        mistake: "TCP_LINGER2 is not looked at",
        rules: &[&rules::FIN_WAIT_2_ORPHAN, &rules::FIN_WAIT_2_LINGER2],
        case: "fin-wait-2/linger2",
        bend: Bend::Takes(|t, event| {
            if !matches!(event, Event::Call(Call::GetOption(_) | Call::SetOption(_))) {
                t.user.options.linger2_s = 0;
            }
        }),
    },
    Fault {
        name: "linger2-negative-stays",
        mistake: "an orphan with TCP_LINGER2 < 0 stays in FIN-WAIT-2",
        rules: &[&rules::FIN_WAIT_2_LINGER2],
        case: "fin-wait-2/linger2-negative",
        bend: Bend::Takes(|t, event| {
            if !matches!(event, Event::Call(Call::GetOption(_) | Call::SetOption(_))) {
                t.user.options.linger2_s = t.user.options.linger2_s.max(0);
            }
        }),
    },
    Fault {
        name: "fin-wait-2-data-ignored",
        mistake: "data to an orphan in FIN-WAIT-2 is not answered",
        rules: &[&rules::FIN_WAIT_2_DATA],
        case: "abort/data-after-close",
        bend: Bend::Becomes(|before, _, _, next| {
            if next.rules.contains(&&rules::FIN_WAIT_2_DATA) {
                next.tcb = before.clone();
            }
        }),
    },
    Fault {
        name: "owned-fin-wait-2-ends",
        mistake: "FIN-WAIT-2 ends after a minute although a descriptor is open",
        rules: &[&rules::FIN_WAIT_2_OWNED, &rules::TIMER_REPORTED],
        case: "fin-wait-2/owned",
        bend: Bend::Becomes(|before, _, at, next| {
            if before.state == State::FinWait1 && next.tcb.state == State::FinWait2 && !next.tcb.user.orphan {
                next.tcb.time_wait = Some(in_a_minute(at));
            }
        }),
    },
];
