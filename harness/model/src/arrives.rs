//! SEGMENT ARRIVES in the synchronized states (RFC 9293 section 3.10.7.4): the checks in the RFC's order, with RFC 5961 and
//! RFC 7323; Linux `tcp_validate_incoming`, `tcp_ack`, `tcp_rcv_state_process`, `tcp_data_queue`.
//!
//! Owns what a full socket does with a segment. Refuses to know mini-sockets (`time_wait`) and request sockets (`opening`).

use alloc::vec;
use alloc::vec::Vec;

use crate::acknowledge::{acknowledge, rtt_by_echo, store_timestamp, take_old_blocks, updates_window};
use crate::call::Errno;
use crate::congestion::Congestion;
use crate::counts::Counter;
use crate::opening::reset_reply;
use crate::rule::{RuleRef, rules};
use crate::segment::{Flags, Segment};
use crate::state::State;
use crate::step::{Limited, Work};
use crate::tcb::{EmissionKind, scaled_window};
use crate::text::{WIDENS, deliver, note_data, set_dsack, text_and_fin};
use crate::{emit, timeouts};

/// How much larger than a header can tell a window is at the most: the buffer has 128 KiB at first (`tcp_rmem`).
const WINDOW_UNTOLD_MAX: u32 = 65_536;

/// All eight checks.
pub(crate) fn arrives<'p>(w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let mut w = w;
    if !segment.has(Flags::ACK) && !segment.has(Flags::RST) && !segment.has(Flags::SYN) {
        w.fired(&rules::CHECK_NO_ACK);
        return vec![w];
    }
    let mut done = Vec::new();
    let checked = windows(w, segment).into_iter().flat_map(|w| first_check_seq(w, segment));
    for checked in checked {
        match checked {
            Checked::Dropped(w) => done.push(w),
            Checked::Passed(w) => {
                done.extend(second_to_fourth_check(w, segment).into_iter().flat_map(|checked| match checked {
                    Checked::Dropped(w) => vec![w],
                    Checked::Passed(w) => fifth_check_ack(w, segment),
                }));
            }
        }
    }
    done
}

/// Where a header has no room for the window, the segment may be in it though it is not in the one told: all are kept until it shows.
pub(crate) fn windows<'p>(w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let told = w.t.rcv_nxt + w.t.receive_window();
    if !w.t.rcv_wnd_full || !segment.end().after(told) || segment.end().after(told + WINDOW_UNTOLD_MAX) {
        return vec![w];
    }
    let mut ends = vec![told, segment.seq, segment.seq + 1, segment.end() + 1];
    ends.retain(|end| !end.before(told));
    ends.dedup();
    let window = |end: crate::segment::Seq| {
        let mut w = w.clone();
        w.t.rcv_wnd = end.since(w.t.rcv_wup).max(0) as u32;
        w
    };
    ends.into_iter().map(window).collect()
}

enum Checked<'p> {
    Dropped(Work<'p>),
    Passed(Work<'p>),
}

/// First, check the sequence number; before it PAWS (RFC 7323 section 5.3).
fn first_check_seq<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Checked<'p>> {
    if old_timestamp(&w, segment, 1) && !segment.has(Flags::RST) {
        if segment.has(Flags::SYN) {
            // Which of the two a kernel does is its own: both are kept until it shows.
            let repeated = duplicate_ack(w.clone(), segment, &rules::CHECK_PAWS_SYN_REPEATED);
            return vec![Checked::Dropped(challenge_syn(w, &rules::CHECK_PAWS_SYN)), Checked::Dropped(repeated)];
        }
        return paws_rejected(w, segment);
    }
    let window_end = w.t.rcv_nxt + w.t.receive_window();
    let too_old = segment.end().before(w.t.rcv_wup);
    let too_new = segment.seq.after(window_end);
    if too_old || too_new {
        return vec![Checked::Dropped(unacceptable(w, segment))];
    }
    let end_without_fin = segment.end() - u32::from(segment.has(Flags::FIN));
    if end_without_fin.after(window_end) {
        // Which of the two a kernel does is its own: both are kept until it shows.
        let mut lax = w.clone();
        lax.fired(&rules::CHECK_SEQ_RIGHT_EDGE);
        // The FIN stays in the queue until a read comes to it.
        if w.t.user.unread > 0 || w.t.user.eof {
            if w.t.user.unread > 0 {
                lax.fired(&rules::CHECK_SEQ_RIGHT_EDGE_TAKEN);
            }
            w.fired(&rules::CHECK_SEQ_RIGHT_EDGE_STRICT);
            return vec![Checked::Passed(lax), Checked::Dropped(unacceptable(w, segment))];
        }
        return vec![Checked::Passed(lax)];
    }
    vec![Checked::Passed(w)]
}

/// Whether the segment's timestamp is older than TS.Recent by more than `slack` (`tcp_paws_check`).
pub(crate) fn old_timestamp(w: &Work<'_>, segment: &Segment, slack: i32) -> bool {
    w.t.agreed.timestamps
        && w.t.ts_recent != 0
        && segment.options.timestamps.is_some_and(|ts| (w.t.ts_recent.wrapping_sub(ts.val) as i32) > slack)
}

/// A segment that fails PAWS: dropped with an ACK, except for what `tcp_disordered_ack_check` lets through or drops silently.
fn paws_rejected<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Checked<'p>> {
    let pure_ack = segment.has(Flags::ACK) && segment.is_empty();
    if pure_ack && segment.seq == w.t.rcv_nxt && segment.ack == w.t.snd_una && !updates_window(&w, segment) {
        let replay = w.t.rtt.rto.lo * 1200 / u64::from(w.p.hz);
        let age = segment.options.timestamps.map_or(0, |ts| w.t.ts_recent.wrapping_sub(ts.val));
        if u64::from(age) <= replay {
            w.fired(&rules::CHECK_PAWS_REORDERED);
            return vec![Checked::Passed(w)];
        }
    }
    if pure_ack && segment.seq.before(w.t.rcv_nxt) {
        let mut silent = w.clone();
        silent.fired(&rules::CHECK_PAWS_OLD_ACK);
        return vec![
            Checked::Dropped(silent),
            Checked::Dropped(duplicate_ack(w, segment, &rules::CHECK_PAWS_OLD_ACK_ANSWERED)),
        ];
    }
    vec![Checked::Dropped(duplicate_ack(w, segment, &rules::CHECK_PAWS))]
}

/// An unacceptable segment.
fn unacceptable<'p>(mut w: Work<'p>, segment: &Segment) -> Work<'p> {
    if segment.has(Flags::RST) {
        if before_fin(&w, segment) {
            reset(&mut w, &rules::CHECK_RST_BEFORE_FIN);
        } else {
            w.fired(&rules::CHECK_RST_OUTSIDE);
        }
        return w;
    }
    if segment.has(Flags::SYN) {
        return challenge_syn(w, &rules::CHECK_SYN);
    }
    duplicate_ack(w, segment, &rules::CHECK_SEQ)
}

/// An ACK that answers an unacceptable segment (`tcp_send_dupack`): data is never rate limited.
fn duplicate_ack<'p>(mut w: Work<'p>, segment: &Segment, rule: RuleRef) -> Work<'p> {
    let limited = if segment.is_empty() || segment.has(Flags::SYN) { w.limited_ack() } else { Limited::Sent };
    if !segment.is_empty() && segment.seq.before(w.t.rcv_nxt) {
        w.enter_quick_ack();
        set_dsack(&mut w, segment);
    }
    match limited {
        Limited::Sent => w.ack_now(rule),
        Limited::Unsure => w.ack_permitted(rule),
        Limited::Silent => w.fired(rule),
    }
    w
}

/// A challenge ACK (RFC 5961; `tcp_send_challenge_ack`).
fn challenge<'p>(mut w: Work<'p>, rule: RuleRef) -> Work<'p> {
    match w.limited_ack() {
        Limited::Sent => w.ack_now(rule),
        Limited::Unsure => w.ack_permitted(rule),
        Limited::Silent => w.fired(rule),
    }
    w
}

/// The same to a SYN; in ESTABLISHED it counts as received in error (`tcp_rcv_established`, syn_inerr).
fn challenge_syn<'p>(mut w: Work<'p>, rule: RuleRef) -> Work<'p> {
    if w.t.state == State::Established {
        w.fired(&rules::COUNT_SYN_IN_ERROR);
        w.t.counts.add(Counter::InErrs);
    }
    challenge(w, rule)
}

/// `tcp_reset_check`
fn before_fin(w: &Work<'_>, segment: &Segment) -> bool {
    segment.seq == w.t.rcv_nxt - 1 && matches!(w.t.state, State::CloseWait | State::LastAck | State::Closing)
}

/// The connection is reset by the peer (`tcp_reset`).
fn reset(w: &mut Work<'_>, rule: RuleRef) {
    w.fired(rule);
    let errno = if w.t.state == State::CloseWait { Errno::PIPE } else { Errno::CONNRESET };
    w.t.user.error = Some(errno);
    w.t.end();
}

/// Second, the RST bit; third, security (none); fourth, the SYN bit.
fn second_to_fourth_check<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Checked<'p>> {
    if segment.has(Flags::RST) {
        if segment.seq == w.t.rcv_nxt {
            reset(&mut w, &rules::CHECK_RST_EXACT);
        } else if before_fin(&w, segment) {
            reset(&mut w, &rules::CHECK_RST_BEFORE_FIN);
        } else if w.t.agreed.sack && w.t.out_of_order.last().is_some_and(|(_, end, _)| segment.seq == *end) {
            reset(&mut w, &rules::CHECK_RST_SACK_EDGE);
        } else {
            w = challenge(w, &rules::CHECK_RST_WINDOW);
        }
        return vec![Checked::Dropped(w)];
    }
    if segment.has(Flags::SYN) {
        let crossed = w.t.state == State::SynReceived
            && segment.has(Flags::ACK)
            && segment.seq + 1 == w.t.rcv_nxt
            && segment.len() == 1
            && segment.ack == w.t.snd_nxt;
        if !crossed {
            return vec![Checked::Dropped(challenge_syn(w, &rules::CHECK_SYN))];
        }
        // Which of the two a kernel does is its own: both are kept until it shows.
        let dropped = challenge(w.clone(), &rules::SYN_RECEIVED_CROSSED_CHALLENGE);
        w.fired(&rules::SYN_RECEIVED_CROSSED);
        return vec![Checked::Passed(w), Checked::Dropped(dropped)];
    }
    vec![Checked::Passed(w)]
}

/// Fifth, the ACK field (`tcp_ack`, then the states of `tcp_rcv_state_process`).
fn fifth_check_ack<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    if !segment.has(Flags::ACK) {
        w.fired(&rules::CHECK_NO_ACK);
        return vec![w];
    }
    let una = w.t.snd_una;
    if w.t.state == State::SynReceived && (segment.ack.before(una) || segment.ack.after(w.t.snd_nxt)) {
        reset_reply(&mut w, segment, &rules::SYN_RECEIVED_BAD_ACK);
        return vec![w];
    }
    if segment.ack.before(una) {
        let window = u64::from(w.t.snd_wnd_max).min(w.t.bytes_acked) as u32;
        if segment.ack.before(una - window) {
            let mut done: Vec<Work<'_>> = predicted(&w, segment, true).into_iter().collect();
            done.push(challenge(w, &rules::CHECK_ACK_TOO_OLD));
            return done;
        }
        return old_ack(w, segment);
    }
    if segment.ack.after(w.t.snd_nxt) {
        if w.t.state == State::Established {
            // Which of the two a kernel does is its own: both are kept until it shows.
            let mut silent = w.clone();
            silent.fired(&rules::CHECK_ACK_UNSENT_SILENT);
            return vec![challenge(w, &rules::CHECK_ACK_UNSENT_ANSWERED), silent];
        }
        return vec![challenge(w, &rules::CHECK_ACK_UNSENT)];
    }
    // Where the ACK is nothing new both are kept until it shows.
    let matters = w.t.user.soft_error.is_some() || emit::unsent(&w.t) > 0;
    let overlooked = (segment.ack == una && matters && may_be_overlooked(&w, segment)).then(|| w.clone());
    let opening = (w.t.state == State::SynReceived).then_some(w.t.retransmits);
    acknowledge(&mut w, segment);
    if let Some(mut overlooked) = overlooked {
        store_timestamp(&mut overlooked, segment);
        if overlooked.t.user.soft_error.is_some() {
            overlooked.fired(&rules::SOFT_ERROR_KEPT);
        }
        let mut both = text_and_fin(w, segment);
        both.extend(text_and_fin(overlooked, segment));
        return both;
    }
    if let Some(retransmits) = opening {
        w.t.congestion = Congestion::opened(retransmits);
        w.fired(if segment.ack == una { &rules::SYN_RECEIVED_ACK_OF_NOTHING } else { &rules::SYN_RECEIVED_ACK });
        w.t.retransmitted_at = None;
        // Scaled also where the segment has a SYN.
        w.t.snd_wnd = u32::from(segment.wnd) << w.t.agreed.snd_scale;
        if w.t.rtt.srtt8.is_none() {
            // `tcp_synack_rtt_meas` without a request, `tcp_init_metrics`.
            match rtt_by_echo(&w, segment) {
                Some(rtt) => {
                    let (una, nxt) = (segment.ack, w.t.snd_nxt);
                    w.t.rtt.sample(rtt, una, nxt, w.p);
                }
                None => w.t.rtt.fall_back(w.p),
            }
        }
        w.t.enter(State::Established);
        crate::opening::initialize_rcv_mss(&mut w);
        if w.t.user.write_shut {
            crate::calls::queue_fin(&mut w);
            return with_fin_first(w, segment);
        }
    }
    by_acked_fin(w, segment)
}

/// The FIN of a `shutdown` before the connection was ESTABLISHED goes out before the segment that established it is read any further.
fn with_fin_first<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let mut owed = core::mem::take(&mut w.t.owed);
    owed.iter_mut().for_each(|owed| owed.acks = Some(w.t.rcv_nxt));
    let goes_out = owed.iter().any(|owed| owed.must);
    let mut done = by_acked_fin(w, segment);
    for w in &mut done {
        let later = core::mem::replace(&mut w.t.owed, owed.clone());
        let (nxt, behind_fin) = (w.t.snd_nxt, w.t.write_seq);
        w.t.owed.extend(later.into_iter().map(|mut owed| {
            if let EmissionKind::Ack { seq, .. } = &mut owed.kind
                && *seq == nxt
                && goes_out
            {
                *seq = behind_fin;
            }
            owed
        }));
    }
    done
}

/// What the ACK of our FIN leads to, and the rest of the segment.
fn by_acked_fin<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let all_acked = w.t.fin_sent() && w.t.snd_una == w.t.write_seq;
    match w.t.state {
        State::FinWait1 if all_acked => {
            w.fired(&rules::ACK_FIN_WAIT_1);
            w.t.enter(State::FinWait2);
            w.t.user.write_shut = true;
            if !w.t.user.orphan {
                w.fired(&rules::FIN_WAIT_2_OWNED);
            }
            if w.t.user.orphan
                && let Some(done) = orphan_in_fin_wait_2(&mut w, segment)
            {
                return done;
            }
        }
        State::Closing if all_acked => {
            w.fired(&rules::ACK_CLOSING);
            timeouts::enter_time_wait(&mut w);
            return vec![w];
        }
        State::LastAck if all_acked => {
            w.fired(&rules::ACK_LAST_ACK);
            w.t.end();
            return vec![w];
        }
        State::Listen
        | State::SynSent
        | State::SynReceived
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait
        | State::Closed => {}
    }
    text_and_fin(w, segment)
}

/// Whether the segment may be taken without a look at its ACK, which memory decides (`tcp_rcv_established`).
fn may_be_overlooked(w: &Work<'_>, segment: &Segment) -> bool {
    w.t.state == State::Established && segment.data_len > 0 && !segment.has(Flags::FIN) && segment.seq == w.t.rcv_nxt
}

/// The ACK is old, but not too old (`tcp_ack`, old_ack). What a kernel does is its own: all are kept until it shows.
fn old_ack<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let mut done: Vec<Work<'_>> = predicted(&w, segment, false).into_iter().collect();
    take_old_blocks(&mut w, segment);
    emit::owe_transmission(&mut w);
    if w.t.state != State::Established {
        done.push(challenge(w.clone(), &rules::CHECK_ACK_OLD_CHALLENGE));
        w.fired(&rules::CHECK_ACK_OLD_TAKEN);
    }
    let mut updated = w.clone();
    store_timestamp(&mut updated, segment);
    if updated.t.ts_recent != w.t.ts_recent {
        if may_be_overlooked(&w, segment) {
            updated.fired(&rules::CHECK_ACK_OLD_FAST_PATH);
        } else {
            updated.fired(&rules::CHECK_ACK_OLD_UPDATES);
            w.fired(&rules::CHECK_ACK_OLD_KEEPS);
        }
        done.extend(text_and_fin(updated, segment));
    }
    done.extend(text_and_fin(w, segment));
    done
}

/// A segment whose header older kernels predict: they take its timestamp and its data before they look at its ACK, and do not mind
/// how old that is (`tcp_rcv_established` before it compared SEG.ACK with SND.UNA). Whether the header is the predicted one is not
/// known for certain.
fn predicted<'p>(w: &Work<'p>, segment: &Segment, too_old: bool) -> Option<Work<'p>> {
    let as_agreed = w.t.agreed.timestamps == segment.options.timestamps.is_some() && !old_timestamp(w, segment, 0);
    let predictable = w.t.state == State::Established
        && segment.flags.without(Flags::PSH) == Flags::ACK
        && segment.seq == w.t.rcv_nxt
        && segment.data_len <= w.t.receive_window()
        && scaled_window(segment, w.t.agreed.snd_scale) == w.t.snd_wnd
        && w.t.out_of_order.is_empty();
    if !predictable || !as_agreed {
        return None;
    }
    let mut w = w.clone();
    w.fired(&rules::CHECK_ACK_OLD_PREDICTED);
    store_timestamp(&mut w, segment);
    if segment.data_len > 0 {
        w.fired(&rules::TEXT_IN_ORDER);
        w.t.rcv_nxt = segment.end();
        deliver(&mut w, segment.data_len);
        note_data(&mut w, segment);
        w.t.acking.quick.1 |= u64::from(segment.data_len >= WIDENS);
    }
    let challenged_before = w.t.limited_ack_at;
    if too_old {
        w = challenge(w, &rules::CHECK_ACK_TOO_OLD);
    }
    let challenges = w.t.limited_ack_at != challenged_before;
    emit::owe_transmission(&mut w);
    // The challenge ACK acknowledges the data too.
    if !challenges {
        w.ack_check(None);
    }
    Some(w)
}

/// An orphan has just entered FIN-WAIT-2; `Some` when the segment ends here.
fn orphan_in_fin_wait_2<'p>(w: &mut Work<'p>, segment: &Segment) -> Option<Vec<Work<'p>>> {
    let beyond = !segment.is_empty() && (segment.end() - u32::from(segment.has(Flags::FIN))).after(w.t.rcv_nxt);
    if w.t.user.options.linger2_s < 0 || beyond {
        let rule: RuleRef =
            if w.t.user.options.linger2_s < 0 { &rules::FIN_WAIT_2_LINGER2 } else { &rules::TEXT_AFTER_CLOSE };
        w.t.counts.add(Counter::AbortOnData);
        w.t.end();
        reset_reply(w, segment, rule);
        return Some(vec![w.clone()]);
    }
    let timeout = timeouts::fin_time(w);
    if timeout.lo > w.p.time_wait() {
        let time_wait = w.p.time_wait();
        w.t.keepalive = Some(w.timer(timeout.map(|t| t - time_wait)));
    } else if segment.has(Flags::FIN) {
        w.t.keepalive = Some(w.timer(timeout));
    } else {
        timeouts::enter_fin_wait_2_mini(w, timeout);
        return Some(vec![w.clone()]);
    }
    None
}
