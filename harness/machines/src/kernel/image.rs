//! The kernel image: for which machine it is, which release, and whether it is whole.
//!
//! Owns reading the header of a bzImage (Documentation/arch/x86/boot.rst), and telling the images of other architectures by
//! their magic numbers. Refuses to know where the image came from.

use std::io::Read;

use super::KernelError;
use crate::compression;

// Offsets of the setup header, Documentation/arch/x86/boot.rst.
const SETUP_SECTORS: usize = 0x1f1;
const SYSTEM_SIZE: usize = 0x1f4;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const KERNEL_VERSION: usize = 0x20e;
const LOAD_FLAGS: usize = 0x236;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const HEADER_END: usize = 0x268;
/// `LOAD_FLAGS`: the kernel has the 64-bit entry point.
const KERNEL_64: u8 = 1;
const SECTOR: usize = 512;

/// The release of the x86_64 kernel whose image this is, as uname(2) tells it.
pub(crate) fn release(path: &str, image: &[u8]) -> Result<String, KernelError> {
    if let Some(architecture) = other_architecture(image) {
        return Err(KernelError::OtherArchitecture { path: path.to_owned(), architecture });
    }
    let not_a_kernel = || KernelError::NotAKernel { path: path.to_owned() };
    if image.get(MAGIC..MAGIC + 4) != Some(b"HdrS") {
        return Err(not_a_kernel());
    }
    if image.len() < HEADER_END {
        let (is, should_be) = (image.len() as u64, HEADER_END as u64);
        return Err(KernelError::ImageCutOff { path: path.to_owned(), is, should_be });
    }
    let half = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
    // Before protocol 2.12 of Linux 3.8 nothing told the two apart.
    if half(VERSION) < 0x20c || image[LOAD_FLAGS] & KERNEL_64 == 0 {
        return Err(KernelError::OtherArchitecture { path: path.to_owned(), architecture: "i386" });
    }
    let (is, should_be) = (image.len() as u64, (protected_mode(image) + word(image, SYSTEM_SIZE) * 16) as u64);
    if is < should_be {
        return Err(KernelError::ImageCutOff { path: path.to_owned(), is, should_be });
    }
    let text = image.get(usize::from(half(KERNEL_VERSION)) + SECTOR..).ok_or_else(not_a_kernel)?;
    let release: Vec<u8> = text.iter().copied().take(256).take_while(u8::is_ascii_graphic).collect();
    String::from_utf8(release).ok().filter(|release| !release.is_empty()).ok_or_else(not_a_kernel)
}

/// What the code in a whole image unpacks.
pub(crate) fn payload(image: &[u8]) -> Option<&[u8]> {
    let start = protected_mode(image) + word(image, PAYLOAD_OFFSET);
    let payload = image.get(start..start.checked_add(word(image, PAYLOAD_LENGTH))?)?;
    // Its size is appended for the code, unless the format ends with it (scripts/Makefile.lib, size_append).
    match payload {
        [0x1f, 0x8b, ..] => Some(payload),
        packed => packed.split_last_chunk::<4>().map(|(packed, _)| packed),
    }
}

/// Where the code for protected mode begins.
fn protected_mode(image: &[u8]) -> usize {
    let setup = match usize::from(image[SETUP_SECTORS]) {
        0 => 4,
        sectors => sectors,
    };
    (setup + 1) * SECTOR
}

fn word(image: &[u8], at: usize) -> usize {
    u32::from_le_bytes(image[at..at + 4].try_into().expect("four bytes")) as usize
}

/// What else a kernel image can be for.
fn other_architecture(image: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| image.get(offset..offset + magic.len()) == Some(magic);
    // Documentation/arch/arm64/booting.rst, arch/riscv/boot-image-header.rst, arch/arm/kernel/head.S, arch/s390/boot/head.S.
    if at(56, b"ARM\x64") {
        return Some("arm64");
    }
    if at(56, b"RSC\x05") {
        return Some("riscv");
    }
    if at(36, &[0x18, 0x28, 0x6f, 0x01]) {
        return Some("arm");
    }
    if at(0x1_0008, b"S390EP") {
        return Some("s390x");
    }
    if at(0, &[0x1f, 0x8b]) {
        // arm64 and riscv pack the whole image.
        let mut start = Vec::new();
        let read = compression::reader(image).map(|unpacked| unpacked.take(0x1000).read_to_end(&mut start));
        return read.ok().and_then(|_| other_architecture(&start));
    }
    if at(0, b"MZ") {
        let header = u32::from_le_bytes(image.get(0x3c..0x40)?.try_into().ok()?) as usize;
        // `Machine` behind the signature of the PE header; include/linux/pe.h.
        return match u16::from_le_bytes(image.get(header + 4..header + 6)?.try_into().ok()?) {
            0xaa64 => Some("arm64"),
            0x5064 => Some("riscv"),
            0x6264 => Some("loongarch"),
            _ => None,
        };
    }
    if !at(0, b"\x7fELF") {
        return None;
    }
    // `e_machine`, little or big endian; elf.h.
    match image.get(18..20)? {
        [0x3e, 0] => None,
        [3, 0] => Some("i386"),
        [40, 0] => Some("arm"),
        [183, 0] => Some("arm64"),
        [243, 0] => Some("riscv"),
        [21, 0] | [0, 21] => Some("ppc64"),
        [0, 20] => Some("powerpc"),
        [8, 0] | [0, 8] => Some("mips"),
        [0, 22] => Some("s390x"),
        [2, 1] => Some("loongarch"),
        [_, _] => Some("another machine"),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An image as far as it is looked at.
    pub(crate) fn image(release: &str) -> Vec<u8> {
        let mut image = vec![0; 5 * SECTOR + 16];
        image[SETUP_SECTORS] = 4;
        image[SYSTEM_SIZE] = 1;
        image[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        image[VERSION..VERSION + 2].copy_from_slice(&[0x0f, 2]);
        image[LOAD_FLAGS] = KERNEL_64;
        image[KERNEL_VERSION..KERNEL_VERSION + 2].copy_from_slice(&[0, 2]);
        let text = format!("{release} (someone@example) #1 SMP");
        image[2 * SECTOR..2 * SECTOR + text.len()].copy_from_slice(text.as_bytes());
        image
    }

    /// An image with something to unpack.
    pub(crate) fn image_with(release: &str, payload: &[u8]) -> Vec<u8> {
        let mut image = image(release);
        let start = image.len() - 5 * SECTOR;
        image[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&(start as u32).to_le_bytes());
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend(payload);
        image
    }

    fn refusal(image: &[u8]) -> String {
        release("the/image", image).unwrap_err().to_string()
    }

    #[test]
    fn the_release_is_read_from_the_image() {
        assert_eq!(release("", &image("6.12.95+deb12-cloud-amd64")).unwrap(), "6.12.95+deb12-cloud-amd64");
    }

    #[test]
    fn what_is_no_image_is_told() {
        let text = "the/image is no kernel: neither an image (bzImage, vmlinuz), nor a folder, nor a .deb package";
        for bytes in [&b""[..], b"#!/bin/sh\n", &[0; 4096], &image("")] {
            assert_eq!(refusal(bytes), text, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn other_architectures_are_told_by_name() {
        let at = |offset: usize, magic: &[u8]| {
            let mut bytes = vec![0; 0x1_1000];
            bytes[offset..offset + magic.len()].copy_from_slice(magic);
            refusal(&bytes)
        };
        let of = |name| format!("the/image is a kernel for {name}; only kernels for x86_64 can be booted here");
        assert_eq!(at(56, b"ARM\x64"), of("arm64"));
        assert_eq!(at(56, b"RSC\x05"), of("riscv"));
        assert_eq!(at(0x1_0008, b"S390EP"), of("s390x"));
        let mut pe = b"MZ\0\0zimg".to_vec();
        pe.resize(0x3c, 0);
        pe.extend(*b"\x40\0\0\0PE\0\0\x64\xaa");
        assert_eq!(at(0, &pe), of("arm64"));
        assert_eq!(at(0, b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x15"), of("ppc64"));
        let mut i386 = image("6.1.0");
        i386[LOAD_FLAGS] = 0;
        assert_eq!(refusal(&i386), of("i386"));
    }

    #[test]
    fn a_cut_off_image_is_told_with_both_sizes() {
        let whole = image("6.1.0");
        assert_eq!(refusal(&whole[..2000]), "the/image is cut off: 2000 bytes are left of 2576");
        assert_eq!(refusal(&whole[..0x210]), "the/image is cut off: 528 bytes are left of 616");
    }
}
