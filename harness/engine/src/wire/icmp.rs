//! ICMP and ICMPv6 errors about a TCP segment (RFC 792, RFC 4443), and what a router does to a packet on its way.
//!
//! Owns types, codes and the quoting of the segment that an error is about. Refuses to know what an error means to TCP.

use std::net::{IpAddr, SocketAddr};

use pnet::packet::icmp::{self, IcmpPacket};
use pnet::packet::icmpv6::{self, Icmpv6Packet};
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::{self, Ipv4Packet, MutableIpv4Packet};
use pnet::packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use tcpconform_model::{HOP_LIMIT_DEFAULT, IcmpKind, Seq};

use super::WireError;
use super::craft::write_ip_header;
use super::parse::{IPV4_MIN, IPV6_LEN};

/// Type, code, checksum, and four bytes that the errors known here do not use.
const ICMP_LEN: usize = 8;
/// What of the quoted segment is needed: ports and sequence number.
const QUOTED_MIN: usize = 8;
/// How long a whole error is at most (RFC 1812 section 4.3.2.3, RFC 4443 section 3.3).
const ERROR_MAX: usize = 576;
const ERROR_MAX_IPV6: usize = 1280;

/// Type and code.
type Code = (u8, u8);

/// Each kind with its type and code in ICMP and in ICMPv6, where it has one.
const CODES: [(IcmpKind, Code, Option<Code>); 8] = [
    (IcmpKind::NetUnreachable, (3, 0), Some((1, 0))),
    (IcmpKind::HostUnreachable, (3, 1), Some((1, 3))),
    (IcmpKind::ProtocolUnreachable, (3, 2), Some((4, 1))),
    (IcmpKind::PortUnreachable, (3, 3), Some((1, 4))),
    (IcmpKind::Prohibited, (3, 13), Some((1, 1))),
    (IcmpKind::TimeExceeded, (11, 0), Some((3, 0))),
    (IcmpKind::ParameterProblem, (12, 0), Some((4, 0))),
    (IcmpKind::SourceQuench, (4, 0), None),
];

/// An ICMP error about a TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpMessage {
    /// Who says it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// What.
    pub kind: IcmpKind,
    /// Address and port of who sent the segment quoted.
    pub from: SocketAddr,
    /// To where it was sent.
    pub to: SocketAddr,
    /// Its sequence number.
    pub seq: Seq,
    /// Whether the ICMP checksum is right.
    pub checksum_ok: bool,
}

/// Parses an IP packet that holds an ICMP error about a TCP segment.
pub fn parse_icmp(packet: &[u8]) -> Result<IcmpMessage, WireError> {
    let ip = ip_header(packet)?;
    let ipv6 = ip.source.is_ipv6();
    let expected = if ipv6 { IpNextHeaderProtocols::Icmpv6 } else { IpNextHeaderProtocols::Icmp };
    if ip.protocol != expected {
        return Err(WireError::NotIcmp(ip.protocol.0));
    }
    let message = packet.get(ip.header..ip.total).unwrap_or_default();
    let short = |what, bytes: &[u8], need| WireError::Short { what, need, have: bytes.len() };
    let Some((header, quoted)) = message.split_at_checked(ICMP_LEN) else {
        return Err(short("the ICMP header", message, ICMP_LEN));
    };
    let code = (header[0], header[1]);
    if !is_error(code.0, ipv6) {
        return Err(WireError::IcmpType(code.0));
    }
    let said = u16::from_be_bytes([header[2], header[3]]);
    let about = ip_header(quoted)?;
    if about.protocol != IpNextHeaderProtocols::Tcp {
        return Err(WireError::Protocol(about.protocol.0));
    }
    let tcp = quoted.get(about.header..).unwrap_or_default();
    let Some(&[a, b, c, d, e, f, g, h]) = tcp.first_chunk::<QUOTED_MIN>() else {
        return Err(short("the quoted TCP header", tcp, QUOTED_MIN));
    };
    Ok(IcmpMessage {
        source: ip.source,
        destination: ip.destination,
        kind: kind_of(code, ipv6),
        from: SocketAddr::new(about.source, u16::from_be_bytes([a, b])),
        to: SocketAddr::new(about.destination, u16::from_be_bytes([c, d])),
        seq: Seq(u32::from_be_bytes([e, f, g, h])),
        checksum_ok: checksum(message, ip.source, ip.destination) == Some(said),
    })
}

/// An error that `source` sends about `segment`, to its sender; `None` where the IP version has no such error or is another.
///
/// `segment` is a whole IP packet; its start is quoted, as much as an error may hold.
pub fn craft_icmp(source: IpAddr, kind: IcmpKind, segment: &[u8]) -> Option<Vec<u8>> {
    let ipv6 = source.is_ipv6();
    let about = ip_header(segment).ok().filter(|about| about.source.is_ipv6() == ipv6)?;
    let (_, code, code_ipv6) = CODES.into_iter().find(|(known, _, _)| *known == kind)?;
    let (kind, code) = if ipv6 { code_ipv6? } else { code };
    let (at, most, protocol) = if ipv6 {
        (IPV6_LEN, ERROR_MAX_IPV6, IpNextHeaderProtocols::Icmpv6)
    } else {
        (IPV4_MIN, ERROR_MAX, IpNextHeaderProtocols::Icmp)
    };
    let quoted = &segment[..segment.len().min(most - at - ICMP_LEN)];
    let mut packet = vec![0; at + ICMP_LEN];
    packet[at] = kind;
    packet[at + 1] = code;
    packet.extend_from_slice(quoted);
    write_ip_header(&mut packet, source, about.source, protocol, HOP_LIMIT_DEFAULT);
    let checksum = checksum(&packet[at..], source, about.source)?;
    packet[at + 2..at + 4].copy_from_slice(&checksum.to_be_bytes());
    Some(packet)
}

/// What a router makes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// It goes on, its hop limit one lower.
    On(Vec<u8>),
    /// It ends here; this goes back to its sender.
    Died(Vec<u8>),
}

/// Sends a packet through a router at `router` (RFC 1812 section 5.3.1, RFC 8200 section 3).
pub fn forward(mut packet: Vec<u8>, router: IpAddr) -> Forwarded {
    let left = if router.is_ipv4() {
        Ipv4Packet::new(&packet).map_or(0, |ip| ip.get_ttl())
    } else {
        Ipv6Packet::new(&packet).map_or(0, |ip| ip.get_hop_limit())
    };
    if left <= 1 {
        return Forwarded::Died(craft_icmp(router, IcmpKind::TimeExceeded, &packet).unwrap_or_default());
    }
    if let Some(mut ip) = MutableIpv4Packet::new(&mut packet).filter(|_| router.is_ipv4()) {
        ip.set_ttl(left - 1);
        let checksum = ipv4::checksum(&ip.to_immutable());
        ip.set_checksum(checksum);
    } else if let Some(mut ip) = MutableIpv6Packet::new(&mut packet).filter(|_| router.is_ipv6()) {
        ip.set_hop_limit(left - 1);
    }
    Forwarded::On(packet)
}

/// Whether two packets are the same one before and behind routers.
pub fn same_but_for_hops(one: &[u8], other: &[u8]) -> bool {
    // TTL and IPv4 header checksum, or the hop limit.
    let changes = |at: usize| match one.first().map(|byte| byte >> 4) {
        Some(4) => matches!(at, 8 | 10 | 11),
        Some(6) => at == 7,
        Some(_) | None => false,
    };
    one.len() == other.len() && one.iter().zip(other).enumerate().all(|(at, (a, b))| a == b || changes(at))
}

/// The errors of RFC 792, Redirect among them, and of RFC 4443 section 2.1.
fn is_error(kind: u8, ipv6: bool) -> bool {
    if ipv6 { kind < 128 } else { matches!(kind, 3 | 4 | 5 | 11 | 12) }
}

fn kind_of(code: Code, ipv6: bool) -> IcmpKind {
    let known = CODES.into_iter().find(|(_, icmp, icmpv6)| if ipv6 { *icmpv6 == Some(code) } else { *icmp == code });
    known.map_or(IcmpKind::Other { kind: code.0, code: code.1 }, |(kind, _, _)| kind)
}

/// The checksum that an ICMP message ought to carry.
fn checksum(message: &[u8], source: IpAddr, destination: IpAddr) -> Option<u16> {
    match (source, destination) {
        (IpAddr::V4(_), IpAddr::V4(_)) => Some(icmp::checksum(&IcmpPacket::new(message)?)),
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Some(icmpv6::checksum(&Icmpv6Packet::new(message)?, &source, &destination))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// What an IP header says; what it is in front of may be cut off.
struct IpHeader {
    source: IpAddr,
    destination: IpAddr,
    protocol: IpNextHeaderProtocol,
    /// Its length, bytes.
    header: usize,
    /// The packet's length, bytes.
    total: usize,
}

fn ip_header(packet: &[u8]) -> Result<IpHeader, WireError> {
    let short = |what, need| WireError::Short { what, need, have: packet.len() };
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => {
            let ip = Ipv4Packet::new(packet).ok_or(short("the IPv4 header", IPV4_MIN))?;
            let header = usize::from(ip.get_header_length()) * 4;
            if header < IPV4_MIN {
                return Err(WireError::Length { what: "IHL", said: header, need: IPV4_MIN });
            }
            Ok(IpHeader {
                source: ip.get_source().into(),
                destination: ip.get_destination().into(),
                protocol: ip.get_next_level_protocol(),
                header,
                total: usize::from(ip.get_total_length()).min(packet.len()),
            })
        }
        Some(6) => {
            let ip = Ipv6Packet::new(packet).ok_or(short("the IPv6 header", IPV6_LEN))?;
            Ok(IpHeader {
                source: ip.get_source().into(),
                destination: ip.get_destination().into(),
                protocol: ip.get_next_header(),
                header: IPV6_LEN,
                total: (IPV6_LEN + usize::from(ip.get_payload_length())).min(packet.len()),
            })
        }
        Some(version) => Err(WireError::Version(version)),
        None => Err(short("an IP header", IPV4_MIN)),
    }
}
