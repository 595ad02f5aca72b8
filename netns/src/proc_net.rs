//! What a namespace tells of itself below /proc/net.
//!
//! Owns the way to the file: /proc/thread-self/net is that of the namespace in which the thread is (proc(5)). Refuses to know what is in it.

use std::fs;

use crate::error::NetnsError;
use crate::namespace::Namespace;

impl Namespace {
    /// The texts of files below /proc/net, as in `snmp`.
    pub fn read_proc_net<const N: usize>(&self, names: [&str; N]) -> Result<[String; N], NetnsError> {
        let texts: Result<Vec<String>, NetnsError> = self.run(|| names.iter().map(|name| read(name)).collect())?;
        Ok(texts?.try_into().expect("as many texts as names"))
    }
}

fn read(name: &str) -> Result<String, NetnsError> {
    let path = format!("/proc/thread-self/net/{name}");
    fs::read_to_string(&path).map_err(NetnsError::io(path))
}
