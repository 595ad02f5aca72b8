//! Calls on a listener, and on what was one (RFC 9293 sections 3.10.1 and 3.10.4; Linux `inet_csk_accept`, `inet_csk_listen_stop`,
//! `inet_shutdown`, `__inet_listen_sk`).
//!
//! Owns what becomes of the connections that nobody has accepted. Refuses to know those that somebody has: they have sockets of their own.

use alloc::vec;
use alloc::vec::Vec;

use crate::another::{Listener, port_is_taken};
use crate::call::{Call, CallResult, Errno, Poll, Queue, ShutdownHow};
use crate::former;
use crate::rule::rules;
use crate::socket_options;
use crate::state::State;
use crate::step::Work;
use crate::tcb::{EmissionKind, Tcb};

const OK: CallResult = CallResult::Value(0);

/// A call takes effect.
pub(crate) fn call(mut w: Work<'_>, call: Call) -> Vec<Work<'_>> {
    match call {
        Call::Listen { backlog } => vec![listen(w, backlog)],
        Call::Accept => vec![accept(w)],
        Call::Connect => vec![w.returns(CallResult::Error(Errno::ISCONN))],
        // `sk_stream_wait_connect`
        Call::Send { .. } => {
            w.fired(&rules::CALL_SEND_CLOSED);
            vec![w.returns(CallResult::Error(Errno::PIPE))]
        }
        // `tcp_recvmsg_locked`
        Call::Receive { .. } if !w.t.user.listening && w.t.listener.read_shut => vec![w.returns(OK)],
        Call::Receive { .. } => vec![w.returns(CallResult::Error(Errno::NOTCONN))],
        Call::Shutdown(how) => vec![shutdown(w, how)],
        Call::Close | Call::Exit if w.t.listener.descriptors > 1 => {
            w.t.listener.descriptors -= 1;
            w.fired(&rules::CLOSE_SHARED);
            vec![w.returns(OK)]
        }
        Call::Close | Call::Exit => {
            w.t.listener.descriptors = 0;
            vec![close(w)]
        }
        Call::Dup => {
            w.t.listener.descriptors += 1;
            vec![w]
        }
        Call::SetOption(option) => vec![socket_options::set_on_listener(w, option)],
        Call::GetOption(option) => {
            let value = socket_options::get_of_listener(&w, option);
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

/// `listen()`: of one that listens already it sets the length of the queue.
fn listen(mut w: Work<'_>, backlog: u32) -> Work<'_> {
    w.fired(&rules::CALL_LISTEN);
    if w.t.user.listening {
        w.t.listener.backlog = backlog;
        return w.returns(OK);
    }
    if w.t.listener.descriptors > 0 {
        // `inet_csk_listen_start` asks for the port once more.
        if port_is_taken(&w.t, w.t.listener.options.reuse_addr) {
            return w.returns(CallResult::Error(Errno::ADDRINUSE));
        }
        w.t.listener.backlog = backlog;
    } else {
        w.t.listener = Listener::new(backlog, w.t.user.options);
        w.t.user.descriptors = 0;
    }
    w.t.user.listening = true;
    if w.t.state == State::Closed && !w.t.user.owned {
        w.t.enter(State::Listen);
    }
    w.returns(OK)
}

/// `accept()`: the connection that has waited longest gets its first descriptor.
fn accept(mut w: Work<'_>) -> Work<'_> {
    if !w.t.user.listening {
        return w.returns(CallResult::Error(Errno::INVAL));
    }
    let claimable = w.t.claimable();
    let queued = w.t.formers.iter_mut().find(|former| !former.user.owned).map(|former| &mut former.user);
    let Some(user) = queued.or(claimable.then_some(&mut w.t.user)) else {
        return w.returns(CallResult::Error(Errno::AGAIN));
    };
    user.owned = true;
    user.connect_reported = true;
    user.descriptors = 1;
    // The descriptor's number is the process's affair.
    w
}

/// `shutdown()`: of one that listens no more it is noted, and refused.
fn shutdown(mut w: Work<'_>, how: ShutdownHow) -> Work<'_> {
    w.fired(&rules::SHUTDOWN_LISTEN);
    let reading = matches!(how, ShutdownHow::Read | ShutdownHow::Both);
    if !w.t.user.listening {
        w.t.listener.read_shut |= reading;
        return w.returns(CallResult::Error(Errno::NOTCONN));
    }
    if !reading {
        return w.returns(OK);
    }
    w.t.listener.read_shut = false;
    w.t.listener.numbers += 2;
    close(w)
}

/// LISTEN ends; a connection that nobody accepted is reset (`inet_csk_listen_stop`).
fn close(mut w: Work<'_>) -> Work<'_> {
    w.fired(&rules::CLOSE_LISTEN);
    let listened = core::mem::take(&mut w.t.user.listening);
    former::forget_queued(&mut w.t);
    if w.t.user.owned || !listened {
        return w.returns(OK);
    }
    match w.t.state {
        State::Listen => w.t.enter(State::Closed),
        State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait | State::Closing | State::LastAck => {
            // `inet_child_forget`, `tcp_disconnect`
            let kind = EmissionKind::Reset { seq: w.t.acceptable_seq(), ack: Some(w.t.rcv_nxt), active: true };
            w.owe(kind, &rules::CLOSE_LISTEN);
            w.t.delete();
        }
        // The request stays until its timer or a segment finds the listener gone (`reqsk_timer_handler`, `tcp_v4_rcv`).
        State::SynReceived | State::SynSent | State::TimeWait | State::Closed => {}
    }
    w.returns(OK)
}

/// `tcp_poll`: what listens no more is neither connected nor listening (`tcp_disconnect`).
fn poll(t: &Tcb) -> Poll {
    if t.user.listening {
        let waits = t.claimable() || former::queued(t) > 0;
        return if waits { Poll::IN } else { Poll::default() };
    }
    let shut = if t.listener.read_shut { Poll::IN.0 | Poll::RDHUP.0 } else { 0 };
    Poll(Poll::OUT.0 | Poll::HUP.0 | shut)
}

/// `tcp_ioctl`
fn queue_length(t: &Tcb, which: Queue) -> CallResult {
    match which {
        Queue::Receive | Queue::Send if t.user.listening => CallResult::Error(Errno::INVAL),
        Queue::Receive => CallResult::Value(0),
        Queue::Send => CallResult::Value(t.listener.numbers.into()),
    }
}
