//! AF_PACKET sockets: one captures a link with kernel time stamps, one injects frames on any link of its namespace.
//!
//! Owns the system calls of packet(7) and SO_TIMESTAMPNS (Documentation/networking/timestamping.rst). Refuses to know what is
//! in a frame. A socket never hears its own frames, so capture and injection are two.
#![expect(
    unsafe_code,
    reason = "sockaddr_ll and control messages, which no crate in use makes without losing the stamp"
)]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::socket_option;

/// Receive buffer of a capture, bytes of the kernel's accounting (about 800 for a small frame): over 250 frames that nobody
/// has fetched yet. Kernel memory, taken only while frames wait.
const CAPTURE_BUFFER: i32 = 212_992;

// Values of include/uapi/linux/if_packet.h.
const PACKET_STATISTICS: i32 = 6;
const PACKET_AUXDATA: i32 = 8;
const PACKET_QDISC_BYPASS: i32 = 20;
const PACKET_HOST: u8 = 0;
const PACKET_OUTGOING: u8 = 4;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;

/// Hears every frame of one link, in the order in which the kernel's IP layer gets and gives them.
#[derive(Debug)]
pub(crate) struct CaptureSocket {
    descriptor: OwnedFd,
}

/// Puts frames on links.
#[derive(Debug)]
pub(crate) struct InjectionSocket {
    descriptor: OwnedFd,
}

/// What is known of a captured frame besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Whether this end of the link sent it.
    pub(crate) outgoing: bool,
    /// Whether it came for somebody else: another Ethernet address, all of them, or a VLAN, whose tag is taken off before it is
    /// captured. TCP gets nothing of it (`tcp_v4_rcv`, `__netif_receive_skb_core`).
    pub(crate) foreign: bool,
    /// The kernel's stamp, nanoseconds since 1970; `None` if there was none.
    pub(crate) stamp_unix_ns: Option<u64>,
    /// Its whole length, bytes; more than the buffer's when it was cut.
    pub(crate) len: usize,
}

impl CaptureSocket {
    /// Captures the link with this index in the calling thread's namespace.
    pub(crate) fn open(link: u32) -> io::Result<CaptureSocket> {
        // Protocol 0 hears nothing until bind names the link; ETH_P_ALL at once would hear every link, and cost 10 ms.
        let descriptor = packet_socket()?;
        socket_option::set_int(descriptor.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, CAPTURE_BUFFER)?;
        socket_option::set_int(descriptor.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        socket_option::set_int(descriptor.as_fd(), libc::SOL_PACKET, PACKET_AUXDATA, 1)?;
        let address = link_address(link, libc::ETH_P_ALL as u16);
        // SAFETY: the address is valid for its length.
        let result = unsafe {
            libc::bind(descriptor.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as u32)
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(CaptureSocket { descriptor }) }
    }

    /// The next frame, cut to the buffer; `None` when none is there.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Captured>> {
        // SAFETY: all of these are plain data for which zeroes are valid.
        let (mut address, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { (zeroed(), zeroed()) };
        let mut control = [0u64; 16];
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        message.msg_name = (&raw mut address).cast();
        message.msg_namelen = size_of::<libc::sockaddr_ll>() as u32;
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: every pointer in the message is valid for the length beside it.
        let length = unsafe {
            libc::recvmsg(self.descriptor.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT | libc::MSG_TRUNC)
        };
        if length < 0 {
            let error = io::Error::last_os_error();
            // ENETDOWN is told once when the link goes; there is nothing more to hear then.
            return match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR | libc::ENETDOWN) => Ok(None),
                Some(_) | None => Err(error),
            };
        }
        let Aside { stamp_unix_ns, vlan } = aside(&message);
        let outgoing = address.sll_pkttype == PACKET_OUTGOING;
        Ok(Some(Captured {
            outgoing,
            foreign: !outgoing && (address.sll_pkttype != PACKET_HOST || vlan != 0),
            stamp_unix_ns,
            len: length as usize,
        }))
    }

    /// Frames lost for want of buffer space since the last time it was asked for.
    pub(crate) fn lost(&self) -> io::Result<u32> {
        // struct tpacket_stats: tp_packets, tp_drops.
        let mut statistics = [0; 8];
        socket_option::get_bytes(self.descriptor.as_fd(), libc::SOL_PACKET, PACKET_STATISTICS, &mut statistics)?;
        Ok(u32::from_ne_bytes(statistics[4..8].try_into().expect("four bytes")))
    }
}

impl CaptureSocket {
    /// Gives the descriptor away, to be closed where its 10 ms hurt nobody.
    pub(crate) fn into_descriptor(self) -> OwnedFd {
        self.descriptor
    }
}

impl AsFd for CaptureSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl InjectionSocket {
    /// For the links of the calling thread's namespace.
    ///
    /// While it is open the kernel stamps packets: stamping is switched on by a work item some time after the first socket
    /// asks for it (net_enable_timestamp()), so the first capture would find frames without a stamp of their arrival.
    pub(crate) fn open() -> io::Result<InjectionSocket> {
        let descriptor = packet_socket()?;
        socket_option::set_int(descriptor.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        socket_option::set_int(descriptor.as_fd(), libc::SOL_PACKET, PACKET_QDISC_BYPASS, 1)?;
        Ok(InjectionSocket { descriptor })
    }

    /// Puts a frame, Ethernet header first, on a link. The other end has dealt with it when this returns, unless the kernel was
    /// too busy and left that to ksoftirqd.
    pub(crate) fn send(&self, link: u32, frame: &[u8]) -> io::Result<()> {
        let protocol = frame.get(12..14).map_or(0, |p| u16::from_be_bytes([p[0], p[1]]));
        let address = link_address(link, protocol);
        loop {
            // SAFETY: frame and address are valid for the lengths given.
            let sent = unsafe {
                libc::sendto(
                    self.descriptor.as_raw_fd(),
                    frame.as_ptr().cast(),
                    frame.len(),
                    0,
                    (&raw const address).cast(),
                    size_of::<libc::sockaddr_ll>() as u32,
                )
            };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor is new and ours.
    unsafe {
        let descriptor = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        if descriptor < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(descriptor)) }
    }
}

fn link_address(link: u32, protocol: u16) -> libc::sockaddr_ll {
    // SAFETY: plain data for which zeroes are valid.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = link as i32;
    address.sll_halen = 6;
    address
}

/// What comes beside a frame.
#[derive(Default)]
struct Aside {
    stamp_unix_ns: Option<u64>,
    /// The VLAN of its tag; 0 where it has none, or one that only gives a priority.
    vlan: u16,
}

fn aside(message: &libc::msghdr) -> Aside {
    let mut aside = Aside::default();
    // SAFETY: the kernel filled the control buffer, and the CMSG macros stay within msg_controllen.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(control) = header.as_ref() {
            match (control.cmsg_level, control.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned();
                    aside.stamp_unix_ns = Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
                }
                (libc::SOL_PACKET, PACKET_AUXDATA) => {
                    let data = libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned();
                    if data.tp_status & TP_STATUS_VLAN_VALID != 0 {
                        aside.vlan = data.tp_vlan_tci & 0xfff;
                    }
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    aside
}
