//! Anonymous network namespaces with veth links between them, for tests that need a kernel's network stack of their own.
//!
//! Owns privileges, namespaces, links, addresses, neighbours, sysctls and offloads; everything goes when its last descriptor
//! is closed, also after kill -9: no file under /run/netns, no name anywhere. Refuses to know what TCP is.
//! Follows network_namespaces(7), user_namespaces(7), rtnetlink(7) and the kernel's drivers/net/veth.c.

mod error;
mod link;
mod namespace;
mod netlink;
mod offload;
mod privileges;
mod proc_net;
mod router;
mod sysctl;

pub use error::NetnsError;
pub use link::{LinkSetup, Mac, VethEnd};
pub use namespace::Namespace;
pub use privileges::{PrivilegeError, Privileges, enter_user_namespace, has_capabilities, probe_user_namespace};
pub use sysctl::normal_form;
