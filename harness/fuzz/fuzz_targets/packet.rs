//! An IP packet from the link: a segment, an ICMP error, or neither.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use tcpconform_engine::notation::{display_segment, icmp_text};
use tcpconform_engine::trace::Way;
use tcpconform_engine::view::View;
use tcpconform_engine::wire;

fuzz_target!(|packet: &[u8]| {
    let mut view = View::default();
    if let Ok(parsed) = wire::parse(packet) {
        for way in [Way::Out, Way::In] {
            view.follow(way, &parsed.segment);
            assert!(!display_segment(&parsed.segment, view.bases(way), true).is_empty());
        }
        assert!(parsed.data_at + parsed.segment.data_len as usize <= packet.len());
    }
    let _ = wire::parse_icmp(packet);
    let _ = icmp_text(packet, view.bases(Way::Out));
    for router in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let _ = wire::forward(packet.to_vec(), router);
    }
});
