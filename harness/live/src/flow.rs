//! Which captured frames belong to a case's connection.
//!
//! Owns the way from an Ethernet frame to an IP packet of the case's addresses and ports, and the few header fields that
//! finding out needs. Refuses to judge what it lets through: a damaged segment belongs to the connection too.

use std::net::{IpAddr, SocketAddr};

use tcpconform_engine::trace::Way;

/// Length of the Ethernet header, bytes.
pub(crate) const ETHERNET: usize = 14;

/// The IP packet in a frame, cut to the length that its header says; `None` for anything but IP. Bytes behind a VLAN tag are
/// none of ours.
pub(crate) fn ip_packet(frame: &[u8]) -> Option<&[u8]> {
    let packet = frame.get(ETHERNET..)?;
    let said = match (&frame[12..ETHERNET], packet.first()? >> 4) {
        ([0x08, 0x00], 4) => usize::from(number(packet, 2)?),
        ([0x86, 0xdd], 6) => 40 + usize::from(number(packet, 4)?),
        _ => return None,
    };
    Some(&packet[..said.min(packet.len())])
}

/// Where a packet goes, seen from the endpoint at `local`; `None` when it is not TCP between the two addresses and ports. A
/// packet too short to hold ports counts by its addresses.
pub(crate) fn way(packet: &[u8], local: SocketAddr, remote: SocketAddr) -> Option<Way> {
    let (source, destination, start) = match packet.first()? >> 4 {
        4 => {
            let address = |at: usize| packet.get(at..at + 4).map(|b| <[u8; 4]>::try_from(b).expect("four bytes"));
            (IpAddr::from(address(12)?), IpAddr::from(address(16)?), usize::from(packet[0] & 15) * 4)
        }
        6 => {
            let address = |at: usize| packet.get(at..at + 16).map(|b| <[u8; 16]>::try_from(b).expect("sixteen bytes"));
            (IpAddr::from(address(8)?), IpAddr::from(address(24)?), 40)
        }
        _ => return None,
    };
    let protocol = if source.is_ipv4() { packet[9] } else { packet[6] };
    if i32::from(protocol) != libc::IPPROTO_TCP {
        return None;
    }
    let ports = number(packet, start).zip(number(packet, start + 2));
    let fits = |from: SocketAddr, to: SocketAddr| {
        source == from.ip()
            && destination == to.ip()
            && ports.is_none_or(|(source, destination)| source == from.port() && destination == to.port())
    };
    if fits(local, remote) {
        Some(Way::Out)
    } else if fits(remote, local) {
        Some(Way::In)
    } else {
        None
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

#[cfg(test)]
mod tests {
    use super::{ip_packet, way};
    use tcpconform_engine::trace::Way;

    fn frame() -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00]);
        frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0, 80, 0, 90]);
        frame.extend([0; 16]);
        frame
    }

    #[test]
    fn padding_behind_the_packet_is_cut() {
        let mut padded = frame();
        padded.extend([9; 6]);
        assert_eq!(ip_packet(&padded).map(<[u8]>::len), Some(40));
        padded[13] = 6;
        assert_eq!(ip_packet(&padded), None);
        assert_eq!(ip_packet(&padded[..10]), None);
    }

    #[test]
    fn only_the_connection_passes() {
        let frame = frame();
        let packet = ip_packet(&frame).unwrap();
        let (one, two) = ("10.0.0.1:80".parse().unwrap(), "10.0.0.2:90".parse().unwrap());
        assert_eq!(way(packet, one, two), Some(Way::Out));
        assert_eq!(way(packet, two, one), Some(Way::In));
        assert_eq!(way(packet, one, "10.0.0.2:91".parse().unwrap()), None);
        let mut short = packet[..21].to_vec();
        assert_eq!(way(&short, one, two), Some(Way::Out));
        short[9] = 17;
        assert_eq!(way(&short, one, two), None);
        assert_eq!(way(&[], one, two), None);
    }
}
