//! How much is in a socket's queues: `ioctl` with SIOCINQ and SIOCOUTQ.
//!
//! libc knows the requests under the names that they share with terminals. Follows tcp(7).

#![expect(unsafe_code, reason = "ioctl takes a pointer to its answer")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use tcpconform_model::Queue;

/// The bytes in the queue.
pub(crate) fn queue_length(socket: BorrowedFd<'_>, queue: Queue) -> io::Result<i64> {
    let request = match queue {
        Queue::Receive => libc::FIONREAD,
        Queue::Send => libc::TIOCOUTQ,
    };
    let mut length: libc::c_int = 0;
    // SAFETY: both requests write one int, to which the pointer is valid.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut length) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(i64::from(length)) }
}
