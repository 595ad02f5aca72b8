//! One endpoint under test: its namespace, its link, and what is seen of it.
//!
//! Owns set-up and tear-down of the endpoint and the capture of its link. Refuses to know the other endpoint.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use tcpconform_engine::case::{Case, Endpoint, IpVersion};
use tcpconform_engine::play::{Seen, TargetError};
use tcpconform_engine::trace::{EndpointIdentity, Nanos, Sample, SegmentSeen, Source, Trouble, Way, What};
use tcpconform_engine::wire;
use tcpconform_model::{Flags, Segment, Seq, State};
use tcpconform_netns::{LinkSetup, Mac, Namespace, NetnsError, VethEnd};

use crate::clock::{Clock, realtime_ns};
use crate::flow::{ETHERNET, ip_packet, way};
use crate::mailbox::Mailbox;
use crate::packet_socket::CaptureSocket;
use crate::sock_diag::{DiagSocket, Diagnosis};
use crate::sockets::{Returned, Sockets};
use crate::testbed::{Testbed, prefix};
use crate::tracepoint::Watch;

/// The name and index of the link in an endpoint's namespace.
const DEVICE: &str = "link0";
const DEVICE_INDEX: u32 = 10;
/// Addresses of the two endpoints; the tester's ends have a third, so that the kernel drops there what is for an endpoint.
const MACS: [Mac; 2] = [[2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xb]];
const TESTER_MAC: Mac = [2, 0, 0, 0, 0, 0xf];

/// An endpoint under test.
#[derive(Debug)]
pub(crate) struct EndpointUnderTest {
    pub(crate) name: Endpoint,
    pub(crate) sockets: Sockets,
    identity: EndpointIdentity,
    testbed: Arc<Testbed>,
    capture: Option<CaptureSocket>,
    diag: DiagSocket,
    tester_link: u32,
    header: [u8; ETHERNET],
    buffer: Vec<u8>,
    handshake: Handshake,
}

/// How far the handshake of a passive open has come, as the link shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Handshake {
    iss: Option<Seq>,
    /// The kernel had a connection of its own, apart from the listener.
    done: bool,
    /// RCV.NXT of the kernel's latest segment.
    rcv_nxt: Seq,
}

impl EndpointUnderTest {
    /// Makes the namespace, the link to the tester, and the sockets that observe.
    pub(crate) fn set_up(
        testbed: &Arc<Testbed>,
        case: &Case,
        name: Endpoint,
        tester_link: u32,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<EndpointUnderTest, TargetError> {
        let namespace = Namespace::new().map_err(refused)?;
        let sysctls = testbed.sysctls.set_up(&namespace, &case.sysctls).map_err(refused)?;
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
        Ok(EndpointUnderTest {
            name,
            sockets: Sockets::new(namespace, Arc::clone(&testbed.zygote), local, remote),
            identity: EndpointIdentity { name, local, remote, mtu: case.mtu, sysctls },
            testbed: Arc::clone(testbed),
            capture: Some(capture),
            diag,
            tester_link,
            header,
            buffer: vec![0; case.mtu as usize + ETHERNET],
            handshake: Handshake::default(),
        })
    }

    pub(crate) fn identity(&self) -> &EndpointIdentity {
        &self.identity
    }

    /// From now on the tracepoint's transitions of this endpoint go to the mailbox.
    pub(crate) fn watch_transitions(&self, clock: Clock, mailbox: &Arc<Mailbox>) {
        if let Ok(tracepoint) = &self.testbed.tracepoint {
            let watch = Watch { endpoint: self.name, clock, mailbox: Arc::clone(mailbox) };
            tracepoint.watch(self.identity.local, self.identity.remote, watch);
        }
    }

    /// Puts an IP packet on the link towards the endpoint.
    pub(crate) fn deliver(&self, packet: &[u8]) -> Result<(), TargetError> {
        let frame = [&self.header[..], packet].concat();
        self.testbed.injection.send(self.tester_link, &frame).map_err(|error| {
            failed(format!(
                "injecting {} bytes on the link of {}, MTU {}: {error}",
                packet.len(),
                self.name,
                self.identity.mtu
            ))
        })
    }

    /// The next segment of the connection that crossed the link; `None` when there is none yet.
    pub(crate) fn next_segment(&mut self, clock: &Clock) -> Result<Option<Seen>, TargetError> {
        let Some(capture) = &self.capture else { return Ok(None) };
        loop {
            let captured = capture
                .receive(&mut self.buffer)
                .map_err(|error| failed(format!("recvmsg on the capture of {}: {error}", self.name)))?;
            let Some(captured) = captured else { return Ok(None) };
            let at = captured.stamp_unix_ns.map_or_else(|| clock.now(), |stamp| clock.at(stamp));
            if captured.len > self.buffer.len() {
                let text = format!("a frame of {} bytes on a link with MTU {}", captured.len, self.identity.mtu);
                return Ok(Some(trouble(at, text)));
            }
            let Some(packet) = ip_packet(&self.buffer[..captured.len]) else { continue };
            let expected = if captured.outgoing { Way::Out } else { Way::In };
            if way(packet, self.identity.local, self.identity.remote) != Some(expected) {
                continue;
            }
            let packet = packet.to_vec();
            if let Ok(parsed) = wire::parse(&packet) {
                self.handshake.see(expected, &parsed.segment);
            }
            return Ok(Some(Seen { at, what: What::Segment(SegmentSeen { on: self.name, way: expected, packet }) }));
        }
    }

    /// Asks for the state. Everything on the link is to be fetched before.
    pub(crate) fn sample(
        &mut self,
        source: Source,
        descriptor: Option<&str>,
        clock: &Clock,
    ) -> Result<Seen, TargetError> {
        let (entered, left, diagnosis) = match source {
            Source::SockDiag => {
                let entered = realtime_ns();
                let found = self
                    .diag
                    .look_up(self.identity.local, self.identity.remote)
                    .map_err(|error| failed(format!("sock_diag: {error}")))?;
                (entered, realtime_ns(), self.of_connection(found))
            }
            Source::TcpInfo => {
                let (entered, left, state) = self.sockets.tcp_info(descriptor)?;
                (entered, left, Some(Diagnosis { state, timer: None, receive_queue: None, send_queue: None }))
            }
        };
        let diagnosis =
            diagnosis.unwrap_or(Diagnosis { state: State::Closed, timer: None, receive_queue: None, send_queue: None });
        let sample = Sample {
            on: self.name,
            source,
            until: clock.at(left),
            state: diagnosis.state,
            timer: diagnosis.timer,
            receive_queue: diagnosis.receive_queue,
            send_queue: diagnosis.send_queue,
        };
        Ok(Seen { at: clock.at(entered), what: What::Sample(sample) })
    }

    /// Takes note of a call: `accept` proves a connection.
    pub(crate) fn called(&mut self, accepted: bool, returned: &Returned) {
        if accepted && matches!(returned.result, tcpconform_engine::trace::CallReturn::Value(_)) {
            self.handshake.done = true;
        }
    }

    /// Frames that the capture lost since the last time it was asked.
    pub(crate) fn lost(&self) -> u32 {
        self.capture.as_ref().and_then(|capture| capture.lost().ok()).unwrap_or(0)
    }

    /// What a lookup's answer says of the connection. While a listener is open the kernel answers with it for a connection that
    /// does not exist. Until the handshake is done that is the RFC's LISTEN, also after a request was reset (RFC 9293 section
    /// 3.10.7.4: a passive OPEN returns to LISTEN); afterwards the connection is what is asked for, and it is gone.
    fn of_connection(&mut self, found: Option<Diagnosis>) -> Option<Diagnosis> {
        let found = found?;
        if found.state == State::Listen {
            return (!self.handshake.done).then_some(found);
        }
        // A SYN in TIME-WAIT starts another handshake.
        self.handshake.done = !matches!(found.state, State::SynReceived | State::SynSent);
        Some(found)
    }

    /// Makes the kernel forget an orphan, which would keep the namespace alive until it gives up.
    fn bury(&self) {
        let (local, remote) = (self.identity.local, self.identity.remote);
        if self.diag.destroy(local, remote).is_ok() {
            return;
        }
        // Without CONFIG_INET_DIAG_DESTROY: a RST at RCV.NXT ends it from the outside (RFC 5961 section 3.2).
        let reset = Segment { seq: self.handshake.rcv_nxt, flags: Flags::RST, ..Segment::default() };
        let _ = self.deliver(&wire::craft(remote, local, &reset, &[], &[]));
    }
}

impl Drop for EndpointUnderTest {
    fn drop(&mut self) {
        if let Ok(tracepoint) = &self.testbed.tracepoint {
            tracepoint.forget(self.identity.local, self.identity.remote);
        }
        self.sockets.close_all();
        self.bury();
        if let Some(capture) = self.capture.take() {
            self.testbed.reaper.close(capture.into_descriptor());
        }
    }
}

impl AsFd for EndpointUnderTest {
    /// The capture.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_ref().expect("taken by drop only").as_fd()
    }
}

impl Handshake {
    fn see(&mut self, way: Way, segment: &Segment) {
        match way {
            Way::Out => {
                if segment.has(Flags::SYN | Flags::ACK) {
                    self.iss = Some(segment.seq);
                }
                if segment.has(Flags::ACK) {
                    self.rcv_nxt = segment.ack;
                }
            }
            Way::In => {
                let acknowledges = segment.has(Flags::ACK) && self.iss.is_some_and(|iss| segment.ack.after(iss));
                if acknowledges && !segment.has(Flags::RST) && !segment.has(Flags::SYN) {
                    self.done = true;
                }
            }
        }
    }
}

/// A record of trouble.
pub(crate) fn trouble(at: Nanos, text: String) -> Seen {
    Seen { at, what: What::Trouble(Trouble { text }) }
}

fn mac(of: Endpoint) -> Mac {
    match of {
        Endpoint::A => MACS[0],
        Endpoint::B => MACS[1],
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
