//! Turns texts into numbers once a connection is there to give them.

use tcpconform_model::{Flags, SackBlock, Segment, Seq};

use super::{ClockBase, ClockText, Expression, OptionText, Pattern, Term, Variable};

/// The numbers of the connection of the endpoint under test, absolute, as its segments on the wire show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Numbers {
    /// Its initial sequence number.
    pub iss: Seq,
    /// The initial sequence number of its peer.
    pub irs: Seq,
    /// [`Variable::SndUna`].
    pub snd_una: Seq,
    /// [`Variable::SndNxt`].
    pub snd_nxt: Seq,
    /// [`Variable::RcvNxt`].
    pub rcv_nxt: Seq,
    /// [`Variable::RcvWnd`], bytes.
    pub rcv_wnd: u32,
}

/// What the numbers of one segment are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Bases {
    /// Zero of the sequence number: the sender's initial one.
    pub seq: Seq,
    /// Zero of the acknowledgment number and of SACK blocks: the receiver's initial one.
    pub ack: Seq,
}

/// The clocks behind `now` and `last` in a timestamps option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Clocks {
    /// The sender's clock, 1 ms a tick.
    pub now: u32,
    /// The TSval that the sender sent last.
    pub last_sent: u32,
    /// The TSval that the sender received last.
    pub last_received: u32,
}

impl Numbers {
    /// Bases of a segment that the endpoint emits.
    pub const fn emitted(&self) -> Bases {
        Bases { seq: self.iss, ack: self.irs }
    }

    /// Bases of a segment that arrives at the endpoint.
    pub const fn arriving(&self) -> Bases {
        Bases { seq: self.irs, ack: self.iss }
    }
}

impl Expression {
    /// The absolute number where `base` is zero; a variable counts relative to `base`, `rcv.wnd` as it is.
    pub fn resolve(&self, numbers: &Numbers, base: Seq) -> Seq {
        let relative = |seq: Seq| seq.0.wrapping_sub(base.0);
        let sum = self.terms.iter().fold(0u32, |sum, (minus, term)| {
            let value = match term {
                Term::Number(n) => *n,
                Term::Variable(Variable::SndUna) => relative(numbers.snd_una),
                Term::Variable(Variable::SndNxt) => relative(numbers.snd_nxt),
                Term::Variable(Variable::RcvNxt) => relative(numbers.rcv_nxt),
                Term::Variable(Variable::RcvWnd) => numbers.rcv_wnd,
            };
            if *minus { sum.wrapping_sub(value) } else { sum.wrapping_add(value) }
        });
        base + sum
    }

    /// Whether it is numbers only.
    pub fn is_plain(&self) -> bool {
        self.terms.iter().all(|(_, term)| matches!(term, Term::Number(_)))
    }

    /// How often each variable counts, and the sum of the numbers.
    pub(super) fn linear(&self) -> ([i64; 4], u32) {
        let mut counts = [0; 4];
        let mut number = 0u32;
        for (minus, term) in &self.terms {
            match term {
                Term::Number(n) => {
                    number = if *minus { number.wrapping_sub(*n) } else { number.wrapping_add(*n) };
                }
                Term::Variable(variable) => counts[*variable as usize] += if *minus { -1 } else { 1 },
            }
        }
        (counts, number)
    }
}

impl Pattern {
    /// Whether `segment`, whose numbers are relative to `bases`, looks like this.
    pub fn matches(&self, segment: &Segment, numbers: &Numbers, bases: Bases) -> bool {
        let flags_fit = self.flags.is_none_or(|flags| {
            let counted = if flags.has(Flags::PSH) { segment.flags } else { segment.flags.without(Flags::PSH) };
            counted == flags
        });
        flags_fit
            && self.seq.as_ref().is_none_or(|seq| seq.resolve(numbers, bases.seq) == segment.seq)
            && self.data_len.is_none_or(|len| len == segment.data_len)
            && self
                .ack
                .as_ref()
                .is_none_or(|ack| segment.has(Flags::ACK) && ack.resolve(numbers, bases.ack) == segment.ack)
            && self.wnd.is_none_or(|wnd| wnd == segment.wnd)
    }
}

impl ClockText {
    /// The value; `last` is what `last` means in this field.
    pub const fn resolve(self, now: u32, last: u32) -> u32 {
        let base = match self.base {
            ClockBase::Zero => 0,
            ClockBase::Now => now,
            ClockBase::Last => last,
        };
        base.wrapping_add(self.plus as u32)
    }
}

impl OptionText {
    /// Bytes on the wire.
    pub fn size(&self) -> usize {
        match self {
            OptionText::Nop | OptionText::Eol => 1,
            OptionText::Mss(_) => 4,
            OptionText::WindowScale(_) => 3,
            OptionText::SackPermitted => 2,
            OptionText::Sack(blocks) => 2 + 8 * blocks.len(),
            OptionText::Timestamps { .. } => 10,
            OptionText::Raw(bytes) => bytes.len(),
        }
    }

    /// The blocks of a SACK option as absolute numbers; empty for the others.
    pub fn sack_blocks(&self, numbers: &Numbers, bases: Bases) -> Vec<SackBlock> {
        match self {
            OptionText::Sack(blocks) => blocks
                .iter()
                .map(|(left, right)| SackBlock {
                    left: left.resolve(numbers, bases.ack),
                    right: right.resolve(numbers, bases.ack),
                })
                .collect(),
            OptionText::Nop
            | OptionText::Eol
            | OptionText::Mss(_)
            | OptionText::WindowScale(_)
            | OptionText::SackPermitted
            | OptionText::Timestamps { .. }
            | OptionText::Raw(_) => Vec::new(),
        }
    }
}
