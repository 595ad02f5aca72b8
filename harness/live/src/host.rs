//! One host under test: its namespace, its link, its ends of the connections, and what is seen of them.
//!
//! Owns set-up and tear-down of the host. Refuses to know the other host.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::unistd::Pid;
use tcpconform_engine::case::{Case, Endpoint, Host, Operation, OperationCall};
use tcpconform_engine::play::{Seen, TargetError};
use tcpconform_engine::trace::{
    CountersSeen, EndpointIdentity, IcmpSeen, Nanos, Sample, SegmentSeen, Source, Trouble, Way, What,
};
use tcpconform_engine::wire;
use tcpconform_model::{Call, State};
use tcpconform_netns::{LinkSetup, Mac, Namespace};

use crate::clock::{Clock, realtime_ns};
use crate::connection::Connection;
use crate::counters::counters;
use crate::flow::way;
use crate::link::{CapturedLink, LinkEnd, Packet, refused};
use crate::mailbox::Mailbox;
use crate::sock_diag::{DiagSocket, Diagnosis};
use crate::sockets::{LISTENER, Returned, Sockets};
use crate::testbed::{Addresses, Testbed, prefix};
use crate::tracepoint::Watch;
use crate::zygote::Ending;

/// The name and index of the link in a host's namespace.
const DEVICE: &str = "link0";
const DEVICE_INDEX: u32 = 10;

/// A host under test.
#[derive(Debug)]
pub(crate) struct HostUnderTest {
    pub(crate) name: Host,
    /// In the order of their numbers.
    connections: Vec<Connection>,
    /// The process that has the listener.
    server: Option<(String, Pid)>,
    namespace: Arc<Namespace>,
    testbed: Arc<Testbed>,
    diag: DiagSocket,
    link: CapturedLink,
}

impl HostUnderTest {
    /// Makes the namespace, the link to the tester, and the sockets that observe.
    pub(crate) fn set_up(
        testbed: &Arc<Testbed>,
        case: &Case,
        name: Host,
        addresses: &Addresses,
    ) -> Result<HostUnderTest, TargetError> {
        let namespace = Namespace::new().map_err(refused)?;
        let sysctls = testbed.sysctls.set_up(&namespace, case).map_err(refused)?;
        let (local, remote) = (addresses.of(name), addresses.of(name.other()));
        let other = mac(name.other());
        let setup = LinkSetup {
            index: DEVICE_INDEX,
            addresses: vec![(local.ip(), prefix(case.ip))],
            neighbours: vec![(remote.ip(), other)],
            hosts: Vec::new(),
        };
        let end = LinkEnd {
            namespace: &namespace,
            device: DEVICE,
            mac: mac(name),
            neighbour: other,
            ip: case.ip,
            mtu: case.mtu,
            setup,
        };
        let link = CapturedLink::set_up(testbed, end)?;
        let diag = namespace
            .run(DiagSocket::open)
            .map_err(refused)?
            .map_err(|error| failed(format!("socket(NETLINK_SOCK_DIAG): {error}")))?;
        let namespace = Arc::new(namespace);
        let connections = case.endpoints().filter(|endpoint| endpoint.host == name).map(|name| {
            let at_port = |mut address: SocketAddr, of: Endpoint| {
                address.set_port(address.port() + case.port_offset(of));
                address
            };
            let (local, remote) = (at_port(local, name), at_port(remote, name.other()));
            let identity = EndpointIdentity { name, local, remote, mtu: case.mtu, sysctls: sysctls.clone() };
            Connection::new(identity, Sockets::new(Arc::clone(&namespace), Arc::clone(&testbed.zygote), local, remote))
        });
        let connections = connections.collect();
        let testbed = Arc::clone(testbed);
        Ok(HostUnderTest { name, connections, server: None, namespace, testbed, diag, link })
    }

    /// Its ends of the connections.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &EndpointIdentity> {
        self.connections.iter().map(|connection| &connection.identity)
    }

    /// From now on the tracepoint's transitions of this host's connections go to the mailbox.
    pub(crate) fn watch_transitions(&self, clock: Clock, mailbox: &Arc<Mailbox>) {
        let since = clock.now();
        if let Ok(tracepoint) = &self.testbed.tracepoint {
            for connection in &self.connections {
                let (local, remote) = connection.addresses();
                let watch = Watch { endpoint: connection.identity.name, clock, mailbox: Arc::clone(mailbox), since };
                tracepoint.watch(local, remote, watch);
            }
        }
    }

    /// Makes a call in the foreground. Every connection of the host is accepted from its one listener.
    pub(crate) fn call(&mut self, on: Endpoint, op: &Operation) -> Result<Returned, TargetError> {
        if let OperationCall::Serve { room } = op.call {
            return self.serve(op, room);
        }
        if let Some((_, server)) = self.server.as_ref().filter(|(name, _)| op.descriptor.as_ref() == Some(name)) {
            let (server, index) = (*server, self.index(on)?);
            let accepts = op.call == OperationCall::Socket(Call::Accept);
            let returned = self.connections[index].sockets.by_server(server, accepts)?;
            self.connections[index].called(accepts, &returned);
            return Ok(returned);
        }
        let on_listener = op.call == OperationCall::Socket(Call::Accept) || op.descriptor.as_deref() == Some(LISTENER);
        let holder = self.connections.iter().position(|connection| connection.sockets.listens());
        let index = self.index(on)?;
        let returned = match holder.filter(|_| on_listener) {
            Some(holder) if op.call == OperationCall::Socket(Call::Accept) => {
                let (returned, accepted) = self.connections[holder].sockets.accept(op)?;
                self.connections[index].sockets.adopt(op, accepted)?;
                returned
            }
            Some(holder) => self.connections[holder].sockets.call(op)?,
            None => self.connections[index].sockets.call(op)?,
        };
        self.connections[index].called(op.call == OperationCall::Socket(Call::Accept), &returned);
        Ok(returned)
    }

    /// `server = serve(room)`: the listener goes to a process of its own.
    fn serve(&mut self, op: &Operation, room: u32) -> Result<Returned, TargetError> {
        let holder = self.connections.iter_mut().find(|connection| connection.sockets.listens());
        let holder = holder.ok_or_else(|| failed(format!("{op}: nothing listens on {}", self.name)))?;
        let (returned, server) = holder.sockets.serve(room)?;
        self.server = op.makes.clone().map(|name| (name, server));
        Ok(returned)
    }

    /// Makes the ephemeral port range these ports; from now on no connect() binds by itself.
    pub(crate) fn set_ports(&mut self, first: u16, last: u16) -> Result<(), TargetError> {
        let range = [("net.ipv4.ip_local_port_range".to_string(), format!("{first} {last}"))].into();
        self.namespace.write_sysctls(&range).map_err(refused)?;
        for connection in &mut self.connections {
            connection.sockets.find_ports();
        }
        Ok(())
    }

    /// The sockets of a connection.
    pub(crate) fn sockets(&mut self, of: Endpoint) -> Result<&mut Sockets, TargetError> {
        let index = self.index(of)?;
        Ok(&mut self.connections[index].sockets)
    }

    fn index(&self, of: Endpoint) -> Result<usize, TargetError> {
        self.connections
            .iter()
            .position(|connection| connection.identity.name == of)
            .ok_or_else(|| failed(format!("there is no endpoint {of} in this case")))
    }

    /// Puts an IP packet on the link towards the host.
    pub(crate) fn deliver(&self, packet: &[u8]) -> Result<(), TargetError> {
        self.link.deliver(packet)
    }

    /// Puts a frame on the link towards the host, as it is.
    pub(crate) fn deliver_frame(&self, frame: &[u8]) -> Result<(), TargetError> {
        self.link.deliver_frame(frame)
    }

    /// The next segment of a connection, or ICMP error about one, that crossed the link; `None` when there is none yet.
    pub(crate) fn next_packet(&mut self, clock: &Clock) -> Result<Option<Seen>, TargetError> {
        loop {
            let mtu = self.link.mtu();
            let frame = self
                .link
                .next_frame()
                .map_err(|error| failed(format!("recvmsg on the capture of {}: {error}", self.name)))?;
            let Some(frame) = frame else { return Ok(None) };
            let at = frame.stamp_unix_ns.map_or_else(|| clock.now(), |stamp| clock.at(stamp));
            let packet = match frame.packet {
                Packet::Ip(packet) => packet,
                Packet::Other => continue,
            };
            let expected = if frame.outgoing { Way::Out } else { Way::In };
            let of_packet = |connection: &&mut Connection| {
                let (local, remote) = connection.addresses();
                way(packet, local, remote) == Some(expected)
            };
            let what = if let Some(connection) = self.connections.iter_mut().find(of_packet) {
                if let Some(bytes) = frame.cut {
                    return Ok(Some(in_doubt(at, format!("a frame of {bytes} bytes on a link with MTU {mtu}"))));
                }
                connection.see(expected, packet);
                What::Segment(SegmentSeen { on: connection.identity.name, way: expected, packet: packet.to_vec() })
            } else if let Some(connection) = self.connections.iter().find(|c| !frame.outgoing && is_about(packet, c)) {
                What::Icmp(IcmpSeen { on: connection.identity.name, packet: packet.to_vec() })
            } else {
                continue;
            };
            return Ok(Some(Seen { at, what }));
        }
    }

    /// Asks for the state. Everything on the link is to be fetched before.
    pub(crate) fn sample(
        &mut self,
        of: Endpoint,
        source: Source,
        descriptor: Option<&str>,
        clock: &Clock,
    ) -> Result<Seen, TargetError> {
        let index = self.index(of)?;
        let connection = &mut self.connections[index];
        let (entered, left, diagnosis) = match source {
            Source::SockDiag => {
                let entered = realtime_ns();
                let (local, remote) = connection.addresses();
                let found = self.diag.look_up(local, remote).map_err(|error| failed(format!("sock_diag: {error}")))?;
                (entered, realtime_ns(), connection.of_connection(found))
            }
            Source::TcpInfo => {
                let (entered, left, state) = connection.sockets.tcp_info(descriptor)?;
                (entered, left, Some(Diagnosis { state, timer: None, receive_queue: None, send_queue: None }))
            }
        };
        if let Some(stalls) = &self.testbed.stalls {
            stalls.look_at_tick(1_000_000_000 / u64::from(self.testbed.hz.max(1)));
        }
        let diagnosis =
            diagnosis.unwrap_or(Diagnosis { state: State::Closed, timer: None, receive_queue: None, send_queue: None });
        let sample = Sample {
            on: of,
            source,
            until: clock.at(left),
            state: diagnosis.state,
            timer: diagnosis.timer,
            receive_queue: diagnosis.receive_queue,
            send_queue: diagnosis.send_queue,
        };
        Ok(Seen { at: clock.at(entered), what: What::Sample(sample) })
    }

    /// Asks for the counters.
    pub(crate) fn counters(&self, clock: &Clock) -> Result<Seen, TargetError> {
        let asked = realtime_ns();
        let values = counters(&self.namespace).map_err(refused)?;
        let (on, until) = (Endpoint { connection: 1, host: self.name }, clock.at(realtime_ns()));
        Ok(Seen { at: clock.at(asked), what: What::Counters(CountersSeen { on, until, values }) })
    }

    /// Frames that the capture lost since the last time it was asked.
    pub(crate) fn lost(&self) -> u32 {
        self.link.lost()
    }
}

impl Drop for HostUnderTest {
    fn drop(&mut self) {
        if let Ok(tracepoint) = &self.testbed.tracepoint {
            for connection in &self.connections {
                let (local, remote) = connection.addresses();
                tracepoint.forget(local, remote);
            }
        }
        if let Some((_, server)) = self.server.take() {
            let _ = self.testbed.zygote.end(server, Ending::Kill);
        }
        for connection in &mut self.connections {
            connection.sockets.close_all();
        }
        for connection in &self.connections {
            if let Some(reset) = connection.bury(&self.diag) {
                let _ = self.deliver(&reset);
            }
        }
    }
}

impl AsFd for HostUnderTest {
    /// The capture.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

/// A record of what puts the trace in doubt.
pub(crate) fn in_doubt(at: Nanos, text: String) -> Seen {
    Seen { at, what: What::Trouble(Trouble { text, in_doubt: true }) }
}

/// Whether a packet is an ICMP error about a segment that the connection has sent.
fn is_about(packet: &[u8], connection: &Connection) -> bool {
    wire::parse_icmp(packet).is_ok_and(|error| (error.from, error.to) == connection.addresses())
}

/// A host's Ethernet address.
pub(crate) const fn mac(of: Host) -> Mac {
    match of {
        Host::A => [2, 0, 0, 0, 0, 0xa],
        Host::B => [2, 0, 0, 0, 0, 0xb],
    }
}

fn failed(text: String) -> TargetError {
    TargetError::Failed(text)
}
