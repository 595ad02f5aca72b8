//! The user calls of RFC 9293 section 3.9.1, under the names that the sockets API gives them.

/// A call on a descriptor of the socket under test; `Open`, `Send`, `Receive`, `Close`, `Abort` and `Status` of the RFC.
///
/// The socket is never blocking, except that `Close` lingers when `SO_LINGER` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// `listen(backlog)`: passive OPEN.
    Listen {
        /// Length of the accept queue.
        backlog: u32,
    },
    /// `connect()` to the peer: active OPEN. Called again, it tells how the first call ended.
    Connect,
    /// `accept()` of one connection; it becomes the socket under test.
    Accept,
    /// `write(len)`, or `send(len, MSG_MORE)`: SEND.
    Send {
        /// Bytes offered.
        len: u32,
        /// `MSG_MORE`: more is to come, hold a partial segment.
        more: bool,
    },
    /// `read(len)`, or `recv(len, MSG_PEEK)`: RECEIVE.
    Receive {
        /// Bytes asked for.
        len: u32,
        /// `MSG_PEEK`: leave the data in the queue.
        peek: bool,
    },
    /// `shutdown(how)`.
    Shutdown(ShutdownHow),
    /// `close()` of one descriptor: CLOSE when it is the last.
    Close,
    /// `dup()`: one more descriptor of the same socket; also a child process that inherits one.
    Dup,
    /// A process that holds one descriptor exits or is killed: like `Close`, and never lingers.
    Exit,
    /// `setsockopt(option, value)`.
    SetOption(SocketOption),
    /// `getsockopt(option)`; the value in the call is not used.
    GetOption(SocketOption),
    /// `poll()` for everything, without waiting: STATUS.
    Poll,
    /// `ioctl(SIOCINQ)` or `ioctl(SIOCOUTQ)`: STATUS of a queue, bytes.
    Queue(Queue),
}

/// A queue that an `ioctl` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// `SIOCINQ`: in order and unread, without the FIN.
    Receive,
    /// `SIOCOUTQ`: sent or not, but not acknowledged, with the FIN.
    Send,
}

/// Which direction `shutdown` closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShutdownHow {
    /// `SHUT_RD`
    Read,
    /// `SHUT_WR`: the half close.
    Write,
    /// `SHUT_RDWR`
    Both,
}

/// A socket option and its value, in the kernel's own units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketOption {
    /// `SO_LINGER`, seconds; `None` is off.
    Linger(Option<u16>),
    /// `TCP_LINGER2`, seconds (tcp(7)).
    Linger2(i32),
    /// `TCP_NODELAY`
    NoDelay(bool),
    /// `TCP_QUICKACK`
    QuickAck(bool),
    /// `TCP_CORK`
    Cork(bool),
    /// `TCP_USER_TIMEOUT`, milliseconds.
    UserTimeout(i32),
    /// `SO_KEEPALIVE`
    KeepAlive(bool),
    /// `TCP_KEEPIDLE`, seconds.
    KeepIdle(u32),
    /// `TCP_KEEPINTVL`, seconds.
    KeepInterval(u32),
    /// `TCP_KEEPCNT`
    KeepCount(u32),
    /// `SO_REUSEADDR`
    ReuseAddr(bool),
    /// `SO_RCVBUF`, bytes; the kernel doubles it.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF`, bytes; the kernel doubles it.
    SendBuffer(u32),
    /// `IP_TTL`, on an IPv4 socket.
    TimeToLive(u8),
    /// `IPV6_UNICAST_HOPS`, on an IPv6 socket.
    UnicastHops(u8),
    /// `SO_ERROR`: read and cleared.
    Error,
}

/// What a call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallResult {
    /// Success: the count of bytes, the option's value, or 0.
    Value(i64),
    /// `poll`: the events that are ready.
    Events(Poll),
    /// -1 with this errno.
    Error(Errno),
}

/// The poll events of poll(2) that TCP raises, with the bit values of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Poll(pub u16);

impl Poll {
    /// There is data or an EOF to read, or a connection to accept.
    pub const IN: Poll = Poll(0x001);
    /// Writing does not block.
    pub const OUT: Poll = Poll(0x004);
    /// An error is pending.
    pub const ERR: Poll = Poll(0x008);
    /// Both directions are shut down.
    pub const HUP: Poll = Poll(0x010);
    /// The read direction is shut down.
    pub const RDHUP: Poll = Poll(0x2000);

    /// Each event with its name without `POLL`.
    pub const NAMES: [(Poll, &'static str); 5] =
        [(Poll::IN, "IN"), (Poll::OUT, "OUT"), (Poll::ERR, "ERR"), (Poll::HUP, "HUP"), (Poll::RDHUP, "RDHUP")];

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Poll) -> bool {
        self.0 & other.0 == other.0
    }
}

/// An errno value as Linux numbers it on x86-64 and arm64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub u16);

impl Errno {
    /// Each errno that a TCP socket can return, with its name.
    pub const NAMES: [(Errno, &'static str); 22] = [
        (Errno::MFILE, "EMFILE"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::PIPE, "EPIPE"),
        (Errno::CONNRESET, "ECONNRESET"),
        (Errno::CONNREFUSED, "ECONNREFUSED"),
        (Errno::CONNABORTED, "ECONNABORTED"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::NOTCONN, "ENOTCONN"),
        (Errno::ISCONN, "EISCONN"),
        (Errno::INPROGRESS, "EINPROGRESS"),
        (Errno::ALREADY, "EALREADY"),
        (Errno::ADDRINUSE, "EADDRINUSE"),
        (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (Errno::INVAL, "EINVAL"),
        (Errno::BADF, "EBADF"),
        (Errno::HOSTUNREACH, "EHOSTUNREACH"),
        (Errno::NETUNREACH, "ENETUNREACH"),
        (Errno::NOBUFS, "ENOBUFS"),
        (Errno::INTR, "EINTR"),
        (Errno::ACCES, "EACCES"),
        (Errno::PROTO, "EPROTO"),
        (Errno::NOPROTOOPT, "ENOPROTOOPT"),
    ];
    /// Nothing to read, or no room to write, now.
    pub const AGAIN: Errno = Errno(11);
    /// Writing on a closed write side.
    pub const PIPE: Errno = Errno(32);
    /// Reset by the peer.
    pub const CONNRESET: Errno = Errno(104);
    /// A RST answered the SYN.
    pub const CONNREFUSED: Errno = Errno(111);
    /// Aborted by ourselves.
    pub const CONNABORTED: Errno = Errno(103);
    /// Retransmissions, keepalive probes or the user timeout ran out.
    pub const TIMEDOUT: Errno = Errno(110);
    /// Not connected.
    pub const NOTCONN: Errno = Errno(107);
    /// Connected already.
    pub const ISCONN: Errno = Errno(106);
    /// The connection is being opened.
    pub const INPROGRESS: Errno = Errno(115);
    /// The connection is still being opened.
    pub const ALREADY: Errno = Errno(114);
    /// The address is taken.
    pub const ADDRINUSE: Errno = Errno(98);
    /// No such address, or no free port.
    pub const ADDRNOTAVAIL: Errno = Errno(99);
    /// The call does not fit the socket's state.
    pub const INVAL: Errno = Errno(22);
    /// No such descriptor.
    pub const BADF: Errno = Errno(9);
    /// No route to the host.
    pub const HOSTUNREACH: Errno = Errno(113);
    /// No route to the network.
    pub const NETUNREACH: Errno = Errno(101);
    /// The process has as many descriptors as it may have.
    pub const MFILE: Errno = Errno(24);
    /// No memory.
    pub const NOBUFS: Errno = Errno(105);
    /// A signal came first.
    pub const INTR: Errno = Errno(4);
    /// ICMPv6: administratively prohibited.
    pub const ACCES: Errno = Errno(13);
    /// ICMP: parameter problem.
    pub const PROTO: Errno = Errno(71);
    /// ICMP: the host has no TCP.
    pub const NOPROTOOPT: Errno = Errno(92);

    /// The name, as in `ECONNRESET`; `None` for a number outside [`Errno::NAMES`].
    pub fn name(self) -> Option<&'static str> {
        Errno::NAMES.iter().find(|(errno, _)| *errno == self).map(|(_, name)| *name)
    }
}
