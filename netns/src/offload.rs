//! Checksum offload of a device, switched off by the ethtool ioctl.
//!
//! Owns the two structures that the ioctl takes. Refuses to know why. Follows include/uapi/linux/ethtool.h; without transmit
//! checksums netdev_fix_features() takes segmentation offload away too.
#![expect(unsafe_code, reason = "ioctl(SIOCETHTOOL) takes a pointer in a structure")]

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use crate::error::NetnsError;

const ETHTOOL_STXCSUM: u32 = 0x17;

/// `struct ethtool_value`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Switches transmit checksums off on a device of the socket's namespace; any socket will do.
pub(crate) fn disable_transmit_checksum(socket: impl AsFd, device: &str) -> Result<(), NetnsError> {
    let refused = |errno| NetnsError::System { operation: format!("ioctl(SIOCETHTOOL, STXCSUM) on {device}"), errno };
    if device.len() >= libc::IFNAMSIZ {
        return Err(refused(Errno::ENAMETOOLONG));
    }
    let mut value = EthtoolValue { command: ETHTOOL_STXCSUM, data: 0 };
    // SAFETY: an ifreq of zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: both structures live until the call returns and have the layout that this command reads and writes.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    Errno::result(result).map(drop).map_err(refused)
}
