//! One module file: unpacked, with what its `.modinfo` section says.
//!
//! Owns reading the ELF file. Refuses to know which modules are needed. Packages carry no modules.dep, depmod(8) makes it when
//! they are installed; `depends=` is what it is made from.

use object::read::elf::ElfFile64;
use object::{Architecture, Object, ObjectSection};

use crate::compression;

use super::KernelError;

/// A module, ready for finit_module(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// The ELF file.
    pub bytes: Vec<u8>,
    /// Modules that must be there before it.
    pub(crate) depends: Vec<String>,
    /// Release that it was built for.
    pub(crate) built_for: String,
}

impl Module {
    /// Unpacks and reads a module file.
    pub(crate) fn read(path: &str, packed: &[u8]) -> Result<Module, KernelError> {
        let not_a_module = |why: String| KernelError::NotAModule { path: path.to_owned(), why };
        let bytes = compression::unpack(packed).map_err(|error| not_a_module(error.to_string()))?;
        let file: ElfFile64 = ElfFile64::parse(&*bytes).map_err(|error| not_a_module(error.to_string()))?;
        if file.architecture() != Architecture::X86_64 {
            return Err(not_a_module("it is not for x86_64".to_owned()));
        }
        let section = file.section_by_name(".modinfo").and_then(|section| section.data().ok());
        let section = section.ok_or_else(|| not_a_module("it has no section .modinfo".to_owned()))?;
        let value = |key: &str| {
            section.split(|byte| *byte == 0).find_map(|entry| {
                let entry = std::str::from_utf8(entry).ok()?;
                entry.strip_prefix(key)?.strip_prefix('=')
            })
        };
        let depends = value("depends").unwrap_or_default();
        let vermagic = value("vermagic").ok_or_else(|| not_a_module("it does not say for which kernel".to_owned()))?;
        let built_for = vermagic.split(' ').next().unwrap_or_default().to_owned();
        Ok(Module {
            name: name(path).unwrap_or_default(),
            depends: depends.split(',').filter(|name| !name.is_empty()).map(normal).collect(),
            built_for,
            bytes,
        })
    }
}

/// The name of the module in the file at this path; `None` where it is no module file.
pub(crate) fn name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let file = [".xz", ".zst", ".gz"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
    file.strip_suffix(".ko").map(normal)
}

/// Module names differ in files and in the kernel by this.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The smallest ELF file with such a section.
    pub(crate) fn module(modinfo: &[&str]) -> Vec<u8> {
        const NAMES: &[u8] = b"\0.modinfo\0.names\0\0\0\0\0\0\0";
        let mut info: Vec<u8> = modinfo.iter().flat_map(|entry| [entry.as_bytes(), b"\0"].concat()).collect();
        info.resize(info.len().next_multiple_of(8), 0);
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([1, 0, 0x3e, 0, 1, 0, 0, 0]);
        file.extend([0; 16]);
        file.extend((64 + (info.len() + NAMES.len()) as u64).to_le_bytes());
        file.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
        file.extend(&info);
        file.extend(NAMES);
        file.extend([0; 64]);
        for (name, kind, at, size) in [(1u32, 1u32, 64, info.len()), (10, 3, 64 + info.len(), NAMES.len())] {
            file.extend(name.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend([0; 16]);
            file.extend((at as u64).to_le_bytes());
            file.extend((size as u64).to_le_bytes());
            file.extend([0; 24]);
        }
        file
    }

    #[test]
    fn name_dependencies_and_release_are_read() {
        let file = module(&["license=GPL", "depends=inet_diag,libcrc-32", "vermagic=6.1.0 SMP mod_unload "]);
        let module = Module::read("kernel/net/tcp-diag.ko", &file).unwrap();
        assert_eq!(module.name, "tcp_diag");
        assert_eq!(module.depends, ["inet_diag", "libcrc_32"]);
        assert_eq!(module.built_for, "6.1.0");
        assert_eq!(module.bytes, file);
    }

    #[test]
    fn packed_modules_have_the_name_of_what_is_inside() {
        assert_eq!(name("a/veth.ko.xz").as_deref(), Some("veth"));
        assert_eq!(name("a/inet-diag.ko.zst").as_deref(), Some("inet_diag"));
        assert_eq!(name("veth.ko").as_deref(), Some("veth"));
        assert_eq!(name("a/veth.o"), None);
        assert_eq!(name("a/modules.builtin"), None);
    }

    #[test]
    fn what_is_no_module_is_told() {
        let refusal = |bytes: &[u8]| Module::read("x/veth.ko", bytes).unwrap_err().to_string();
        assert!(refusal(b"nonsense").starts_with("x/veth.ko is no kernel module: "));
        assert_eq!(
            refusal(&module(&["license=GPL"])),
            "x/veth.ko is no kernel module: it does not say for which kernel"
        );
    }
}
