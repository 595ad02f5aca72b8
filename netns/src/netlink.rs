//! rtnetlink by hand: requests with attributes, sent as one batch, each answered by an acknowledgement.
//!
//! Owns the message layout of netlink(7) and rtnetlink(7). Refuses to know what the requests mean.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send, socket,
};

use crate::error::NetnsError;

const HEADER: usize = 16;

/// An rtnetlink socket of the namespace it was opened in.
#[derive(Debug)]
pub(crate) struct RouteSocket {
    descriptor: OwnedFd,
}

/// A request under construction.
#[derive(Debug)]
pub(crate) struct Request {
    what: String,
    tolerated: Option<Errno>,
    bytes: Vec<u8>,
}

impl Request {
    /// Starts a request of this message type, `NLM_F_REQUEST | NLM_F_ACK` and the further flags; `what` names it in errors.
    pub(crate) fn new(what: impl Into<String>, kind: u16, flags: i32) -> Request {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        let flags = (flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Request { what: what.into(), tolerated: None, bytes }
    }

    /// The request may be answered by this errno.
    pub(crate) fn tolerate(mut self, errno: Errno) -> Request {
        self.tolerated = Some(errno);
        self
    }

    /// Appends the fixed part of a message, or anything else as it is.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Request {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends an attribute.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Request {
        self.bytes.extend_from_slice(&((4 + value.len()) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Appends an attribute that holds what `inside` appends.
    pub(crate) fn nested(mut self, kind: u16, inside: impl FnOnce(Request) -> Request) -> Request {
        let start = self.bytes.len();
        self = inside(self.attribute(kind, &[]));
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

impl RouteSocket {
    /// Opens the socket in the calling thread's namespace.
    pub(crate) fn open() -> Result<RouteSocket, NetnsError> {
        let descriptor =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
                .map_err(NetnsError::system("socket(AF_NETLINK, NETLINK_ROUTE)"))?;
        connect(descriptor.as_raw_fd(), &NetlinkAddr::new(0, 0))
            .map_err(NetnsError::system("connect(NETLINK_ROUTE)"))?;
        Ok(RouteSocket { descriptor })
    }

    /// Sends the requests in one message and waits for the kernel's answer to each; the kernel works on them inside send(2).
    ///
    /// The first refusal is the error; later requests were tried all the same.
    pub(crate) fn ask(&self, mut requests: Vec<Request>) -> Result<(), NetnsError> {
        let mut batch = Vec::new();
        for (sequence, request) in requests.iter_mut().enumerate() {
            let length = request.bytes.len() as u32;
            request.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
            request.bytes[8..12].copy_from_slice(&(sequence as u32).to_ne_bytes());
            batch.extend_from_slice(&request.bytes);
        }
        send(self.descriptor.as_raw_fd(), &batch, MsgFlags::empty())
            .map_err(NetnsError::system("send(NETLINK_ROUTE)"))?;

        let mut refusal = None;
        let mut answered = 0;
        let mut buffer = [0; 8192];
        while answered < requests.len() {
            let length = match recv(self.descriptor.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(NetnsError::system("recv(NETLINK_ROUTE)"))?,
            };
            for (sequence, errno) in answers(&buffer[..length]) {
                answered += 1;
                let Some(request) = requests.get(sequence as usize) else { continue };
                if errno != Errno::UnknownErrno && request.tolerated != Some(errno) && refusal.is_none() {
                    refusal = Some(NetnsError::Netlink { request: request.what.clone(), errno });
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Sequence number and errno (`UnknownErrno`, 0, for success) of each `NLMSG_ERROR` in the buffer.
fn answers(buffer: &[u8]) -> impl Iterator<Item = (u32, Errno)> {
    messages(buffer)
        .filter(|message| i32::from(message.kind) == libc::NLMSG_ERROR)
        .filter_map(|message| Some((message.sequence, Errno::from_raw(-(number(message.body.get(..4)?) as i32)))))
}

/// A message in a buffer.
struct Message<'a> {
    kind: u16,
    sequence: u32,
    body: &'a [u8],
}

fn messages(mut buffer: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header = buffer.get(..HEADER)?;
        let length = number(&header[0..4]) as usize;
        let body = buffer.get(HEADER..length)?;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let message = Message { kind, sequence: number(&header[8..12]), body };
        buffer = &buffer[length.next_multiple_of(4).min(buffer.len())..];
        Some(message)
    })
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes.try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn attributes_are_padded_and_nested_lengths_filled_in() {
        let request = Request::new("test", 16, 0).nested(5, |r| r.attribute(1, &[7]));
        assert_eq!(request.bytes[16..], [12, 0, 5, 0, 5, 0, 1, 0, 7, 0, 0, 0]);
    }
}
