//! Finding a kernel: its image and the modules that the cases need, in a file, a folder or packages.
//!
//! Owns which image is meant and which modules belong to it. Refuses to know what is done with them.

mod error;
mod image;
mod module;
mod modules;
mod package;
mod place;
mod unpacked;

use std::collections::BTreeSet;
use std::path::Path;

pub use error::KernelError;
pub use module::Module;
pub use modules::Absent;
use modules::Order;
use place::Place;

/// A kernel that can be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its release, as in uname(2).
    pub release: String,
    /// What is booted: the kernel proper where QEMU can start that by itself, else the image that it came in, a bzImage.
    pub image: Vec<u8>,
    /// The modules that the cases need, in load order.
    pub modules: Vec<Module>,
    /// What the cases need and is not among the modules, where nothing tells whether it is built in.
    pub unsure: Vec<Absent>,
}

impl Kernel {
    /// Finds the kernel in an image, in a folder that holds one, or in packages (several, separated by commas).
    ///
    /// The modules of an image on disk are looked for where distributions and kernel builds have them, seen from the image.
    pub fn find(what: &str) -> Result<Kernel, KernelError> {
        let parts: Vec<&Path> = what.split(',').map(Path::new).collect();
        let packages = parts.iter().all(|part| part.extension().is_some_and(|end| end == "deb") && !part.is_dir());
        let mut names = modules::names();
        loop {
            let place = if packages {
                Place::of_packages(what, &parts, &names)?
            } else {
                Place::on_disk(Path::new(what), &names)?
            };
            let release = place.release()?;
            let found = place.modules_for(&release)?;
            match modules::order(&release, &found, &names)? {
                Order::Complete(modules) => {
                    let unsure = modules::unsure(&found);
                    let image = place.into_bootable()?;
                    return Ok(Kernel { release, image, modules, unsure });
                }
                Order::LookFor(more) => names.extend::<BTreeSet<String>>(more),
            }
        }
    }
}

#[cfg(test)]
mod tests;
