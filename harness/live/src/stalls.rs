//! Stalls: times in which a processor of the machine did not do what was due.
//!
//! Owns a thread on each processor that sleeps a little and looks how late it wakes. It runs as ksoftirqd does, without any priority:
//! where it is late, because its processor was busy or the host of a virtual machine had taken it away, the kernel's timers may have been
//! late too. Refuses to know whose timers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
use nix::unistd::Pid;
use tcpconform_engine::trace::Stall;

use crate::clock::{Clock, coarse_monotonic_ns, monotonic_ns, realtime_ahead_ns};

/// Between two looks of a thread, nanoseconds.
const PERIOD_NS: u64 = 5_000_000;
/// Shorter ones are not worth telling: a quarter of what a timer of the kernel is granted (`Profile::timer_late_ns`).
const SHORT_NS: u64 = 5_000_000;
/// A thread that sleeps and looks at the clock.
const STACK_BYTES: usize = 64 * 1024;
/// Of so many that were noticed the longest is in a trace.
const TOLD: usize = 4;

/// The threads, and what they have noticed since they were started.
#[derive(Debug)]
pub(crate) struct Stalls {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    /// By the monotonic clock, nanoseconds: when something was due, and when it happened. In the order in which they were noticed.
    noticed: Mutex<Vec<(u64, u64)>>,
}

impl Stalls {
    /// Starts a thread on each processor that this process may use.
    pub(crate) fn watch() -> Stalls {
        let shared = Arc::new(Shared::default());
        let may_use = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
        let processors = (0..CpuSet::count()).filter(|processor| may_use.is_set(*processor).unwrap_or(false));
        let threads = processors.filter_map(|processor| {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name("stalls".into()).stack_size(STACK_BYTES);
            // Without it the stalls of its processor stay unknown, and what they do to a timer counts as the target's.
            thread.spawn(move || shared.look(processor)).ok()
        });
        let threads = threads.collect();
        Stalls { shared, threads }
    }

    /// Looks whether the tick is late, by which `jiffies` advance: it moves the coarse clock too (tick_do_update_jiffies64() and
    /// update_wall_time() of one interrupt). By one tick it is where the processor that moves them sleeps.
    pub(crate) fn look_at_tick(&self, tick_ns: u64) {
        let (due, now) = (coarse_monotonic_ns() + tick_ns, monotonic_ns());
        if now.saturating_sub(due) > tick_ns {
            self.shared.noticed().push((due, now));
        }
    }

    /// The longest ones since the start of a clock, as its times.
    pub(crate) fn since(&self, clock: &Clock) -> Vec<Stall> {
        let ahead = realtime_ahead_ns();
        let at = |monotonic_ns: u64| clock.at(monotonic_ns.saturating_add_signed(ahead));
        let noticed = self.shared.noticed();
        let recent = noticed.iter().rev().map(|(due, happened)| Stall { from: at(*due), until: at(*happened) });
        let mut stalls: Vec<Stall> = recent.take_while(|stall| stall.until > 0).collect();
        drop(noticed);
        stalls.sort_by_key(|stall| std::cmp::Reverse(stall.length()));
        stalls.truncate(TOLD);
        stalls
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn noticed(&self) -> MutexGuard<'_, Vec<(u64, u64)>> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, processor: usize) {
        let mut only = CpuSet::new();
        if only.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only)).is_err() {
            return;
        }
        let mut due = monotonic_ns() + PERIOD_NS;
        while !self.ended.load(Ordering::Relaxed) {
            let until = TimeSpec::new((due / 1_000_000_000) as i64, (due % 1_000_000_000) as i64);
            if clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &until).is_err() {
                continue;
            }
            let now = monotonic_ns();
            if now - due >= SHORT_NS {
                self.noticed().push((due, now));
            }
            due = now + PERIOD_NS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stalls;
    use crate::clock::{Clock, monotonic_ns};

    #[test]
    fn the_longest_since_the_start_are_told() {
        let before = monotonic_ns();
        let clock = Clock::start();
        let stalls = Stalls { shared: Default::default(), threads: Vec::new() };
        let ms = |n: u64| n * 1_000_000;
        let noticed = |from, until| stalls.shared.noticed().push((before + ms(from), before + ms(until)));
        stalls.shared.noticed().push((before - ms(900), before - ms(100)));
        noticed(10, 17);
        noticed(20, 90);
        assert_eq!(stalls.since(&clock).len(), 2);
        for n in 3..9 {
            noticed(n * 100, n * 100 + 10 * n);
        }
        let lengths: Vec<u64> = stalls.since(&clock).iter().map(|stall| stall.length() / ms(1)).collect();
        assert_eq!(lengths, [80, 70, 70, 60]);
    }

    #[test]
    fn a_tick_that_is_not_late_is_not_told() {
        let (clock, stalls) = (Clock::start(), Stalls { shared: Default::default(), threads: Vec::new() });
        // As if the next tick were due in an hour.
        stalls.look_at_tick(3_600_000_000_000);
        assert_eq!(stalls.since(&clock), []);
        // As if it had been due with the latest.
        while stalls.since(&clock).is_empty() {
            stalls.look_at_tick(0);
        }
    }
}
