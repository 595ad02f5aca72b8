//! IP packets with TCP in them: parsing with every length checked, crafting with nothing prettified.
//!
//! Owns the byte layout. Refuses to know connections: numbers are absolute here.

use std::net::SocketAddr;

use tcpconform_model::Segment;

/// A parsed packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The segment.
    pub segment: Segment,
    /// Whether the TCP checksum (and the IPv4 header checksum) is right.
    pub checksum_ok: bool,
    /// Reserved bits of the TCP header (4 bits).
    pub reserved: u8,
}

/// The byte at this offset of either direction's stream: what every sender in a case sends and every reader checks.
pub const fn stream_byte(offset: u32) -> u8 {
    (offset % 251) as u8
}
