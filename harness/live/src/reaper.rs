//! Closes descriptors where nobody waits for it.
//!
//! Owns the threads that do. close() of a packet socket waits 8-20 ms for an RCU grace period (packet_release(),
//! synchronize_net()); grace periods are shared, so many threads close many sockets in about the same time. They close several at
//! once: namespaces that end together are taken down together (cleanup_net()), the lists of the whole machine searched once.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Threads at most: 400 cases stopped at once are closed in a few grace periods.
const THREADS: usize = 64;
/// How many are gathered before any is closed.
const TOGETHER: usize = 16;
/// A closer calls close() and nothing else.
const STACK_BYTES: usize = 64 * 1024;

/// The threads that close.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    gathered: Vec<OwnedFd>,
    doomed: VecDeque<OwnedFd>,
    idle: usize,
    finished: bool,
}

impl Reaper {
    /// Closes a descriptor soon, and at the latest when the reaper goes.
    pub(crate) fn close(&self, descriptor: OwnedFd) {
        let mut queue = self.shared.lock();
        queue.gathered.push(descriptor);
        if queue.gathered.len() >= TOGETHER {
            self.close_gathered(queue);
        }
    }

    fn close_gathered(&self, mut queue: MutexGuard<'_, Queue>) {
        let gathered = std::mem::take(&mut queue.gathered);
        queue.doomed.extend(gathered);
        let short_of_hands = queue.doomed.len().saturating_sub(queue.idle);
        drop(queue);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..short_of_hands.min(THREADS - threads.len()) {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("closer".into()).stack_size(STACK_BYTES);
            // Without another thread those that are there get round to it, or process exit does.
            threads.extend(thread.spawn(move || shared.work()).ok());
        }
        self.shared.more.notify_all();
    }
}

impl Drop for Reaper {
    /// Waits until everything is closed: at process exit the kernel would close one after the other.
    fn drop(&mut self) {
        self.close_gathered(self.shared.lock());
        self.shared.lock().finished = true;
        self.shared.more.notify_all();
        for thread in self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            if let Some(descriptor) = queue.doomed.pop_front() {
                drop(queue);
                drop(descriptor);
                queue = self.lock();
            } else if queue.finished {
                return;
            } else {
                queue.idle += 1;
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reaper, TOGETHER};
    use std::io::Read;
    use std::os::fd::OwnedFd;

    #[test]
    fn descriptors_are_closed_together() {
        let reaper = Reaper::default();
        let (mut reader, writer) = std::io::pipe().unwrap();
        for _ in 1..TOGETHER {
            reaper.close(OwnedFd::from(writer.try_clone().unwrap()));
        }
        assert_eq!(reaper.shared.lock().gathered.len(), TOGETHER - 1);
        reaper.close(OwnedFd::from(writer));
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn everything_is_closed_when_the_reaper_is_gone() {
        let reaper = Reaper::default();
        let (mut reader, writer) = std::io::pipe().unwrap();
        for _ in 0..200 {
            reaper.close(OwnedFd::from(writer.try_clone().unwrap()));
        }
        reaper.close(OwnedFd::from(writer));
        drop(reaper);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }
}
