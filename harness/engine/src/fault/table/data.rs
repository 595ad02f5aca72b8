//! Faults in sending and receiving data: RFC 9293 sections 3.7, 3.8, 3.10.2, 3.10.3.

use tcpconform_model::{Call, EmissionKind, Event, Flags, RetransmitKind, SackBlock, Timeout, rules};

use super::{MS, arriving, owe, retransmits};
use crate::fault::{Bend, Fault};

pub(super) static FAULTS: &[Fault] = &[
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
        name: "acks-put-off-forgotten",
        mistake: "duplicate ACKs that were put off to become one are never sent",
        rules: &[&rules::TEXT_COMPRESSED, &rules::TEXT_OUT_OF_ORDER],
        case: "walks/duplicate-acks-become-one",
        bend: Bend::Forgets(&rules::TEXT_COMPRESSED),
    },
    Fault {
        name: "dsack-missing",
        mistake: "nothing tells of what was received twice",
        rules: &[&rules::SEGMENT_DSACK],
        case: "walks/repeated-data-told",
        bend: Bend::Constants(|p| p.dsack = false),
    },
    Fault {
        name: "urgent-byte-inline",
        mistake: "the urgent byte is read with the rest of the stream",
        rules: &[&rules::CALL_RECEIVE_URGENT, &rules::QUEUE_LENGTH],
        case: "walks/urgent-byte-left-out",
        bend: Bend::Takes(|_, event| {
            if let Some(segment) = arriving(event) {
                segment.flags = segment.flags.without(Flags::URG);
            }
        }),
    },
    Fault {
        name: "gap-filled-silently",
        mistake: "data that fills a gap is not acknowledged",
        rules: &[&rules::TEXT_FILLS_GAP],
        case: "disorder/fin-before-data",
        bend: Bend::Forgets(&rules::TEXT_FILLS_GAP),
    },
    Fault {
        name: "data-behind-a-fin-acked-unread",
        mistake: "data behind a FIN that waited out of order is acknowledged with it, and never read",
        rules: &[&rules::FIN_JOINED, &rules::CALL_RECEIVE],
        case: "walks/fin-before-more-than-the-gap",
        bend: Bend::Becomes(|before, _, _, next| {
            let [(_, end, true), (behind, right, _), ..] = before.out_of_order[..] else { return };
            if end != behind || before.user.eof || !next.tcb.user.eof {
                return;
            }
            next.tcb.rcv_nxt = right;
            for owed in &mut next.tcb.owed {
                if let EmissionKind::Ack { ack, .. } = &mut owed.kind {
                    *ack = right;
                }
            }
        }),
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
];
