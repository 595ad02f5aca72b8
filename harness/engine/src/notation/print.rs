//! Prints what the parsers read, and real segments in the same notation.

use std::fmt;

use tcpconform_model::{Flags, Segment, Seq};

use super::resolve::Bases;
use super::{ClockBase, ClockText, Expression, OptionText, Pattern, SegmentText, Term};

/// A real segment with relative numbers, as in `F. 1:1(0) ack 2 win 502`, its options only on request.
pub fn display_segment(segment: &Segment, bases: Bases, options: bool) -> String {
    let seq = segment.seq.since(bases.seq);
    let end = seq.wrapping_add_unsigned(segment.data_len);
    let mut text = format!("{} {seq}:{end}({})", segment.flags, segment.data_len);
    if segment.has(Flags::ACK) {
        text += &format!(" ack {}", segment.ack.since(bases.ack));
    }
    text += &format!(" win {}", segment.wnd);
    if segment.has(Flags::URG) {
        text += &format!(" urg {}", segment.urg);
    }
    if options {
        text += &display_options(segment, bases.ack);
    }
    text
}

fn display_options(segment: &Segment, sack_base: Seq) -> String {
    let known = &segment.options;
    let mut list = Vec::new();
    list.extend(known.mss.map(|mss| format!("mss {mss}")));
    list.extend(known.wscale.map(|shift| format!("wscale {shift}")));
    if known.sack_permitted {
        list.push("sackOK".into());
    }
    list.extend(known.timestamps.map(|ts| format!("TS val {} ecr {}", ts.val, ts.ecr)));
    let blocks: Vec<String> = (known.sack.iter().flatten())
        .map(|block| format!(" {}:{}", block.left.since(sack_base), block.right.since(sack_base)))
        .collect();
    if !blocks.is_empty() {
        list.push(format!("sack{}", blocks.concat()));
    }
    if list.is_empty() { String::new() } else { format!(" <{}>", list.join(",")) }
}

impl fmt::Display for SegmentText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.flags)?;
        match &self.seq {
            Some(seq) => write_sequence_numbers(f, seq, Some(self.data_len))?,
            None if self.data_len > 0 => write!(f, " ({})", self.data_len)?,
            None => {}
        }
        if let Some(ack) = &self.ack {
            write!(f, " ack {ack}")?;
        }
        if let Some(wnd) = self.wnd {
            write!(f, " win {wnd}")?;
        }
        if let Some(urg) = self.urg {
            write!(f, " urg {urg}")?;
        }
        if let Some(options) = &self.options {
            let list: Vec<String> = options.iter().map(OptionText::to_string).collect();
            write!(f, " <{}>", list.join(","))?;
        }
        Ok(())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flags {
            Some(flags) => write!(f, "{flags}")?,
            None => write!(f, "*")?,
        }
        match (&self.seq, self.data_len) {
            (Some(seq), len) => write_sequence_numbers(f, seq, len)?,
            (None, Some(len)) => write!(f, " ({len})")?,
            (None, None) => {}
        }
        if let Some(ack) = &self.ack {
            write!(f, " ack {ack}")?;
        }
        if let Some(wnd) = self.wnd {
            write!(f, " win {wnd}")?;
        }
        Ok(())
    }
}

fn write_sequence_numbers(f: &mut fmt::Formatter<'_>, seq: &Expression, len: Option<u32>) -> fmt::Result {
    match len {
        Some(len) if seq.is_plain() => write!(f, " {seq}:{}({len})", seq.linear().1.wrapping_add(len)),
        Some(len) => write!(f, " {seq}({len})"),
        None => write!(f, " {seq}"),
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (minus, term)) in self.terms.iter().enumerate() {
            match (minus, i) {
                (false, 0) => {}
                (true, 0) => f.write_str("0-")?,
                (false, _) => f.write_str("+")?,
                (true, _) => f.write_str("-")?,
            }
            match term {
                Term::Number(n) => write!(f, "{n}")?,
                Term::Variable(variable) => f.write_str(variable.name())?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for OptionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionText::Nop => f.write_str("nop"),
            OptionText::Eol => f.write_str("eol"),
            OptionText::Mss(mss) => write!(f, "mss {mss}"),
            OptionText::WindowScale(shift) => write!(f, "wscale {shift}"),
            OptionText::SackPermitted => f.write_str("sackOK"),
            OptionText::Sack(blocks) => {
                f.write_str("sack")?;
                blocks.iter().try_for_each(|(left, right)| write!(f, " {left}:{right}"))
            }
            OptionText::Timestamps { val, ecr } => write!(f, "TS val {val} ecr {ecr}"),
            OptionText::Raw(bytes) => {
                f.write_str("raw ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Display for ClockText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = match self.base {
            ClockBase::Zero if self.plus >= 0 => return write!(f, "{}", self.plus),
            ClockBase::Zero => "0",
            ClockBase::Now => "now",
            ClockBase::Last => "last",
        };
        match self.plus {
            0 => f.write_str(base),
            plus => write!(f, "{base}{plus:+}"),
        }
    }
}
