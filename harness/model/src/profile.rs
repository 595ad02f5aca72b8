//! What the kernel under test says of itself: its sysctls and its tick.
//!
//! Owns the parameters of the `linux` profile with their defaults (Documentation/networking/ip-sysctl.rst). Refuses to know
//! where the values were read.

use crate::time::{Nanos, Span, Ticks};

/// The `linux` profile, parametrised by one network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// CONFIG_HZ.
    pub hz: u32,
    /// How long an event may lie before the kernel processes it: a frame in the backlog of a busy CPU, a call between our
    /// clock and the socket lock. Nanoseconds.
    pub processing_ns: Nanos,
    /// How long after its tick a timer's handler may start. The tick itself is exact, but a sleeping CPU has to wake first, and a
    /// virtual one waits for its host to let it run. On a loaded virtual machine 4 ms were enough for all timers of a whole
    /// run; 8.9 ms were seen twice in about twenty runs, while a thousand cases started. Nanoseconds.
    pub timer_late_ns: Nanos,
    /// How far `jiffies` may trail real time because the tick that moves it was late: one tick was seen on a loaded machine.
    /// A timer armed meanwhile is early by that much in real time. Nanoseconds.
    pub jiffies_behind_ns: Nanos,
    /// How long a thread that was woken inside a call may wait for a CPU before the call goes on. Nanoseconds.
    pub scheduling_ns: Nanos,
    /// `tcp_fin_timeout`, seconds.
    pub fin_timeout_s: u32,
    /// `tcp_orphan_retries`
    pub orphan_retries: u32,
    /// `tcp_max_orphans`, where it is the machine's to which the play is all that happens.
    pub max_orphans: u32,
    /// `tcp_retries2`
    pub retries2: u32,
    /// `tcp_rfc1337`
    pub rfc1337: bool,
    /// `tcp_timestamps` is not 0.
    pub timestamps: bool,
    /// `tcp_sack`
    pub sack: bool,
    /// `tcp_dsack`
    pub dsack: bool,
    /// `tcp_window_scaling`
    pub window_scaling: bool,
    /// `tcp_frto`
    pub frto: bool,
    /// `tcp_early_retrans` is 3 or 4: tail loss probes are sent.
    pub loss_probe: bool,
    /// `tcp_keepalive_time`, seconds.
    pub keepalive_time_s: u32,
    /// `tcp_keepalive_intvl`, seconds.
    pub keepalive_intvl_s: u32,
    /// `tcp_keepalive_probes`
    pub keepalive_probes: u32,
    /// `tcp_syn_retries`
    pub syn_retries: u32,
    /// `tcp_synack_retries`
    pub synack_retries: u32,
    /// `tcp_syn_linear_timeouts`; 0 in kernels before 6.5, which lack it.
    pub syn_linear_timeouts: u32,
    /// `tcp_rto_min_us` (200 ms in kernels that lack it) as the kernel keeps it: whole ticks, in microseconds.
    pub rto_min_us: u64,
    /// `tcp_rto_max_ms` (120 s in kernels that lack it), milliseconds.
    pub rto_max_ms: u32,
    /// `tcp_invalid_ratelimit`, milliseconds.
    pub invalid_ratelimit_ms: u32,
    /// `tcp_max_tw_buckets`
    pub max_tw_buckets: u32,
    /// When a connection in TIME-WAIT may be taken over by `connect`: `tcp_tw_reuse`, `tcp_tw_reuse_delay`.
    pub tw_reuse: TimeWaitReuse,
    /// `tcp_abort_on_overflow`
    pub abort_on_overflow: bool,
    /// What the peer's MSS is taken for if its SYN does not say it (RFC 9293 MUST-15), bytes.
    pub mss_default: u32,
    /// `tcp_pingpong_thresh`; 1 in kernels that lack the sysctl: stable ones, too, have left 3 again.
    pub pingpong_thresh: u32,
    /// `tcp_comp_sack_delay_ns`
    pub comp_sack_delay_ns: Nanos,
    /// `tcp_comp_sack_slack_ns`
    pub comp_sack_slack_ns: Nanos,
    /// `tcp_comp_sack_nr`
    pub comp_sack_nr: u32,
}

/// When a connection in TIME-WAIT may be taken over (`tcp_twsk_unique`), provided that it used timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeWaitReuse {
    /// Not at all.
    Never,
    /// After so many milliseconds in TIME-WAIT.
    After {
        /// `tcp_tw_reuse_delay`
        ms: u32,
    },
    /// Once the kernel's clock shows another second than at the last segment with a timestamp: kernels without
    /// `tcp_tw_reuse_delay`.
    NextSecond,
}

impl Profile {
    /// The profile of a namespace: `sysctl` gives the number of a sysctl below `net.ipv4`, or `None` where the kernel lacks it.
    pub fn linux(hz: u32, sysctl: impl Fn(&str) -> Option<i64>) -> Profile {
        let number = |name: &str, default: u32| sysctl(name).and_then(|v| u32::try_from(v).ok()).unwrap_or(default);
        let hz = hz.max(1);
        let rto_min_ticks = (u64::from(number("tcp_rto_min_us", 200_000)) * u64::from(hz)).div_ceil(1_000_000);
        Profile {
            hz,
            processing_ns: 4_000_000,
            timer_late_ns: 20_000_000,
            scheduling_ns: 500_000_000,
            jiffies_behind_ns: 1_000_000_000 / u64::from(hz),
            fin_timeout_s: number("tcp_fin_timeout", 60),
            orphan_retries: number("tcp_orphan_retries", 0),
            max_orphans: number("tcp_max_orphans", u32::MAX),
            retries2: number("tcp_retries2", 15),
            rfc1337: number("tcp_rfc1337", 0) != 0,
            timestamps: number("tcp_timestamps", 1) != 0,
            sack: number("tcp_sack", 1) != 0,
            dsack: number("tcp_dsack", 1) != 0,
            window_scaling: number("tcp_window_scaling", 1) != 0,
            frto: number("tcp_frto", 2) != 0,
            loss_probe: matches!(number("tcp_early_retrans", 3), 3 | 4),
            keepalive_time_s: number("tcp_keepalive_time", 7200),
            keepalive_intvl_s: number("tcp_keepalive_intvl", 75),
            keepalive_probes: number("tcp_keepalive_probes", 9),
            syn_retries: number("tcp_syn_retries", 6),
            synack_retries: number("tcp_synack_retries", 5),
            syn_linear_timeouts: number("tcp_syn_linear_timeouts", 0),
            rto_min_us: rto_min_ticks * 1_000_000 / u64::from(hz),
            rto_max_ms: number("tcp_rto_max_ms", 120_000),
            invalid_ratelimit_ms: number("tcp_invalid_ratelimit", 500),
            max_tw_buckets: number("tcp_max_tw_buckets", 262_144),
            // 2, the default, allows it on the loopback device only; no endpoint of ours is there.
            tw_reuse: match (number("tcp_tw_reuse", 2), sysctl("tcp_tw_reuse_delay")) {
                (1, Some(ms)) => TimeWaitReuse::After { ms: u32::try_from(ms).unwrap_or(u32::MAX) },
                (1, None) => TimeWaitReuse::NextSecond,
                (_, _) => TimeWaitReuse::Never,
            },
            abort_on_overflow: number("tcp_abort_on_overflow", 0) != 0,
            mss_default: 536,
            pingpong_thresh: number("tcp_pingpong_thresh", 1),
            comp_sack_delay_ns: number("tcp_comp_sack_delay_ns", 1_000_000).into(),
            comp_sack_slack_ns: number("tcp_comp_sack_slack_ns", 100_000).into(),
            comp_sack_nr: number("tcp_comp_sack_nr", 44),
        }
    }

    /// The same for a connection over IPv6.
    pub fn over_ipv6(self) -> Profile {
        Profile { mss_default: 1220, ..self }
    }

    /// The same where time is virtual: no machine is late, what happens at once is seen at once.
    pub fn in_virtual_time(self) -> Profile {
        Profile { processing_ns: 100_000, timer_late_ns: 0, jiffies_behind_ns: 0, scheduling_ns: 100_000, ..self }
    }

    /// The same for a kernel that has one processor for many cases, in virtual time: 0.23 ms was the longest that interrupts of
    /// the other cases (their timers, what is freed after them) were seen to hold up one of 2,600 connects. A thread that is woken inside a
    /// call waits until the case that has the processor waits itself, for which a set-up takes milliseconds.
    pub fn with_one_processor(self) -> Profile {
        Profile { processing_ns: 1_000_000, scheduling_ns: 10_000_000, ..self }
    }

    /// The same on a machine that did not do what was due for this long, nanoseconds: whatever happened then may be that much later than
    /// elsewhere.
    pub fn stalled(self, by: Nanos) -> Profile {
        Profile {
            processing_ns: self.processing_ns + by,
            timer_late_ns: self.timer_late_ns + by,
            scheduling_ns: self.scheduling_ns + by,
            jiffies_behind_ns: self.jiffies_behind_ns + by,
            ..self
        }
    }

    /// Nanoseconds a tick.
    pub fn tick_ns(&self) -> u64 {
        1_000_000_000 / u64::from(self.hz)
    }

    /// Microseconds to ticks, rounded up (`usecs_to_jiffies`).
    pub fn ticks_of_us(&self, us: u64) -> u64 {
        us.saturating_mul(u64::from(self.hz)).div_ceil(1_000_000)
    }

    /// Milliseconds to ticks, rounded up (`msecs_to_jiffies`).
    pub fn ticks_of_ms(&self, ms: u64) -> u64 {
        (ms * u64::from(self.hz)).div_ceil(1_000)
    }

    /// How many ticks of the kernel's count lie between two moments: it sees either up to a tick late.
    pub fn ticks_since(&self, at: Span, earlier: Span) -> Ticks {
        let tick = self.tick_ns();
        let gone = at.since(earlier);
        Ticks { lo: (gone.lo / tick).saturating_sub(1), hi: gone.hi / tick + 1 }
    }

    /// Seconds to ticks.
    pub fn ticks_of_s(&self, s: u64) -> u64 {
        s * u64::from(self.hz)
    }

    /// RTO_MAX in ticks (`tcp_rto_max`).
    pub fn rto_max(&self) -> u64 {
        self.ticks_of_ms(u64::from(self.rto_max_ms))
    }

    /// `TCP_TIMEOUT_INIT`: 1 s (RFC 6298 section 2.1).
    pub fn rto_initial(&self) -> Ticks {
        Ticks::exactly(u64::from(self.hz))
    }

    /// `TCP_TIMEWAIT_LEN`: 60 s.
    pub fn time_wait(&self) -> u64 {
        self.ticks_of_s(60)
    }

    /// `TCP_ATO_MIN` and `TCP_DELACK_MIN`: HZ/25, 40 ms.
    pub fn ato_min(&self) -> u64 {
        u64::from(self.hz) / 25
    }

    /// `TCP_DELACK_MAX`: HZ/5, 200 ms.
    pub fn delack_max(&self) -> u64 {
        u64::from(self.hz) / 5
    }

    /// How long an ACK is delayed at most (`tcp_delack_max`): a tick less than RTO_MIN.
    pub fn delack_limit(&self) -> u64 {
        self.delack_max().min(self.ticks_of_us(self.rto_min_us).max(2) - 1)
    }
}
