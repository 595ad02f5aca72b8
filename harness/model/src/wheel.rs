//! The kernel's timer wheel: when a timer may fire.
//!
//! Owns how late a handler may run. Refuses to know what timers are for. Follows kernel/time/timer.c.

use crate::profile::Profile;
use crate::time::{Span, Ticks, Timer};

/// Ticks between two levels of the wheel and the granularity of each, in ticks (`LVL_START`, `LVL_GRAN` of kernel/time/timer.c).
const WHEEL: [(u64, u64); 8] = [
    (0, 1),
    (63, 8),
    (63 << 3, 8 << 3),
    (63 << 6, 8 << 6),
    (63 << 9, 8 << 9),
    (63 << 12, 8 << 12),
    (63 << 15, 8 << 15),
    (63 << 18, 8 << 18),
];

/// How many ticks late a timer of `ticks` may fire: `calc_index` rounds the expiry up to the granularity of its level.
///
/// `base->clk` may trail the current tick by a little, which can lift a timer at the border of a level into the next one.
fn wheel_slack(ticks: u64) -> u64 {
    const CLK_LAG: u64 = 2;
    WHEEL.iter().rev().find(|(start, _)| ticks + CLK_LAG >= *start).map_or(1, |(_, granularity)| *granularity)
}

/// How late a timer of this length may fire on a kernel with so many ticks a second: a tick, and the wheel's granularity. Nanoseconds.
pub fn timer_slack_ns(length_ns: u64, hz: u32) -> u64 {
    let tick = 1_000_000_000 / u64::from(hz.max(1));
    (1 + wheel_slack(length_ns / tick)) * tick
}

/// A timer armed at `armed` for `delta` ticks.
///
/// The expiry is counted from `jiffies`, which is up to one tick behind the moment of arming, and further behind by the ticks
/// that were late themselves; `calc_index` adds a full granule, which makes up for the first. A CPU that slept without ticks
/// (`NO_HZ`) may wake a moment before the tick that it slept for, finds nothing expired, and looks again one tick later.
pub(crate) fn arm(armed: Span, delta: Ticks, profile: &Profile) -> Timer {
    let tick = profile.tick_ns();
    let lo = armed.lo + delta.lo * tick;
    let asked = Span::new(lo.saturating_sub(tick + profile.jiffies_behind_ns), armed.hi + delta.hi * tick);
    let latest = delta.hi + wheel_slack(delta.hi) + 1;
    let earliest = lo.saturating_sub(profile.jiffies_behind_ns).max(armed.lo);
    let due = Span::new(earliest, armed.hi + latest * tick + profile.timer_late_ns);
    Timer { asked, due }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_grows_with_the_level_of_the_wheel() {
        let tick_ms = 4;
        for (ms, late_ms) in [(40, 4), (204, 4), (256, 32), (2_100, 256), (17_000, 2_048), (130_000, 16_384)] {
            assert_eq!(wheel_slack(ms / tick_ms) * tick_ms, late_ms, "{ms} ms");
        }
    }

    #[test]
    fn a_timer_is_never_early() {
        let profile = Profile::linux(250, |_| None).in_virtual_time();
        let timer = arm(Span::at(1_000_000_000), Ticks::exactly(15_000), &profile);
        assert_eq!(timer.due, Span::new(61_000_000_000, 63_052_000_000));
        let behind = Profile::linux(250, |_| None);
        let armed = Span::new(1_000_000, 2_000_000);
        assert_eq!(arm(armed, Ticks { lo: 0, hi: 1 }, &behind).due.lo, armed.lo);
    }
}
