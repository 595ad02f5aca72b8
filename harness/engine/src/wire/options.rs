//! TCP options on the wire (RFC 9293 section 3.2, RFC 7323, RFC 2018), walked and written by hand.

use tcpconform_model::{Options, SackBlock, Seq, Timestamps};

use crate::notation::{Bases, Clocks, Numbers, OptionText};

const EOL: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WSCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// The options that the model knows, and whether the walk came to the end.
///
/// As Linux's `tcp_parse_options`: a length below 2 or beyond the end stops the walk, a known option of another length
/// than its own is skipped, and of two the later counts.
pub(super) fn walk_options(bytes: &[u8]) -> (Options, bool) {
    let mut options = Options::default();
    let mut rest = bytes;
    loop {
        match *rest {
            [] | [EOL, ..] => return (options, true),
            [NOP, ..] => rest = &rest[1..],
            [kind, len, ..] if len >= 2 && usize::from(len) <= rest.len() => {
                let (option, behind) = rest.split_at(usize::from(len));
                read_option(kind, &option[2..], &mut options);
                rest = behind;
            }
            [..] => return (options, false),
        }
    }
}

fn read_option(kind: u8, value: &[u8], options: &mut Options) {
    match (kind, value) {
        (MSS, &[high, low]) => options.mss = Some(u16::from_be_bytes([high, low])),
        (WSCALE, &[shift]) => options.wscale = Some(shift),
        (SACK_PERMITTED, []) => options.sack_permitted = true,
        (TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
            let (val, ecr) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
            options.timestamps = Some(Timestamps { val, ecr });
        }
        (SACK, blocks) => {
            let (blocks, rest) = blocks.as_chunks::<8>();
            if rest.is_empty() && !blocks.is_empty() {
                options.sack = [None; 4];
                for (slot, &[a, b, c, d, e, f, g, h]) in options.sack.iter_mut().zip(blocks) {
                    let (left, right) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                    *slot = Some(SackBlock { left: Seq(left), right: Seq(right) });
                }
            }
        }
        (_, _) => {}
    }
}

/// These options laid out as Linux's `tcp_options_write` does, padded to whole words.
pub fn encode_options(options: &Options) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    if let Some(mss) = options.mss {
        write_mss(&mut bytes, mss);
    }
    match (options.sack_permitted, options.timestamps) {
        (true, Some(timestamps)) => {
            write_sack_permitted(&mut bytes);
            write_timestamps(&mut bytes, timestamps);
        }
        (false, Some(timestamps)) => {
            bytes.extend([NOP, NOP]);
            write_timestamps(&mut bytes, timestamps);
        }
        (true, None) => {
            bytes.extend([NOP, NOP]);
            write_sack_permitted(&mut bytes);
        }
        (false, None) => {}
    }
    if let Some(shift) = options.wscale {
        bytes.push(NOP);
        write_wscale(&mut bytes, shift);
    }
    let blocks: Vec<SackBlock> = options.sack.iter().flatten().copied().collect();
    if !blocks.is_empty() {
        bytes.extend([NOP, NOP]);
        write_sack(&mut bytes, &blocks);
    }
    bytes
}

/// The option list of a segment text in its order, not padded; at most 40 bytes, which the parser has seen to.
pub fn encode_option_texts(options: &[OptionText], numbers: &Numbers, bases: Bases, clocks: Clocks) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    for option in options {
        match option {
            OptionText::Nop => bytes.push(NOP),
            OptionText::Eol => bytes.push(EOL),
            OptionText::Mss(mss) => write_mss(&mut bytes, *mss),
            OptionText::WindowScale(shift) => write_wscale(&mut bytes, *shift),
            OptionText::SackPermitted => write_sack_permitted(&mut bytes),
            OptionText::Sack(_) => write_sack(&mut bytes, &option.sack_blocks(numbers, bases)),
            OptionText::Timestamps { val, ecr } => {
                let val = val.resolve(clocks.now, clocks.last_sent);
                let ecr = ecr.resolve(clocks.now, clocks.last_received);
                write_timestamps(&mut bytes, Timestamps { val, ecr });
            }
            OptionText::Raw(raw) => bytes.extend(raw),
        }
    }
    bytes
}

fn write_mss(bytes: &mut Vec<u8>, mss: u16) {
    bytes.extend([MSS, 4]);
    bytes.extend(mss.to_be_bytes());
}

fn write_wscale(bytes: &mut Vec<u8>, shift: u8) {
    bytes.extend([WSCALE, 3, shift]);
}

fn write_sack_permitted(bytes: &mut Vec<u8>) {
    bytes.extend([SACK_PERMITTED, 2]);
}

fn write_timestamps(bytes: &mut Vec<u8>, timestamps: Timestamps) {
    bytes.extend([TIMESTAMPS, 10]);
    bytes.extend(timestamps.val.to_be_bytes());
    bytes.extend(timestamps.ecr.to_be_bytes());
}

fn write_sack(bytes: &mut Vec<u8>, blocks: &[SackBlock]) {
    bytes.extend([SACK, (2 + 8 * blocks.len()) as u8]);
    for block in blocks {
        bytes.extend(block.left.0.to_be_bytes());
        bytes.extend(block.right.0.to_be_bytes());
    }
}
