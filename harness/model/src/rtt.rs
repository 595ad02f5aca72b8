//! The round-trip estimator and the RTO (RFC 6298; Linux `tcp_rtt_estimator`, `tcp_set_rto`), over intervals.
//!
//! Owns the arithmetic. Refuses to know when samples are taken. The kernel measures with its own stamps, which are not seen,
//! so every variable has two bounds; the RTO_MIN term keeps them together.

use crate::profile::Profile;
use crate::segment::Seq;
use crate::tcb::{Bounds, Rtt};
use crate::time::{Span, Ticks};

impl Rtt {
    /// Takes one sample of `rtt` nanoseconds, and sets the RTO from it without back-off.
    pub(crate) fn sample(&mut self, rtt: Span, snd_una: Seq, snd_nxt: Seq, profile: &Profile) {
        let rto_min = profile.rto_min_us;
        let m: Bounds = (rtt.lo / 1000, rtt.hi / 1000 + 1);
        self.least = Some(self.least.map_or(m, |least| (least.0.min(m.0), least.1.min(m.1))));
        match self.srtt8 {
            None => {
                self.srtt8 = Some((m.0.max(1) * 8, m.1.max(1) * 8));
                self.mdev = (m.0 * 2, m.1 * 2);
                self.rttvar = (self.mdev.0.max(rto_min), self.mdev.1.max(rto_min));
                self.mdev_max = self.rttvar;
                self.seq = snd_nxt;
            }
            Some(srtt8) => {
                let new = |m: u64, s: u64| s - (s >> 3) + m;
                self.srtt8 = Some((new(m.0, srtt8.0).max(1), new(m.1, srtt8.1).max(1)));
                self.mdev = mean_deviation(self.mdev, m, srtt8);
                self.mdev_max = (self.mdev_max.0.max(self.mdev.0), self.mdev_max.1.max(self.mdev.1));
                self.rttvar = (self.rttvar.0.max(self.mdev_max.0), self.rttvar.1.max(self.mdev_max.1));
                if snd_una.after(self.seq) {
                    let decay = |var: u64, max: u64| if max < var { var - ((var - max) >> 2) } else { var };
                    self.rttvar = (decay(self.rttvar.0, self.mdev_max.0), decay(self.rttvar.1, self.mdev_max.1));
                    self.seq = snd_nxt;
                    self.mdev_max = (rto_min, rto_min);
                }
            }
        }
        self.set_rto(profile);
    }

    /// The opening gave no sample: 3 s (RFC 6298 section 5.7; `tcp_init_metrics`).
    pub(crate) fn fall_back(&mut self, profile: &Profile) {
        const FALLBACK_S: u64 = 3;
        let variance = (FALLBACK_S * 1_000_000, FALLBACK_S * 1_000_000);
        (self.rttvar, self.mdev, self.mdev_max) = (variance, variance, variance);
        self.rto = Ticks::exactly(profile.ticks_of_s(FALLBACK_S));
    }

    /// RTO = SRTT + max(4 x RTTVAR, RTO_MIN), rounded up to ticks (`__tcp_set_rto`).
    pub(crate) fn set_rto(&mut self, profile: &Profile) {
        if let Some(srtt8) = self.srtt8 {
            self.rto = Ticks {
                lo: profile.ticks_of_us((srtt8.0 >> 3) + self.rttvar.0).min(profile.rto_max()),
                hi: profile.ticks_of_us((srtt8.1 >> 3) + self.rttvar.1).min(profile.rto_max()),
            };
        }
    }
}

/// The mean deviation's next bounds: the extremes over all corners of what is known.
fn mean_deviation(mdev: Bounds, m: Bounds, srtt8: Bounds) -> Bounds {
    let step = |mdev: u64, error: i64| {
        let off = error.unsigned_abs() as i64 - (mdev >> 2) as i64;
        let off = if error < 0 && off > 0 { off >> 3 } else { off };
        (mdev as i64 + off).max(0) as u64
    };
    let lowest = m.0 as i64 - (srtt8.1 >> 3) as i64;
    let highest = m.1 as i64 - (srtt8.0 >> 3) as i64;
    let nearest = if lowest <= 0 && highest >= 0 { 0 } else { lowest };
    let corners = [mdev.0, mdev.1].into_iter().flat_map(|d| [lowest, highest, nearest].map(|e| step(d, e)));
    corners.fold((u64::MAX, 0), |(lo, hi), v| (lo.min(v), hi.max(v)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rto_is_srtt_plus_rto_min_on_a_short_path() {
        let profile = Profile::linux(250, |_| None);
        let mut rtt = Rtt::new();
        rtt.sample(Span::at(100_000), Seq(1), Seq(1), &profile);
        assert_eq!(rtt.rto, Ticks::exactly(51));
        rtt.sample(Span::at(30_000_000), Seq(2), Seq(2), &profile);
        assert!(rtt.rto.lo >= 51 && rtt.rto.hi <= 52, "{:?}", rtt.rto);
    }
}
