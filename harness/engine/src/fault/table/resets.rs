//! Faults in the checks of RST, SYN and ACK, and in keepalive: RFC 9293 section 3.10.7.4, RFC 5961.

use tcpconform_model::{AckBy, Call, EmissionKind, Event, Flags, SocketOption, Timeout, rules};

use super::{arriving, in_a_minute, owe, synchronized, unseen};
use crate::fault::{Bend, Fault};

pub(super) static FAULTS: &[Fault] = &[
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
                *event = unseen();
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
            if t.user.options.keepalive && s.seq == t.snd_nxt - 1 && s.is_empty() {
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
                t.user.options.keep_interval_s = t.user.options.keep_idle_s;
            }
        }),
    },
    Fault {
        name: "keepalive-one-probe-more",
        mistake: "a dead peer is probed once more than asked for",
        rules: &[&rules::KEEPALIVE_DEAD],
        case: "keepalive/dead-peer",
        bend: Bend::Takes(|t, event| {
            if matches!(event, Event::Timeout(Timeout::Keepalive)) && t.user.options.keep_count > 0 {
                t.user.options.keep_count += u32::from(t.probes_out == t.user.options.keep_count);
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
                (t.user.options.keepalive, t.user.options.keep_idle_s, t.keepalive) = (true, 60, Some(in_a_minute(at)));
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
];
