//! A router between the hosts: a third kernel, its namespace with a link towards either host.
//!
//! Owns its set-up and what comes out of it. Refuses to know connections: whatever it puts on a link goes to the host there.

use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use tcpconform_engine::case::{Case, Host};
use tcpconform_engine::play::TargetError;
use tcpconform_netns::{LinkSetup, Mac, Namespace};

use crate::host::mac;
use crate::link::{CapturedLink, LinkEnd, Packet, refused};
use crate::testbed::{Addresses, Testbed};

/// Device, index and address of the link towards each host.
const PORTS: [(Host, &str, u32, Mac); 2] =
    [(Host::A, "link-a", 10, [2, 0, 0, 0, 0, 0x1a]), (Host::B, "link-b", 11, [2, 0, 0, 0, 0, 0x1b])];

/// The router of one case; its captures keep the namespace.
#[derive(Debug)]
pub(crate) struct Router {
    ports: Vec<(Host, CapturedLink)>,
}

impl Router {
    /// Makes the namespace and its two links to the tester.
    pub(crate) fn set_up(testbed: &Arc<Testbed>, case: &Case, addresses: &Addresses) -> Result<Router, TargetError> {
        let namespace = Namespace::new().map_err(refused)?;
        namespace.forward().map_err(refused)?;
        let ports = PORTS.map(|(host, device, index, own)| {
            let (port, beyond) = (addresses.port_towards(host), addresses.of(host).ip());
            let setup = LinkSetup {
                index,
                addresses: vec![(port, if port.is_ipv4() { 32 } else { 128 })],
                neighbours: vec![(beyond, mac(host))],
                hosts: vec![beyond],
            };
            let end = LinkEnd {
                namespace: &namespace,
                device,
                mac: own,
                neighbour: mac(host),
                ip: case.ip,
                mtu: case.mtu,
                setup,
            };
            CapturedLink::set_up(testbed, end).map(|link| (host, link))
        });
        Ok(Router { ports: ports.into_iter().collect::<Result<_, _>>()? })
    }

    /// Puts an IP packet on the link that comes from this host.
    pub(crate) fn deliver(&self, from: Host, packet: &[u8]) -> Result<(), TargetError> {
        self.ports.iter().filter(|(host, _)| *host == from).try_for_each(|(_, link)| link.deliver(packet))
    }

    /// The next packet that it has put on a link, and the host there; `None` when there is none yet.
    pub(crate) fn next_packet(&mut self) -> Result<Option<(Host, Vec<u8>)>, TargetError> {
        for (host, link) in &mut self.ports {
            loop {
                let frame = link
                    .next_frame()
                    .map_err(|error| TargetError::Failed(format!("recvmsg on the capture of the router: {error}")))?;
                let Some(frame) = frame else { break };
                if let Packet::Ip(packet) = frame.packet
                    && frame.outgoing
                {
                    return Ok(Some((*host, packet.to_vec())));
                }
            }
        }
        Ok(None)
    }

    /// Frames that the captures lost since the last time they were asked.
    pub(crate) fn lost(&self) -> u32 {
        self.ports.iter().map(|(_, link)| link.lost()).sum()
    }

    /// The captures.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ports.iter().map(|(_, link)| link.as_fd())
    }
}
