//! The urgent pointer, the segment text and the FIN bit (RFC 9293 section 3.10.7.4, sixth to eighth check; Linux `tcp_urg`,
//! `tcp_data_queue`, `tcp_fin`).
//!
//! Owns what a full socket takes of a segment that passed the checks before. Refuses to know what waits behind a gap (`reassembly`).

use alloc::vec;
use alloc::vec::Vec;

use crate::call::Errno;
use crate::counts::Counter;
use crate::emit;
use crate::opening::reset_reply;
use crate::reassembly::{drain, insert, with_the_fin_joined};
use crate::rule::{RuleRef, rules};
use crate::segment::{Flags, SackBlock, Segment};
use crate::state::State;
use crate::step::Work;
use crate::tcb::EmissionKind;
use crate::timeouts;

/// Sixth, the URG bit; seventh, the segment text; eighth, the FIN bit.
pub(crate) fn text_and_fin<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    if segment.has(Flags::URG) {
        check_urg(&mut w, segment);
    }
    let fin = segment.has(Flags::FIN);
    let end_without_fin = segment.end() - u32::from(fin);
    let checks_close = match w.t.state {
        State::FinWait1 | State::FinWait2 => true,
        State::CloseWait | State::Closing | State::LastAck => {
            if !segment.seq.before(w.t.rcv_nxt) {
                // Nothing may follow the peer's FIN: not looked at.
                w.ack_check(None);
                return vec![w];
            }
            true
        }
        State::Listen | State::SynSent | State::SynReceived | State::Established | State::TimeWait | State::Closed => {
            false
        }
    };
    if checks_close && w.t.user.read_shut && !segment.is_empty() && end_without_fin.after(w.t.rcv_nxt) {
        w.t.user.error = Some(if w.t.state == State::CloseWait { Errno::PIPE } else { Errno::CONNRESET });
        let (recovers, flight) = (w.t.recovering, core::mem::take(&mut w.t.flight));
        w.t.counts.add(Counter::AbortOnData);
        w.t.end();
        if recovers {
            // What its ACK shows to be lost goes again before (`tcp_xmit_recovery`).
            w.t.flight = flight;
            w.permit(EmissionKind::Retransmit, &rules::RTO_RECOVERY);
        }
        reset_reply(&mut w, segment, &rules::TEXT_AFTER_CLOSE);
        return vec![w];
    }
    if segment.is_empty() {
        w.ack_check(None);
        return vec![w];
    }
    take_text(w, segment)
}

/// Sixth, the URG bit (`tcp_check_urg`): where the urgent byte is, unless it has been received, or a later one is known.
fn check_urg(w: &mut Work<'_>, segment: &Segment) {
    let urgent = segment.seq + u32::from(segment.urg.saturating_sub(1));
    if urgent.before(w.t.rcv_nxt) || w.t.user.urgent.is_some_and(|known| urgent.at_most(known)) {
        return;
    }
    if w.t.before_urgent() == Some(0) {
        w.t.user.unread -= 1;
        w.t.user.left_out += 1;
    }
    w.t.user.urgent = Some(urgent);
}

/// `tcp_data_queue`. Blocks to tell of leave less room in a segment: what waited until it filled one may do so now (`tcp_current_mss`,
/// `tcp_data_snd_check`).
fn take_text<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let nxt = w.t.rcv_nxt;
    let window = w.t.receive_window();
    if segment.end().at_most(nxt) {
        set_dsack(&mut w, segment);
        emit::owe_transmission(&mut w);
        w.enter_quick_ack();
        let rule: RuleRef = if segment.has(Flags::FIN) { &rules::FIN_DUPLICATE } else { &rules::TEXT_DUPLICATE };
        w.ack_check(Some(rule));
        return vec![w];
    }
    if segment.seq != nxt && !segment.seq.before(nxt + window) || window == 0 && segment.data_len > 0 {
        w.enter_quick_ack();
        w.ack_check(Some(&rules::TEXT_BEYOND));
        return vec![w];
    }
    if window == 0 && segment.seq == nxt {
        // Which of the two a kernel does is its own: both are kept until it shows.
        let mut dropped = w.clone();
        dropped.enter_quick_ack();
        dropped.ack_check(Some(&rules::FIN_CLOSED_WINDOW_DROPPED));
        w.fired(&rules::FIN_CLOSED_WINDOW);
        let mut both = take_text_in_order(w, segment);
        both.push(dropped);
        return both;
    }
    if segment.seq.after(nxt) {
        w.t.acking.scheduled = true;
        if segment.data_len > 0 {
            measure_peer_mss(&mut w, segment);
        }
        insert(&mut w, segment);
        emit::owe_transmission(&mut w);
        // Without SACK the window keeps its size, so that the ACKs count as duplicates.
        let mut done = if w.t.agreed.sack { w.may_widen_window() } else { vec![w] };
        done.iter_mut().for_each(|w| w.ack_check(None));
        return done;
    }
    take_text_in_order(w, segment)
}

/// What begins at RCV.NXT or before it, and ends behind it.
fn take_text_in_order<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let nxt = w.t.rcv_nxt;
    if segment.seq.before(nxt) {
        set_dsack(&mut w, segment);
        emit::owe_transmission(&mut w);
    }
    let fin = segment.has(Flags::FIN);
    let fresh = segment.end().since(nxt) as u32 - u32::from(fin);
    w.t.rcv_nxt = segment.end();
    if fresh > 0 {
        w.fired(&rules::TEXT_IN_ORDER);
        deliver(&mut w, fresh);
    }
    if segment.data_len > 0 {
        // Also where all of it is old and the FIN alone is new.
        note_data(&mut w, segment);
    }
    let done = if segment.data_len >= WIDENS { w.may_widen_window() } else { vec![w] };
    done.into_iter().flat_map(with_the_fin_joined).flat_map(|w| take_fin_and_gap(w, segment)).collect()
}

/// What follows data in order: its FIN, or what it makes come in order.
fn take_fin_and_gap<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let mut fin = segment.has(Flags::FIN);
    let before = w.t.state;
    let mut now: Option<RuleRef> = None;
    if fin {
        take_fin(&mut w);
    }
    if !fin && !w.t.out_of_order.is_empty() {
        fin = drain(&mut w);
        w.t.blocks_linger = fin;
        if w.t.out_of_order.is_empty() || fin {
            now = Some(&rules::TEXT_FILLS_GAP);
        }
        if fin {
            take_fin(&mut w);
        }
    }
    if w.t.is_mini() {
        return vec![w];
    }
    let acked_with_fin = fin && matches!(before, State::FinWait1 | State::FinWait2);
    if !acked_with_fin {
        w.ack_check(now);
    }
    vec![w]
}

/// `tcp_event_data_recv`: so much data in a segment may widen the window.
pub(crate) const WIDENS: u32 = 128;

/// `tcp_event_data_recv`
pub(crate) fn note_data(w: &mut Work<'_>, segment: &Segment) {
    measure_peer_mss(w, segment);
    w.data_received();
}

/// `tcp_measure_rcv_mss`: full-sized segments are as large as any before, or two of one size and not small.
fn measure_peer_mss(w: &mut Work<'_>, segment: &Segment) {
    const TCP_MSS_DEFAULT: u32 = 536;
    const TCP_MIN_MSS: u32 = 88;
    let len = segment.data_len;
    let header = if w.t.agreed.timestamps { 12 } else { 0 };
    let ends = [Flags::FIN, Flags::URG, Flags::SYN, Flags::PSH].iter().any(|flag| segment.has(*flag));
    let acking = &mut w.t.acking;
    let before = core::mem::take(&mut acking.last_size);
    if len >= acking.rcv_mss {
        acking.rcv_mss = len.min(w.t.agreed.snd_mss.max(TCP_MSS_DEFAULT));
    } else if len + header >= TCP_MSS_DEFAULT || len + header >= TCP_MIN_MSS && !ends {
        acking.last_size = len;
        if len == before {
            acking.rcv_mss = len;
        }
    }
}

/// Bytes in order reach the user's queue; after `shutdown(SHUT_RD)` or on an orphan they still count.
pub(crate) fn deliver(w: &mut Work<'_>, len: u32) {
    w.t.user.unread += len;
}

/// `tcp_dsack_set`
pub(crate) fn set_dsack(w: &mut Work<'_>, segment: &Segment) {
    if w.t.agreed.sack && w.p.dsack {
        let right = if segment.end().after(w.t.rcv_nxt) { w.t.rcv_nxt } else { segment.end() };
        w.t.dsack = Some(SackBlock { left: segment.seq, right });
    }
}

/// Eighth, the FIN bit (`tcp_fin`).
fn take_fin(w: &mut Work<'_>) {
    if matches!(w.t.state, State::FinWait1 | State::FinWait2) {
        // `tcp_fin` sends the ACK before it empties the queue.
        w.t.blocks_linger |= !w.t.out_of_order.is_empty();
    } else {
        // `tcp_sack_reset`
        w.t.dsack = None;
    }
    w.t.acking.scheduled = true;
    w.t.user.read_shut = true;
    w.t.user.eof = true;
    w.t.user.fins += 1;
    w.t.out_of_order.clear();
    match w.t.state {
        State::SynReceived | State::Established => {
            w.fired(&rules::FIN_ESTABLISHED);
            w.t.enter(State::CloseWait);
            w.enter_pingpong();
        }
        State::FinWait1 => {
            w.ack_now(&rules::FIN_FIN_WAIT_1);
            w.t.enter(State::Closing);
        }
        State::FinWait2 => {
            w.ack_now(&rules::FIN_FIN_WAIT_2);
            timeouts::enter_time_wait(w);
        }
        State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait
        | State::Listen
        | State::SynSent
        | State::Closed => w.fired(&rules::FIN_DUPLICATE),
    }
}
