//! The guest's end of the memory that host and guest share: the device that QEMU calls ivshmem-plain.
//!
//! Owns finding it among the PCI devices, and putting lines into it: no byte of them leaves the machine by itself, as each does on
//! a serial port. Refuses to know what the lines say. Follows docs/specs/ivshmem-spec.txt of QEMU.
#![expect(unsafe_code, reason = "memory that another process reads is no slice")]

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use crate::window::LINES;

const DEVICES: &str = "/sys/bus/pci/devices";
const VENDOR: &str = "0x1af4";
const DEVICE: &str = "0x1110";

/// The memory, mapped for as long as the machine lives.
#[derive(Debug)]
pub(super) struct Window {
    memory: NonNull<u8>,
    size: usize,
    written: usize,
}

// SAFETY: nobody else in this process has the address.
unsafe impl Send for Window {}

impl Window {
    /// The window of this machine; `None` where it has none, or this kernel does not let us see it.
    pub(super) fn open() -> Option<Window> {
        let device =
            fs::read_dir(DEVICES).ok()?.flatten().map(|entry| entry.path()).find(|device| is_window(device))?;
        Window::map(&device).ok()
    }

    fn map(device: &Path) -> io::Result<Window> {
        // Nobody drives it, so nobody has told it to answer.
        fs::write(device.join("enable"), "1")?;
        let memory: PathBuf = device.join("resource2");
        let file = File::options().read(true).write(true).open(&memory)?;
        let size = file.metadata()?.len() as usize;
        let length = NonZeroUsize::new(size).filter(|_| size > LINES).ok_or(io::ErrorKind::InvalidData)?;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let mapped =
            unsafe { mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Window { memory: mapped.cast(), size, written: 0 })
    }

    /// Puts whole lines behind those that are there; whether there was room.
    pub(super) fn put(&mut self, lines: &[u8]) -> bool {
        if self.size - LINES - self.written < lines.len() {
            return false;
        }
        // SAFETY: there is room for them behind the count, which is aligned, and nobody else writes.
        unsafe {
            self.memory.add(LINES + self.written).copy_from_nonoverlapping(NonNull::from(lines).cast(), lines.len());
            self.written += lines.len();
            self.memory.cast::<AtomicU64>().as_ref().store(self.written as u64, Ordering::Release);
        }
        true
    }
}

fn is_window(device: &Path) -> bool {
    let is = |file: &str, number: &str| fs::read_to_string(device.join(file)).is_ok_and(|text| text.trim() == number);
    is("vendor", VENDOR) && is("device", DEVICE)
}
