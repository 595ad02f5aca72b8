//! A link between a namespace under test and the tester: frames go in at the tester's end, and are captured at the other.
//!
//! Owns set-up and capture of one veth pair. Refuses to know connections: what crosses the link is an IP packet to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use tcpconform_engine::case::IpVersion;
use tcpconform_engine::play::TargetError;
use tcpconform_netns::{LinkSetup, Mac, Namespace, NetnsError, VethEnd};

use crate::flow::{ETHERNET, ip_packet};
use crate::packet_socket::CaptureSocket;
use crate::testbed::Testbed;

/// The tester's ends have an address of their own, so that the kernel drops there what is for a host.
const TESTER_MAC: Mac = [2, 0, 0, 0, 0, 0xf];

/// A link, its captured end in a namespace under test.
#[derive(Debug)]
pub(crate) struct CapturedLink {
    testbed: Arc<Testbed>,
    capture: Option<CaptureSocket>,
    tester_link: u32,
    header: [u8; ETHERNET],
    buffer: Vec<u8>,
    mtu: u32,
}

/// The captured end of a link to be.
#[derive(Clone, Debug)]
pub(crate) struct LinkEnd<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) device: &'a str,
    pub(crate) mac: Mac,
    /// From whom frames come that are put on the link.
    pub(crate) neighbour: Mac,
    pub(crate) ip: IpVersion,
    pub(crate) mtu: u32,
    pub(crate) setup: LinkSetup,
}

/// A frame that crossed a link.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// Whether the namespace sent it.
    pub(crate) outgoing: bool,
    /// The kernel's stamp, nanoseconds since 1970; `None` if there was none.
    pub(crate) stamp_unix_ns: Option<u64>,
    /// The IP packet in it.
    pub(crate) packet: Packet<'a>,
    /// Its whole length, bytes, where it is more than the link's MTU allows: the packet is cut then.
    pub(crate) cut: Option<usize>,
}

/// What is in a frame.
#[derive(Debug)]
pub(crate) enum Packet<'a> {
    /// An IP packet.
    Ip(&'a [u8]),
    /// Something else, or for somebody else.
    Other,
}

impl CapturedLink {
    /// Makes the veth pair, the tester's end in the tester's namespace, and captures the other.
    pub(crate) fn set_up(testbed: &Arc<Testbed>, end: LinkEnd<'_>) -> Result<CapturedLink, TargetError> {
        let tester_link = testbed.next_link();
        let LinkEnd { namespace, device, mac, neighbour, ip, mtu, setup } = end;
        let name = format!("t{tester_link}");
        let ours = VethEnd { namespace: &testbed.tester, name: &name, index: tester_link, mac: TESTER_MAC, up: true };
        let theirs = VethEnd { namespace, name: device, index: setup.index, mac, up: false };
        Namespace::create_veth(&ours, &theirs, mtu).map_err(refused)?;
        namespace.disable_checksum_offload(device).map_err(refused)?;
        // The kernel's end last: so its queue works at once. Ours is passed by.
        namespace.set_up_link(&setup).map_err(refused)?;
        let capture = namespace
            .run(|| CaptureSocket::open(setup.index))
            .map_err(refused)?
            .map_err(|error| TargetError::Failed(format!("capturing the link: {error}")))?;

        let mut header = [0; ETHERNET];
        header[..6].copy_from_slice(&mac);
        header[6..12].copy_from_slice(&neighbour);
        header[12..].copy_from_slice(match ip {
            IpVersion::Ipv4 => &[0x08, 0x00],
            IpVersion::Ipv6 => &[0x86, 0xdd],
        });
        Ok(CapturedLink {
            testbed: Arc::clone(testbed),
            capture: Some(capture),
            tester_link,
            header,
            buffer: vec![0; mtu as usize + ETHERNET],
            mtu,
        })
    }

    /// Puts an IP packet on the link, towards the captured end.
    pub(crate) fn deliver(&self, packet: &[u8]) -> Result<(), TargetError> {
        self.deliver_frame(&[&self.header[..], packet].concat())
    }

    /// Puts a frame on the link, towards the captured end, whoever it is for.
    pub(crate) fn deliver_frame(&self, frame: &[u8]) -> Result<(), TargetError> {
        self.testbed.injection.send(self.tester_link, frame).map_err(|error| {
            let (bytes, mtu) = (frame.len().saturating_sub(ETHERNET), self.mtu);
            TargetError::Failed(format!("putting {bytes} bytes on a link with MTU {mtu}: {error}"))
        })
    }

    /// The next frame; `None` when there is none yet.
    pub(crate) fn next_frame(&mut self) -> io::Result<Option<Frame<'_>>> {
        let Some(capture) = &self.capture else { return Ok(None) };
        let Some(captured) = capture.receive(&mut self.buffer)? else { return Ok(None) };
        let cut = (captured.len > self.buffer.len()).then_some(captured.len);
        let frame = &self.buffer[..captured.len.min(self.buffer.len())];
        let packet = match captured.foreign {
            true => Packet::Other,
            false => ip_packet(frame).map_or(Packet::Other, Packet::Ip),
        };
        Ok(Some(Frame { outgoing: captured.outgoing, stamp_unix_ns: captured.stamp_unix_ns, packet, cut }))
    }

    /// Its MTU, bytes.
    pub(crate) fn mtu(&self) -> u32 {
        self.mtu
    }

    /// Frames that the capture lost since the last time it was asked.
    pub(crate) fn lost(&self) -> u32 {
        self.capture.as_ref().and_then(|capture| capture.lost().ok()).unwrap_or(0)
    }
}

impl Drop for CapturedLink {
    fn drop(&mut self) {
        if let Some(capture) = self.capture.take() {
            self.testbed.reaper.close(capture.into_descriptor());
        }
    }
}

impl AsFd for CapturedLink {
    /// The capture.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_ref().expect("taken by drop only").as_fd()
    }
}

/// A sysctl that this kernel lacks skips the case; everything else is trouble with the machine.
pub(crate) fn refused(error: NetnsError) -> TargetError {
    match error {
        NetnsError::UnknownSysctl { .. } => TargetError::Unsupported(error.to_string()),
        NetnsError::System { .. }
        | NetnsError::Netlink { .. }
        | NetnsError::SysctlRefused { .. }
        | NetnsError::SysctlReadBack { .. } => TargetError::Failed(error.to_string()),
    }
}
