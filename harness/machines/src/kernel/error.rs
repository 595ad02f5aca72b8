//! Why there is no kernel to boot: one sentence each, with the file, and what helps where something does.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::modules::Absent;

/// What is wrong with what was named as a kernel.
#[derive(Debug, Error)]
pub enum KernelError {
    /// Not there, or not readable.
    #[error("cannot read {path}: {error}", path = path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file that is something else.
    #[error("{path} is no kernel: neither an image (bzImage, vmlinuz), nor a folder, nor a .deb package")]
    NotAKernel {
        /// The file.
        path: String,
    },
    /// An image that ends too early.
    #[error("{path} is cut off: {is} bytes are left of {should_be}")]
    ImageCutOff {
        /// The image.
        path: String,
        /// Bytes there are.
        is: u64,
        /// Bytes that its header tells of.
        should_be: u64,
    },
    /// An image for another machine.
    #[error("{path} is a kernel for {architecture}; only kernels for x86_64 can be booted here")]
    OtherArchitecture {
        /// The image.
        path: String,
        /// What it is for.
        architecture: &'static str,
    },
    /// A folder or packages without an image.
    #[error("no kernel in {place}: looked for {looked_for}")]
    NoImage {
        /// Where there is none.
        place: String,
        /// File names that were looked for.
        looked_for: &'static str,
    },
    /// Several kernels in one place.
    #[error("several kernels in {place}: {}; name one of them", .images.join(", "))]
    SeveralImages {
        /// The place.
        place: String,
        /// The images found.
        images: Vec<String>,
    },
    /// A file that ends in .deb and is something else.
    #[error("{path} is no Debian package: {why}")]
    NotAPackage {
        /// The file.
        path: PathBuf,
        /// What is missing of a package.
        why: String,
    },
    /// An archive that ends too early.
    #[error("{path} is cut off: {inside} ends too early")]
    ArchiveCutOff {
        /// The package.
        path: PathBuf,
        /// The part of it.
        inside: String,
    },
    /// An archive that does not unpack.
    #[error("{path} is damaged: {inside}: {error}")]
    Damaged {
        /// The file.
        path: String,
        /// The part of it.
        inside: String,
        /// What the unpacking said.
        error: io::Error,
    },
    /// An archive that would write outside of where it is unpacked.
    #[error("{path} has an entry that climbs out of the archive: {entry}; not a package to trust")]
    ClimbsOut {
        /// The package.
        path: PathBuf,
        /// The entry's path.
        entry: String,
    },
    /// Modules of other kernels only.
    #[error(
        "the modules in {place} are for {}, the kernel is {release}; give its modules with it", .found.join(", ")
    )]
    ModulesOfOthers {
        /// Where they are.
        place: String,
        /// The releases that they are for.
        found: Vec<String>,
        /// The kernel's release.
        release: String,
    },
    /// A module that this kernel would not load.
    #[error("module {module} is for {vermagic}, the kernel is {release}")]
    ForeignModule {
        /// The module's file.
        module: String,
        /// Release that it was built for.
        vermagic: String,
        /// The kernel's release.
        release: String,
    },
    /// A module file that is something else.
    #[error("{path} is no kernel module: {why}")]
    NotAModule {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Modules that the cases need.
    #[error("kernel {release} comes without modules that are needed: {}", .absent.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Absent {
        /// The kernel's release.
        release: String,
        /// Which.
        absent: Vec<Absent>,
    },
}
