//! SEGMENT ARRIVES in the synchronized states (RFC 9293 section 3.10.7.4): the checks in the RFC's order, with RFC 5961 and
//! RFC 7323; Linux `tcp_validate_incoming`, `tcp_ack`, `tcp_rcv_state_process`, `tcp_data_queue`.
//!
//! Owns what a full socket does with a segment. Refuses to know mini-sockets (`time_wait`) and request sockets (`opening`).

use alloc::vec;
use alloc::vec::Vec;

use crate::call::Errno;
use crate::counts::Counter;
use crate::opening::reset_reply;
use crate::rule::{RuleRef, rules};
use crate::segment::{Flags, SackBlock, Segment};
use crate::state::State;
use crate::step::{Limited, Work};
use crate::tcb::{RetransmitKind, Tcb, scaled_window};
use crate::time::Span;
use crate::{emit, timeouts};

/// All eight checks.
pub(crate) fn arrives<'p>(w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let mut w = w;
    if !segment.has(Flags::ACK) && !segment.has(Flags::RST) && !segment.has(Flags::SYN) {
        w.fired(&rules::CHECK_NO_ACK);
        return vec![w];
    }
    let mut done = Vec::new();
    for checked in first_check_seq(w, segment) {
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
    if w.t.state == State::SynReceived {
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
    let owed = core::mem::take(&mut w.t.owed);
    let mut done = by_acked_fin(w, segment);
    for w in &mut done {
        let later = core::mem::replace(&mut w.t.owed, owed.clone());
        w.t.owed.extend(later);
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
    if w.t.user.linger2_s < 0 || beyond {
        let rule: RuleRef = if w.t.user.linger2_s < 0 { &rules::FIN_WAIT_2_LINGER2 } else { &rules::TEXT_AFTER_CLOSE };
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

/// `tcp_may_update_window`
fn updates_window(w: &Work<'_>, segment: &Segment) -> bool {
    let wnd = scaled_window(segment, w.t.agreed.snd_scale);
    segment.ack.after(w.t.snd_una)
        || segment.seq.after(w.t.snd_wl1)
        || segment.seq == w.t.snd_wl1 && (wnd > w.t.snd_wnd || wnd == 0)
}

/// TS.Recent follows a segment at the left edge (RFC 7323 section 4.3; `tcp_replace_ts_recent`).
fn store_timestamp(w: &mut Work<'_>, segment: &Segment) {
    if let Some(ts) = segment.options.timestamps.filter(|_| w.t.agreed.timestamps)
        && segment.seq.at_most(w.t.rcv_wup)
        && (w.t.ts_recent.wrapping_sub(ts.val) as i32 <= 0 || w.t.ts_recent == 0)
    {
        w.t.ts_recent = ts.val;
    }
}

/// Whether a SACK block says that something outstanding has arrived (`tcp_is_sackblock_valid`, `tcp_match_skb_to_sack`).
fn covers_outstanding(t: &Tcb, segment: &Segment, block: &SackBlock) -> bool {
    block.left.after(segment.ack)
        && block.right.at_most(t.snd_nxt)
        && t.flight.iter().any(|sent| block.left.at_most(sent.seq) && sent.end.at_most(block.right))
}

/// An acceptable ACK: window, RTT, the flight and its timer (`tcp_ack`).
pub(crate) fn acknowledge(w: &mut Work<'_>, segment: &Segment) {
    store_timestamp(w, segment);
    let advanced = segment.ack.after(w.t.snd_una);
    if updates_window(w, segment) {
        let wnd = scaled_window(segment, w.t.agreed.snd_scale);
        w.t.snd_wl1 = segment.seq;
        w.t.snd_wnd = wnd;
        w.t.snd_wnd_max = w.t.snd_wnd_max.max(wnd);
    }
    if w.t.agreed.sack && segment.options.sack.iter().flatten().any(|block| covers_outstanding(&w.t, segment, block)) {
        w.t.recovering = true;
    }
    if w.t.user.soft_error.take().is_some() {
        w.fired(&rules::SOFT_ERROR_FORGOTTEN);
    }
    w.t.probes_out = 0;
    w.t.heard_at = w.at;
    if advanced {
        w.fired(&rules::CHECK_ACK);
        w.t.bytes_acked += segment.ack.since(w.t.snd_una).max(0) as u64;
        w.t.retransmits = 0;
        take_rtt_sample(w, segment);
        w.t.snd_una = segment.ack;
        let outstanding = w.t.flight.len();
        w.t.flight.retain(|sent| sent.end.after(segment.ack));
        let acked = w.t.flight.len() < outstanding;
        if let Some(first) = w.t.flight.first_mut()
            && first.seq.before(segment.ack)
        {
            first.seq = segment.ack;
        }
        if w.t.probe_high.is_some_and(|high| high.at_most(segment.ack)) {
            w.t.probe_high = None;
        }
        if w.t.flight.is_empty() {
            w.t.retransmitted_at = None;
            w.t.recovering = false;
        }
        // Part of a segment acknowledged is none (`tcp_clean_rtx_queue`).
        if acked {
            emit::set_transmit_timer(w, true);
        }
    } else if !w.t.agreed.sack && segment.is_empty() && !w.t.flight.is_empty() && segment.ack == w.t.snd_una {
        // A duplicate ACK counts where there is no SACK (`tcp_add_reno_sack`): three of them start a recovery.
        w.t.recovering = true;
    }
    if w.t.flight.is_empty() && w.t.retransmit.is_some_and(|(kind, _)| kind == RetransmitKind::WindowProbe) {
        // `tcp_ack_probe`: the window is open, or the wait starts again.
        if (w.t.snd_una + w.t.snd_wnd).after(w.t.snd_nxt) {
            w.t.backoff = 0;
            w.t.probing_since = None;
            w.t.retransmit = None;
        } else {
            let after = emit::window_probe_after(&w.t, w.at, w.p);
            w.t.retransmit = Some((RetransmitKind::WindowProbe, w.timer(after)));
        }
    }
    emit::owe_transmission(w);
}

/// The RTT of what this ACK covers: from the original transmission, or by TSecr if it was retransmitted (Karn; RFC 7323 section 4.2).
fn take_rtt_sample(w: &mut Work<'_>, segment: &Segment) {
    let acked: Vec<_> = w.t.flight.iter().filter(|sent| sent.end.at_most(segment.ack)).copied().collect();
    let Some(first) = acked.first() else { return };
    let rtt = if acked.iter().all(|sent| !sent.again) {
        Some(w.at.since(Span::at(first.sent_at)))
    } else {
        rtt_by_echo(w, segment)
    };
    let (una, nxt) = (segment.ack, w.t.snd_nxt);
    if let Some(rtt) = rtt {
        w.t.rtt.sample(rtt, una, nxt, w.p);
        w.t.backoff = 0;
    }
}

/// `tcp_rtt_tsopt_us`: now less TSecr on the timestamp clock of 1 ms.
fn rtt_by_echo(w: &Work<'_>, segment: &Segment) -> Option<Span> {
    const MS: u64 = 1_000_000;
    let ts = segment.options.timestamps.filter(|ts| w.t.agreed.timestamps && ts.ecr != 0)?;
    let (val, sent) = w.t.ts_sent?;
    let behind = i64::from(val.wrapping_sub(ts.ecr) as i32);
    let since = w.at.since(Span::at(sent));
    let at_least = (behind + (since.lo / MS) as i64 - 1).max(1) as u64;
    let at_most = (behind + (since.hi / MS) as i64 + 1).max(1) as u64;
    Some(Span::new(at_least * MS, at_most * MS))
}

/// The RTT of the SYN,ACK (`tcp_synack_rtt_meas`).
pub(crate) fn sample_rtt_of_open(w: &mut Work<'_>, segment: &Segment) {
    let rtt = match w.t.flight.first() {
        Some(sent) if !sent.again => Some(w.at.since(Span::at(sent.sent_at))),
        Some(_) | None => rtt_by_echo(w, segment),
    };
    w.t.rtt = crate::opening::fresh_rtt(w);
    match rtt {
        Some(rtt) => {
            let (una, nxt) = (segment.ack, w.t.snd_nxt);
            w.t.rtt.sample(rtt, una, nxt, w.p);
        }
        None => w.t.rtt.fall_back(w.p),
    }
}

/// Sixth, URG (not used); seventh, the segment text; eighth, the FIN bit.
pub(crate) fn text_and_fin<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
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
        w.t.counts.add(Counter::AbortOnData);
        w.t.end();
        reset_reply(&mut w, segment, &rules::TEXT_AFTER_CLOSE);
        return vec![w];
    }
    if segment.is_empty() {
        w.ack_check(None);
        return vec![w];
    }
    take_text(w, segment)
}

/// `tcp_data_queue`
fn take_text<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let nxt = w.t.rcv_nxt;
    let window = w.t.receive_window();
    if segment.end().at_most(nxt) {
        set_dsack(&mut w, segment);
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
        insert(&mut w, segment);
        w.ack_check(Some(&rules::TEXT_OUT_OF_ORDER));
        return vec![w];
    }
    take_text_in_order(w, segment)
}

/// What begins at RCV.NXT or before it, and ends behind it.
fn take_text_in_order<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let nxt = w.t.rcv_nxt;
    if segment.seq.before(nxt) {
        set_dsack(&mut w, segment);
    }
    let mut fin = segment.has(Flags::FIN);
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

/// `tcp_event_data_recv`
fn note_data(w: &mut Work<'_>, segment: &Segment) {
    if segment.data_len > w.t.acking.rcv_mss {
        w.t.acking.rcv_mss = segment.data_len.min(w.t.agreed.snd_mss.max(536));
    }
    w.data_received();
}

/// Bytes in order reach the user's queue; after `shutdown(SHUT_RD)` or on an orphan they still count.
fn deliver(w: &mut Work<'_>, len: u32) {
    w.t.user.unread += len;
}

/// The out-of-order queue gives up what has become in order (`tcp_ofo_queue`); true when a FIN came out.
fn drain(w: &mut Work<'_>) -> bool {
    let received = w.t.rcv_nxt;
    while let Some(&(left, right, fin)) = w.t.out_of_order.first() {
        if left.after(w.t.rcv_nxt) {
            break;
        }
        w.t.out_of_order.remove(0);
        if left.before(received) && w.t.agreed.sack && w.p.dsack {
            w.t.dsack = Some(SackBlock { left, right: if right.before(received) { right } else { received } });
        }
        if right.at_most(w.t.rcv_nxt) {
            // Received in the meantime, and so is its FIN's number.
            continue;
        }
        let fresh = right.since(w.t.rcv_nxt) as u32 - u32::from(fin);
        w.t.rcv_nxt = right;
        deliver(w, fresh);
        if fin {
            return true;
        }
    }
    false
}

/// Puts a range into the out-of-order queue and merges what touches.
fn insert(w: &mut Work<'_>, segment: &Segment) {
    let queue = &mut w.t.out_of_order;
    queue.push((segment.seq, segment.end(), segment.has(Flags::FIN)));
    queue.sort_by(|a, b| a.0.since(b.0).cmp(&0));
    let mut merged: Vec<(crate::segment::Seq, crate::segment::Seq, bool)> = Vec::new();
    for &(left, right, fin) in queue.iter() {
        match merged.last_mut() {
            Some(last) if left.at_most(last.1) => {
                // A FIN whose number other data has taken is gone with its segment (`tcp_data_queue_ofo`).
                last.2 = if left == last.1 {
                    fin || last.2
                } else if right.after(last.1) {
                    fin
                } else {
                    last.2 && (right.before(last.1) || fin)
                };
                last.1 = last.1.max(right);
            }
            Some(_) | None => merged.push((left, right, fin)),
        }
    }
    *queue = merged;
}

/// `tcp_dsack_set`
fn set_dsack(w: &mut Work<'_>, segment: &Segment) {
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
        | State::Closed => {
            w.t.user.further_fins += 1;
            w.fired(&rules::FIN_DUPLICATE);
        }
    }
}
