//! The faults, one row each, in the order of RFC 9293.
//!
//! Owns what each mistake does to the stack. Refuses to know who finds it, but for the rules that are about it.

use tcpconform_model::{
    AckBy, Another, AnotherCall, Call, CallResult, Emission, EmissionKind, Errno, Event, Flags, HOP_LIMIT_DEFAULT,
    Nanos, Poll, Queue, RetransmitKind, RuleRef, SackBlock, Segment, ShutdownHow, SocketOption, Span, State, Tcb,
    TimeWaitReuse, Timeout, Timer, Timestamps, Transition, rules,
};

use super::{Bend, Fault};

const MS: Nanos = 1_000_000;

/// Every fault.
pub static FAULTS: &[Fault] = &[
    // Opening: RFC 9293 sections 3.5, 3.10.7.1 to 3.10.7.3.
    Fault {
        name: "syn-not-retransmitted",
        mistake: "the SYN goes out once",
        rules: &[&rules::SYN_RETRY],
        case: "timeout/syn",
        bend: Bend::Says(|t, s| !(s.flags == Flags::SYN && t.iss.is_some() && !t.flight.is_empty())),
    },
    Fault {
        name: "syn-never-given-up",
        mistake: "the OPEN goes on two SYNs longer than tcp_syn_retries",
        rules: &[&rules::SYN_RETRY, &rules::SEGMENT_UNEXPLAINED],
        case: "timeout/syn",
        bend: Bend::Constants(|p| p.syn_retries += 2),
    },
    Fault {
        name: "syn-ack-not-retransmitted",
        mistake: "the SYN,ACK goes out once",
        rules: &[&rules::SYN_ACK_RETRY],
        case: "timeout/syn-ack",
        bend: Bend::Says(|t, s| !(opens_passively(s) && t.retransmits + t.backoff > 0)),
    },
    Fault {
        name: "syn-ack-given-up-early",
        mistake: "SYN-RECEIVED ends two SYN,ACKs before tcp_synack_retries",
        rules: &[&rules::SYN_ACK_RETRY],
        case: "timeout/syn-ack",
        bend: Bend::Constants(|p| p.synack_retries = p.synack_retries.saturating_sub(2)),
    },
    Fault {
        name: "repeated-syn-unanswered",
        mistake: "a repeated SYN in SYN-RECEIVED is not answered",
        rules: &[&rules::SYN_RECEIVED_SYN],
        case: "open/syn-received-segments",
        bend: Bend::Forgets(&rules::SYN_RECEIVED_SYN),
    },
    Fault {
        name: "crossing-syn-unanswered",
        mistake: "a SYN that crosses our own is not answered",
        rules: &[&rules::SYN_SENT_SYN],
        case: "open/crossed-syns",
        bend: Bend::Forgets(&rules::SYN_SENT_SYN),
    },
    Fault {
        name: "listener-ignores-ack",
        mistake: "a listener answers an ACK with nothing",
        rules: &[&rules::ARRIVES_LISTEN_ACK],
        case: "open/listen-segments",
        bend: Bend::Forgets(&rules::ARRIVES_LISTEN_ACK),
    },
    Fault {
        name: "listener-takes-syn-fin",
        mistake: "a listener takes a SYN with a FIN",
        rules: &[&rules::ARRIVES_LISTEN_IGNORED],
        case: "open/listen-segments",
        bend: Bend::Takes(|t, event| {
            if let (State::Listen, Some(s)) = (t.state, arriving(event))
                && s.has(Flags::SYN | Flags::FIN)
            {
                s.flags = s.flags.without(Flags::FIN);
            }
        }),
    },
    Fault {
        name: "listener-answers-rst",
        mistake: "a listener answers a RST with a RST",
        rules: &[&rules::ARRIVES_LISTEN_IGNORED],
        case: "open/listen-segments",
        bend: Bend::Takes(|t, event| {
            if let (State::Listen, Some(s)) = (t.state, arriving(event))
                && s.has(Flags::RST)
            {
                s.flags = Flags::ACK;
            }
        }),
    },
    Fault {
        name: "closed-port-silent",
        mistake: "a segment for no connection is not answered",
        rules: &[&rules::ARRIVES_CLOSED],
        case: "close/strays",
        bend: Bend::Forgets(&rules::ARRIVES_CLOSED),
    },
    Fault {
        name: "closed-port-answers-rst",
        mistake: "a RST for no connection is answered with a RST",
        rules: &[&rules::ARRIVES_CLOSED],
        case: "close/strays",
        bend: Bend::Takes(|t, event| {
            if let (State::Closed, Some(s)) = (t.state, arriving(event))
                && s.has(Flags::RST)
            {
                s.flags = Flags::ACK;
            }
        }),
    },
    Fault {
        name: "closed-port-rst-number",
        mistake: "the RST for no connection does not take its number from the ACK",
        rules: &[&rules::ARRIVES_CLOSED],
        case: "close/strays",
        bend: Bend::Says(|t, s| {
            if t.state == State::Closed && s.flags == Flags::RST {
                s.seq = s.seq + 1;
            }
            true
        }),
    },
    Fault {
        name: "refusal-unnoticed",
        mistake: "a RST that refuses the OPEN is ignored",
        rules: &[&rules::SYN_SENT_RST],
        case: "open/syn-sent-rst",
        bend: Bend::Takes(|t, event| {
            if t.state == State::SynSent && arriving(event).is_some_and(|s| s.has(Flags::RST)) {
                *event = Event::DamagedSegmentArrives;
            }
        }),
    },
    Fault {
        name: "refused-by-any-rst",
        mistake: "a RST without an ACK refuses the OPEN",
        rules: &[&rules::SYN_SENT_IGNORED],
        case: "open/syn-sent-rst",
        bend: Bend::Takes(|t, event| {
            if let (State::SynSent, nxt, Some(s)) = (t.state, t.snd_nxt, arriving(event))
                && s.has(Flags::RST)
            {
                (s.flags, s.ack) = (Flags::RST | Flags::ACK, nxt);
            }
        }),
    },
    Fault {
        name: "refusal-is-a-reset",
        mistake: "connect fails with ECONNRESET where a RST refused it",
        rules: &[&rules::CALL_RESULT],
        case: "open/syn-sent-rst",
        bend: Bend::Returns(|_, _, result| error_for(result, Errno::CONNREFUSED, Errno::CONNRESET)),
    },
    Fault {
        name: "bad-ack-in-syn-sent-silent",
        mistake: "an unacceptable ACK in SYN-SENT is not answered",
        rules: &[&rules::SYN_SENT_BAD_ACK],
        case: "open/old-ack-in-syn-sent",
        bend: Bend::Forgets(&rules::SYN_SENT_BAD_ACK),
    },
    Fault {
        name: "bad-ack-in-syn-received-silent",
        mistake: "an unacceptable ACK in SYN-RECEIVED is not answered",
        rules: &[&rules::SYN_RECEIVED_BAD_ACK],
        case: "open/syn-received-segments",
        bend: Bend::Forgets(&rules::SYN_RECEIVED_BAD_ACK),
    },
    Fault {
        name: "any-ack-establishes",
        mistake: "any ACK in SYN-RECEIVED establishes the connection",
        rules: &[&rules::SYN_RECEIVED_BAD_ACK],
        case: "open/syn-received-segments",
        bend: Bend::Takes(|t, event| {
            if let (State::SynReceived, nxt, Some(s)) = (t.state, t.snd_nxt, arriving(event))
                && s.has(Flags::ACK)
            {
                s.ack = nxt;
            }
        }),
    },
    Fault {
        name: "full-queue-takes-syn",
        mistake: "a SYN is answered although the accept queue is full",
        rules: &[&rules::ACCEPT_QUEUE_SYN],
        case: "listen/queue-full-syn",
        bend: Bend::Takes(|t, _| t.neighbours.unaccepted = 0),
    },
    Fault {
        name: "overflow-not-aborted",
        mistake: "tcp_abort_on_overflow is not looked at",
        rules: &[&rules::ACCEPT_QUEUE_ABORT],
        case: "listen/abort-on-overflow",
        bend: Bend::Constants(|p| p.abort_on_overflow = false),
    },
    Fault {
        name: "iss-reused",
        mistake: "a connection over TIME-WAIT begins at the old connection's ISS",
        rules: &[&rules::TIME_WAIT_REOPEN, &rules::TIME_WAIT_REUSE],
        case: "time-wait/syn",
        bend: Bend::Becomes(|before, _, _, next| {
            if before.is_mini() && !next.tcb.is_mini() && next.tcb.iss.is_some() {
                next.tcb.iss = before.iss;
            }
        }),
    },
    // Data: RFC 9293 sections 3.7, 3.8, 3.10.2, 3.10.3.
    Fault {
        name: "delayed-ack-600-ms",
        mistake: "an ACK is delayed by 400 ms more than it may be",
        rules: &[&rules::ACK_DELAYED],
        case: "ack/fin-delayed",
        bend: Bend::Waits(|_, timeout, due, _| if timeout == Timeout::DelayedAck { due + 400 * MS } else { due }),
    },
    Fault {
        name: "first-acks-delayed",
        mistake: "ACKs are delayed from the first data on",
        rules: &[&rules::ACK_QUICK],
        case: "ack/fin-alone",
        bend: Bend::Takes(|t, _| t.acking.pingpong = (u64::MAX, u64::MAX)),
    },
    Fault {
        name: "gap-not-reported",
        mistake: "data out of order is not answered",
        rules: &[&rules::TEXT_OUT_OF_ORDER],
        case: "challenge/right-edge",
        bend: Bend::Forgets(&rules::TEXT_OUT_OF_ORDER),
    },
    Fault {
        name: "gap-filled-silently",
        mistake: "data that fills a gap is not acknowledged",
        rules: &[&rules::TEXT_FILLS_GAP],
        case: "disorder/fin-before-data",
        bend: Bend::Forgets(&rules::TEXT_FILLS_GAP),
    },
    Fault {
        name: "out-of-order-dropped",
        mistake: "data out of order is not kept",
        rules: &[&rules::TEXT_FILLS_GAP, &rules::TEXT_OUT_OF_ORDER, &rules::TEXT_IN_ORDER],
        case: "disorder/fin-before-data",
        bend: Bend::Becomes(|_, _, _, next| next.tcb.out_of_order.clear()),
    },
    Fault {
        name: "duplicate-unanswered",
        mistake: "data received before is not acknowledged again",
        rules: &[&rules::TEXT_DUPLICATE],
        case: "abort/all-read",
        bend: Bend::Forgets(&rules::TEXT_DUPLICATE),
    },
    Fault {
        name: "beyond-window-silent",
        mistake: "data beyond the window is not answered",
        rules: &[&rules::TEXT_BEYOND],
        case: "challenge/right-edge",
        bend: Bend::Forgets(&rules::TEXT_BEYOND),
    },
    Fault {
        name: "data-acked-one-short",
        mistake: "the ACK of data leaves its last byte out",
        rules: &[&rules::TEXT_IN_ORDER, &rules::ACK_QUICK, &rules::ACK_DELAYED],
        case: "ack/second-segment",
        bend: Bend::Says(|t, s| {
            if s.flags == Flags::ACK && s.is_empty() && t.user.unread > 0 && !t.user.eof {
                s.ack = s.ack - 1;
            }
            true
        }),
    },
    Fault {
        name: "window-not-minded",
        mistake: "data and FIN go out although the window is closed",
        rules: &[&rules::CALL_SEND, &rules::CLOSE_FIN, &rules::ZERO_WINDOW_PROBE],
        case: "timeout/closed-window",
        bend: Bend::Becomes(|_, _, _, next| {
            if matches!(next.tcb.retransmit, Some((RetransmitKind::WindowProbe, _))) {
                (next.tcb.retransmit, next.tcb.snd_wnd) = (None, 65_535);
                owe(next, EmissionKind::Transmit, &rules::CALL_SEND);
            }
        }),
    },
    Fault {
        name: "window-not-probed",
        mistake: "a closed window is not probed",
        rules: &[&rules::ZERO_WINDOW_PROBE],
        case: "timeout/closed-window",
        bend: Bend::Forgets(&rules::ZERO_WINDOW_PROBE),
    },
    Fault {
        name: "window-probes-not-backed-off",
        mistake: "a closed window is probed at a fixed interval",
        rules: &[&rules::ZERO_WINDOW_PROBE],
        case: "timeout/closed-window",
        bend: Bend::Waits(|t, timeout, due, p| {
            if retransmits(t, timeout, RetransmitKind::WindowProbe) {
                due - t.rtt.rto.lo * ((1 << t.backoff) - 1) * p.tick_ns()
            } else {
                due
            }
        }),
    },
    Fault {
        name: "window-probe-in-window",
        mistake: "a closed window is probed with SEG.SEQ = SND.UNA",
        rules: &[&rules::ZERO_WINDOW_PROBE],
        case: "timeout/closed-window",
        bend: Bend::Says(|t, s| {
            if s.seq == t.snd_una - 1 && t.probes_out > 0 {
                s.seq = s.seq + 1;
            }
            true
        }),
    },
    Fault {
        name: "cork-never-pulled",
        mistake: "what TCP_CORK or MSG_MORE holds back waits for ever",
        rules: &[&rules::CORK_TIMEOUT],
        case: "close/corked",
        bend: Bend::Forgets(&rules::CORK_TIMEOUT),
    },
    Fault {
        name: "window-shrinks",
        mistake: "the right edge of the window moves back",
        rules: &[&rules::SEGMENT_WINDOW],
        case: "close/active",
        bend: Bend::Says(|t, s| {
            if !s.has(Flags::SYN) && t.rcv_wnd > 0 {
                s.wnd /= 2;
            }
            true
        }),
    },
    Fault {
        name: "sack-unasked",
        mistake: "a SACK block is sent although nothing is out of order",
        rules: &[&rules::SEGMENT_SACK],
        case: "close/active",
        bend: Bend::Says(|t, s| {
            if s.flags == Flags::ACK && t.out_of_order.is_empty() {
                s.options.sack[0] = Some(SackBlock { left: s.ack + 10, right: s.ack + 20 });
            }
            true
        }),
    },
    Fault {
        name: "peek-takes",
        mistake: "MSG_PEEK takes the data out of the queue",
        rules: &[&rules::CALL_RECEIVE, &rules::CALL_RESULT],
        case: "close/peek",
        bend: Bend::Takes(|_, event| {
            if let Event::Call(Call::Receive { peek, .. }) = event {
                *peek = false;
            }
        }),
    },
    Fault {
        name: "sent-beyond-mss",
        mistake: "a segment is larger than the peer's MSS",
        rules: &[&rules::CALL_SEND, &rules::CLOSE_FIN],
        case: "shutdown/both-queued",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Call(Call::Send { .. })) {
                t.agreed.snd_mss = 10_000;
            }
        }),
    },
    // Closing: RFC 9293 sections 3.6, 3.10.4.
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
                *event = Event::DamagedSegmentArrives;
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
                *event = Event::DamagedSegmentArrives;
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
                *event = Event::DamagedSegmentArrives;
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
                *event = Event::DamagedSegmentArrives;
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
            if matches!(event, Event::Call(Call::Close | Call::Exit)) && t.user.linger_s == Some(0) {
                t.user.linger_s = None;
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
            if matches!(event, Event::Call(Call::Close)) && t.user.linger_s.is_some_and(|s| s > 0) {
                t.user.linger_s = None;
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
            if matches!(event, Event::CloseListener | Event::Call(Call::Close)) && t.claimable() {
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
                t.user.linger2_s = 0;
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
                t.user.linger2_s = t.user.linger2_s.max(0);
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
    // TIME-WAIT: RFC 9293 sections 3.4.2, 3.6.1, 3.10.7.4; RFC 1337; RFC 6191.
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
                *event = Event::DamagedSegmentArrives;
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
                t.user.reuse_addr = true;
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
                t.user.reuse_addr = false;
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
    // Timers: RFC 6298, RFC 8985, RFC 9293 section 3.8.3.
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
        name: "user-timeout-ignored",
        mistake: "TCP_USER_TIMEOUT is not looked at",
        rules: &[&rules::USER_TIMEOUT],
        case: "timeout/user-timeout-data",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Timeout(_)) {
                t.user.user_timeout_ms = 0;
            }
        }),
    },
    // RST, SYN and ACK checks: RFC 9293 section 3.10.7.4, RFC 5961.
    Fault {
        name: "rst-in-window-accepted",
        mistake: "any RST in the window resets the connection",
        rules: &[&rules::CHECK_RST_WINDOW],
        case: "rst/established",
        bend: Bend::Takes(|t, event| {
            let (nxt, end) = (t.rcv_nxt, t.rcv_nxt + t.receive_window());
            if let (true, Some(s)) = (synchronized(t.state), arriving(event))
                && s.has(Flags::RST)
                && !s.seq.before(nxt)
                && s.seq.before(end)
            {
                s.seq = nxt;
            }
        }),
    },
    Fault {
        name: "rst-outside-accepted",
        mistake: "a RST outside the window resets the connection",
        rules: &[&rules::CHECK_RST_OUTSIDE],
        case: "rst/established",
        bend: Bend::Takes(|t, event| {
            let (nxt, end) = (t.rcv_nxt, t.rcv_nxt + t.receive_window());
            if let (true, Some(s)) = (synchronized(t.state), arriving(event))
                && s.has(Flags::RST)
                && (s.seq.before(nxt) || s.seq.after(end))
            {
                s.seq = nxt;
            }
        }),
    },
    Fault {
        name: "rst-ignored",
        mistake: "a RST at RCV.NXT is ignored",
        rules: &[&rules::CHECK_RST_EXACT],
        case: "rst/established",
        bend: Bend::Takes(|t, event| {
            if synchronized(t.state) && arriving(event).is_some_and(|s| s.has(Flags::RST)) {
                *event = Event::DamagedSegmentArrives;
            }
        }),
    },
    Fault {
        name: "rst-acknowledged",
        mistake: "a RST outside the window is answered with an ACK",
        rules: &[&rules::CHECK_RST_OUTSIDE, &rules::SEGMENT_UNEXPLAINED],
        case: "rst/established",
        bend: Bend::Becomes(|_, _, _, next| {
            if next.rules.contains(&&rules::CHECK_RST_OUTSIDE) {
                let kind = EmissionKind::Ack { seq: next.tcb.snd_nxt, ack: next.tcb.rcv_nxt, by: AckBy::Socket };
                owe(next, kind, &rules::CHECK_RST_OUTSIDE);
            }
        }),
    },
    Fault {
        name: "rst-unchallenged",
        mistake: "a RST in the window but not at RCV.NXT gets no challenge ACK",
        rules: &[&rules::CHECK_RST_WINDOW],
        case: "rst/established",
        bend: Bend::Forgets(&rules::CHECK_RST_WINDOW),
    },
    Fault {
        name: "syn-unchallenged",
        mistake: "a SYN in a synchronized state gets no challenge ACK",
        rules: &[&rules::CHECK_SYN],
        case: "challenge/syn",
        bend: Bend::Forgets(&rules::CHECK_SYN),
    },
    Fault {
        name: "syn-resets",
        mistake: "a SYN in a synchronized state resets the connection",
        rules: &[&rules::CHECK_SYN],
        case: "challenge/syn",
        bend: Bend::Takes(|t, event| {
            let nxt = t.rcv_nxt;
            if let (true, Some(s)) = (synchronized(t.state), arriving(event))
                && s.flags == Flags::SYN
            {
                (s.flags, s.seq) = (Flags::RST, nxt);
            }
        }),
    },
    Fault {
        name: "unacceptable-unanswered",
        mistake: "an unacceptable segment is not answered",
        rules: &[&rules::CHECK_SEQ],
        case: "challenge/outside",
        bend: Bend::Forgets(&rules::CHECK_SEQ),
    },
    Fault {
        name: "unacceptable-rate-unlimited",
        mistake: "answers to unacceptable segments are not rate limited",
        rules: &[
            &rules::CHECK_SEQ,
            &rules::CHECK_SYN,
            &rules::CHECK_RST_WINDOW,
            &rules::TIME_WAIT_SYN,
            &rules::TIME_WAIT_OUT_OF_WINDOW,
            &rules::SEGMENT_UNEXPLAINED,
        ],
        case: "challenge/rate",
        bend: Bend::Takes(|t, _| t.limited_ack_at = None),
    },
    Fault {
        name: "ack-of-the-future-unanswered",
        mistake: "an ACK of what was not sent is not answered",
        rules: &[&rules::CHECK_ACK_UNSENT],
        case: "challenge/ack-of-the-future",
        bend: Bend::Forgets(&rules::CHECK_ACK_UNSENT),
    },
    Fault {
        name: "ack-of-the-future-taken",
        mistake: "an ACK of what was not sent is taken for one of all that was",
        rules: &[&rules::CHECK_ACK_UNSENT],
        case: "challenge/ack-of-the-future",
        bend: Bend::Takes(|t, event| {
            let nxt = t.snd_nxt;
            if let (true, Some(s)) = (synchronized(t.state), arriving(event))
                && s.ack.after(nxt)
            {
                s.ack = nxt;
            }
        }),
    },
    Fault {
        name: "ack-too-old-unanswered",
        mistake: "an ACK older than the largest window gets no challenge ACK",
        rules: &[&rules::CHECK_ACK_TOO_OLD],
        case: "challenge/ack-too-old",
        bend: Bend::Forgets(&rules::CHECK_ACK_TOO_OLD),
    },
    Fault {
        name: "ack-bit-not-needed",
        mistake: "a segment without the ACK bit is taken",
        rules: &[&rules::CHECK_NO_ACK],
        case: "challenge/no-ack-bit",
        bend: Bend::Takes(|t, event| {
            let una = t.snd_una;
            if let (true, Some(s)) = (synchronized(t.state), arriving(event))
                && !s.has(Flags::ACK)
                && !s.has(Flags::RST)
                && !s.has(Flags::SYN)
            {
                (s.flags, s.ack) = (s.flags | Flags::ACK, una);
            }
        }),
    },
    Fault {
        name: "abort-rst-number",
        mistake: "the RST of an abort has SEG.SEQ = SND.UNA - 1",
        rules: &[&rules::CLOSE_LINGER_ZERO, &rules::CLOSE_UNREAD],
        case: "abort/linger-0",
        bend: Bend::Says(|t, s| {
            if s.flags == Flags::RST | Flags::ACK {
                s.seq = t.snd_una - 1;
            }
            true
        }),
    },
    // Keepalive: RFC 9293 section 3.8.4.
    Fault {
        name: "keepalive-probe-at-snd-nxt",
        mistake: "a keepalive probe has SEG.SEQ = SND.NXT",
        rules: &[&rules::KEEPALIVE_PROBE],
        case: "keepalive/dead-peer",
        bend: Bend::Says(|t, s| {
            if t.user.keepalive && s.seq == t.snd_nxt - 1 && s.is_empty() {
                s.seq = t.snd_nxt;
            }
            true
        }),
    },
    Fault {
        name: "keepalive-never-probes",
        mistake: "SO_KEEPALIVE sends no probe",
        rules: &[&rules::KEEPALIVE_PROBE],
        case: "keepalive/dead-peer",
        bend: Bend::Forgets(&rules::KEEPALIVE_PROBE),
    },
    Fault {
        name: "keepalive-interval-ignored",
        mistake: "keepalive probes come at the keepalive time, not at their interval",
        rules: &[&rules::KEEPALIVE_PROBE],
        case: "keepalive/dead-peer",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Timeout(Timeout::Keepalive)) {
                t.user.keep_interval_s = t.user.keep_idle_s;
            }
        }),
    },
    Fault {
        name: "keepalive-one-probe-more",
        mistake: "a dead peer is probed once more than asked for",
        rules: &[&rules::KEEPALIVE_DEAD],
        case: "keepalive/dead-peer",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Timeout(Timeout::Keepalive)) && t.user.keep_count > 0 {
                t.user.keep_count += u32::from(t.probes_out == t.user.keep_count);
            }
        }),
    },
    Fault {
        name: "keepalive-dies-silently",
        mistake: "after the last unanswered probe no RST is sent",
        rules: &[&rules::KEEPALIVE_DEAD],
        case: "keepalive/dead-peer",
        bend: Bend::Forgets(&rules::KEEPALIVE_DEAD),
    },
    Fault {
        name: "keepalive-unasked",
        mistake: "an idle connection is probed although nobody asked for it",
        rules: &[&rules::KEEPALIVE_PROBE, &rules::SEGMENT_UNEXPLAINED, &rules::TIMER_REPORTED],
        case: "keepalive/off",
        bend: Bend::Becomes(|_, event, at, next| {
            let t = &mut next.tcb;
            if synchronized(t.state) && !t.is_mini() && t.keepalive.is_none() && !matches!(event, Event::Timeout(_)) {
                (t.user.keepalive, t.user.keep_idle_s, t.keepalive) = (true, 60, Some(in_a_minute(at)));
            }
        }),
    },
    Fault {
        name: "keepalive-cannot-be-switched-off",
        mistake: "SO_KEEPALIVE, once on, stays on",
        rules: &[&rules::KEEPALIVE_PROBE, &rules::SEGMENT_UNEXPLAINED, &rules::TIMER_REPORTED],
        case: "keepalive/switched",
        bend: Bend::Takes(|_, event| {
            if let Event::Call(Call::SetOption(SocketOption::KeepAlive(on))) = event {
                *on = true;
            }
        }),
    },
    // Calls and poll: RFC 9293 section 3.9.1, tcp(7), poll(2).
    Fault {
        name: "poll-without-rdhup",
        mistake: "poll does not report RDHUP on EOF",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|_, _, result| without_events(result, Poll::RDHUP)),
    },
    Fault {
        name: "poll-without-hup",
        mistake: "poll does not report HUP",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|_, _, result| without_events(result, Poll::HUP)),
    },
    Fault {
        name: "poll-without-err",
        mistake: "poll does not report ERR with a pending error",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|_, _, result| without_events(result, Poll::ERR)),
    },
    Fault {
        name: "poll-hup-when-half-closed",
        mistake: "poll reports HUP once one direction is closed",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|t, _, result| match result {
            CallResult::Events(events) if t.user.read_shut || t.user.write_shut => {
                CallResult::Events(Poll(events.0 | Poll::HUP.0))
            }
            CallResult::Events(_) | CallResult::Value(_) | CallResult::Error(_) => result,
        }),
    },
    Fault {
        name: "poll-not-writable",
        mistake: "poll does not report OUT once the write side is shut down",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|t, _, result| if t.user.write_shut { without_events(result, Poll::OUT) } else { result }),
    },
    Fault {
        name: "eof-before-the-data",
        mistake: "a read returns the end of the stream before the data in front of it",
        rules: &[&rules::CALL_RECEIVE],
        case: "close/eof-after-data",
        bend: Bend::Becomes(|before, event, _, next| {
            if matches!(event, Event::Call(Call::Receive { .. })) && before.user.eof {
                (next.tcb, next.result) = (before.clone(), Some(CallResult::Value(0)));
            }
        }),
    },
    Fault {
        name: "eof-untold",
        mistake: "a read after the peer's FIN returns EAGAIN",
        rules: &[&rules::CALL_RECEIVE],
        case: "close/eof-after-data",
        bend: Bend::Returns(|t, event, result| {
            if reads(event) && t.user.eof && t.user.unread == 0 { CallResult::Error(Errno::AGAIN) } else { result }
        }),
    },
    Fault {
        name: "reset-reads-as-eof",
        mistake: "a read on a reset connection returns the end of the stream",
        rules: &[&rules::CALL_RECEIVE_ERROR],
        case: "rst/before-accept",
        bend: Bend::Returns(|_, event, result| {
            if reads(event) && result == CallResult::Error(Errno::CONNRESET) { CallResult::Value(0) } else { result }
        }),
    },
    Fault {
        name: "reset-is-epipe",
        mistake: "a read on a reset connection fails with EPIPE",
        rules: &[&rules::CALL_RECEIVE_ERROR],
        case: "rst/before-accept",
        bend: Bend::Returns(
            |_, event, result| if reads(event) { error_for(result, Errno::CONNRESET, Errno::PIPE) } else { result },
        ),
    },
    Fault {
        name: "reset-write-is-epipe",
        mistake: "a write on a reset connection fails with EPIPE where ECONNRESET is pending",
        rules: &[&rules::CALL_SEND_CLOSED],
        case: "rst/write-after",
        bend: Bend::Returns(|_, event, result| {
            if matches!(event, Event::Call(Call::Send { .. })) {
                error_for(result, Errno::CONNRESET, Errno::PIPE)
            } else {
                result
            }
        }),
    },
    Fault {
        name: "error-told-twice",
        mistake: "an error stays pending after a read has told it",
        rules: &[&rules::CALL_RECEIVE_ERROR, &rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Becomes(|before, event, _, next| {
            if matches!(event, Event::Call(Call::Receive { .. })) {
                next.tcb.user.error = before.user.error;
            }
        }),
    },
    Fault {
        name: "so-error-not-cleared",
        mistake: "SO_ERROR does not clear the error that it tells",
        rules: &[&rules::CALL_RESULT],
        case: "icmp/give-up",
        bend: Bend::Becomes(|before, event, _, next| {
            if matches!(event, Event::Call(Call::GetOption(SocketOption::Error))) {
                next.tcb.user.error = before.user.error;
            }
        }),
    },
    Fault {
        name: "write-after-shutdown-taken",
        mistake: "a write after shutdown of the write side succeeds",
        rules: &[&rules::CALL_SEND_CLOSED],
        case: "close/dup-shutdown",
        bend: Bend::Returns(|_, event, result| {
            if let (Event::Call(Call::Send { len, .. }), CallResult::Error(Errno::PIPE)) = (event, result) {
                return CallResult::Value(i64::from(*len));
            }
            result
        }),
    },
    Fault {
        name: "send-queue-without-fin",
        mistake: "SIOCOUTQ does not count the FIN",
        rules: &[&rules::QUEUE_LENGTH],
        case: "shutdown/queues-each-state",
        bend: Bend::Returns(|t, event, result| {
            let without = t.fin_queued && event == &Event::Call(Call::Queue(Queue::Send));
            if without { one_more(result, -1) } else { result }
        }),
    },
    Fault {
        name: "receive-queue-with-fin",
        mistake: "SIOCINQ counts the FIN",
        rules: &[&rules::QUEUE_LENGTH],
        case: "shutdown/queues-each-state",
        bend: Bend::Returns(|t, event, result| {
            let with = t.user.eof && event == &Event::Call(Call::Queue(Queue::Receive));
            if with { one_more(result, 1) } else { result }
        }),
    },
    Fault {
        name: "shutdown-again-fails",
        mistake: "shutdown of a side that is shut down already fails with ENOTCONN",
        rules: &[&rules::SHUTDOWN_WRITE, &rules::CALL_RESULT],
        case: "close/shutdown-again",
        bend: Bend::Returns(|t, event, result| {
            if matches!(event, Event::Call(Call::Shutdown(_))) && t.user.write_shut {
                CallResult::Error(Errno::NOTCONN)
            } else {
                result
            }
        }),
    },
    // Header, options and checksums: RFC 9293 section 3.1, RFC 7323, ICMP.
    Fault {
        name: "checksum-wrong",
        mistake: "the checksum of a FIN is wrong",
        rules: &[&rules::SEGMENT_CHECKSUM],
        case: "close/active",
        bend: Bend::Writes(|packet| {
            let tcp = tcp_at(packet);
            if packet[tcp + 13] & Flags::FIN.0 != 0 {
                packet[tcp + 16] ^= 0x5a;
            }
        }),
    },
    Fault {
        name: "checksum-not-checked",
        mistake: "a segment with a wrong checksum is taken",
        rules: &[&rules::SEGMENT_DAMAGED],
        case: "challenge/damaged",
        bend: Bend::Trusts,
    },
    Fault {
        name: "reserved-bit-set",
        mistake: "a reserved bit is set",
        rules: &[&rules::SEGMENT_RESERVED],
        case: "close/active",
        bend: Bend::Writes(|packet| {
            let tcp = tcp_at(packet);
            // The checksum stays right: what one word gains another, the window, loses.
            packet[tcp + 12] |= 0x08;
            let sum = u16::from_be_bytes([packet[tcp + 16], packet[tcp + 17]]);
            let (less, borrow) = sum.overflowing_sub(0x0800);
            packet[tcp + 16..tcp + 18].copy_from_slice(&(less - u16::from(borrow)).to_be_bytes());
        }),
    },
    Fault {
        name: "timestamps-missing-from-fin",
        mistake: "the FIN has no timestamps",
        rules: &[&rules::SEGMENT_TIMESTAMPS],
        case: "close/active",
        bend: Bend::Says(|_, s| {
            if s.has(Flags::FIN) {
                s.options.timestamps = None;
            }
            true
        }),
    },
    Fault {
        name: "timestamps-unasked",
        mistake: "timestamps are sent although the peer did not offer them",
        rules: &[&rules::SEGMENT_TIMESTAMPS],
        case: "close/active",
        bend: Bend::Says(|_, s| {
            if s.options.timestamps.is_none() && !s.has(Flags::SYN) && !s.has(Flags::RST) {
                s.options.timestamps = Some(Timestamps { val: 5_000_000, ecr: 0 });
            }
            true
        }),
    },
    Fault {
        name: "timestamp-not-echoed",
        mistake: "TSecr is 0",
        rules: &[&rules::SEGMENT_TSECR],
        case: "close/active",
        bend: Bend::Says(|_, s| {
            if let Some(ts) = &mut s.options.timestamps {
                ts.ecr = 0;
            }
            true
        }),
    },
    Fault {
        name: "tsval-goes-back",
        mistake: "the TSval of a FIN is older than that of the segment before",
        rules: &[&rules::SEGMENT_TSVAL],
        case: "close/active",
        bend: Bend::Says(|_, s| {
            if let (true, Some(ts)) = (s.has(Flags::FIN), &mut s.options.timestamps) {
                ts.val = ts.val.wrapping_sub(100_000);
            }
            true
        }),
    },
    Fault {
        name: "old-timestamp-accepted",
        mistake: "a segment with an old timestamp is taken",
        rules: &[&rules::CHECK_PAWS],
        case: "paws/established",
        bend: Bend::Takes(|t, event| {
            let recent = t.ts_recent;
            if let Some(ts) = arriving(event).and_then(|s| s.options.timestamps.as_mut())
                && (recent.wrapping_sub(ts.val) as i32) > 0
            {
                ts.val = recent;
            }
        }),
    },
    Fault {
        name: "old-timestamp-silent",
        mistake: "a segment with an old timestamp is dropped without an ACK",
        rules: &[&rules::CHECK_PAWS],
        case: "paws/established",
        bend: Bend::Forgets(&rules::CHECK_PAWS),
    },
    Fault {
        name: "old-timestamp-rst-dropped",
        mistake: "a RST with an old timestamp is dropped",
        rules: &[&rules::CHECK_RST_EXACT],
        case: "rst/old-timestamp",
        bend: Bend::Takes(|t, event| {
            let recent = t.ts_recent;
            let old = |s: &Segment| {
                s.has(Flags::RST) && s.options.timestamps.is_some_and(|ts| (recent.wrapping_sub(ts.val) as i32) > 0)
            };
            if synchronized(t.state) && arriving(event).is_some_and(|s| old(s)) {
                *event = Event::DamagedSegmentArrives;
            }
        }),
    },
    Fault {
        name: "hop-limit-ignored",
        mistake: "IP_TTL and IPV6_UNICAST_HOPS are not looked at",
        rules: &[&rules::SEGMENT_HOP_LIMIT],
        case: "route/hop-limit",
        bend: Bend::Says(|_, s| {
            s.hop_limit = HOP_LIMIT_DEFAULT;
            true
        }),
    },
    Fault {
        name: "icmp-hard-resets",
        mistake: "a hard ICMP error ends a synchronized connection",
        rules: &[&rules::ICMP_HARD, &rules::POLL_EVENTS],
        case: "icmp/established",
        bend: Bend::Becomes(|_, event, _, next| {
            if matches!(event, Event::IcmpArrives(_)) && next.rules.contains(&&rules::ICMP_HARD) {
                ends(next, Errno::CONNREFUSED);
            }
        }),
    },
    Fault {
        name: "icmp-soft-resets",
        mistake: "a soft ICMP error ends a synchronized connection",
        rules: &[&rules::ICMP_SOFT],
        case: "icmp/back-off-reverted",
        bend: Bend::Becomes(|_, event, _, next| {
            if matches!(event, Event::IcmpArrives(_)) && next.rules.contains(&&rules::ICMP_SOFT) {
                ends(next, Errno::HOSTUNREACH);
            }
        }),
    },
    Fault {
        name: "icmp-unnoticed",
        mistake: "ICMP errors are ignored",
        rules: &[&rules::ICMP_OPENING_HARD, &rules::ICMP_OPENING_SOFT, &rules::SOFT_ERROR_TOLD],
        case: "icmp/syn-sent",
        bend: Bend::Takes(|_, event| {
            if matches!(event, Event::IcmpArrives(_)) {
                *event = Event::DamagedSegmentArrives;
            }
        }),
    },
    Fault {
        name: "icmp-number-not-checked",
        mistake: "an ICMP error counts whatever sequence number it quotes",
        rules: &[&rules::ICMP_OUTSIDE, &rules::CALL_RESULT],
        case: "icmp/closed-window",
        bend: Bend::Takes(|t, event| {
            if let Event::IcmpArrives(error) = event {
                error.seq = t.snd_una;
            }
        }),
    },
];

/// The segment that arrives, if the event is one.
fn arriving(event: &mut Event) -> Option<&mut Segment> {
    if let Event::SegmentArrives(segment) = event { Some(segment) } else { None }
}

/// Whether both ends know each other's numbers (RFC 9293 section 3.5).
fn synchronized(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen | State::SynSent | State::SynReceived)
}

fn opens_passively(segment: &Segment) -> bool {
    segment.has(Flags::SYN | Flags::ACK)
}

fn in_time_wait(t: &Tcb, timeout: Timeout) -> bool {
    timeout == Timeout::TimeWait && t.state == State::TimeWait
}

/// Something to send at once.
fn owe(next: &mut Transition, kind: EmissionKind, rule: RuleRef) {
    let due = Span::new(0, Nanos::MAX);
    next.tcb.owed.push(Emission { kind, due, must: true, rule });
}

/// The last change of state leads elsewhere.
fn moves(next: &mut Transition, to: State) {
    next.tcb.state = to;
    if let Some((_, last)) = next.tcb.transitions.last_mut() {
        *last = to;
    }
}

/// The connection goes on in TIME-WAIT.
fn wait_two_msl(next: &mut Transition, at: Nanos) {
    moves(next, State::Closed);
    let t = &mut next.tcb;
    t.flight.clear();
    (t.state, t.retransmit, t.delayed_ack, t.keepalive) = (State::TimeWait, None, None, None);
    (t.time_wait, t.time_wait_since) = (Some(in_a_minute(at)), Some(Span::at(at)));
}

fn in_a_minute(at: Nanos) -> Timer {
    let due = Span::at(at + 60_000 * MS);
    Timer { asked: due, due }
}

/// The connection ends with an error.
fn ends(next: &mut Transition, errno: Errno) {
    let t = &mut next.tcb;
    t.transitions.push((t.state, State::Closed));
    t.flight.clear();
    (t.state, t.retransmit, t.delayed_ack, t.keepalive) = (State::Closed, None, None, None);
    (t.user.error, t.user.read_shut, t.user.write_shut) = (Some(errno), true, true);
}

fn reads(event: &Event) -> bool {
    matches!(event, Event::Call(Call::Receive { .. }))
}

/// Whether it is this timer of the retransmission timers.
fn retransmits(t: &Tcb, timeout: Timeout, kind: RetransmitKind) -> bool {
    timeout == Timeout::Retransmit && t.retransmit.is_some_and(|(pending, _)| pending == kind)
}

fn one_more(result: CallResult, more: i64) -> CallResult {
    match result {
        CallResult::Value(n) => CallResult::Value((n + more).max(0)),
        CallResult::Events(_) | CallResult::Error(_) => result,
    }
}

fn error_for(result: CallResult, right: Errno, wrong: Errno) -> CallResult {
    if result == CallResult::Error(right) { CallResult::Error(wrong) } else { result }
}

fn without_events(result: CallResult, missing: Poll) -> CallResult {
    match result {
        CallResult::Events(events) => CallResult::Events(Poll(events.0 & !missing.0)),
        CallResult::Value(_) | CallResult::Error(_) => result,
    }
}

/// Where the TCP header begins.
fn tcp_at(packet: &[u8]) -> usize {
    const IPV6_HEADER: usize = 40;
    if packet[0] >> 4 == 4 { usize::from(packet[0] & 0x0f) * 4 } else { IPV6_HEADER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (i, fault) in FAULTS.iter().enumerate() {
            assert!(FAULTS[i + 1..].iter().all(|other| other.name != fault.name), "{}", fault.name);
        }
    }
}
