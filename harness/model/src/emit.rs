//! What a connection may emit now, and what an emitted segment does to it.
//!
//! Owns the match between a segment seen and the emissions that are owed, permitted or due by a timer, and the sender's side of
//! a transmission (Linux `tcp_write_xmit`, `tcp_event_new_data_sent`, `tcp_schedule_loss_probe`). Refuses to know why
//! something is owed.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::acking::{ack_sent, arm_at, data_sent};
use crate::calls::opened;
use crate::counts::count_sent;
use crate::describe::{describe, kind_text};
use crate::event::{Event, Transition};
use crate::profile::Profile;
use crate::rule::{RuleRef, rules};
use crate::segment::{Flags, HOP_LIMIT_DEFAULT, SackBlock, Segment, Seq, Timestamps};
use crate::state::State;
use crate::step::{Work, pending, step};
use crate::tcb::{AckBy, Emission, EmissionKind, InFlight, LossProbe, RetransmitKind, Tcb};
use crate::time::{Nanos, Span, Ticks, Timer};
use crate::timeouts;
use crate::wheel::arm;

/// TCPOLEN_SACK_BASE_ALIGNED and TCPOLEN_SACK_PERBLOCK, bytes.
const SACK_BASE: u32 = 4;
const SACK_BLOCK: u32 = 8;

/// Why a segment does not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The rule that comes closest.
    pub rule: RuleRef,
    /// What it asks for.
    pub expected: String,
    /// How close: the larger, the closer.
    pub likeness: u8,
}

/// Every connection that explains that `segment` was emitted at `at`; if none, the closest miss.
pub fn explain(tcb: &Tcb, segment: &Segment, at: Nanos, profile: &Profile) -> Result<Vec<Transition>, Mismatch> {
    let mut miss = Mismatch { rule: &rules::SEGMENT_UNEXPLAINED, expected: describe(tcb).join(", or "), likeness: 0 };
    let mut found = fit_owed(tcb, segment, at, profile, &mut miss);
    // What Nagle's algorithm holds back may go out as the loss probe too.
    let probes =
        tcb.retransmit.is_some_and(|(kind, _)| kind == RetransmitKind::LossProbe) && segment.seq == tcb.snd_nxt;
    if found.is_empty() || probes {
        for (timeout, due) in pending(tcb) {
            if !due.contains(at) {
                continue;
            }
            for fired in step(tcb, &Event::Timeout(timeout), Span::at(at), profile) {
                if fired.tcb.owed.len() <= tcb.owed.len() {
                    continue;
                }
                let new = Tcb { owed: fired.tcb.owed[tcb.owed.len()..].to_vec(), ..fired.tcb.clone() };
                for mut transition in fit_owed(&new, segment, at, profile, &mut miss) {
                    let old = tcb.owed.iter().cloned();
                    transition.tcb.owed = old.chain(transition.tcb.owed).collect();
                    transition.tcb.transitions = fired.tcb.transitions.clone();
                    transition.rules.extend(fired.rules.iter().copied());
                    transition.result = fired.result;
                    transition.due = fired.due;
                    found.push(transition);
                }
            }
        }
    }
    if found.is_empty() && tcb.recovering && !tcb.flight.is_empty() && tcb.state != State::Closed {
        // Recovery may retransmit any hole at any time; what an ACK starts goes out before the text of its segment is taken (`tcp_ack`).
        let before_text = Tcb { rcv_nxt: tcb.rcv_wup, ..tcb.clone() };
        let fitting =
            [tcb, &before_text].into_iter().find(|t| fits(t, EmissionKind::Retransmit, segment, profile).is_ok());
        if fitting.is_some() {
            let mut t = tcb.clone();
            t.transitions.clear();
            count_sent(&mut t, EmissionKind::Retransmit, &rules::RTO_RECOVERY, segment);
            sent(&mut t, EmissionKind::Retransmit, segment, at, at, profile);
            if segment.ack != tcb.rcv_nxt {
                (t.acking, t.delayed_ack) = (tcb.acking, tcb.delayed_ack);
            }
            let oldest = tcb.flight.first().is_some_and(|sent| sent.seq == segment.seq);
            if oldest && t.retransmit.is_none_or(|(kind, _)| kind != RetransmitKind::Reordering) {
                let rto = t.rtt.rto;
                t.retransmit = Some((RetransmitKind::Timeout, arm_at(at, rto, profile)));
            }
            found.push(Transition { tcb: t, result: None, rules: alloc::vec![&rules::RTO_RECOVERY], due: None });
        }
    }
    if found.is_empty() { Err(miss) } else { Ok(found) }
}

/// Fits the segment to what is owed, in order; permitted emissions may be passed over, so that it may serve more than one.
fn fit_owed(tcb: &Tcb, segment: &Segment, at: Nanos, profile: &Profile, miss: &mut Mismatch) -> Vec<Transition> {
    let mut found = Vec::new();
    for (i, owed) in tcb.owed.iter().enumerate() {
        let before_text = owed.acks.map(|acks| before_text(tcb, acks));
        match fits(before_text.as_ref().unwrap_or(tcb), owed.kind, segment, profile) {
            Ok(()) if owed.due.lo <= at => {
                let mut t = tcb.clone();
                t.transitions.clear();
                let rule = owed.rule;
                t.owed.drain(..=i);
                if owed.kind == EmissionKind::Transmit && owed.acks.is_none() {
                    // It acknowledges what arrived before it.
                    t.owed.retain(|later| !matches!(later.kind, EmissionKind::Ack { by: AckBy::Socket, .. }));
                }
                let more = owed.kind == EmissionKind::Transmit && unsent(&t) > segment.len();
                count_sent(&mut t, owed.kind, rule, segment);
                sent(&mut t, owed.kind, segment, owed.due.lo, at, profile);
                if owed.acks.is_some() {
                    (t.acking, t.delayed_ack, t.dsack) = (tcb.acking, tcb.delayed_ack, tcb.dsack);
                }
                if owed.rule == &rules::REORDERING {
                    // `tcp_rack_reo_timeout` sends first.
                    t.retransmit = remaining_rto(&t, Span::at(at), profile).map(|rto| (RetransmitKind::Timeout, rto));
                }
                if owed.rule == &rules::CORK_TIMEOUT {
                    // `tcp_write_wakeup` schedules no loss probe.
                    let rto = t.rtt.rto;
                    t.retransmit = Some((RetransmitKind::Timeout, arm_at(at, rto, profile)));
                }
                if unsent(&t) == 0 {
                    t.owed.retain(|later| later.kind != EmissionKind::Transmit);
                }
                if more {
                    let must = owed.must && sendable(&t) == Sendable::Now;
                    t.owed.insert(0, Emission { must, ..owed.clone() });
                }
                found.push(Transition { tcb: t, result: None, rules: alloc::vec![rule], due: None });
            }
            Ok(()) => {}
            Err(other) => {
                let unnamed = other.rule == &rules::SEGMENT_UNEXPLAINED;
                let other = if unnamed { Mismatch { rule: owed.rule, ..other } } else { other };
                if other.likeness > miss.likeness {
                    *miss = other;
                }
            }
        }
        // Whatever acknowledges takes along an ACK that was put off.
        if owed.must && !owed.is_compressed() {
            break;
        }
    }
    found
}

/// The connection as it was before it took the text of a segment, when it acknowledged no more than this.
fn before_text(t: &Tcb, acks: Seq) -> Tcb {
    Tcb { rcv_nxt: acks, dsack: None, ..t.clone() }
}

/// The bytes and the FIN queued and not sent yet.
pub(crate) fn unsent(t: &Tcb) -> u32 {
    t.write_seq.since(t.snd_nxt).max(0) as u32
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sendable {
    /// It goes out at once.
    Now,
    /// It may.
    Maybe,
    /// The window is closed, or a cork holds a partial segment.
    Blocked,
}

/// The largest segment: the MSS, or half of the largest window seen (`tcp_bound_to_half_wnd`).
fn segment_size(t: &Tcb) -> u32 {
    const TCP_MSS_DEFAULT: u32 = 536;
    const HEADERS_LEAST: u32 = 68;
    let half = if t.snd_wnd_max > TCP_MSS_DEFAULT { t.snd_wnd_max / 2 } else { t.snd_wnd_max };
    if half == 0 { t.agreed.snd_mss } else { t.agreed.snd_mss.min(half.max(HEADERS_LEAST - 20)) }
}

/// The same with room for SACK blocks, where there are some to tell: for as many as there may be, and for one (`tcp_current_mss`).
fn segment_size_now(t: &Tcb) -> (u32, u32) {
    let whole = segment_size(t);
    if !t.agreed.sack || !t.reports_blocks() {
        return (whole, whole);
    }
    let most = if t.agreed.timestamps { 3 } else { 4 };
    (whole.saturating_sub(SACK_BASE + most * SACK_BLOCK), whole.saturating_sub(SACK_BASE + SACK_BLOCK))
}

/// Whether the window takes the next segment whole (`tcp_snd_wnd_test`); the probe timer cuts it to the window.
pub(crate) fn window_takes_next(t: &Tcb) -> bool {
    let room = (t.snd_una + t.snd_wnd).since(t.snd_nxt);
    let data = unsent(t) - u32::from(t.fin_queued);
    room > 0 && data.min(segment_size_now(t).0) as i32 <= room
}

/// Whether unsent data may go: window (section 3.8.6), Nagle (3.7.4), congestion window.
fn sendable(t: &Tcb) -> Sendable {
    let room = (t.snd_una + t.snd_wnd).since(t.snd_nxt);
    let data = unsent(t) - u32::from(t.fin_queued);
    let (least, most) = segment_size_now(t);
    let partial = data < least && !t.fin_queued;
    if !window_takes_next(t) || t.user.options.cork && partial {
        return Sendable::Blocked;
    }
    let partial = data < most && !t.fin_queued;
    let held_back = t.user.options.cork || t.more || !t.user.options.no_delay && !t.flight.is_empty();
    if data.min(most) as i32 > room || partial && held_back {
        return Sendable::Maybe;
    }
    let all = data as i32 > room && t.flight.is_empty() || unsent(t) as i32 <= room;
    let all = all && !may_be_put_off(t, data, room as u32, most);
    if t.recovering || t.flight.len() >= t.congestion.window as usize || !all {
        return Sendable::Maybe;
    }
    Sendable::Now
}

/// Whether a burst may wait until more of the windows is open: with segments in flight less than a third is (`tcp_tso_should_defer`).
fn may_be_put_off(t: &Tcb, data: u32, room: u32, mss: u32) -> bool {
    const DIVISOR: u32 = 3;
    let left = t.congestion.window.saturating_sub(t.flight.len() as u32);
    let (open, whole) = (room.min(left * mss), t.snd_wnd.min(t.congestion.window * mss));
    data > mss && !t.flight.is_empty() && open < whole / DIVISOR
}

/// Unsent data is owed, permitted, or waits behind a closed window (`tcp_push`, `tcp_data_snd_check`).
pub(crate) fn owe_transmission(w: &mut Work<'_>) {
    let open =
        matches!(w.t.state, State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck);
    w.t.more = false;
    if !open || unsent(&w.t) == 0 {
        return;
    }
    let rule: RuleRef = if w.t.fin_queued { &rules::CLOSE_FIN } else { &rules::CALL_SEND };
    let must = match sendable(&w.t) {
        Sendable::Now => true,
        Sendable::Maybe => false,
        Sendable::Blocked => {
            await_window(w);
            return;
        }
    };
    let at = w.at_once();
    let current = |owed: &&mut Emission| owed.kind == EmissionKind::Transmit && owed.acks.is_none();
    if let Some(owed) = w.t.owed.iter_mut().find(current) {
        owed.must |= must;
        owed.due = Span::new(owed.due.lo, at.hi.max(owed.due.hi));
    } else if must {
        w.owe(EmissionKind::Transmit, rule);
    } else {
        w.t.owe(EmissionKind::Transmit, Span::new(at.lo, Nanos::MAX), false, rule);
    }
}

/// Data waits with nothing in flight: behind a closed window or a cork (`tcp_check_probe_timer`).
pub(crate) fn await_window(w: &mut Work<'_>) {
    if w.t.flight.is_empty() && w.t.retransmit.is_none() {
        let when = w.t.rtt.rto.map(|rto| rto.max(probe_timeout_min(w.p)));
        w.t.retransmit = Some((RetransmitKind::WindowProbe, w.timer(when)));
    }
}

/// TCP_RTO_MIN whatever tcp_rto_min_us says (`tcp_probe0_base`).
fn probe_timeout_min(p: &Profile) -> u64 {
    const TCP_RTO_MIN_MS: u64 = 200;
    p.ticks_of_ms(TCP_RTO_MIN_MS)
}

/// `tcp_probe0_when`: the RTO, doubled for each probe before; the user timeout may clamp it (`tcp_clamp_probe0_to_user_timeout`).
pub(crate) fn window_probe_after(t: &Tcb, at: Span, p: &Profile) -> Ticks {
    let least = probe_timeout_min(p);
    // ilog2(TCP_RTO_MAX / TCP_RTO_MIN) + 1
    let shift = t.backoff.min(10);
    let when = t.rtt.rto.map(|rto| (rto.max(least) << shift).min(p.rto_max()));
    let Some(since) = t.probing_since.filter(|_| t.user.options.user_timeout_ms > 0) else { return when };
    let limit = p.ticks_of_ms(u64::from(t.user.options.user_timeout_ms));
    let gone = p.ticks_since(at, since);
    // TCP_TIMEOUT_MIN
    let left = |gone: u64| limit.saturating_sub(gone).max(2);
    Ticks { lo: when.lo.min(left(gone.hi)), hi: when.hi.min(left(gone.lo)) }
}

/// RTO or loss probe after something was sent or acknowledged (`tcp_set_xmit_timer`).
pub(crate) fn set_transmit_timer(w: &mut Work<'_>, advancing: bool) {
    let (at, p) = (w.at, w.p);
    w.t.retransmit = transmit_timer(&w.t, at, advancing, p);
}

fn transmit_timer(t: &Tcb, at: Span, advancing: bool, p: &Profile) -> Option<(RetransmitKind, Timer)> {
    if t.flight.is_empty() {
        return None;
    }
    if !p.loss_probe || !t.agreed.sack || t.recovering || t.retransmits > 0 {
        // In place of another timer it counts from the oldest segment (`tcp_rearm_rto`).
        let from_oldest = t
            .retransmit
            .is_some_and(|(kind, _)| matches!(kind, RetransmitKind::LossProbe | RetransmitKind::Reordering));
        let rto = if from_oldest { rto_left(t, at, p) } else { t.rtt.rto };
        return Some((RetransmitKind::Timeout, arm(at, rto, p)));
    }
    let probe = match t.rtt.srtt8 {
        Some(srtt8) => {
            let extra = if t.flight.len() == 1 { p.rto_min_us } else { 2_000 };
            Ticks { lo: p.ticks_of_us((srtt8.0 >> 2) + extra), hi: p.ticks_of_us((srtt8.1 >> 2) + extra) }
        }
        None => p.rto_initial(),
    };
    let rto = if advancing { t.rtt.rto } else { rto_left(t, at, p) };
    // An RTO that is overdue, because another timer took its place, does not bring it forward.
    let over = !advancing
        && t.flight.first().is_some_and(|head| at.since(Span::at(head.sent_at)).hi >= t.rtt.rto.lo * p.tick_ns());
    let delta = Ticks { lo: probe.lo.min(rto.lo), hi: if over { probe.hi } else { probe.hi.min(rto.hi) } };
    Some((RetransmitKind::LossProbe, arm(at, delta, p)))
}

/// How much of the RTO is left for the oldest segment (`tcp_rto_delta_us`), ticks.
fn rto_left(t: &Tcb, at: Span, p: &Profile) -> Ticks {
    let Some(head) = t.flight.first() else { return t.rtt.rto };
    let gone = at.since(Span::at(head.sent_at));
    let left = |rto: u64, gone: u64| {
        let ns = (rto * p.tick_ns()).saturating_sub(gone).max(1_000);
        p.ticks_of_us(ns / 1000)
    };
    Ticks { lo: left(t.rtt.rto.lo, gone.hi), hi: left(t.rtt.rto.hi, gone.lo) }
}

/// The RTO counted from the oldest segment's transmission (`tcp_rearm_rto` in place of a pending probe).
pub(crate) fn remaining_rto(t: &Tcb, at: Span, p: &Profile) -> Option<Timer> {
    (!t.flight.is_empty()).then(|| arm(at, rto_left(t, at, p), p))
}

/// Whether `segment` is a `kind` of this connection, every field.
fn fits(t: &Tcb, kind: EmissionKind, segment: &Segment, p: &Profile) -> Result<(), Mismatch> {
    let expected = || format!("{} ({})", kind_text(t, kind), "the rest of the header as agreed");
    let mut likeness = 0;
    let mut right = true;
    let mut check = |ok: bool, weight: u8| {
        if ok {
            likeness += weight;
        } else {
            right = false;
        }
    };
    let flags = segment.flags.without(Flags::PSH | Flags::ECE | Flags::CWR);
    let end_of_stream = t.fin_queued && segment.end() == t.write_seq;
    let in_stream = if end_of_stream { Flags::ACK | Flags::FIN } else { Flags::ACK };
    match kind {
        EmissionKind::Syn => {
            check(flags == Flags::SYN, 3);
            check(segment.data_len == 0, 1);
            check(t.iss.is_none_or(|iss| segment.seq == iss), 2);
        }
        EmissionKind::SynAck => {
            check(flags == Flags::SYN | Flags::ACK, 3);
            check(segment.data_len == 0, 1);
            check(t.iss.is_none_or(|iss| segment.seq == iss), 2);
            check(t.iss_within.is_none_or(|(first, more)| segment.seq.since(first) as u32 <= more), 2);
            check(segment.ack == t.irs + 1, 2);
        }
        EmissionKind::Ack { seq, ack, by: _ } => {
            check(flags == Flags::ACK, 3);
            check(segment.data_len == 0, 1);
            check(segment.seq == seq, 2);
            check(segment.ack == ack, 2);
        }
        EmissionKind::Reset { seq, ack, active: _ } => {
            check(flags == if ack.is_some() { Flags::RST | Flags::ACK } else { Flags::RST }, 3);
            check(segment.data_len == 0, 1);
            check(segment.seq == seq, 2);
            check(ack.is_none_or(|ack| segment.ack == ack), 2);
        }
        EmissionKind::Transmit => {
            check(flags == in_stream, 3);
            check(segment.seq == t.snd_nxt, 2);
            check(!segment.is_empty() && segment.end().at_most(t.write_seq), 1);
            check(segment.data_len <= t.agreed.snd_mss, 1);
            check(segment.end().at_most(t.snd_una + t.snd_wnd), 1);
            check(segment.ack == t.rcv_nxt, 2);
        }
        EmissionKind::Retransmit => {
            let first = if t.recovering && t.retransmits == 0 {
                t.flight.iter().any(|sent| sent.seq == segment.seq && !sent.sacked)
            } else {
                t.flight.first().is_some_and(|sent| sent.seq == segment.seq)
            };
            check(flags == in_stream, 3);
            check(first, 2);
            check(!segment.is_empty() && segment.end().at_most(t.snd_nxt), 1);
            check(segment.ack == t.rcv_nxt, 2);
        }
        EmissionKind::LossProbe => {
            let last = segment.end() == t.snd_nxt && t.flight.last().is_some_and(|sent| sent.seq.at_most(segment.seq));
            let new = segment.seq == t.snd_nxt && segment.end().at_most(t.write_seq);
            check(flags == in_stream, 3);
            check(last || new || last_cut(t, segment) || last_of_one(t, segment, p), 2);
            check(!segment.is_empty(), 1);
            check(segment.ack == t.rcv_nxt, 2);
        }
        EmissionKind::Probe { seq } => {
            check(flags == Flags::ACK, 3);
            check(segment.data_len == 0, 1);
            check(segment.seq == seq, 2);
            check(segment.ack == t.rcv_nxt, 2);
        }
    }
    if !right {
        return Err(Mismatch { rule: &rules::SEGMENT_UNEXPLAINED, expected: expected(), likeness });
    }
    fits_agreement(t, kind, segment, p).map_err(|(rule, wanted)| Mismatch {
        rule,
        expected: wanted,
        likeness: likeness + 10,
    })
}

/// Whether it is the front of the last segment, which has no room any more for all of that beside SACK blocks (`__tcp_retransmit_skb`).
fn last_cut(t: &Tcb, segment: &Segment) -> bool {
    let (least, most) = segment_size_now(t);
    t.flight.last().is_some_and(|sent| sent.seq == segment.seq && segment.end().before(sent.end))
        && (least..=most).contains(&segment.data_len)
}

/// Whether it is of the last segments, which were one behind the socket: where SACK blocks have come or gone since, that is cut
/// elsewhere (`tcp_send_loss_probe`, `tcp_fragment`, `__tcp_retransmit_skb`).
fn last_of_one(t: &Tcb, segment: &Segment, p: &Profile) -> bool {
    let mss = t.agreed.snd_mss;
    let sizes = || (1..=4).map(|blocks| mss.saturating_sub(SACK_BASE + blocks * SACK_BLOCK)).chain([mss]);
    (2..=t.flight.len()).any(|count| {
        let one = &t.flight[t.flight.len() - count..];
        let (first, last) = (one[0], one[count - 1]);
        let at_once = last.sent_at.saturating_sub(first.sent_at) <= p.processing_ns;
        if !at_once || one.iter().any(|sent| sent.again) || last.end != t.snd_nxt {
            return false;
        }
        let whole = count == 2 && segment.seq == first.seq && segment.data_len <= mss && segment.end() == last.end;
        // All but the last are as large as a segment may be now, and so is what goes of that.
        let behind = |size: u32| {
            let seq = first.seq + size * (count as u32 - 1);
            let end = if last.end.after(seq + size) { seq + size } else { last.end };
            segment.seq == seq && seq.before(last.end) && segment.end() == end
        };
        whole || sizes().any(behind)
    })
}

/// Options and window: what both sides agreed on.
fn fits_agreement(t: &Tcb, kind: EmissionKind, segment: &Segment, p: &Profile) -> Result<(), (RuleRef, String)> {
    let o = &segment.options;
    let with_timestamps = match kind {
        EmissionKind::Syn => p.timestamps,
        // `tcp_send_synack` makes it of the SYN.
        EmissionKind::SynAck if t.user.owned => p.timestamps,
        EmissionKind::Reset { active: false, .. } => false,
        EmissionKind::Ack { by: AckBy::Request, .. } => t.agreed.timestamps && t.ts_recent != 0,
        // `tcp_v4_timewait_ack`
        EmissionKind::Ack { by: AckBy::TimeWait, .. } => t.ts_recent != 0,
        EmissionKind::SynAck
        | EmissionKind::Ack { by: AckBy::Socket, .. }
        | EmissionKind::Reset { active: true, .. }
        | EmissionKind::Transmit
        | EmissionKind::Retransmit
        | EmissionKind::LossProbe
        | EmissionKind::Probe { .. } => t.agreed.timestamps,
    };
    let hop_limit = hop_limit(t, kind);
    if segment.hop_limit != hop_limit {
        return Err((&rules::SEGMENT_HOP_LIMIT, format!("hop limit {hop_limit}")));
    }
    if o.timestamps.is_some() != with_timestamps {
        let text = if with_timestamps { "a timestamps option" } else { "no timestamps option" };
        return Err((&rules::SEGMENT_TIMESTAMPS, text.to_string()));
    }
    if let Some(ts) = o.timestamps {
        if ts.ecr != t.ts_recent {
            return Err((&rules::SEGMENT_TSECR, format!("TSecr {}", t.ts_recent)));
        }
        if let Some((last, _)) = t.ts_sent
            && (ts.val.wrapping_sub(last) as i32) < 0
        {
            return Err((&rules::SEGMENT_TSVAL, format!("TSval {last} or later")));
        }
    }
    let has_sack = o.sack.iter().flatten().next().is_some();
    let mini = matches!(kind, EmissionKind::Ack { by: AckBy::TimeWait | AckBy::Request, .. });
    let to_report = t.reports_blocks();
    if has_sack && (!t.agreed.sack || mini || !to_report) {
        return Err((&rules::SEGMENT_SACK, "no SACK block".to_string()));
    }
    if !has_sack && let Some(block) = dsack(t, kind, segment) {
        let (left, right) = (block.left.since(t.irs), block.right.since(t.irs));
        return Err((&rules::SEGMENT_DSACK, format!("a SACK block {left}:{right}")));
    }
    let opens = matches!(kind, EmissionKind::Syn | EmissionKind::SynAck);
    let waits = matches!(kind, EmissionKind::Ack { by: AckBy::TimeWait, .. });
    if let Some(told) = t.wait_window.filter(|told| waits && *told != segment.wnd) {
        return Err((&rules::TIME_WAIT_WINDOW, format!("win {told}, as before")));
    }
    let wraps = waits && t.rcv_wnd_full;
    if !segment.has(Flags::RST) && !opens && t.rcv_wnd > 0 && !wraps {
        let edge = segment.ack + (u32::from(segment.wnd) << t.agreed.rcv_scale);
        let told = if t.rcv_wnd_full { t.rcv_wnd.min(u16::MAX.into()) } else { t.rcv_wnd };
        let old = t.rcv_wup + told;
        if edge.before(old - (1 << t.agreed.rcv_scale)) {
            let text = format!("a right window edge of at least {}", old.since(t.irs));
            return Err((&rules::SEGMENT_WINDOW, text));
        }
    }
    Ok(())
}

/// What the segment has to tell of having been received twice; only a socket does, in what acknowledges.
fn dsack(t: &Tcb, kind: EmissionKind, segment: &Segment) -> Option<SackBlock> {
    let tells = match kind {
        EmissionKind::Ack { by, .. } => by == AckBy::Socket,
        EmissionKind::Transmit | EmissionKind::Retransmit | EmissionKind::LossProbe | EmissionKind::Probe { .. } => {
            true
        }
        EmissionKind::Syn | EmissionKind::SynAck | EmissionKind::Reset { .. } => false,
    };
    t.dsack.filter(|_| tells && t.agreed.sack && !t.is_mini() && segment.has(Flags::ACK))
}

/// The hop limit of a segment: what no socket sends, or a mini-socket, goes out with the host's default
/// (`ip_send_unicast_reply`, `tcp_v6_send_response`).
fn hop_limit(t: &Tcb, kind: EmissionKind) -> u8 {
    let by_socket = match kind {
        EmissionKind::Reset { active, .. } => active,
        EmissionKind::Ack { by, .. } => by == AckBy::Socket,
        EmissionKind::Syn
        | EmissionKind::SynAck
        | EmissionKind::Transmit
        | EmissionKind::Retransmit
        | EmissionKind::LossProbe
        | EmissionKind::Probe { .. } => true,
    };
    t.user.options.hop_limit.filter(|_| by_socket).unwrap_or(HOP_LIMIT_DEFAULT)
}

/// What a stack that plays the model puts into its segments by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Its initial sequence number.
    pub iss: Seq,
    /// Its timestamp clock now.
    pub clock: u32,
    /// The window it offers, bytes.
    pub window: u32,
    /// The MSS it offers, bytes.
    pub mss: u16,
    /// The window shift it offers.
    pub shift: u8,
}

/// The plainest segment that serves the first emission owed; permitted ones are left out by then.
pub fn emitted(tcb: &Tcb, voice: &Voice, profile: &Profile) -> Option<Segment> {
    let owed = tcb.owed.iter().find(|owed| owed.must)?;
    let (kind, before_text) = (owed.kind, owed.acks.map(|acks| before_text(tcb, acks)));
    let tcb = before_text.as_ref().unwrap_or(tcb);
    let mut segment = concrete(tcb, kind, voice.iss)?;
    segment.hop_limit = hop_limit(tcb, kind);
    let timestamps = match kind {
        EmissionKind::Syn => profile.timestamps,
        EmissionKind::SynAck if tcb.user.owned => profile.timestamps,
        EmissionKind::Reset { active: false, .. } => false,
        EmissionKind::Ack { by: AckBy::TimeWait, .. } => tcb.ts_recent != 0,
        EmissionKind::SynAck
        | EmissionKind::Ack { by: AckBy::Socket | AckBy::Request, .. }
        | EmissionKind::Reset { active: true, .. }
        | EmissionKind::Transmit
        | EmissionKind::Retransmit
        | EmissionKind::LossProbe
        | EmissionKind::Probe { .. } => tcb.agreed.timestamps,
    };
    if timestamps {
        segment.options.timestamps = Some(Timestamps { val: voice.clock, ecr: tcb.ts_recent });
    }
    segment.options.sack[0] = dsack(tcb, kind, &segment);
    let opens = matches!(kind, EmissionKind::Syn | EmissionKind::SynAck);
    let scale = if opens { 0 } else { tcb.agreed.rcv_scale };
    if !matches!(kind, EmissionKind::Reset { active: false, .. }) {
        segment.wnd = (voice.window >> scale).min(u32::from(u16::MAX)) as u16;
    }
    if opens {
        let answers = kind == EmissionKind::SynAck;
        segment.options.mss = Some(voice.mss);
        segment.options.sack_permitted = if answers { tcb.agreed.sack } else { profile.sack };
        let scales = if answers { tcb.agreed.peer_scales } else { profile.window_scaling };
        segment.options.wscale = scales.then_some(voice.shift);
    }
    Some(segment)
}

/// The plainest segment of this kind, without options and window.
fn concrete(t: &Tcb, kind: EmissionKind, iss: Seq) -> Option<Segment> {
    let mut segment = Segment { ack: t.rcv_nxt, flags: Flags::ACK, ..Segment::default() };
    let stream = |segment: &mut Segment, from: Seq, end: Seq| {
        let fin = t.fin_queued && end == t.write_seq;
        let data = end.since(from).max(0) as u32 - u32::from(fin);
        segment.seq = from;
        segment.data_len = data.min(t.agreed.snd_mss);
        if fin && segment.data_len == data {
            segment.flags = Flags::ACK | Flags::FIN;
        }
        if segment.data_len > 0 {
            segment.flags = segment.flags | Flags::PSH;
        }
    };
    match kind {
        EmissionKind::Syn => {
            segment.flags = Flags::SYN;
            segment.ack = Seq(0);
            segment.seq = t.iss.unwrap_or(iss);
        }
        EmissionKind::SynAck => {
            segment.flags = Flags::SYN | Flags::ACK;
            segment.seq = t.iss.unwrap_or(iss);
            segment.ack = t.irs + 1;
        }
        EmissionKind::Ack { seq, ack, by: _ } => {
            segment.seq = seq;
            segment.ack = ack;
        }
        EmissionKind::Reset { seq, ack, active: _ } => {
            segment.seq = seq;
            segment.ack = ack.unwrap_or_default();
            segment.flags = if ack.is_some() { Flags::RST | Flags::ACK } else { Flags::RST };
        }
        EmissionKind::Transmit => {
            let edge = t.snd_una + t.snd_wnd;
            stream(&mut segment, t.snd_nxt, if t.write_seq.after(edge) { edge } else { t.write_seq });
        }
        EmissionKind::Retransmit => {
            let first = t.flight.iter().find(|sent| !sent.sacked)?;
            stream(&mut segment, first.seq, first.end);
        }
        EmissionKind::LossProbe => {
            let last = t.flight.last()?;
            let (_, most) = segment_size_now(t);
            let fin = t.fin_queued && last.end == t.write_seq;
            let fits = last.end.since(last.seq) - i32::from(fin) <= most as i32;
            let end = if fits { last.end } else { last.seq + most };
            stream(&mut segment, last.seq, end);
        }
        EmissionKind::Probe { seq } => segment.seq = seq,
    }
    Some(segment)
}

/// What the transmission of `segment` as a `kind` does to the connection.
fn sent(t: &mut Tcb, kind: EmissionKind, segment: &Segment, due: Nanos, at: Nanos, p: &Profile) {
    // The kernel takes its stamp before the segment is seen.
    let stamped = due.max(at.saturating_sub(p.processing_ns)).min(at);
    if let Some(ts) = segment.options.timestamps {
        t.ts_sent = Some((ts.val, at));
        if kind == EmissionKind::SynAck {
            t.syn_ack_tsvals = Some((t.syn_ack_tsvals.map_or(ts.val, |(first, _)| first), ts.val));
        }
    }
    let by_socket = match kind {
        EmissionKind::Ack { by, .. } => by == AckBy::Socket,
        EmissionKind::Reset { .. } => false,
        EmissionKind::Syn
        | EmissionKind::SynAck
        | EmissionKind::Transmit
        | EmissionKind::Retransmit
        | EmissionKind::LossProbe
        | EmissionKind::Probe { .. } => true,
    };
    let opens = matches!(kind, EmissionKind::Syn | EmissionKind::SynAck);
    if let EmissionKind::Ack { by: AckBy::TimeWait, .. } = kind {
        t.wait_window = Some(segment.wnd);
    }
    if by_socket && segment.has(Flags::ACK) {
        // Data that is cut into segments behind the socket has the same options in each of them (`tcp_gso_segment`).
        let told = segment.options.sack.iter().flatten().next().is_some();
        t.blocks_linger = told && kind == EmissionKind::Transmit;
        t.dsack = None;
    }
    if by_socket && segment.has(Flags::ACK) {
        // Also the last one before a mini-socket takes its place: that tells the same window (`tcp_time_wait`).
        if !opens && !t.is_mini() {
            ack_sent(t, p);
        }
        if !opens {
            t.rcv_wup = segment.ack;
        }
        let scale = if opens { 0 } else { t.agreed.rcv_scale };
        t.rcv_wnd = u32::from(segment.wnd) << scale;
        t.rcv_wnd_full = scale == 0 && segment.wnd == u16::MAX;
    }
    match kind {
        EmissionKind::Syn | EmissionKind::SynAck => sent_opening(t, kind, segment, (stamped, at), p),
        EmissionKind::Transmit => sent_new(t, segment, (stamped, at), p),
        EmissionKind::Retransmit => {
            sent_again(t, segment, (stamped, at), p);
            t.retransmitted_at.get_or_insert(Span::at(at));
        }
        EmissionKind::LossProbe => {
            let again = segment.seq != t.snd_nxt;
            if !again {
                sent_new(t, segment, (stamped, at), p);
                let rto = t.rtt.rto;
                t.retransmit = Some((RetransmitKind::Timeout, arm_at(at, rto, p)));
            } else {
                sent_again(t, segment, (stamped, at), p);
            }
            t.loss_probe = Some(LossProbe { end: t.snd_nxt, again });
        }
        EmissionKind::Ack { .. } | EmissionKind::Reset { .. } | EmissionKind::Probe { .. } => {}
    }
}

/// The SYN or SYN,ACK: the connection's numbers begin.
fn sent_opening(t: &mut Tcb, kind: EmissionKind, segment: &Segment, (stamped, at): (Nanos, Nanos), p: &Profile) {
    let first = t.flight.is_empty();
    if first {
        opened(t, segment.seq);
        (t.opened_at, t.iss_within) = (Some(at), None);
        t.flight.push(InFlight::new(segment, at, stamped));
        let rto = t.rtt.rto;
        t.retransmit = Some((RetransmitKind::Timeout, arm_at(at, rto, p)));
        let scale = segment.options.wscale.unwrap_or(0).min(14);
        if kind == EmissionKind::Syn {
            t.retransmitted_at = Some(Span::at(at));
            t.rcv_wnd = u32::from(segment.wnd);
            t.agreed.rcv_scale = scale;
        } else {
            t.agreed.rcv_scale = if segment.options.wscale.is_some() { scale } else { 0 };
        }
        if t.state == State::Closed {
            t.state = State::SynSent;
        }
    } else if kind == EmissionKind::SynAck && t.user.owned {
        // The SYN,ACK takes the SYN's place and its time (`tcp_send_synack`).
        let first = InFlight { again: t.retransmits > 0, ..InFlight::new(segment, at, stamped) };
        t.flight.iter_mut().take(1).for_each(|sent| *sent = first);
    } else {
        mark_again(t, segment, at, stamped);
        // On the request socket it restarts the timer, also as the answer to a repeated SYN (`inet_rtx_syn_ack`, `tcp_check_req`).
        if kind == EmissionKind::SynAck {
            t.retransmits += 1;
            let timeout = timeouts::syn_ack_timeout_after(t, p);
            t.retransmit = Some((RetransmitKind::Timeout, arm_at(at, timeout, p)));
        }
    }
}

/// New data or the FIN.
fn sent_new(t: &mut Tcb, segment: &Segment, (stamped, at): (Nanos, Nanos), p: &Profile) {
    t.snd_nxt = segment.end();
    if t.state == State::Closed {
        // The connection ended in the same breath.
        return;
    }
    t.flight.push(InFlight::new(segment, at, stamped));
    if segment.data_len > 0 {
        data_sent(t, Span::at(at), p);
    }
    let next = transmit_timer(t, Span::at(at), false, p);
    // The RTO runs from the oldest segment (`tcp_event_new_data_sent`); a loss probe is counted from the newest.
    let runs = t.flight.len() > 1
        && t.retransmit.is_some_and(|(kind, _)| matches!(kind, RetransmitKind::Timeout | RetransmitKind::Reordering));
    let probes = next.is_some_and(|(kind, _)| kind == RetransmitKind::LossProbe);
    if probes || !runs {
        t.retransmit = next;
    }
}

/// A retransmission: data that leaves the socket, too.
fn sent_again(t: &mut Tcb, segment: &Segment, (stamped, at): (Nanos, Nanos), p: &Profile) {
    mark_again(t, segment, at, stamped);
    if segment.data_len > 0 {
        data_sent(t, Span::at(at), p);
    }
}

/// What a retransmission covers becomes one segment (`tcp_retrans_try_collapse`).
fn mark_again(t: &mut Tcb, segment: &Segment, at: Nanos, stamped: Nanos) {
    let (seq, end) = (segment.seq, segment.end());
    let covered = |sent: &InFlight| !sent.seq.before(seq) && sent.end.at_most(end);
    for edge in [seq, end] {
        if let Some(i) = t.flight.iter().position(|sent| sent.seq.before(edge) && sent.end.after(edge)) {
            // It is cut in two (`tcp_fragment`).
            let front = InFlight { end: edge, ..t.flight[i] };
            t.flight[i].seq = edge;
            t.flight.insert(i, front);
        }
    }
    if let Some(i) = t.flight.iter().position(covered) {
        t.flight.retain(|sent| !covered(sent));
        t.flight.insert(i, InFlight { again: true, ..InFlight::new(segment, at, stamped) });
    }
}
