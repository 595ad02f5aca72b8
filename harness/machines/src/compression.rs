//! Unpacking what kernels, modules and packages are packed with: gzip, xz, zstd, by magic number.
//!
//! Owns telling a cut-off stream from a damaged one, and a limit on what comes out. Refuses to know what is inside.

use std::io::{self, Cursor, Read};

use flate2::read::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// More than this is no module and no kernel, bytes.
const UNPACKED_MAX: u64 = 512 << 20;

/// A reader of what is inside; of the bytes themselves where they are not packed.
pub(crate) fn reader(packed: &[u8]) -> io::Result<Box<dyn Read + '_>> {
    let input = Cursor::new(packed);
    Ok(match packed {
        [0x1f, 0x8b, ..] => Box::new(GzDecoder::new(input)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(XzReader::new(input, true)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(StreamingDecoder::new(input).map_err(io::Error::other)?),
        _ => Box::new(input),
    })
}

/// What is inside, all of it.
pub(crate) fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader(packed)?.take(UNPACKED_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > UNPACKED_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {} MiB inside", UNPACKED_MAX >> 20)));
    }
    Ok(bytes)
}
