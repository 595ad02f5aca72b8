//! `sock_diag`: what the kernel says of one connection, TIME-WAIT and orphans included.
//!
//! Owns the request for an exact four-tuple and its answer. Refuses to know what the answer should have been. Follows
//! sock_diag(7), include/uapi/linux/inet_diag.h and net/ipv4/inet_diag.c; written out because the packages that exist drop the
//! expiry of TIME-WAIT.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send, socket,
};
use tcpconform_engine::trace::{TimerKind, TimerSample};
use tcpconform_model::State;

use crate::kernel_state::kernel_state;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NETLINK_HEADER: usize = 16;
/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
const REQUEST: usize = 72;
/// `struct inet_diag_msg`.
const ANSWER: usize = 72;

/// A sock_diag socket of one namespace.
#[derive(Debug)]
pub(crate) struct DiagSocket {
    descriptor: OwnedFd,
}

/// What the kernel says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// The state; of a mini-socket in TIME-WAIT its substate, which is FIN-WAIT-2 or TIME-WAIT.
    pub(crate) state: State,
    /// The pending timer.
    pub(crate) timer: Option<TimerSample>,
    /// Bytes in the receive queue; on a listener, connections to accept.
    pub(crate) receive_queue: Option<u32>,
    /// Bytes not acknowledged; on a listener, the backlog.
    pub(crate) send_queue: Option<u32>,
}

impl DiagSocket {
    /// Opens the socket in the calling thread's namespace.
    pub(crate) fn open() -> nix::Result<DiagSocket> {
        let descriptor =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag)?;
        connect(descriptor.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(DiagSocket { descriptor })
    }

    /// Looks the connection up; `None` when there is none.
    ///
    /// Without such a connection the kernel goes on to look for a listener on the local port (inet_lookup() in
    /// inet_diag_find_one_icsk()), so `LISTEN` may be the answer to a question about a connection that is gone.
    pub(crate) fn look_up(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Diagnosis>> {
        match self.ask(SOCK_DIAG_BY_FAMILY, 0, local, remote)? {
            Answer::Socket(diagnosis) => Ok(Some(diagnosis)),
            Answer::Error(Errno::ENOENT) => Ok(None),
            Answer::Error(errno) => Err(errno.into()),
        }
    }

    /// Makes the kernel forget the connection, orphans included, if it was built with CONFIG_INET_DIAG_DESTROY.
    pub(crate) fn destroy(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<()> {
        match self.ask(SOCK_DESTROY, libc::NLM_F_ACK as u16, local, remote)? {
            Answer::Socket(_) | Answer::Error(Errno::UnknownErrno | Errno::ENOENT) => Ok(()),
            Answer::Error(errno) => Err(errno.into()),
        }
    }

    fn ask(&self, kind: u16, flags: u16, local: SocketAddr, remote: SocketAddr) -> io::Result<Answer> {
        send(self.descriptor.as_raw_fd(), &request(kind, flags, local, remote), MsgFlags::empty())?;
        let mut buffer = [0; 1024];
        let length = loop {
            match recv(self.descriptor.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                other => break other?,
            }
        };
        parse(&buffer[..length]).ok_or_else(|| io::Error::other("sock_diag: an answer of unknown form"))
    }
}

enum Answer {
    Socket(Diagnosis),
    /// `UnknownErrno`, 0, acknowledges.
    Error(Errno),
}

/// [`REQUEST`] bytes.
fn request(kind: u16, flags: u16, local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut bytes = Vec::with_capacity(REQUEST);
    bytes.resize(NETLINK_HEADER, 0);
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
    bytes.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    for address in [local.ip(), remote.ip()] {
        bytes.extend(sixteen_bytes(address));
    }
    bytes.extend(0u32.to_ne_bytes());
    // INET_DIAG_NOCOOKIE
    bytes.extend([0xff; 8]);
    let length = bytes.len() as u32;
    bytes[0..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

fn sixteen_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn parse(message: &[u8]) -> Option<Answer> {
    let word = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
    let kind = u16::from_ne_bytes([*message.get(4)?, *message.get(5)?]);
    if i32::from(kind) == libc::NLMSG_ERROR {
        return Some(Answer::Error(Errno::from_raw(-(word(NETLINK_HEADER)? as i32))));
    }
    if kind != SOCK_DIAG_BY_FAMILY || message.len() < NETLINK_HEADER + ANSWER {
        return None;
    }
    let [_, state, timer, retransmits] = message[NETLINK_HEADER..NETLINK_HEADER + 4] else { return None };
    let expires_ms = word(NETLINK_HEADER + 52)?;
    let kind = match timer {
        1 => Some(TimerKind::Retransmit),
        2 => Some(TimerKind::Keepalive),
        3 => Some(TimerKind::TimeWait),
        4 => Some(TimerKind::Probe),
        0 | 5.. => None,
    };
    Some(Answer::Socket(Diagnosis {
        state: kernel_state(state)?,
        timer: kind.map(|kind| TimerSample { kind, expires_ms, retransmits }),
        receive_queue: Some(word(NETLINK_HEADER + 56)?),
        send_queue: Some(word(NETLINK_HEADER + 60)?),
    }))
}

#[cfg(test)]
mod tests {
    use super::{Answer, parse, request};
    use tcpconform_engine::trace::{TimerKind, TimerSample};
    use tcpconform_model::State;

    #[test]
    fn a_request_names_the_four_tuple_in_network_order() {
        let bytes = request(20, 0, "10.0.0.1:258".parse().unwrap(), "10.0.0.2:772".parse().unwrap());
        assert_eq!(bytes.len(), super::REQUEST);
        assert_eq!(bytes[24..28], [1, 2, 3, 4]);
        assert_eq!(bytes[28..32], [10, 0, 0, 1]);
        assert_eq!(bytes[44..48], [10, 0, 0, 2]);
    }

    #[test]
    fn an_answer_tells_state_and_timer() {
        let mut bytes = vec![0; 88];
        bytes[4] = 20;
        bytes[17..20].copy_from_slice(&[6, 3, 1]);
        bytes[68..72].copy_from_slice(&60_000u32.to_ne_bytes());
        let Some(Answer::Socket(diagnosis)) = parse(&bytes) else { panic!("not an answer") };
        assert_eq!(diagnosis.state, State::TimeWait);
        let expected = TimerSample { kind: TimerKind::TimeWait, expires_ms: 60_000, retransmits: 1 };
        assert_eq!(diagnosis.timer, Some(expected));
    }
}
