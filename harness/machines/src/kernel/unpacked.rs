//! The kernel proper inside its image, for a machine that can start it there.
//!
//! Owns where it lies, and whether it says how it is to be started. An image unpacks itself, which takes an emulated processor
//! seconds; what is not understood here is left to it. Follows Documentation/arch/x86/boot.rst (payload_offset), and the note of
//! include/xen/interface/elfnote.h that QEMU looks for.

use object::LittleEndian;
use object::elf::{EM_X86_64, FileHeader64, NoteType, PT_NOTE};
use object::read::elf::{FileHeader, ProgramHeader};

use super::image::payload;
use crate::compression;

/// The note with the entry point that QEMU starts a kernel at, XEN_ELFNOTE_PHYS32_ENTRY of include/xen/interface/elfnote.h.
const ENTRY: NoteType = NoteType(18);
const OWNER: &[u8] = b"Xen";

/// The kernel proper; `None` where the image is to be booted as it is.
pub(crate) fn kernel(image: &[u8]) -> Option<Vec<u8>> {
    let kernel = compression::unpack(payload(image)?).ok()?;
    has_entry(&kernel)?.then_some(kernel)
}

fn has_entry(kernel: &[u8]) -> Option<bool> {
    let header = FileHeader64::<LittleEndian>::parse(kernel).ok()?;
    if header.e_machine(LittleEndian) != EM_X86_64 {
        return None;
    }
    for segment in header.program_headers(LittleEndian, kernel).ok()? {
        if segment.p_type(LittleEndian) != PT_NOTE {
            continue;
        }
        let mut notes = segment.notes(LittleEndian, kernel).ok()??;
        while let Some(note) = notes.next().ok()? {
            if note.name() == OWNER && note.n_type(LittleEndian) == ENTRY {
                return Some(true);
            }
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use lzma_rust2::{XzOptions, XzWriter};

    use super::super::image::tests::image_with;
    use super::*;

    /// An ELF file that is nothing but a note of this owner and type.
    fn with_note(machine: u8, owner: &[u8; 4], kind: u8) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (file[18], file[20]) = (machine, 1);
        // `e_phoff`, `e_ehsize`, `e_phentsize`, `e_phnum`.
        (file[32], file[52], file[54], file[56]) = (64, 64, 56, 1);
        // `p_type`, `p_offset`, `p_filesz`, `p_align`.
        (file[64], file[72], file[96], file[112]) = (4, 120, 20, 4);
        file.extend([4, 0, 0, 0, 4, 0, 0, 0, kind, 0, 0, 0]);
        file.extend(owner);
        file.extend([0, 0, 0, 1]);
        file
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
        writer.write_all(bytes).unwrap();
        [&writer.finish().unwrap()[..], &(bytes.len() as u32).to_le_bytes()].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let packed = ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
        [&packed[..], &(bytes.len() as u32).to_le_bytes()].concat()
    }

    #[test]
    fn a_kernel_with_an_entry_is_taken_out_of_its_image() {
        let proper = with_note(62, b"Xen\0", 18);
        for packed in [xz(&proper), gzip(&proper), zstd(&proper)] {
            assert_eq!(kernel(&image_with("6.1.0", &packed)).as_ref(), Some(&proper), "{:x?}", &packed[..4]);
        }
    }

    #[test]
    fn what_cannot_be_started_by_itself_stays_in_its_image() {
        let proper = with_note(62, b"Xen\0", 18);
        let cut_off = &xz(&proper)[..60];
        let lz4 = b"\x02\x21\x4c\x18 of a format that is not unpacked here";
        let without =
            [xz(&with_note(62, b"Xen\0", 17)), xz(&with_note(62, b"GNU\0", 18)), xz(&with_note(3, b"Xen\0", 18))];
        for packed in [cut_off, lz4, &without[0], &without[1], &without[2], &xz(b"no ELF file"), b""] {
            assert_eq!(kernel(&image_with("6.1.0", packed)), None, "{packed:x?}");
        }
        let mut beyond = image_with("6.1.0", &xz(&proper));
        beyond[0x24c..0x250].fill(0xff);
        assert_eq!(kernel(&beyond), None);
    }
}
