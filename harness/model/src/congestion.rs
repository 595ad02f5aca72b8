//! The congestion window (RFC 5681, RFC 6928; Linux net/ipv4/tcp_cong.c, `tcp_enter_loss`, `tcp_init_transfer`), as far as it is certain.
//!
//! Owns how many segments may surely be outstanding. Refuses to know how many may be at the most: a reduction that is found to have
//! been needless is undone (`tcp_try_undo_loss`), and what a recovery lets out is counted otherwise (RFC 6937).

/// A lower bound of the congestion window, with what it grows by; segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Congestion {
    /// So many may be outstanding.
    pub window: u32,
    /// `snd_ssthresh`
    threshold: u32,
    /// `snd_cwnd_cnt`
    acknowledged: u32,
}

impl Congestion {
    /// `TCP_INIT_CWND` (RFC 6928); after a pause it starts again from there (`tcp_cwnd_restart`), so more is never certain.
    const INITIAL: u32 = 10;

    /// The connection is open; its SYN or SYN,ACK was sent again so often (`tcp_init_transfer`).
    pub(crate) const fn opened(retransmits: u32) -> Congestion {
        let window = if retransmits > 1 { 1 } else { Congestion::INITIAL };
        Congestion { window, threshold: u32::MAX, acknowledged: 0 }
    }

    /// The retransmission timer has fired (`tcp_enter_loss`).
    pub(crate) fn timed_out(&mut self) {
        *self = Congestion { window: 1, threshold: self.halved(), acknowledged: 0 };
    }

    /// A loss was found out; without SACK what a recovery leaves of the window is not known (`tcp_cwnd_reduction`, `tcp_end_cwnd_reduction`).
    pub(crate) fn reduced(&mut self, sack: bool) {
        let threshold = self.halved();
        *self = Congestion { window: if sack { threshold } else { 1 }, threshold, acknowledged: 0 };
    }

    /// So many of the outstanding segments are acknowledged (`tcp_reno_cong_avoid`), if they filled the window (`tcp_is_cwnd_limited`).
    pub(crate) fn acknowledged(&mut self, outstanding: u32, acknowledged: u32) {
        if self.window < self.threshold {
            let most = self.threshold.min(2 * outstanding);
            self.window = self.window.max(most.min(self.window + acknowledged));
        } else if outstanding >= self.window {
            self.acknowledged += acknowledged;
            if self.acknowledged >= self.window {
                self.acknowledged -= self.window;
                self.window += 1;
            }
        }
        self.window = self.window.min(Congestion::INITIAL);
    }

    /// `tcp_reno_ssthresh`
    fn halved(&self) -> u32 {
        (self.window / 2).max(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_leaves_one_segment_and_each_ack_adds_its_own() {
        let mut congestion = Congestion::opened(0);
        congestion.timed_out();
        assert_eq!(congestion.window, 1);
        congestion.acknowledged(1, 1);
        assert_eq!(congestion.window, 2);
        congestion.acknowledged(2, 2);
        congestion.acknowledged(4, 4);
        assert_eq!(congestion.window, 5, "half of ten is the slow start threshold");
        congestion.acknowledged(5, 5);
        assert_eq!(congestion.window, 6);
    }

    #[test]
    fn what_does_not_fill_the_window_does_not_widen_it() {
        let mut congestion = Congestion::opened(2);
        congestion.acknowledged(1, 1);
        congestion.acknowledged(1, 1);
        assert_eq!(congestion.window, 2);
    }
}
