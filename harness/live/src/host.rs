//! One host under test: its namespace, its link, its ends of the connections, and what is seen of them.
//!
//! Owns set-up and tear-down of the host and the capture of its link. Refuses to know the other host.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::unistd::Pid;
use tcpconform_engine::case::{Case, Endpoint, Host, IpVersion, Operation, OperationCall};
use tcpconform_engine::play::{Seen, TargetError};
use tcpconform_engine::trace::{EndpointIdentity, Nanos, Sample, SegmentSeen, Source, Trouble, Way, What};
use tcpconform_model::{Call, State};
use tcpconform_netns::{LinkSetup, Mac, Namespace, NetnsError, VethEnd};

use crate::clock::{Clock, realtime_ns};
use crate::connection::Connection;
use crate::flow::{ETHERNET, ip_packet, way};
use crate::mailbox::Mailbox;
use crate::packet_socket::CaptureSocket;
use crate::sock_diag::{DiagSocket, Diagnosis};
use crate::sockets::{LISTENER, Returned, Sockets};
use crate::testbed::{Testbed, prefix};
use crate::tracepoint::Watch;
use crate::zygote::Ending;

/// The name and index of the link in a host's namespace.
const DEVICE: &str = "link0";
const DEVICE_INDEX: u32 = 10;
/// Addresses of the two hosts; the tester's ends have a third, so that the kernel drops there what is for a host.
const MACS: [Mac; 2] = [[2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xb]];
const TESTER_MAC: Mac = [2, 0, 0, 0, 0, 0xf];

/// A host under test.
#[derive(Debug)]
pub(crate) struct HostUnderTest {
    pub(crate) name: Host,
    /// In the order of their numbers.
    connections: Vec<Connection>,
    /// The process that has the listener.
    server: Option<(String, Pid)>,
    namespace: Arc<Namespace>,
    mtu: u32,
    testbed: Arc<Testbed>,
    capture: Option<CaptureSocket>,
    diag: DiagSocket,
    tester_link: u32,
    header: [u8; ETHERNET],
    buffer: Vec<u8>,
}

impl HostUnderTest {
    /// Makes the namespace, the link to the tester, and the sockets that observe.
    pub(crate) fn set_up(
        testbed: &Arc<Testbed>,
        case: &Case,
        name: Host,
        tester_link: u32,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<HostUnderTest, TargetError> {
        let namespace = Namespace::new().map_err(refused)?;
        let sysctls = testbed.sysctls.set_up(&namespace, case).map_err(refused)?;
        let (own, other) = (mac(name), mac(name.other()));
        let near = VethEnd { namespace: &namespace, name: DEVICE, index: DEVICE_INDEX, mac: own };
        let far_name = format!("t{tester_link}");
        let far = VethEnd { namespace: &testbed.tester, name: &far_name, index: tester_link, mac: TESTER_MAC };
        Namespace::create_veth(&near, &far, case.mtu).map_err(refused)?;
        namespace.disable_checksum_offload(DEVICE).map_err(refused)?;
        testbed.tester.set_up_link(&LinkSetup { index: tester_link, ..LinkSetup::default() }).map_err(refused)?;
        // The kernel's end last: so its queue works at once. Ours is passed by.
        let setup = LinkSetup {
            index: DEVICE_INDEX,
            addresses: vec![(local.ip(), prefix(case.ip))],
            neighbours: vec![(remote.ip(), other)],
            hosts: Vec::new(),
        };
        namespace.set_up_link(&setup).map_err(refused)?;
        let (capture, diag) =
            namespace.run(|| (CaptureSocket::open(DEVICE_INDEX), DiagSocket::open())).map_err(refused)?;
        let capture = capture.map_err(|error| failed(format!("capturing the link: {error}")))?;
        let diag = diag.map_err(|error| failed(format!("socket(NETLINK_SOCK_DIAG): {error}")))?;

        let mut header = [0; ETHERNET];
        header[..6].copy_from_slice(&own);
        header[6..12].copy_from_slice(&other);
        header[12..].copy_from_slice(match case.ip {
            IpVersion::Ipv4 => &[0x08, 0x00],
            IpVersion::Ipv6 => &[0x86, 0xdd],
        });
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
        Ok(HostUnderTest {
            name,
            connections,
            server: None,
            namespace,
            mtu: case.mtu,
            testbed: Arc::clone(testbed),
            capture: Some(capture),
            diag,
            tester_link,
            header,
            buffer: vec![0; case.mtu as usize + ETHERNET],
        })
    }

    /// Its ends of the connections.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &EndpointIdentity> {
        self.connections.iter().map(|connection| &connection.identity)
    }

    /// From now on the tracepoint's transitions of this host's connections go to the mailbox.
    pub(crate) fn watch_transitions(&self, clock: Clock, mailbox: &Arc<Mailbox>) {
        if let Ok(tracepoint) = &self.testbed.tracepoint {
            for connection in &self.connections {
                let (local, remote) = connection.addresses();
                let watch = Watch { endpoint: connection.identity.name, clock, mailbox: Arc::clone(mailbox) };
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
        let frame = [&self.header[..], packet].concat();
        self.testbed.injection.send(self.tester_link, &frame).map_err(|error| {
            failed(format!("injecting {} bytes on the link of {}, MTU {}: {error}", packet.len(), self.name, self.mtu))
        })
    }

    /// The next segment of a connection that crossed the link; `None` when there is none yet.
    pub(crate) fn next_segment(&mut self, clock: &Clock) -> Result<Option<Seen>, TargetError> {
        let Some(capture) = &self.capture else { return Ok(None) };
        loop {
            let captured = capture
                .receive(&mut self.buffer)
                .map_err(|error| failed(format!("recvmsg on the capture of {}: {error}", self.name)))?;
            let Some(captured) = captured else { return Ok(None) };
            let at = captured.stamp_unix_ns.map_or_else(|| clock.now(), |stamp| clock.at(stamp));
            if captured.len > self.buffer.len() {
                let text = format!("a frame of {} bytes on a link with MTU {}", captured.len, self.mtu);
                return Ok(Some(trouble(at, text)));
            }
            let Some(packet) = ip_packet(&self.buffer[..captured.len]) else { continue };
            let expected = if captured.outgoing { Way::Out } else { Way::In };
            let connection = self.connections.iter_mut().find(|connection| {
                let (local, remote) = connection.addresses();
                way(packet, local, remote) == Some(expected)
            });
            let Some(connection) = connection else { continue };
            connection.see(expected, packet);
            let segment = SegmentSeen { on: connection.identity.name, way: expected, packet: packet.to_vec() };
            return Ok(Some(Seen { at, what: What::Segment(segment) }));
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

    /// Frames that the capture lost since the last time it was asked.
    pub(crate) fn lost(&self) -> u32 {
        self.capture.as_ref().and_then(|capture| capture.lost().ok()).unwrap_or(0)
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
        if let Some(capture) = self.capture.take() {
            self.testbed.reaper.close(capture.into_descriptor());
        }
    }
}

impl AsFd for HostUnderTest {
    /// The capture.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_ref().expect("taken by drop only").as_fd()
    }
}

/// A record of trouble.
pub(crate) fn trouble(at: Nanos, text: String) -> Seen {
    Seen { at, what: What::Trouble(Trouble { text }) }
}

fn mac(of: Host) -> Mac {
    match of {
        Host::A => MACS[0],
        Host::B => MACS[1],
    }
}

fn failed(text: String) -> TargetError {
    TargetError::Failed(text)
}

/// A sysctl that this kernel lacks skips the case; everything else is trouble with the machine.
fn refused(error: NetnsError) -> TargetError {
    match error {
        NetnsError::UnknownSysctl { .. } => TargetError::Unsupported(error.to_string()),
        NetnsError::System { .. }
        | NetnsError::Netlink { .. }
        | NetnsError::SysctlRefused { .. }
        | NetnsError::SysctlReadBack { .. } => TargetError::Failed(error.to_string()),
    }
}
