//! What a target did in one case, in the form in which two runs can be compared.
//!
//! Owns what counts as behaviour: segments in relative numbers, states that last, call results, and when. Leaves out what differs from run to run
//! of one kernel: window sizes, timestamp values, states too short to be seen each time. Refuses to judge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tcpconform_model::{Flags, Segment};

use crate::case::Endpoint;
use crate::notation::Bases;
use crate::trace::Nanos;

/// A state that lasts shorter than this may be missed by those who look now and then.
pub(crate) const LASTS: Nanos = 25_000_000;

/// One thing that happened; as text, as in `203.1 a > F. 1:1(0) ack 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Deed {
    /// When, tenths of milliseconds since the trace's start.
    pub at: u64,
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
    /// A segment of the crafted peer, or an ICMP error, arrives.
    Arrives,
    /// The endpoint is in another state.
    State,
    /// A call returns.
    Call,
}

impl Kind {
    const SIGNS: [(Kind, &'static str); 4] =
        [(Kind::Emits, ">"), (Kind::Arrives, "<"), (Kind::State, ":"), (Kind::Call, "=")];

    /// Whether it is the target's doing, and not the case's.
    pub fn is_of_target(self) -> bool {
        self != Kind::Arrives
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Kind::SIGNS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, sign)| sign);
        write!(f, "{}.{} {} {sign} {}", self.at / 10, self.at % 10, self.on, self.text)
    }
}

impl From<Deed> for String {
    fn from(deed: Deed) -> String {
        deed.to_string()
    }
}

impl FromStr for Deed {
    type Err = String;

    fn from_str(text: &str) -> Result<Deed, String> {
        let mut words = text.splitn(4, ' ');
        let mut word =
            || words.next().ok_or_else(|| format!("`{text}` is not a deed, as in `203.1 a > F. 1:1(0) ack 1`"));
        let (at, on, sign, what) = (word()?, word()?, word()?, word()?);
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
        let (whole, tenth) = at.split_once('.').unwrap_or((at, "0"));
        let kind = Kind::SIGNS.iter().find(|(_, known)| *known == sign);
        Ok(Deed {
            at: number(whole)? * 10 + number(tenth)?,
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

/// A segment without what differs from run to run.
pub(crate) fn segment_text(segment: &Segment, bases: Bases, kind: Kind) -> String {
    let far = if segment.has(Flags::SYN) { FAR_SYN } else { FAR };
    let relative = |number: i32| if number.unsigned_abs() < far { number.to_string() } else { "far".into() };
    let seq = match segment.seq.since(bases.seq) {
        1..BEYOND if kind.is_of_target() && segment.has(Flags::SYN) => i32::MAX,
        seq => seq,
    };
    let (first, end) = (relative(seq), relative(seq.saturating_add_unsigned(segment.data_len)));
    let mut text = format!("{} {first}:{end}({})", segment.flags, segment.data_len);
    if segment.has(Flags::ACK) {
        text += &format!(" ack {}", relative(segment.ack.since(bases.ack)));
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

    #[test]
    fn what_the_clock_chose_is_not_shown() {
        let syn = |seq| Segment { seq: Seq(1000) + seq, wnd: 1, flags: Flags::SYN, ..Segment::default() };
        let bases = Bases { seq: Seq(1000), ack: Seq(0) };
        let text = |seq, kind| segment_text(&syn(seq), bases, kind);
        assert_eq!(text(0, Kind::Emits), "S 0:0(0)");
        assert_eq!(text(6850, Kind::Emits), "S far:far(0)");
        assert_eq!(text(6850, Kind::Arrives), "S 6850:6850(0)");
        assert_eq!(text(65_539, Kind::Emits), "S 65539:65539(0)");
        assert_eq!(text(70_000_000, Kind::Emits), "S far:far(0)");
    }

    #[test]
    fn text_there_and_back() {
        let text = "60203.1 a2 > F. 1:1(0) ack 1 <TS>";
        let deed: Deed = text.parse().unwrap();
        assert_eq!(deed.to_string(), text);
        assert_eq!((deed.at, deed.on.connection, deed.kind), (602_031, 2, Kind::Emits));
        assert_eq!(deed.on.host, Endpoint::A.host);
        for wrong in ["", "1.0", "1.0 a", "1.0 a >", "x a > y", "1.0 c > y", "1.0 a ? y"] {
            assert!(wrong.parse::<Deed>().is_err(), "{wrong}");
        }
    }
}
