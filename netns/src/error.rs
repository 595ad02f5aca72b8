//! What can go wrong with a namespace: the operation, its errno, and for sysctls what was written and read.

use nix::errno::Errno;
use thiserror::Error;

/// Why an operation on a namespace failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetnsError {
    /// A system call failed.
    #[error("{operation}: {errno}")]
    System {
        /// What was tried, as in `unshare(CLONE_NEWNET)`.
        operation: String,
        /// Its errno.
        errno: Errno,
    },
    /// rtnetlink refused a request.
    #[error("rtnetlink, {request}: {errno}")]
    Netlink {
        /// What was asked, as in `add address fd00::1/64`.
        request: String,
        /// The errno of the kernel's answer.
        errno: Errno,
    },
    /// The kernel has no such sysctl in a network namespace.
    #[error("no sysctl {name} in a network namespace of this kernel")]
    UnknownSysctl {
        /// As in `net.ipv4.tcp_fin_timeout`.
        name: String,
    },
    /// The kernel refused a sysctl's value.
    #[error("sysctl {name} = {value:?} refused: {errno}")]
    SysctlRefused {
        /// As in `net.ipv4.tcp_fin_timeout`.
        name: String,
        /// What was to be written.
        value: String,
        /// Its errno.
        errno: Errno,
    },
    /// The kernel took a sysctl's value, and made something else of it.
    #[error("sysctl {name}: wrote {wrote:?}, reads back {read:?}")]
    SysctlReadBack {
        /// As in `net.ipv4.tcp_fin_timeout`.
        name: String,
        /// What was written.
        wrote: String,
        /// What the kernel says it is now.
        read: String,
    },
}

impl NetnsError {
    /// A failed system call.
    pub(crate) fn system(operation: impl Into<String>) -> impl FnOnce(Errno) -> NetnsError {
        let operation = operation.into();
        move |errno| NetnsError::System { operation, errno }
    }

    /// A failed file operation.
    pub(crate) fn io(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> NetnsError {
        let operation = operation.into();
        move |error| NetnsError::System { operation, errno: errno_of(&error) }
    }
}

/// The errno inside an I/O error; `EIO` when it has none.
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
