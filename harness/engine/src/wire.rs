//! IP packets with TCP, or an ICMP error about it, in them: parsing with every length checked, crafting with nothing prettified.
//!
//! Owns the byte layout (RFC 791, RFC 8200, RFC 9293 section 3.1). Refuses to know connections: numbers are absolute here.

mod craft;
mod icmp;
mod options;
mod parse;

use std::net::SocketAddr;

use tcpconform_model::Segment;
use thiserror::Error;

pub use craft::{craft, damage};
pub use icmp::{Forwarded, IcmpMessage, craft_icmp, forward, parse_icmp, same_but_for_hops};
pub use options::{encode_option_texts, encode_options};
pub use parse::parse;

/// A parsed packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// The segment.
    pub segment: Segment,
    /// Whether the TCP checksum (and the IPv4 header checksum) is right.
    pub checksum_ok: bool,
    /// Whether the options could be walked to their end. Where not, those before the bad one count, as in Linux's
    /// `tcp_parse_options`.
    pub options_ok: bool,
    /// Reserved bits of the TCP header (4 bits).
    pub reserved: u8,
    /// Length of the TCP header, options included, bytes.
    pub header_len: u8,
    /// Where the data starts in the packet; it is `segment.data_len` bytes long.
    pub data_at: usize,
}

/// Why bytes are not an IP packet with a TCP segment in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// A header or the packet is longer than the bytes that are there.
    #[error("{what} takes {need} bytes, {have} are there")]
    Short {
        /// Which header.
        what: &'static str,
        /// Bytes it takes.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// Neither IPv4 nor IPv6.
    #[error("IP version {0}")]
    Version(u8),
    /// A length field that is smaller than the header it counts.
    #[error("{what} says {said} bytes, its header takes {need}")]
    Length {
        /// Which field.
        what: &'static str,
        /// What it says.
        said: usize,
        /// What the header takes.
        need: usize,
    },
    /// A fragment of an IPv4 packet.
    #[error("a fragment")]
    Fragment,
    /// Something else than TCP, IPv6 extension headers included.
    #[error("IP protocol {0}, not TCP")]
    Protocol(u8),
    /// Something else than ICMP, or the ICMP of the other IP version.
    #[error("IP protocol {0}, not ICMP")]
    NotIcmp(u8),
    /// An ICMP message that is no error.
    #[error("ICMP type {0}, which is no error")]
    IcmpType(u8),
}

/// The byte at this offset of either direction's stream: what every sender in a case sends and every reader checks.
pub const fn stream_byte(offset: u32) -> u8 {
    (offset % 251) as u8
}
