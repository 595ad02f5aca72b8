//! Data in the page: JSON, deflated (RFC 1951) and in base64, in an element that browsers keep and do not run.
//!
//! Owns the packing, which `unpack` of `page.js` undoes. Nothing in packed data can be taken for markup.

use std::io::{self, Write};

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// Writes the element of this id.
pub(super) fn write(id: &str, packed: &[u8], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<script type=\"text/plain\" id=\"{id}\">{}</script>", BASE64_STANDARD.encode(packed))
}

/// Packs a text.
pub(super) fn pack(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("a vector takes what is written to it")
}
