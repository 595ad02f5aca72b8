//! SEGMENT ARRIVES in CLOSED, LISTEN, SYN-SENT and SYN-RECEIVED (RFC 9293 sections 3.10.7.1 to 3.10.7.3, and 3.10.7.4 for the
//! request socket of a passive OPEN, Linux `tcp_check_req`).
//!
//! Owns how a connection comes into being. Refuses to know synchronized states.

use alloc::vec;
use alloc::vec::Vec;

use crate::acknowledge::{acknowledge, sample_rtt_of_open};
use crate::arrives;
use crate::call::Errno;
use crate::congestion::Congestion;
use crate::counts::Counter;
use crate::former;
use crate::rule::{RuleRef, rules};
use crate::segment::{Flags, Segment, Seq};
use crate::state::State;
use crate::step::{Limited, Work};
use crate::tcb::{AckBy, Agreed, EmissionKind, Rtt, Tcb, User, scaled_window};
use crate::text::text_and_fin;

/// The RST that answers `segment` (section 3.10.7.1; `tcp_v4_send_reset`); none for a RST.
pub(crate) fn reset_reply(w: &mut Work<'_>, segment: &Segment, rule: RuleRef) {
    if segment.has(Flags::RST) {
        w.fired(rule);
    } else if segment.has(Flags::ACK) {
        w.owe(EmissionKind::Reset { seq: segment.ack, ack: None, active: false }, rule);
    } else {
        let seq = Seq(0);
        w.owe(EmissionKind::Reset { seq, ack: Some(segment.end()), active: false }, rule);
    }
}

/// CLOSED: there is no connection; a listener on the port takes the segment.
pub(crate) fn arrives_closed<'p>(mut w: Work<'p>, segment: &Segment) -> Work<'p> {
    if w.t.user.listening {
        return arrives_listen(w, segment);
    }
    reset_reply(&mut w, segment, &rules::ARRIVES_CLOSED);
    w
}

/// LISTEN (section 3.10.7.2).
pub(crate) fn arrives_listen<'p>(mut w: Work<'p>, segment: &Segment) -> Work<'p> {
    if segment.has(Flags::RST) {
        w.fired(&rules::ARRIVES_LISTEN_IGNORED);
    } else if segment.has(Flags::ACK) {
        reset_reply(&mut w, segment, &rules::ARRIVES_LISTEN_ACK);
    } else if accepts_syn(&w, segment) {
        accept_syn(&mut w, segment, None);
        w.owe(EmissionKind::SynAck, &rules::ARRIVES_LISTEN_SYN);
    } else if segment.has(Flags::SYN) && !segment.has(Flags::FIN) {
        w.fired(&rules::ACCEPT_QUEUE_SYN);
        w.t.counts.add(Counter::ListenOverflows);
    } else {
        w.fired(&rules::ARRIVES_LISTEN_IGNORED);
    }
    w
}

/// Whether a listener answers this SYN (`tcp_rcv_state_process`, `tcp_conn_request`).
pub(crate) fn accepts_syn(w: &Work<'_>, segment: &Segment) -> bool {
    segment.has(Flags::SYN) && !segment.has(Flags::FIN) && !queue_is_full(w)
}

/// Whether the accept queue takes no more (`sk_acceptq_is_full`).
fn queue_is_full(w: &Work<'_>) -> bool {
    w.t.neighbours.unaccepted + former::queued(&w.t) + u32::from(w.t.claimable()) > w.t.listener.backlog
}

/// A SYN makes a request socket; `iss` is the number it will use, where it is known.
pub(crate) fn accept_syn(w: &mut Work<'_>, segment: &Segment, iss: Option<Seq>) {
    let user = User { listening: true, descriptors: 0, options: w.t.listener.options, ..User::new() };
    let owed = core::mem::take(&mut w.t.owed);
    former::leave(&mut w.t);
    let formers = core::mem::take(&mut w.t.formers);
    let Tcb { listener, another, neighbours, counts, .. } = w.t;
    let before = Tcb { owed, listener, another, neighbours, counts, formers, ..Tcb::closed() };
    w.t = Tcb { state: State::SynReceived, user, iss, ..before };
    take_syn(w, segment);
    w.t.rtt.rto = w.p.rto_initial();
    w.t.acking.scheduled = false;
}

/// What the peer's SYN says: its ISN, window and options.
fn take_syn(w: &mut Work<'_>, segment: &Segment) {
    let o = &segment.options;
    w.t.irs = segment.seq;
    w.t.rcv_nxt = segment.seq + 1;
    w.t.rcv_wup = w.t.rcv_nxt;
    w.t.snd_wnd = u32::from(segment.wnd);
    w.t.snd_wnd_max = w.t.snd_wnd;
    w.t.snd_wl1 = segment.seq;
    let scaling = w.p.window_scaling && o.wscale.is_some();
    w.t.agreed = Agreed {
        timestamps: w.p.timestamps && o.timestamps.is_some(),
        sack: w.p.sack && o.sack_permitted,
        peer_scales: scaling,
        snd_scale: if scaling { o.wscale.unwrap_or(0).min(14) } else { 0 },
        rcv_scale: 0,
        snd_mss: o.mss.map_or(w.p.mss_default, u32::from),
    };
    if let Some(ts) = o.timestamps.filter(|_| w.t.agreed.timestamps) {
        w.t.ts_recent = ts.val;
        w.t.agreed.snd_mss -= 12.min(w.t.agreed.snd_mss);
    }
}

/// SYN-SENT (section 3.10.7.3; `tcp_rcv_synsent_state_process`).
pub(crate) fn arrives_syn_sent<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let ack_present = segment.has(Flags::ACK);
    if ack_present {
        let acceptable = segment.ack.after(w.t.snd_una) && segment.ack.at_most(w.t.snd_nxt);
        let echo_ok = segment.options.timestamps.is_none_or(|ts| ts.ecr == 0 || echoes_our_clock(&w, ts.ecr));
        if !acceptable || !echo_ok {
            reset_reply(&mut w, segment, &rules::SYN_SENT_BAD_ACK);
            if w.t.retransmits == 0 && !acceptable {
                // The SYN goes out again after TCP_TIMEOUT_MIN, two ticks.
                let soon = w.timer(crate::time::Ticks::exactly(2));
                w.t.retransmit = Some((crate::tcb::RetransmitKind::Timeout, soon));
            }
            return vec![w];
        }
    }
    if segment.has(Flags::RST) {
        if ack_present {
            w.fired(&rules::SYN_SENT_RST);
            w.t.user.error = Some(Errno::CONNREFUSED);
            w.t.end();
        } else {
            w.fired(&rules::SYN_SENT_IGNORED);
        }
        return vec![w];
    }
    if !segment.has(Flags::SYN) {
        w.fired(&rules::SYN_SENT_IGNORED);
        return vec![w];
    }
    if !ack_present {
        let (wnd, scale) = (w.t.rcv_wnd, w.t.agreed.rcv_scale);
        take_syn(&mut w, segment);
        w.t.rcv_wnd = wnd;
        w.t.agreed.rcv_scale = scale;
        if scale > 0 && segment.options.wscale.is_none() {
            w.fired(&rules::SYN_SENT_SYN_SCALE);
        }
        w.t.enter(State::SynReceived);
        w.owe(EmissionKind::SynAck, &rules::SYN_SENT_SYN);
        w.fired(&rules::COUNT_SYN_ACK_CROSSING);
        if w.p.timestamps != w.t.agreed.timestamps || w.p.sack != w.t.agreed.sack {
            w.fired(&rules::SYN_SENT_SYN_OPTIONS);
        }
        return vec![w];
    }
    let rcv_scale = w.t.agreed.rcv_scale;
    let (una, wnd) = (w.t.snd_una, w.t.rcv_wnd);
    take_syn(&mut w, segment);
    w.t.rcv_wnd = wnd;
    w.t.agreed.rcv_scale = if w.p.window_scaling && segment.options.wscale.is_some() { rcv_scale } else { 0 };
    w.t.snd_una = una;
    let retransmits = w.t.retransmits;
    acknowledge(&mut w, segment);
    w.t.congestion = Congestion::opened(retransmits);
    w.t.retransmits = 0;
    w.t.heard_at = w.at;
    if w.t.rtt.srtt8.is_none() {
        w.t.rtt.fall_back(w.p);
    }
    initialize_rcv_mss(&mut w);
    w.t.acking.last_data_at = Some(w.at);
    w.t.enter(State::Established);
    arm_keepalive_on_open(&mut w);
    w.fired(&rules::SYN_SENT_SYN_ACK);
    if segment.len() > 1 {
        w.fired(&rules::SYN_SENT_TEXT);
    }
    if w.t.acking.pingpong.0 >= u64::from(w.p.pingpong_thresh) {
        w.enter_quick_ack();
        let late = w.timer(crate::time::Ticks::exactly(w.p.delack_max()));
        w.t.delayed_ack = Some(late);
    } else {
        w.ack_now(&rules::SYN_SENT_SYN_ACK);
    }
    vec![w]
}

/// Whether a TSecr echoes a value that our clock had since the SYN; without a record of it, any.
fn echoes_our_clock(w: &Work<'_>, ecr: u32) -> bool {
    w.t.ts_sent.is_none_or(|(val, sent)| {
        let since_ms = (w.at.hi.saturating_sub(sent) / 1_000_000) as i64 + 2;
        let ahead = i64::from(ecr.wrapping_sub(val) as i32);
        // The first SYN's value bounds it below; retransmissions have moved `ts_sent` on by at most the open's duration.
        ahead <= since_ms && ahead >= -200_000
    })
}

/// `tcp_initialize_rcv_mss`
pub(crate) fn initialize_rcv_mss(w: &mut Work<'_>) {
    let hint = w.t.agreed.snd_mss.min(w.t.rcv_wnd / 2).min(536);
    w.t.acking.rcv_mss = hint.max(88);
}

/// A keepalive asked for before the connection opened starts with it (`tcp_finish_connect`, `tcp_create_openreq_child`).
fn arm_keepalive_on_open(w: &mut Work<'_>) {
    if w.t.user.options.keepalive {
        let idle = crate::timeouts::keepalive_time(w);
        w.t.keepalive = Some(w.timer(idle));
    }
}

/// SYN-RECEIVED: on the request socket after a passive OPEN, on the full socket after crossing SYNs.
pub(crate) fn arrives_syn_received<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    if w.t.user.owned {
        return arrives::arrives(w, segment);
    }
    if !w.t.user.listening {
        w.drop_request();
        w.fired(&rules::COUNT_ATTEMPT_GIVEN_UP);
        return vec![arrives_closed(w, segment)];
    }
    let Some(iss) = w.t.iss else {
        // The SYN,ACK that is owed has not been seen yet: whatever comes is judged with it.
        return vec![w];
    };
    let paws_reject = w.t.agreed.timestamps
        && segment.options.timestamps.is_some_and(|ts| (w.t.ts_recent.wrapping_sub(ts.val) as i32) > 0)
        && w.t.ts_recent != 0;
    let flags = Flags(segment.flags.0 & (Flags::SYN | Flags::ACK | Flags::RST).0);
    if segment.seq == w.t.irs && flags == Flags::SYN && !paws_reject {
        match w.limited_ack() {
            Limited::Sent => w.owe(EmissionKind::SynAck, &rules::SYN_RECEIVED_SYN),
            Limited::Unsure => w.permit(EmissionKind::SynAck, &rules::SYN_RECEIVED_SYN),
            Limited::Silent => w.fired(&rules::SYN_RECEIVED_SYN),
        }
        w.fired(&rules::COUNT_SYN_ACK_AGAIN);
        return vec![w];
    }
    if segment.has(Flags::ACK) && !segment.has(Flags::RST) && segment.ack != iss + 1 {
        reset_reply(&mut w, segment, &rules::SYN_RECEIVED_BAD_ACK);
        return vec![w];
    }
    let end = w.t.rcv_nxt + w.t.rcv_wnd;
    let in_window = segment.seq == w.t.rcv_nxt && segment.is_empty()
        || segment.end().after(w.t.rcv_nxt) && segment.seq.before(end)
        || segment.seq == end && segment.end() == end;
    if paws_reject || !in_window {
        return vec![unacceptable(w, segment, iss, &rules::SYN_RECEIVED_WINDOW)];
    }
    if echoes_syn_ack(&w, segment) {
        return acceptable(w, segment, iss);
    }
    // Which of the two a kernel does is its own: both are kept until it shows.
    let strict = unacceptable(w.clone(), segment, iss, &rules::SYN_RECEIVED_TSECR);
    w.fired(&rules::SYN_RECEIVED_ANY_TSECR);
    let mut both = acceptable(w, segment, iss);
    both.push(strict);
    both
}

/// Whether the TSecr echoes a SYN,ACK, if there is one.
fn echoes_syn_ack(w: &Work<'_>, segment: &Segment) -> bool {
    match (segment.options.timestamps, w.t.syn_ack_tsvals) {
        (Some(ts), Some((first, last))) if w.t.agreed.timestamps && ts.ecr != 0 => {
            ts.ecr.wrapping_sub(first) <= last.wrapping_sub(first)
        }
        (Some(_) | None, Some(_) | None) => true,
    }
}

/// A segment that the request socket does not take: an ACK answers it, unless it is a RST.
fn unacceptable<'p>(mut w: Work<'p>, segment: &Segment, iss: Seq, rule: RuleRef) -> Work<'p> {
    w.fired(rule);
    if !segment.has(Flags::RST) {
        let kind = EmissionKind::Ack { seq: iss + 1, ack: w.t.rcv_nxt, by: AckBy::Request };
        // `tcp_oow_rate_limited`: data is never rate limited.
        let limited = if segment.is_empty() || segment.has(Flags::SYN) { w.limited_ack() } else { Limited::Sent };
        match limited {
            Limited::Sent => w.owe(kind, rule),
            Limited::Unsure => w.permit(kind, rule),
            Limited::Silent => {}
        }
    }
    w
}

/// What the request socket does with a segment in the window: the RST bit, the SYN bit, the ACK bit.
fn acceptable<'p>(mut w: Work<'p>, segment: &Segment, iss: Seq) -> Vec<Work<'p>> {
    if segment.has(Flags::RST) {
        let exact = segment.seq == w.t.rcv_nxt;
        let mut dropped = w.clone();
        dropped.fired(if exact { &rules::SYN_RECEIVED_RST } else { &rules::SYN_RECEIVED_RST_DROPS });
        dropped.t.counts.add(Counter::AttemptFails);
        dropped.drop_request();
        if exact {
            return vec![dropped];
        }
        // Older kernels drop the request on any RST in the window; newer ones send a challenge ACK (`tcp_reqsk_send_challenge_ack`).
        let kind = EmissionKind::Ack { seq: iss + 1, ack: w.t.rcv_nxt, by: AckBy::Request };
        match w.limited_ack() {
            Limited::Sent => w.owe(kind, &rules::SYN_RECEIVED_RST_CHALLENGE),
            Limited::Unsure => w.permit(kind, &rules::SYN_RECEIVED_RST_CHALLENGE),
            Limited::Silent => w.fired(&rules::SYN_RECEIVED_RST_CHALLENGE),
        }
        return vec![w, dropped];
    }
    if segment.has(Flags::SYN) && segment.seq != w.t.irs {
        reset_reply(&mut w, segment, &rules::SYN_RECEIVED_RST);
        w.t.counts.add(Counter::AttemptFails);
        w.drop_request();
        return vec![w];
    }
    if !segment.has(Flags::ACK) {
        w.fired(&rules::CHECK_NO_ACK);
        return vec![w];
    }
    if queue_is_full(&w) {
        // `tcp_check_req`, listen_overflow
        w.t.counts.add(Counter::ListenOverflows);
        if w.p.abort_on_overflow {
            reset_reply(&mut w, segment, &rules::ACCEPT_QUEUE_ABORT);
            w.drop_request();
            w.fired(&rules::COUNT_ATTEMPT_GIVEN_UP);
        } else {
            w.fired(&rules::ACCEPT_QUEUE_ACK);
        }
        return vec![w];
    }
    establish(&mut w, segment);
    // Agreed on or not (`tcp_check_req`).
    if let Some(ts) = segment.options.timestamps.filter(|_| w.p.timestamps)
        && segment.seq.at_most(w.t.rcv_nxt)
    {
        w.t.ts_recent = ts.val;
    }
    text_and_fin(w, segment)
}

/// The ACK of the SYN,ACK makes the full socket.
fn establish(w: &mut Work<'_>, segment: &Segment) {
    w.fired(&rules::SYN_RECEIVED_ACK);
    w.t.counts.add(Counter::PassiveOpens);
    w.t.counts.add(Counter::CurrEstab);
    let scale = w.t.agreed.snd_scale;
    w.t.limited_ack_at = None;
    sample_rtt_of_open(w, segment);
    w.t.flight.clear();
    w.t.retransmit = None;
    w.t.congestion = Congestion::opened(w.t.retransmits);
    w.t.retransmits = 0;
    w.t.backoff = 0;
    w.t.retransmitted_at = None;
    w.t.snd_una = segment.ack;
    w.t.snd_wnd = scaled_window(segment, scale);
    w.t.snd_wnd_max = w.t.snd_wnd;
    w.t.snd_wl1 = segment.seq;
    w.t.heard_at = w.at;
    w.t.transitions.push((State::Listen, State::SynReceived));
    w.t.transitions.push((State::SynReceived, State::Established));
    w.t.state = State::Established;
    w.t.acking.last_data_at = Some(w.at);
    if w.t.listener.interactive {
        w.enter_pingpong();
    }
    initialize_rcv_mss(w);
    arm_keepalive_on_open(w);
}

/// A fresh estimator with the initial RTO (`tcp_init_sock`).
pub(crate) fn fresh_rtt(w: &Work<'_>) -> Rtt {
    Rtt { rto: w.p.rto_initial(), ..Rtt::new() }
}
