//! USER TIMEOUT, RETRANSMISSION TIMEOUT and TIME-WAIT TIMEOUT (RFC 9293 section 3.10.8), keepalive (3.8.4), and the timers that
//! Linux adds: tail loss probe, orphan limits, FIN-WAIT-2.
//!
//! Owns what happens when a timer's handler runs (net/ipv4/tcp_timer.c). Refuses to know when: the caller says.

use alloc::vec;
use alloc::vec::Vec;

use crate::acking;
use crate::call::Errno;
use crate::counts::Counter;
use crate::emit;
use crate::event::Timeout;
use crate::orphans;
use crate::profile::Profile;
use crate::rack::{Recovery, reordering_timeout};
use crate::rule::{RuleRef, rules};
use crate::state::State;
use crate::step::Work;
use crate::tcb::{EmissionKind, RetransmitKind, Tcb};
use crate::time::{Span, Ticks};

const MS: u64 = 1_000_000;

/// The handler of `which` runs.
pub(crate) fn timeout<'p>(mut w: Work<'p>, which: Timeout) -> Vec<Work<'p>> {
    match which {
        Timeout::Retransmit => match w.t.retransmit.take() {
            Some((RetransmitKind::Timeout, timer)) => retransmission_timeout(w, timer.asked),
            Some((RetransmitKind::LossProbe, _)) => vec![loss_probe_timeout(w)],
            Some((RetransmitKind::Reordering, _)) => vec![reordering_timeout(w)],
            Some((RetransmitKind::WindowProbe, _)) => window_probe_timeout(w),
            None => Vec::new(),
        },
        Timeout::DelayedAck => {
            acking::delayed_ack_timeout(&mut w);
            vec![w]
        }
        Timeout::Keepalive => keepalive_timeout(w),
        Timeout::TimeWait => {
            w.t.time_wait = None;
            w.t.counts.end_wait(w.t.waits_shortly);
            let rule: RuleRef =
                if w.t.state == State::TimeWait { &rules::TIME_WAIT_LENGTH } else { &rules::FIN_WAIT_2_ORPHAN };
            w.fired(rule);
            w.t.state = State::Closed;
            vec![w]
        }
        Timeout::Linger => {
            w.t.user.closing_until = None;
            w.result = Some(crate::call::CallResult::Value(0));
            orphan(w)
        }
    }
}

/// RTO expired (`tcp_retransmit_timer`); the timer was asked to expire at `asked`.
pub(crate) fn retransmission_timeout(w: Work<'_>, asked: Span) -> Vec<Work<'_>> {
    match w.t.state {
        State::SynSent => syn_timeout(w),
        State::SynReceived if !w.t.user.owned => vec![syn_ack_timeout(w)],
        State::SynReceived
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck => {
            if w.t.snd_wnd == 0 && !w.t.user.orphan {
                return shrunk_window_timeout(w, asked);
            }
            orphans::limited(w, |mut w| {
                let opening = w.t.state == State::SynReceived;
                let outcome = if opening { opening_timed_out(&w, w.p.syn_retries) } else { timed_out(&w) };
                let mut done = Vec::new();
                if outcome.may_expire {
                    let rule = if opening { syn_rule(&w) } else { retry_rule(&w) };
                    done.push(give_up(w.clone(), rule));
                }
                if outcome.may_go_on {
                    w.t.retransmits += 1;
                    done.push(retransmitted(w, &rules::RTO));
                }
                done
            })
        }
        State::Listen | State::TimeWait | State::Closed => Vec::new(),
    }
}

/// The oldest segment is sent again.
fn retransmitted<'p>(mut w: Work<'p>, rule: RuleRef) -> Work<'p> {
    w.t.recovering = true;
    // `tcp_enter_loss`
    let anew = w.t.retransmits > 0 || w.t.recovery.is_none_or(|recovery| recovery.by_timeout);
    w.t.recovery = Some(Recovery { until: w.t.snd_nxt, by_timeout: true, frto: w.p.frto && anew });
    w.t.flight.iter_mut().for_each(|sent| sent.lost = !sent.sacked);
    w.t.loss_probe = None;
    w.t.congestion.timed_out();
    // Also where an ACK of nothing has made it ESTABLISHED.
    let opens = w.t.flight.first().is_some_and(|oldest| Some(oldest.seq) == w.t.iss);
    w.owe(if opens { EmissionKind::SynAck } else { EmissionKind::Retransmit }, rule);
    back_off(&mut w);
    w
}

/// RTO doubles, at most to RTO_MAX, and the timer restarts.
fn back_off(w: &mut Work<'_>) {
    w.t.backoff += 1;
    let max = w.p.rto_max();
    w.t.rtt.rto = w.t.rtt.rto.map(|rto| (rto << 1).min(max));
    restart(w);
}

/// The retransmission timer starts again after it has fired; the user timeout may clamp it (`tcp_clamp_rto_to_user_timeout`).
fn restart(w: &mut Work<'_>) {
    let mut next = w.t.rtt.rto;
    if w.t.user.options.user_timeout_ms > 0 {
        let since = w.t.retransmitted_at.map_or(Span::at(0), |first| w.at.since(first));
        let left = |elapsed: u64| {
            let ms = u64::from(w.t.user.options.user_timeout_ms).saturating_sub(elapsed / MS);
            if ms == 0 { 1 } else { w.p.ticks_of_ms(ms) }
        };
        next = Ticks { lo: next.lo.min(left(since.hi + MS)), hi: next.hi.min(left(since.lo)) };
    }
    w.t.retransmit = Some((RetransmitKind::Timeout, w.timer(next)));
}

/// Whether a timer that has fired may end the connection, and whether it may not; both where observation cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    may_expire: bool,
    may_go_on: bool,
}

impl Outcome {
    const GOES_ON: Outcome = Outcome { may_expire: false, may_go_on: true };

    /// It ends when `elapsed` reaches `limit`, give or take `blur`; all nanoseconds.
    fn at_least(elapsed: Span, limit: u64, blur: u64) -> Outcome {
        Outcome { may_expire: elapsed.hi + blur >= limit, may_go_on: elapsed.lo < limit + blur }
    }

    /// It ends if either does.
    fn or(self, other: Outcome) -> Outcome {
        Outcome { may_expire: self.may_expire || other.may_expire, may_go_on: self.may_go_on && other.may_go_on }
    }

    /// Which of the two cannot be told.
    fn one_of(self, other: Outcome) -> Outcome {
        Outcome { may_expire: self.may_expire || other.may_expire, may_go_on: self.may_go_on || other.may_go_on }
    }
}

/// The connection is given up (`tcp_write_err`).
fn give_up<'p>(mut w: Work<'p>, rule: RuleRef) -> Work<'p> {
    w.fired(rule);
    time_out(&mut w);
    w
}

/// The connection ends for want of an answer, and with what an ICMP error told of it (`tcp_write_err`).
fn time_out(w: &mut Work<'_>) {
    if w.t.user.soft_error.is_some() {
        w.fired(&rules::SOFT_ERROR_TOLD);
    }
    w.t.user.error = Some(w.t.user.soft_error.unwrap_or(Errno::TIMEDOUT));
    w.t.counts.add(Counter::AbortOnTimeout);
    w.t.end();
}

/// Which rule ends the retransmissions or probes (`tcp_write_timeout`).
fn retry_rule(w: &Work<'_>) -> RuleRef {
    if w.t.user.options.user_timeout_ms > 0 {
        &rules::USER_TIMEOUT
    } else if w.t.user.orphan {
        &rules::RTO_GIVE_UP_ORPHAN
    } else {
        &rules::RTO_GIVE_UP
    }
}

/// How many retransmissions or probes an orphan may make (`tcp_orphan_retries`); `alive` while its timeout is below RTO_MAX.
fn orphan_retries(w: &Work<'_>, alive: bool) -> u32 {
    let told = if w.t.user.soft_error.is_some() && !alive { 0 } else { w.p.orphan_retries };
    if told == 0 && alive { 8 } else { told }
}

/// Whether the retransmissions have lasted long enough (`tcp_write_timeout`, `retransmits_timed_out`).
fn timed_out(w: &Work<'_>) -> Outcome {
    let Some(first) = w.t.retransmitted_at.filter(|_| w.t.retransmits > 0) else {
        return Outcome::GOES_ON;
    };
    // Both ends are read from the millisecond clock of the timestamps option.
    let after = |limit_ms: u64| Outcome::at_least(w.at.since(first), limit_ms * MS, MS);
    if w.t.user.options.user_timeout_ms > 0 {
        return after(u64::from(w.t.user.options.user_timeout_ms));
    }
    if !w.t.user.orphan {
        return after(modelled_timeout_ms(w, w.p.retries2));
    }
    let orphan = |rto: u64| after(modelled_timeout_ms(w, orphan_retries(w, rto < w.p.rto_max())));
    orphan(w.t.rtt.rto.lo).one_of(orphan(w.t.rtt.rto.hi))
}

/// The peer has shrunk its window to nothing with segments in flight, and the socket has an owner: it ends when two RTO_MAX, or
/// the user timeout, have passed since the last ACK (`tcp_rtx_probe0_timed_out`). Since when a user timeout counts, is a
/// kernel's own: both are kept until it shows.
fn shrunk_window_timeout<'p>(w: Work<'p>, asked: Span) -> Vec<Work<'p>> {
    let sent = w.t.flight.first().map_or(w.at, |head| Span::at(head.sent_at));
    let lasting = w.at.since(w.t.retransmitted_at.unwrap_or(sent));
    let tick = w.p.tick_ns();
    let user_ms = u64::from(w.t.user.options.user_timeout_ms);
    let patience = 2 * u64::from(w.p.rto_max_ms);
    let limit = w.p.ticks_of_ms(if user_ms > 0 { patience.min(user_ms) } else { patience });
    let quiet = w.p.ticks_since(asked, w.t.heard_at);
    let silent = Outcome { may_expire: quiet.hi > limit, may_go_on: quiet.lo <= limit };
    // More than the limit, in ticks: one tick and the clock's millisecond blur the comparison.
    let since = Outcome::at_least(lasting, (limit + 1) * tick, tick + MS);
    let both =
        Outcome { may_expire: silent.may_expire && since.may_expire, may_go_on: silent.may_go_on || since.may_go_on };
    if user_ms == 0 {
        return shrunk_window_decided(&w, both, &rules::SHRUNK_WINDOW, None);
    }
    let in_ms = both.or(Outcome::at_least(lasting, (user_ms + 1) * MS, MS));
    let in_ticks = both.or(Outcome::at_least(lasting, (user_ms + 1) * tick, tick + MS));
    if in_ms == in_ticks {
        return shrunk_window_decided(&w, in_ms, &rules::USER_TIMEOUT, None);
    }
    let mut done = shrunk_window_decided(&w, in_ms, &rules::USER_TIMEOUT, Some(&rules::SHRUNK_WINDOW_USER));
    done.extend(shrunk_window_decided(&w, in_ticks, &rules::USER_TIMEOUT, Some(&rules::SHRUNK_WINDOW_USER_TICKS)));
    done
}

/// The connection ends by this rule, or the segment is sent again as a probe; `shown` is the alternative that this shows.
fn shrunk_window_decided<'p>(w: &Work<'p>, outcome: Outcome, rule: RuleRef, shown: Option<RuleRef>) -> Vec<Work<'p>> {
    let mut w = w.clone();
    w.rules.extend(shown);
    let mut done = Vec::new();
    if outcome.may_expire {
        done.push(give_up(w.clone(), rule));
    }
    if outcome.may_go_on {
        done.push(retransmitted(w, &rules::SHRUNK_WINDOW));
    }
    done
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

/// Whether the OPEN is given up: after so many retransmissions, when the user timeout has passed, or as much time as they would take
/// that double from the first on (`tcp_write_timeout`, `retransmits_timed_out`).
fn opening_timed_out(w: &Work<'_>, retransmits_max: u32) -> Outcome {
    let enough = w.t.retransmits >= retransmits_max;
    let by_number = Outcome { may_expire: enough, may_go_on: !enough };
    let first = w.t.retransmitted_at.filter(|_| w.t.retransmits > 0);
    let modelled_ms = ((2 << w.p.syn_retries.min(16)) - 1) * 1000;
    let user_ms = u64::from(w.t.user.options.user_timeout_ms);
    let limit_ms = if user_ms > 0 { user_ms } else { modelled_ms };
    by_number.or(first.map_or(Outcome::GOES_ON, |first| Outcome::at_least(w.at.since(first), limit_ms * MS, MS)))
}

/// Which rule ends the OPEN.
fn syn_rule(w: &Work<'_>) -> RuleRef {
    if w.t.user.options.user_timeout_ms > 0 { &rules::USER_TIMEOUT } else { &rules::SYN_RETRY }
}

/// The SYN was not answered.
fn syn_timeout(w: Work<'_>) -> Vec<Work<'_>> {
    let outcome = opening_timed_out(&w, w.p.syn_retries + w.p.syn_linear_timeouts);
    let mut done = Vec::new();
    if outcome.may_expire {
        let rule = syn_rule(&w);
        done.push(give_up(w.clone(), rule));
    }
    if outcome.may_go_on {
        done.push(repeat_syn(w));
    }
    done
}

/// The SYN goes out again.
fn repeat_syn(mut w: Work<'_>) -> Work<'_> {
    w.t.retransmits += 1;
    if w.t.retransmits > w.p.syn_linear_timeouts {
        let max = w.p.rto_max();
        w.t.rtt.rto = w.t.rtt.rto.map(|rto| (rto << 1).min(max));
    }
    w.owe(EmissionKind::Syn, &rules::SYN_RETRY);
    restart(&mut w);
    w
}

/// The SYN,ACK was not answered (`reqsk_timer_handler`).
fn syn_ack_timeout(mut w: Work<'_>) -> Work<'_> {
    w.fired(&rules::SYN_ACK_RETRY);
    if w.t.backoff >= w.p.synack_retries || !w.t.user.listening {
        w.drop_request();
        w.fired(&rules::COUNT_ATTEMPT_GIVEN_UP);
        return w;
    }
    w.t.backoff += 1;
    let timeout = syn_ack_timeout_after(&w.t, w.p);
    w.owe(EmissionKind::SynAck, &rules::SYN_ACK_RETRY);
    w.fired(&rules::COUNT_SYN_ACK_AGAIN);
    w.t.retransmit = Some((RetransmitKind::Timeout, w.timer(timeout)));
    w
}

/// `reqsk_timeout`: the initial RTO, doubled for each timeout before.
pub(crate) fn syn_ack_timeout_after(t: &Tcb, p: &Profile) -> Ticks {
    let (shift, max) = (t.backoff, p.rto_max());
    p.rto_initial().map(|rto| (rto << shift).min(max))
}

/// The tail loss probe's time has come (`tcp_send_loss_probe`): at most one is outstanding.
fn loss_probe_timeout(mut w: Work<'_>) -> Work<'_> {
    // The last segment cannot go again behind a window that has closed meanwhile (`__tcp_retransmit_skb`).
    let edge = w.t.snd_una + w.t.snd_wnd;
    let shut_out = w.t.flight.len() > 1 && w.t.flight.last().is_some_and(|last| !last.seq.before(edge));
    if w.t.loss_probe.is_none() && !shut_out {
        w.owe(EmissionKind::LossProbe, &rules::LOSS_PROBE);
        w.t.retransmit = Some((RetransmitKind::Timeout, w.timer(w.t.rtt.rto)));
    } else {
        let (at, p) = (w.at, w.p);
        w.t.retransmit = emit::remaining_rto(&w.t, at, p).map(|timer| (RetransmitKind::Timeout, timer));
    }
    w
}

/// The closed window is probed, or the cork is pulled (`tcp_probe_timer`, `tcp_send_probe0`).
fn window_probe_timeout(w: Work<'_>) -> Vec<Work<'_>> {
    if emit::unsent(&w.t) == 0 {
        return vec![w];
    }
    orphans::limited(w, |mut w| {
        let outcome = probing_timed_out(&w);
        let mut done = Vec::new();
        if outcome.may_expire {
            let rule = retry_rule(&w);
            done.push(give_up(w.clone(), rule));
        }
        if outcome.may_go_on {
            w.t.probing_since.get_or_insert(w.at);
            done.push(probe_window(w));
        }
        done
    })
}

/// Whether the probing of a closed window has gone on long enough (`tcp_probe_timer`).
fn probing_timed_out(w: &Work<'_>) -> Outcome {
    let counted = |limit: u32, ended: bool| {
        let expires = ended || w.t.probes_out >= limit;
        Outcome { may_expire: expires, may_go_on: !expires }
    };
    let by_count = if w.t.user.orphan {
        let orphan = |rto: u64| {
            let alive = rto << w.t.backoff.min(32) < w.p.rto_max();
            let limit = orphan_retries(w, alive);
            counted(limit, !alive && w.t.backoff >= limit)
        };
        orphan(w.t.rtt.rto.lo).one_of(orphan(w.t.rtt.rto.hi))
    } else {
        counted(w.p.retries2, false)
    };
    match w.t.probing_since.filter(|_| w.t.user.options.user_timeout_ms > 0) {
        Some(since) => {
            let limit = w.p.ticks_of_ms(u64::from(w.t.user.options.user_timeout_ms));
            let gone = w.p.ticks_since(w.at, since);
            by_count.or(Outcome { may_expire: gone.hi >= limit, may_go_on: gone.lo < limit })
        }
        None => by_count,
    }
}

/// The probe, or what the cork held back (`tcp_write_wakeup`, `tcp_send_probe0`).
fn probe_window(mut w: Work<'_>) -> Work<'_> {
    if (w.t.snd_una + w.t.snd_wnd).after(w.t.snd_nxt) {
        w.t.backoff = 0;
        w.t.probes_out = 0;
        w.t.probing_since = None;
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
    let next = emit::window_probe_after(&w.t, w.at, w.p);
    w.t.retransmit = Some((RetransmitKind::WindowProbe, w.timer(next)));
    w
}

/// `keepalive_time_when`
pub(crate) fn keepalive_time(w: &Work<'_>) -> Ticks {
    let s = if w.t.user.options.keep_idle_s > 0 { w.t.user.options.keep_idle_s } else { w.p.keepalive_time_s };
    Ticks::exactly(w.p.ticks_of_s(u64::from(s)))
}

/// `sk_timer` fired (`tcp_keepalive_timer`): FIN-WAIT-2 of an orphan, or keepalive.
fn keepalive_timeout(mut w: Work<'_>) -> Vec<Work<'_>> {
    w.t.keepalive = None;
    if w.t.state == State::FinWait2 && w.t.user.orphan {
        w.fired(&rules::FIN_WAIT_2_ORPHAN);
        let timeout = fin_time(&w);
        if w.t.user.options.linger2_s >= 0 && timeout.lo > w.p.time_wait() {
            let time_wait = w.p.time_wait();
            enter_fin_wait_2_mini(&mut w, timeout.map(|t| t - time_wait));
            return vec![w];
        }
        let kind = EmissionKind::Reset { seq: w.t.acceptable_seq(), ack: Some(w.t.rcv_nxt), active: true };
        w.owe(kind, &rules::FIN_WAIT_2_ORPHAN);
        w.t.delete();
        return vec![w];
    }
    if !w.t.user.options.keepalive || matches!(w.t.state, State::Closed | State::SynSent) {
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
    let interval_s =
        if w.t.user.options.keep_interval_s > 0 { w.t.user.options.keep_interval_s } else { w.p.keepalive_intvl_s };
    let limit = if w.t.user.options.keep_count > 0 { w.t.user.options.keep_count } else { w.p.keepalive_probes };
    let user_timeout = u64::from(w.t.user.options.user_timeout_ms);
    let dead =
        if user_timeout > 0 { heard.lo >= user_timeout * MS && w.t.probes_out > 0 } else { w.t.probes_out >= limit };
    if dead {
        let kind = EmissionKind::Reset { seq: w.t.acceptable_seq(), ack: Some(w.t.rcv_nxt), active: true };
        w.owe(kind, &rules::KEEPALIVE_DEAD);
        time_out(&mut w);
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
    let s =
        if w.t.user.options.linger2_s > 0 { w.t.user.options.linger2_s as u64 } else { u64::from(w.p.fin_timeout_s) };
    let asked = w.p.ticks_of_s(s);
    w.t.rtt.rto.map(|rto| asked.max((rto << 2) - (rto >> 1)))
}

/// The mini-socket takes over in TIME-WAIT (`tcp_time_wait`).
pub(crate) fn enter_time_wait(w: &mut Work<'_>) {
    let length = Ticks::exactly(w.p.time_wait());
    become_mini(w, State::TimeWait, length);
}

/// The mini-socket takes over in FIN-WAIT-2.
pub(crate) fn enter_fin_wait_2_mini(w: &mut Work<'_>, timeout: Ticks) {
    let floor = w.t.rtt.rto.map(|rto| (rto << 2) - (rto >> 1));
    let timeout = Ticks { lo: timeout.lo.max(floor.lo), hi: timeout.hi.max(floor.hi) };
    w.fired(&rules::FIN_WAIT_2_ORPHAN);
    become_mini(w, State::FinWait2, timeout);
}

fn become_mini(w: &mut Work<'_>, state: State, length: Ticks) {
    let timer = w.timer(length);
    let window = w.t.receive_window();
    w.t.enter(State::Closed);
    w.t.delete();
    if w.t.neighbours.time_waits >= w.p.max_tw_buckets {
        w.fired(&rules::TIME_WAIT_NO_ROOM);
        w.t.counts.add(Counter::TimeWaitOverflow);
        return;
    }
    count_mini(w, length);
    w.t.state = state;
    w.t.time_wait = Some(timer);
    w.t.time_wait_since = (state == State::TimeWait).then_some(w.at);
    w.t.limited_ack_at = None;
    w.t.blocks_linger |= w.t.dsack.is_some();
    w.t.rcv_wup = w.t.rcv_nxt;
    w.t.rcv_wnd = window;
}

/// The mini-socket's timer is armed for the first time (`__inet_twsk_schedule`).
fn count_mini(w: &mut Work<'_>, length: Ticks) {
    let limit = w.p.ticks_of_s(4);
    let (may_be_short, may_be_long) = (length.lo <= limit, length.hi > limit);
    w.t.waits_shortly = (may_be_short != may_be_long).then_some(may_be_short);
    w.t.counts.add_wait(w.t.waits_shortly);
}

/// The last descriptor is gone (`sock_orphan` and what follows it in `__tcp_close`).
pub(crate) fn orphan(mut w: Work<'_>) -> Vec<Work<'_>> {
    w.t.user.orphan = true;
    w.t.user.closing_until = None;
    if w.t.state == State::FinWait2 && !w.t.is_mini() {
        if w.t.user.options.linger2_s < 0 {
            let kind = EmissionKind::Reset { seq: w.t.acceptable_seq(), ack: Some(w.t.rcv_nxt), active: true };
            w.owe(kind, &rules::FIN_WAIT_2_LINGER2);
            w.t.counts.add(Counter::AbortOnLinger);
            w.t.delete();
            return vec![w];
        }
        let timeout = fin_time(&w);
        if timeout.lo > w.p.time_wait() {
            let time_wait = w.p.time_wait();
            w.t.keepalive = Some(w.timer(timeout.map(|t| t - time_wait)));
        } else {
            enter_fin_wait_2_mini(&mut w, timeout);
            return vec![w];
        }
    }
    if w.t.state == State::Closed || w.t.is_mini() {
        return vec![w];
    }
    orphans::limited(w, |mut w| {
        w.t.user.orphan_since = Some(w.at.hi);
        vec![w]
    })
}
