//! Which threads of a guest run first.
//!
//! Owns the scheduling policy of the calling thread (sched(7)). A guest has one processor and hundreds of cases in flight: what a
//! case does is not to be interrupted by another's set-up, nor by what is told to the host.
#![expect(unsafe_code, reason = "sched_setscheduler(2), for which no crate in use has a function")]

use std::io;

/// What a thread does, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It waits for what a case does, and takes it down at once; so do the threads and processes that it starts.
    Watching,
    /// It plays a case, and runs until it waits.
    Playing,
    /// Anything else.
    Ordinary,
}

/// Sets the urgency of the calling thread.
pub fn urgency(of_this_thread: Urgency) -> io::Result<()> {
    let (policy, priority) = match of_this_thread {
        Urgency::Watching => (libc::SCHED_FIFO, 2),
        Urgency::Playing => (libc::SCHED_FIFO, 1),
        Urgency::Ordinary => (libc::SCHED_OTHER, 0),
    };
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameter is valid for the time of the call, which is about this thread alone.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
