//! The kernel's numbers for the states of a connection.
//!
//! Owns the one table. Follows include/net/tcp_states.h; the tracepoint, sock_diag and TCP_INFO all use these numbers.

use tcpconform_model::State;

/// The state of this number; `None` for one that no released kernel has.
///
/// `TCP_NEW_SYN_RECV` (12) is the mini-socket of a connection request; `TCP_BOUND_INACTIVE` (13) is a socket that is bound and
/// nothing else.
pub(crate) fn kernel_state(number: u8) -> Option<State> {
    match number {
        1 => Some(State::Established),
        2 => Some(State::SynSent),
        3 | 12 => Some(State::SynReceived),
        4 => Some(State::FinWait1),
        5 => Some(State::FinWait2),
        6 => Some(State::TimeWait),
        7 | 13 => Some(State::Closed),
        8 => Some(State::CloseWait),
        9 => Some(State::LastAck),
        10 => Some(State::Listen),
        11 => Some(State::Closing),
        0 | 14.. => None,
    }
}
