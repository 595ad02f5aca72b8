//! Child processes that hold sockets, made by a process that never held one.
//!
//! Owns a single-threaded process, started before any thread and any socket exist. It takes a descriptor (SCM_RIGHTS), forks
//! a child that alone holds it, and tells it to exit or kills it. A fork of the tester itself would inherit the sockets of
//! every case in flight and hold back their FINs. The process ends when the tester does, its children with it.
#![expect(unsafe_code, reason = "fork, in a process with one thread")]

use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrStorage, accept4,
    getpeername, recv, recvmsg, send, sendmsg, socketpair,
};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, getppid, setsid};

/// The way to the process.
#[derive(Debug)]
pub(crate) struct Zygote {
    channel: Mutex<OwnedFd>,
}

/// How a child process is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It calls _exit(2).
    Exit,
    /// SIGKILL.
    Kill,
}

const HAND_OVER: i32 = 1;
const EXIT: i32 = 2;
const KILL: i32 = 3;
const SERVE: i32 = 4;
const ACCEPT: i32 = 5;
const CLOSE: i32 = 6;
/// Bytes of a request: an order and two numbers.
const REQUEST: usize = 12;
/// Tells a child to exit.
const ORDER: Signal = Signal::SIGUSR1;

impl Zygote {
    /// Starts the process. To be called while this process has one thread and no socket.
    pub(crate) fn start() -> nix::Result<Zygote> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: the process has one thread, so the child may do anything.
        match unsafe { fork() }? {
            ForkResult::Parent { .. } => Ok(Zygote { channel: Mutex::new(ours) }),
            ForkResult::Child => {
                drop(ours);
                serve(&theirs);
                leave()
            }
        }
    }

    /// Forks a child that holds the socket; the caller closes its own descriptor afterwards, and then the child alone holds it.
    pub(crate) fn hand_over(&self, socket: BorrowedFd<'_>) -> nix::Result<Pid> {
        self.ask(HAND_OVER, 0, 0, Some(socket)).map(Pid::from_raw)
    }

    /// Forks a server: a child that alone holds the listener, accepts from it, and has room for so many more descriptors.
    pub(crate) fn serve(&self, listener: BorrowedFd<'_>, room: u32) -> nix::Result<Pid> {
        self.ask(SERVE, room as i32, 0, Some(listener)).map(Pid::from_raw)
    }

    /// The server calls accept() and keeps what it gets; the peer's port.
    pub(crate) fn accept(&self, server: Pid) -> nix::Result<i32> {
        self.ask(ACCEPT, server.as_raw(), 0, None)
    }

    /// The server closes the socket that is connected to this port.
    pub(crate) fn close(&self, server: Pid, port: u16) -> nix::Result<()> {
        self.ask(CLOSE, server.as_raw(), port.into(), None).map(drop)
    }

    /// Ends a child; returns when the kernel has taken it down, its descriptors closed.
    pub(crate) fn end(&self, child: Pid, how: Ending) -> nix::Result<()> {
        let order = match how {
            Ending::Exit => EXIT,
            Ending::Kill => KILL,
        };
        self.ask(order, child.as_raw(), 0, None).map(drop)
    }

    fn ask(&self, order: i32, argument: i32, second: i32, socket: Option<BorrowedFd<'_>>) -> nix::Result<i32> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let request = request(order, argument, second);
        let descriptors: Vec<RawFd> = socket.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let control = if descriptors.is_empty() { &[][..] } else { &rights[..] };
        sendmsg::<()>(channel.as_raw_fd(), &[IoSlice::new(&request)], control, MsgFlags::MSG_NOSIGNAL, None)?;
        answer(channel.as_raw_fd())
    }
}

fn request(order: i32, argument: i32, second: i32) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    for (bytes, number) in request.chunks_exact_mut(4).zip([order, argument, second]) {
        bytes.copy_from_slice(&number.to_ne_bytes());
    }
    request
}

/// Waits for the answer to a request: a number, or an errno.
fn answer(channel: RawFd) -> nix::Result<i32> {
    let mut answer = [0; 4];
    loop {
        match recv(channel, &mut answer, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            Ok(4) => break,
            Ok(_) => return Err(Errno::EPIPE),
            Err(errno) => return Err(errno),
        }
    }
    match i32::from_ne_bytes(answer) {
        value @ 0.. => Ok(value),
        errno => Err(Errno::from_raw(-errno)),
    }
}

/// The process's life: until the tester's end of the channel is closed.
fn serve(channel: &OwnedFd) {
    // Ctrl-C at the terminal is for the tester, and nobody may wait for this process's output.
    let _ = setsid();
    let _ = prctl::set_name(c"tcpconform-kids");
    if let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        let _ = (dup2_stdin(&null), dup2_stdout(&null), dup2_stderr(&null));
    }
    // A child that is told to exit before it waits for the order finds it pending.
    let mut orders = SigSet::empty();
    orders.add(ORDER);
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&orders), None);
    let mut servers: HashMap<i32, OwnedFd> = HashMap::new();
    while let Some((order, argument, second, socket)) = next_request(channel) {
        let result = match (order, socket) {
            (HAND_OVER, Some(socket)) => hold(socket, channel, &orders),
            (SERVE, Some(listener)) => start_server(&listener, argument).map(|(server, orders)| {
                servers.insert(server.as_raw(), orders);
                server.as_raw()
            }),
            (ACCEPT | CLOSE, None) => match servers.get(&argument) {
                Some(server) => send(server.as_raw_fd(), &request(order, 0, second), MsgFlags::MSG_NOSIGNAL)
                    .and_then(|_| crate::zygote::answer(server.as_raw_fd())),
                None => Err(Errno::ESRCH),
            },
            (EXIT, None) => end(Pid::from_raw(argument), ORDER),
            (KILL, None) => end(Pid::from_raw(argument), Signal::SIGKILL),
            (_, _) => Err(Errno::EINVAL),
        };
        let answer = result.unwrap_or_else(|errno| -(errno as i32));
        if send(channel.as_raw_fd(), &answer.to_ne_bytes(), MsgFlags::MSG_NOSIGNAL).is_err() {
            return;
        }
    }
}

fn next_request(channel: &OwnedFd) -> Option<(i32, i32, i32, Option<OwnedFd>)> {
    let mut request = [0; REQUEST];
    let mut control = cmsg_space!(RawFd);
    loop {
        let mut parts = [IoSliceMut::new(&mut request)];
        let message =
            match recvmsg::<()>(channel.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
                Err(Errno::EINTR) => continue,
                other => other.ok()?,
            };
        if message.bytes != REQUEST {
            return None;
        }
        let socket = message.cmsgs().ok()?.find_map(|control| {
            let ControlMessageOwned::ScmRights(descriptors) = control else { return None };
            // SAFETY: the kernel has just made this descriptor for us.
            descriptors.first().map(|raw| unsafe { OwnedFd::from_raw_fd(*raw) })
        });
        let number = |at: usize| i32::from_ne_bytes(request[at..at + 4].try_into().expect("four bytes"));
        return Some((number(0), number(4), number(8), socket));
    }
}

/// Forks the child that keeps `socket`; this process's own copy is closed when it returns.
fn hold(socket: OwnedFd, channel: &OwnedFd, orders: &SigSet) -> nix::Result<i32> {
    let parent = nix::unistd::getpid();
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child.as_raw()),
        ForkResult::Child => {
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            // SAFETY: the descriptor is not used again in this process; open, it would keep the tester's end from seeing EOF.
            unsafe { libc::close(channel.as_raw_fd()) };
            // The parent may have died before it was being watched.
            if getppid() == parent {
                let _ = orders.wait();
            }
            // The kernel closes the socket, as for any process that exits.
            std::mem::forget(socket);
            leave()
        }
    }
}

/// Forks a server; it and the way to it.
fn start_server(listener: &OwnedFd, room: i32) -> nix::Result<(Pid, OwnedFd)> {
    let parent = nix::unistd::getpid();
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok((child, ours)),
        ForkResult::Child => {
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            let mut default = SigSet::empty();
            default.add(ORDER);
            // Told to exit it goes at once, its sockets closed by the kernel.
            let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&default), None);
            if getppid() == parent {
                let _ = run_server(listener.as_raw_fd(), theirs.as_raw_fd(), room);
            }
            leave()
        }
    }
}

/// The descriptors of a server behind the three standard ones.
const SERVERS_LISTENER: RawFd = 3;
const SERVERS_ORDERS: RawFd = 4;

/// Accepts and closes as ordered, until nobody orders any more.
fn run_server(listener: RawFd, orders: RawFd, room: i32) -> nix::Result<()> {
    // Two numbers that neither of them has, so that none is overwritten before it has moved.
    let above = [listener, orders].map(|raw| fcntl_dupfd(raw, 64));
    let [listener, orders] = [above[0]?, above[1]?];
    // SAFETY: these numbers are this process's alone, and what they stood for is not used again in it.
    unsafe {
        libc::dup2(listener, SERVERS_LISTENER);
        libc::dup2(orders, SERVERS_ORDERS);
        libc::close_range(5, libc::c_uint::MAX, 0);
    }
    let limit = 5 + room as u64;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit)?;
    let mut sockets: HashMap<i32, RawFd> = HashMap::new();
    // SAFETY: open, and this process's until it ends.
    let channel = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(SERVERS_ORDERS) });
    while let Some((order, _, port, _)) = next_request(&channel) {
        let result = match order {
            ACCEPT => accept4(SERVERS_LISTENER, SockFlag::SOCK_NONBLOCK).map(|socket| {
                let port = getpeername::<SockaddrStorage>(socket).map_or(0, |peer| port_of(&peer));
                sockets.insert(port, socket);
                port
            }),
            _ => match sockets.remove(&port) {
                // SAFETY: accepted by this process, and forgotten here.
                Some(socket) => Errno::result(unsafe { libc::close(socket) }),
                None => Err(Errno::EBADF),
            },
        };
        let answer = result.unwrap_or_else(|errno| -(errno as i32));
        send(SERVERS_ORDERS, &answer.to_ne_bytes(), MsgFlags::MSG_NOSIGNAL)?;
    }
    Ok(())
}

fn fcntl_dupfd(raw: RawFd, least: RawFd) -> nix::Result<RawFd> {
    // SAFETY: makes a descriptor and touches nothing else.
    Errno::result(unsafe { libc::fcntl(raw, libc::F_DUPFD, least) })
}

fn port_of(peer: &SockaddrStorage) -> i32 {
    let v4 = peer.as_sockaddr_in().map(|address| address.port());
    v4.or_else(|| peer.as_sockaddr_in6().map(|address| address.port())).map_or(0, i32::from)
}

fn end(child: Pid, signal: Signal) -> nix::Result<i32> {
    kill(child, signal)?;
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            other => return other.map(|_| 0),
        }
    }
}

fn leave() -> ! {
    // SAFETY: ends the process without the exit handlers and buffered output of the one it was forked from.
    unsafe { libc::_exit(0) }
}
