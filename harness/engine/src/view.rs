//! The numbers of a connection as its segments on the wire show them.
//!
//! Owns the tracking that relative numbers and the variables of the notation need. Refuses to judge: a number that makes no
//! sense is followed like any other.

use tcpconform_model::{Flags, Segment, Seq};

use crate::notation::{Bases, Numbers};
use crate::trace::Way;

/// What the wire has shown of one endpoint's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct View {
    numbers: Numbers,
    iss_known: bool,
    irs_known: bool,
    /// The endpoint has acknowledged the peer's SYN.
    synchronized: bool,
    scale_offered: Option<u8>,
    scale: u8,
    peer_scales: bool,
    last_tsval: u32,
    others: Incarnations,
}

/// Initial numbers of other connections on the same four-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Incarnations {
    /// The endpoint's own in the connection before.
    pub former_iss: Option<Seq>,
    /// The peer's in the connection that its last SYN asks for, where the endpoint has not taken it up.
    pub offered_irs: Option<Seq>,
}

impl View {
    /// The numbers now.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// What a segment of this direction is relative to.
    pub fn bases(&self, way: Way) -> Bases {
        match way {
            Way::In => self.numbers.arriving(),
            Way::Out => self.numbers.emitted(),
        }
    }

    /// What is known of other connections on the same four-tuple.
    pub fn others(&self) -> Incarnations {
        self.others
    }

    /// Whether the endpoint has sent a SYN.
    pub fn opened(&self) -> bool {
        self.iss_known
    }

    /// The TSval that the endpoint sent last; 0 before the first.
    pub fn last_tsval(&self) -> u32 {
        self.last_tsval
    }

    /// Follows a segment.
    pub fn follow(&mut self, way: Way, segment: &Segment) {
        match way {
            Way::In => self.follow_in(segment),
            Way::Out => self.follow_out(segment),
        }
    }

    fn follow_in(&mut self, segment: &Segment) {
        let n = &mut self.numbers;
        let acceptable = !segment.has(Flags::ACK) || segment.ack.after(n.iss) && segment.ack.at_most(n.snd_nxt);
        let unknown = !self.irs_known || !self.iss_known || acceptable && !self.synchronized;
        if segment.has(Flags::SYN) && unknown {
            n.irs = segment.seq;
            n.rcv_nxt = segment.seq + 1;
            self.irs_known = true;
            self.peer_scales = segment.options.wscale.is_some();
            self.scale = if self.peer_scales { self.scale_offered.unwrap_or(0) } else { 0 };
        } else if segment.has(Flags::SYN) && segment.seq != n.irs {
            self.others.offered_irs = Some(segment.seq);
        }
        if segment.has(Flags::ACK) && self.iss_known && segment.ack.at_most(n.snd_nxt) {
            n.snd_una = n.snd_una.max(segment.ack);
        }
    }

    fn follow_out(&mut self, segment: &Segment) {
        let n = &mut self.numbers;
        if let Some(ts) = segment.options.timestamps {
            self.last_tsval = ts.val;
        }
        if segment.has(Flags::RST) {
            return;
        }
        if segment.has(Flags::SYN) {
            if !self.iss_known || n.iss != segment.seq {
                self.others = Incarnations { former_iss: self.iss_known.then_some(n.iss), offered_irs: None };
                n.iss = segment.seq;
                n.snd_una = segment.seq;
                n.snd_nxt = segment.end();
                // Another connection on the same four-tuple: the peer begins anew too.
                self.irs_known &= segment.has(Flags::ACK);
                self.synchronized = false;
                self.iss_known = true;
            }
            self.scale_offered = segment.options.wscale;
            if segment.has(Flags::ACK) {
                n.irs = segment.ack - 1;
                self.irs_known = true;
                self.scale = segment.options.wscale.unwrap_or(0);
            }
        }
        n.snd_nxt = n.snd_nxt.max(segment.end());
        if segment.has(Flags::ACK) {
            self.synchronized = true;
            n.rcv_nxt = segment.ack;
        }
        let scale = if segment.has(Flags::SYN) { 0 } else { self.scale.min(14) };
        n.rcv_wnd = u32::from(segment.wnd) << scale;
    }
}
