//! What the names of a host's sockets stand for, call by call: the way from an operation to the model's event.
//!
//! Owns which names are sockets that neither are connected nor listen, and which one listens. Refuses to know what the calls do.

use std::collections::BTreeSet;

use tcpconform_model::{AnotherCall, Call, Event, SocketOption, ephemeral_ports};

use crate::case::{Endpoint, Operation, OperationCall};
use crate::trace::CallReturn;

/// The name of the first listener.
const LISTENER: &str = "listener";

/// The sockets of one host by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Made by `socket()`, neither connected nor listening.
    unused: BTreeSet<(Endpoint, String)>,
    /// Those of them that listen now.
    listening: BTreeSet<(Endpoint, String)>,
    /// The process that has the listener.
    server: Option<Server>,
    /// The ephemeral port range, once the case has set it.
    ports: Option<(u16, u16)>,
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
        let named = op.descriptor.clone().map(|name| (on, name));
        if let Some(call) = self.another(named.as_ref(), op.call, in_range) {
            return own(Event::Another(call));
        }
        let server = self.server.as_ref().filter(|_| self.is_by_server(op));
        if server.is_some_and(|server| server.held.len() >= server.room)
            && op.call == OperationCall::Socket(Call::Accept)
        {
            return own(Event::AcceptWithoutDescriptor);
        }
        let on_listener =
            op.descriptor.as_deref() == Some(LISTENER) || named.is_some_and(|name| self.listening.contains(&name));
        match op.call {
            OperationCall::Socket(Call::Close) if on_listener => Some((Event::CloseListener, Scope::Host)),
            OperationCall::Socket(Call::Listen { backlog }) => {
                Some((Event::Call(Call::Listen { backlog }), Scope::Host))
            }
            OperationCall::Socket(Call::Connect) => own(match in_range {
                Some(in_range) => Event::ConnectEphemeral { in_range },
                None => Event::Call(Call::Connect),
            }),
            OperationCall::Socket(Call::SetOption(SocketOption::ReceiveBuffer(_) | SocketOption::SendBuffer(_))) => {
                None
            }
            OperationCall::Socket(Call::GetOption(SocketOption::ReceiveBuffer(_) | SocketOption::SendBuffer(_))) => {
                None
            }
            OperationCall::Socket(call) => own(Event::Call(call)),
            OperationCall::Exit | OperationCall::Kill => own(Event::Call(Call::Exit)),
            OperationCall::Crash | OperationCall::Reboot => Some((Event::HostDies, Scope::Host)),
            OperationCall::Open
            | OperationCall::Bind
            | OperationCall::Handover
            | OperationCall::Serve { .. }
            | OperationCall::TcpInfo => None,
        }
    }

    /// Whether the process that has the listener makes the call.
    pub(crate) fn is_by_server(&self, op: &Operation) -> bool {
        self.server.as_ref().is_some_and(|server| op.descriptor.as_ref() == Some(&server.name))
    }

    /// The call on a socket that is not in use yet.
    fn another(
        &self,
        named: Option<&(Endpoint, String)>,
        call: OperationCall,
        in_range: Option<bool>,
    ) -> Option<AnotherCall> {
        if call == OperationCall::Open {
            return Some(AnotherCall::Open);
        }
        named.filter(|name| self.unused.contains(*name))?;
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

    /// Takes note of what a call has made of a name.
    pub(crate) fn returned(&mut self, on: Endpoint, op: &Operation, result: CallReturn) {
        if op.call.is_of_host() {
            *self = Names::default();
        }
        if let (OperationCall::Open, Some(made)) = (op.call, &op.makes) {
            self.unused.insert((on, made.clone()));
        }
        if let (OperationCall::Serve { room }, Some(made)) = (op.call, &op.makes) {
            self.server = Some(Server { name: made.clone(), room: room as usize, held: BTreeSet::new() });
        }
        if let Some(server) = self.server.as_mut().filter(|server| op.descriptor.as_ref() == Some(&server.name))
            && matches!(result, CallReturn::Value(_))
        {
            if op.call == OperationCall::Socket(Call::Accept) {
                server.held.insert(on);
            } else {
                server.held.remove(&on);
            }
        }
        let Some(name) = op.descriptor.clone().map(|name| (on, name)) else { return };
        let succeeded = match result {
            CallReturn::Value(_) | CallReturn::Events(_) => true,
            CallReturn::Error(errno) => errno == tcpconform_model::Errno::INPROGRESS,
        };
        match op.call {
            OperationCall::Socket(Call::Connect | Call::Close) if succeeded => drop(self.unused.remove(&name)),
            OperationCall::Socket(Call::Listen { .. }) if succeeded && self.unused.remove(&name) => {
                self.listening.insert(name);
            }
            OperationCall::Socket(_)
            | OperationCall::Open
            | OperationCall::Bind
            | OperationCall::Handover
            | OperationCall::Serve { .. }
            | OperationCall::Exit
            | OperationCall::Kill
            | OperationCall::Crash
            | OperationCall::Reboot
            | OperationCall::TcpInfo => {}
        }
    }
}
