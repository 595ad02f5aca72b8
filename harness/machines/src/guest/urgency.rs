//! Which threads of a guest run first.
//!
//! Owns the scheduling policy of the calling thread (sched(7)). A guest has one processor and hundreds of cases in flight: what a
//! case does is not to be interrupted by another's set-up, nor by what is told to the host.
#![expect(unsafe_code, reason = "sched_setscheduler(2), for which no crate in use has a function")]

use std::fs;
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
    set(0, policy, priority)
}

/// Lets the kernel's own thread for softirqs run before all others. Kernels before 6.5 leave packets to it once it has been woken
/// (`ksoftirqd_running`), and behind urgent threads it would never run.
pub(crate) fn softirqs_first() -> io::Result<()> {
    for process in fs::read_dir("/proc")?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if fs::read_to_string(process.path().join("comm")).is_ok_and(|name| name.starts_with("ksoftirqd/")) {
            set(id, libc::SCHED_FIFO, 3)?;
        }
    }
    Ok(())
}

/// 0 is the calling thread.
fn set(thread: libc::pid_t, policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameter is valid for the time of the call, which changes nothing else.
    match unsafe { libc::sched_setscheduler(thread, policy, &raw const parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
