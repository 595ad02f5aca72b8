//! RACK (RFC 8985 sections 6 and 7.1; Linux net/ipv4/tcp_recovery.c, `tcp_sacktag_write_queue`): which outstanding segments were overtaken by
//! later ones, and when the first of them goes again.
//!
//! Owns the reordering window and its timer. Refuses to know what goes again after the first: that is the congestion control's affair.

use alloc::vec::Vec;

use crate::emit;
use crate::rule::rules;
use crate::segment::{Segment, Seq};
use crate::step::Work;
use crate::tcb::{EmissionKind, InFlight, RetransmitKind, Tcb};
use crate::time::{Nanos, Span, Ticks, Timer};

/// `tp->rack`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rack {
    /// When the segment that was sent last of all that have arrived was sent, and its end.
    latest: Option<(Nanos, Seq)>,
    /// A D-SACK may have widened the window up to SRTT (`reo_wnd_steps`).
    widened: bool,
}

/// A recovery, or what a timeout has begun (`TCP_CA_Recovery`, `TCP_CA_Loss`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// It lasts until this is acknowledged (`high_seq`).
    pub until: Seq,
    /// The retransmission timer began it: it ends sooner if that is found needless (`tcp_try_undo_loss`).
    pub by_timeout: bool,
    /// An answer to data that went only once would still show that the timeout was needless (`tp->frto`; RFC 5682).
    pub frto: bool,
}

impl InFlight {
    /// Whether a segment that ends here and was sent then overtakes this one (`tcp_skb_sent_after`).
    fn is_behind(&self, (sent_at, end): (Nanos, Seq)) -> bool {
        sent_at > self.sent_at || sent_at == self.sent_at && end.after(self.end)
    }
}

/// Notes which segments the blocks tell of, and returns those they had not told of before.
pub(crate) fn note_blocks(t: &mut Tcb, segment: &Segment) -> Vec<InFlight> {
    if !t.agreed.sack {
        return Vec::new();
    }
    let nxt = t.snd_nxt;
    let blocks = segment.options.sack.iter().flatten();
    let valid = |left: Seq, right: Seq| left.after(segment.ack) && right.at_most(nxt);
    let mut news = Vec::new();
    for block in blocks.filter(|block| valid(block.left, block.right)) {
        for sent in t.flight.iter_mut().filter(|sent| !sent.sacked) {
            if block.left.at_most(sent.seq) && sent.end.at_most(block.right) {
                sent.sacked = true;
                news.push(*sent);
            }
        }
    }
    news.sort_by(|a, b| a.seq.since(b.seq).cmp(&0));
    news
}

/// What has arrived moves RACK on (`tcp_rack_advance`); what arrived sooner than anything before may be the original of a retransmission.
pub(crate) fn advance(w: &mut Work<'_>, arrived: &[InFlight]) {
    for sent in arrived {
        let rtt_us = w.at.since(Span::at(sent.sent_at)).hi / 1000;
        let ambiguous = sent.again && w.t.rtt.least.is_some_and(|least| rtt_us < least.0);
        let later =
            w.t.rack
                .latest
                .is_none_or(|(sent_at, end)| sent.sent_at > sent_at || sent.sent_at == sent_at && sent.end.after(end));
        if later && !ambiguous {
            w.t.rack.latest = Some((sent.sent_at, sent.end));
        }
    }
}

/// A D-SACK arrived (`tcp_dsack_seen`).
pub(crate) fn widen(t: &mut Tcb) {
    t.rack.widened = true;
}

/// The segments that were overtaken and are not known to be lost.
fn overtaken(t: &Tcb) -> impl Iterator<Item = &InFlight> {
    let latest = t.rack.latest;
    t.flight
        .iter()
        .filter(move |sent| !sent.sacked && !sent.lost && latest.is_some_and(|latest| sent.is_behind(latest)))
}

/// What was overtaken goes again at once, or when the window for reordering is over (`tcp_rack_mark_lost`). True if a timer waits for it.
pub(crate) fn await_reordered(w: &mut Work<'_>) -> bool {
    const TIMEOUT_MIN_US: u64 = 2_000;
    let Some((latest, _)) = w.t.rack.latest else { return false };
    if overtaken(&w.t).next().is_none() {
        return false;
    }
    let window_us = reordering_window_us(&w.t);
    // The stamps that count are taken before ours.
    let waits = overtaken(&w.t).any(|sent| latest.saturating_sub(sent.sent_at + w.p.processing_ns) / 1000 < window_us);
    let at_once = Span::new(w.at.lo, w.at.hi + w.p.processing_ns);
    let timer = if waits {
        let delta = w.p.ticks_of_us(window_us + TIMEOUT_MIN_US).min(w.t.rtt.rto.hi);
        let last = w.timer(Ticks { lo: 0, hi: delta });
        Timer { asked: Span::new(last.asked.lo, last.asked.hi), due: Span::new(w.at.lo, last.due.hi) }
    } else {
        Timer { asked: at_once, due: at_once }
    };
    w.t.retransmit = Some((RetransmitKind::Reordering, timer));
    true
}

/// The largest that the window may be (`tcp_rack_reo_wnd`), microseconds.
fn reordering_window_us(t: &Tcb) -> u64 {
    let Some(srtt8) = t.rtt.srtt8 else { return 0 };
    let srtt = srtt8.1 >> 3;
    match t.rtt.least {
        Some(least) if !t.rack.widened => srtt.min(least.1 / 4 + 1),
        Some(_) | None => srtt,
    }
}

/// The window for reordering is over (`tcp_rack_reo_timeout`).
pub(crate) fn reordering_timeout(mut w: Work<'_>) -> Work<'_> {
    let is_first = w.t.recovery.is_none() && w.t.flight.iter().all(|sent| !sent.again && !sent.lost);
    let latest = w.t.rack.latest;
    let first = overtaken(&w.t).next().copied();
    for sent in w.t.flight.iter_mut().filter(|sent| !sent.sacked) {
        sent.lost |= latest.is_some_and(|latest| sent.is_behind(latest));
    }
    let (at, p) = (w.at, w.p);
    w.t.retransmit = emit::remaining_rto(&w.t, at, p).map(|timer| (RetransmitKind::Timeout, timer));
    let Some(first) = first else { return w };
    if w.t.recovery.is_none() {
        w.t.recovery = Some(Recovery { until: w.t.snd_nxt, by_timeout: false, frto: false });
    }
    // Behind a closed window only the oldest goes again (`__tcp_retransmit_skb`).
    let in_window = first.seq == w.t.snd_una || first.seq.before(w.t.snd_una + w.t.snd_wnd);
    if is_first && in_window {
        w.owe(EmissionKind::Retransmit, &rules::REORDERING);
    }
    w
}

/// Of what a timeout took for lost, some has arrived that went only once: it was needless (`tcp_process_loss`, step 3.b of F-RTO).
pub(crate) fn undo_needless(w: &mut Work<'_>, told: &[InFlight]) {
    let Some(recovery) = w.t.recovery.filter(|recovery| recovery.frto) else { return };
    if told.iter().any(|sent| !sent.again && sent.end.at_most(recovery.until)) {
        w.fired(&rules::NEEDLESS_TIMEOUT);
        w.t.retransmits = 0;
        w.t.recovery = None;
        w.t.flight.iter_mut().for_each(|sent| sent.lost = false);
    } else if !told.is_empty() && w.t.snd_nxt.after(recovery.until) {
        w.t.recovery = Some(Recovery { frto: false, ..recovery });
    }
}

/// Whether the recovery is over (`tcp_fastretrans_alert`, `tcp_try_keep_open`), where SND.UNA has `advanced`.
pub(crate) fn settle(t: &mut Tcb, advanced: bool) {
    if let Some(recovery) = t.recovery.as_mut().filter(|_| advanced) {
        // Where there is nothing new to send, F-RTO has nothing to learn.
        recovery.frto &= t.write_seq.after(t.snd_nxt) && (t.snd_una + t.snd_wnd).after(t.snd_nxt);
    }
    if t.recovery.is_some_and(|recovery| !t.snd_una.before(recovery.until)) {
        t.recovery = None;
    }
    if t.flight.is_empty()
        || t.agreed.sack
            && t.recovery.is_none()
            && t.flight.iter().all(|sent| !sent.sacked && !sent.lost && !sent.again)
    {
        t.recovering = false;
        t.recovery = None;
    }
}
