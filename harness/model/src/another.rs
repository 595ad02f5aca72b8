//! Another socket of the same host on the same address: bind(), listen() and connect() beside a connection, and over TIME-WAIT.
//!
//! Owns who may have the port and the four-tuple (Linux `inet_csk_get_port`, `__inet_hash_connect`, `tcp_twsk_unique`; RFC 9293
//! section 3.6.1, RFC 6191). Refuses to know what happens on a connection.

use alloc::vec;
use alloc::vec::Vec;

use crate::call::{CallResult, Errno};
use crate::counts::Counter;
use crate::former;
use crate::profile::TimeWaitReuse;
use crate::rule::rules;
use crate::segment::Seq;
use crate::state::State;
use crate::step::Work;
use crate::tcb::{EmissionKind, SocketOptions, Tcb, User};

const OK: CallResult = CallResult::Value(0);

/// A socket that is not connected and does not listen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Another {
    /// It has the endpoint's address and port.
    pub bound: bool,
    /// `SO_REUSEADDR`
    pub reuse_addr: bool,
}

/// A call on such a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnotherCall {
    /// `socket()`
    Open,
    /// `bind()` to the endpoint's own address.
    Bind,
    /// `SO_REUSEADDR`
    ReuseAddr(bool),
    /// `listen()`
    Listen {
        /// Length of the accept queue.
        backlog: u32,
    },
    /// `connect()` to the peer.
    Connect {
        /// For a socket without a port: whether the ephemeral range has the endpoint's own port.
        in_range: bool,
    },
    /// `close()`
    Close,
}

/// A call takes effect.
pub(crate) fn call(mut w: Work<'_>, call: AnotherCall) -> Vec<Work<'_>> {
    let mut socket = w.t.another.unwrap_or_default();
    match call {
        AnotherCall::Open => w.t.another = Some(Another::default()),
        AnotherCall::ReuseAddr(on) => {
            socket.reuse_addr = on;
            w.t.another = Some(socket);
        }
        AnotherCall::Close => w.t.another = None,
        AnotherCall::Bind => {
            w.fired(&rules::BIND);
            if port_is_taken(&w.t, socket.reuse_addr) {
                return vec![w.returns(CallResult::Error(Errno::ADDRINUSE))];
            }
            socket.bound = true;
            w.t.another = Some(socket);
        }
        AnotherCall::Listen { backlog } => {
            w.fired(&rules::CALL_LISTEN);
            // `inet_csk_listen_start` asks for the port once more.
            if port_is_taken(&w.t, socket.reuse_addr) {
                return vec![w.returns(CallResult::Error(Errno::ADDRINUSE))];
            }
            w.t.another = None;
            w.t.user.listening = true;
            let options = SocketOptions { reuse_addr: socket.reuse_addr, ..SocketOptions::NONE };
            w.t.listener = Listener::new(backlog, options);
            if w.t.state == State::Closed {
                w.t.state = State::Listen;
            }
        }
        AnotherCall::Connect { in_range } => return connect(w, socket, in_range),
    }
    // The number of a new descriptor is the process's affair.
    vec![if call == AnotherCall::Open { w } else { w.returns(OK) }]
}

/// The ports of an ephemeral range that `connect` tries: of an odd number of them, unless it is one, never the last
/// (`__inet_hash_connect` goes through the even and the odd ports of a range that it makes even).
pub fn ephemeral_ports(first: u16, last: u16) -> core::ops::RangeInclusive<u16> {
    let even = (last - first) % 2 == 1 || first == last;
    first..=if even { last } else { last - 1 }
}

/// What is known of the host's listener on the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Length of its accept queue.
    pub backlog: u32,
    /// Its open descriptors, over all processes.
    pub descriptors: u32,
    /// What its connections begin with (`sk_clone`).
    pub options: SocketOptions,
    /// Its connections begin in interactive mode: `TCP_QUICKACK` was set to 0.
    pub interactive: bool,
    /// `RCV_SHUTDOWN`, of one that listens no more.
    pub read_shut: bool,
    /// How far the numbers of one that listened have gone on (`tcp_disconnect`).
    pub numbers: u32,
}

impl Listener {
    /// There is none.
    pub(crate) const NONE: Listener = Listener { descriptors: 0, ..Listener::new(0, SocketOptions::NONE) };

    /// One with this queue and these options.
    pub(crate) const fn new(backlog: u32, options: SocketOptions) -> Listener {
        Listener { backlog, descriptors: 1, options, interactive: false, read_shut: false, numbers: 0 }
    }
}

/// Whether a socket on the port keeps another from it (`inet_bind_conflict`): both must have SO_REUSEADDR, and none may listen.
pub(crate) fn port_is_taken(t: &Tcb, reuse_addr: bool) -> bool {
    let held = match t.state {
        State::Closed => t.user.keeps_port && t.user.descriptors > 0,
        // A request socket has no port of its own.
        State::Listen | State::SynReceived => t.user.owned,
        State::SynSent
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck
        | State::TimeWait => true,
    };
    let left = t.formers.iter().any(|former| former.user.keeps_port && former.user.descriptors > 0);
    t.user.listening || (held || left) && !(reuse_addr && t.user.options.reuse_addr)
}

/// `connect()`: the four-tuple must be free, or in a TIME-WAIT that may be taken over.
fn connect<'p>(mut w: Work<'p>, socket: Another, in_range: bool) -> Vec<Work<'p>> {
    w.fired(&rules::CONNECT_TUPLE);
    let refused = |w: Work<'p>| {
        let mut w = w;
        if socket.bound {
            // `tcp_v4_connect` sets the state first, and sets it back.
            w.t.transitions.push((State::Closed, State::SynSent));
            w.t.transitions.push((State::SynSent, State::Closed));
        }
        w.returns(CallResult::Error(Errno::ADDRNOTAVAIL))
    };
    let free = w.t.state == State::Closed || w.t.state == State::Listen;
    if !socket.bound && (!in_range || !free && w.t.user.bound) {
        // `__inet_hash_connect` passes by a port that was bound by name.
        return vec![refused(w)];
    }
    if free {
        return vec![open(w, socket, None)];
    }
    if !w.t.is_mini() || w.t.ts_recent == 0 {
        return vec![refused(w)];
    }
    if socket.bound {
        // `tcp_twsk_unique` without a place for the old socket: the timestamps alone decide.
        return vec![take_over(w, socket)];
    }
    let Some(entered) = w.t.time_wait_since.filter(|_| w.t.state == State::TimeWait) else {
        return connect_in_fin_wait_2(w, socket, refused);
    };
    let waited = w.at.since(entered);
    let (certainly, possibly) = match w.p.tw_reuse {
        TimeWaitReuse::Never => (false, false),
        TimeWaitReuse::After { ms } => {
            let delay = u64::from(ms) * 1_000_000;
            // Both ends of the wait are cut to milliseconds.
            (waited.lo >= delay + 2_000_000, waited.hi >= delay)
        }
        // Two readings of a clock that counts seconds.
        TimeWaitReuse::NextSecond => (waited.lo >= 1_000_000_000, waited.hi > 0),
    };
    match (certainly, possibly) {
        (true, _) => vec![take_over(w, socket)],
        (false, true) => vec![take_over(w.clone(), socket), refused(w)],
        (false, false) => vec![refused(w)],
    }
}

/// The old connection is in FIN-WAIT-2. Which of the two a kernel does is its own: both are kept until it shows.
fn connect_in_fin_wait_2<'p>(
    mut w: Work<'p>,
    socket: Another,
    refused: impl Fn(Work<'p>) -> Work<'p>,
) -> Vec<Work<'p>> {
    // A second must have begun since the last segment that was taken.
    let waited = w.at.since(w.t.heard_at);
    let mut new = w.clone();
    if waited.lo >= 1_000_000_000 && w.p.tw_reuse != TimeWaitReuse::Never {
        new.fired(&rules::FIN_WAIT_2_REFUSED);
    }
    let mut done = vec![refused(new)];
    // Kernels with `tcp_tw_reuse_delay` refuse.
    if w.p.tw_reuse == TimeWaitReuse::NextSecond && waited.hi > 0 {
        w.fired(&rules::FIN_WAIT_2_REUSED);
        done.push(take_over(w, socket));
    }
    done
}

/// The new connection begins beyond the old one's numbers, with its TS.Recent.
fn take_over(mut w: Work<'_>, socket: Another) -> Work<'_> {
    w.fired(&rules::TIME_WAIT_REUSE);
    w.t.counts.add(Counter::TimeWaitRecycled);
    let beyond = w.t.snd_nxt + 65_537;
    let iss = if beyond == Seq(0) { Seq(1) } else { beyond };
    let ts_recent = w.t.ts_recent;
    let mut w = open(w, socket, Some(iss));
    w.t.ts_recent = ts_recent;
    w
}

/// Active OPEN with a fresh connection.
fn open(mut w: Work<'_>, socket: Another, iss: Option<Seq>) -> Work<'_> {
    let user = User {
        owned: true,
        bound: socket.bound,
        keeps_port: socket.bound,
        options: SocketOptions { reuse_addr: socket.reuse_addr, ..SocketOptions::NONE },
        listening: w.t.user.listening,
        ..User::new()
    };
    former::leave(&mut w.t);
    let Tcb { listener, neighbours, counts, formers, .. } = w.t;
    w.t = Tcb { user, iss, listener, neighbours, counts, formers, ..Tcb::closed() };
    active_open(w, socket.bound)
}

/// `connect()` sends the SYN; where the kernel finds the port, it reports the change of state before the port is known.
pub(crate) fn active_open(mut w: Work<'_>, bound: bool) -> Work<'_> {
    w.t.enter(State::SynSent);
    if !bound {
        w.t.transitions.clear();
    }
    w.t.rtt = crate::opening::fresh_rtt(&w);
    w.t.counts.add(Counter::ActiveOpens);
    w.owe(EmissionKind::Syn, &rules::CALL_OPEN);
    w.returns(CallResult::Error(Errno::INPROGRESS))
}
