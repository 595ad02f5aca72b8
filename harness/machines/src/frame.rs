//! Frames on the line from guest to host: a mark, a length and a checksum before each part of one compressed stream.
//!
//! Owns noticing what is no frame: a kernel that writes to the line, a line that loses bytes. Refuses to know what is inside.

use std::io;

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress};
use thiserror::Error;

/// The first bytes of a frame; no text has them.
const MARK: [u8; 4] = [0xf5, b't', b'c', 0xf6];
const HEADER: usize = 12;
/// Of traces an eighth is left at this level, for a third more instructions than at the first, where it is a fifth.
const LEVEL: Compression = Compression::new(3);
/// The longest frame, bytes.
const FRAME_MAX: usize = 64 << 20;
/// How much of what is no frame is shown.
const SHOWN: usize = 60;

/// The line carried something else than frames.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Garbage {
    /// No frame begins where one should.
    #[error("not a frame at byte {at} of the results: {shown}")]
    NoFrame {
        /// Offset on the line.
        at: u64,
        /// What is there, printable.
        shown: String,
    },
    /// A frame arrived changed.
    #[error("the frame at byte {at} of the results has a wrong checksum")]
    Checksum {
        /// Offset on the line.
        at: u64,
    },
    /// What is in the frame does not unpack.
    #[error("the frame at byte {at} of the results does not unpack")]
    Packed {
        /// Offset on the line.
        at: u64,
    },
}

/// The guest's end.
#[derive(Debug)]
pub(crate) struct Encoder {
    stream: Compress,
}

impl Encoder {
    pub(crate) fn new() -> Encoder {
        Encoder { stream: Compress::new(LEVEL, false) }
    }

    /// The frame with these bytes.
    pub(crate) fn frame(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; HEADER];
        let before = self.stream.total_in();
        loop {
            let done = (self.stream.total_in() - before) as usize;
            frame.reserve(1024 + (bytes.len() - done) / 4);
            let room = frame.capacity() - frame.len();
            let length = frame.len();
            self.stream.compress_vec(&bytes[done..], &mut frame, FlushCompress::Sync)?;
            // Room left: everything is out.
            if frame.len() - length < room {
                break;
            }
        }
        let mut crc = Crc::new();
        crc.update(&frame[HEADER..]);
        let length = (frame.len() - HEADER) as u32;
        frame[..4].copy_from_slice(&MARK);
        frame[4..8].copy_from_slice(&length.to_le_bytes());
        frame[8..12].copy_from_slice(&crc.sum().to_le_bytes());
        Ok(frame)
    }
}

/// The host's end.
#[derive(Debug)]
pub(crate) struct Decoder {
    stream: Decompress,
    /// Received and not yet unpacked.
    received: Vec<u8>,
    /// Offset of `received` on the line.
    at: u64,
}

impl Decoder {
    pub(crate) fn new() -> Decoder {
        Decoder { stream: Decompress::new(false), received: Vec::new(), at: 0 }
    }

    /// Takes what came over the line.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The bytes of the next frame; `None` while it is not all there.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Garbage> {
        let at = self.at;
        let known = self.received.len().min(MARK.len());
        let word = |from: usize| u32::from_le_bytes(self.received[from..from + 4].try_into().expect("four bytes"));
        let length = if self.received.len() < HEADER { 0 } else { word(4) as usize };
        if self.received[..known] != MARK[..known] || length > FRAME_MAX {
            let shown = self.received[..self.received.len().min(SHOWN)].escape_ascii().to_string();
            return Err(Garbage::NoFrame { at, shown });
        }
        if self.received.len() < HEADER || self.received.len() < HEADER + length {
            return Ok(None);
        }
        let packed = &self.received[HEADER..HEADER + length];
        let mut crc = Crc::new();
        crc.update(packed);
        if crc.sum() != word(8) {
            return Err(Garbage::Checksum { at });
        }
        let mut bytes = Vec::with_capacity(4 * length + 64);
        let before = self.stream.total_in();
        let mut done = 0;
        loop {
            let had = (done, bytes.len());
            let unpacked = self.stream.decompress_vec(&packed[done..], &mut bytes, FlushDecompress::Sync);
            done = (self.stream.total_in() - before) as usize;
            // It may give what it has before it takes the rest.
            let room = bytes.len() < bytes.capacity();
            if unpacked.is_err() || bytes.len() > FRAME_MAX {
                return Err(Garbage::Packed { at });
            }
            if done == length && room {
                break;
            }
            if room && had == (done, bytes.len()) {
                return Err(Garbage::Packed { at });
            }
            if !room {
                bytes.reserve(bytes.len());
            }
        }
        self.received.drain(..HEADER + length);
        self.at += (HEADER + length) as u64;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<Vec<u8>> {
        let long: Vec<u8> = (0..200_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
        vec![b"{\"a\":1}\n".repeat(5), Vec::new(), long, vec![b'x'; 1_000_000], b"{\"a\":2}\n".to_vec()]
    }

    fn line() -> Vec<u8> {
        let mut encoder = Encoder::new();
        texts().iter().flat_map(|text| encoder.frame(text).unwrap()).collect()
    }

    #[test]
    fn frames_arrive_whole_in_whatever_pieces() {
        let line = line();
        for piece in [1, 7, 4096, line.len()] {
            let mut decoder = Decoder::new();
            let mut got = Vec::new();
            for bytes in line.chunks(piece) {
                decoder.receive(bytes);
                while let Some(bytes) = decoder.next().unwrap() {
                    got.push(bytes);
                }
            }
            assert!(got == texts(), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_long_line_of_frames_of_all_sizes_arrives_whole() {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let mut seed = 1u32;
        for round in 0..300 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = (seed >> 8) as usize % if round % 50 == 0 { 200_000 } else { 9_000 };
            let text: Vec<u8> =
                (0..size as u32).map(|n| b"{\"at\":0123456789}"[(n.wrapping_mul(seed) >> 7) as usize % 17]).collect();
            decoder.receive(&encoder.frame(&text).unwrap());
            assert!(decoder.next().unwrap().as_deref() == Some(&text[..]), "round {round}, {size} bytes");
        }
    }

    #[test]
    fn what_repeats_is_sent_once() {
        let mut encoder = Encoder::new();
        let text: Vec<u8> = (0..2_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let [first, again] = [encoder.frame(&text).unwrap().len(), encoder.frame(&text).unwrap().len()];
        assert!(again * 10 < first, "{first} bytes, then {again}");
    }

    #[test]
    fn text_on_the_line_is_garbage() {
        let mut decoder = Decoder::new();
        decoder.receive(&line()[..60]);
        decoder.next().unwrap().unwrap();
        let at = decoder.at;
        let mut decoder = Decoder::new();
        decoder.receive(&line()[..at as usize]);
        decoder.receive(b"[    1.5] Oops: 0000\r\n");
        decoder.next().unwrap().unwrap();
        let shown = "[    1.5] Oops: 0000\\r\\n".to_owned();
        assert_eq!(decoder.next(), Err(Garbage::NoFrame { at, shown }));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let whole = line();
        for at in [4, 7, 9, 14, 20] {
            let mut changed = whole.clone();
            changed[at] ^= 0x40;
            let mut decoder = Decoder::new();
            decoder.receive(&changed);
            let got = decoder.next();
            assert!(got.as_ref().is_err() || got == Ok(None), "byte {at}: {got:?}");
        }
    }
}
