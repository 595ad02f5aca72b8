//! What makes a machine slow: threads that keep the cores busy, and memory that nobody else can have.
//!
//! Owns both for as long as the values live. Refuses to know what is played meanwhile.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::exit::Refusal;

/// Taken at a time, bytes.
const PIECE: usize = 16 << 20;

/// A thread on each core that does nothing else than to be busy.
pub struct Burning {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Burning {
    /// Starts them.
    pub fn all_cores() -> Burning {
        let stop = Arc::new(AtomicBool::new(false));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let burn = || {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..cores).map(|_| burn()).collect();
        Burning { stop, threads }
    }
}

impl Drop for Burning {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Memory that is held.
pub struct Ballast {
    _pieces: Vec<Vec<u8>>,
}

impl Ballast {
    /// Takes memory until only so many bytes are available.
    ///
    /// Where that was too much after all, the kernel is asked to end this process and no other.
    pub fn leave(bytes: u64) -> Result<Ballast, Refusal> {
        let refuse = |what: String| Refusal::could_not_run(what, Some("leave --memory out"));
        fs::write("/proc/self/oom_score_adj", "1000")
            .map_err(|error| refuse(format!("/proc/self/oom_score_adj: {error}")))?;
        let mut pieces = Vec::new();
        loop {
            let available =
                available().ok_or_else(|| refuse("this kernel does not say what memory is available".into()))?;
            if available < bytes + PIECE as u64 {
                return Ok(Ballast { _pieces: pieces });
            }
            // Pages of zeroes would not be there before they are written to.
            pieces.push(vec![0xa5; PIECE]);
        }
    }
}

/// Bytes that can be had without swapping (proc_meminfo(5)).
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_left_where_nothing_is_to_be_taken() {
        let before = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        let held = Ballast::leave(u64::MAX >> 1).unwrap();
        assert!(held._pieces.is_empty());
        // As it was: other tests run in this process.
        let _ = fs::write("/proc/self/oom_score_adj", before);
    }
}
