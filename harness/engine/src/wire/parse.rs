//! Parses a packet; pnet reads the fields, the lengths are checked here because pnet is lenient about them.

use std::net::{IpAddr, SocketAddr};

use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::{self, Ipv4Flags, Ipv4Packet};
use pnet::packet::ipv6::Ipv6Packet;
use pnet::packet::tcp::{self, TcpPacket};
use tcpconform_model::{Flags, Segment, Seq};

use super::options::walk_options;
use super::{Packet, WireError};

pub(super) const IPV4_MIN: usize = 20;
pub(super) const IPV6_LEN: usize = 40;
pub(super) const TCP_MIN: usize = 20;

/// Parses an IP packet, from the first byte of its header on; bytes behind its end (padding of the link) are ignored.
///
/// A wrong checksum, a bad option and reserved bits are told in the [`Packet`]; a header that does not fit is an error.
pub fn parse(packet: &[u8]) -> Result<Packet, WireError> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => parse_ipv4(packet),
        Some(6) => parse_ipv6(packet),
        Some(version) => Err(WireError::Version(version)),
        None => Err(WireError::Short { what: "an IP header", need: IPV4_MIN, have: 0 }),
    }
}

fn parse_ipv4(packet: &[u8]) -> Result<Packet, WireError> {
    let short = |what, need| WireError::Short { what, need, have: packet.len() };
    let ip = Ipv4Packet::new(packet).ok_or(short("the IPv4 header", IPV4_MIN))?;
    let header = usize::from(ip.get_header_length()) * 4;
    if header < IPV4_MIN {
        return Err(WireError::Length { what: "IHL", said: header, need: IPV4_MIN });
    }
    let total = usize::from(ip.get_total_length());
    if total < header {
        return Err(WireError::Length { what: "IPv4 total length", said: total, need: header });
    }
    if total > packet.len() {
        return Err(short("the IPv4 packet", total));
    }
    if ip.get_fragment_offset() != 0 || ip.get_flags() & Ipv4Flags::MoreFragments != 0 {
        return Err(WireError::Fragment);
    }
    if ip.get_next_level_protocol() != IpNextHeaderProtocols::Tcp {
        return Err(WireError::Protocol(ip.get_next_level_protocol().0));
    }
    let (source, destination) = (ip.get_source(), ip.get_destination());
    let ip_ok = same_checksum(ipv4::checksum(&ip), ip.get_checksum());
    let addresses = (IpAddr::V4(source), IpAddr::V4(destination));
    parse_tcp(&packet[..total], header, addresses, ip.get_ttl(), |tcp| {
        ip_ok && same_checksum(tcp::ipv4_checksum(tcp, &source, &destination), tcp.get_checksum())
    })
}

fn parse_ipv6(packet: &[u8]) -> Result<Packet, WireError> {
    let short = |what, need| WireError::Short { what, need, have: packet.len() };
    let ip = Ipv6Packet::new(packet).ok_or(short("the IPv6 header", IPV6_LEN))?;
    let total = IPV6_LEN + usize::from(ip.get_payload_length());
    if total > packet.len() {
        return Err(short("the IPv6 packet", total));
    }
    if ip.get_next_header() != IpNextHeaderProtocols::Tcp {
        return Err(WireError::Protocol(ip.get_next_header().0));
    }
    let (source, destination) = (ip.get_source(), ip.get_destination());
    let addresses = (IpAddr::V6(source), IpAddr::V6(destination));
    parse_tcp(&packet[..total], IPV6_LEN, addresses, ip.get_hop_limit(), |tcp| {
        same_checksum(tcp::ipv6_checksum(tcp, &source, &destination), tcp.get_checksum())
    })
}

/// One's complement has two zeros, and a sender may use either (RFC 1071 section 2).
fn same_checksum(computed: u16, carried: u16) -> bool {
    computed == carried || matches!((computed, carried), (0, 0xffff) | (0xffff, 0))
}

/// `packet` ends where the IP header says.
fn parse_tcp(
    packet: &[u8],
    tcp_at: usize,
    (source, destination): (IpAddr, IpAddr),
    hop_limit: u8,
    checksum_ok: impl Fn(&TcpPacket<'_>) -> bool,
) -> Result<Packet, WireError> {
    let bytes = &packet[tcp_at..];
    let short = |need| WireError::Short { what: "the TCP header", need, have: bytes.len() };
    let tcp = TcpPacket::new(bytes).ok_or(short(TCP_MIN))?;
    let header = usize::from(tcp.get_data_offset()) * 4;
    if header < TCP_MIN {
        return Err(WireError::Length { what: "TCP data offset", said: header, need: TCP_MIN });
    }
    if header > bytes.len() {
        return Err(short(header));
    }
    let (options, options_ok) = walk_options(&bytes[TCP_MIN..header]);
    Ok(Packet {
        source: SocketAddr::new(source, tcp.get_source()),
        destination: SocketAddr::new(destination, tcp.get_destination()),
        segment: Segment {
            seq: Seq(tcp.get_sequence()),
            ack: Seq(tcp.get_acknowledgement()),
            flags: Flags(bytes[13]),
            wnd: tcp.get_window(),
            urg: tcp.get_urgent_ptr(),
            data_len: (bytes.len() - header) as u32,
            options,
            hop_limit,
        },
        checksum_ok: checksum_ok(&tcp),
        options_ok,
        reserved: bytes[12] & 0x0f,
        header_len: header as u8,
        data_at: tcp_at + header,
    })
}
