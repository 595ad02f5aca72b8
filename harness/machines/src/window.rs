//! The host's end of the memory that host and guest share, and how it is laid out: how many bytes of lines there are, and the lines.
//!
//! Owns reading what has been added. Refuses to know what the lines say. Only a guest writes, and it only adds; so what it told is
//! there however it ended, and nothing that the host does is seen inside.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// Where the lines begin; before them is their length, a little-endian number.
pub(crate) const LINES: usize = 64;
/// Bytes of the memory, of which only what was written to is there: three times what the whole catalogue tells.
pub(crate) const SIZE: usize = 64 << 20;
/// Bytes that are read at once at most.
const PIECE: u64 = 1 << 20;

/// The memory, and how much of it has been read.
#[derive(Debug)]
pub(crate) struct Window {
    /// What the emulator maps.
    pub(crate) memory: File,
    read: u64,
}

impl Window {
    pub(crate) fn new() -> io::Result<Window> {
        // Without close-on-exec: QEMU opens it by its number.
        let descriptor: OwnedFd = memfd_create(c"tcpconform-window", MFdFlags::empty())?;
        let memory = File::from(descriptor);
        memory.set_len(SIZE as u64)?;
        Ok(Window { memory, read: 0 })
    }

    /// Appends the lines that have come since the last time; how many bytes.
    pub(crate) fn read(&mut self, lines: &mut Vec<u8>) -> io::Result<usize> {
        let mut count = [0; 8];
        self.memory.read_exact_at(&mut count, 0)?;
        let more = u64::from_le_bytes(count).saturating_sub(self.read).min(PIECE);
        if more > 0 {
            let had = lines.len();
            lines.resize(had + more as usize, 0);
            self.memory.read_exact_at(&mut lines[had..], LINES as u64 + self.read)?;
            self.read += more;
        }
        Ok(more as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_read_once() {
        let mut window = Window::new().unwrap();
        let write = |count: u64, at: u64, text: &[u8]| {
            window.memory.write_all_at(text, LINES as u64 + at).unwrap();
            window.memory.write_all_at(&count.to_le_bytes(), 0).unwrap();
        };
        write(4, 0, b"one\n");
        let writer = window.memory.try_clone().unwrap();
        let mut lines = Vec::new();
        assert_eq!((window.read(&mut lines).unwrap(), window.read(&mut lines).unwrap()), (4, 0));
        writer.write_all_at(b"two\nthree\n", LINES as u64 + 4).unwrap();
        assert_eq!(window.read(&mut lines).unwrap(), 0);
        writer.write_all_at(&14u64.to_le_bytes(), 0).unwrap();
        assert_eq!(window.read(&mut lines).unwrap(), 10);
        assert_eq!(lines, b"one\ntwo\nthree\n");
    }
}
