//! Sysctls of the whole machine, for as long as one case is played.
//!
//! Owns writing them and putting the old values back. Refuses to know what they do, but for one thing: what `tcp_max_orphans` is
//! held against is the machine's too, and must be none of an earlier play.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tcpconform_engine::play::TargetError;

const SOCKSTAT: &str = "/proc/net/sockstat";
/// An orphan that gets no answer is given up within two minutes (`tcp_orphan_retries`).
const LAST_ORPHAN: Duration = Duration::from_secs(150);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Old values, to be put back when this is dropped.
#[derive(Debug)]
pub struct OwnSysctls(Vec<(PathBuf, String)>);

impl OwnSysctls {
    /// Waits until the machine has no orphans, and writes the values: names below `net.ipv4`.
    ///
    /// `Unsupported` when orphans stay, as two were seen to do on 5.10.
    pub fn set(values: &BTreeMap<String, String>) -> Result<OwnSysctls, TargetError> {
        let left = last_orphans().map_err(|error| TargetError::Failed(format!("{SOCKSTAT}: {error}")))?;
        if left > 0 {
            let reason = format!("{left} orphans of earlier plays do not go away, and this machine counts them too");
            return Err(TargetError::Unsupported(reason));
        }
        let mut old = OwnSysctls(Vec::new());
        for (name, value) in values {
            let path = Path::new("/proc/sys/net/ipv4").join(name);
            let refused = |error| TargetError::Failed(format!("{}: {error}", path.display()));
            let before = fs::read_to_string(&path).map_err(refused)?;
            fs::write(&path, value).map_err(refused)?;
            old.0.push((path, before));
        }
        Ok(old)
    }
}

impl Drop for OwnSysctls {
    fn drop(&mut self) {
        for (path, value) in &self.0 {
            // The kernel has given the value itself.
            let _ = fs::write(path, value);
        }
    }
}

/// Waits for the last orphan; how many there are still.
fn last_orphans() -> io::Result<u32> {
    let begun = Instant::now();
    loop {
        let told = orphans(&fs::read_to_string(SOCKSTAT)?);
        let left = told.ok_or_else(|| io::Error::other("no word of orphans"))?;
        if left == 0 || begun.elapsed() > LAST_ORPHAN {
            return Ok(left);
        }
        sleep(LOOK_EVERY);
    }
}

/// The machine's orphans (`sockstat_seq_show`).
fn orphans(sockstat: &str) -> Option<u32> {
    let mut words = sockstat.lines().find(|line| line.starts_with("TCP:"))?.split_whitespace();
    words.find(|word| *word == "orphan")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::orphans;

    #[test]
    fn orphans_are_read() {
        let text = "sockets: used 10\nTCP: inuse 5 orphan 2 tw 3 alloc 7 mem 1\nUDP: inuse 1 mem 0\n";
        assert_eq!(orphans(text), Some(2));
        assert_eq!(orphans("sockets: used 10\n"), None);
    }
}
