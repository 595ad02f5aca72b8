//! Makes packets, right ones first; then breaks them where a case wants them broken.

use std::net::{IpAddr, SocketAddr};

use pnet::packet::Packet as _;
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::{self, Ipv4Flags, Ipv4Packet, MutableIpv4Packet};
use pnet::packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use pnet::packet::tcp::{self, MutableTcpPacket, TcpPacket};
use tcpconform_model::Segment;

use super::parse::{IPV4_MIN, IPV6_LEN, TCP_MIN};
use crate::case::Damage;

/// Where the checksum field of the TCP header stands.
const CHECKSUM_AT: usize = 16;

/// An IP packet with this segment: DF, right lengths and checksums.
///
/// `segment.options` and `segment.data_len` are not used: `options` are the option bytes, padded here with zeros to whole
/// words, and `payload` is the data.
///
/// # Panics
/// When the addresses differ in IP version, `options` is longer than 40 bytes or the packet than 65,535: broken
/// invariants of the caller.
pub fn craft(
    source: SocketAddr,
    destination: SocketAddr,
    segment: &Segment,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    assert!(options.len() <= 40, "{} bytes of options", options.len());
    assert_eq!(source.is_ipv4(), destination.is_ipv4(), "{source} and {destination}");
    let tcp_at = if source.is_ipv4() { IPV4_MIN } else { IPV6_LEN };
    let header = TCP_MIN + options.len().next_multiple_of(4);
    let mut packet = vec![0; tcp_at + header + payload.len()];
    assert!(packet.len() <= usize::from(u16::MAX), "{} bytes in a packet", packet.len());
    write_tcp(&mut packet[tcp_at..], source.port(), destination.port(), segment, header);
    packet[tcp_at + TCP_MIN..][..options.len()].copy_from_slice(options);
    packet[tcp_at + header..].copy_from_slice(payload);
    write_ip_header(&mut packet, source.ip(), destination.ip(), IpNextHeaderProtocols::Tcp, segment.hop_limit);
    set_lengths_and_checksums(&mut packet);
    packet
}

/// Writes the IP header in front of what the packet holds, its length and checksum included.
pub(super) fn write_ip_header(
    packet: &mut [u8],
    source: IpAddr,
    destination: IpAddr,
    protocol: IpNextHeaderProtocol,
    hop_limit: u8,
) {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut ip = MutableIpv4Packet::new(packet).expect("room for the IPv4 header");
            ip.set_version(4);
            ip.set_header_length((IPV4_MIN / 4) as u8);
            ip.set_flags(Ipv4Flags::DontFragment);
            ip.set_ttl(hop_limit);
            ip.set_next_level_protocol(protocol);
            ip.set_source(source);
            ip.set_destination(destination);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut ip = MutableIpv6Packet::new(packet).expect("room for the IPv6 header");
            ip.set_version(6);
            ip.set_hop_limit(hop_limit);
            ip.set_next_header(protocol);
            ip.set_source(source);
            ip.set_destination(destination);
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            unreachable!("addresses of one IP version, as the callers see to")
        }
    }
    set_ip_length_and_checksum(packet);
}

/// Breaks a packet of [`craft`] on purpose. Lengths and checksums are made right again after each damage, so that
/// nothing but the damage is wrong; [`Damage::Checksum`] comes last whatever the order.
pub fn damage(packet: &mut Vec<u8>, damages: &[Damage]) {
    let tcp_at = tcp_at(packet);
    for damage in damages {
        match damage {
            Damage::Checksum => {}
            Damage::DataOffset(words) => {
                if let Some(byte) = packet.get_mut(tcp_at + 12) {
                    *byte = *byte & 0x0f | words << 4;
                }
            }
            Damage::Truncate(bytes) => {
                let kept = packet.len().saturating_sub(usize::from(*bytes)).max(tcp_at);
                packet.truncate(kept);
            }
            Damage::Reserved(bits) => {
                if let Some(byte) = packet.get_mut(tcp_at + 12) {
                    *byte = *byte & 0xf0 | bits & 0x0f;
                }
            }
        }
    }
    set_lengths_and_checksums(packet);
    if damages.contains(&Damage::Checksum)
        && let Some(byte) = packet.get_mut(tcp_at + CHECKSUM_AT)
    {
        // One bit: never the same value modulo 2^16 - 1.
        *byte ^= 1;
    }
}

/// Makes the IP length, the IPv4 header checksum and the TCP checksum of a packet right, after a change to its bytes;
/// for packets without IPv4 options or IPv6 extension headers.
pub(crate) fn set_lengths_and_checksums(packet: &mut [u8]) {
    let tcp_at = tcp_at(packet);
    set_ip_length_and_checksum(packet);
    let checksum = if tcp_at == IPV4_MIN {
        Ipv4Packet::new(packet).and_then(|ip| {
            let tcp = TcpPacket::new(ip.packet().get(tcp_at..)?)?;
            Some(tcp::ipv4_checksum(&tcp, &ip.get_source(), &ip.get_destination()))
        })
    } else {
        Ipv6Packet::new(packet).and_then(|ip| {
            let tcp = TcpPacket::new(ip.packet().get(tcp_at..)?)?;
            Some(tcp::ipv6_checksum(&tcp, &ip.get_source(), &ip.get_destination()))
        })
    };
    if let Some(checksum) = checksum {
        packet[tcp_at + CHECKSUM_AT..][..2].copy_from_slice(&checksum.to_be_bytes());
    }
}

fn set_ip_length_and_checksum(packet: &mut [u8]) {
    let len = packet.len();
    if tcp_at(packet) == IPV4_MIN {
        if let Some(mut ip) = MutableIpv4Packet::new(packet) {
            ip.set_total_length(len as u16);
            let checksum = ipv4::checksum(&ip.to_immutable());
            ip.set_checksum(checksum);
        }
    } else if let Some(mut ip) = MutableIpv6Packet::new(packet) {
        ip.set_payload_length((len - IPV6_LEN) as u16);
    }
}

fn tcp_at(packet: &[u8]) -> usize {
    if packet.first().is_some_and(|byte| byte >> 4 == 4) { IPV4_MIN } else { IPV6_LEN }
}

fn write_tcp(bytes: &mut [u8], source: u16, destination: u16, segment: &Segment, header: usize) {
    let mut tcp = MutableTcpPacket::new(bytes).expect("room for the TCP header");
    tcp.set_source(source);
    tcp.set_destination(destination);
    tcp.set_sequence(segment.seq.0);
    tcp.set_acknowledgement(segment.ack.0);
    tcp.set_data_offset((header / 4) as u8);
    tcp.set_flags(segment.flags.0);
    tcp.set_window(segment.wnd);
    tcp.set_urgent_ptr(segment.urg);
}
