//! The file system that a guest begins with, made in memory: the cpio archive of
//! Documentation/driver-api/early-userspace/buffer-format.rst.
//!
//! Owns the archive's form. Refuses to know what is in it. Equal content gives equal bytes.

use std::collections::BTreeSet;
use std::io::{self, Write};

use cpio::newc::{Builder, ModeFileType, trailer};

/// An archive in the making.
#[derive(Debug, Default)]
pub(crate) struct Initramfs {
    archive: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Initramfs {
    /// An empty folder.
    pub(crate) fn folder(&mut self, path: &str) -> io::Result<()> {
        let path = path.trim_start_matches('/');
        if path.is_empty() || self.folders.contains(path) {
            return Ok(());
        }
        self.parent(path)?;
        self.folders.insert(path.to_owned());
        self.entry(Builder::new(path).mode(0o755).set_mode_file_type(ModeFileType::Directory), &[])
    }

    /// A file, in folders that are made as needed.
    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        let path = path.trim_start_matches('/');
        self.parent(path)?;
        self.entry(Builder::new(path).mode(mode).set_mode_file_type(ModeFileType::Regular), bytes)
    }

    /// The console that the first process begins with on its standard descriptors (init/main.c, console_on_rootfs()).
    pub(crate) fn console(&mut self) -> io::Result<()> {
        let path = "dev/console";
        self.parent(path)?;
        let device = Builder::new(path).mode(0o600).rdev_major(5).rdev_minor(1);
        self.entry(device.set_mode_file_type(ModeFileType::Char), &[])
    }

    /// The whole archive.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        trailer(self.archive)
    }

    fn parent(&mut self, path: &str) -> io::Result<()> {
        path.rsplit_once('/').map_or(Ok(()), |(folder, _)| self.folder(folder))
    }

    fn entry(&mut self, entry: Builder, bytes: &[u8]) -> io::Result<()> {
        let size = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a file of more than 4 GiB"))?;
        self.entries += 1;
        let mut writer = entry.ino(self.entries).nlink(1).write(&mut self.archive, size);
        writer.write_all(bytes)?;
        writer.finish().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::newc::Reader;

    /// Mode, path and content of every entry.
    fn listed(archive: &[u8]) -> Vec<String> {
        let mut list = Vec::new();
        let mut rest = archive;
        loop {
            let mut reader = Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                return list;
            }
            let mut bytes = String::new();
            io::Read::read_to_string(&mut reader, &mut bytes).unwrap();
            list.push(format!("{:o} {} {bytes}", reader.entry().mode(), reader.entry().name()));
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn folders_come_once_and_before_what_is_in_them() {
        let mut initramfs = Initramfs::default();
        initramfs.console().unwrap();
        initramfs.folder("/proc").unwrap();
        initramfs.file("/lib/x/a.so", 0o755, b"a").unwrap();
        initramfs.file("/lib/b.so", 0o644, b"bcd").unwrap();
        let archive = initramfs.finish().unwrap();
        assert_eq!(
            listed(&archive),
            [
                "40755 dev ",
                "20600 dev/console ",
                "40755 proc ",
                "40755 lib ",
                "40755 lib/x ",
                "100755 lib/x/a.so a",
                "100644 lib/b.so bcd"
            ]
        );
    }
}
