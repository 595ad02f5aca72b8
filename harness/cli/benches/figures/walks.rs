//! How many random walks are played and judged in a second of CPU time, with what the kernel does for it.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::{BINARY, Outcome};

const WALKS: u32 = 2_000;

/// Plays walks on the model and on the running kernel.
pub fn walks() -> Outcome {
    for (target, wanted) in [("model", 200), ("kernel", 100)] {
        let before = used_by_children()?;
        let arguments = ["explore", "--target", target, "--walks", &WALKS.to_string()];
        let status = Command::new(BINARY).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        let used = (used_by_children()? - before).as_secs_f64();
        println!("walks: {:.0} per second of CPU on the {target} (wanted: at least {wanted})", f64::from(WALKS) / used);
        println!("       ({WALKS} walks of seed 1, {used:.1} s, {status})");
    }
    Ok(())
}

/// CPU time of all processes that were started and have ended.
pub fn used_by_children() -> Result<Duration, nix::Error> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time =
        |value: TimeVal| Duration::new(value.tv_sec().unsigned_abs(), value.tv_usec().unsigned_abs() as u32 * 1000);
    Ok(time(usage.user_time()) + time(usage.system_time()))
}
