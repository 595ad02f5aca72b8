//! What a connection may do next, in words.
//!
//! Owns how emissions and timers are written, in relative numbers. Refuses to know whether they are right.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::emit::unsent;
use crate::event::Timeout;
use crate::segment::Seq;
use crate::step::pending;
use crate::tcb::{EmissionKind, RetransmitKind, Tcb};
use crate::time::Nanos;

/// What may come next, in words: emissions with their windows, timers with theirs.
pub fn describe(t: &Tcb) -> Vec<String> {
    let seconds = |ns: Nanos| {
        if ns == Nanos::MAX {
            "later".to_string()
        } else {
            format!("+{}.{:06}", ns / 1_000_000_000, ns / 1_000 % 1_000_000)
        }
    };
    let mut lines: Vec<String> = t
        .owed
        .iter()
        .map(|owed| {
            let verb = if owed.must { "by" } else { "optionally, by" };
            format!("{} {verb} {}", kind_text(t, owed.kind), seconds(owed.due.hi))
        })
        .collect();
    for (timeout, due) in pending(t) {
        let what = match timeout {
            Timeout::Retransmit => match t.retransmit.map(|(kind, _)| kind) {
                Some(RetransmitKind::LossProbe) => "a tail loss probe",
                Some(RetransmitKind::WindowProbe) => "a window probe",
                Some(RetransmitKind::Reordering) => "the end of the reordering window",
                Some(RetransmitKind::Timeout) | None => "a retransmission",
            },
            Timeout::DelayedAck => "the delayed ACK",
            Timeout::Keepalive => "the keepalive timer",
            Timeout::TimeWait => "the end of the wait",
            Timeout::Linger => "the return of close()",
        };
        lines.push(format!("{what} between {} and {}", seconds(due.lo), seconds(due.hi)));
    }
    if lines.is_empty() {
        lines.push(format!("nothing from {}", t.state));
    }
    lines
}

/// A kind of segment in relative notation.
pub(crate) fn kind_text(t: &Tcb, kind: EmissionKind) -> String {
    let iss = t.iss.unwrap_or_default();
    let seq_of = |seq: Seq| seq.since(iss);
    let ack_of = |ack: Seq| ack.since(t.irs);
    match kind {
        EmissionKind::Syn => "S 0:0(0)".to_string(),
        EmissionKind::SynAck => "S. 0:0(0) ack 1".to_string(),
        EmissionKind::Ack { seq, ack, .. } => {
            format!(". {0}:{0}(0) ack {1}", seq_of(seq), ack_of(ack))
        }
        EmissionKind::Reset { seq, ack: None, .. } if t.iss.is_some() => format!("R {0}:{0}(0)", seq_of(seq)),
        EmissionKind::Reset { seq: _, ack: None, .. } => "R".to_string(),
        EmissionKind::Reset { seq, ack: Some(ack), active } => {
            if active {
                format!("R. {0}:{0}(0) ack {1}", seq_of(seq), ack_of(ack))
            } else {
                format!("R. ack {}", ack_of(ack))
            }
        }
        EmissionKind::Transmit => {
            let data = unsent(t) - u32::from(t.fin_queued && unsent(t) > 0);
            let flags = if t.fin_queued { "F." } else { "." };
            let from = seq_of(t.snd_nxt);
            format!("{flags} {from}:{}({data}) ack {}", i64::from(from) + i64::from(data), ack_of(t.rcv_nxt))
        }
        EmissionKind::Retransmit | EmissionKind::LossProbe => {
            let sent = if kind == EmissionKind::Retransmit {
                t.flight.iter().find(|sent| !sent.sacked)
            } else {
                t.flight.last()
            };
            match sent {
                Some(sent) => {
                    let fin = t.fin_queued && sent.end == t.write_seq;
                    let flags = if fin { "F." } else { "." };
                    let end = sent.end - u32::from(fin);
                    format!(
                        "{flags} {}:{}({}) ack {}",
                        seq_of(sent.seq),
                        seq_of(end),
                        end.since(sent.seq),
                        ack_of(t.rcv_nxt)
                    )
                }
                None => "a retransmission".to_string(),
            }
        }
        EmissionKind::Probe { seq } => format!(". {0}:{0}(0) ack {1}", seq_of(seq), ack_of(t.rcv_nxt)),
    }
}
