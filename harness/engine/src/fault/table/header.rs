//! Faults in the header, its options and checksums: RFC 9293 section 3.1, RFC 7323, ICMP.

use tcpconform_model::{Errno, Event, Flags, HOP_LIMIT_DEFAULT, Segment, Timestamps, rules};

use super::{arriving, ends, synchronized, tcp_at, unseen};
use crate::fault::{Bend, Fault};

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        name: "checksum-wrong",
        mistake: "the checksum of a FIN is wrong",
        rules: &[&rules::SEGMENT_CHECKSUM],
        case: "close/active",
        bend: Bend::Writes(|packet| {
            let tcp = tcp_at(packet);
            if packet[tcp + 13] & Flags::FIN.0 != 0 {
                packet[tcp + 16] ^= 0x5a;
            }
        }),
    },
    Fault {
        name: "checksum-not-checked",
        mistake: "a segment with a wrong checksum is taken",
        rules: &[&rules::SEGMENT_DAMAGED],
        case: "challenge/damaged",
        bend: Bend::Trusts,
    },
    Fault {
        name: "reserved-bit-set",
        mistake: "a reserved bit is set",
        rules: &[&rules::SEGMENT_RESERVED],
        case: "close/active",
        bend: Bend::Writes(|packet| {
            let tcp = tcp_at(packet);
            // The checksum stays right: what one word gains another, the window, loses.
            packet[tcp + 12] |= 0x08;
            let sum = u16::from_be_bytes([packet[tcp + 16], packet[tcp + 17]]);
            let (less, borrow) = sum.overflowing_sub(0x0800);
            packet[tcp + 16..tcp + 18].copy_from_slice(&(less - u16::from(borrow)).to_be_bytes());
        }),
    },
    Fault {
        name: "timestamps-missing-from-fin",
        mistake: "the FIN has no timestamps",
        rules: &[&rules::SEGMENT_TIMESTAMPS],
        case: "close/active",
        bend: Bend::Says(|_, s| {
            if s.has(Flags::FIN) {
                s.options.timestamps = None;
            }
            true
        }),
    },
    Fault {
        name: "timestamps-unasked",
        mistake: "timestamps are sent although the peer did not offer them",
        rules: &[&rules::SEGMENT_TIMESTAMPS],
        case: "close/active",
        bend: Bend::Says(|_, s| {
            if s.options.timestamps.is_none() && !s.has(Flags::SYN) && !s.has(Flags::RST) {
                s.options.timestamps = Some(Timestamps { val: 5_000_000, ecr: 0 });
            }
            true
        }),
    },
    Fault {
        name: "timestamp-not-echoed",
        mistake: "TSecr is 0",
        rules: &[&rules::SEGMENT_TSECR],
        case: "close/active",
        bend: Bend::Says(|_, s| {
            if let Some(ts) = &mut s.options.timestamps {
                ts.ecr = 0;
            }
            true
        }),
    },
    Fault {
        name: "tsval-goes-back",
        mistake: "the TSval of a FIN is older than that of the segment before",
        rules: &[&rules::SEGMENT_TSVAL],
        case: "close/active",
        bend: Bend::Says(|_, s| {
            if let (true, Some(ts)) = (s.has(Flags::FIN), &mut s.options.timestamps) {
                ts.val = ts.val.wrapping_sub(100_000);
            }
            true
        }),
    },
    Fault {
        name: "old-timestamp-accepted",
        mistake: "a segment with an old timestamp is taken",
        rules: &[&rules::CHECK_PAWS],
        case: "paws/established",
        bend: Bend::Takes(|t, event| {
            let recent = t.ts_recent;
            if let Some(ts) = arriving(event).and_then(|s| s.options.timestamps.as_mut())
                && (recent.wrapping_sub(ts.val) as i32) > 0
            {
                ts.val = recent;
            }
        }),
    },
    Fault {
        name: "old-timestamp-silent",
        mistake: "a segment with an old timestamp is dropped without an ACK",
        rules: &[&rules::CHECK_PAWS],
        case: "paws/established",
        bend: Bend::Forgets(&rules::CHECK_PAWS),
    },
    Fault {
        name: "old-timestamp-rst-dropped",
        mistake: "a RST with an old timestamp is dropped",
        rules: &[&rules::CHECK_RST_EXACT],
        case: "rst/old-timestamp",
        bend: Bend::Takes(|t, event| {
            let recent = t.ts_recent;
            let old = |s: &Segment| {
                s.has(Flags::RST) && s.options.timestamps.is_some_and(|ts| (recent.wrapping_sub(ts.val) as i32) > 0)
            };
            if synchronized(t.state) && arriving(event).is_some_and(|s| old(s)) {
                *event = unseen();
            }
        }),
    },
    Fault {
        name: "hop-limit-ignored",
        mistake: "IP_TTL and IPV6_UNICAST_HOPS are not looked at",
        rules: &[&rules::SEGMENT_HOP_LIMIT],
        case: "route/hop-limit",
        bend: Bend::Says(|_, s| {
            s.hop_limit = HOP_LIMIT_DEFAULT;
            true
        }),
    },
    Fault {
        name: "icmp-hard-resets",
        mistake: "a hard ICMP error ends a synchronized connection",
        rules: &[&rules::ICMP_HARD, &rules::POLL_EVENTS],
        case: "icmp/established",
        bend: Bend::Becomes(|_, event, _, next| {
            if matches!(event, Event::IcmpArrives(_)) && next.rules.contains(&&rules::ICMP_HARD) {
                ends(next, Errno::CONNREFUSED);
            }
        }),
    },
    Fault {
        name: "icmp-soft-resets",
        mistake: "a soft ICMP error ends a synchronized connection",
        rules: &[&rules::ICMP_SOFT],
        case: "icmp/back-off-reverted",
        bend: Bend::Becomes(|_, event, _, next| {
            if matches!(event, Event::IcmpArrives(_)) && next.rules.contains(&&rules::ICMP_SOFT) {
                ends(next, Errno::HOSTUNREACH);
            }
        }),
    },
    Fault {
        name: "icmp-unnoticed",
        mistake: "ICMP errors are ignored",
        rules: &[&rules::ICMP_OPENING_HARD, &rules::ICMP_OPENING_SOFT, &rules::SOFT_ERROR_TOLD],
        case: "icmp/syn-sent",
        bend: Bend::Takes(|_, event| {
            if matches!(event, Event::IcmpArrives(_)) {
                *event = Event::DamagedIcmpArrives;
            }
        }),
    },
    Fault {
        name: "icmp-number-not-checked",
        mistake: "an ICMP error counts whatever sequence number it quotes",
        rules: &[&rules::ICMP_OUTSIDE, &rules::CALL_RESULT],
        case: "icmp/closed-window",
        bend: Bend::Takes(|t, event| {
            if let Event::IcmpArrives(error) = event {
                error.seq = t.snd_una;
            }
        }),
    },
];
