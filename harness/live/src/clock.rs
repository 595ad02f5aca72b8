//! The time of a trace: CLOCK_REALTIME, as the kernel stamps packets with it, counted from the trace's start.
//!
//! Owns the conversion and the watch over jumps of the wall clock. Refuses to know what happens when.

use nix::time::{ClockId, clock_getres, clock_gettime};
use tcpconform_engine::trace::Nanos;

/// The wall clock may move by this much against the monotonic one before a trace's times are in doubt, nanoseconds.
const JUMP_NS: u64 = 1_000_000;

/// A trace's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started_unix_ns: u64,
    ahead_of_monotonic_ns: i64,
}

impl Clock {
    /// Starts now.
    pub(crate) fn start() -> Clock {
        Clock { started_unix_ns: realtime_ns(), ahead_of_monotonic_ns: realtime_ahead_ns() }
    }

    /// Nanoseconds since 1970 at the start.
    pub(crate) fn started_unix_ns(&self) -> u64 {
        self.started_unix_ns
    }

    /// Nanoseconds since the start.
    pub(crate) fn now(&self) -> Nanos {
        self.at(realtime_ns())
    }

    /// The trace's time of a kernel stamp, nanoseconds since 1970; 0 for one before the start.
    pub(crate) fn at(&self, unix_ns: u64) -> Nanos {
        unix_ns.saturating_sub(self.started_unix_ns)
    }

    /// By how much the wall clock was set since the start, or since the last jump told of, if that is worth telling.
    /// Slewing does not count: it moves the monotonic clock alike.
    pub(crate) fn jump_ns(&mut self) -> Option<i64> {
        // Asked for at every turn of a wait: one reading mostly shows that there is nothing to tell.
        let worth_telling = |ahead: i64| (ahead - self.ahead_of_monotonic_ns).unsigned_abs() > JUMP_NS;
        if !worth_telling(read_ahead_ns().1) {
            return None;
        }
        let ahead = realtime_ahead_ns();
        worth_telling(ahead).then(|| ahead - std::mem::replace(&mut self.ahead_of_monotonic_ns, ahead))
    }
}

/// CLOCK_REALTIME, nanoseconds since 1970.
pub(crate) fn realtime_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_REALTIME) as u64
}

/// CLOCK_MONOTONIC, nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_MONOTONIC) as u64
}

/// CLOCK_MONOTONIC as of the latest tick, nanoseconds.
pub(crate) fn coarse_monotonic_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_MONOTONIC_COARSE) as u64
}

/// CLOCK_REALTIME minus CLOCK_MONOTONIC, nanoseconds: the closest of a few readings, since the thread may lose the CPU between
/// the two clocks.
pub(crate) fn realtime_ahead_ns() -> i64 {
    (0..4).map(|_| read_ahead_ns()).min().expect("four readings").1
}

/// How long a reading took, and what it says.
fn read_ahead_ns() -> (i64, i64) {
    let before = nanoseconds(ClockId::CLOCK_MONOTONIC);
    let real = nanoseconds(ClockId::CLOCK_REALTIME);
    let after = nanoseconds(ClockId::CLOCK_MONOTONIC);
    (after - before, real - before - (after - before) / 2)
}

/// CONFIG_HZ of the running kernel: the coarse clocks advance by one tick (clock_getres(2), TICK_NSEC).
pub(crate) fn hz() -> u32 {
    let tick = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map_or(0, |t| t.tv_nsec());
    if tick <= 0 { 0 } else { (1_000_000_000 + tick / 2).checked_div(tick).unwrap_or(0) as u32 }
}

fn nanoseconds(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("these clocks exist on every Linux");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

#[cfg(test)]
mod tests {
    use super::{Clock, hz};

    #[test]
    fn an_untouched_clock_does_not_jump() {
        let mut clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
        assert_eq!(clock.jump_ns(), None);
        assert!((24..=1200).contains(&hz()), "{}", hz());
    }
}
