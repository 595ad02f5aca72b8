//! A namespace that forwards: a router between the hosts on its links.
//!
//! Owns the sysctls of forwarding. Refuses to know routes and links: they are set up like those of any namespace. Follows
//! Documentation/networking/ip-sysctl.rst, net/ipv4/ip_forward.c and ip6_forward() in net/ipv6/ip6_output.c.

use std::collections::BTreeMap;

use crate::error::NetnsError;
use crate::namespace::Namespace;

/// Written in this order. An ICMP error goes out for every packet that asks for one: the limits are there to protect a router
/// from strangers.
const SYSCTLS: [(&str, &str); 4] = [
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.icmp_ratemask", "0"),
    ("net.ipv6.conf.all.forwarding", "1"),
    ("net.ipv6.icmp.ratelimit", "0"),
];

impl Namespace {
    /// Makes the namespace forward IPv4 and, where the kernel has it, IPv6; to be called before its links are set up.
    pub fn forward(&self) -> Result<(), NetnsError> {
        for (name, value) in SYSCTLS {
            let ipv6 = name.starts_with("net.ipv6.");
            match self.write_sysctls(&BTreeMap::from([(name.to_string(), value.to_string())])) {
                Ok(_) => {}
                Err(NetnsError::UnknownSysctl { .. }) if ipv6 => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}
