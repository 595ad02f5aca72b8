//! Names ICMP errors, both ways.

use tcpconform_model::IcmpKind;

use super::Bases;
use super::scan::{NotationError, unknown};
use crate::wire;

/// Parses the name of an ICMP error, as in `host-unreachable`.
pub fn parse_icmp_kind(text: &str) -> Result<IcmpKind, NotationError> {
    let names = IcmpKind::NAMES.map(|(_, name)| name);
    IcmpKind::from_name(text).ok_or_else(|| unknown(0, text, "ICMP error", names))
}

/// An ICMP error as people read it, as in `host-unreachable, seq 1`; the number relative to that of its sender.
pub fn icmp_text(packet: &[u8], of_sender: Bases) -> String {
    match wire::parse_icmp(packet) {
        Ok(message) => format!("{}, seq {}", message.kind, message.seq.since(of_sender.seq)),
        Err(error) => format!("({error})"),
    }
}
