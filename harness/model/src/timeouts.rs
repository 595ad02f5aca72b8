//! USER TIMEOUT, RETRANSMISSION TIMEOUT and TIME-WAIT TIMEOUT (RFC 9293 section 3.10.8), keepalive (3.8.4), and the timers that
//! Linux adds: tail loss probe, orphan limits, FIN-WAIT-2.
//!
//! Owns what happens when a timer's handler runs (net/ipv4/tcp_timer.c). Refuses to know when: the caller says.

use alloc::vec;
use alloc::vec::Vec;

use crate::acking;
use crate::call::Errno;
use crate::emit;
use crate::event::Timeout;
use crate::rule::{RuleRef, rules};
use crate::state::State;
use crate::step::Work;
use crate::tcb::{EmissionKind, RetransmitKind};
use crate::time::{Span, Ticks};

const MS: u64 = 1_000_000;

/// The handler of `which` runs.
pub(crate) fn timeout<'p>(mut w: Work<'p>, which: Timeout) -> Vec<Work<'p>> {
    match which {
        Timeout::Retransmit => match w.t.retransmit.take() {
            Some((RetransmitKind::Timeout, _)) => retransmission_timeout(w),
            Some((RetransmitKind::LossProbe, _)) => vec![loss_probe_timeout(w)],
            Some((RetransmitKind::WindowProbe, _)) => vec![window_probe_timeout(w)],
            None => Vec::new(),
        },
        Timeout::DelayedAck => {
            acking::delayed_ack_timeout(&mut w);
            vec![w]
        }
        Timeout::Keepalive => keepalive_timeout(w),
        Timeout::TimeWait => {
            w.t.time_wait = None;
            let rule: RuleRef =
                if w.t.state == State::TimeWait { &rules::TIME_WAIT_LENGTH } else { &rules::FIN_WAIT_2_ORPHAN };
            w.fired(rule);
            w.t.state = State::Closed;
            vec![w]
        }
        Timeout::Linger => {
            w.t.user.closing_until = None;
            orphan(&mut w);
            w.result = Some(crate::call::CallResult::Value(0));
            vec![w]
        }
    }
}

/// RTO expired (`tcp_retransmit_timer`).
fn retransmission_timeout(w: Work<'_>) -> Vec<Work<'_>> {
    match w.t.state {
        State::SynSent => vec![syn_timeout(w)],
        State::SynReceived if !w.t.user.owned => vec![syn_ack_timeout(w)],
        State::SynReceived
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck => {
            let mut done = Vec::new();
            let (retry_until, rule) = retry_limit(&w);
            let (may_expire, may_go_on) = timed_out(&w, retry_until);
            if may_expire {
                let mut gone = w.clone();
                gone.fired(rule);
                gone.t.user.error = Some(Errno::TIMEDOUT);
                gone.t.delete();
                done.push(gone);
            }
            if may_go_on {
                let mut again = w;
                again.t.retransmits += 1;
                again.t.recovering = true;
                again.owe(EmissionKind::Retransmit, &rules::RTO);
                back_off(&mut again);
                done.push(again);
            }
            done
        }
        State::Listen | State::TimeWait | State::Closed => Vec::new(),
    }
}

/// RTO doubles, at most to RTO_MAX, and the timer restarts; the user timeout may clamp it.
fn back_off(w: &mut Work<'_>) {
    w.t.backoff += 1;
    let max = w.p.rto_max();
    w.t.rtt.rto = w.t.rtt.rto.map(|rto| (rto << 1).min(max));
    let mut next = w.t.rtt.rto;
    if w.t.user.user_timeout_ms > 0 {
        let since = w.t.retransmitted_at.map_or(Span::at(0), |first| w.at.since(first));
        let left = |elapsed: u64| {
            let ms = u64::from(w.t.user.user_timeout_ms).saturating_sub(elapsed / MS);
            if ms == 0 { 1 } else { w.p.ticks_of_ms(ms) }
        };
        next = Ticks { lo: next.lo.min(left(since.hi + MS)), hi: next.hi.min(left(since.lo)) };
    }
    w.t.retransmit = Some((RetransmitKind::Timeout, w.timer(next)));
}

/// How many retransmissions are allowed, and by which rule (`tcp_write_timeout`, `tcp_orphan_retries`).
fn retry_limit(w: &Work<'_>) -> (u32, RuleRef) {
    if !w.t.user.orphan {
        return (w.p.retries2, if w.t.user.user_timeout_ms > 0 { &rules::USER_TIMEOUT } else { &rules::RTO_GIVE_UP });
    }
    let alive = w.t.rtt.rto.hi < w.p.rto_max();
    let retries = if w.p.orphan_retries == 0 && alive { 8 } else { w.p.orphan_retries };
    (retries, &rules::RTO_GIVE_UP_ORPHAN)
}

/// Whether the retransmissions may have, and may not have, lasted long enough (`retransmits_timed_out`).
fn timed_out(w: &Work<'_>, boundary: u32) -> (bool, bool) {
    let Some(first) = w.t.retransmitted_at.filter(|_| w.t.retransmits > 0) else {
        return (false, true);
    };
    let limit_ms = if w.t.user.user_timeout_ms > 0 {
        u64::from(w.t.user.user_timeout_ms)
    } else {
        modelled_timeout_ms(w, boundary)
    };
    // Both ends are read from the millisecond clock of the timestamps option.
    let elapsed = w.at.since(first);
    (elapsed.hi + MS >= limit_ms * MS, elapsed.lo < (limit_ms + 1) * MS)
}

/// `tcp_model_timeout`: how long `boundary` retransmissions last when the first RTO is 200 ms.
fn modelled_timeout_ms(w: &Work<'_>, boundary: u32) -> u64 {
    const RTO_BASE_MS: u64 = 200;
    let max = u64::from(w.p.rto_max_ms);
    let linear_from = (max / RTO_BASE_MS).max(1).ilog2();
    if boundary <= linear_from {
        ((2 << boundary) - 1) * RTO_BASE_MS
    } else {
        ((2 << linear_from) - 1) * RTO_BASE_MS + u64::from(boundary - linear_from) * max
    }
}

/// The SYN was not answered.
fn syn_timeout(mut w: Work<'_>) -> Work<'_> {
    w.fired(&rules::SYN_RETRY);
    if w.t.retransmits >= w.p.syn_retries + w.p.syn_linear_timeouts {
        w.t.user.error = Some(Errno::TIMEDOUT);
        w.t.delete();
        return w;
    }
    w.t.retransmits += 1;
    if w.t.retransmits > w.p.syn_linear_timeouts {
        let max = w.p.rto_max();
        w.t.rtt.rto = w.t.rtt.rto.map(|rto| (rto << 1).min(max));
    }
    w.owe(EmissionKind::Syn, &rules::SYN_RETRY);
    w.t.retransmit = Some((RetransmitKind::Timeout, w.timer(w.t.rtt.rto)));
    w
}

/// The SYN,ACK was not answered (`reqsk_timer_handler`).
fn syn_ack_timeout(mut w: Work<'_>) -> Work<'_> {
    w.fired(&rules::SYN_ACK_RETRY);
    if w.t.retransmits >= w.p.synack_retries || !w.t.user.listening {
        w.drop_request();
        return w;
    }
    w.t.retransmits += 1;
    let (shift, max) = (w.t.retransmits, w.p.rto_max());
    let timeout = w.p.rto_initial().map(|rto| (rto << shift).min(max));
    w.owe(EmissionKind::SynAck, &rules::SYN_ACK_RETRY);
    w.t.retransmit = Some((RetransmitKind::Timeout, w.timer(timeout)));
    w
}

/// The tail loss probe's time has come (`tcp_send_loss_probe`): at most one is outstanding.
fn loss_probe_timeout(mut w: Work<'_>) -> Work<'_> {
    if w.t.probe_high.is_none() {
        w.owe(EmissionKind::LossProbe, &rules::LOSS_PROBE);
        w.t.retransmit = Some((RetransmitKind::Timeout, w.timer(w.t.rtt.rto)));
    } else {
        let (at, p) = (w.at, w.p);
        w.t.retransmit = emit::remaining_rto(&w.t, at, p).map(|timer| (RetransmitKind::Timeout, timer));
    }
    w
}

/// The closed window is probed, or the cork is pulled (`tcp_probe_timer`, `tcp_send_probe0`).
fn window_probe_timeout(mut w: Work<'_>) -> Work<'_> {
    if emit::unsent(&w.t) == 0 {
        return w;
    }
    let limit = if w.t.user.orphan { retry_limit(&w).0 } else { w.p.retries2 };
    if w.t.probes_out >= limit {
        w.fired(&rules::RTO_GIVE_UP);
        w.t.user.error = Some(Errno::TIMEDOUT);
        w.t.delete();
        return w;
    }
    if (w.t.snd_una + w.t.snd_wnd).after(w.t.snd_nxt) {
        w.t.backoff = 0;
        w.t.probes_out = 0;
        w.t.owed.retain(|owed| owed.kind != EmissionKind::Transmit);
        w.owe(EmissionKind::Transmit, &rules::CORK_TIMEOUT);
        return w;
    }
    let seq = w.t.snd_una - 1;
    w.owe(EmissionKind::Probe { seq }, &rules::ZERO_WINDOW_PROBE);
    w.t.probes_out += 1;
    if w.t.backoff < w.p.retries2 {
        w.t.backoff += 1;
    }
    let next = emit::window_probe_after(&w.t, w.p);
    w.t.retransmit = Some((RetransmitKind::WindowProbe, w.timer(next)));
    w
}

/// `keepalive_time_when`
pub(crate) fn keepalive_time(w: &Work<'_>) -> Ticks {
    let s = if w.t.user.keep_idle_s > 0 { w.t.user.keep_idle_s } else { w.p.keepalive_time_s };
    Ticks::exactly(w.p.ticks_of_s(u64::from(s)))
}

/// `sk_timer` fired (`tcp_keepalive_timer`): FIN-WAIT-2 of an orphan, or keepalive.
fn keepalive_timeout(mut w: Work<'_>) -> Vec<Work<'_>> {
    w.t.keepalive = None;
    if w.t.state == State::FinWait2 && w.t.user.orphan {
        w.fired(&rules::FIN_WAIT_2_ORPHAN);
        let timeout = fin_time(&w);
        if w.t.user.linger2_s >= 0 && timeout.lo > w.p.time_wait() {
            let time_wait = w.p.time_wait();
            enter_fin_wait_2_mini(&mut w, timeout.map(|t| t - time_wait));
            return vec![w];
        }
        let kind = EmissionKind::Reset { seq: w.t.acceptable_seq(), ack: Some(w.t.rcv_nxt), active: true };
        w.owe(kind, &rules::FIN_WAIT_2_ORPHAN);
        w.t.delete();
        return vec![w];
    }
    if !w.t.user.keepalive || matches!(w.t.state, State::Closed | State::SynSent) {
        return vec![w];
    }
    let idle = keepalive_time(&w);
    if !w.t.flight.is_empty() || emit::unsent(&w.t) > 0 {
        w.t.keepalive = Some(w.timer(idle));
        return vec![w];
    }
    let tick = w.p.tick_ns();
    let heard = w.at.since(w.t.heard_at.max(w.t.acking.last_data_at));
    let elapsed = Ticks { lo: (heard.lo / tick).saturating_sub(1), hi: heard.hi / tick + 1 };
    if elapsed.hi < idle.lo {
        let left = Ticks { lo: idle.lo - elapsed.hi, hi: idle.hi - elapsed.lo.min(idle.hi) };
        w.t.keepalive = Some(w.timer(left));
        return vec![w];
    }
    let interval_s = if w.t.user.keep_interval_s > 0 { w.t.user.keep_interval_s } else { w.p.keepalive_intvl_s };
    let limit = if w.t.user.keep_count > 0 { w.t.user.keep_count } else { w.p.keepalive_probes };
    let user_timeout = u64::from(w.t.user.user_timeout_ms);
    let dead =
        if user_timeout > 0 { heard.lo >= user_timeout * MS && w.t.probes_out > 0 } else { w.t.probes_out >= limit };
    if dead {
        let kind = EmissionKind::Reset { seq: w.t.acceptable_seq(), ack: Some(w.t.rcv_nxt), active: true };
        w.owe(kind, &rules::KEEPALIVE_DEAD);
        w.t.user.error = Some(Errno::TIMEDOUT);
        w.t.delete();
    } else {
        let seq = w.t.snd_nxt - 1;
        w.owe(EmissionKind::Probe { seq }, &rules::KEEPALIVE_PROBE);
        w.t.probes_out += 1;
        let interval = Ticks::exactly(w.p.ticks_of_s(u64::from(interval_s)));
        w.t.keepalive = Some(w.timer(interval));
    }
    vec![w]
}

impl Span {
    /// The later of this and another, where there is one.
    fn max(self, other: Option<Span>) -> Span {
        other.map_or(self, |o| Span::new(self.lo.max(o.lo), self.hi.max(o.hi)))
    }
}

/// How long an orphan stays in FIN-WAIT-2 (`tcp_fin_time`): TCP_LINGER2 or tcp_fin_timeout, at least 3.5 RTO.
pub(crate) fn fin_time(w: &Work<'_>) -> Ticks {
    let s = if w.t.user.linger2_s > 0 { w.t.user.linger2_s as u64 } else { u64::from(w.p.fin_timeout_s) };
    let asked = w.p.ticks_of_s(s);
    w.t.rtt.rto.map(|rto| asked.max((rto << 2) - (rto >> 1)))
}

/// The mini-socket takes over in TIME-WAIT (`tcp_time_wait`).
pub(crate) fn enter_time_wait(w: &mut Work<'_>) {
    let timer = w.timer(Ticks::exactly(w.p.time_wait()));
    become_mini(w, State::TimeWait, timer);
}

/// The mini-socket takes over in FIN-WAIT-2.
pub(crate) fn enter_fin_wait_2_mini(w: &mut Work<'_>, timeout: Ticks) {
    let floor = w.t.rtt.rto.map(|rto| (rto << 2) - (rto >> 1));
    let timeout = Ticks { lo: timeout.lo.max(floor.lo), hi: timeout.hi.max(floor.hi) };
    w.fired(&rules::FIN_WAIT_2_ORPHAN);
    let timer = w.timer(timeout);
    become_mini(w, State::FinWait2, timer);
}

fn become_mini(w: &mut Work<'_>, state: State, timer: crate::time::Timer) {
    let window = w.t.receive_window();
    w.t.enter(State::Closed);
    w.t.delete();
    if w.p.max_tw_buckets == 0 {
        // With a larger limit only other connections could use it up.
        w.fired(&rules::TIME_WAIT_NO_ROOM);
        return;
    }
    w.t.state = state;
    w.t.time_wait = Some(timer);
    w.t.limited_ack_at = None;
    w.t.blocks_linger |= w.t.dsack.is_some();
    w.t.rcv_wup = w.t.rcv_nxt;
    w.t.rcv_wnd = window;
}

/// The last descriptor is gone (`sock_orphan` and what follows it in `__tcp_close`).
pub(crate) fn orphan(w: &mut Work<'_>) {
    w.t.user.orphan = true;
    w.t.user.closing_until = None;
    if w.t.state == State::FinWait2 && !w.t.is_mini() {
        if w.t.user.linger2_s < 0 {
            let kind = EmissionKind::Reset { seq: w.t.acceptable_seq(), ack: Some(w.t.rcv_nxt), active: true };
            w.owe(kind, &rules::FIN_WAIT_2_LINGER2);
            w.t.delete();
            return;
        }
        let timeout = fin_time(w);
        if timeout.lo > w.p.time_wait() {
            let time_wait = w.p.time_wait();
            w.t.keepalive = Some(w.timer(timeout.map(|t| t - time_wait)));
        } else {
            enter_fin_wait_2_mini(w, timeout);
        }
    }
}
