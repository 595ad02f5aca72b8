//! A host's end of one connection: its sockets, and what the answers to a lookup of it mean.
//!
//! Owns the sockets and how far the handshake has come. Refuses to know the link and the other connections of the host.

use std::net::SocketAddr;

use tcpconform_engine::trace::{CallReturn, EndpointIdentity, Way};
use tcpconform_engine::wire;
use tcpconform_model::{Flags, Segment, Seq, State};

use crate::sock_diag::{DiagSocket, Diagnosis};
use crate::sockets::{Returned, Sockets};

/// A host's end of one connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) identity: EndpointIdentity,
    pub(crate) sockets: Sockets,
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

impl Connection {
    /// Before anything happened.
    pub(crate) fn new(identity: EndpointIdentity, sockets: Sockets) -> Connection {
        Connection { identity, sockets, handshake: Handshake::default() }
    }

    /// Its own address and the peer's.
    pub(crate) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.identity.local, self.identity.remote)
    }

    /// Takes note of a segment on the link.
    pub(crate) fn see(&mut self, way: Way, packet: &[u8]) {
        if let Ok(parsed) = wire::parse(packet) {
            self.handshake.see(way, &parsed.segment);
        }
    }

    /// Takes note of a call: `accept` proves a connection.
    pub(crate) fn called(&mut self, accepted: bool, returned: &Returned) {
        if accepted && matches!(returned.result, CallReturn::Value(_)) {
            self.handshake.done = true;
        }
    }

    /// What a lookup's answer says of the connection. While a listener is open the kernel answers with it for a connection that
    /// does not exist. Until the handshake is done that is the RFC's LISTEN, also after a request was reset (RFC 9293 section
    /// 3.10.7.4: a passive OPEN returns to LISTEN); afterwards the connection is what is asked for, and it is gone.
    pub(crate) fn of_connection(&mut self, found: Option<Diagnosis>) -> Option<Diagnosis> {
        let found = found?;
        if found.state == State::Listen {
            return (!self.handshake.done).then_some(found);
        }
        // A SYN in TIME-WAIT starts another handshake.
        self.handshake.done = !matches!(found.state, State::SynReceived | State::SynSent);
        Some(found)
    }

    /// Makes the kernel forget an orphan, which would keep the namespace alive until it gives up; what is to be put on the link
    /// where the kernel cannot be told.
    pub(crate) fn bury(&self, diag: &DiagSocket) -> Option<Vec<u8>> {
        let (local, remote) = self.addresses();
        if diag.destroy(local, remote).is_ok() {
            return None;
        }
        // Without CONFIG_INET_DIAG_DESTROY: a RST at RCV.NXT ends it from the outside (RFC 5961 section 3.2).
        let reset = Segment { seq: self.handshake.rcv_nxt, flags: Flags::RST, ..Segment::default() };
        Some(wire::craft(remote, local, &reset, &[], &[]))
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
