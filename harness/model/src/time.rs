//! Time as the model knows it: integer nanoseconds, and intervals where the exact moment is not known.
//!
//! Owns the arithmetic of moments and durations. Refuses to know a clock.

/// Nanoseconds since an origin of the caller's choice.
pub type Nanos = u64;

/// A moment that is known to lie between two times, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Not before.
    pub lo: Nanos,
    /// Not after.
    pub hi: Nanos,
}

impl Span {
    /// The exactly known moment `t`.
    pub const fn at(t: Nanos) -> Span {
        Span { lo: t, hi: t }
    }

    /// From `lo` to `hi`.
    pub const fn new(lo: Nanos, hi: Nanos) -> Span {
        Span { lo, hi }
    }

    /// Whether `t` lies within.
    pub const fn contains(self, t: Nanos) -> bool {
        self.lo <= t && t <= self.hi
    }

    /// Later by a duration that is itself known within bounds.
    pub const fn plus(self, lo: Nanos, hi: Nanos) -> Span {
        Span { lo: self.lo + lo, hi: self.hi + hi }
    }

    /// The duration from `earlier` to `self`, nanoseconds, never below zero.
    pub const fn since(self, earlier: Span) -> Span {
        Span { lo: self.lo.saturating_sub(earlier.hi), hi: self.hi.saturating_sub(earlier.lo) }
    }
}

/// Bounds of a count of timer ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticks {
    /// At least.
    pub lo: u64,
    /// At most.
    pub hi: u64,
}

impl Ticks {
    /// Exactly `n`.
    pub const fn exactly(n: u64) -> Ticks {
        Ticks { lo: n, hi: n }
    }

    /// Both bounds mapped.
    pub fn map(self, f: impl Fn(u64) -> u64) -> Ticks {
        Ticks { lo: f(self.lo), hi: f(self.hi) }
    }
}

/// A pending kernel timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer {
    /// When it was asked to expire; what `inet_diag` reports.
    pub asked: Span,
    /// When its handler may run: not early, and late by its place in the wheel at most.
    pub due: Span,
}
