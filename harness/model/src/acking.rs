//! When the receiver acknowledges: quick-ACK, delayed ACK, and the second full-sized segment (RFC 9293 section 3.8.6.3).
//!
//! Owns `icsk_ack` of Linux (`tcp_event_data_recv`, `__tcp_ack_snd_check`, `tcp_send_delayed_ack`, `tcp_event_ack_sent`).
//! Refuses to know why something is to be acknowledged.

use alloc::vec;
use alloc::vec::Vec;

use crate::profile::Profile;
use crate::rule::rules;
use crate::step::Work;
use crate::tcb::{AckBy, Bounds, Emission, EmissionKind, Tcb};
use crate::time::{Span, Ticks, Timer};
use crate::wheel::arm;

/// `TCP_MAX_QUICKACKS`
const MAX_QUICK_ACKS: u64 = 16;

impl Work<'_> {
    /// Data arrived in order (`tcp_event_data_recv`).
    pub fn data_received(&mut self) {
        let ato_min = self.p.ato_min();
        self.t.acking.scheduled = true;
        match self.t.acking.last_data_at.filter(|_| self.t.acking.ato.1 > 0) {
            None => {
                self.raise_quick_acks();
                self.t.acking.ato = (ato_min, ato_min);
            }
            Some(last) => {
                let tick = self.p.tick_ns();
                let gap = self.at.since(last);
                // `lrcvtime` and now are read in ticks: the difference is off by less than one.
                let gap = ((gap.lo / tick).saturating_sub(1), gap.hi / tick + 1);
                let (lo, hi) = self.t.acking.ato;
                let rto = self.t.rtt.rto;
                let mut next: Option<Bounds> = None;
                let mut join = |b: Bounds| {
                    next = Some(next.map_or(b, |n: Bounds| (n.0.min(b.0), n.1.max(b.1))));
                };
                if gap.0 <= ato_min / 2 {
                    join(((lo >> 1) + ato_min / 2, (hi >> 1) + ato_min / 2));
                }
                if gap.1 > ato_min / 2 && gap.0 < hi {
                    let cap = |v: u64| v.min(rto.hi).min(self.p.delack_max());
                    join((cap((lo >> 1) + gap.0.max(ato_min / 2)), cap((hi >> 1) + gap.1)));
                }
                if gap.1 >= lo {
                    join((lo, hi));
                }
                if let Some(ato) = next {
                    self.t.acking.ato = ato;
                }
                if gap.0 > rto.hi {
                    self.raise_quick_acks();
                } else if gap.1 > rto.lo {
                    let quick = self.t.acking.quick;
                    self.raise_quick_acks();
                    self.t.acking.quick.0 = quick.0;
                }
            }
        }
        self.t.acking.last_data_at = Some(self.at);
    }

    /// `tcp_incr_quickack`
    fn raise_quick_acks(&mut self) {
        let acks = u64::from(self.t.rcv_wnd / (2 * self.t.acking.rcv_mss.max(1)));
        let acks = if acks == 0 { 2 } else { acks.min(MAX_QUICK_ACKS) };
        let quick = &mut self.t.acking.quick;
        *quick = (quick.0.max(acks), quick.1.max(acks));
    }

    /// `tcp_enter_quickack_mode`
    pub fn enter_quick_ack(&mut self) {
        self.raise_quick_acks();
        self.t.acking.pingpong = (0, 0);
        self.t.acking.ato = (self.p.ato_min(), self.p.ato_min());
        self.t.acking.scheduled = true;
    }

    /// `inet_csk_enter_pingpong_mode`
    pub fn enter_pingpong(&mut self) {
        let threshold = u64::from(self.p.pingpong_thresh);
        self.t.acking.pingpong = (threshold, threshold);
    }

    /// A pure ACK now (`tcp_send_ack`), before whatever else the same event lets out.
    pub fn ack_now(&mut self, rule: crate::rule::RuleRef) {
        self.ack_last(rule);
        if let Some(waiting) = self.t.owed.iter().position(|owed| owed.kind == EmissionKind::Transmit) {
            self.t.owed[waiting..].rotate_right(1);
        }
    }

    /// A pure ACK, unless data that goes out first takes it along (`tcp_data_snd_check` before `tcp_ack_snd_check`).
    pub(crate) fn ack_last(&mut self, rule: crate::rule::RuleRef) {
        let kind = EmissionKind::Ack { seq: self.t.acceptable_seq(), ack: self.t.rcv_nxt, by: AckBy::Socket };
        // It takes along what was put off (`tcp_event_ack_sent`).
        self.t.owed.iter_mut().filter(|owed| owed.is_compressed()).for_each(|owed| owed.must = false);
        self.owe(kind, rule);
        self.t.delayed_ack = None;
    }

    /// A pure ACK may go out now.
    pub fn ack_permitted(&mut self, rule: crate::rule::RuleRef) {
        let kind = EmissionKind::Ack { seq: self.t.acceptable_seq(), ack: self.t.rcv_nxt, by: AckBy::Socket };
        self.permit(kind, rule);
    }

    /// `__tcp_ack_snd_check`: acknowledge now, or arm the delayed ACK. `now` is `ICSK_ACK_NOW`.
    pub fn ack_check(&mut self, now: Option<crate::rule::RuleRef>) {
        if !self.t.acking.scheduled || !self.t.owed.iter().all(|e| !matches!(e.kind, EmissionKind::Reset { .. })) {
            return;
        }
        let threshold = u64::from(self.p.pingpong_thresh);
        let acking = self.t.acking;
        let unacked = self.t.rcv_nxt.since(self.t.rcv_wup).max(0) as u32;
        self.follow_compressed_ack();
        let gap = !self.t.out_of_order.is_empty();
        let quick = acking.quick.1 > 0 && acking.pingpong.0 < threshold;
        if let Some(rule) = now {
            self.ack_last(rule);
        } else if acking.quick.0 > 0 && acking.pingpong.1 < threshold {
            self.ack_last(if gap { &rules::TEXT_OUT_OF_ORDER } else { &rules::ACK_QUICK });
        } else if gap {
            self.duplicate_ack(!quick && unacked <= acking.rcv_mss);
        } else if unacked > acking.rcv_mss {
            // The right edge may not move far enough for an ACK now: then the reader's next call sends it.
            self.ack_permitted(&rules::ACK_SECOND_SEGMENT);
            self.arm_delayed_ack();
        } else {
            if quick {
                self.ack_permitted(&rules::ACK_QUICK);
            }
            self.arm_delayed_ack();
        }
    }

    /// What a gap brings about at once, or, where SACK tells more anyway, together with what follows (`__tcp_ack_snd_check`); `counted`
    /// where it is certain that nothing else than the gap asks for it.
    fn duplicate_ack(&mut self, counted: bool) {
        // TCP_FASTRETRANS_THRESH
        const TOLD_AT_ONCE: u64 = 3;
        let p = self.p;
        let Some((nxt, told)) = self.t.acking.duplicates.filter(|(nxt, _)| *nxt == self.t.rcv_nxt) else {
            self.t.acking.duplicates = Some((self.t.rcv_nxt, (u64::from(counted), 1)));
            self.ack_last(&rules::TEXT_OUT_OF_ORDER);
            return;
        };
        let compresses = self.t.agreed.sack && p.comp_sack_nr > 0 && told.1 >= TOLD_AT_ONCE;
        if !compresses {
            self.t.acking.duplicates = Some((nxt, (told.0 + u64::from(counted), told.1 + 1)));
            self.ack_last(&rules::TEXT_OUT_OF_ORDER);
            return;
        }
        let pending = self.t.owed.iter().any(Emission::is_compressed);
        if !pending {
            let late = p.comp_sack_delay_ns + p.comp_sack_slack_ns + p.timer_late_ns + p.processing_ns;
            let due = Span::new(self.at.lo, self.at.hi + late);
            let kind = EmissionKind::Ack { seq: self.t.acceptable_seq(), ack: self.t.rcv_nxt, by: AckBy::Socket };
            self.fired(&rules::TEXT_COMPRESSED);
            self.t.owe(kind, due, true, &rules::TEXT_COMPRESSED);
        }
        // It is told before a third block takes its place (`tcp_sack_new_ofo_skb`).
        const BLOCKS_EXPECTED: usize = 2;
        if pending && (told.0 < TOLD_AT_ONCE || self.t.out_of_order.len() > BLOCKS_EXPECTED) {
            self.ack_permitted(&rules::TEXT_OUT_OF_ORDER);
        }
        self.t.acking.duplicates = Some((nxt, ((told.0 + u64::from(counted)).min(TOLD_AT_ONCE), told.1)));
    }

    /// An ACK that was put off says what has arrived when it goes out.
    fn follow_compressed_ack(&mut self) {
        let kind = EmissionKind::Ack { seq: self.t.acceptable_seq(), ack: self.t.rcv_nxt, by: AckBy::Socket };
        self.t.owed.iter_mut().filter(|owed| owed.is_compressed()).for_each(|owed| owed.kind = kind);
    }

    /// A segment may have widened the window for those to come, which asks for one more quick ACK (`tcp_grow_window`). Memory decides:
    /// both are kept until it shows.
    pub fn may_widen_window(self) -> Vec<Self> {
        let (lo, hi) = self.t.acking.quick;
        let mut widened = self.clone();
        widened.t.acking.quick = (lo | 1, hi | 1);
        if lo == 0 {
            return vec![self, widened];
        }
        widened.t.acking.quick.0 = lo;
        vec![widened]
    }

    /// `tcp_send_delayed_ack`
    fn arm_delayed_ack(&mut self) {
        self.fired(&rules::ACK_DELAYED);
        let bound = self.t.rtt.srtt8.map_or(u64::MAX, |srtt8| self.p.ticks_of_us(srtt8.1 >> 3)).max(self.p.ato_min());
        let (lo, hi) = self.t.acking.ato;
        let cap = |ato: u64, max: u64| if ato > self.p.ato_min() { ato.min(max) } else { ato };
        let delta = Ticks {
            lo: cap(lo, self.p.ato_min()).min(self.p.delack_limit()),
            hi: cap(hi, bound).min(self.p.delack_limit()),
        };
        let new = self.timer(delta);
        if let Some(pending) = self.t.delayed_ack {
            // A timer about to expire is replaced by an ACK now; an earlier one stays.
            let soon = self.at.hi + (hi >> 2) * self.p.tick_ns();
            if pending.asked.lo <= soon {
                self.ack_permitted(&rules::ACK_DELAYED);
            }
            self.t.delayed_ack = Some(earlier(pending, new));
        } else {
            self.t.delayed_ack = Some(new);
        }
    }
}

/// The timer that stays when the earlier of two is kept and their times overlap.
fn earlier(a: Timer, b: Timer) -> Timer {
    let min = |a: Span, b: Span| Span::new(a.lo.min(b.lo), a.hi.min(b.hi));
    Timer { asked: min(a.asked, b.asked), due: min(a.due, b.due) }
}

/// The delayed-ACK timer fired (`tcp_delack_timer_handler`): an ACK if one is still to be sent.
pub(crate) fn delayed_ack_timeout(w: &mut Work<'_>) {
    w.t.delayed_ack = None;
    if w.t.acking.scheduled {
        let threshold = u64::from(w.p.pingpong_thresh);
        if w.t.acking.pingpong.0 >= threshold {
            w.t.acking.pingpong = (0, 0);
            w.t.acking.ato = (w.p.ato_min(), w.p.ato_min());
        } else {
            let cap = |ato: u64| (ato << 1).min(w.t.rtt.rto.hi).min(w.p.delack_max());
            let (lo, hi) = w.t.acking.ato;
            w.t.acking.ato = (lo.min(cap(lo)), cap(hi).max(w.p.ato_min()));
            w.t.acking.pingpong = (0, 0);
        }
        w.ack_last(&rules::ACK_DELAYED);
    }
}

/// A segment with ACK left the socket (`tcp_event_ack_sent`).
pub(crate) fn ack_sent(t: &mut Tcb, p: &Profile) {
    let quick = &mut t.acking.quick;
    if t.acking.scheduled && quick.1 > 0 {
        if quick.0 <= 1 {
            t.acking.ato = (t.acking.ato.0.min(p.ato_min()), t.acking.ato.1.max(p.ato_min()));
        }
        if *quick == (1, 1) {
            t.acking.ato = (p.ato_min(), p.ato_min());
        }
        *quick = (quick.0.saturating_sub(1), quick.1 - 1);
    }
    t.acking.scheduled = false;
    t.delayed_ack = None;
    t.rcv_wup = t.rcv_nxt;
}

/// Data left the socket (`tcp_event_data_sent`): an answer within the ACK timeout counts towards interactive mode.
pub(crate) fn data_sent(t: &mut Tcb, at: Span, p: &Profile) {
    if let Some(last) = t.acking.last_data_at {
        let tick = p.tick_ns();
        let gap = at.since(last);
        let pingpong = &mut t.acking.pingpong;
        if gap.lo / tick < t.acking.ato.1 {
            pingpong.1 += 1;
        }
        if gap.hi / tick + 1 < t.acking.ato.0 {
            pingpong.0 += 1;
        }
    }
}

/// Arms a timer outside a step, at the moment a segment was seen.
pub(crate) fn arm_at(at: u64, delta: Ticks, p: &Profile) -> Timer {
    arm(Span::at(at), delta, p)
}
