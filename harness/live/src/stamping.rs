//! The kernel's stamping of packets, switched on before anything is captured.
//!
//! Owns one socket that asks for stamps as long as cases are played. The kernel stamps only while somebody asks, and switches over in
//! deferred work (net_enable_timestamp()): what came before that would be stamped when it is read, behind its own effects. Refuses to know captures.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg};

use crate::clock::realtime_ns;
use crate::socket_option;

/// How long the kernel may take to switch over; a processor that is busy with other things takes milliseconds.
const LIMIT: Duration = Duration::from_secs(5);
/// A packet that is stamped when it is read has a stamp at least this much later than its sending.
const LATER_MS: u16 = 2;

/// As long as it lives, packets are stamped when they arrive and leave.
#[derive(Debug)]
pub(crate) struct Stamping {
    _socket: UdpSocket,
}

impl Stamping {
    /// Switches it on, in the calling thread's namespace, and sees that it works.
    pub(crate) fn start() -> io::Result<Stamping> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(socket.local_addr()?)?;
        socket_option::set_int(socket.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            socket.send(b"stamp")?;
            let sent = realtime_ns();
            // Nothing comes here: the time passes.
            poll(&mut [PollFd::new(socket.as_fd(), PollFlags::empty())], PollTimeout::from(LATER_MS))?;
            if stamp(&socket)?.is_some_and(|stamp| stamp <= sent) {
                return Ok(Stamping { _socket: socket });
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel does not stamp packets"))
    }
}

/// The stamp of the next packet, nanoseconds since 1970.
fn stamp(socket: &UdpSocket) -> io::Result<Option<u64>> {
    let mut bytes = [0; 8];
    let mut control = nix::cmsg_space!(libc::timespec);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let stamp = message.cmsgs()?.find_map(|control| {
        let ControlMessageOwned::ScmTimestampns(time) = control else { return None };
        Some(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
    });
    Ok(stamp)
}
