//! The sockets of one endpoint: descriptors by name, children that hold one, and the calls on them.
//!
//! Owns the way from an operation of a case to a system call and back to its result, errno included. Refuses to know what the
//! result should have been. Every socket is non-blocking; close() lingers all the same (inet_release()).

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv};
use nix::unistd::{Pid, close};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tcpconform_engine::case::{Operation, OperationCall};
use tcpconform_engine::play::TargetError;
use tcpconform_engine::trace::CallReturn;
use tcpconform_engine::wire::stream_byte;
use tcpconform_model::{Call, Errno, ShutdownHow, State};
use tcpconform_netns::Namespace;

use crate::clock::realtime_ns;
use crate::kernel_state::kernel_state;
use crate::option_call::{get_option, set_option};
use crate::poll_call::ready_events;
use crate::queue_call::queue_length;
use crate::socket_option;
use crate::zygote::{Ending, Zygote};

/// The descriptor that a case means when it names none.
pub(crate) const MAIN: &str = "main";
/// The descriptor that keeps listening when `accept` has made [`MAIN`].
pub(crate) const LISTENER: &str = "listener";
/// Never the number of one.
const NO_DESCRIPTOR: RawFd = -1;

/// The sockets of one endpoint.
#[derive(Debug)]
pub(crate) struct Sockets {
    namespace: Arc<Namespace>,
    zygote: Arc<Zygote>,
    local: SocketAddr,
    remote: SocketAddr,
    open: BTreeMap<String, Descriptor>,
    children: BTreeMap<String, Pid>,
    /// The name of the socket that listens, once one does.
    listener: Option<String>,
    /// connect() finds the port itself.
    ephemeral: bool,
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Descriptor {
    socket: Socket,
    /// Bound, or never to be bound by itself.
    bound: bool,
    /// Index of its connection's [`Stream`].
    stream: usize,
}

/// Bytes that the user of a connection has handed in and was given, by whatever descriptor.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    sent: u32,
    received: u32,
}

/// What `accept()` gives: a socket and the peer's address.
pub(crate) type Accepted = (Socket, SockAddr);

/// A call that returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// When it was made, nanoseconds since 1970.
    pub(crate) entered_unix_ns: u64,
    /// When it returned, nanoseconds since 1970.
    pub(crate) left_unix_ns: u64,
    /// What it returned.
    pub(crate) result: CallReturn,
    /// Index of the first byte read that is not the peer's.
    pub(crate) wrong_byte: Option<u32>,
}

impl Sockets {
    /// No sockets yet; they will be made in this namespace, bound to `local`, and connected to `remote`.
    pub(crate) fn new(
        namespace: Arc<Namespace>,
        zygote: Arc<Zygote>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Sockets {
        Sockets {
            namespace,
            zygote,
            local,
            remote,
            open: BTreeMap::new(),
            children: BTreeMap::new(),
            listener: None,
            ephemeral: false,
            streams: Vec::new(),
        }
    }

    /// Makes a call in the foreground.
    pub(crate) fn call(&mut self, op: &Operation) -> Result<Returned, TargetError> {
        if !self.is_open(op) {
            // What the kernel says to any call on a descriptor that there is not.
            return Ok(timed(|| Ok(close(NO_DESCRIPTOR).map(|()| 0)?)));
        }
        match op.call {
            OperationCall::Socket(Call::Exit) | OperationCall::Exit => self.end_child(op, Ending::Exit),
            OperationCall::Kill => self.end_child(op, Ending::Kill),
            OperationCall::Handover => self.hand_over(op),
            OperationCall::Open => self.open_another(op),
            OperationCall::Bind => self.bind(op),
            OperationCall::Serve { .. } => Err(failed("serve() is the host's, not a connection's")),
            OperationCall::TcpInfo => Err(failed("tcp_info is a sample, not a call")),
            OperationCall::Crash | OperationCall::Reboot => Err(failed("crash and reboot are the host's affair")),
            OperationCall::Socket(call) => self.socket_call(op, call),
        }
    }

    /// Whether there is a descriptor to make the call with.
    pub(crate) fn is_open(&self, op: &Operation) -> bool {
        let open = |name: &str| self.open.contains_key(name);
        match (&op.descriptor, op.call) {
            // Of a child process that there is not nobody could ask the kernel.
            (_, OperationCall::Kill | OperationCall::Exit | OperationCall::Socket(Call::Exit)) => true,
            (Some(name), _) => open(name),
            (None, OperationCall::Open) => true,
            (None, OperationCall::Socket(Call::Accept)) => self.listener.as_deref().is_none_or(open),
            // The first of these makes a socket.
            (None, OperationCall::Socket(Call::Connect | Call::Listen { .. } | Call::SetOption(_))) => {
                self.listener.is_none() || open(MAIN) || open(LISTENER)
            }
            (None, _) => open(MAIN) || open(LISTENER),
        }
    }

    /// Takes the descriptor of a `close` away, to be closed on another thread by [`timed_close`].
    pub(crate) fn take(&mut self, op: &Operation) -> Result<Socket, TargetError> {
        let name = self.resolve(op, &[MAIN, LISTENER])?;
        Ok(self.open.remove(&name).expect("resolved to an open one").socket)
    }

    /// The state that TCP_INFO tells, and when it was asked and answered, nanoseconds since 1970.
    pub(crate) fn tcp_info(&self, descriptor: Option<&str>) -> Result<(u64, u64, State), TargetError> {
        let name = match descriptor {
            Some(name) => name,
            None => [MAIN, LISTENER]
                .into_iter()
                .find(|name| self.open.contains_key(*name))
                .or_else(|| self.open.keys().next().map(String::as_str))
                .ok_or_else(|| failed("tcp_info: no descriptor is open"))?,
        };
        let socket = &self.find(name)?.socket;
        // tcpi_state is the first byte of every version of struct tcp_info; the rest grows from kernel to kernel.
        let mut info = [0; 8];
        let entered = realtime_ns();
        let result = socket_option::get_bytes(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, &mut info);
        let left = realtime_ns();
        match result {
            Ok(length) if length > 0 => kernel_state(info[0])
                .map(|state| (entered, left, state))
                .ok_or_else(|| failed(&format!("getsockopt(TCP_INFO): tcpi_state is {}", info[0]))),
            Ok(_) => Err(failed("getsockopt(TCP_INFO): an empty answer")),
            Err(error) => Err(failed(&format!("getsockopt(TCP_INFO): {error}"))),
        }
    }

    fn socket_call(&mut self, op: &Operation, call: Call) -> Result<Returned, TargetError> {
        match call {
            Call::Listen { backlog } => self.listen(op, backlog),
            Call::Connect => self.connect(op),
            // Reached only where nothing listens.
            Call::Accept => self.accept(op).map(|(returned, _)| returned),
            Call::Send { len, more } => self.send(op, len, more),
            Call::Receive { len, peek } => self.receive(op, len, peek),
            Call::Shutdown(how) => {
                let how = match how {
                    ShutdownHow::Read => Shutdown::Read,
                    ShutdownHow::Write => Shutdown::Write,
                    ShutdownHow::Both => Shutdown::Both,
                };
                let socket = self.socket(op, &[MAIN, LISTENER])?;
                Ok(timed(|| socket.shutdown(how).map(|()| 0)))
            }
            Call::Close => self.take(op).map(timed_close),
            Call::Dup => self.dup(op),
            Call::SetOption(option) => {
                if op.descriptor.is_none() && !self.open.contains_key(MAIN) && !self.open.contains_key(LISTENER) {
                    self.make_main()?;
                }
                let socket = self.socket(op, &[MAIN, LISTENER])?;
                Ok(timed(|| set_option(socket, option).map(|()| 0)))
            }
            Call::GetOption(option) => {
                let socket = self.socket(op, &[MAIN, LISTENER])?;
                Ok(timed(|| get_option(socket, option)))
            }
            Call::Queue(queue) => {
                let socket = self.socket(op, &[MAIN, LISTENER])?;
                Ok(timed(|| queue_length(socket.as_fd(), queue)))
            }
            Call::Poll => {
                let socket = self.socket(op, &[MAIN, LISTENER])?;
                poll_events(socket)
            }
            Call::Exit => self.end_child(op, Ending::Exit),
        }
    }

    fn listen(&mut self, op: &Operation, backlog: u32) -> Result<Returned, TargetError> {
        if op.descriptor.is_none() && !self.open.contains_key(MAIN) && !self.open.contains_key(LISTENER) {
            self.make_main()?;
        }
        let name = self.resolve(op, &[MAIN, LISTENER])?;
        let local = SockAddr::from(self.local);
        let descriptor = self.open.get_mut(&name).expect("resolved to an open one");
        let returned = timed(|| {
            bind_once(descriptor, &local)?;
            descriptor.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX)).map(|()| 0)
        });
        if matches!(returned.result, CallReturn::Value(_)) {
            let name = if name == MAIN {
                let descriptor = self.open.remove(MAIN).expect("just used");
                self.open.insert(LISTENER.to_string(), descriptor);
                LISTENER.to_string()
            } else {
                name
            };
            self.listener = Some(name);
        }
        Ok(returned)
    }

    fn connect(&mut self, op: &Operation) -> Result<Returned, TargetError> {
        if op.descriptor.is_none() && !self.open.contains_key(MAIN) {
            self.make_main()?;
        }
        let name = self.resolve(op, &[MAIN])?;
        let (local, remote) = (SockAddr::from(self.local), SockAddr::from(self.remote));
        let ephemeral = self.ephemeral;
        let descriptor = self.open.get_mut(&name).expect("resolved to an open one");
        let returned = timed(|| {
            if !ephemeral {
                bind_once(descriptor, &local)?;
            }
            descriptor.socket.connect(&remote).map(|()| 0)
        });
        let found = descriptor.socket.local_addr().ok().and_then(|address| address.as_socket());
        let opening = matches!(returned.result, CallReturn::Value(_) | CallReturn::Error(Errno::INPROGRESS));
        if let Some(found) = found.filter(|found| opening && *found != self.local) {
            return Err(failed(&format!("connect() found {found}; the case reckons with {}", self.local)));
        }
        Ok(returned)
    }

    /// From now on connect() finds the port itself.
    pub(crate) fn find_ports(&mut self) {
        self.ephemeral = true;
    }

    /// `again = socket()`
    fn open_another(&mut self, op: &Operation) -> Result<Returned, TargetError> {
        let name = made(op)?;
        let mut opened = None;
        let returned = timed(|| {
            opened = Some(self.new_socket());
            Ok(0)
        });
        if let Some(socket) = opened {
            let stream = self.new_stream();
            self.open.insert(name, Descriptor { socket: socket?, bound: true, stream });
        }
        Ok(returned)
    }

    fn bind(&mut self, op: &Operation) -> Result<Returned, TargetError> {
        let local = SockAddr::from(self.local);
        let socket = self.socket(op, &[])?;
        Ok(timed(|| socket.bind(&local).map(|()| 0)))
    }

    /// Whether the listener is here.
    pub(crate) fn listens(&self) -> bool {
        self.listener.as_ref().is_some_and(|name| self.open.contains_key(name))
    }

    /// `accept()` on the listener, with what it gave.
    pub(crate) fn accept(&mut self, op: &Operation) -> Result<(Returned, Option<Accepted>), TargetError> {
        let socket = self.socket(op, &[self.listener.as_deref().unwrap_or(LISTENER)])?;
        let mut accepted = None;
        let returned = timed(|| {
            accepted = Some(socket.accept_raw()?);
            Ok(0)
        });
        Ok((returned, accepted))
    }

    /// Takes what `accept()` gave as the connection's socket.
    pub(crate) fn adopt(&mut self, op: &Operation, accepted: Option<Accepted>) -> Result<(), TargetError> {
        if let Some((socket, peer)) = accepted {
            if peer.as_socket() != Some(self.remote) {
                let from = peer.as_socket().map_or_else(|| "nobody".to_string(), |address| address.to_string());
                return Err(failed(&format!(
                    "accept() gave the connection from {from}, not the one from {}",
                    self.remote
                )));
            }
            socket.set_nonblocking(true).map_err(|error| failed(&format!("fcntl(O_NONBLOCK): {error}")))?;
            socket.set_cloexec(true).map_err(|error| failed(&format!("fcntl(FD_CLOEXEC): {error}")))?;
            let name = op.makes.clone().unwrap_or_else(|| MAIN.to_string());
            let stream = self.new_stream();
            self.open.insert(name, Descriptor { socket, bound: true, stream });
        }
        Ok(())
    }

    fn send(&mut self, op: &Operation, len: u32, more: bool) -> Result<Returned, TargetError> {
        let Descriptor { socket, stream, .. } = self.descriptor(op)?;
        let start = self.streams[*stream].sent;
        let data: Vec<u8> = (0..len).map(|i| stream_byte(start.wrapping_add(i))).collect();
        let flags = libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
        let returned = timed(|| socket.send_with_flags(&data, flags).map(|n| n as i64));
        if let CallReturn::Value(count) = returned.result {
            let stream = *stream;
            self.streams[stream].sent = start.wrapping_add(count as u32);
        }
        Ok(returned)
    }

    fn receive(&mut self, op: &Operation, len: u32, peek: bool) -> Result<Returned, TargetError> {
        let mut data = vec![0; len as usize];
        let flags = if peek { MsgFlags::MSG_PEEK } else { MsgFlags::empty() };
        let Descriptor { socket, stream, .. } = self.descriptor(op)?;
        let mut returned = timed(|| Ok(recv(socket.as_raw_fd(), &mut data, flags)? as i64));
        if let CallReturn::Value(count) = returned.result {
            let stream = *stream;
            let start = self.streams[stream].received;
            returned.wrong_byte = data[..count as usize]
                .iter()
                .zip(0u32..)
                .find(|(byte, index)| **byte != stream_byte(start.wrapping_add(*index)))
                .map(|(_, index)| index);
            if !peek {
                self.streams[stream].received = start.wrapping_add(count as u32);
            }
        }
        Ok(returned)
    }

    fn dup(&mut self, op: &Operation) -> Result<Returned, TargetError> {
        let name = made(op)?;
        let Descriptor { socket, stream, .. } = self.descriptor(op)?;
        let (mut copy, stream) = (None, *stream);
        let returned = timed(|| {
            copy = Some(socket.try_clone()?);
            Ok(0)
        });
        if let Some(socket) = copy {
            self.open.insert(name, Descriptor { socket, bound: true, stream });
        }
        Ok(returned)
    }

    /// The listener goes to a server process, the only one that has it then.
    pub(crate) fn serve(&mut self, room: u32) -> Result<(Returned, Pid), TargetError> {
        let name = self.listener.take().unwrap_or_default();
        let listener = self.open.remove(&name).ok_or_else(|| failed("serve: nothing listens"))?.socket;
        let entered_unix_ns = realtime_ns();
        let server = self
            .zygote
            .serve(listener.as_fd(), room)
            .map_err(|errno| failed(&format!("handing the listener to a server process: {errno}")))?;
        drop(listener);
        let left_unix_ns = realtime_ns();
        Ok((Returned { entered_unix_ns, left_unix_ns, result: CallReturn::Value(0), wrong_byte: None }, server))
    }

    /// The server accepts this connection, or closes it.
    pub(crate) fn by_server(&mut self, server: Pid, accepts: bool) -> Result<Returned, TargetError> {
        let mut port = self.remote.port().into();
        let returned = timed(|| {
            if accepts {
                port = self.zygote.accept(server)?;
            } else {
                self.zygote.close(server, self.remote.port())?;
            }
            Ok(0)
        });
        if port == i32::from(self.remote.port()) {
            Ok(returned)
        } else {
            Err(failed(&format!("the server's accept() gave the connection from port {port}, not {}", self.remote)))
        }
    }

    fn hand_over(&mut self, op: &Operation) -> Result<Returned, TargetError> {
        let child = made(op)?;
        let socket = self.take(op)?;
        let entered_unix_ns = realtime_ns();
        let pid = self
            .zygote
            .hand_over(socket.as_fd())
            .map_err(|errno| failed(&format!("handing a socket to a child process: {errno}")))?;
        drop(socket);
        self.children.insert(child, pid);
        Ok(Returned { entered_unix_ns, left_unix_ns: realtime_ns(), result: CallReturn::Value(0), wrong_byte: None })
    }

    fn end_child(&mut self, op: &Operation, how: Ending) -> Result<Returned, TargetError> {
        let name = op.descriptor.as_deref().unwrap_or("child");
        let pid = self.children.remove(name).ok_or_else(|| failed(&format!("there is no child process `{name}`")))?;
        let entered_unix_ns = realtime_ns();
        self.zygote.end(pid, how).map_err(|errno| failed(&format!("ending child process {pid}: {errno}")))?;
        Ok(Returned { entered_unix_ns, left_unix_ns: realtime_ns(), result: CallReturn::Value(0), wrong_byte: None })
    }

    /// Closes everything and leaves nothing that waits: no close lingers, and what is still open is reset.
    pub(crate) fn close_all(&mut self) {
        for pid in std::mem::take(&mut self.children).into_values() {
            let _ = self.zygote.end(pid, Ending::Kill);
        }
        for descriptor in std::mem::take(&mut self.open).into_values() {
            let _ = descriptor.socket.set_linger(Some(Duration::ZERO));
        }
    }

    fn new_socket(&self) -> Result<Socket, TargetError> {
        let domain = Domain::for_address(self.local);
        self.namespace
            .run(|| Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP)))
            .map_err(|error| failed(&error.to_string()))?
            .map_err(|error| failed(&format!("socket: {error}")))
    }

    fn make_main(&mut self) -> Result<(), TargetError> {
        let socket = self.new_socket()?;
        let stream = self.new_stream();
        self.open.insert(MAIN.to_string(), Descriptor { socket, bound: false, stream });
        Ok(())
    }

    fn new_stream(&mut self) -> usize {
        self.streams.push(Stream::default());
        self.streams.len() - 1
    }

    /// That of the connection, or before there is one the listener's.
    fn descriptor(&self, op: &Operation) -> Result<&Descriptor, TargetError> {
        self.find(&self.resolve(op, &[MAIN, LISTENER])?)
    }

    fn socket(&self, op: &Operation, defaults: &[&str]) -> Result<&Socket, TargetError> {
        let name = self.resolve(op, defaults)?;
        Ok(&self.find(&name)?.socket)
    }

    fn find(&self, name: &str) -> Result<&Descriptor, TargetError> {
        self.open.get(name).ok_or_else(|| failed(&format!("the descriptor `{name}` is not open")))
    }

    /// The name of the open descriptor that an operation means: the one it names, else the first open one of the defaults.
    fn resolve(&self, op: &Operation, defaults: &[&str]) -> Result<String, TargetError> {
        let name = match &op.descriptor {
            Some(name) => name,
            None => {
                let open = defaults.iter().copied().find(|name| self.open.contains_key(*name));
                open.or(defaults.first().copied()).unwrap_or_default()
            }
        };
        self.find(name).map(|_| name.to_string())
    }
}

/// Closes a socket; lingers if SO_LINGER says so.
pub(crate) fn timed_close(socket: Socket) -> Returned {
    let descriptor = OwnedFd::from(socket);
    timed(|| Ok(close(descriptor).map(|()| 0)?))
}

fn timed(call: impl FnOnce() -> io::Result<i64>) -> Returned {
    let entered_unix_ns = realtime_ns();
    let result = call();
    let left_unix_ns = realtime_ns();
    let result = match result {
        Ok(value) => CallReturn::Value(value),
        Err(error) => CallReturn::Error(errno(&error)),
    };
    Returned { entered_unix_ns, left_unix_ns, result, wrong_byte: None }
}

fn errno(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().and_then(|number| u16::try_from(number).ok()).unwrap_or(libc::EIO as u16))
}

fn bind_once(descriptor: &mut Descriptor, local: &SockAddr) -> io::Result<()> {
    if !descriptor.bound {
        descriptor.socket.bind(local)?;
        descriptor.bound = true;
    }
    Ok(())
}

fn poll_events(socket: &Socket) -> Result<Returned, TargetError> {
    let entered_unix_ns = realtime_ns();
    let events = ready_events(socket.as_fd());
    let left_unix_ns = realtime_ns();
    let events = events.map_err(|error| failed(&format!("poll: {error}")))?;
    Ok(Returned { entered_unix_ns, left_unix_ns, result: CallReturn::Events(events), wrong_byte: None })
}

fn made(op: &Operation) -> Result<String, TargetError> {
    op.makes.clone().ok_or_else(|| failed("dup and handover need a name for what they make, as in `spare = dup()`"))
}

fn failed(text: &str) -> TargetError {
    TargetError::Failed(text.to_string())
}
