//! veth pairs made straight into two namespaces, with addresses and neighbours that need no discovery.
//!
//! Owns the rtnetlink requests. Refuses to know what crosses a link. Nothing is ever sent unasked: no link-local address (so no
//! router solicitation), no duplicate address detection, permanent neighbours. Follows rtnetlink(7), drivers/net/veth.c.

use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use crate::error::NetnsError;
use crate::namespace::Namespace;
use crate::netlink::{Request, RouteSocket};
use crate::offload;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// One end of a veth pair to be.
#[derive(Clone, Debug)]
pub struct VethEnd<'a> {
    /// Where it is to be.
    pub namespace: &'a Namespace,
    /// Its name there, 15 bytes at most.
    pub name: &'a str,
    /// Its index there; must be free. Best different from the other end's: the kernel takes a link whose peer has the same
    /// index for one without a peer, and may tell of its carrier a second late (linkwatch_urgent_event()).
    pub index: u32,
    /// Its address.
    pub mac: Mac,
    /// Whether it is up from the start. For the near end only: the far one finds no peer yet (veth_open() says ENOTCONN). Best where
    /// `net.ipv6.conf.default.disable_ipv6` keeps it from speaking unasked.
    pub up: bool,
}

/// How a link is set up, from down to ready.
#[derive(Clone, Debug, Default)]
pub struct LinkSetup {
    /// The link's index.
    pub index: u32,
    /// Addresses with their prefix lengths; an IPv6 address is usable at once.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Permanent neighbours.
    pub neighbours: Vec<(IpAddr, Mac)>,
    /// Hosts that are reached over this link, whatever its addresses say.
    pub hosts: Vec<IpAddr>,
}

// include/uapi/linux: if_link.h, veth.h, if_addr.h, neighbour.h; those that libc lacks.
const VETH_INFO_PEER: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const UP: u32 = libc::IFF_UP as u32;

impl Namespace {
    /// Makes a veth pair with one queue at each end.
    pub fn create_veth(near: &VethEnd<'_>, far: &VethEnd<'_>, mtu: u32) -> Result<(), NetnsError> {
        let attributes = |request: Request, end: &VethEnd<'_>| {
            let mut name = end.name.as_bytes().to_vec();
            name.push(0);
            request
                .attribute(libc::IFLA_IFNAME, &name)
                .attribute(libc::IFLA_ADDRESS, &end.mac)
                .attribute(libc::IFLA_MTU, &mtu.to_ne_bytes())
                .attribute(IFLA_NUM_TX_QUEUES, &1u32.to_ne_bytes())
                .attribute(IFLA_NUM_RX_QUEUES, &1u32.to_ne_bytes())
                .attribute(libc::IFLA_NET_NS_FD, &end.namespace.descriptor().as_raw_fd().to_ne_bytes())
        };
        let request = Request::new(
            format!("create veth pair {} - {}", near.name, far.name),
            libc::RTM_NEWLINK,
            libc::NLM_F_CREATE | libc::NLM_F_EXCL,
        )
        .bytes(&new_interface(near));
        let request = attributes(request, near).nested(libc::IFLA_LINKINFO, |r| {
            r.attribute(libc::IFLA_INFO_KIND, b"veth").nested(libc::IFLA_INFO_DATA, |r| {
                r.nested(VETH_INFO_PEER, |r| attributes(r.bytes(&new_interface(far)), far))
            })
        });
        near.namespace.route(|route| route.ask(vec![request]))
    }

    /// Sets a link up: no automatic IPv6 address, up, addresses, permanent neighbours.
    ///
    /// The end of a veth pair that is set up last is ready at once. The other end's queue drops what it is given until the
    /// kernel's linkwatch work has run (net/core/link_watch.c), except past the queue (`PACKET_QDISC_BYPASS`).
    pub fn set_up_link(&self, setup: &LinkSetup) -> Result<(), NetnsError> {
        let mut requests = vec![no_link_local(setup.index), up(setup.index)];
        for (address, prefix) in &setup.addresses {
            requests.push(add_address(setup.index, *address, *prefix));
            if address.is_ipv6() {
                requests.push(add_local_route(setup.index, *address));
            }
        }
        requests.extend(setup.neighbours.iter().map(|(address, mac)| add_neighbour(setup.index, *address, mac)));
        requests.extend(setup.hosts.iter().map(|address| add_host_route(setup.index, *address)));
        self.route(|route| route.ask(requests))
    }

    /// Switches checksum offload off for frames that leave through the device, and with it segmentation offload: what leaves
    /// is complete and no longer than the MTU. Allowed in a user namespace.
    pub fn disable_checksum_offload(&self, device: &str) -> Result<(), NetnsError> {
        self.route(|route| offload::disable_transmit_checksum(route, device))
    }
}

/// Sets the namespace's loopback device, index 1, up.
pub(crate) fn loopback_up(route: &RouteSocket) -> Result<(), NetnsError> {
    route.ask(vec![up(1)])
}

/// `struct ifinfomsg`.
fn interface_message(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut message = [0; 16];
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message[8..12].copy_from_slice(&flags.to_ne_bytes());
    message[12..16].copy_from_slice(&change.to_ne_bytes());
    message
}

fn new_interface(end: &VethEnd<'_>) -> [u8; 16] {
    let flags = if end.up { UP } else { 0 };
    interface_message(end.index, flags, flags)
}

fn up(index: u32) -> Request {
    Request::new(format!("set link {index} up"), libc::RTM_NEWLINK, 0).bytes(&interface_message(index, UP, UP))
}

/// `IFLA_AF_SPEC` is heeded by do_setlink() only, not when a link is made. A link without IPv6 (its MTU is below 1280, or the
/// kernel has none) says EAFNOSUPPORT: it will not speak IPv6 unasked either.
fn no_link_local(index: u32) -> Request {
    Request::new(format!("set link {index} addrgenmode none"), libc::RTM_NEWLINK, 0)
        .tolerate(Errno::EAFNOSUPPORT)
        .bytes(&interface_message(index, 0, 0))
        .nested(libc::IFLA_AF_SPEC, |r| {
            r.nested(libc::AF_INET6 as u16, |r| r.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]))
        })
}

fn add_address(index: u32, address: IpAddr, prefix: u8) -> Request {
    // struct ifaddrmsg: family, prefix length, flags, scope, index.
    let mut message = [family(address), prefix, libc::IFA_F_NODAD as u8 | libc::IFA_F_PERMANENT as u8, 0, 0, 0, 0, 0];
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    let bytes = octets(address);
    Request::new(
        format!("add address {address}/{prefix} to link {index}"),
        libc::RTM_NEWADDR,
        libc::NLM_F_CREATE | libc::NLM_F_EXCL,
    )
    .bytes(&message)
    .attribute(libc::IFA_LOCAL, &bytes)
    .attribute(libc::IFA_ADDRESS, &bytes)
}

/// Makes an IPv6 address receive at once: its own local route comes by a work item (addrconf_dad_work(), __ipv6_ifa_notify()),
/// also without duplicate address detection, and until then what arrives is dropped.
fn add_local_route(index: u32, address: IpAddr) -> Request {
    const PROTOCOL_KERNEL: u8 = 2;
    let kinds = [libc::RT_TABLE_LOCAL, PROTOCOL_KERNEL, libc::RT_SCOPE_HOST, libc::RTN_LOCAL];
    add_route(format!("add local route {address} to link {index}"), index, address, kinds)
}

fn add_host_route(index: u32, address: IpAddr) -> Request {
    const PROTOCOL_STATIC: u8 = 4;
    let kinds = [libc::RT_TABLE_MAIN, PROTOCOL_STATIC, libc::RT_SCOPE_LINK, libc::RTN_UNICAST];
    add_route(format!("add route to {address} over link {index}"), index, address, kinds)
}

/// A route to one address; `kinds` are table, protocol, scope and type.
fn add_route(what: String, index: u32, address: IpAddr, [table, protocol, scope, kind]: [u8; 4]) -> Request {
    let destination = octets(address);
    // struct rtmsg: family, destination and source prefix lengths, TOS, table, protocol, scope, type, flags.
    let message = [family(address), destination.len() as u8 * 8, 0, 0, table, protocol, scope, kind, 0, 0, 0, 0];
    Request::new(what, libc::RTM_NEWROUTE, libc::NLM_F_CREATE)
        .bytes(&message)
        .attribute(libc::RTA_DST, &destination)
        .attribute(libc::RTA_OIF, &index.to_ne_bytes())
}

fn add_neighbour(index: u32, address: IpAddr, mac: &Mac) -> Request {
    // struct ndmsg: family, three bytes of padding, index, state, flags, type.
    let mut message = [0; 12];
    message[0] = family(address);
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message[8..10].copy_from_slice(&libc::NUD_PERMANENT.to_ne_bytes());
    Request::new(
        format!("add neighbour {address} on link {index}"),
        libc::RTM_NEWNEIGH,
        libc::NLM_F_CREATE | libc::NLM_F_REPLACE,
    )
    .bytes(&message)
    .attribute(libc::NDA_DST, &octets(address))
    .attribute(libc::NDA_LLADDR, mac)
}

fn family(address: IpAddr) -> u8 {
    (match address {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    }) as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
