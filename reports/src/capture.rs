//! `captures/<case>.pcapng`: the packets of a trace for Wireshark and tshark, in the pcapng format.
//!
//! Owns the blocks: one interface for each link, nanosecond stamps, the direction seen from the endpoint under test, and a
//! comment on each packet that the case or a rule speaks of. Refuses to read captures, and to know what is right.

use std::collections::BTreeSet;
use std::io;

use tcpconform_engine::case::Host;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::trace::{Header, Nanos, Trace, Way};

use crate::failure;
use crate::palette::Palette;
use crate::printable::printable;
use crate::remarks::remarks;
use crate::report::Target;

// Block types and option codes of draft-ietf-opsawg-pcapng, LINKTYPE_RAW of www.tcpdump.org/linktypes.html.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const SHB_OS: u16 = 3;
const SHB_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TIME_RESOLUTION: u16 = 9;
const EPB_FLAGS: u16 = 2;
const LINKTYPE_RAW: u16 = 101;
/// Stamps count in units of ten to the power of minus this.
const NANOSECONDS: u8 = 9;
/// The longest value of an option that its length field can tell, in whole words.
const OPTION_MAX: usize = 0xfffc;

/// Writes the capture of a judged trace.
pub fn write(trace: &Trace, judgement: &Judgement, out: &mut dyn io::Write) -> io::Result<()> {
    let header = &trace.header;
    let links: BTreeSet<Host> = header.endpoints.iter().map(|endpoint| endpoint.name.host).collect();
    section(header, judgement).write(out)?;
    for link in &links {
        interface(header, *link).write(out)?;
    }
    let remarks = remarks(trace, judgement);
    for (index, record) in trace.records.iter().enumerate() {
        let Some((on, way, packet)) = record.what.packet() else { continue };
        let Some(link) = links.iter().position(|link| *link == on.host) else { continue };
        let comments = remarks.get(&index).map_or(&[][..], Vec::as_slice);
        packet_block(link as u32, header.started_unix_ns.saturating_add(record.at), way, packet, comments)
            .write(out)?;
    }
    Ok(())
}

fn section(header: &Header, judgement: &Judgement) -> Block {
    let mut block = Block::new(SECTION_HEADER);
    block.u32(BYTE_ORDER_MAGIC).u16(1).u16(0);
    // The section's length: not told.
    block.u32(u32::MAX).u32(u32::MAX);
    let target = Target::of(&header.target);
    block.text(COMMENT, &header.purpose);
    let message = match judgement.verdict.is_bad() {
        true => failure::message(judgement, &[], &target, &Palette::plain()),
        false => format!("{} {}", judgement.verdict.name().to_uppercase(), judgement.name()),
    };
    block.lines(COMMENT, message.trim_end());
    block.text(SHB_OS, &target.title());
    block.text(SHB_APPLICATION, &format!("tcpconform {}", header.tool));
    block
}

fn interface(header: &Header, link: Host) -> Block {
    let mut block = Block::new(INTERFACE_DESCRIPTION);
    // Reserved, and no limit to what is captured of a packet.
    block.u16(LINKTYPE_RAW).u16(0).u32(0);
    block.text(IF_NAME, &link.to_string());
    let of_link = header.endpoints.iter().filter(|endpoint| endpoint.name.host == link);
    let addresses: Vec<String> =
        of_link.map(|endpoint| format!("{} {} to {}", endpoint.name, endpoint.local, endpoint.remote)).collect();
    block.text(IF_DESCRIPTION, &format!("the link of {link}: {}", addresses.join(", ")));
    block.option(IF_TIME_RESOLUTION, &[NANOSECONDS]);
    block
}

fn packet_block(link: u32, at: Nanos, way: Way, packet: &[u8], comments: &[String]) -> Block {
    let mut block = Block::new(ENHANCED_PACKET);
    let len = packet.len() as u32;
    block.u32(link).u32((at >> 32) as u32).u32(at as u32).u32(len).u32(len);
    block.padded(packet);
    let direction: u32 = match way {
        Way::In => 1,
        Way::Out => 2,
    };
    comments.iter().for_each(|comment| block.text(COMMENT, comment));
    block.option(EPB_FLAGS, &direction.to_le_bytes());
    block
}

/// A block under construction; all numbers are little-endian.
struct Block {
    kind: u32,
    body: Vec<u8>,
    has_options: bool,
}

impl Block {
    fn new(kind: u32) -> Block {
        Block { kind, body: Vec::with_capacity(256), has_options: false }
    }

    fn u16(&mut self, value: u16) -> &mut Block {
        self.body.extend(value.to_le_bytes());
        self
    }

    fn u32(&mut self, value: u32) -> &mut Block {
        self.body.extend(value.to_le_bytes());
        self
    }

    /// Bytes, filled up to whole words.
    fn padded(&mut self, bytes: &[u8]) {
        self.body.extend(bytes);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.has_options = true;
        self.u16(code).u16(value.len() as u16);
        self.padded(value);
    }

    /// A text of one line.
    fn text(&mut self, code: u16, text: &str) {
        self.lines(code, &printable(text));
    }

    /// A text whose line breaks are wanted.
    fn lines(&mut self, code: u16, text: &str) {
        let mut end = text.len().min(OPTION_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.option(code, &text.as_bytes()[..end]);
    }

    fn write(mut self, out: &mut dyn io::Write) -> io::Result<()> {
        if self.has_options {
            self.u16(END_OF_OPTIONS).u16(0);
        }
        // Type, the length at either end, and the body.
        let len = (self.body.len() as u32 + 12).to_le_bytes();
        out.write_all(&self.kind.to_le_bytes())?;
        out.write_all(&len)?;
        out.write_all(&self.body)?;
        out.write_all(&len)
    }
}
