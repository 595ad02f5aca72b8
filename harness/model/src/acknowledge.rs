//! What an acceptable ACK does (RFC 9293 section 3.10.7.4, fifth check; Linux `tcp_ack`): the window, the flight, its timer and the
//! round-trip time.
//!
//! Owns what a segment acknowledges. Refuses to know which ACKs are acceptable, and what the state makes of an acknowledged FIN.

use alloc::vec::Vec;

use crate::emit;
use crate::rack::{self, await_reordered, note_blocks};
use crate::rule::rules;
use crate::segment::Segment;
use crate::step::Work;
use crate::tcb::{InFlight, RetransmitKind, scaled_window};
use crate::time::Span;

/// `tcp_may_update_window`
pub(crate) fn updates_window(w: &Work<'_>, segment: &Segment) -> bool {
    let wnd = scaled_window(segment, w.t.agreed.snd_scale);
    segment.ack.after(w.t.snd_una)
        || segment.seq.after(w.t.snd_wl1)
        || segment.seq == w.t.snd_wl1 && (wnd > w.t.snd_wnd || wnd == 0)
}

/// TS.Recent follows a segment at the left edge (RFC 7323 section 4.3; `tcp_replace_ts_recent`).
pub(crate) fn store_timestamp(w: &mut Work<'_>, segment: &Segment) {
    if let Some(ts) = segment.options.timestamps.filter(|_| w.t.agreed.timestamps)
        && segment.seq.at_most(w.t.rcv_wup)
        && (w.t.ts_recent.wrapping_sub(ts.val) as i32 <= 0 || w.t.ts_recent == 0)
    {
        w.t.ts_recent = ts.val;
    }
}

/// An acceptable ACK: window, RTT, the flight and its timer (`tcp_ack`).
pub(crate) fn acknowledge(w: &mut Work<'_>, segment: &Segment) {
    store_timestamp(w, segment);
    let advanced = segment.ack.after(w.t.snd_una);
    let updates = updates_window(w, segment);
    if updates {
        let wnd = scaled_window(segment, w.t.agreed.snd_scale);
        w.t.snd_wl1 = segment.seq;
        // The largest is looked for where the window changes (`tcp_ack_update_window`).
        if w.t.snd_wnd != wnd {
            w.t.snd_wnd = wnd;
            w.t.snd_wnd_max = w.t.snd_wnd_max.max(wnd);
        }
    }
    let was_recovering = w.t.recovering;
    let told = take_blocks(w, segment);
    let dubious = was_recovering || !told.is_empty();
    if w.t.user.soft_error.take().is_some() {
        w.fired(&rules::SOFT_ERROR_FORGOTTEN);
    }
    w.t.probes_out = 0;
    w.t.heard_at = w.at;
    let oldest =
        w.t.flight.iter().find(|sent| sent.end.after(segment.ack)).map(|sent| w.at.since(Span::at(sent.sent_at)));
    let sampled = take_rtt_sample(w, segment, &told);
    rack::advance(w, &told);
    let mut restarts = false;
    if advanced {
        w.fired(&rules::CHECK_ACK);
        w.t.bytes_acked += segment.ack.since(w.t.snd_una).max(0) as u64;
        w.t.retransmits = 0;
        w.t.snd_una = segment.ack;
        let outstanding = w.t.flight.len();
        let acknowledged: Vec<InFlight> =
            w.t.flight.iter().filter(|sent| !sent.end.after(segment.ack)).copied().collect();
        rack::advance(w, &acknowledged);
        w.t.flight.retain(|sent| sent.end.after(segment.ack));
        // Part of a segment acknowledged is none (`tcp_clean_rtx_queue`).
        restarts = w.t.flight.len() < outstanding;
        if let Some(first) = w.t.flight.first_mut()
            && first.seq.before(segment.ack)
        {
            first.seq = segment.ack;
        }
        let fewer = (outstanding - w.t.flight.len()) as u32;
        w.t.congestion.acknowledged(outstanding as u32, fewer);
        if w.t.flight.is_empty() {
            w.t.retransmitted_at = None;
        }
    } else if !w.t.agreed.sack && segment.is_empty() && !w.t.flight.is_empty() && segment.ack == w.t.snd_una {
        // A duplicate ACK counts where there is no SACK (`tcp_add_reno_sack`): three of them start a recovery.
        recover(w);
    }
    // What a block tells of was sent before the oldest went again.
    restarts |= !advanced && sampled.zip(oldest).is_some_and(|(rtt, age)| rtt.lo > age.hi);
    rack::settle(&mut w.t, advanced);
    let waits = w.t.agreed.sack && dubious && await_reordered(w);
    if restarts && !waits {
        emit::set_transmit_timer(w, true);
    }
    let repeated = !advanced && told.is_empty() && segment.is_empty() && !updates;
    settle_loss_probe(w, segment, repeated);
    if w.t.flight.is_empty() && w.t.retransmit.is_some_and(|(kind, _)| kind == RetransmitKind::WindowProbe) {
        // `tcp_ack_probe`: what is first goes, or the wait starts again.
        if emit::window_takes_next(&w.t) {
            w.t.backoff = 0;
            w.t.probing_since = None;
            w.t.retransmit = None;
        } else {
            let after = emit::window_probe_after(&w.t, w.at, w.p);
            w.t.retransmit = Some((RetransmitKind::WindowProbe, w.timer(after)));
        }
    }
    emit::owe_transmission(w);
}

/// What the blocks tell of, and whether something was lost (`tcp_sacktag_write_queue`).
fn take_blocks(w: &mut Work<'_>, segment: &Segment) -> Vec<InFlight> {
    let told = note_blocks(&mut w.t, segment);
    if segment.options.sack[0].is_some_and(|block| block.left.before(segment.ack)) {
        rack::widen(&mut w.t);
    }
    if !told.is_empty() {
        recover(w);
    }
    rack::undo_needless(w, &told);
    told
}

/// An old ACK acknowledges nothing, but its blocks count (`tcp_ack`, old_ack).
pub(crate) fn take_old_blocks(w: &mut Work<'_>, segment: &Segment) {
    let told = take_blocks(w, segment);
    rack::advance(w, &told);
    if !told.is_empty() {
        await_reordered(w);
    }
}

/// What an ACK tells of the tail loss probe (`tcp_process_tlp_ack`); `repeated` where it tells nothing else.
fn settle_loss_probe(w: &mut Work<'_>, segment: &Segment, repeated: bool) {
    let Some(probe) = w.t.loss_probe.filter(|probe| probe.end.at_most(segment.ack)) else { return };
    // Both the original and the probe have arrived.
    let received_twice = segment.options.sack[0].is_some_and(|block| block.right == probe.end);
    if !probe.again || received_twice || repeated {
        w.t.loss_probe = None;
    } else if segment.ack.after(probe.end) {
        // What was sent after the probe is acknowledged, and nothing was said of a duplicate: there was a loss.
        w.t.loss_probe = None;
        w.t.congestion.reduced(true);
    }
}

/// A recovery may begin (`tcp_fastretrans_alert`).
fn recover(w: &mut Work<'_>) {
    if !w.t.recovering {
        w.t.recovering = true;
        w.t.congestion.reduced(w.t.agreed.sack);
    }
}

/// The RTT of what this ACK covers or tells of: from the original transmission, or by TSecr if it was retransmitted (`tcp_ack_update_rtt`;
/// Karn; RFC 7323 section 4.2). Returns that of a block.
fn take_rtt_sample(w: &mut Work<'_>, segment: &Segment, told: &[InFlight]) -> Option<Span> {
    let since = |sent: &InFlight| sent.age(w.at);
    let mut acked = w.t.flight.iter().filter(|sent| sent.end.at_most(segment.ack)).peekable();
    let is_empty = acked.peek().is_none();
    let original = acked.clone().all(|sent| !sent.again);
    let first = acked.find(|sent| !sent.sacked).filter(|_| original).map(since);
    let by_block = told.iter().find(|sent| !sent.again).map(since);
    let by_echo = || if is_empty { None } else { rtt_by_echo(w, segment) };
    let rtt = first.or(by_block).or_else(by_echo);
    let (una, nxt) = (segment.ack, w.t.snd_nxt);
    if let Some(rtt) = rtt {
        w.t.rtt.sample(rtt, una, nxt, w.p);
        w.t.backoff = 0;
    }
    by_block
}

/// `tcp_rtt_tsopt_us`: now less TSecr on the timestamp clock of 1 ms.
pub(crate) fn rtt_by_echo(w: &Work<'_>, segment: &Segment) -> Option<Span> {
    const MS: u64 = 1_000_000;
    let ts = segment.options.timestamps.filter(|ts| w.t.agreed.timestamps && ts.ecr != 0)?;
    let (val, sent) = w.t.ts_sent?;
    let behind = i64::from(val.wrapping_sub(ts.ecr) as i32);
    let since = w.at.since(Span::at(sent));
    let at_least = (behind + (since.lo / MS) as i64 - 1).max(1) as u64;
    let at_most = behind + (since.hi / MS) as i64 + 1;
    if at_most < 0 {
        // What was never sent is no echo.
        return None;
    }
    let at_most = at_most.max(1) as u64;
    Some(Span::new(at_least * MS, at_most * MS))
}

/// The RTT of the SYN,ACK (`tcp_synack_rtt_meas`).
pub(crate) fn sample_rtt_of_open(w: &mut Work<'_>, segment: &Segment) {
    let rtt = match w.t.flight.first() {
        Some(sent) if !sent.again => Some(sent.age(w.at)),
        Some(_) | None => rtt_by_echo(w, segment),
    };
    w.t.rtt = crate::opening::fresh_rtt(w);
    match rtt {
        Some(rtt) => {
            let (una, nxt) = (segment.ack, w.t.snd_nxt);
            w.t.rtt.sample(rtt, una, nxt, w.p);
        }
        None => w.t.rtt.fall_back(w.p),
    }
}
