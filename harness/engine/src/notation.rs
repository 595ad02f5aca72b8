//! The texts of the case language: segments as tcpdump and packetdrill write them, and calls as strace writes them.
//!
//! Owns the grammar, both ways: parsing (with the offset of an error) and printing. Refuses to know YAML and traces.

mod icmp;
mod operation;
mod print;
mod resolve;
mod scan;
mod segment;
mod text;

use tcpconform_model::Flags;

pub use icmp::{icmp_text, parse_icmp_kind};
pub use operation::{parse_operation, parse_poll, print_poll};
pub use print::display_segment;
pub use resolve::{Bases, Clocks, Numbers};
pub use scan::NotationError;
pub use segment::{parse_expression, parse_pattern, parse_segment};
pub use text::{errno_text, icmp_kind_text, operation_text, pattern_text, poll_text, state_text};

/// A segment to send, as in `F. rcv.nxt:rcv.nxt(0) ack 2 win 502 <TS val now ecr last>`.
///
/// Numbers are relative: `seq` to the sender's initial sequence number, `ack` to the receiver's. What is left out is
/// filled in by the sender: the next sequence number, the next one expected, its window, and the negotiated options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentText {
    /// Control bits.
    pub flags: Flags,
    /// First sequence number.
    pub seq: Option<Expression>,
    /// Length of the data, bytes.
    pub data_len: u32,
    /// Acknowledgment number.
    pub ack: Option<Expression>,
    /// Window as in the header.
    pub wnd: Option<u16>,
    /// Urgent pointer.
    pub urg: Option<u16>,
    /// The options, all of them, in this order; `None` for the negotiated ones.
    pub options: Option<Vec<OptionText>>,
}

/// What a segment looks like: a segment whose left-out parts match anything.
///
/// The flags must be equal, except PSH, which counts only where the pattern names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Control bits; `None` for any.
    pub flags: Option<Flags>,
    /// First sequence number.
    pub seq: Option<Expression>,
    /// Length of the data, bytes.
    pub data_len: Option<u32>,
    /// Acknowledgment number.
    pub ack: Option<Expression>,
    /// Window as in the header.
    pub wnd: Option<u16>,
}

/// A sum of numbers and variables, as in `rcv.nxt + rcv.wnd - 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// The terms with their signs; true is minus.
    pub terms: Vec<(bool, Term)>,
}

/// A term of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// A number.
    Number(u32),
    /// A variable of the kernel's connection.
    Variable(Variable),
}

/// What an expression can name: always the connection of the endpoint under test, as its segments on the wire show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// `snd.una`: the highest acknowledgment sent to it.
    SndUna,
    /// `snd.nxt`: behind the highest sequence number it sent.
    SndNxt,
    /// `rcv.nxt`: the acknowledgment number of its latest segment.
    RcvNxt,
    /// `rcv.wnd`: the window of its latest segment, scaled, bytes.
    RcvWnd,
}

impl Variable {
    /// All variables.
    pub const ALL: [Variable; 4] = [Variable::SndUna, Variable::SndNxt, Variable::RcvNxt, Variable::RcvWnd];

    /// The name, as in `snd.una`.
    pub const fn name(self) -> &'static str {
        match self {
            Variable::SndUna => "snd.una",
            Variable::SndNxt => "snd.nxt",
            Variable::RcvNxt => "rcv.nxt",
            Variable::RcvWnd => "rcv.wnd",
        }
    }
}

/// An option in a segment text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionText {
    /// `nop`
    Nop,
    /// `eol`
    Eol,
    /// `mss 1460`
    Mss(u16),
    /// `wscale 7`
    WindowScale(u8),
    /// `sackOK`
    SackPermitted,
    /// `sack 1:101`, relative like `ack`.
    Sack(Vec<(Expression, Expression)>),
    /// `TS val X ecr Y`
    Timestamps {
        /// TSval.
        val: ClockText,
        /// TSecr.
        ecr: ClockText,
    },
    /// `raw 1e02`: these bytes, in hexadecimal.
    Raw(Vec<u8>),
}

/// A value of the timestamps option: `now` (the sender's clock, 1 ms a tick), `last` (TSval: the last one it sent; TSecr:
/// the last one it received), a number, and an offset, as in `last - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockText {
    /// Counted from here.
    pub base: ClockBase,
    /// Ticks added.
    pub plus: i64,
}

/// Where a [`ClockText`] counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockBase {
    /// Zero.
    Zero,
    /// The sender's clock.
    Now,
    /// The last value on this connection.
    Last,
}
