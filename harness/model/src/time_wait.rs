//! SEGMENT ARRIVES at a mini-socket: TIME-WAIT, and FIN-WAIT-2 of an orphan (RFC 9293 section 3.10.7.4, RFC 1337, RFC 6191; Linux
//! `tcp_timewait_state_process`).
//!
//! Owns every answer of a connection that has no socket any more. Refuses to know full sockets.

use crate::arrives::old_timestamp;
use crate::opening::{accept_syn, reset_reply};
use crate::rule::{RuleRef, rules};
use crate::segment::{Flags, Segment};
use crate::state::State;
use crate::step::{Limited, Work};
use crate::tcb::{AckBy, EmissionKind};
use crate::time::Ticks;

/// A segment arrives.
pub(crate) fn arrives<'p>(mut w: Work<'p>, segment: &Segment) -> Work<'p> {
    let paws_reject = old_timestamp(&w, segment, 0);
    if w.t.state == State::FinWait2 {
        fin_wait_2(&mut w, segment, paws_reject);
    } else {
        time_wait(&mut w, segment, paws_reject);
    }
    w
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
    let newer = segment.options.timestamps.is_some_and(|ts| {
        w.t.agreed.timestamps && w.t.ts_recent != 0 && (w.t.ts_recent.wrapping_sub(ts.val) as i32) < 0
    });
    let opening = segment.has(Flags::SYN) && !rst && !segment.has(Flags::ACK);
    if opening && !paws_reject && (segment.seq.after(nxt) || newer) {
        if w.t.user.listening {
            // `tcp_timewait_state_process`: the new ISN lies beyond the old connection's largest window.
            let iss = w.t.snd_nxt + 65_537;
            accept_syn(w, segment, Some(iss));
            w.owe(EmissionKind::SynAck, &rules::TIME_WAIT_REOPEN);
        } else {
            let kind = ack(w);
            w.owe(kind, &rules::TIME_WAIT_SYN);
        }
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
