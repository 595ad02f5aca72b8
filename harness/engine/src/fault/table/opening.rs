//! Faults in opening a connection: RFC 9293 sections 3.5, 3.10.7.1 to 3.10.7.3.

use tcpconform_model::{Errno, Flags, State, rules};

use super::{arriving, error_for, opens_passively, unseen};
use crate::fault::{Bend, Fault};

pub(super) static FAULTS: &[Fault] = &[
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
                *event = unseen();
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
];
