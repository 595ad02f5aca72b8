//! `setsockopt` and `getsockopt` (Linux `do_tcp_setsockopt`, `do_tcp_getsockopt`).
//!
//! Owns which values are taken, what they do at once, and what a listener's connections begin with. Refuses to know what comes of an
//! option later: who needs it reads it.

use crate::call::{CallResult, Errno, SocketOption};
use crate::emit;
use crate::profile::Profile;
use crate::rule::rules;
use crate::segment::HOP_LIMIT_DEFAULT;
use crate::state::State;
use crate::step::Work;
use crate::tcb::SocketOptions;
use crate::time::Ticks;
use crate::timeouts;

/// Whether `setsockopt` takes the value (`do_tcp_setsockopt`; MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT).
fn in_limits(option: SocketOption) -> bool {
    match option {
        SocketOption::KeepIdle(seconds) | SocketOption::KeepInterval(seconds) => (1..=32_767).contains(&seconds),
        SocketOption::KeepCount(count) => (1..=127).contains(&count),
        SocketOption::UserTimeout(ms) => ms >= 0,
        SocketOption::Linger(_)
        | SocketOption::Linger2(_)
        | SocketOption::NoDelay(_)
        | SocketOption::QuickAck(_)
        | SocketOption::Cork(_)
        | SocketOption::KeepAlive(_)
        | SocketOption::ReuseAddr(_)
        | SocketOption::ReceiveBuffer(_)
        | SocketOption::SendBuffer(_)
        | SocketOption::TimeToLive(_)
        | SocketOption::UnicastHops(_)
        | SocketOption::Error => true,
    }
}

/// `setsockopt()`.
pub(crate) fn set(mut w: Work<'_>, option: SocketOption) -> Work<'_> {
    if !in_limits(option) {
        return w.returns(CallResult::Error(Errno::INVAL));
    }
    set_on_connection(&mut w, option);
    w.returns(CallResult::Value(0))
}

/// `setsockopt()` of a listener: its connections begin with what it has when the handshake ends (`sk_clone`); later they have their own.
pub(crate) fn set_on_listener(mut w: Work<'_>, option: SocketOption) -> Work<'_> {
    if !in_limits(option) {
        return w.returns(CallResult::Error(Errno::INVAL));
    }
    note(&mut w.t.listener.options, option);
    if let SocketOption::QuickAck(on) = option {
        w.t.listener.interactive = !on;
    }
    if !w.t.user.owned && matches!(w.t.state, State::Listen | State::SynReceived | State::Closed) {
        w.t.user.options = w.t.listener.options;
    }
    w.returns(CallResult::Value(0))
}

fn set_on_connection(w: &mut Work<'_>, option: SocketOption) {
    let before = w.t.user.options;
    note(&mut w.t.user.options, option);
    let has_timers = !matches!(w.t.socket_state(), State::Closed | State::Listen);
    match option {
        SocketOption::NoDelay(true) | SocketOption::Cork(false) => emit::owe_transmission(w),
        SocketOption::QuickAck(true) => {
            w.t.acking.pingpong = (0, 0);
            if w.t.acking.scheduled {
                w.ack_permitted(&rules::ACK_ON_READ);
            }
        }
        SocketOption::QuickAck(false) => w.enter_pingpong(),
        SocketOption::KeepAlive(true) if has_timers && !before.keepalive => {
            let idle = timeouts::keepalive_time(w);
            w.t.keepalive = Some(w.timer(idle));
        }
        SocketOption::KeepAlive(false) if has_timers => w.t.keepalive = None,
        SocketOption::KeepIdle(_) if has_timers && before.keepalive => {
            let tick = w.p.tick_ns();
            let idle = timeouts::keepalive_time(w);
            let heard = w.at.since(w.t.heard_at);
            let left = Ticks {
                lo: idle.lo.saturating_sub(heard.hi / tick + 1),
                hi: idle.hi.saturating_sub((heard.lo / tick).saturating_sub(1)),
            };
            w.t.keepalive = Some(w.timer(left));
        }
        SocketOption::NoDelay(false)
        | SocketOption::Cork(true)
        | SocketOption::KeepAlive(_)
        | SocketOption::KeepIdle(_)
        | SocketOption::Linger(_)
        | SocketOption::Linger2(_)
        | SocketOption::UserTimeout(_)
        | SocketOption::KeepInterval(_)
        | SocketOption::KeepCount(_)
        | SocketOption::ReuseAddr(_)
        | SocketOption::ReceiveBuffer(_)
        | SocketOption::SendBuffer(_)
        | SocketOption::TimeToLive(_)
        | SocketOption::UnicastHops(_)
        | SocketOption::Error => {}
    }
}

/// The value, where it stays.
fn note(options: &mut SocketOptions, option: SocketOption) {
    match option {
        SocketOption::Linger(seconds) => options.linger_s = seconds,
        SocketOption::Linger2(seconds) => options.linger2_s = seconds.clamp(-1, 120),
        SocketOption::NoDelay(on) => options.no_delay = on,
        SocketOption::Cork(on) => options.cork = on,
        SocketOption::UserTimeout(ms) => options.user_timeout_ms = ms.unsigned_abs(),
        SocketOption::KeepAlive(on) => options.keepalive = on,
        SocketOption::KeepIdle(seconds) => options.keep_idle_s = seconds,
        SocketOption::KeepInterval(seconds) => options.keep_interval_s = seconds,
        SocketOption::KeepCount(count) => options.keep_count = count,
        SocketOption::ReuseAddr(on) => options.reuse_addr = on,
        SocketOption::TimeToLive(hops) | SocketOption::UnicastHops(hops) => options.hop_limit = Some(hops),
        SocketOption::QuickAck(_)
        | SocketOption::ReceiveBuffer(_)
        | SocketOption::SendBuffer(_)
        | SocketOption::Error => {}
    }
}

/// `getsockopt()`.
pub(crate) fn get(w: &mut Work<'_>, option: SocketOption) -> CallResult {
    if let SocketOption::Error = option {
        let u = &mut w.t.user;
        let soft = u.soft_error.filter(|_| u.error.is_none());
        if soft.is_some() {
            u.soft_error = None;
            w.fired(&rules::SOFT_ERROR_TOLD);
        }
        return CallResult::Value(i64::from(w.t.user.error.take().or(soft).map_or(0, |errno| errno.0)));
    }
    let interactive = w.t.acking.pingpong.1 >= u64::from(w.p.pingpong_thresh);
    CallResult::Value(value_of(&w.t.user.options, interactive, option, w.p))
}

/// `getsockopt()` of a listener.
pub(crate) fn get_of_listener(w: &Work<'_>, option: SocketOption) -> CallResult {
    CallResult::Value(value_of(&w.t.listener.options, w.t.listener.interactive, option, w.p))
}

/// The value of an option that stays as it was set.
fn value_of(options: &SocketOptions, interactive: bool, option: SocketOption, p: &Profile) -> i64 {
    match option {
        SocketOption::QuickAck(_) => i64::from(!interactive),
        SocketOption::Linger(_) => options.linger_s.map_or(-1, i64::from),
        SocketOption::Linger2(_) if options.linger2_s == 0 => i64::from(p.fin_timeout_s),
        SocketOption::Linger2(_) => i64::from(options.linger2_s),
        SocketOption::NoDelay(_) => i64::from(options.no_delay),
        SocketOption::Cork(_) => i64::from(options.cork),
        SocketOption::UserTimeout(_) => i64::from(options.user_timeout_ms),
        SocketOption::KeepAlive(_) => i64::from(options.keepalive),
        SocketOption::KeepIdle(_) if options.keep_idle_s == 0 => i64::from(p.keepalive_time_s),
        SocketOption::KeepIdle(_) => i64::from(options.keep_idle_s),
        SocketOption::KeepInterval(_) if options.keep_interval_s == 0 => i64::from(p.keepalive_intvl_s),
        SocketOption::KeepInterval(_) => i64::from(options.keep_interval_s),
        SocketOption::KeepCount(_) if options.keep_count == 0 => i64::from(p.keepalive_probes),
        SocketOption::KeepCount(_) => i64::from(options.keep_count),
        SocketOption::ReuseAddr(_) => i64::from(options.reuse_addr),
        SocketOption::ReceiveBuffer(n) | SocketOption::SendBuffer(n) => i64::from(n),
        SocketOption::TimeToLive(_) | SocketOption::UnicastHops(_) => {
            i64::from(options.hop_limit.unwrap_or(HOP_LIMIT_DEFAULT))
        }
        // Of a listener: nothing comes to it.
        SocketOption::Error => 0,
    }
}
