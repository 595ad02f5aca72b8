//! SEGMENT ARRIVES at a mini-socket: TIME-WAIT, and FIN-WAIT-2 of an orphan (RFC 9293 section 3.10.7.4, RFC 1337, RFC 6191; Linux
//! `tcp_timewait_state_process`).
//!
//! Owns every answer of a connection that has no socket any more. Refuses to know full sockets.

use alloc::vec;
use alloc::vec::Vec;

use crate::arrives::old_timestamp;
use crate::opening::{accept_syn, accepts_syn, arrives_listen, reset_reply};
use crate::rule::{RuleRef, rules};
use crate::segment::{Flags, Segment, Seq};
use crate::state::State;
use crate::step::{Limited, Work};
use crate::tcb::{AckBy, EmissionKind};
use crate::time::{Span, Ticks};

/// A segment arrives.
pub(crate) fn arrives<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    if w.t.agreed.timestamps || w.t.ts_recent == 0 {
        return answered(w, segment);
    }
    // Whether a kernel has kept them is its own: both are kept until it shows.
    let mut forgotten = w.clone();
    forgotten.t.ts_recent = 0;
    forgotten.fired(&rules::TIME_WAIT_TIMESTAMPS_FORGOTTEN);
    w.fired(&rules::TIME_WAIT_TIMESTAMPS);
    let mut both = answered(w, segment);
    both.extend(answered(forgotten, segment));
    both
}

fn answered<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    let paws_reject = old_timestamp(&w, segment, 0);
    if w.t.state == State::FinWait2 {
        fin_wait_2(&mut w, segment, paws_reject);
    } else if opens(&w, segment, paws_reject) && w.t.user.listening {
        return reopen(w, segment);
    } else {
        time_wait(&mut w, segment, paws_reject);
    }
    vec![w]
}

/// Whether it is a SYN that may replace the connection in TIME-WAIT.
fn opens(w: &Work<'_>, segment: &Segment, paws_reject: bool) -> bool {
    let newer = segment.options.timestamps.is_some_and(|ts| {
        w.t.agreed.timestamps && w.t.ts_recent != 0 && (w.t.ts_recent.wrapping_sub(ts.val) as i32) < 0
    });
    let syn = segment.has(Flags::SYN) && !segment.has(Flags::RST) && !segment.has(Flags::ACK);
    syn && !paws_reject && (segment.seq.after(w.t.rcv_nxt) || newer)
}

/// A listener takes over. Which of the two numbers a kernel begins with is its own: both are kept until it shows.
fn reopen<'p>(mut w: Work<'p>, segment: &Segment) -> Vec<Work<'p>> {
    if !accepts_syn(&w, segment) {
        // The listener is asked once TIME-WAIT is over (`tcp_v4_rcv`).
        kill(&mut w);
        return vec![arrives_listen(w, segment)];
    }
    let mut by_clock = w.clone();
    let within = clock_since_opened(&w);
    let beyond = w.t.snd_nxt + 65_537;
    w.fired(&rules::TIME_WAIT_REOPEN_BEYOND);
    accept_syn(&mut w, segment, Some(beyond));
    by_clock.fired(&rules::TIME_WAIT_REOPEN_CLOCK);
    accept_syn(&mut by_clock, segment, None);
    by_clock.t.iss_within = within;
    let mut both = vec![w, by_clock];
    both.iter_mut().for_each(|w| w.owe(EmissionKind::SynAck, &rules::TIME_WAIT_REOPEN));
    both
}

/// Where the ISN clock stands for this four-tuple, which began at the ISS: it counts every 64 ns (`seq_scale`).
fn clock_since_opened(w: &Work<'_>) -> Option<(Seq, u32)> {
    const CLOCK_NS: u64 = 64;
    let (iss, opened) = w.t.iss.zip(w.t.opened_at)?;
    let blur = w.p.processing_ns;
    let gone = Span::new(w.at.lo, w.at.hi + blur).since(Span::new(opened.saturating_sub(blur), opened));
    let (lo, hi) = (gone.lo / CLOCK_NS, gone.hi / CLOCK_NS + 1);
    Some((iss + lo as u32, (hi - lo) as u32))
}

/// FIN-WAIT-2 without an owner.
fn fin_wait_2(w: &mut Work<'_>, segment: &Segment, paws_reject: bool) {
    let nxt = w.t.rcv_nxt;
    let window_end = nxt + w.t.rcv_wnd;
    let in_window = segment.seq == nxt
        || segment.end().after(nxt) && segment.seq.before(window_end)
        || segment.seq == window_end && segment.is_empty();
    if paws_reject || !in_window {
        limited_ack(w, segment, &rules::CHECK_SEQ);
        return;
    }
    if segment.has(Flags::RST) {
        w.fired(&rules::CHECK_RST_EXACT);
        kill(w);
        return;
    }
    if segment.has(Flags::SYN) && !segment.seq.before(nxt) {
        reset_reply(w, segment, &rules::FIN_WAIT_2_DATA);
        kill(w);
        return;
    }
    if !segment.has(Flags::ACK) || !segment.end().after(nxt) || segment.is_empty() {
        w.fired(&rules::CHECK_ACK);
        return;
    }
    if !segment.has(Flags::FIN) || segment.end() != nxt + 1 {
        reset_reply(w, segment, &rules::FIN_WAIT_2_DATA);
        kill(w);
        return;
    }
    w.t.state = State::TimeWait;
    w.t.rcv_nxt = segment.end();
    take_timestamp(w, segment);
    restart(w);
    w.t.time_wait_since = Some(w.at);
    let kind = ack(w);
    w.owe(kind, &rules::FIN_FIN_WAIT_2);
}

/// TIME-WAIT proper.
fn time_wait(w: &mut Work<'_>, segment: &Segment, paws_reject: bool) {
    let nxt = w.t.rcv_nxt;
    let rst = segment.has(Flags::RST);
    if !paws_reject && segment.seq == nxt && (segment.is_empty() || rst) {
        if rst {
            if !w.p.rfc1337 {
                w.fired(&rules::TIME_WAIT_RST);
                kill(w);
                return;
            }
            w.fired(&rules::TIME_WAIT_RFC1337);
        } else {
            w.fired(&rules::TIME_WAIT_SILENT);
            restart(w);
        }
        take_timestamp(w, segment);
        return;
    }
    if opens(w, segment, paws_reject) {
        let kind = ack(w);
        w.owe(kind, &rules::TIME_WAIT_SYN);
        return;
    }
    if rst {
        w.fired(&rules::TIME_WAIT_RST_IGNORED);
        return;
    }
    if paws_reject || segment.has(Flags::ACK) {
        restart(w);
    }
    let rule: RuleRef = if segment.has(Flags::SYN) {
        &rules::TIME_WAIT_SYN
    } else if segment.has(Flags::FIN) {
        &rules::TIME_WAIT_ACK
    } else {
        &rules::TIME_WAIT_OUT_OF_WINDOW
    };
    limited_ack(w, segment, rule);
}

/// An ACK, at most one in `tcp_invalid_ratelimit` unless the segment carries data or a FIN (`tcp_timewait_check_oow_rate_limit`).
fn limited_ack(w: &mut Work<'_>, segment: &Segment, rule: RuleRef) {
    let kind = ack(w);
    if w.t.rcv_wnd_full {
        w.fired(&rules::TIME_WAIT_WINDOW);
    }
    let limited = if segment.is_empty() || segment.has(Flags::SYN) { w.limited_ack() } else { Limited::Sent };
    match limited {
        Limited::Sent => w.owe(kind, rule),
        Limited::Unsure => w.permit(kind, rule),
        Limited::Silent => w.fired(rule),
    }
}

fn ack(w: &Work<'_>) -> EmissionKind {
    EmissionKind::Ack { seq: w.t.snd_nxt, ack: w.t.rcv_nxt, by: AckBy::TimeWait }
}

fn restart(w: &mut Work<'_>) {
    let length = Ticks::exactly(w.p.time_wait());
    w.t.time_wait = Some(w.timer(length));
    w.t.waits_shortly = Some(false);
}

fn kill(w: &mut Work<'_>) {
    w.t.time_wait = None;
    w.t.state = State::Closed;
}

fn take_timestamp(w: &mut Work<'_>, segment: &Segment) {
    if let Some(ts) = segment.options.timestamps.filter(|_| w.t.agreed.timestamps && w.t.ts_recent != 0) {
        w.t.ts_recent = ts.val;
    }
}
