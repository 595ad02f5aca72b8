//! The user's wish to stop, seen by every case at once.
//!
//! Owns a flag and an eventfd that stays readable once the flag is up. Refuses to know signals.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Whether to stop.
#[derive(Debug)]
pub(crate) struct Stop {
    wished: AtomicBool,
    event: EventFd,
}

impl Stop {
    pub(crate) fn new() -> nix::Result<Stop> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Stop { wished: AtomicBool::new(false), event })
    }

    /// From now on every waiting case returns.
    pub(crate) fn request(&self) {
        self.wished.store(true, Ordering::Release);
        // Nobody reads it, so it stays readable for all; a full counter is readable too.
        let _ = self.event.write(1);
    }

    /// Whether that was requested.
    pub(crate) fn requested(&self) -> bool {
        self.wished.load(Ordering::Acquire)
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
