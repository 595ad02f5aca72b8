//! The segments of the crafted peer in a walk: well-formed, stale, future and mangled ones.
//!
//! Owns what they look like, and how many bytes a walk carries in either direction. Refuses to know where the connection stands: numbers
//! are written with the variables of the notation, and become numbers when the walk is played.

use super::dice::Dice;
use super::walk::injection;
use crate::case::{Case, Damage, Open, StepKind};

/// The most bytes that a walk writes, and the most segments: less than the initial congestion window.
const WRITTEN_MAX: u32 = 9_000;
const SEGMENTS_MAX: u32 = 9;
/// The least MSS that is assumed without the option (RFC 9293 MUST-15).
const MSS_DEFAULT: u16 = 536;
/// Segments are cut to the largest window seen, and not smaller than this.
const WINDOW_SMALL: u16 = 100;
const SEGMENT_LEAST: u16 = 48;
/// The most bytes that the peer sends in order.
const SENT_MAX: u32 = 20_000;

/// The peer of a walk.
pub(super) struct Segments {
    timestamps: bool,
    sack: bool,
    connects: bool,
    mss: Option<u16>,
    wscale: Option<u8>,
    window: u16,
    written: u32,
    sent: u32,
    reopened: bool,
}

/// Kinds of segments.
#[derive(Clone, Copy)]
enum Kind {
    WellFormed,
    Stale,
    Future,
    Mangled,
}

/// What a peer says that keeps to the protocol; `(n)` stands for some data.
const WELL_FORMED: [(u32, &str); 21] = [
    (14, "P. (n)"),
    (14, "."),
    (3, "P. (n) ack snd.una"),
    (3, ". ack snd.una"),
    (6, "F."),
    (2, "F. ack snd.una"),
    (3, "FP. (n)"),
    (3, ". ack snd.una+1"),
    (2, ". ack snd.nxt-1"),
    (2, ". win 0"),
    (2, ". win 1"),
    (2, ". win 2000"),
    (1, "P. (n) win 0"),
    (1, ". ack snd.una win 0"),
    (2, "P. rcv.nxt(n)"),
    (2, "F. rcv.nxt(0)"),
    (1, ". rcv.nxt(1)"),
    (2, "R rcv.nxt(0)"),
    (1, "R. rcv.nxt(0)"),
    (1, "P. (n) urg 1"),
    (2, ". rcv.nxt-1(0)"),
];

/// What was right once, or is another connection's.
const STALE: [(u32, &str); 16] = [
    (3, "P. rcv.nxt-n(n)"),
    (2, "P. rcv.nxt-5(n)"),
    (2, "P. 1:11(10)"),
    (2, "F. rcv.nxt-1(0)"),
    (2, "FP. rcv.nxt-n(n)"),
    (2, ". rcv.nxt-1(1)"),
    (2, ". rcv.nxt(0) ack snd.una-1"),
    (1, ". rcv.nxt(0) ack snd.una-100000"),
    (2, "P. (n) ack snd.una-1"),
    (2, ". 1:1(0) ack 1"),
    (2, "S 0:0(0)"),
    (1, "S. 0:0(0) ack 1"),
    (2, "R rcv.nxt-1(0)"),
    (1, "R 1:1(0)"),
    (1, "R. rcv.nxt-n(0)"),
    (1, "F. 1:1(0) ack 1"),
];

/// What may be right later, or never.
const FUTURE: [(u32, &str); 20] = [
    (4, "P. rcv.nxt+n(n)"),
    (3, "P. rcv.nxt+100(50)"),
    (2, "P. rcv.nxt+50(100)"),
    (2, "F. rcv.nxt+10(0)"),
    (2, "FP. rcv.nxt+n(n)"),
    (2, ". rcv.nxt(0) ack snd.nxt+1"),
    (1, ". rcv.nxt(0) ack snd.nxt+100000"),
    (2, "P. (n) ack snd.nxt+1"),
    (1, "F. ack snd.nxt+1"),
    (1, ". rcv.nxt+rcv.wnd(0)"),
    (1, ". rcv.nxt+rcv.wnd+1(0)"),
    (1, "P. rcv.nxt+rcv.wnd(n)"),
    (1, "P. rcv.nxt+rcv.wnd-5(n)"),
    (2, "R rcv.nxt+1(0)"),
    (1, "R rcv.nxt+rcv.wnd(0)"),
    (1, "R rcv.nxt+rcv.wnd+1(0)"),
    (1, "S rcv.nxt(0)"),
    (1, "S rcv.nxt+1000(0)"),
    (1, "S. rcv.nxt(0)"),
    (1, "F. rcv.nxt+rcv.wnd(0)"),
];

/// What no TCP sends.
const MANGLED: [(u32, &str); 12] = [
    (2, "-"),
    (2, "P (n)"),
    (2, "F"),
    (1, "F rcv.nxt(0)"),
    (1, "SF rcv.nxt(0)"),
    (1, "SF. rcv.nxt(0)"),
    (1, "RF rcv.nxt(0)"),
    (1, "SR rcv.nxt(0)"),
    (1, "FSRPU. rcv.nxt(n)"),
    (1, "U. urg 100"),
    (1, "R rcv.nxt(n)"),
    (1, "EW."),
];

/// Options in the place of the right ones: where timestamps are in use, and everywhere.
const TIMESTAMPS: [&str; 8] = [
    "<>",
    "<nop,nop,TS val last-1 ecr last>",
    "<nop,nop,TS val now-10000 ecr last>",
    "<nop,nop,TS val now+1000 ecr last>",
    "<nop,nop,TS val last ecr last>",
    "<nop,nop,TS val now ecr 0>",
    "<TS val now ecr last+100000,nop,nop>",
    "<nop,nop,TS val now-3000000000 ecr last>",
];
const ODD_OPTIONS: [&str; 8] = [
    "<raw fe04abcd>",
    "<raw 0800>",
    "<raw 08>",
    "<raw 0aff>",
    "<eol>",
    "<mss 100>",
    "<nop,nop,sackOK>",
    "<wscale 3,nop>",
];

impl Segments {
    /// The peer of this case.
    pub(super) fn new(case: &Case) -> Segments {
        Segments {
            timestamps: case.peer.timestamps,
            sack: case.peer.sack,
            connects: case.open == Open::Active,
            mss: case.peer.mss,
            wscale: case.peer.wscale,
            window: case.peer.wnd,
            written: 0,
            sent: 0,
            reopened: false,
        }
    }

    /// Whether endpoint `a` is the one that connects.
    pub(super) fn connects(&self) -> bool {
        self.connects
    }

    /// Whether a SYN may have made a new connection where the old one was gone.
    pub(super) fn may_have_reopened(&self) -> bool {
        self.reopened
    }

    /// How much a write hands in.
    pub(super) fn writes(&mut self, dice: &mut Dice) -> u32 {
        let segment = if self.window <= WINDOW_SMALL { SEGMENT_LEAST } else { self.mss.unwrap_or(MSS_DEFAULT) };
        let most = WRITTEN_MAX.min(SEGMENTS_MAX * u32::from(segment));
        let len = dice.pick(&[1, 10, 100, 536, 1000, 1448, 2000, 3000]).min(most.saturating_sub(self.written)).max(1);
        self.written += len;
        len
    }

    /// Some segment.
    pub(super) fn next(&mut self, dice: &mut Dice) -> StepKind {
        let kind = dice.weighted(&[(60, Kind::WellFormed), (13, Kind::Stale), (17, Kind::Future), (10, Kind::Mangled)]);
        let text = match kind {
            Kind::WellFormed => dice.weighted(&WELL_FORMED),
            Kind::Stale => dice.weighted(&STALE),
            Kind::Future => dice.weighted(&FUTURE),
            Kind::Mangled if dice.one_in(3) => return self.damaged(dice),
            Kind::Mangled => dice.weighted(&MANGLED),
        };
        self.reopened |= text.starts_with("S ") && !self.connects;
        let len = self.sends(dice, text);
        let mut text = text.replace("(n)", &format!("({len})")).replace("-n(", &format!("-{len}("));
        text = text.replace("+n(", &format!("+{len}("));
        if let Some(options) = self.options(dice) {
            text = format!("{text} {options}");
        }
        injection(&text, Vec::new())
    }

    /// Bytes for the data in this text.
    fn sends(&mut self, dice: &mut Dice, text: &str) -> u32 {
        let most = SENT_MAX.saturating_sub(self.sent).max(1);
        let len = dice.pick(&[1, 10, 100, 536, 1000, 1400]).min(most);
        if text.contains("(n)") {
            self.sent += len;
        }
        len
    }

    /// Other options than the right ones, now and then.
    fn options(&self, dice: &mut Dice) -> Option<String> {
        if self.timestamps && dice.one_in(12) {
            return Some(dice.pick(&TIMESTAMPS).to_string());
        }
        if self.sack && dice.one_in(12) {
            let timestamps = if self.timestamps { "nop,nop,TS val now ecr last," } else { "" };
            let blocks =
                dice.pick(&["snd.una+1:snd.nxt", "snd.una+10:snd.una+20", "snd.una-10:snd.una", "snd.nxt:snd.nxt+10"]);
            return Some(format!("<{timestamps}nop,nop,sack {blocks}>"));
        }
        if !self.timestamps && dice.one_in(25) {
            return Some(dice.pick(&ODD_OPTIONS).to_string());
        }
        None
    }

    /// A right segment with damage below the level of the notation.
    fn damaged(&mut self, dice: &mut Dice) -> StepKind {
        let text = dice.pick(&["P. (10)", ".", "F.", "R rcv.nxt(0)", "P. rcv.nxt(10)"]);
        let damage = match dice.below(4) {
            0 => Damage::Checksum,
            1 => Damage::DataOffset(dice.pick(&[0, 4, 15])),
            2 => Damage::Truncate(dice.pick(&[1, 5, 15])),
            _ => Damage::Reserved(dice.pick(&[1, 8])),
        };
        injection(text, vec![damage])
    }

    /// A segment of the notation, as it is.
    pub(super) fn well_formed(&self, text: &str) -> StepKind {
        injection(text, Vec::new())
    }

    /// The SYN that opens.
    pub(super) fn syn(&self, dice: &mut Dice) -> StepKind {
        injection(&format!("S 0:0(0) {}", self.opening_options(dice, "0")), Vec::new())
    }

    /// One more SYN, which may make a new connection where the old one is gone.
    pub(super) fn syn_again(&mut self, dice: &mut Dice) -> StepKind {
        self.reopened = true;
        let seq = dice.pick(&["0:0", "rcv.nxt+1000", "rcv.nxt+1000", "rcv.nxt+100000"]);
        injection(&format!("S {seq}(0) {}", self.opening_options(dice, "0")), Vec::new())
    }

    /// The SYN,ACK that answers.
    pub(super) fn syn_ack(&self, dice: &mut Dice) -> StepKind {
        injection(&format!("S. 0:0(0) ack 1 {}", self.opening_options(dice, "last")), Vec::new())
    }

    /// A segment while the connection opens.
    pub(super) fn opening(&self, dice: &mut Dice, open: Open) -> StepKind {
        match open {
            Open::Active => {
                let text = dice.pick(&[
                    "S. 0:0(0) ack 0",
                    "S. 0:0(0) ack 2",
                    ". 1:1(0) ack 1",
                    ". 1:1(0) ack 2",
                    "R 0:0(0)",
                    "R. 0:0(0) ack 2",
                    "R. 0:0(0) ack 0",
                    "F. 1:1(0) ack 1",
                    "- 0:0(0)",
                    "S 0:0(0)",
                ]);
                if text == "S 0:0(0)" { self.syn(dice) } else { injection(text, Vec::new()) }
            }
            Open::Passive => {
                let text = dice.pick(&[
                    "S 0:0(0)",
                    "S 5:5(0)",
                    ". 1:1(0) ack 0",
                    ". 1:1(0) ack 2",
                    ". 0:0(0) ack 1",
                    "R 0:0(0)",
                    "R 2:2(0)",
                    "F. 1:1(0) ack 2",
                    "P. 1:11(10) ack 2",
                    ". 100000:100000(0) ack 1",
                    "S. 0:0(0) ack 1",
                    "P 1:11(10)",
                ]);
                if text == "S 0:0(0)" { self.syn(dice) } else { injection(text, Vec::new()) }
            }
        }
    }

    fn opening_options(&self, dice: &mut Dice, echoed: &str) -> String {
        let mut options = Vec::new();
        options.extend(self.mss.map(|mss| format!("mss {mss}")));
        if self.sack {
            options.push("sackOK".to_string());
        }
        if self.timestamps && !dice.one_in(8) {
            options.push(format!("TS val now ecr {echoed}"));
        }
        options.extend(self.wscale.map(|shift| format!("wscale {shift}")));
        format!("<{}>", options.join(","))
    }
}
