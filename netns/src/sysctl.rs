//! Sysctls of a namespace: written, read back and compared.
//!
//! Owns the way from `net.ipv4.tcp_sack` to its file. Refuses to know what a sysctl does. Follows proc_sys_net(5): the files
//! below /proc/sys/net show the namespace of the thread that opens them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::error::{NetnsError, errno_of};
use crate::namespace::Namespace;

/// The kernel gives values of sysctls in a page at most.
const VALUE_MAX: usize = 4096;

impl Namespace {
    /// Writes sysctls, as in `net.ipv4.tcp_sack`, reads each back, and fails unless the kernel has taken the value as it was
    /// meant. Returns the values read back.
    pub fn write_sysctls(&self, values: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, NetnsError> {
        if values.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.run(|| values.iter().map(|(name, value)| Ok((name.clone(), write(name, value)?))).collect())?
    }

    /// Reads sysctls; those that this kernel has not, or not in a namespace, are left out.
    pub fn read_sysctls<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, String>, NetnsError> {
        let mut names = names.into_iter().peekable();
        if names.peek().is_none() {
            return Ok(BTreeMap::new());
        }
        self.run(|| {
            let mut values = BTreeMap::new();
            for name in names {
                match read(name) {
                    Ok(value) => drop(values.insert(name.to_string(), value)),
                    Err(NetnsError::UnknownSysctl { .. }) => {}
                    Err(other) => return Err(other),
                }
            }
            Ok(values)
        })?
    }
}

/// A sysctl's value with the white space between its parts made single blanks.
pub fn normal_form(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn write(name: &str, value: &str) -> Result<String, NetnsError> {
    let wrote = normal_form(value);
    let refused = |error: io::Error| {
        if error.kind() == ErrorKind::NotFound {
            return NetnsError::UnknownSysctl { name: name.to_string() };
        }
        NetnsError::SysctlRefused { name: name.to_string(), value: wrote.clone(), errno: errno_of(&error) }
    };
    // Opened once for both, and not by fs::write: that would make the file if there is none, and the error would say EACCES.
    let file = File::options().read(true).write(true).open(path(name)?).map_err(refused)?;
    (&file).write_all(wrote.as_bytes()).map_err(refused)?;
    let read = read_back(name, &file)?;
    if read == wrote { Ok(read) } else { Err(NetnsError::SysctlReadBack { name: name.to_string(), wrote, read }) }
}

fn read(name: &str) -> Result<String, NetnsError> {
    match File::open(path(name)?) {
        Ok(file) => read_back(name, &file),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(NetnsError::UnknownSysctl { name: name.to_string() }),
        Err(error) => Err(NetnsError::io(format!("read sysctl {name}"))(error)),
    }
}

/// The value in an open file, from its start: in one piece, as the kernel gives it.
fn read_back(name: &str, file: &File) -> Result<String, NetnsError> {
    let mut value = [0; VALUE_MAX];
    let length = file.read_at(&mut value, 0).map_err(NetnsError::io(format!("read sysctl {name}")))?;
    Ok(normal_form(&String::from_utf8_lossy(&value[..length])))
}

/// `net.ipv4.tcp_sack` is /proc/sys/net/ipv4/tcp_sack; nothing outside /proc/sys/net can be named.
fn path(name: &str) -> Result<PathBuf, NetnsError> {
    let unknown = || NetnsError::UnknownSysctl { name: name.to_string() };
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let rest = name.strip_prefix("net.").ok_or_else(unknown)?;
    if !rest.split('.').all(plain) {
        return Err(unknown());
    }
    Ok(PathBuf::from("/proc/sys/net").join(rest.replace('.', "/")))
}

#[cfg(test)]
mod tests {
    use super::{normal_form, path};

    #[test]
    fn values_are_compared_without_their_white_space() {
        assert_eq!(normal_form("4096\t131072\t6291456\n"), "4096 131072 6291456");
    }

    #[test]
    fn a_name_cannot_leave_proc_sys_net() {
        assert_eq!(path("net.ipv4.tcp_sack").unwrap().to_str(), Some("/proc/sys/net/ipv4/tcp_sack"));
        for bad in ["kernel.hostname", "net...kernel.hostname", "net.ipv4/../../kernel", "net.", "net.ipv4.tcp_sack\n"]
        {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
