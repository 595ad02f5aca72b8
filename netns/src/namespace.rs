//! A fresh network namespace without a name, and work done inside it.
//!
//! Owns the namespace's descriptor and its rtnetlink socket; the kernel takes the namespace down when these and every socket
//! made inside are closed. Refuses to know what is put into it. Follows network_namespaces(7) and setns(2).

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sched::{CloneFlags, setns, unshare};

use crate::error::NetnsError;
use crate::link::loopback_up;
use crate::netlink::RouteSocket;

/// A network namespace with its loopback up.
///
/// A socket keeps the namespace it was made in, so only making sockets and writing sysctls needs [`Namespace::run`].
#[derive(Debug)]
pub struct Namespace {
    descriptor: OwnedFd,
    route: Mutex<RouteSocket>,
}

/// The namespace that threads of this process live in: the first one seen. After a user namespace was entered it is the one
/// made with it; setns back into the original one would be refused.
static HOME: OnceLock<OwnedFd> = OnceLock::new();

impl Namespace {
    /// Makes a namespace; the calling thread is back at home afterwards.
    pub fn new() -> Result<Namespace, NetnsError> {
        let home = home()?;
        unshare(CloneFlags::CLONE_NEWNET).map_err(NetnsError::system("unshare(CLONE_NEWNET)"))?;
        let back = Return { home };
        let descriptor = own_namespace()?;
        let route = RouteSocket::open()?;
        drop(back);
        loopback_up(&route)?;
        Ok(Namespace { descriptor, route: Mutex::new(route) })
    }

    /// Does `work` on this thread inside the namespace. Threads that `work` starts stay inside.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, NetnsError> {
        let home = home()?;
        setns(&self.descriptor, CloneFlags::CLONE_NEWNET).map_err(NetnsError::system("setns"))?;
        let back = Return { home };
        let result = work();
        drop(back);
        Ok(result)
    }

    /// The namespace's descriptor, as setns(2) and `IFLA_NET_NS_FD` take it.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Talks to the namespace's rtnetlink, one thread at a time.
    pub(crate) fn route<T>(&self, work: impl FnOnce(&RouteSocket) -> T) -> T {
        work(&self.route.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes the thread home when dropped, also by a panic.
struct Return {
    home: BorrowedFd<'static>,
}

impl Drop for Return {
    fn drop(&mut self) {
        setns(self.home, CloneFlags::CLONE_NEWNET).expect("a thread may always return to its home namespace");
    }
}

fn home() -> Result<BorrowedFd<'static>, NetnsError> {
    if HOME.get().is_none() {
        let descriptor = own_namespace()?;
        // Another thread may have been faster; both are at home.
        let _ = HOME.set(descriptor);
    }
    Ok(HOME.get().expect("set above").as_fd())
}

fn own_namespace() -> Result<OwnedFd, NetnsError> {
    const PATH: &str = "/proc/thread-self/ns/net";
    File::open(PATH).map(OwnedFd::from).map_err(NetnsError::io(PATH))
}
