//! Our own program as a guest can run it: without what only a debugger reads, with its interpreter and its libraries.
//!
//! Owns finding these: what is mapped into this process is what it needs. Refuses to know what a guest does with them. Follows
//! elf(5) and proc_pid_maps(5).

use std::collections::BTreeMap;
use std::fs;
use std::io;

use object::Endianness;
use object::elf::{DT_SONAME, FileHeader64, PT_INTERP, PT_LOAD};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};

/// The program and what it is loaded with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executable {
    /// The program.
    pub(crate) program: Vec<u8>,
    /// Interpreter and libraries by absolute path; none for a static program.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Executable {
    /// This process's own.
    pub(crate) fn own() -> io::Result<Executable> {
        let program = fs::read("/proc/self/exe")?;
        let mut files = BTreeMap::new();
        if let Some(interpreter) = interpreter(&program)? {
            let bytes = fs::read(&interpreter)?;
            files.insert(interpreter, bytes);
            for path in mapped(&fs::read_to_string("/proc/self/maps")?) {
                let bytes = fs::read(path)?;
                // Programs ask for libraries by this name, which may be a symbolic link.
                if let Some((name, (folder, _))) = shared_name(&bytes)?.zip(path.rsplit_once('/')) {
                    files.insert(format!("{folder}/{name}"), stripped(bytes)?);
                }
            }
        }
        Ok(Executable { program: stripped(program)?, files })
    }
}

fn interpreter(program: &[u8]) -> io::Result<Option<String>> {
    let header = parse(program)?;
    let segments = header.program_headers(Endianness::Little, program).map_err(io::Error::other)?;
    let segment = segments.iter().find(|segment| segment.p_type(Endianness::Little) == PT_INTERP);
    let path = segment.and_then(|segment| segment.interpreter(Endianness::Little, program).ok().flatten());
    Ok(path.map(|path| String::from_utf8_lossy(path).into_owned()))
}

/// The name under which others ask for this library; `None` for what is none.
fn shared_name(library: &[u8]) -> io::Result<Option<String>> {
    let file: ElfFile64 = ElfFile64::parse(library).map_err(io::Error::other)?;
    let Some((entries, strings)) =
        file.elf_section_table().dynamic(file.endian(), library).map_err(io::Error::other)?
    else {
        return Ok(None);
    };
    let strings = file.elf_section_table().strings(file.endian(), library, strings).map_err(io::Error::other)?;
    let entry = entries.iter().find(|entry| entry.tag(file.endian()) == DT_SONAME);
    let name = entry.and_then(|entry| strings.get(entry.val32(file.endian())?).ok());
    Ok(name.map(|name| String::from_utf8_lossy(name).into_owned()))
}

/// Without sections, which nothing needs that runs.
fn stripped(mut file: Vec<u8>) -> io::Result<Vec<u8>> {
    let header = parse(&file)?;
    let segments = header.program_headers(Endianness::Little, &*file).map_err(io::Error::other)?;
    let ends = segments.iter().filter(|segment| segment.p_type(Endianness::Little) == PT_LOAD);
    let end = ends.map(|load| load.p_offset(Endianness::Little) + load.p_filesz(Endianness::Little)).max();
    file.truncate(end.map_or(0, |end| end as usize));
    // `e_shoff`, `e_shnum`, `e_shstrndx`
    for field in [0x28..0x30, 0x3c..0x3e, 0x3e..0x40] {
        file[field].fill(0);
    }
    Ok(file)
}

fn parse(file: &[u8]) -> io::Result<&FileHeader64<Endianness>> {
    FileHeader64::parse(file).map_err(io::Error::other)
}

/// The files of which code is mapped.
fn mapped(maps: &str) -> impl Iterator<Item = &str> {
    maps.lines().filter_map(|line| {
        let (_, permissions) = line.split_once(' ')?;
        let path = &line[line.find('/')?..];
        (permissions.as_bytes().get(2) == Some(&b'x') && path.contains(".so")).then_some(path)
    })
}
