//! Debian packages: the files that a package would install, read without installing anything.
//!
//! Owns the layers of a .deb (deb(5): ar, tar, and what packs them) and the refusal of what is none, cut off or dangerous.
//! Refuses to know which files matter.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use object::archive::{Header, MAGIC};
use object::read::archive::ArchiveFile;

use crate::compression;

use super::KernelError;

/// What is read of a package at most, and what is kept of it unpacked, bytes.
const KEPT_MAX: u64 = 512 << 20;
/// What is unpacked of a package at most, bytes: a kernel with all its modules is a third of it.
const UNPACKED_MAX: u64 = 2 << 30;
/// What may come before a file: its header and its names, bytes. The tar crate keeps a name of any length.
const HEADERS_MAX: u64 = 64 << 10;

/// Gives path and content of every regular file of the package that `wanted` names to `take`.
pub(crate) fn read(
    package: &Path,
    wanted: impl Fn(&str) -> bool,
    mut take: impl FnMut(String, Vec<u8>),
) -> Result<(), KernelError> {
    let mut bytes = Vec::new();
    let file = File::open(package).and_then(|file| file.take(KEPT_MAX).read_to_end(&mut bytes));
    file.map_err(|error| KernelError::Unreadable { path: package.to_owned(), error })?;
    let (inside, packed) = data(package, &bytes)?;
    let (ended, allowed) = (Cell::new(false), Cell::new(HEADERS_MAX));
    // The tar crate says in words only that its archive ended too early.
    let broken = |error: io::Error| {
        let told = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
        let error = match (ended.get(), allowed.get()) {
            (true, _) => io::ErrorKind::UnexpectedEof.into(),
            (false, 0) => told("more than can be in a kernel's package"),
            (false, _) => error,
        };
        trouble(package, &inside, error)
    };
    let inner = compression::reader(packed).map_err(broken)?;
    let mut archive = tar::Archive::new(Guarded { inner, ended: &ended, allowed: &allowed });
    let (mut unpacked, mut kept) = (0_u64, 0_u64);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        unpacked = unpacked.saturating_add(entry.size());
        allowed.set(if unpacked > UNPACKED_MAX { 0 } else { u64::MAX });
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let target = entry.link_name().ok().flatten();
        let path = plain(&path).ok_or_else(|| climbs_out(package, &path))?;
        if entry.header().entry_type().is_hard_link() && target.is_some_and(|to| plain(&to.to_string_lossy()).is_none())
        {
            return Err(climbs_out(package, &path));
        }
        if entry.header().entry_type().is_file() && wanted(&path) {
            let mut bytes = Vec::new();
            kept = kept.saturating_add(entry.size());
            if kept > KEPT_MAX {
                allowed.set(0);
            }
            entry.read_to_end(&mut bytes).map_err(broken)?;
            take(path, bytes);
        }
        // What is left of it, so that only headers lie before the next.
        io::copy(&mut entry, &mut io::sink()).map_err(broken)?;
        allowed.set(HEADERS_MAX);
    }
    Ok(())
}

/// A reader that tells whether it came to its end, and gives only so many bytes.
struct Guarded<'a, R> {
    inner: R,
    ended: &'a Cell<bool>,
    allowed: &'a Cell<u64>,
}

impl<R: Read> Read for Guarded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowed.get();
        if allowed == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let most = usize::try_from(allowed).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.allowed.set(allowed - read as u64);
        self.ended.set(read == 0 && !buffer.is_empty());
        Ok(read)
    }
}

/// The member with the files, still packed, and its name.
fn data<'a>(package: &Path, bytes: &'a [u8]) -> Result<(String, &'a [u8]), KernelError> {
    let not_a_package = |why: &str| KernelError::NotAPackage { path: package.to_owned(), why: why.to_owned() };
    if !bytes.starts_with(&MAGIC) {
        return Err(not_a_package("it does not begin with !<arch>"));
    }
    let cut_off = |inside: &str| KernelError::ArchiveCutOff { path: package.to_owned(), inside: inside.to_owned() };
    let wrong = |end: u64, error: object::read::Error| {
        if (bytes.len() as u64) < end + size_of::<Header>() as u64 {
            return cut_off("the package");
        }
        trouble(package, "the package", io::Error::other(error))
    };
    let mut end = MAGIC.len() as u64;
    let archive = ArchiveFile::parse(bytes).map_err(|error| wrong(end, error))?;
    for (index, member) in archive.members().enumerate() {
        let member = member.map_err(|error| wrong(end, error))?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        if index == 0 && name != "debian-binary" {
            return Err(not_a_package("its first member is not debian-binary"));
        }
        if name.starts_with("data.tar") {
            return member.data(bytes).map(|packed| (name.clone(), packed)).map_err(|_| cut_off(&name));
        }
        let (start, size) = member.file_range();
        end = start.saturating_add(size).next_multiple_of(2);
    }
    Err(not_a_package("it has no data.tar"))
}

/// The path below the archive's root; `None` where it leaves it.
fn plain(path: &str) -> Option<String> {
    let mut below = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => below.push(name),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    below.into_os_string().into_string().ok()
}

fn climbs_out(package: &Path, entry: &str) -> KernelError {
    KernelError::ClimbsOut { path: package.to_owned(), entry: entry.to_owned() }
}

fn trouble(package: &Path, inside: &str, error: io::Error) -> KernelError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return KernelError::ArchiveCutOff { path: package.to_owned(), inside: inside.to_owned() };
    }
    KernelError::Damaged { path: package.display().to_string(), inside: inside.to_owned(), error }
}
