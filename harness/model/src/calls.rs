//! The user calls (RFC 9293 sections 3.10.1 to 3.10.6) as the sockets API of Linux offers them.
//!
//! Owns what each call does in each state and what it returns. Refuses to know descriptors' names and processes: it counts.

use alloc::vec;
use alloc::vec::Vec;

use crate::another::active_open;
use crate::call::{Call, CallResult, Errno, Poll, Queue, ShutdownHow};
use crate::counts::Counter;
use crate::emit;
use crate::listening;
use crate::rule::rules;
use crate::segment::Seq;
use crate::socket_options;
use crate::state::State;
use crate::step::Work;
use crate::tcb::{EmissionKind, Tcb, User};
use crate::time::Ticks;
use crate::timeouts;

const OK: CallResult = CallResult::Value(0);

/// A call on the connection's socket takes effect.
pub(crate) fn call(mut w: Work<'_>, call: Call) -> Vec<Work<'_>> {
    match call {
        Call::Listen { .. } | Call::Accept => listening::call(w, call),
        Call::Connect => vec![connect(w, true)],
        Call::Send { len, more } => vec![send(w, len, more)],
        Call::Receive { len, peek } => receive(w, len, peek),
        Call::Shutdown(how) => vec![shutdown(w, how)],
        Call::Close => close(w, true),
        Call::Exit => close(w, false),
        Call::Dup => {
            w.t.user.descriptors += 1;
            // The number of the new descriptor is the process's affair.
            vec![w]
        }
        Call::SetOption(option) => vec![socket_options::set(w, option)],
        Call::GetOption(option) => {
            let value = socket_options::get(&mut w, option);
            vec![w.returns(value)]
        }
        Call::Poll => {
            w.fired(&rules::POLL_EVENTS);
            let events = poll(&w.t);
            vec![w.returns(CallResult::Events(events))]
        }
        Call::Queue(which) => {
            w.fired(&rules::QUEUE_LENGTH);
            let length = queue_length(&w.t, which);
            vec![w.returns(length)]
        }
    }
}

/// `tcp_ioctl`
fn queue_length(t: &Tcb, which: Queue) -> CallResult {
    CallResult::Value(match t.socket_state() {
        State::SynSent | State::SynReceived => 0,
        State::Listen
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait
        | State::Closed => match which {
            // One for a FIN is left out of what there is.
            Queue::Receive => {
                let all = t.user.unread + t.user.fins;
                i64::from(t.before_urgent().unwrap_or(all.saturating_sub(t.user.eof.into())))
            }
            Queue::Send => i64::from(t.write_seq.since(t.snd_una)),
        },
    })
}

/// `connect()`: active OPEN; `bound` where the socket has its port already.
fn connect(mut w: Work<'_>, bound: bool) -> Work<'_> {
    if w.t.user.disconnecting {
        return w.returns(CallResult::Error(Errno::INVAL));
    }
    if w.t.user.connect_reported {
        // `SS_CONNECTED`, whatever has become of the connection.
        return w.returns(CallResult::Error(Errno::ISCONN));
    }
    match w.t.state {
        State::Closed if !w.t.user.owned => {
            w.t.user.owned = true;
            w.t.user.bound = bound;
            w.t.user.keeps_port = bound;
            active_open(w, bound)
        }
        State::SynSent | State::SynReceived => w.returns(CallResult::Error(Errno::ALREADY)),
        State::Listen => w.returns(CallResult::Error(Errno::ISCONN)),
        State::Closed if w.t.user.disconnected => {
            // The socket is as good as new (`tcp_disconnect`).
            w.t.user.disconnected = false;
            w.t.user.error = None;
            let Tcb { user, listener, neighbours, counts, formers, .. } = w.t;
            w.t = Tcb { user, listener, neighbours, counts, formers, ..Tcb::closed() };
            active_open(w, bound)
        }
        State::Closed => {
            let errno = w.t.user.error.take().unwrap_or(Errno::CONNABORTED);
            disconnect(&mut w.t);
            w.returns(CallResult::Error(errno))
        }
        State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait => {
            w.t.user.connect_reported = true;
            w.returns(OK)
        }
    }
}

/// `tcp_disconnect`: what was received is gone, and the numbers move on behind what the peer may take.
fn disconnect(t: &mut Tcb) {
    t.write_seq = t.write_seq + t.snd_wnd_max + 2;
    t.snd_wnd_max = 0;
    let user = &mut t.user;
    (user.read_shut, user.write_shut, user.eof, user.disconnected) = (false, false, false, true);
    (user.unread, user.fins, user.urgent) = (0, 0, None);
}

/// `connect()` of a socket without a port; `in_range` where the ephemeral range has the endpoint's own (`__inet_hash_connect`).
pub(crate) fn connect_ephemeral(mut w: Work<'_>, in_range: bool) -> Work<'_> {
    if !in_range && w.t.state == State::Closed && !w.t.user.owned {
        w.fired(&rules::CONNECT_TUPLE);
        return w.returns(CallResult::Error(Errno::ADDRNOTAVAIL));
    }
    connect(w, false)
}

/// SEND (section 3.10.2; `tcp_sendmsg_locked`).
fn send(mut w: Work<'_>, len: u32, more: bool) -> Work<'_> {
    match w.t.socket_state() {
        State::Established | State::CloseWait => {
            if let Some(errno) = w.t.user.error.take() {
                return w.returns(CallResult::Error(errno));
            }
            if w.t.user.write_shut {
                w.fired(&rules::CALL_SEND_CLOSED);
                return w.returns(CallResult::Error(Errno::PIPE));
            }
            w.fired(&rules::CALL_SEND);
            w.t.write_seq = w.t.write_seq + len;
            // For this once as if it were corked (`tcp_push`): full segments go.
            let cork = w.t.user.options.cork;
            w.t.user.options.cork |= more;
            emit::owe_transmission(&mut w);
            w.t.user.options.cork = cork;
            w.t.more = more;
            w.returns(CallResult::Value(i64::from(len)))
        }
        State::SynSent | State::SynReceived => {
            let errno = w.t.user.error.take().unwrap_or(Errno::AGAIN);
            w.returns(CallResult::Error(errno))
        }
        State::Listen
        | State::FinWait1
        | State::FinWait2
        | State::Closing
        | State::LastAck
        | State::TimeWait
        | State::Closed => {
            w.fired(&rules::CALL_SEND_CLOSED);
            let errno = w.t.user.error.take().unwrap_or(Errno::PIPE);
            w.returns(CallResult::Error(errno))
        }
    }
}

/// RECEIVE (section 3.10.3; `tcp_recvmsg_locked`).
fn receive(mut w: Work<'_>, len: u32, peek: bool) -> Vec<Work<'_>> {
    let urgent = w.t.before_urgent();
    // The urgent byte is no part of the stream: a read ends before it, and one that begins there passes it over.
    let passed = u32::from(urgent == Some(0));
    let taken = match urgent {
        Some(before) if before > 0 => before.min(len),
        Some(_) | None => (w.t.user.unread - passed).min(len),
    };
    if urgent.is_some() {
        w.fired(&rules::CALL_RECEIVE_URGENT);
    }
    // Also a look ahead begins behind it.
    w.t.user.left_out += passed;
    if passed > 0 && !peek {
        w.t.user.unread -= passed;
        w.t.user.urgent = None;
    }
    if taken > 0 {
        w.fired(&rules::CALL_RECEIVE);
        return taken_by(w, len, taken, peek).into_iter().map(|w| w.returns(CallResult::Value(taken.into()))).collect();
    }
    if w.t.user.eof {
        w.fired(&rules::CALL_RECEIVE);
        if !peek {
            w.t.user.fins = w.t.user.fins.saturating_sub(1);
        }
        return vec![w.returns(OK)];
    }
    if let Some(errno) = w.t.user.error.take() {
        w.fired(&rules::CALL_RECEIVE_ERROR);
        return vec![w.returns(CallResult::Error(errno))];
    }
    if w.t.user.read_shut {
        return vec![w.returns(OK)];
    }
    let errno = if w.t.socket_state() == State::Closed { Errno::NOTCONN } else { Errno::AGAIN };
    vec![w.returns(CallResult::Error(errno))]
}

/// A read of `len` takes so many bytes, and what it brings about (`tcp_cleanup_rbuf`).
fn taken_by(mut w: Work<'_>, len: u32, taken: u32, peek: bool) -> Vec<Work<'_>> {
    let unacknowledged = w.t.rcv_nxt.since(w.t.rcv_wup).max(0) as u32;
    let second_segment = w.t.acking.scheduled && unacknowledged > w.t.acking.rcv_mss;
    if second_segment || !peek && (w.t.acking.scheduled || !w.t.user.read_shut) {
        w.ack_permitted(&rules::ACK_ON_READ);
    }
    if peek {
        return vec![w];
    }
    w.t.user.unread -= taken;
    if w.t.user.unread > 0 || w.t.user.fins == 0 {
        return vec![w];
    }
    // The FIN is passed with the last byte where it is in its segment, which memory decides; otherwise a longer read comes to it.
    let mut passed = w.clone();
    passed.t.user.fins -= 1;
    if len > taken { vec![passed] } else { vec![passed, w] }
}

/// `shutdown()` (`inet_shutdown`).
fn shutdown(mut w: Work<'_>, how: ShutdownHow) -> Work<'_> {
    let (read, write) = match how {
        ShutdownHow::Read => (true, false),
        ShutdownHow::Write => (false, true),
        ShutdownHow::Both => (true, true),
    };
    // `SS_DISCONNECTING`: the OPEN that has not reported is not asked about again (`inet_shutdown`).
    w.t.user.disconnecting |= w.t.user.owned
        && !w.t.user.connect_reported
        && !w.t.user.disconnected
        && matches!(w.t.socket_state(), State::SynReceived | State::Closed);
    match w.t.socket_state() {
        State::Closed => {
            // It is noted all the same.
            w.t.user.read_shut |= read;
            w.t.user.write_shut |= write;
            return w.returns(CallResult::Error(Errno::NOTCONN));
        }
        State::SynSent => {
            // `tcp_disconnect`
            w.fired(&rules::CLOSE_SYN_SENT);
            w.fired(&rules::COUNT_ATTEMPT_GIVEN_UP);
            w.t.delete();
            disconnect(&mut w.t);
            w.t.user.error = Some(Errno::CONNRESET);
            return w.returns(OK);
        }
        State::Listen
        | State::SynReceived
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait => {}
    }
    if w.t.state != State::SynReceived {
        // `inet_shutdown` finds the OPEN ended well, if `connect` has not.
        w.t.user.connect_reported = true;
    }
    w.t.user.read_shut |= read;
    w.t.user.write_shut |= write;
    if write && w.t.state == State::SynReceived {
        w.fired(&rules::SHUTDOWN_SYN_RECEIVED);
    } else if write {
        w.fired(&rules::SHUTDOWN_WRITE);
        queue_fin(&mut w);
    } else {
        w.fired(&rules::SHUTDOWN_READ);
    }
    w.returns(OK)
}

/// The FIN goes behind all data, and the state moves on (`tcp_close_state`, `tcp_send_fin`).
pub(crate) fn queue_fin(w: &mut Work<'_>) {
    let next = match w.t.state {
        State::SynReceived | State::Established => State::FinWait1,
        State::CloseWait => State::LastAck,
        State::Listen
        | State::SynSent
        | State::FinWait1
        | State::FinWait2
        | State::Closing
        | State::LastAck
        | State::TimeWait
        | State::Closed => return,
    };
    w.t.enter(next);
    w.t.write_seq = w.t.write_seq + 1;
    w.t.fin_queued = true;
    w.fired(&rules::CLOSE_FIN);
    emit::owe_transmission(w);
}

/// `close()` of one descriptor; `lingers` is false when a process exits (CLOSE of section 3.10.4; `__tcp_close`).
fn close(mut w: Work<'_>, lingers: bool) -> Vec<Work<'_>> {
    if w.t.user.descriptors > 1 {
        w.t.user.descriptors -= 1;
        w.fired(&rules::CLOSE_SHARED);
        return vec![w.returns(OK)];
    }
    w.t.user.descriptors = 0;
    if w.t.is_mini() || w.t.state == State::Closed {
        w.t.user.orphan = true;
        return vec![w.returns(OK)];
    }
    // A FIN is what a further one is behind, and counts as unread (`__tcp_close`).
    let unread = w.t.user.unread > 0 || w.t.user.fins > 1;
    w.t.user.read_shut = true;
    w.t.user.write_shut = true;
    w.t.user.unread = 0;
    if w.t.state == State::SynSent {
        w.fired(&rules::CLOSE_SYN_SENT);
        w.fired(&rules::COUNT_ATTEMPT_GIVEN_UP);
        if w.t.user.options.linger_s == Some(0) {
            w.t.counts.add(Counter::AbortOnData);
        }
        w.t.delete();
        w.t.user.orphan = true;
        return vec![w.returns(OK)];
    }
    if unread || w.t.user.options.linger_s == Some(0) {
        let rule: crate::rule::RuleRef = if unread { &rules::CLOSE_UNREAD } else { &rules::CLOSE_LINGER_ZERO };
        // `tcp_need_reset`; with the FIN still unsent in CLOSING and LAST-ACK too.
        let resets = unread
            || matches!(
                w.t.state,
                State::Established | State::CloseWait | State::FinWait1 | State::FinWait2 | State::SynReceived
            )
            || matches!(w.t.state, State::Closing | State::LastAck) && !w.t.fin_sent();
        let kind = EmissionKind::Reset { seq: w.t.acceptable_seq(), ack: Some(w.t.rcv_nxt), active: true };
        if resets {
            w.owe(kind, rule);
        }
        w.t.counts.add(if unread { Counter::AbortOnClose } else { Counter::AbortOnData });
        w.t.delete();
        w.t.user.orphan = true;
        return vec![w.returns(OK)];
    }
    queue_fin(&mut w);
    if let Some(seconds) = w.t.user.options.linger_s.filter(|_| lingers && close_waits_in(w.t.state)) {
        let timeout = w.timer(Ticks::exactly(w.p.ticks_of_s(u64::from(seconds))));
        w.t.user.closing_until = Some(timeout.due.plus(0, w.p.scheduling_ns));
        return vec![w];
    }
    timeouts::orphan(w).into_iter().map(|w| w.returns(OK)).collect()
}

/// Whether a lingering `close` waits in this state (`sk_stream_closing`): it returns when the state is left, by the ACK of the
/// FIN as by a RST or a timeout, or when its time is over.
pub(crate) const fn close_waits_in(state: State) -> bool {
    matches!(state, State::FinWait1 | State::Closing | State::LastAck)
}

/// `tcp_poll`
pub(crate) fn poll(t: &Tcb) -> Poll {
    let u: &User = &t.user;
    let state = t.socket_state();
    let mut events = 0;
    if u.read_shut && u.write_shut || state == State::Closed {
        events |= Poll::HUP.0;
    }
    if u.read_shut {
        events |= Poll::IN.0 | Poll::RDHUP.0;
    }
    if !matches!(state, State::SynSent | State::SynReceived) {
        // `tcp_stream_is_readable`: the urgent byte alone is nothing to read.
        if u.unread > u32::from(t.before_urgent() == Some(0)) {
            events |= Poll::IN.0;
        }
        events |= Poll::OUT.0;
    }
    if u.error.is_some() {
        events |= Poll::ERR.0;
    }
    Poll(events)
}

/// Sequence numbers start where the first segment says.
pub(crate) fn opened(t: &mut Tcb, iss: Seq) {
    t.iss = Some(iss);
    t.snd_una = iss;
    t.snd_nxt = iss + 1;
    t.write_seq = iss + 1;
}
