//! What other threads have seen for a case: calls that returned in the background, and state changes.
//!
//! Owns the queue and the eventfd that wakes the case. Refuses to know what it carries.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tcpconform_engine::play::Seen;

/// A case's mailbox. The event is set while something is in the queue, and changed under its lock.
#[derive(Debug)]
pub(crate) struct Mailbox {
    queue: Mutex<Vec<Seen>>,
    event: EventFd,
}

impl Mailbox {
    pub(crate) fn new() -> nix::Result<Mailbox> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Mailbox { queue: Mutex::new(Vec::new()), event })
    }

    /// Puts something in and wakes the case.
    pub(crate) fn post(&self, seen: Seen) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(seen);
        let _ = self.event.write(1);
    }

    /// Takes everything out.
    pub(crate) fn take(&self) -> Vec<Seen> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.is_empty() {
            let _ = self.event.read();
        }
        std::mem::take(&mut queue)
    }
}

impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
