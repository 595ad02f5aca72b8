//! What is crafted is parsed back; what is no packet is refused, whatever the bytes.

use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use tcpconform_engine::case::Damage;
use tcpconform_engine::wire::{
    Forwarded, IcmpMessage, WireError, craft, craft_icmp, damage, encode_options, forward, parse, parse_icmp,
};
use tcpconform_model::{Flags, IcmpKind, Options, SackBlock, Segment, Seq, Timestamps};

fn addresses() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<u16>(), any::<u16>())
            .prop_map(|(a, b, p, q)| (SocketAddr::from((a, p)), SocketAddr::from((b, q)))),
        (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u16>(), any::<u16>())
            .prop_map(|(a, b, p, q)| (SocketAddr::from((a, p)), SocketAddr::from((b, q)))),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let blocks = vec((any::<u32>(), any::<u32>()), 0..2);
    let timestamps = proptest::option::of((any::<u32>(), any::<u32>()));
    let (mss, wscale) = (proptest::option::of(any::<u16>()), proptest::option::of(any::<u8>()));
    (mss, wscale, any::<bool>(), timestamps, blocks).prop_map(|(mss, wscale, sack_permitted, timestamps, blocks)| {
        let mut sack = [None; 4];
        for (slot, (left, right)) in sack.iter_mut().zip(blocks) {
            *slot = Some(SackBlock { left: Seq(left), right: Seq(right) });
        }
        let timestamps = timestamps.map(|(val, ecr)| Timestamps { val, ecr });
        Options { mss, wscale, sack_permitted, timestamps, sack }
    })
}

prop_compose! {
    fn segment()(
        seq in any::<u32>(), ack in any::<u32>(), flags in any::<u8>(), wnd in any::<u16>(), urg in any::<u16>(),
        data_len in 0..1500u32, options in options(), hop_limit in any::<u8>(),
    ) -> Segment {
        Segment { seq: Seq(seq), ack: Seq(ack), flags: Flags(flags), wnd, urg, data_len, options, hop_limit }
    }
}

proptest! {
    #[test]
    fn crafted_packets_are_parsed_back((source, destination) in addresses(), segment in segment(), padding in 0..20usize) {
        let payload: Vec<u8> = (0..segment.data_len).map(|i| i as u8).collect();
        let mut bytes = craft(source, destination, &segment, &encode_options(&segment.options), &payload);
        bytes.extend(vec![0; padding]);
        let packet = parse(&bytes).expect("a packet");
        prop_assert_eq!((packet.source, packet.destination), (source, destination));
        prop_assert_eq!(packet.segment, segment);
        prop_assert!(packet.checksum_ok && packet.options_ok);
        prop_assert_eq!(packet.reserved, 0);
        prop_assert_eq!(&bytes[packet.data_at..][..payload.len()], &payload[..]);
    }

    #[test]
    fn icmp_errors_are_parsed_back((from, to) in addresses(), segment in segment(), kind in 0..IcmpKind::NAMES.len()) {
        let payload = vec![0; segment.data_len as usize];
        let bytes = craft(from, to, &segment, &encode_options(&segment.options), &payload);
        let (kind, _) = IcmpKind::NAMES[kind];
        let Some(error) = craft_icmp(to.ip(), kind, &bytes) else {
            prop_assert!(kind == IcmpKind::SourceQuench && to.is_ipv6());
            return Ok(());
        };
        let most = if to.is_ipv6() { 1280 } else { 576 };
        prop_assert!(error.len() <= most);
        let (source, destination, seq) = (to.ip(), from.ip(), segment.seq);
        let expected = IcmpMessage { source, destination, kind, from, to, seq, checksum_ok: true };
        prop_assert_eq!(parse_icmp(&error), Ok(expected));
        prop_assert!(parse(&error).is_err() && parse_icmp(&bytes).is_err());
    }

    #[test]
    fn a_router_takes_one_off_the_hop_limit((from, to) in addresses(), segment in segment()) {
        let bytes = craft(from, to, &segment, &encode_options(&segment.options), &vec![0; segment.data_len as usize]);
        match forward(bytes, to.ip()) {
            Forwarded::On(packet) => {
                let packet = parse(&packet).expect("a packet");
                prop_assert!(packet.checksum_ok);
                prop_assert_eq!(packet.segment, Segment { hop_limit: segment.hop_limit - 1, ..segment });
            }
            Forwarded::Died(error) => {
                prop_assert!(segment.hop_limit <= 1);
                let error = parse_icmp(&error).expect("an error");
                prop_assert_eq!((error.kind, error.from, error.seq), (IcmpKind::TimeExceeded, from, segment.seq));
            }
        }
    }

    #[test]
    fn one_changed_bit_is_noticed((source, destination) in addresses(), segment in segment(), bit in any::<usize>()) {
        let original = craft(source, destination, &segment, &encode_options(&segment.options), &[]);
        let mut bytes = original.clone();
        let at = bit / 8 % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
        let unprotected = source.is_ipv6() && (at < 4 || at == 7);
        if let Ok(packet) = parse(&bytes) {
            prop_assert!(unprotected || !packet.checksum_ok, "byte {}", at);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..120), words in any::<u8>(), first in prop_oneof![Just(0x45u8), Just(0x60), any::<u8>()]) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        if first == 0x45 && bytes.len() >= 20 {
            bytes[6..8].fill(0);
            bytes[2] = 0;
            bytes[9] = if words % 2 == 0 { 6 } else { 1 };
            bytes.extend_from_within(..20);
        } else if first == 0x60 && bytes.len() >= 40 {
            bytes[4] = 0;
            bytes[6] = if words % 2 == 0 { 6 } else { 58 };
            bytes.extend_from_within(..40);
        }
        let _ = (parse_icmp(&bytes), forward(bytes.clone(), [10, 0, 0, 9].into()), forward(bytes.clone(), [0; 16].into()));
        if let Ok(packet) = parse(&bytes) {
            prop_assert!(packet.data_at + packet.segment.data_len as usize <= bytes.len());
        }
    }

    #[test]
    fn damaged_packets_never_panic((source, destination) in addresses(), segment in segment(), cut in any::<u16>(), words in 0..16u8) {
        let mut bytes = craft(source, destination, &segment, &encode_options(&segment.options), &[]);
        damage(&mut bytes, &[Damage::DataOffset(words), Damage::Truncate(cut), Damage::Reserved(words), Damage::Checksum]);
        let _ = parse(&bytes);
    }
}

fn packet() -> Vec<u8> {
    let segment = Segment { seq: Seq(1), ack: Seq(2), flags: Flags::ACK, wnd: 3, ..Segment::default() };
    craft(([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 81).into(), &segment, &[2, 4, 5, 180], b"data")
}

#[test]
fn damage_is_what_it_says_and_nothing_else() {
    let damaged = |damages: &[Damage]| {
        let mut bytes = packet();
        damage(&mut bytes, damages);
        parse(&bytes)
    };
    let whole = damaged(&[]).expect("a packet");
    assert!(whole.checksum_ok);
    assert!(!damaged(&[Damage::Checksum, Damage::Truncate(1)]).expect("a packet").checksum_ok);
    let reserved = damaged(&[Damage::Reserved(5)]).expect("a packet");
    assert_eq!((reserved.reserved, reserved.checksum_ok), (5, true));
    let cut = damaged(&[Damage::Truncate(3)]).expect("a packet");
    assert_eq!((cut.segment.data_len, cut.checksum_ok), (1, true));
    assert_eq!(
        damaged(&[Damage::DataOffset(3)]),
        Err(WireError::Length { what: "TCP data offset", said: 12, need: 20 })
    );
    assert_eq!(
        damaged(&[Damage::DataOffset(15)]),
        Err(WireError::Short { what: "the TCP header", need: 60, have: 28 })
    );
}

#[test]
fn an_option_that_lies_about_its_length_stops_the_walk() {
    let segment = Segment { flags: Flags::SYN, ..Segment::default() };
    let with = |options: &[u8]| {
        let bytes = craft(([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 81).into(), &segment, options, &[]);
        let packet = parse(&bytes).expect("a packet");
        (packet.segment.options, packet.options_ok)
    };
    let mss = Options { mss: Some(1460), ..Options::default() };
    assert_eq!(with(&[2, 4, 5, 180, 3, 0, 0, 0]), (mss, false));
    assert_eq!(with(&[2, 4, 5, 180, 3, 40, 7, 0]), (mss, false));
    assert_eq!(with(&[2, 4, 5, 180, 0, 40, 7, 0]), (mss, true));
    assert_eq!(with(&[2, 3, 5, 3, 3, 7]), (Options { wscale: Some(7), ..Options::default() }, true));
}

#[test]
fn either_zero_of_ones_complement_is_a_right_checksum() {
    // A FIN as a kernel sent it, whose checksum folds to zero and is carried as 0xffff (RFC 1071 section 2).
    let hex = "4500002815cf4000400602d7c6134b01c6134b027158bf78cade9101ffffff01501101f6ffff0000";
    let mut packet: Vec<u8> =
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal")).collect();
    assert!(parse(&packet).expect("a packet").checksum_ok);
    packet[36..38].copy_from_slice(&[0, 0]);
    assert!(parse(&packet).expect("a packet").checksum_ok);
}
