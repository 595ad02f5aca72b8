//! `poll` without waiting, with every event that Linux reports.
//!
//! nix drops the whole answer when it holds a bit that it has no name for, and POLLRDHUP is one. Follows poll(2).

#![expect(unsafe_code, reason = "poll takes a pointer to its descriptors")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use tcpconform_model::Poll;

/// The events of POLLIN, POLLOUT, POLLRDHUP, POLLERR and POLLHUP that are ready on `socket`.
pub(crate) fn ready_events(socket: BorrowedFd<'_>) -> io::Result<Poll> {
    let events = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
    let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 };
    // SAFETY: one initialised pollfd, whose descriptor is borrowed for the length of the call; no waiting.
    let outcome = unsafe { libc::poll(&raw mut polled, 1, 0) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(Poll(polled.revents as u16)) }
}
