//! The out-of-order queue (Linux `tcp_data_queue_ofo`, `tcp_ofo_queue`).
//!
//! Owns which ranges wait behind a gap, and what a filled gap gives up. Refuses to know how segments are acknowledged.

use alloc::vec;
use alloc::vec::Vec;

use crate::rule::rules;
use crate::segment::{Flags, SackBlock, Segment, Seq};
use crate::step::Work;
use crate::text::deliver;

/// The out-of-order queue gives up what has become in order (`tcp_ofo_queue`); true when a FIN came out.
pub(crate) fn drain(w: &mut Work<'_>) -> bool {
    let received = w.t.rcv_nxt;
    while let Some(&(left, right, fin)) = w.t.out_of_order.first() {
        if left.after(w.t.rcv_nxt) {
            break;
        }
        w.t.out_of_order.remove(0);
        if left.before(received) && w.t.agreed.sack && w.p.dsack {
            w.t.dsack = Some(SackBlock { left, right: if right.before(received) { right } else { received } });
        }
        if right.at_most(w.t.rcv_nxt) {
            // Received in the meantime, and so is its FIN's number.
            continue;
        }
        let fresh = right.since(w.t.rcv_nxt) as u32 - u32::from(fin);
        w.t.rcv_nxt = right;
        deliver(w, fresh);
        if fin {
            return true;
        }
    }
    false
}

/// Puts a range into the out-of-order queue and merges what touches.
pub(crate) fn insert(w: &mut Work<'_>, segment: &Segment) {
    let queue = &mut w.t.out_of_order;
    queue.push((segment.seq, segment.end(), segment.has(Flags::FIN)));
    queue.sort_by(|a, b| a.0.since(b.0).cmp(&0));
    let mut merged: Vec<(Seq, Seq, bool)> = Vec::new();
    let mut behind_fin = false;
    for &(left, right, fin) in queue.iter() {
        behind_fin = merged.last().is_some_and(|last| left.at_most(last.1) && (behind_fin || last.2));
        match merged.last_mut() {
            // What begins behind a FIN stays apart, segment by segment: it may be lost, or be one with the FIN's segment.
            Some(last) if left.at_most(last.1) && !(behind_fin && left == last.1) => {
                // A FIN whose number other data has taken is gone with its segment (`tcp_data_queue_ofo`).
                last.2 = if right.after(last.1) { fin } else { last.2 && (right.before(last.1) || fin) };
                last.1 = last.1.max(right);
            }
            Some(_) | None => merged.push((left, right, fin)),
        }
    }
    *queue = merged;
}

/// What came behind a FIN's number is dropped when the FIN is taken, unless memory made it one with the FIN's segment
/// (`tcp_try_coalesce`): then the FIN ends it all. Both are kept until it shows.
pub(crate) fn with_the_fin_joined(w: Work<'_>) -> Vec<Work<'_>> {
    let [(left, mut end, true), ..] = w.t.out_of_order[..] else { return vec![w] };
    let in_order = left.at_most(w.t.rcv_nxt);
    let mut done = vec![w.clone()];
    let mut joined = w;
    while in_order && joined.t.out_of_order.get(1).is_some_and(|(behind, ..)| *behind == end) {
        let (_, right, _) = joined.t.out_of_order.remove(1);
        if done.len() == 1 {
            joined.fired(&rules::FIN_JOINED);
            joined.t.user.left_out += 1;
        }
        joined.t.out_of_order[0].1 = right;
        end = right;
        done.push(joined.clone());
    }
    done
}
