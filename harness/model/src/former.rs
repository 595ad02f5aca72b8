//! The sockets of earlier connections on the four-tuple: a descriptor outlives its connection, and so does a place in the accept queue.
//!
//! Owns what stays of a connection when another takes its place, and on whose socket a call is made. Refuses to know what a call does: for a
//! socket whose connection is gone it is the same as ever (RFC 9293 section 3.10, CLOSED; Linux `tcp_done`, `inet_csk_accept`).

use alloc::vec::Vec;

use crate::call::Call;
use crate::step::Work;
use crate::tcb::{Tcb, User};
use crate::{calls, listening};

/// The connection makes room for the next one: its socket stays if somebody has it, or may still get it from `accept`.
pub(crate) fn leave(t: &mut Tcb) {
    if !t.user.owned && !t.claimable() {
        return;
    }
    let mut acking = t.acking;
    acking.scheduled = false;
    let user = User { listening: false, closing_until: None, ..t.user };
    let former = Tcb {
        user,
        acking,
        rcv_nxt: t.rcv_nxt,
        write_seq: t.write_seq,
        snd_una: t.snd_una,
        snd_nxt: t.snd_nxt,
        snd_wnd_max: t.snd_wnd_max,
        ..Tcb::closed()
    };
    t.formers.push(former);
}

/// How many of them wait to be handed out: a reset takes no connection out of the queue.
pub(crate) fn queued(t: &Tcb) -> u32 {
    t.formers.iter().filter(|former| !former.user.owned).count() as u32
}

/// Whether one of them was handed out.
pub(crate) fn any_handed_out(t: &Tcb) -> bool {
    t.formers.iter().any(|former| former.user.owned)
}

/// The listener is gone, and with it what nobody accepted.
pub(crate) fn forget_queued(t: &mut Tcb) {
    t.formers.retain(|former| former.user.owned);
}

/// A call on the latest socket that the user was given; on the listener where there was none.
pub(crate) fn call_latest(w: Work<'_>, call: Call) -> Vec<Work<'_>> {
    let latest = w.t.formers.iter().filter(|former| former.user.owned).count();
    if w.t.user.owned || latest == 0 && w.t.listener.descriptors == 0 {
        calls::call(w, call)
    } else if latest == 0 {
        listening::call(w, call)
    } else {
        call_nth(w, latest as u32, call)
    }
}

/// A call on the socket that was the `nth` that the user was given, counted from 1.
pub(crate) fn call_nth(mut w: Work<'_>, nth: u32, call: Call) -> Vec<Work<'_>> {
    let i = nth.saturating_sub(1) as usize;
    let Some(former) = w.t.formers.get_mut(i).map(|former| core::mem::replace(former, Tcb::closed())) else {
        return calls::call(w, call);
    };
    let Work { at, p, rules, result, .. } = w;
    let done = calls::call(Work { t: former, at, p, rules, result }, call);
    let current = w.t;
    let put_back = |mut done: Work<'_>| {
        let mut t = current.clone();
        t.counts = t.counts.plus(&core::mem::take(&mut done.t.counts));
        t.formers[i] = core::mem::replace(&mut done.t, Tcb::closed());
        Work { t, at, p, rules: done.rules, result: done.result }
    };
    done.into_iter().map(put_back).collect()
}
