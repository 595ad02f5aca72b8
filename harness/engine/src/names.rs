//! What the names of a host's sockets stand for, call by call: the way from an operation to the model's event.
//!
//! Owns which names are sockets that neither are connected nor listen, which one listens, and which connection's socket the others are.
//! Refuses to know what the calls do.

use std::collections::{BTreeMap, BTreeSet};

use tcpconform_model::{AnotherCall, Call, Errno, Event, SocketOption, ephemeral_ports};

use crate::case::{Endpoint, Operation, OperationCall};
use crate::trace::CallReturn;

/// The name of the first listener.
pub(crate) const LISTENER: &str = "listener";
/// What an operation without a name means, once there is a connection.
const MAIN: &str = "";

/// The sockets of one host by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    sockets: BTreeMap<(Endpoint, String), Socket>,
    /// How many sockets of connections each endpoint was given so far.
    given: BTreeMap<Endpoint, u32>,
    /// What an operation on the listener means, once there was one.
    listener: Option<Socket>,
    /// The process that has the listener.
    server: Option<Server>,
    /// The ephemeral port range, once the case has set it.
    ports: Option<(u16, u16)>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    /// Made by `socket()`, neither connected nor listening.
    Unused,
    /// What listens, or did.
    Listener,
    /// The connection's socket that was the endpoint's first, second, ...
    Given(u32),
    /// None: what should have made it has failed.
    Nothing,
}

#[derive(Clone, Debug)]
struct Server {
    name: String,
    /// How many connections it can hold.
    room: usize,
    /// Whose it holds.
    held: BTreeSet<Endpoint>,
}

/// Whom an event concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The endpoint's own connection.
    Connection,
    /// All connections of the host: it is about their listener, or the host itself.
    Host,
}

impl Names {
    /// The ephemeral port range is this now.
    pub(crate) fn set_ports(&mut self, first: u16, last: u16) {
        self.ports = Some((first, last));
    }

    /// The model's event for an operation on the endpoint with this port; none for what the connection does not notice.
    pub(crate) fn event(&self, on: Endpoint, port: u16, op: &Operation) -> Option<(Event, Scope)> {
        let own = |event| Some((event, Scope::Connection));
        let in_range = self.ports.map(|(first, last)| ephemeral_ports(first, last).contains(&port));
        if op.call == OperationCall::Open {
            return own(Event::Another(AnotherCall::Open));
        }
        let socket = self.socket(on, op);
        match socket {
            Some(Socket::Nothing) => return own(Event::CallOnNothing),
            Some(Socket::Unused) => return own(Event::Another(another(op.call, in_range)?)),
            Some(Socket::Listener | Socket::Given(_)) | None => {}
        }
        let server = self.server.as_ref().filter(|_| self.is_by_server(op));
        if server.is_some_and(|server| server.held.len() >= server.room)
            && op.call == OperationCall::Socket(Call::Accept)
        {
            return own(Event::AcceptWithoutDescriptor);
        }
        let call = match op.call {
            OperationCall::Socket(
                Call::SetOption(SocketOption::ReceiveBuffer(_) | SocketOption::SendBuffer(_))
                | Call::GetOption(SocketOption::ReceiveBuffer(_) | SocketOption::SendBuffer(_)),
            ) => return None,
            OperationCall::Socket(Call::Connect) if let Some(in_range) = in_range => {
                return own(Event::ConnectEphemeral { in_range });
            }
            OperationCall::Socket(call) => call,
            OperationCall::Exit | OperationCall::Kill => Call::Exit,
            OperationCall::Crash | OperationCall::Reboot => return Some((Event::HostDies, Scope::Host)),
            OperationCall::Open
            | OperationCall::Bind
            | OperationCall::Handover
            | OperationCall::Serve { .. }
            | OperationCall::TcpInfo => return None,
        };
        match (socket, call) {
            (Some(Socket::Listener), _) => Some((Event::CallListener(call), scope_on_listener(call))),
            (_, Call::Listen { .. }) => Some((Event::Call(call), Scope::Host)),
            (_, Call::Accept) => own(Event::CallListener(call)),
            (Some(Socket::Given(nth)), _) if nth < self.given(on) => own(Event::CallEarlier(nth, call)),
            (Some(_) | None, _) => own(Event::Call(call)),
        }
    }

    /// What the operation is on, where that is known.
    fn socket(&self, on: Endpoint, op: &Operation) -> Option<Socket> {
        let of = |name: &str| self.sockets.get(&(on, name.to_string())).copied();
        match op.descriptor.as_deref() {
            None if op.call == OperationCall::Socket(Call::Accept) => self.listener,
            None => of(MAIN).or(self.listener),
            Some(LISTENER) => self.listener,
            Some(name) => of(name),
        }
    }

    fn given(&self, to: Endpoint) -> u32 {
        self.given.get(&to).copied().unwrap_or(0)
    }

    /// Whether the process that has the listener makes the call.
    pub(crate) fn is_by_server(&self, op: &Operation) -> bool {
        self.server.as_ref().is_some_and(|server| op.descriptor.as_ref() == Some(&server.name))
    }

    /// Takes note of what a call has made of a name.
    pub(crate) fn returned(&mut self, on: Endpoint, op: &Operation, result: CallReturn) {
        if op.call.is_of_host() {
            *self = Names::default();
            return;
        }
        let socket = self.socket(on, op);
        let succeeded = match result {
            CallReturn::Value(_) | CallReturn::Events(_) => true,
            CallReturn::Error(errno) => errno == Errno::INPROGRESS,
        };
        if let Some(server) = self.server.as_mut().filter(|server| op.descriptor.as_ref() == Some(&server.name))
            && succeeded
        {
            if op.call == OperationCall::Socket(Call::Accept) {
                server.held.insert(on);
                let server = server.name.clone();
                self.give(on, server);
            } else {
                server.held.remove(&on);
            }
            return;
        }
        let key = |name: &Option<String>| (on, name.clone().unwrap_or_default());
        let made = key(&op.makes);
        match op.call {
            OperationCall::Open => drop(self.sockets.insert(made, Socket::Unused)),
            OperationCall::Serve { room } => {
                let name = op.makes.clone().unwrap_or_default();
                self.server = Some(Server { name, room: room as usize, held: BTreeSet::new() });
            }
            OperationCall::Socket(Call::Accept) if succeeded => self.give(on, made.1),
            OperationCall::Socket(Call::Accept | Call::Dup) | OperationCall::Handover if !succeeded => {
                if op.makes.is_some() {
                    self.sockets.insert(made, Socket::Nothing);
                }
            }
            OperationCall::Socket(Call::Dup) => drop(socket.map(|socket| self.sockets.insert(made, socket))),
            OperationCall::Handover => {
                self.leave(on, op);
                socket.map(|socket| self.sockets.insert(made, socket));
            }
            OperationCall::Socket(Call::Connect) if succeeded && !matches!(socket, Some(Socket::Given(_))) => {
                self.give(on, key(&op.descriptor).1)
            }
            OperationCall::Socket(Call::Listen { .. }) if succeeded => {
                self.listener = Some(Socket::Listener);
                if op.descriptor.as_deref().is_some_and(|name| name != LISTENER) {
                    self.sockets.insert(key(&op.descriptor), Socket::Listener);
                }
            }
            OperationCall::Socket(Call::Close) if succeeded => self.leave(on, op),
            OperationCall::Socket(_)
            | OperationCall::Bind
            | OperationCall::Exit
            | OperationCall::Kill
            | OperationCall::Crash
            | OperationCall::Reboot
            | OperationCall::TcpInfo => {}
        }
    }

    /// The descriptor of an operation is gone.
    fn leave(&mut self, on: Endpoint, op: &Operation) {
        let key = (on, op.descriptor.clone().unwrap_or_default());
        if self.sockets.remove(&key).is_none() && self.listener.is_some() {
            self.listener = Some(Socket::Nothing);
        }
    }

    /// The endpoint is given a connection's socket by this name.
    fn give(&mut self, to: Endpoint, name: String) {
        let given = self.given.entry(to).or_default();
        *given += 1;
        self.sockets.insert((to, name), Socket::Given(*given));
    }
}

/// The call on a socket that is not in use yet.
fn another(call: OperationCall, in_range: Option<bool>) -> Option<AnotherCall> {
    match call {
        OperationCall::Bind => Some(AnotherCall::Bind),
        OperationCall::Socket(Call::Listen { backlog }) => Some(AnotherCall::Listen { backlog }),
        OperationCall::Socket(Call::Connect) => Some(AnotherCall::Connect { in_range: in_range.unwrap_or(false) }),
        OperationCall::Socket(Call::Close) => Some(AnotherCall::Close),
        OperationCall::Socket(Call::SetOption(SocketOption::ReuseAddr(on))) => Some(AnotherCall::ReuseAddr(on)),
        OperationCall::Socket(_)
        | OperationCall::Open
        | OperationCall::Handover
        | OperationCall::Serve { .. }
        | OperationCall::Exit
        | OperationCall::Kill
        | OperationCall::Crash
        | OperationCall::Reboot
        | OperationCall::TcpInfo => None,
    }
}

/// Whether a call on the listener is something to all connections of its host.
fn scope_on_listener(call: Call) -> Scope {
    match call {
        Call::Listen { .. } | Call::Shutdown(_) | Call::Close | Call::Exit | Call::Dup | Call::SetOption(_) => {
            Scope::Host
        }
        Call::Connect
        | Call::Accept
        | Call::Send { .. }
        | Call::Receive { .. }
        | Call::GetOption(_)
        | Call::Poll
        | Call::Queue(_) => Scope::Connection,
    }
}
