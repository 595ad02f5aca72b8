//! Sysctls of a namespace: written, read back and compared.
//!
//! Owns the way from `net.ipv4.tcp_sack` to its file. Refuses to know what a sysctl does. Follows proc_sys_net(5): the files
//! below /proc/sys/net show the namespace of the thread that opens them.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::error::{NetnsError, errno_of};
use crate::namespace::Namespace;

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
    let path = path(name)?;
    let wrote = normal_form(value);
    // Not fs::write: it would make the file if there is none, and the error would say EACCES.
    if !path.exists() {
        return Err(NetnsError::UnknownSysctl { name: name.to_string() });
    }
    fs::write(path, &wrote).map_err(|error| NetnsError::SysctlRefused {
        name: name.to_string(),
        value: wrote.clone(),
        errno: errno_of(&error),
    })?;
    let read = read(name)?;
    if read == wrote { Ok(read) } else { Err(NetnsError::SysctlReadBack { name: name.to_string(), wrote, read }) }
}

fn read(name: &str) -> Result<String, NetnsError> {
    match fs::read_to_string(path(name)?) {
        Ok(text) => Ok(normal_form(&text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(NetnsError::UnknownSysctl { name: name.to_string() }),
        Err(error) => Err(NetnsError::io(format!("read sysctl {name}"))(error)),
    }
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
