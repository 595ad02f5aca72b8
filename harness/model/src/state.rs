//! The connection states of RFC 9293 section 3.3.2, in its order.

use core::fmt;

/// A connection state (RFC 9293 section 3.3.2), shown by its RFC name, as in `FIN-WAIT-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Waiting for a connection request from any remote peer.
    Listen,
    /// Waiting for a matching connection request after having sent one.
    SynSent,
    /// Waiting for the acknowledgment of our connection request after having both received and sent one.
    SynReceived,
    /// Open: data flows both ways.
    Established,
    /// Our FIN is sent, not acknowledged.
    FinWait1,
    /// Our FIN is acknowledged; waiting for the peer's.
    FinWait2,
    /// The peer's FIN has arrived; waiting for the local user to close.
    CloseWait,
    /// Both FINs are sent, ours not acknowledged (simultaneous close).
    Closing,
    /// Both FINs are sent, ours second and not acknowledged.
    LastAck,
    /// Waiting for old segments to die and for the peer's FIN to come again if our ACK of it was lost.
    TimeWait,
    /// No connection.
    Closed,
}

impl State {
    /// All states, in the RFC's order.
    pub const ALL: [State; 11] = [
        State::Listen,
        State::SynSent,
        State::SynReceived,
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
        State::TimeWait,
        State::Closed,
    ];

    /// The RFC's name, as in `FIN-WAIT-1`.
    pub const fn name(self) -> &'static str {
        match self {
            State::Listen => "LISTEN",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
            State::Closed => "CLOSED",
        }
    }

    /// The state of this name; `None` for any other text.
    pub fn from_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
