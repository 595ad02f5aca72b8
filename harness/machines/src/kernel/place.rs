//! Where a kernel is: packages, a folder, or an image with what lies around it.
//!
//! Owns the layouts: boot/vmlinuz*, lib/modules/RELEASE/vmlinuz, both below usr/ too, and the tree in which a kernel was built.
//! Refuses to read what is not asked for: a folder may be a whole system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use super::modules::{Found, built_in};
use super::{KernelError, image, module, package, unpacked};

/// What was found, by path below the place.
#[derive(Debug, Default)]
pub(crate) struct Place {
    name: String,
    images: BTreeMap<String, Content>,
    /// Of images that came out of packages: the kernel proper, if it can be started by itself.
    proper: BTreeMap<String, Option<Vec<u8>>>,
    /// By release.
    modules: BTreeMap<String, ModuleFolder>,
    /// Whether all modules that belong to the kernel would be here.
    complete: bool,
}

/// The modules of one release.
#[derive(Debug, Default)]
struct ModuleFolder {
    built_in: Option<Content>,
    /// Path and content by module name.
    files: BTreeMap<String, (String, Content)>,
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Content {
    fn read(&self) -> Result<Vec<u8>, KernelError> {
        match self {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::File(path) => fs::read(path).map_err(|error| unreadable(path, error)),
        }
    }
}

/// What a file is, by its path below the place.
enum Role {
    Image,
    BuiltIn { release: String },
    Module { release: String, name: String },
}

const BUILT_IN: &str = "modules.builtin";
const LOOKED_FOR: &str = "boot/vmlinuz* and usr/lib/modules/*/vmlinuz (since 6.19 Debian's packages are two: linux-binary-RELEASE \
                          and linux-modules-RELEASE)";

impl Place {
    /// What these packages would install, of modules those with these names.
    pub(crate) fn of_packages(name: &str, packages: &[&Path], names: &BTreeSet<String>) -> Result<Place, KernelError> {
        let mut place = Place { name: name.to_owned(), complete: true, ..Place::default() };
        let read: Vec<_> = thread::scope(|scope| {
            let reading: Vec<_> = packages.iter().map(|package| scope.spawn(|| contents(package, names))).collect();
            reading.into_iter().map(joined).collect()
        });
        for contents in read {
            let Contents { files, images } = contents?;
            for (path, bytes) in files {
                place.add(path, Content::Bytes(bytes), names);
            }
            for Unpacked { path, image, proper } in images {
                place.images.insert(path.clone(), Content::Bytes(image));
                place.proper.insert(path, proper);
            }
        }
        Ok(place)
    }

    /// An image, or the one in a folder, with the modules around it.
    pub(crate) fn on_disk(path: &Path, names: &BTreeSet<String>) -> Result<Place, KernelError> {
        let mut place = Place { name: path.display().to_string(), ..Place::default() };
        let folder = fs::metadata(path).map_err(|error| unreadable(path, error))?.is_dir();
        let images = if folder { images_in(path) } else { vec![path.to_owned()] };
        place.images = images.into_iter().map(|path| (path.display().to_string(), Content::File(path))).collect();
        let (image, release, _) = place.the_image()?;
        let image = fs::canonicalize(image).map_err(|error| unreadable(path, error))?;
        for above in image.ancestors().skip(1) {
            place.add_modules(above, &release, names)?;
            if !place.modules.is_empty() {
                return Ok(place);
            }
        }
        if folder {
            // Only to be told of: these are not the kernel's.
            let others = MODULE_ROOTS.iter().flat_map(|root| list(&path.join(root)));
            place.modules = others.map(|(name, _)| (name, ModuleFolder::default())).collect();
        }
        Ok(place)
    }

    /// The release of the one kernel that is here.
    pub(crate) fn release(&self) -> Result<String, KernelError> {
        self.the_image().map(|(_, release, _)| release)
    }

    /// What is to be booted: the kernel proper where it can be started by itself, else its image.
    pub(crate) fn into_bootable(mut self) -> Result<Vec<u8>, KernelError> {
        let (path, _, image) = self.the_image()?;
        let path = path.to_owned();
        let proper = self.proper.remove(&path).unwrap_or_else(|| unpacked::kernel(&image));
        Ok(proper.unwrap_or(image))
    }

    /// With its path. One kernel in two files is one kernel.
    fn the_image(&self) -> Result<(&str, String, Vec<u8>), KernelError> {
        let mut first: Option<(&str, String, Vec<u8>)> = None;
        for (path, content) in &self.images {
            let bytes = content.read()?;
            let release = image::release(path, &bytes)?;
            match &first {
                None => first = Some((path, release, bytes)),
                Some((_, known, _)) if *known == release => {}
                Some(_) => {
                    let images = self.images.keys().cloned().collect();
                    return Err(KernelError::SeveralImages { place: self.name.clone(), images });
                }
            }
        }
        first.ok_or_else(|| KernelError::NoImage { place: self.name.clone(), looked_for: LOOKED_FOR })
    }

    /// What is known about the modules of the kernel with this release.
    pub(crate) fn modules_for(&self, release: &str) -> Result<Found, KernelError> {
        match self.modules.get(release) {
            Some(folder) => {
                let built_in = folder.built_in.as_ref().map(|content| Ok(built_in(&content.read()?))).transpose()?;
                let read = |(name, (path, content)): (&String, &(String, Content))| {
                    Ok((name.clone(), (path.clone(), content.read()?)))
                };
                Ok(Found { files: folder.files.iter().map(read).collect::<Result<_, _>>()?, built_in })
            }
            None if !self.modules.is_empty() => Err(KernelError::ModulesOfOthers {
                place: self.name.clone(),
                found: self.modules.keys().cloned().collect(),
                release: release.to_owned(),
            }),
            None => Ok(Found { built_in: self.complete.then(BTreeSet::new), ..Found::default() }),
        }
    }

    fn add(&mut self, path: String, content: Content, names: &BTreeSet<String>) {
        match role(&path, names) {
            Some(Role::Image) => drop(self.images.insert(path, content)),
            Some(Role::BuiltIn { release }) => self.modules.entry(release).or_default().built_in = Some(content),
            Some(Role::Module { release, name }) => {
                self.modules.entry(release).or_default().files.insert(name, (path, content));
            }
            None => {}
        }
    }

    /// Modules of this release below a folder: installed, or where they were built.
    fn add_modules(&mut self, below: &Path, release: &str, names: &BTreeSet<String>) -> Result<(), KernelError> {
        for root in MODULE_ROOTS {
            let mut folders = vec![format!("{root}/{release}")];
            while let Some(folder) = folders.pop() {
                for (name, kind) in list(&below.join(&folder)) {
                    let path = format!("{folder}/{name}");
                    if kind.is_dir() {
                        folders.push(path);
                    } else {
                        let content = Content::File(below.join(&path));
                        self.add(path, content, names);
                    }
                }
            }
        }
        // `modules_install` copies both to lib/modules/RELEASE; here they tell where a build left its modules.
        let order = below.join("modules.order");
        if self.modules.is_empty() && below.join(BUILT_IN).exists() && order.exists() {
            let folder = self.modules.entry(release.to_owned()).or_default();
            folder.built_in = Some(Content::File(below.join(BUILT_IN)));
            let listed = fs::read_to_string(&order).map_err(|error| unreadable(&order, error))?;
            for line in listed.lines() {
                // `kernel/net/a.ko` before 6.2, `net/a.ko` to 6.3, `net/a.o` since.
                let line = line.strip_prefix("kernel/").unwrap_or(line);
                let path = format!("{}.ko", line.trim_end_matches(".ko").trim_end_matches(".o"));
                if let Some(name) = module::name(&path).filter(|name| names.contains(name)) {
                    let content = Content::File(below.join(&path));
                    folder.files.insert(name, (path, content));
                }
            }
        }
        Ok(())
    }
}

/// What is wanted of a package.
struct Contents {
    files: Vec<(String, Vec<u8>)>,
    images: Vec<Unpacked>,
}

/// An image out of a package.
struct Unpacked {
    path: String,
    image: Vec<u8>,
    proper: Option<Vec<u8>>,
}

/// Reads a package. Images, which lie before most else, are unpacked while the rest is read.
fn contents(package: &Path, names: &BTreeSet<String>) -> Result<Contents, KernelError> {
    let mut files = Vec::new();
    let images = thread::scope(|scope| {
        let mut unpacking = Vec::new();
        let take = |path: String, bytes: Vec<u8>| match role(&path, names) {
            Some(Role::Image) => unpacking.push(scope.spawn(move || {
                let proper = image::release(&path, &bytes).ok().and_then(|_| unpacked::kernel(&bytes));
                Unpacked { path, image: bytes, proper }
            })),
            Some(Role::BuiltIn { .. } | Role::Module { .. }) => files.push((path, bytes)),
            None => {}
        };
        package::read(package, |path| role(path, names).is_some(), take)?;
        Ok(unpacking.into_iter().map(joined).collect())
    })?;
    Ok(Contents { files, images })
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

const MODULE_ROOTS: [&str; 2] = ["lib/modules", "usr/lib/modules"];

fn role(path: &str, names: &BTreeSet<String>) -> Option<Role> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let below = MODULE_ROOTS.iter().find_map(|root| path.strip_prefix(root)?.strip_prefix('/'));
    let release = below.and_then(|below| Some(below.split_once('/')?.0.to_owned()));
    match release {
        Some(release) if file == BUILT_IN => Some(Role::BuiltIn { release }),
        Some(_) if file == "vmlinuz" => Some(Role::Image),
        Some(release) => {
            let name = module::name(file).filter(|name| names.contains(name))?;
            Some(Role::Module { release, name })
        }
        None => (folder == "boot" && is_image(file)).then_some(Role::Image),
    }
}

fn is_image(file: &str) -> bool {
    // Not the signature beside it, as in vmlinuz-6.1.0.sig.
    (file.starts_with("vmlinuz") && !file.ends_with(".sig")) || file == "bzImage"
}

/// The images in a folder: a system's root, /boot, a module folder, or the tree of a build.
fn images_in(folder: &Path) -> Vec<PathBuf> {
    let mut images = Vec::new();
    for below in ["", "boot", "arch/x86/boot"] {
        let files = list(&folder.join(below)).into_iter().filter(|(name, kind)| kind.is_file() && is_image(name));
        images.extend(files.map(|(name, _)| folder.join(below).join(name)));
    }
    for root in MODULE_ROOTS {
        let root = folder.join(root);
        images.extend(list(&root).into_iter().map(|(release, _)| root.join(release).join("vmlinuz")));
    }
    images.retain(|path| path.is_file());
    images
}

/// Names and types of what is in a folder, in order; nothing where there is no such folder.
fn list(folder: &Path) -> Vec<(String, fs::FileType)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut entries: Vec<_> =
        entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.file_type().ok()?))).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries
}

fn unreadable(path: &Path, error: io::Error) -> KernelError {
    KernelError::Unreadable { path: path.to_owned(), error }
}
