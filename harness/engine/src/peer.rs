//! The crafted peer: turns a segment text into a packet of its side of the connection.
//!
//! Owns the peer's numbers, clock and options. Refuses to know what the kernel ought to do with the packet.

use std::net::{IpAddr, SocketAddr};

use tcpconform_model::{Flags, Options, Segment, Seq, Timestamps};

use crate::case::{IcmpInjection, Injection, PeerOptions};
use crate::notation::{Clocks, SegmentText};
use crate::trace::Nanos;
use crate::view::View;
use crate::wire;

/// The peer's initial sequence number: 256 bytes into the stream its numbers wrap.
const ISS: Seq = Seq(0xffff_ff00);
/// Its timestamp clock at the trace's start, 1 ms a tick.
const CLOCK_ORIGIN: u32 = 3_000_000;

/// The crafted end of a connection.
#[derive(Debug)]
pub struct Peer {
    own: SocketAddr,
    target: SocketAddr,
    offers: PeerOptions,
    timestamps: bool,
    snd_nxt: Seq,
    /// The target's initial sequence number, once it has one: with another it is another connection.
    irs: Option<Seq>,
    last_tsval: u32,
}

impl Peer {
    /// A peer at `own` that talks to `target`.
    pub fn new(own: SocketAddr, target: SocketAddr, offers: PeerOptions) -> Peer {
        Peer { own, target, offers, timestamps: offers.timestamps, snd_nxt: ISS, irs: None, last_tsval: CLOCK_ORIGIN }
    }

    /// The SYN that opens a connection, or with what the target's SYN offered the SYN,ACK that answers it.
    pub fn opening(&mut self, answers: Option<&Segment>, now: Nanos, view: &View) -> Vec<u8> {
        let offered = answers.map(|syn| syn.options);
        let agrees = |theirs: fn(&Options) -> bool| offered.as_ref().is_none_or(theirs);
        self.timestamps = self.offers.timestamps && agrees(|o| o.timestamps.is_some());
        let options = Options {
            mss: self.offers.mss,
            wscale: self.offers.wscale.filter(|_| agrees(|o| o.wscale.is_some())),
            sack_permitted: self.offers.sack && agrees(|o| o.sack_permitted),
            timestamps: self.timestamps.then(|| self.stamp(now, view)),
            ..Options::default()
        };
        let flags = if answers.is_some() { Flags::SYN | Flags::ACK } else { Flags::SYN };
        let ack = answers.map_or(Seq(0), Segment::end);
        let segment = Segment { seq: ISS, ack, flags, wnd: self.offers.wnd, ..Segment::default() };
        self.snd_nxt = ISS + 1;
        wire::craft(self.own, self.target, &segment, &wire::encode_options(&options), &[])
    }

    /// The segment that a text describes, damage included.
    pub fn segment(&mut self, injection: &Injection, now: Nanos, view: &View) -> Vec<u8> {
        let numbers = view.numbers();
        let bases = numbers.arriving();
        // What the target has acknowledged was sent, however it was written.
        if view.opened() {
            let begins_anew = self.irs.replace(numbers.iss).is_some_and(|before| before != numbers.iss);
            self.snd_nxt = if begins_anew { numbers.rcv_nxt } else { self.snd_nxt.max(numbers.rcv_nxt) };
        }
        let (segment, options) = self.resolve(&injection.segment, now, view);
        if segment.has(Flags::SYN | Flags::ACK) {
            // The peer's numbers begin here, also when it had others in an earlier connection.
            self.snd_nxt = segment.end();
        } else if injection.segment.seq.is_none() {
            self.snd_nxt = self.snd_nxt.max(segment.end());
        }
        let first = segment.seq.since(bases.seq + 1) as u32;
        let payload: Vec<u8> = (0..segment.data_len).map(|i| wire::stream_byte(first.wrapping_add(i))).collect();
        let mut packet = wire::craft(self.own, self.target, &segment, &options, &payload);
        wire::damage(&mut packet, &injection.damage);
        packet
    }

    /// The ICMP error of a router on the way to the peer, about the target's latest segment; none before the first.
    pub fn icmp(&self, error: &IcmpInjection, latest: Option<&[u8]>, view: &View) -> Option<Vec<u8>> {
        let mut quoted = latest?.to_vec();
        if let Some(seq) = &error.seq {
            let parsed = wire::parse(&quoted).ok()?;
            let numbers = view.numbers();
            let segment = Segment { seq: seq.resolve(numbers, numbers.emitted().seq), ..parsed.segment };
            let options = wire::encode_options(&segment.options);
            quoted = wire::craft(parsed.source, parsed.destination, &segment, &options, &quoted[parsed.data_at..]);
        }
        wire::craft_icmp(router(self.own.ip()), error.kind, &quoted)
    }

    fn resolve(&mut self, text: &SegmentText, now: Nanos, view: &View) -> (Segment, Vec<u8>) {
        let numbers = view.numbers();
        let bases = numbers.arriving();
        let ack = match &text.ack {
            Some(ack) => ack.resolve(numbers, bases.ack),
            None if text.flags.has(Flags::ACK) => numbers.snd_nxt,
            None => Seq(0),
        };
        let segment = Segment {
            seq: text.seq.as_ref().map_or(self.snd_nxt, |seq| seq.resolve(numbers, bases.seq)),
            ack,
            flags: text.flags,
            wnd: text.wnd.unwrap_or(self.offers.wnd),
            urg: text.urg.unwrap_or(0),
            data_len: text.data_len,
            ..Segment::default()
        };
        let options = match &text.options {
            Some(options) => {
                let clocks = Clocks { now: clock(now), last_sent: self.last_tsval, last_received: view.last_tsval() };
                let bytes = wire::encode_option_texts(options, numbers, bases, clocks);
                self.last_tsval = sent_tsval(&bytes).unwrap_or(self.last_tsval);
                bytes
            }
            None if self.timestamps => {
                let timestamps = Some(self.stamp(now, view));
                wire::encode_options(&Options { timestamps, ..Options::default() })
            }
            None => Vec::new(),
        };
        (segment, options)
    }

    fn stamp(&mut self, now: Nanos, view: &View) -> Timestamps {
        self.last_tsval = clock(now);
        Timestamps { val: self.last_tsval, ecr: view.last_tsval() }
    }
}

/// The last address but one of the peer's network, where nobody is.
fn router(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [a, b, c, 254].into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, _] = address.segments();
            [a, b, c, d, e, f, g, 0xfffe].into()
        }
    }
}

fn clock(now: Nanos) -> u32 {
    CLOCK_ORIGIN.wrapping_add((now / 1_000_000) as u32)
}

/// The TSval in option bytes that were just encoded.
fn sent_tsval(options: &[u8]) -> Option<u32> {
    let at = options.windows(2).position(|w| w == [8, 10])?;
    let value = options.get(at + 2..at + 6)?;
    Some(u32::from_be_bytes(value.try_into().ok()?))
}
