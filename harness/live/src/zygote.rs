//! Child processes that hold a socket, made by a process that never held one.
//!
//! Owns a single-threaded process, started before any thread and any socket exist. It takes a descriptor (SCM_RIGHTS), forks
//! a child that alone holds it, and tells it to exit or kills it. A fork of the tester itself would inherit the sockets of
//! every case in flight and hold back their FINs. The process ends when the tester does, its children with it.
#![expect(unsafe_code, reason = "fork, in a process with one thread")]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv, recvmsg, send, sendmsg,
    socketpair,
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
        self.ask(HAND_OVER, 0, Some(socket)).map(Pid::from_raw)
    }

    /// Ends a child; returns when the kernel has taken it down, its descriptors closed.
    pub(crate) fn end(&self, child: Pid, how: Ending) -> nix::Result<()> {
        let order = match how {
            Ending::Exit => EXIT,
            Ending::Kill => KILL,
        };
        self.ask(order, child.as_raw(), None).map(drop)
    }

    fn ask(&self, order: i32, argument: i32, socket: Option<BorrowedFd<'_>>) -> nix::Result<i32> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let mut request = [0; 8];
        request[..4].copy_from_slice(&order.to_ne_bytes());
        request[4..].copy_from_slice(&argument.to_ne_bytes());
        let descriptors: Vec<RawFd> = socket.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let control = if descriptors.is_empty() { &[][..] } else { &rights[..] };
        sendmsg::<()>(channel.as_raw_fd(), &[IoSlice::new(&request)], control, MsgFlags::MSG_NOSIGNAL, None)?;
        let mut answer = [0; 4];
        loop {
            match recv(channel.as_raw_fd(), &mut answer, MsgFlags::empty()) {
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
    while let Some((order, argument, socket)) = next_request(channel) {
        let result = match (order, socket) {
            (HAND_OVER, Some(socket)) => hold(socket, channel, &orders),
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

fn next_request(channel: &OwnedFd) -> Option<(i32, i32, Option<OwnedFd>)> {
    let mut request = [0; 8];
    let mut control = cmsg_space!(RawFd);
    loop {
        let mut parts = [IoSliceMut::new(&mut request)];
        let message =
            match recvmsg::<()>(channel.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
                Err(Errno::EINTR) => continue,
                other => other.ok()?,
            };
        if message.bytes != 8 {
            return None;
        }
        let socket = message.cmsgs().ok()?.find_map(|control| {
            let ControlMessageOwned::ScmRights(descriptors) = control else { return None };
            // SAFETY: the kernel has just made this descriptor for us.
            descriptors.first().map(|raw| unsafe { OwnedFd::from_raw_fd(*raw) })
        });
        let number = |at: usize| i32::from_ne_bytes(request[at..at + 4].try_into().expect("four bytes"));
        return Some((number(0), number(4), socket));
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
