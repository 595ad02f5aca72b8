//! What a target did in one case, in the form in which two runs can be compared.
//!
//! Owns what counts as behaviour: segments in relative numbers, states that last, call results, and when. Leaves out what differs from run to run
//! of one kernel: window sizes, timestamp values, states too short to be seen each time. Says which deeds a timer did, as they may come at
//! any of the moments that its slack allows. Refuses to judge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tcpconform_model::{Flags, Segment, Seq};

use crate::case::Endpoint;
use crate::notation::Bases;
use crate::trace::Nanos;
use crate::view::Incarnations;

/// A state that lasts shorter than this may be missed by those who look now and then.
pub const LASTS: Nanos = 25_000_000;

/// One thing that happened; as text, as in `203.1 a > F. 1:1(0) ack 1`, `203.1 due 199.8..208.1 a > F. 1:1(0) ack 1` or
/// `1005.9 took 1001.8 a = close() = 0`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Deed {
    /// When, tenths of milliseconds since the trace's start; of a call, when it returned.
    pub at: u64,
    /// When it was due, tenths of milliseconds since the trace's start, where a timer did it.
    pub due: Option<(u64, u64)>,
    /// How long a call took that did not return at once, tenths of milliseconds.
    pub took: Option<u64>,
    /// Of whom.
    pub on: Endpoint,
    /// What kind of thing.
    pub kind: Kind,
    /// The segment, the state, or the call with its result.
    pub text: String,
}

/// The kinds of things that happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The endpoint emits a segment.
    Emits,
    /// The case does it to the endpoint: a segment of the crafted peer or an ICMP error arrives, its host goes or is back.
    Arrives,
    /// The endpoint is in another state.
    State,
    /// A call returns.
    Call,
}

impl Kind {
    const SIGNS: [(Kind, &'static str); 4] =
        [(Kind::Emits, ">"), (Kind::Arrives, "<"), (Kind::State, ":"), (Kind::Call, "=")];

    fn sign(self) -> &'static str {
        Kind::SIGNS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, sign)| sign)
    }

    /// Whether it is the target's doing, and not the case's.
    pub fn is_of_target(self) -> bool {
        self != Kind::Arrives
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", tenths(self.at), self.on, self.kind.sign(), self.text)
    }
}

fn tenths(time: u64) -> String {
    format!("{}.{}", time / 10, time % 10)
}

fn parse_tenths(text: &str) -> Result<u64, String> {
    let number = |digits: &str| digits.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let (whole, tenth) = (number(whole)?, number(tenth)?);
    whole.checked_mul(10).and_then(|whole| whole.checked_add(tenth)).ok_or_else(|| format!("`{text}` is too large"))
}

impl From<Deed> for String {
    fn from(deed: Deed) -> String {
        let due = deed.due.map_or_else(String::new, |(lo, hi)| format!(" due {}..{}", tenths(lo), tenths(hi)));
        let took = deed.took.map_or_else(String::new, |took| format!(" took {}", tenths(took)));
        format!("{}{due}{took} {} {} {}", tenths(deed.at), deed.on, deed.kind.sign(), deed.text)
    }
}

impl FromStr for Deed {
    type Err = String;

    fn from_str(text: &str) -> Result<Deed, String> {
        let wrong = || format!("`{text}` is not a deed, as in `203.1 a > F. 1:1(0) ack 1`");
        let (at, mut rest) = text.split_once(' ').ok_or_else(wrong)?;
        let (mut due, mut took) = (None, None);
        if let Some(after) = rest.strip_prefix("due ") {
            let (span, after) = after.split_once(' ').ok_or_else(wrong)?;
            let (lo, hi) = span.split_once("..").ok_or_else(wrong)?;
            (due, rest) = (Some((parse_tenths(lo)?, parse_tenths(hi)?)), after);
        }
        if let Some(after) = rest.strip_prefix("took ") {
            let (time, after) = after.split_once(' ').ok_or_else(wrong)?;
            (took, rest) = (Some(parse_tenths(time)?), after);
        }
        let mut words = rest.splitn(3, ' ');
        let mut word = || words.next().ok_or_else(wrong);
        let (on, sign, what) = (word()?, word()?, word()?);
        let kind = Kind::SIGNS.iter().find(|(_, known)| *known == sign);
        Ok(Deed {
            at: parse_tenths(at)?,
            due,
            took,
            on: Endpoint::try_from(std::borrow::Cow::Borrowed(on))?,
            kind: kind.ok_or_else(|| format!("`{sign}` is not the sign of a kind"))?.0,
            text: what.to_string(),
        })
    }
}

impl TryFrom<String> for Deed {
    type Error = String;

    fn try_from(text: String) -> Result<Deed, String> {
        text.parse()
    }
}

/// Numbers further from the initial ones are of no connection here, as SEG.SEQ 0 of a RST: what they are depends on chance.
const FAR: u32 = 4 << 20;
/// The same of the initial number of another connection, which is the kernel's choice unless it is a little beyond the old one's.
const FAR_SYN: u32 = 100_000;
/// Where a kernel begins that begins beyond the old connection's numbers (`tcp_timewait_state_process`); what it begins with below is
/// what the ISN clock has counted meanwhile.
const BEYOND: i32 = 65_537;

/// A segment without what differs from run to run. Where a number is nearer to the connection before on the same four-tuple, or to one
/// that a SYN has asked for, it is shown as that connection's: the ISN clock decides how far apart they are.
pub(crate) fn segment_text(segment: &Segment, bases: Bases, others: Incarnations, kind: Kind) -> String {
    let far = if segment.has(Flags::SYN) { FAR_SYN } else { FAR };
    let relative = |number: i32| if number.unsigned_abs() < far { number.to_string() } else { "far".into() };
    let seq = match segment.seq.since(bases.seq) {
        1..BEYOND if kind.is_of_target() && segment.has(Flags::SYN) => i32::MAX,
        // A RST that answers a segment without an ACK has SEG.SEQ 0, wherever that lies from ISS.
        seq if seq != 0 && segment.seq == Seq(0) && segment.has(Flags::RST) && segment.has(Flags::ACK) => i32::MAX,
        seq => seq,
    };
    let nearer = |number: Seq, own: i32, other: Option<Seq>| {
        let other = other.map(|base| number.since(base)).filter(|_| kind.is_of_target() && !segment.has(Flags::SYN));
        other.filter(|other| other.unsigned_abs() < own.unsigned_abs())
    };
    let len = segment.data_len;
    let numbers = match nearer(segment.seq, seq, others.former_iss) {
        Some(seq) => format!("old {seq}:{}", seq.saturating_add_unsigned(len)),
        None => format!("{}:{}", relative(seq), relative(seq.saturating_add_unsigned(len))),
    };
    let mut text = format!("{} {numbers}({len})", segment.flags);
    if segment.has(Flags::ACK) {
        let ack = segment.ack.since(bases.ack);
        text += &match nearer(segment.ack, ack, others.offered_irs) {
            Some(ack) => format!(" ack new {ack}"),
            None => format!(" ack {}", relative(ack)),
        };
    }
    if segment.wnd == 0 && !segment.has(Flags::RST) {
        text += " win 0";
    }
    let known = &segment.options;
    let mut options: Vec<String> = Vec::new();
    options.extend(known.mss.map(|mss| format!("mss {mss}")));
    options.extend(known.wscale.map(|_| "wscale".into()));
    if known.sack_permitted {
        options.push("sackOK".into());
    }
    if known.timestamps.is_some() {
        options.push("TS".into());
    }
    for block in known.sack.iter().flatten() {
        options.push(format!("sack {}:{}", block.left.since(bases.ack), block.right.since(bases.ack)));
    }
    if !options.is_empty() {
        text += &format!(" <{}>", options.join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    use tcpconform_model::{Flags, Segment, Seq};

    use super::{Deed, Kind, segment_text};
    use crate::case::Endpoint;
    use crate::notation::Bases;
    use crate::view::Incarnations;

    #[test]
    fn what_the_clock_chose_is_not_shown() {
        let syn = |seq| Segment { seq: Seq(1000) + seq, wnd: 1, flags: Flags::SYN, ..Segment::default() };
        let bases = Bases { seq: Seq(1000), ack: Seq(0) };
        let text = |seq, kind| segment_text(&syn(seq), bases, Incarnations::default(), kind);
        assert_eq!(text(0, Kind::Emits), "S 0:0(0)");
        assert_eq!(text(6850, Kind::Emits), "S far:far(0)");
        assert_eq!(text(6850, Kind::Arrives), "S 6850:6850(0)");
        assert_eq!(text(65_539, Kind::Emits), "S 65539:65539(0)");
        assert_eq!(text(70_000_000, Kind::Emits), "S far:far(0)");
        let rst = Segment { flags: Flags::RST | Flags::ACK, ack: Seq(1), ..Segment::default() };
        assert_eq!(segment_text(&rst, bases, Incarnations::default(), Kind::Emits), "R. far:far(0) ack 1");
    }

    #[test]
    fn a_number_is_of_the_nearest_of_two_connections_on_the_same_ports() {
        for apart in [6_000, 13_155, 90_000] {
            let bases = Bases { seq: Seq(1000) + apart, ack: Seq(50) };
            let others = Incarnations { former_iss: Some(Seq(1000)), offered_irs: Some(Seq(50) + apart) };
            let text = |seq, ack, flags| {
                let segment = Segment { seq, ack, wnd: 1, flags, ..Segment::default() };
                segment_text(&segment, bases, others, Kind::Emits)
            };
            assert_eq!(text(Seq(1002), Seq(0), Flags::RST), "R old 2:2(0)");
            assert_eq!(text(bases.seq + 1, Seq(51), Flags::ACK), ". 1:1(0) ack 1");
            assert_eq!(text(bases.seq + 1, Seq(51) + apart, Flags::ACK), ". 1:1(0) ack new 1");
        }
    }

    #[test]
    fn text_there_and_back() {
        let text = "60203.1 a2 > F. 1:1(0) ack 1 <TS>";
        let deed: Deed = text.parse().unwrap();
        assert_eq!(deed.to_string(), text);
        assert_eq!((deed.at, deed.on.connection, deed.kind), (602_031, 2, Kind::Emits));
        assert_eq!((deed.on.host, deed.due, deed.took), (Endpoint::A.host, None, None));
        for text in
            ["203.1 due 199.8..208.1 a > F. 1:1(0) ack 1", "1005.9 due 1004.1..1044.1 took 1001.8 a = close() = 0"]
        {
            let deed: Deed = text.parse().unwrap();
            assert!(deed.due.is_some());
            assert_eq!(String::from(deed), text);
        }
        for wrong in
            ["", "1.0", "1.0 a", "1.0 a >", "x a > y", "1.0 c > y", "1.0 a ? y", "1.0 due 1.0 a > y", "1.0 took a > y"]
        {
            assert!(wrong.parse::<Deed>().is_err(), "{wrong}");
        }
        assert!(format!("{}.0 a > y", u64::MAX).parse::<Deed>().is_err());
    }
}
