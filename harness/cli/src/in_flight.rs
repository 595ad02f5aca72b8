//! How many cases can be in flight at once on this machine.

use nix::sys::resource::{Resource, getrlimit};

/// More at once would be late for one another on a small machine.
const CASES_MAX: usize = 1024;
/// Descriptors of a case with two kernels and a router: namespaces, sockets, captures, and what waits for being closed.
const DESCRIPTORS_PER_CASE: usize = 24;
/// Descriptors of everything else.
const DESCRIPTORS_ASIDE: usize = 64;
/// Cases that do something else than to wait, on each core.
const ACTIVE_PER_CORE: usize = 4;

/// Memory of a case with two kernels and a router, most of it the kernel's for namespaces and buffers, bytes.
const MEMORY_PER_CASE: u64 = 768 << 10;

/// As many cases as the limit of open descriptors and the free memory allow; who plays on a kernel has raised the former already.
pub fn most() -> usize {
    by_descriptors().min(by_memory()).max(1)
}

fn by_memory() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    // A kernel that does not say it leaves it to the descriptors.
    kilobytes.map_or(usize::MAX, |kilobytes| usize::try_from((kilobytes << 10) / MEMORY_PER_CASE).unwrap_or(usize::MAX))
}

fn by_descriptors() -> usize {
    let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    (descriptors.saturating_sub(DESCRIPTORS_ASIDE) / DESCRIPTORS_PER_CASE).clamp(1, CASES_MAX)
}

/// As many cases may set up, tear down or do their steps at the same time; the others wait, or wait to begin.
pub fn most_active() -> usize {
    ACTIVE_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from)
}
