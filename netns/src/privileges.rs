//! The right to make network namespaces: root's, or a user namespace's in which an ordinary user is root.
//!
//! Owns entering the user namespace and saying what is missing. Refuses to know what the right is for.
//! Follows user_namespaces(7): one line of uid_map and gid_map maps oneself to 0, after setgroups was denied.
#![expect(unsafe_code, reason = "fork, to try a user namespace without entering it")]

use std::fs;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getegid, geteuid};
use thiserror::Error;

/// Where the right to make network namespaces comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privileges {
    /// The process has CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW.
    Root,
    /// It runs in a user namespace of its own.
    UserNamespace,
}

/// Why network namespaces cannot be made here, and the command that helps.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no right to make network namespaces: {operation}: {errno}; {advice}")]
pub struct PrivilegeError {
    /// What was tried.
    pub operation: String,
    /// Its errno.
    pub errno: Errno,
    /// What to do, with the command.
    pub advice: String,
}

/// Makes sure that network namespaces can be made: does nothing with root's rights, else enters a new user namespace (with a
/// network namespace of its own) in which the caller is root.
///
/// To be called while the process has one thread; `EINVAL` otherwise (unshare(2)).
pub fn enter_user_namespace() -> Result<Privileges, PrivilegeError> {
    if has_capabilities() {
        return Ok(Privileges::Root);
    }
    become_root().map_err(|(operation, errno)| PrivilegeError {
        operation: operation.to_string(),
        errno,
        advice: advice(errno),
    })?;
    Ok(Privileges::UserNamespace)
}

/// Tries in a child process what [`enter_user_namespace`] does, whoever the caller is; the caller's own namespaces stay as
/// they are. Works with any number of threads.
pub fn probe_user_namespace() -> Result<(), PrivilegeError> {
    let failed =
        |operation: &str, errno| PrivilegeError { operation: operation.to_string(), errno, advice: advice(errno) };
    // SAFETY: the child makes system calls only, and leaves by _exit; what it allocates is a few bytes of path and text,
    // which glibc's and musl's fork keep usable in the child.
    match unsafe { fork() }.map_err(|errno| failed("fork", errno))? {
        ForkResult::Child => {
            let code = become_root().map_or_else(|(_, errno)| errno as i32, |()| 0);
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(()),
            Ok(WaitStatus::Exited(_, code)) => {
                Err(failed("unshare(CLONE_NEWUSER|CLONE_NEWNET) or its uid_map", Errno::from_raw(code)))
            }
            Ok(other) => Err(failed(&format!("the probing child ended as {other:?}"), Errno::ECHILD)),
            Err(errno) => Err(failed("waitpid", errno)),
        },
    }
}

/// Whether the process has CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN in its effective set (capabilities(7)).
pub fn has_capabilities() -> bool {
    const NEEDED: u64 = 1 << 12 | 1 << 13 | 1 << 21;
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return false };
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & NEEDED == NEEDED)
}

fn become_root() -> Result<(), (&'static str, Errno)> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|errno| ("unshare(CLONE_NEWUSER|CLONE_NEWNET)", errno))?;
    let write = |path: &'static str, text: String| {
        fs::write(path, text).map_err(|error| (path, crate::error::errno_of(&error)))
    };
    write("/proc/self/setgroups", "deny".to_string())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// What helps against this errno of unshare(2) or of the maps, judged by the sysctls that forbid user namespaces.
fn advice(errno: Errno) -> String {
    let sysctl = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_string());
    let allow = |command: &str| format!("run as root, or allow user namespaces: sudo sysctl -w {command}");
    if errno == Errno::EINVAL {
        "a user namespace must be entered before the first thread starts".to_string()
    } else if sysctl("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        allow("kernel.unprivileged_userns_clone=1")
    } else if sysctl("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        allow("user.max_user_namespaces=15000")
    } else if sysctl("/proc/sys/user/max_net_namespaces").as_deref() == Some("0") {
        allow("user.max_net_namespaces=15000")
    } else if sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        allow("kernel.apparmor_restrict_unprivileged_userns=0")
    } else {
        "run as root (sudo), or in a container with --privileged".to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::advice;
    use nix::errno::Errno;

    #[test]
    fn every_refusal_names_a_way_out() {
        for errno in [Errno::EPERM, Errno::ENOSPC, Errno::EINVAL] {
            assert!(advice(errno).contains("sudo") || advice(errno).contains("thread"), "{}", advice(errno));
        }
    }
}
