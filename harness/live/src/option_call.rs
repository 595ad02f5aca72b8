//! `setsockopt` and `getsockopt` as a case writes them.
//!
//! Owns the table from the model's options to the kernel's levels, names and values. Refuses to know what an option does.
//! Follows socket(7), tcp(7), ip(7) and ipv6(7).

use std::io;
use std::os::fd::AsFd;

use libc::{IPPROTO_TCP, SOL_SOCKET};
use socket2::Socket;
use tcpconform_model::SocketOption;

use crate::socket_option::{get_bytes, get_int, set_bytes, set_int};

/// Sets an option to the value that it carries.
pub(crate) fn set_option(socket: &Socket, option: SocketOption) -> io::Result<()> {
    let value = match option {
        SocketOption::Linger(seconds) => {
            return set_bytes(socket.as_fd(), SOL_SOCKET, libc::SO_LINGER, &linger(seconds));
        }
        SocketOption::Linger2(number) | SocketOption::UserTimeout(number) => number,
        SocketOption::NoDelay(on)
        | SocketOption::QuickAck(on)
        | SocketOption::Cork(on)
        | SocketOption::KeepAlive(on)
        | SocketOption::ReuseAddr(on) => i32::from(on),
        SocketOption::KeepIdle(number)
        | SocketOption::KeepInterval(number)
        | SocketOption::KeepCount(number)
        | SocketOption::ReceiveBuffer(number)
        | SocketOption::SendBuffer(number) => number as i32,
        SocketOption::TimeToLive(hops) | SocketOption::UnicastHops(hops) => i32::from(hops),
        // SO_ERROR is read-only: the kernel says ENOPROTOOPT.
        SocketOption::Error => 0,
    };
    let (level, name) = place(option);
    set_int(socket.as_fd(), level, name, value)
}

/// Reads an option: its number, 0 or 1, seconds of `SO_LINGER` with -1 for off, or the errno in `SO_ERROR`.
pub(crate) fn get_option(socket: &Socket, option: SocketOption) -> io::Result<i64> {
    let (level, name) = place(option);
    if let SocketOption::Linger(_) = option {
        let mut value = [0; 8];
        get_bytes(socket.as_fd(), level, name, &mut value)?;
        let number = |at: usize| i32::from_ne_bytes(value[at..at + 4].try_into().expect("four bytes"));
        return Ok(if number(0) == 0 { -1 } else { number(4).into() });
    }
    get_int(socket.as_fd(), level, name).map(i64::from)
}

fn place(option: SocketOption) -> (i32, i32) {
    match option {
        SocketOption::Linger(_) => (SOL_SOCKET, libc::SO_LINGER),
        SocketOption::Linger2(_) => (IPPROTO_TCP, libc::TCP_LINGER2),
        SocketOption::NoDelay(_) => (IPPROTO_TCP, libc::TCP_NODELAY),
        SocketOption::QuickAck(_) => (IPPROTO_TCP, libc::TCP_QUICKACK),
        SocketOption::Cork(_) => (IPPROTO_TCP, libc::TCP_CORK),
        SocketOption::UserTimeout(_) => (IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
        SocketOption::KeepAlive(_) => (SOL_SOCKET, libc::SO_KEEPALIVE),
        SocketOption::KeepIdle(_) => (IPPROTO_TCP, libc::TCP_KEEPIDLE),
        SocketOption::KeepInterval(_) => (IPPROTO_TCP, libc::TCP_KEEPINTVL),
        SocketOption::KeepCount(_) => (IPPROTO_TCP, libc::TCP_KEEPCNT),
        SocketOption::ReuseAddr(_) => (SOL_SOCKET, libc::SO_REUSEADDR),
        SocketOption::ReceiveBuffer(_) => (SOL_SOCKET, libc::SO_RCVBUF),
        SocketOption::SendBuffer(_) => (SOL_SOCKET, libc::SO_SNDBUF),
        SocketOption::TimeToLive(_) => (libc::IPPROTO_IP, libc::IP_TTL),
        SocketOption::UnicastHops(_) => (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
        SocketOption::Error => (SOL_SOCKET, libc::SO_ERROR),
    }
}

/// `struct linger`: on or off, and seconds.
fn linger(seconds: Option<u16>) -> [u8; 8] {
    let mut value = [0; 8];
    value[..4].copy_from_slice(&i32::from(seconds.is_some()).to_ne_bytes());
    value[4..].copy_from_slice(&i32::from(seconds.unwrap_or(0)).to_ne_bytes());
    value
}
