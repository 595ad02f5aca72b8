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

/// As many cases as the limit of open descriptors allows; who plays on a kernel has raised it already.
pub fn most() -> usize {
    let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    (descriptors.saturating_sub(DESCRIPTORS_ASIDE) / DESCRIPTORS_PER_CASE).clamp(1, CASES_MAX)
}

/// As many cases may set up, tear down or do their steps at the same time; the others wait, or wait to begin.
pub fn most_active() -> usize {
    ACTIVE_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from)
}
