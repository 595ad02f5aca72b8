//! Parses segments, patterns and their expressions.

use tcpconform_model::Flags;

use super::scan::{NotationError, Scanner, unknown, wrong};
use super::{ClockBase, ClockText, Expression, OptionText, Pattern, SegmentText, Term, Variable};

/// The most bytes of options that a header has room for (RFC 9293 section 3.1).
const OPTIONS_MAX: usize = 40;
/// The most bytes of data that one segment carries here.
const DATA_MAX: u64 = 65_000;
const SEQUENCE_MAX: u64 = u32::MAX as u64;
const OPTION_NAMES: [&str; 8] = ["nop", "eol", "mss", "wscale", "sackOK", "sack", "TS", "raw"];

/// Parses `FLAGS [SEQ[:END](LEN)] [ack N] [win N] [urg N] [<options>]`.
pub fn parse_segment(text: &str) -> Result<SegmentText, NotationError> {
    let mut s = Scanner::new(text);
    let start = s.pos();
    let Some(flags) = flags(&mut s)? else {
        return Err(wrong(start, "*", "`*` names no flags".into(), "the flags of the segment, as in `F.`, or `-`"));
    };
    let numbers = sequence_numbers(&mut s)?;
    if numbers.seq.is_some() && numbers.data_len.is_none() {
        return Err(s.unexpected("the length in parentheses, as in `1:1(0)` or `rcv.nxt(0)`"));
    }
    let mut segment = SegmentText {
        flags,
        seq: numbers.seq,
        data_len: numbers.data_len.unwrap_or(0),
        ack: None,
        wnd: None,
        urg: None,
        options: None,
    };
    if keyword(&mut s, "ack") {
        segment.ack = Some(expression(&mut s)?);
    }
    if keyword(&mut s, "win") {
        segment.wnd = Some(s.number(0, u64::from(u16::MAX), "the window")? as u16);
    }
    if keyword(&mut s, "urg") {
        segment.urg = Some(s.number(0, u64::from(u16::MAX), "the urgent pointer")? as u16);
    }
    if s.peek() == Some('<') {
        segment.options = Some(options(&mut s)?);
    }
    s.finish("`SEQ:END(LEN)`, `ack N`, `win N`, `urg N` or `<options>`, in this order, or the end")?;
    Ok(segment)
}

/// Parses a sum of numbers and variables, as in `snd.nxt + 1`.
pub fn parse_expression(text: &str) -> Result<Expression, NotationError> {
    let mut s = Scanner::new(text);
    let parsed = expression(&mut s)?;
    s.finish("`+` or `-` and another term, or the end")?;
    Ok(parsed)
}

/// Parses `FLAGS|* [SEQ[:END][(LEN)]] [ack N] [win N]`.
pub fn parse_pattern(text: &str) -> Result<Pattern, NotationError> {
    let mut s = Scanner::new(text);
    let flags = flags(&mut s)?;
    let numbers = sequence_numbers(&mut s)?;
    let mut pattern = Pattern { flags, seq: numbers.seq, data_len: numbers.data_len, ack: None, wnd: None };
    if keyword(&mut s, "ack") {
        pattern.ack = Some(expression(&mut s)?);
    }
    if keyword(&mut s, "win") {
        pattern.wnd = Some(s.number(0, u64::from(u16::MAX), "the window")? as u16);
    }
    s.finish("`SEQ:END(LEN)`, `ack N` or `win N`, in this order, or the end (options cannot be matched)")?;
    Ok(pattern)
}

fn keyword(s: &mut Scanner<'_>, word: &str) -> bool {
    let found = s.peek_word() == word;
    if found {
        s.word();
    }
    found
}

/// `None` is `*`.
fn flags(s: &mut Scanner<'_>) -> Result<Option<Flags>, NotationError> {
    const EXPECTED: &str = "flags: letters of `FSRPUEW.`, or `-` for none";
    if s.take('*') {
        return Ok(None);
    }
    if s.take('-') {
        return Ok(Some(Flags(0)));
    }
    let (start, letters) = s.word();
    if letters.is_empty() {
        return Err(s.unexpected(EXPECTED));
    }
    let mut flags = Flags(0);
    for (i, letter) in letters.char_indices() {
        let Some((flag, _)) = Flags::LETTERS.into_iter().find(|(_, l)| *l == letter) else {
            return Err(wrong(start + i, &letters[i..=i], format!("`{letter}` is not a flag"), EXPECTED));
        };
        if flags.has(flag) {
            return Err(wrong(start + i, &letters[i..=i], format!("flag `{letter}` given twice"), "each flag once"));
        }
        flags = flags | flag;
    }
    Ok(Some(flags))
}

struct SequenceNumbers {
    seq: Option<Expression>,
    data_len: Option<u32>,
}

fn sequence_numbers(s: &mut Scanner<'_>) -> Result<SequenceNumbers, NotationError> {
    let starts_here = match s.peek() {
        Some('(') => return Ok(SequenceNumbers { seq: None, data_len: Some(length(s)?) }),
        Some(c) if c.is_ascii_alphanumeric() => !matches!(s.peek_word(), "ack" | "win" | "urg"),
        Some(_) | None => false,
    };
    if !starts_here {
        return Ok(SequenceNumbers { seq: None, data_len: None });
    }
    let seq = expression(s)?;
    let end = if s.take(':') {
        s.skip_spaces();
        let start = s.pos();
        Some((start, expression(s)?, s.pos()))
    } else {
        None
    };
    let data_len = if end.is_some() || s.peek() == Some('(') { Some(length(s)?) } else { None };
    if let (Some((start, end, stop)), Some(len)) = (end, data_len) {
        let said = Said { start, len: stop - start };
        check_end(&seq, &end, len, said)?;
    }
    Ok(SequenceNumbers { seq: Some(seq), data_len })
}

fn length(s: &mut Scanner<'_>) -> Result<u32, NotationError> {
    s.need('(', "the length in parentheses, as in `1:1(0)`")?;
    let len = s.number(0, DATA_MAX, "the length of the data")? as u32;
    s.need(')', "`)`")?;
    Ok(len)
}

/// Where END stands.
struct Said {
    start: usize,
    len: usize,
}

/// END is redundant; it may not contradict. SYN and FIN do not count in it, as in tcpdump.
fn check_end(seq: &Expression, end: &Expression, len: u32, said: Said) -> Result<(), NotationError> {
    let (seq_counts, seq_number) = seq.linear();
    let (end_counts, end_number) = end.linear();
    let complain =
        |message: String, expected: String| NotationError { offset: said.start, len: said.len, message, expected };
    let should = Expression { terms: seq.terms.iter().copied().chain([(false, Term::Number(len))]).collect() };
    if seq_counts != end_counts {
        return Err(complain(
            format!("contradiction: `{end}` cannot be compared with `{seq}`"),
            format!("`{should}`, or no END: `{seq}({len})`"),
        ));
    }
    if end_number.wrapping_sub(seq_number) != len {
        let should = if seq.is_plain() { seq_number.wrapping_add(len).to_string() } else { should.to_string() };
        return Err(complain(
            format!("contradiction: END is `{end}`, but SEQ `{seq}` and {len} bytes end elsewhere"),
            format!("`{should}` (SYN and FIN do not count)"),
        ));
    }
    Ok(())
}

/// Parses a sum of numbers and variables.
fn expression(s: &mut Scanner<'_>) -> Result<Expression, NotationError> {
    let mut terms = vec![(false, term(s)?)];
    loop {
        let minus = match s.peek() {
            Some('+') => false,
            Some('-') => true,
            Some(_) | None => return Ok(Expression { terms }),
        };
        s.take(if minus { '-' } else { '+' });
        terms.push((minus, term(s)?));
    }
}

fn term(s: &mut Scanner<'_>) -> Result<Term, NotationError> {
    match s.peek() {
        Some(c) if c.is_ascii_digit() => Ok(Term::Number(s.number(0, SEQUENCE_MAX, "a sequence number")? as u32)),
        Some(c) if c.is_ascii_alphabetic() => {
            let (start, name) = s.word();
            match Variable::ALL.into_iter().find(|v| v.name() == name) {
                Some(variable) => Ok(Term::Variable(variable)),
                None => Err(unknown(start, name, "variable", Variable::ALL.map(Variable::name))),
            }
        }
        Some(_) | None => Err(s.unexpected("a number, snd.una, snd.nxt, rcv.nxt or rcv.wnd")),
    }
}

fn options(s: &mut Scanner<'_>) -> Result<Vec<OptionText>, NotationError> {
    let start = s.pos();
    s.need('<', "`<`")?;
    let mut options = Vec::new();
    if s.take('>') {
        return Ok(options);
    }
    loop {
        options.push(option(s)?);
        if s.take('>') {
            break;
        }
        s.need(',', "`,` or `>`")?;
    }
    let size: usize = options.iter().map(OptionText::size).sum();
    if size > OPTIONS_MAX {
        let len = s.pos() - start;
        let message = format!("these options take {size} bytes");
        return Err(NotationError { offset: start, len, message, expected: format!("{OPTIONS_MAX} bytes at most") });
    }
    Ok(options)
}

fn option(s: &mut Scanner<'_>) -> Result<OptionText, NotationError> {
    let (start, name) = s.word();
    Ok(match name {
        "nop" => OptionText::Nop,
        "eol" => OptionText::Eol,
        "mss" => OptionText::Mss(s.number(0, u64::from(u16::MAX), "the MSS")? as u16),
        "wscale" => OptionText::WindowScale(s.number(0, u64::from(u8::MAX), "the shift")? as u8),
        "sackOK" => OptionText::SackPermitted,
        "sack" => OptionText::Sack(sack_blocks(s)?),
        "TS" => {
            if !keyword(s, "val") {
                return Err(s.unexpected("`val`, as in `TS val now ecr last`"));
            }
            let val = clock(s)?;
            if !keyword(s, "ecr") {
                return Err(s.unexpected("`ecr`, as in `TS val now ecr last`"));
            }
            OptionText::Timestamps { val, ecr: clock(s)? }
        }
        "raw" => OptionText::Raw(hex(s)?),
        "" => return Err(s.unexpected(&format!("an option: {}", OPTION_NAMES.join(", ")))),
        other => return Err(unknown(start, other, "option", OPTION_NAMES)),
    })
}

fn sack_blocks(s: &mut Scanner<'_>) -> Result<Vec<(Expression, Expression)>, NotationError> {
    let mut blocks = Vec::new();
    loop {
        let left = expression(s)?;
        s.need(':', "`:` and the right edge, as in `sack 1:101`")?;
        blocks.push((left, expression(s)?));
        if matches!(s.peek(), Some(',' | '>') | None) {
            return Ok(blocks);
        }
    }
}

fn hex(s: &mut Scanner<'_>) -> Result<Vec<u8>, NotationError> {
    const EXPECTED: &str = "pairs of hexadecimal digits, as in `raw 1e02`";
    let (start, digits) = s.take_while(|c| c.is_ascii_alphanumeric());
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(((*high as char).to_digit(16)? << 4 | (*low as char).to_digit(16)?) as u8),
            _ => None,
        })
        .collect();
    match bytes {
        Some(bytes) if !bytes.is_empty() => Ok(bytes),
        Some(_) => Err(s.unexpected(EXPECTED)),
        None => Err(wrong(start, digits, format!("`{digits}` is not whole bytes"), EXPECTED)),
    }
}

fn clock(s: &mut Scanner<'_>) -> Result<ClockText, NotationError> {
    const WHAT: &str = "a timestamp";
    let base = match s.peek_word() {
        "now" => ClockBase::Now,
        "last" => ClockBase::Last,
        _ => ClockBase::Zero,
    };
    let mut plus = match base {
        ClockBase::Now | ClockBase::Last => {
            s.word();
            0
        }
        ClockBase::Zero => match s.peek() {
            Some(c) if c.is_ascii_digit() => s.number(0, SEQUENCE_MAX, WHAT)? as i64,
            Some(_) | None => return Err(s.unexpected("`now`, `last` or a number")),
        },
    };
    loop {
        if s.take('+') {
            plus += s.number(0, SEQUENCE_MAX, WHAT)? as i64;
        } else if s.take('-') {
            plus -= s.number(0, SEQUENCE_MAX, WHAT)? as i64;
        } else {
            return Ok(ClockText { base, plus });
        }
    }
}
