//! Parses and prints calls, as in `close()`, `spare = dup()` and `setsockopt(SO_LINGER, 0)`.

use std::fmt;

use tcpconform_model::{Call, Poll, Queue, ShutdownHow, SocketOption};

use super::scan::{NotationError, Scanner, unknown, wrong};
use crate::case::{Operation, OperationCall};

const VERBS: [&str; 23] = [
    "serve",
    "socket",
    "bind",
    "close",
    "shutdown",
    "write",
    "send",
    "read",
    "recv",
    "connect",
    "listen",
    "accept",
    "poll",
    "ioctl",
    "tcp_info",
    "setsockopt",
    "getsockopt",
    "dup",
    "handover",
    "exit",
    "kill",
    "crash",
    "reboot",
];
const HOWS: [(&str, ShutdownHow); 3] =
    [("RD", ShutdownHow::Read), ("WR", ShutdownHow::Write), ("RDWR", ShutdownHow::Both)];
const QUEUES: [(&str, Queue); 2] = [("SIOCINQ", Queue::Receive), ("SIOCOUTQ", Queue::Send)];
/// The most bytes that one call offers or asks for.
const LEN_MAX: u64 = 100_000_000;
const BACKLOG_MAX: u64 = 65_535;
/// The most descriptors of a server process.
const ROOM_MAX: u64 = 1000;

/// Each socket option by name, with the value that stands in a `getsockopt`, where it is not used.
const OPTIONS: [(&str, SocketOption); 16] = [
    ("SO_LINGER", SocketOption::Linger(None)),
    ("TCP_LINGER2", SocketOption::Linger2(0)),
    ("TCP_NODELAY", SocketOption::NoDelay(false)),
    ("TCP_QUICKACK", SocketOption::QuickAck(false)),
    ("TCP_CORK", SocketOption::Cork(false)),
    ("TCP_USER_TIMEOUT", SocketOption::UserTimeout(0)),
    ("SO_KEEPALIVE", SocketOption::KeepAlive(false)),
    ("TCP_KEEPIDLE", SocketOption::KeepIdle(0)),
    ("TCP_KEEPINTVL", SocketOption::KeepInterval(0)),
    ("TCP_KEEPCNT", SocketOption::KeepCount(0)),
    ("SO_REUSEADDR", SocketOption::ReuseAddr(false)),
    ("SO_RCVBUF", SocketOption::ReceiveBuffer(0)),
    ("SO_SNDBUF", SocketOption::SendBuffer(0)),
    ("IP_TTL", SocketOption::TimeToLive(0)),
    ("IPV6_UNICAST_HOPS", SocketOption::UnicastHops(0)),
    ("SO_ERROR", SocketOption::Error),
];

/// Parses `[made =] [descriptor.]call(arguments)`.
pub fn parse_operation(text: &str) -> Result<Operation, NotationError> {
    let mut s = Scanner::new(text);
    let (mut start, mut word) = s.word();
    let makes = if s.take('=') {
        let made = name(start, word)?;
        (start, word) = s.word();
        Some(made)
    } else {
        None
    };
    let (descriptor, verb_start, verb) = match word.split_once('.') {
        Some((descriptor, verb)) => (Some(name(start, descriptor)?), start + descriptor.len() + 1, verb),
        None => (None, start, word),
    };
    if verb.is_empty() {
        return Err(s.unexpected("a call, as in `close()`"));
    }
    if !VERBS.contains(&verb) {
        return Err(unknown(verb_start, verb, "call", VERBS));
    }
    s.need('(', "`(`")?;
    let call = arguments(&mut s, verb)?;
    s.need(')', "`)`")?;
    s.finish("the end")?;
    let makes_one = matches!(
        call,
        OperationCall::Open | OperationCall::Handover | OperationCall::Serve { .. } | OperationCall::Socket(Call::Dup)
    );
    let may_make = makes_one || call == OperationCall::Socket(Call::Accept);
    if makes_one && makes.is_none() {
        let expected = format!("a name for what it makes, as in `spare = {verb}()`");
        return Err(wrong(verb_start, verb, format!("the result of `{verb}()` has no name"), expected));
    }
    if !may_make && makes.is_some() {
        let expected =
            format!("`{verb}(...)` alone; only socket(), accept(), dup(), handover() and serve() make something");
        return Err(wrong(verb_start, verb, format!("`{verb}()` makes nothing that can be named"), expected));
    }
    if matches!(call, OperationCall::Exit | OperationCall::Kill) && descriptor.is_none() {
        let expected = format!("the child process, as in `child.{verb}()` after `child = handover()`");
        return Err(wrong(verb_start, verb, format!("`{verb}()` needs a child process"), expected));
    }
    Ok(Operation { descriptor, makes, call })
}

/// Parses poll events, as in `IN RDHUP`; an unknown bit as in `0x20`; no event is the empty text.
pub fn parse_poll(text: &str) -> Result<Poll, NotationError> {
    let mut s = Scanner::new(text);
    let mut events = Poll(0);
    while s.peek().is_some() {
        let (start, word) = s.word();
        let named = Poll::NAMES.into_iter().find(|(_, name)| *name == word).map(|(event, _)| event);
        let bits = || u16::from_str_radix(word.strip_prefix("0x")?, 16).ok().map(Poll);
        match named.or_else(bits) {
            Some(event) => events = Poll(events.0 | event.0),
            None if word.is_empty() => return Err(s.unexpected("poll events separated by spaces, as in `IN RDHUP`")),
            None => return Err(unknown(start, word, "poll event", Poll::NAMES.map(|(_, name)| name))),
        }
    }
    Ok(events)
}

/// Prints poll events as [`parse_poll`] reads them.
pub fn print_poll(events: Poll) -> String {
    let mut words = Vec::new();
    let mut rest = events.0;
    for (event, name) in Poll::NAMES {
        if events.has(event) {
            words.push(name.to_string());
            rest &= !event.0;
        }
    }
    if rest != 0 {
        words.push(format!("{rest:#x}"));
    }
    words.join(" ")
}

fn name(start: usize, word: &str) -> Result<String, NotationError> {
    let fits = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if fits {
        Ok(word.to_string())
    } else {
        let expected = "a name in lower case, as in `spare` or `child`";
        Err(wrong(start, word, format!("`{word}` is not a name"), expected))
    }
}

fn arguments(s: &mut Scanner<'_>, verb: &str) -> Result<OperationCall, NotationError> {
    let socket = |call| Ok(OperationCall::Socket(call));
    match verb {
        "socket" => Ok(OperationCall::Open),
        "bind" => Ok(OperationCall::Bind),
        "close" => socket(Call::Close),
        "connect" => socket(Call::Connect),
        "accept" => socket(Call::Accept),
        "poll" => socket(Call::Poll),
        "ioctl" => {
            let (start, word) = s.word();
            match QUEUES.into_iter().find(|(name, _)| *name == word) {
                Some((_, queue)) => socket(Call::Queue(queue)),
                None => Err(unknown(start, word, "request", QUEUES.map(|(name, _)| name))),
            }
        }
        "dup" => socket(Call::Dup),
        "handover" => Ok(OperationCall::Handover),
        "serve" => Ok(OperationCall::Serve { room: s.number(1, ROOM_MAX, "how many connections it can hold")? as u32 }),
        "exit" => Ok(OperationCall::Exit),
        "kill" => Ok(OperationCall::Kill),
        "tcp_info" => Ok(OperationCall::TcpInfo),
        "crash" => Ok(OperationCall::Crash),
        "reboot" => Ok(OperationCall::Reboot),
        "shutdown" => {
            let (start, word) = s.word();
            match HOWS.into_iter().find(|(name, _)| *name == word) {
                Some((_, how)) => socket(Call::Shutdown(how)),
                None => Err(unknown(start, word, "direction", HOWS.map(|(name, _)| name))),
            }
        }
        "write" => socket(Call::Send { len: length(s)?, more: false }),
        "read" => socket(Call::Receive { len: length(s)?, peek: false }),
        "send" => socket(Call::Send { len: length(s)?, more: flag(s, "MSG_MORE")? }),
        "recv" => socket(Call::Receive { len: length(s)?, peek: flag(s, "MSG_PEEK")? }),
        "listen" => socket(Call::Listen { backlog: s.number(0, BACKLOG_MAX, "the backlog")? as u32 }),
        "setsockopt" => {
            let (start, word, option) = option(s)?;
            if option == SocketOption::Error {
                return Err(wrong(start, word, format!("`{word}` cannot be set"), "an option that can be set"));
            }
            s.need(',', "`,` and the value")?;
            socket(Call::SetOption(with_value(s, option)?))
        }
        "getsockopt" => socket(Call::GetOption(option(s)?.2)),
        _ => unreachable!("every verb of VERBS has its arm"),
    }
}

fn length(s: &mut Scanner<'_>) -> Result<u32, NotationError> {
    Ok(s.number(0, LEN_MAX, "a count of bytes")? as u32)
}

fn flag(s: &mut Scanner<'_>, name: &str) -> Result<bool, NotationError> {
    if !s.take(',') {
        return Ok(false);
    }
    let (start, word) = s.word();
    if word == name { Ok(true) } else { Err(unknown(start, word, "flag", [name])) }
}

fn option<'a>(s: &mut Scanner<'a>) -> Result<(usize, &'a str, SocketOption), NotationError> {
    let (start, word) = s.word();
    match OPTIONS.into_iter().find(|(name, _)| *name == word) {
        Some((_, option)) => Ok((start, word, option)),
        None => Err(unknown(start, word, "socket option", OPTIONS.map(|(name, _)| name))),
    }
}

fn with_value(s: &mut Scanner<'_>, option: SocketOption) -> Result<SocketOption, NotationError> {
    let number = |s: &mut Scanner<'_>, what| s.number(0, i32::MAX as u64, what).map(|n| n as u32);
    let signed = |s: &mut Scanner<'_>, what| {
        let minus = s.take('-');
        let value = s.number(0, i32::MAX as u64, what)? as i32;
        Ok(if minus { -value } else { value })
    };
    let switch = |s: &mut Scanner<'_>| s.number(0, 1, "off or on").map(|n| n == 1);
    let hops = |s: &mut Scanner<'_>| s.number(1, u64::from(u8::MAX), "a count of hops").map(|n| n as u8);
    Ok(match option {
        SocketOption::Linger(_) => {
            if s.peek_word() == "off" {
                s.word();
                SocketOption::Linger(None)
            } else {
                SocketOption::Linger(Some(s.number(0, u64::from(u16::MAX), "seconds, or `off`")? as u16))
            }
        }
        SocketOption::Linger2(_) => SocketOption::Linger2(signed(s, "seconds")?),
        SocketOption::NoDelay(_) => SocketOption::NoDelay(switch(s)?),
        SocketOption::QuickAck(_) => SocketOption::QuickAck(switch(s)?),
        SocketOption::Cork(_) => SocketOption::Cork(switch(s)?),
        SocketOption::UserTimeout(_) => SocketOption::UserTimeout(signed(s, "milliseconds")?),
        SocketOption::KeepAlive(_) => SocketOption::KeepAlive(switch(s)?),
        SocketOption::KeepIdle(_) => SocketOption::KeepIdle(number(s, "seconds")?),
        SocketOption::KeepInterval(_) => SocketOption::KeepInterval(number(s, "seconds")?),
        SocketOption::KeepCount(_) => SocketOption::KeepCount(number(s, "a count of probes")?),
        SocketOption::ReuseAddr(_) => SocketOption::ReuseAddr(switch(s)?),
        SocketOption::ReceiveBuffer(_) => SocketOption::ReceiveBuffer(number(s, "bytes")?),
        SocketOption::SendBuffer(_) => SocketOption::SendBuffer(number(s, "bytes")?),
        SocketOption::TimeToLive(_) => SocketOption::TimeToLive(hops(s)?),
        SocketOption::UnicastHops(_) => SocketOption::UnicastHops(hops(s)?),
        SocketOption::Error => SocketOption::Error,
    })
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(made) = &self.makes {
            write!(f, "{made} = ")?;
        }
        if let Some(descriptor) = &self.descriptor {
            write!(f, "{descriptor}.")?;
        }
        let call = match self.call {
            OperationCall::Socket(call) => call,
            OperationCall::Open => return f.write_str("socket()"),
            OperationCall::Bind => return f.write_str("bind()"),
            OperationCall::Handover => return f.write_str("handover()"),
            OperationCall::Serve { room } => return write!(f, "serve({room})"),
            OperationCall::Exit => return f.write_str("exit()"),
            OperationCall::Kill => return f.write_str("kill()"),
            OperationCall::TcpInfo => return f.write_str("tcp_info()"),
            OperationCall::Crash => return f.write_str("crash()"),
            OperationCall::Reboot => return f.write_str("reboot()"),
        };
        match call {
            Call::Listen { backlog } => write!(f, "listen({backlog})"),
            Call::Connect => f.write_str("connect()"),
            Call::Accept => f.write_str("accept()"),
            Call::Send { len, more: false } => write!(f, "write({len})"),
            Call::Send { len, more: true } => write!(f, "send({len}, MSG_MORE)"),
            Call::Receive { len, peek: false } => write!(f, "read({len})"),
            Call::Receive { len, peek: true } => write!(f, "recv({len}, MSG_PEEK)"),
            Call::Shutdown(how) => {
                let name = HOWS.into_iter().find(|(_, h)| *h == how).map_or("", |(name, _)| name);
                write!(f, "shutdown({name})")
            }
            Call::Close => f.write_str("close()"),
            Call::Dup => f.write_str("dup()"),
            Call::Exit => f.write_str("exit()"),
            Call::SetOption(option) => write!(f, "setsockopt({}, {})", option_name(option), OptionValue(option)),
            Call::GetOption(option) => write!(f, "getsockopt({})", option_name(option)),
            Call::Poll => f.write_str("poll()"),
            Call::Queue(queue) => {
                let name = QUEUES.into_iter().find(|(_, q)| *q == queue).map_or("", |(name, _)| name);
                write!(f, "ioctl({name})")
            }
        }
    }
}

fn option_name(option: SocketOption) -> &'static str {
    let kind = std::mem::discriminant(&option);
    OPTIONS.into_iter().find(|(_, o)| std::mem::discriminant(o) == kind).map_or("", |(name, _)| name)
}

struct OptionValue(SocketOption);

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketOption::Linger(None) => f.write_str("off"),
            SocketOption::Linger(Some(seconds)) => write!(f, "{seconds}"),
            SocketOption::Linger2(n) | SocketOption::UserTimeout(n) => write!(f, "{n}"),
            SocketOption::NoDelay(on)
            | SocketOption::QuickAck(on)
            | SocketOption::Cork(on)
            | SocketOption::KeepAlive(on)
            | SocketOption::ReuseAddr(on) => write!(f, "{}", u8::from(on)),
            SocketOption::KeepIdle(n)
            | SocketOption::KeepInterval(n)
            | SocketOption::KeepCount(n)
            | SocketOption::ReceiveBuffer(n)
            | SocketOption::SendBuffer(n) => write!(f, "{n}"),
            SocketOption::TimeToLive(hops) | SocketOption::UnicastHops(hops) => write!(f, "{hops}"),
            SocketOption::Error => f.write_str("0"),
        }
    }
}
