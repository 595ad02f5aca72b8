//! A TCP segment as the model sees it (RFC 9293 section 3.1): header fields, options, and the length of its data.

use core::fmt;
use core::ops::{Add, BitOr, Sub};

/// A sequence number; comparison is modulo 2^32 (RFC 9293 section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Seq(pub u32);

impl Seq {
    /// `self < other` modulo 2^32.
    pub const fn before(self, other: Seq) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// `self > other` modulo 2^32.
    pub const fn after(self, other: Seq) -> bool {
        other.before(self)
    }

    /// `self <= other` modulo 2^32.
    pub const fn at_most(self, other: Seq) -> bool {
        !other.before(self)
    }

    /// The later of the two modulo 2^32.
    pub const fn max(self, other: Seq) -> Seq {
        if self.before(other) { other } else { self }
    }

    /// The distance from `base`, positive when `self` is later.
    pub const fn since(self, base: Seq) -> i32 {
        self.0.wrapping_sub(base.0) as i32
    }
}

impl Add<u32> for Seq {
    type Output = Seq;
    fn add(self, n: u32) -> Seq {
        Seq(self.0.wrapping_add(n))
    }
}

impl Sub<u32> for Seq {
    type Output = Seq;
    fn sub(self, n: u32) -> Seq {
        Seq(self.0.wrapping_sub(n))
    }
}

/// The control bits of a segment (RFC 9293 section 3.1), with the bit values they have on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from sender.
    pub const FIN: Flags = Flags(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Flags = Flags(0x02);
    /// Reset the connection.
    pub const RST: Flags = Flags(0x04);
    /// Push function.
    pub const PSH: Flags = Flags(0x08);
    /// Acknowledgment field is significant.
    pub const ACK: Flags = Flags(0x10);
    /// Urgent pointer field is significant.
    pub const URG: Flags = Flags(0x20);
    /// ECN-Echo (RFC 3168).
    pub const ECE: Flags = Flags(0x40);
    /// Congestion Window Reduced (RFC 3168).
    pub const CWR: Flags = Flags(0x80);

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits without those of `other`.
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// As tcpdump and packetdrill write them: `S.`, `F.`, `R`, `P.`, `.`, and `-` for none.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("-");
        }
        for (flag, letter) in Flags::LETTERS {
            if self.has(flag) {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Flags {
    /// Each flag with its letter, in the order in which they are written.
    pub const LETTERS: [(Flags, char); 8] = [
        (Flags::FIN, 'F'),
        (Flags::SYN, 'S'),
        (Flags::RST, 'R'),
        (Flags::PSH, 'P'),
        (Flags::URG, 'U'),
        (Flags::ECE, 'E'),
        (Flags::CWR, 'W'),
        (Flags::ACK, '.'),
    ];
}

/// The timestamps option (RFC 7323 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub val: u32,
    /// TSecr: the value echoed.
    pub ecr: u32,
}

/// One block of a SACK option (RFC 2018 section 3): `left` is its first sequence number, `right` the one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SackBlock {
    /// First sequence number of the block.
    pub left: Seq,
    /// The sequence number behind its last.
    pub right: Seq,
}

/// The options of a segment that the model knows; others are not seen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// Maximum segment size, bytes (RFC 9293 section 3.7.1).
    pub mss: Option<u16>,
    /// Window scale shift (RFC 7323 section 2).
    pub wscale: Option<u8>,
    /// SACK permitted (RFC 2018 section 2).
    pub sack_permitted: bool,
    /// Timestamps (RFC 7323 section 3).
    pub timestamps: Option<Timestamps>,
    /// SACK blocks in their order; the first may be a D-SACK (RFC 2883).
    pub sack: [Option<SackBlock>; 4],
}

/// A segment: `seg.seq`, `seg.ack`, `seg.wnd` as they are in the header, `data_len` in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Sequence number of the first byte, or of the SYN.
    pub seq: Seq,
    /// Acknowledgment number; meaningful with `Flags::ACK`.
    pub ack: Seq,
    /// Control bits.
    pub flags: Flags,
    /// Window as in the header, unscaled.
    pub wnd: u16,
    /// Urgent pointer.
    pub urg: u16,
    /// Length of the data, bytes, without SYN and FIN.
    pub data_len: u32,
    /// Options.
    pub options: Options,
    /// The TTL or hop limit of its packet (RFC 9293 section 3.9.2).
    pub hop_limit: u8,
}

/// The hop limit of whoever sets none (RFC 1700; Linux `IPDEFTTL`, `IPV6_DEFAULT_HOPLIMIT`).
pub const HOP_LIMIT_DEFAULT: u8 = 64;

impl Default for Segment {
    /// No flags, no data, no options; the hop limit is the default one.
    fn default() -> Segment {
        let zero = Seq(0);
        Segment {
            seq: zero,
            ack: zero,
            flags: Flags::default(),
            wnd: 0,
            urg: 0,
            data_len: 0,
            options: Options::default(),
            hop_limit: HOP_LIMIT_DEFAULT,
        }
    }
}

impl Segment {
    /// SEG.LEN: the sequence space the segment takes, SYN and FIN included.
    pub const fn len(&self) -> u32 {
        self.data_len + self.flags.has(Flags::SYN) as u32 + self.flags.has(Flags::FIN) as u32
    }

    /// Whether the segment takes no sequence space.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequence number behind the segment's last.
    pub fn end(&self) -> Seq {
        self.seq + self.len()
    }

    /// Whether all of `flags` are set.
    pub const fn has(&self, flags: Flags) -> bool {
        self.flags.has(flags)
    }
}
