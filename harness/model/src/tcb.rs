//! The connection record (RFC 9293 section 3.3.1) with what Linux keeps beside it: timers, estimators, ACK state, descriptors.
//!
//! Owns the data and its invariants. Refuses to know events: `step` changes it.

use alloc::vec::Vec;

use crate::another::{Another, Listener};
use crate::call::Errno;
use crate::congestion::Congestion;
use crate::counts::{Counter, Counts};
use crate::former;
use crate::orphans::Orphans;
use crate::rack::{Rack, Recovery};
use crate::rule::{RuleRef, rules};
use crate::segment::{SackBlock, Segment, Seq};
use crate::state::State;
use crate::time::{Nanos, Span, Ticks, Timer};

/// One connection as the kernel under test may hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tcb {
    /// The connection's state, mini-sockets included.
    pub state: State,
    /// State changes of the full socket during the last step, in order (`inet_sock_set_state`).
    pub transitions: Vec<(State, State)>,

    /// Initial send sequence number; unknown until the first segment is sent.
    pub iss: Option<Seq>,
    /// Where it will lie while it is unknown: the first number and how many follow it.
    pub iss_within: Option<(Seq, u32)>,
    /// When the first SYN or SYN,ACK was sent.
    pub opened_at: Option<Nanos>,
    /// Initial receive sequence number.
    pub irs: Seq,
    /// SND.UNA
    pub snd_una: Seq,
    /// SND.NXT
    pub snd_nxt: Seq,
    /// SND.WND, scaled, bytes.
    pub snd_wnd: u32,
    /// Largest SND.WND seen (MAX.SND.WND of RFC 5961 section 5.2).
    pub snd_wnd_max: u32,
    /// Bytes acknowledged so far.
    pub bytes_acked: u64,
    /// SND.WL1
    pub snd_wl1: Seq,
    /// Behind the last byte handed in by the user, the FIN included once it is queued.
    pub write_seq: Seq,
    /// The FIN is queued: it takes the last sequence number before `write_seq`.
    pub fin_queued: bool,
    /// More was said to come (`MSG_MORE`), and nothing has pushed since.
    pub more: bool,
    /// RCV.NXT
    pub rcv_nxt: Seq,
    /// RCV.NXT as last told to the peer.
    pub rcv_wup: Seq,
    /// RCV.WND as last told to the peer, scaled, bytes.
    pub rcv_wnd: u32,
    /// The header had no room for more: the window itself may be larger (`tcp_select_window`).
    pub rcv_wnd_full: bool,

    /// What both sides agreed on.
    pub agreed: Agreed,
    /// TS.Recent; 0 before the first.
    pub ts_recent: u32,
    /// The last TSval sent, with its time.
    pub ts_sent: Option<(u32, Nanos)>,
    /// The TSval of the first and of the last SYN,ACK of a request (`snt_tsval_first`, `snt_tsval_last`).
    pub syn_ack_tsvals: Option<(u32, u32)>,

    /// Segments sent and not acknowledged, oldest first.
    pub flight: Vec<InFlight>,
    /// The round-trip estimator and the RTO.
    pub rtt: Rtt,
    /// Retransmissions without progress (`icsk_retransmits`).
    pub retransmits: u32,
    /// How often the timer was backed off since the last RTT sample (`icsk_backoff`).
    pub backoff: u32,
    /// When the first of them was sent (`retrans_stamp`).
    pub retransmitted_at: Option<Span>,
    /// The tail loss probe whose outcome is open.
    pub loss_probe: Option<LossProbe>,
    /// SACK or duplicate ACKs told of a hole: recovery may retransmit.
    pub recovering: bool,
    /// What is taken for lost goes again until it has arrived.
    pub recovery: Option<Recovery>,
    /// Which segments were overtaken.
    pub rack: Rack,
    /// How many segments may surely be outstanding.
    pub congestion: Congestion,
    /// Unanswered keepalive or window probes (`icsk_probes_out`).
    pub probes_out: u32,
    /// When the window that is being probed was first found closed (`icsk_probes_tstamp`).
    pub probing_since: Option<Span>,
    /// When the latest segment arrived that passed the ACK check (`rcv_tstamp`).
    pub heard_at: Span,

    /// Retransmission, loss probe or window probe.
    pub retransmit: Option<(RetransmitKind, Timer)>,
    /// Delayed ACK.
    pub delayed_ack: Option<Timer>,
    /// Keepalive, and FIN-WAIT-2 of an orphan that is still a full socket (`sk_timer`).
    pub keepalive: Option<Timer>,
    /// TIME-WAIT mini-socket, in either of its states.
    pub time_wait: Option<Timer>,
    /// Whether its timer was armed for four seconds at most (`tw_kill`); none where observation cannot tell.
    pub waits_shortly: Option<bool>,
    /// What its ACKs say of the window, once one has (`tw_rcv_wnd`).
    pub wait_window: Option<u16>,
    /// When it entered TIME-WAIT proper (`tw_entry_stamp`).
    pub time_wait_since: Option<Span>,

    /// When the receiver acknowledges.
    pub acking: Acking,
    /// When the last rate-limited ACK was sent (`last_oow_ack_time`).
    pub limited_ack_at: Option<Span>,
    /// Out-of-order ranges, sorted and disjoint; the flag says that the range ends in a FIN.
    pub out_of_order: Vec<(Seq, Seq, bool)>,
    /// A duplicate to report in the next ACK (RFC 2883).
    pub dsack: Option<SackBlock>,
    /// The blocks of a queue that has just been emptied are still told: by the ACK of the FIN that emptied it (`tcp_fin` before
    /// `tcp_sack_reset`), or by the RST of a connection that is gone.
    pub blocks_linger: bool,

    /// What the user did with the socket.
    pub user: User,
    /// The listener on the port, while [`User::listening`].
    pub listener: Listener,
    /// Another socket of the same address that is not connected and does not listen.
    pub another: Option<Another>,
    /// What is left of the sockets of earlier connections on the same four-tuple, oldest first: they were handed out, or wait to be.
    pub formers: Vec<Tcb>,
    /// The host's other connections.
    pub neighbours: Neighbours,
    /// What must or may be sent now, in order.
    pub owed: Vec<Emission>,
    /// What the host has counted of it, and of the connections that were here before it.
    pub counts: Counts,
}

/// What both sides agreed on when the connection opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Agreed {
    /// Timestamps are in use.
    pub timestamps: bool,
    /// SACK is in use.
    pub sack: bool,
    /// The peer offered window scaling.
    pub peer_scales: bool,
    /// The peer's shift: scales the windows that arrive.
    pub snd_scale: u8,
    /// Our shift: scales the windows that are sent.
    pub rcv_scale: u8,
    /// Largest data length sent, bytes.
    pub snd_mss: u32,
}

/// A segment sent and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Its first sequence number.
    pub seq: Seq,
    /// Behind its last.
    pub end: Seq,
    /// When it was sent last.
    pub sent_at: Nanos,
    /// From when on the kernel may have stamped it (`tcp_update_skb_after_send`).
    pub stamped: Nanos,
    /// It was sent more than once.
    pub again: bool,
    /// A SACK block has told of it.
    pub sacked: bool,
    /// It is taken for lost, and was not sent since.
    pub lost: bool,
}

/// A tail loss probe; there is no other while its outcome is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossProbe {
    /// Behind it (`tlp_high_seq`).
    pub end: Seq,
    /// What was sent before went again, and no new data (`tlp_retrans`).
    pub again: bool,
}

/// Which timer runs on `tcp_retransmit_timer` (`icsk_pending`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetransmitKind {
    /// `ICSK_TIME_RETRANS`; also the SYN and, on the request socket, the SYN,ACK.
    Timeout,
    /// `ICSK_TIME_LOSS_PROBE`
    LossProbe,
    /// `ICSK_TIME_REO_TIMEOUT`
    Reordering,
    /// `ICSK_TIME_PROBE0`
    WindowProbe,
}

/// Bounds of a value, both included.
pub type Bounds = (u64, u64);

/// RFC 6298 with Linux's variables, microseconds, each within bounds because the kernel's own stamps are not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtt {
    /// `srtt_us`: eight times SRTT; `None` before the first sample.
    pub srtt8: Option<Bounds>,
    /// `mdev_us`: four times the mean deviation.
    pub mdev: Bounds,
    /// `mdev_max_us`
    pub mdev_max: Bounds,
    /// `rttvar_us`
    pub rttvar: Bounds,
    /// The least so far (`rtt_min`); `None` before the first sample.
    pub least: Option<Bounds>,
    /// `rtt_seq`
    pub seq: Seq,
    /// `icsk_rto`, back-off included.
    pub rto: Ticks,
}

/// When the receiver acknowledges (`icsk_ack`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acking {
    /// Something unacknowledged arrived (`ICSK_ACK_SCHED`).
    pub scheduled: bool,
    /// Quick ACKs left.
    pub quick: Bounds,
    /// Interactive mode counter; at the threshold ACKs are delayed.
    pub pingpong: Bounds,
    /// `ato`, ticks.
    pub ato: Bounds,
    /// When data arrived last, or the connection opened (`lrcvtime`).
    pub last_data_at: Option<Span>,
    /// Estimate of the peer's MSS (`rcv_mss`), bytes.
    pub rcv_mss: u32,
    /// Size of the latest segment, if it was smaller than that and not small (`last_seg_size`), bytes.
    pub last_size: u32,
    /// RCV.NXT of a gap and how many ACKs have told of it at once (`dup_ack_counter`).
    pub duplicates: Option<(Seq, Bounds)>,
}

/// What the user did with the socket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct User {
    /// Open descriptors of the connection, over all processes.
    pub descriptors: u32,
    /// A listener is open on the local port.
    pub listening: bool,
    /// The connection was handed out by `accept`, or made by `connect`.
    pub owned: bool,
    /// `connect` has reported success.
    pub connect_reported: bool,
    /// Its connection did not come about and it may `connect` again (`SS_UNCONNECTED`).
    pub disconnected: bool,
    /// No descriptor is left (`SOCK_DEAD`).
    pub orphan: bool,
    /// Since when at the latest, if the connection was open then.
    pub orphan_since: Option<Nanos>,
    /// `shutdown` came before `connect` had reported, and `connect` reports no more (`SS_DISCONNECTING`).
    pub disconnecting: bool,
    /// `RCV_SHUTDOWN`
    pub read_shut: bool,
    /// `SEND_SHUTDOWN`
    pub write_shut: bool,
    /// The peer's FIN was taken (`SOCK_DONE`).
    pub eof: bool,
    /// FINs that no read has come to, each with a number of its own: more than one where others were taken behind the first (`tcp_fin`).
    pub fins: u32,
    /// Pending error (`sk_err`).
    pub error: Option<Errno>,
    /// What an ICMP error told, that is no reason to give up yet (`sk_err_soft`).
    pub soft_error: Option<Errno>,
    /// Bytes in order and unread, the urgent one included.
    pub unread: u32,
    /// The number of the urgent byte that is not passed yet (`urg_seq`).
    pub urgent: Option<Seq>,
    /// Numbers in the middle of the stream that reads pass over: an urgent byte, or a FIN with data behind it.
    pub left_out: u32,
    /// What was set with `setsockopt`.
    pub options: SocketOptions,
    /// The port was bound by name, not found by `connect`.
    pub bound: bool,
    /// The socket keeps the port when the connection is gone (`SOCK_BINDPORT_LOCK`): it was bound by name and not accepted.
    pub keeps_port: bool,
    /// A lingering `close` that has not returned: until when it waits.
    pub closing_until: Option<Span>,
}

/// What was set with `setsockopt` and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketOptions {
    /// `SO_LINGER`, seconds.
    pub linger_s: Option<u16>,
    /// `TCP_LINGER2`: negative, 0 for the sysctl, or seconds.
    pub linger2_s: i32,
    /// `TCP_NODELAY`
    pub no_delay: bool,
    /// `TCP_CORK`
    pub cork: bool,
    /// `SO_KEEPALIVE`
    pub keepalive: bool,
    /// `TCP_KEEPIDLE`, seconds; 0 for the sysctl.
    pub keep_idle_s: u32,
    /// `TCP_KEEPINTVL`, seconds; 0 for the sysctl.
    pub keep_interval_s: u32,
    /// `TCP_KEEPCNT`; 0 for the sysctl.
    pub keep_count: u32,
    /// `TCP_USER_TIMEOUT`, milliseconds; 0 for none.
    pub user_timeout_ms: u32,
    /// `SO_REUSEADDR`
    pub reuse_addr: bool,
    /// `IP_TTL` or `IPV6_UNICAST_HOPS`; `None` is the host's default.
    pub hop_limit: Option<u8>,
}

/// What a connection notices of the others of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Neighbours {
    /// How many of them are mini-sockets, in TIME-WAIT or in FIN-WAIT-2 without an owner.
    pub time_waits: u32,
    /// How many of them wait in the listener's accept queue.
    pub unaccepted: u32,
    /// How many of them are orphans, mini-sockets not counted.
    pub orphans: Orphans,
}

/// A segment that must or may be sent now.
#[derive(Clone, Debug, PartialEq)]
pub struct Emission {
    /// What it is.
    pub kind: EmissionKind,
    /// When.
    pub due: Span,
    /// Owed, or merely permitted.
    pub must: bool,
    /// What it acknowledges, where that is not all that arrived: it goes out before the text of a segment is taken.
    pub acks: Option<Seq>,
    /// Why.
    pub rule: RuleRef,
}

/// The kinds of segments a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmissionKind {
    /// The SYN of an active OPEN.
    Syn,
    /// The SYN,ACK.
    SynAck,
    /// A pure ACK with these numbers.
    Ack {
        /// SEG.SEQ
        seq: Seq,
        /// SEG.ACK
        ack: Seq,
        /// Which socket sends it.
        by: AckBy,
    },
    /// A RST.
    Reset {
        /// SEG.SEQ
        seq: Seq,
        /// SEG.ACK, with the ACK bit.
        ack: Option<Seq>,
        /// Whether the socket itself sends it (`tcp_send_active_reset`), so with its options, or a reply without.
        active: bool,
    },
    /// Unsent data from SND.NXT on, and the FIN once it is reached.
    Transmit,
    /// The segment at SND.UNA again.
    Retransmit,
    /// The last segment again, or a new one.
    LossProbe,
    /// SND.NXT-1 (keepalive) or SND.UNA-1 (closed window), without data.
    Probe {
        /// SEG.SEQ
        seq: Seq,
    },
}

/// Which socket sends an ACK: it decides the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckBy {
    /// The full socket.
    Socket,
    /// The TIME-WAIT mini-socket.
    TimeWait,
    /// The request socket.
    Request,
}

impl InFlight {
    /// A segment that leaves now; the kernel has stamped it in between.
    pub(crate) fn new(segment: &Segment, sent_at: Nanos, stamped: Nanos) -> InFlight {
        let (seq, end) = (segment.seq, segment.end());
        InFlight { seq, end, sent_at, stamped, again: false, sacked: false, lost: false }
    }

    /// How long it has been out by the kernel's stamp.
    pub(crate) fn age(&self, at: Span) -> Span {
        at.since(Span::new(self.stamped, self.sent_at))
    }
}

impl Emission {
    /// Whether it is an ACK that was put off to tell of more (SACK compression).
    pub(crate) fn is_compressed(&self) -> bool {
        self.rule == &rules::TEXT_COMPRESSED
    }
}

impl Tcb {
    /// A socket on which nothing was called yet, with one descriptor.
    pub fn closed() -> Tcb {
        let zero = Seq(0);
        Tcb {
            state: State::Closed,
            transitions: Vec::new(),
            iss: None,
            iss_within: None,
            opened_at: None,
            irs: zero,
            snd_una: zero,
            snd_nxt: zero,
            snd_wnd: 0,
            snd_wnd_max: 0,
            bytes_acked: 0,
            snd_wl1: zero,
            write_seq: zero,
            fin_queued: false,
            more: false,
            rcv_nxt: zero,
            rcv_wup: zero,
            rcv_wnd: 0,
            rcv_wnd_full: false,
            agreed: Agreed::default(),
            ts_recent: 0,
            ts_sent: None,
            syn_ack_tsvals: None,
            flight: Vec::new(),
            rtt: Rtt::new(),
            retransmits: 0,
            backoff: 0,
            retransmitted_at: None,
            loss_probe: None,
            recovering: false,
            recovery: None,
            rack: Rack::default(),
            congestion: Congestion::opened(0),
            probes_out: 0,
            probing_since: None,
            heard_at: Span::at(0),
            retransmit: None,
            delayed_ack: None,
            keepalive: None,
            time_wait: None,
            waits_shortly: None,
            wait_window: None,
            time_wait_since: None,
            acking: Acking::new(),
            limited_ack_at: None,
            out_of_order: Vec::new(),
            dsack: None,
            blocks_linger: false,
            user: User::new(),
            listener: Listener::NONE,
            another: None,
            formers: Vec::new(),
            neighbours: Neighbours::default(),
            owed: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Whether the connection is held by a mini-socket (TIME-WAIT, or FIN-WAIT-2 of an orphan): the full socket is CLOSED.
    pub fn is_mini(&self) -> bool {
        self.time_wait.is_some()
    }

    /// Whether `accept` would hand it out: one that was reset before is, too.
    pub fn claimable(&self) -> bool {
        let open = !matches!(self.state, State::Listen | State::SynReceived | State::SynSent | State::Closed);
        self.user.listening && !self.user.owned && (open || self.user.error.is_some())
    }

    /// The state that the owner of a descriptor sees (`TCP_INFO`): the connection's, or before anybody has one the listener's.
    pub fn socket_state(&self) -> State {
        if !self.user.owned {
            let listens = self.user.listening && !former::any_handed_out(self);
            if listens { State::Listen } else { State::Closed }
        } else if self.is_mini() {
            State::Closed
        } else {
            self.state
        }
    }

    /// The window still open for the peer (`tcp_receive_window`), bytes.
    pub fn receive_window(&self) -> u32 {
        u32::try_from((self.rcv_wup + self.rcv_wnd).since(self.rcv_nxt)).unwrap_or(0)
    }

    /// How many unread bytes are before the urgent one, if that has arrived.
    pub(crate) fn before_urgent(&self) -> Option<u32> {
        let copied = self.rcv_nxt - self.user.unread - self.user.fins;
        let before = u32::try_from(self.user.urgent?.since(copied)).ok()?;
        (before < self.user.unread).then_some(before)
    }

    /// Whether there are blocks for a SACK option.
    pub(crate) fn reports_blocks(&self) -> bool {
        !self.out_of_order.is_empty() || self.dsack.is_some() || self.blocks_linger
    }

    /// Whether the FIN has been sent.
    pub fn fin_sent(&self) -> bool {
        self.fin_queued && self.snd_nxt == self.write_seq
    }

    /// The sequence number of a segment without data (`tcp_acceptable_seq`): SND.NXT, or the window's end where it shrank by
    /// more than scaling may lose.
    pub fn acceptable_seq(&self) -> Seq {
        let end = self.snd_una + self.snd_wnd;
        let lost = if self.agreed.peer_scales { (1 << self.agreed.rcv_scale) - 1 } else { 0 };
        if self.snd_nxt.since(end) > lost { end } else { self.snd_nxt }
    }

    /// Moves the full socket and the connection to `to` (`tcp_set_state`).
    pub(crate) fn enter(&mut self, to: State) {
        if self.state != to {
            self.transitions.push((self.state, to));
            self.count_change(to);
            self.state = to;
        }
    }

    /// tcpCurrEstab and tcpEstabResets, which follow the states.
    fn count_change(&mut self, to: State) {
        let established = |state: State| matches!(state, State::Established | State::CloseWait);
        match (established(self.state), established(to)) {
            (false, true) => self.counts.add(Counter::CurrEstab),
            (true, false) => {
                self.counts.take(Counter::CurrEstab);
                if to == State::Closed {
                    self.counts.add(Counter::EstabResets);
                }
            }
            (true, true) | (false, false) => {}
        }
    }

    /// The connection ends by itself (`tcp_done`): an OPEN that had not succeeded has failed.
    pub(crate) fn end(&mut self) {
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.counts.add(Counter::AttemptFails);
        }
        self.delete();
    }

    /// Deletes the connection; timers and queues are gone, the descriptors stay.
    pub(crate) fn delete(&mut self) {
        if !self.is_mini() {
            self.enter(State::Closed);
        }
        self.state = State::Closed;
        self.retransmit = None;
        self.delayed_ack = None;
        self.keepalive = None;
        self.time_wait = None;
        self.flight.clear();
        // A RST that the socket itself sends still has them (`tcp_send_active_reset`).
        self.blocks_linger = self.reports_blocks();
        self.out_of_order.clear();
        self.owed.retain(|owed| owed.kind != EmissionKind::Transmit);
        self.owed.iter_mut().filter(|owed| owed.is_compressed()).for_each(|owed| owed.must = false);
        self.acking.scheduled = false;
        self.user.read_shut = true;
        self.user.write_shut = true;
    }

    /// Notes something to send.
    pub(crate) fn owe(&mut self, kind: EmissionKind, due: Span, must: bool, rule: RuleRef) {
        self.owed.push(Emission { kind, due, must, acks: None, rule });
    }
}

impl Rtt {
    /// Before the first sample.
    pub const fn new() -> Rtt {
        Rtt {
            srtt8: None,
            mdev: (0, 0),
            mdev_max: (0, 0),
            rttvar: (0, 0),
            least: None,
            seq: Seq(0),
            rto: Ticks { lo: 0, hi: 0 },
        }
    }
}

impl Default for Rtt {
    fn default() -> Rtt {
        Rtt::new()
    }
}

impl Acking {
    /// Before the first data.
    pub const fn new() -> Acking {
        Acking {
            scheduled: false,
            quick: (0, 0),
            pingpong: (0, 0),
            ato: (0, 0),
            last_data_at: None,
            rcv_mss: 536,
            last_size: 0,
            duplicates: None,
        }
    }
}

impl Default for Acking {
    fn default() -> Acking {
        Acking::new()
    }
}

impl User {
    /// A fresh socket with one descriptor.
    pub const fn new() -> User {
        User {
            descriptors: 1,
            listening: false,
            owned: false,
            connect_reported: false,
            disconnected: false,
            orphan: false,
            orphan_since: None,
            disconnecting: false,
            read_shut: false,
            write_shut: false,
            eof: false,
            fins: 0,
            error: None,
            soft_error: None,
            unread: 0,
            urgent: None,
            left_out: 0,
            options: SocketOptions::NONE,
            bound: true,
            keeps_port: false,
            closing_until: None,
        }
    }
}

impl SocketOptions {
    /// Nothing was set.
    pub const NONE: SocketOptions = SocketOptions {
        linger_s: None,
        linger2_s: 0,
        no_delay: false,
        cork: false,
        keepalive: false,
        keep_idle_s: 0,
        keep_interval_s: 0,
        keep_count: 0,
        user_timeout_ms: 0,
        reuse_addr: false,
        hop_limit: None,
    };
}

impl Default for User {
    fn default() -> User {
        User::new()
    }
}

/// The scaled window of a segment that arrives: SYN segments are never scaled (RFC 7323 section 2.2).
pub(crate) fn scaled_window(segment: &Segment, scale: u8) -> u32 {
    if segment.has(crate::segment::Flags::SYN) { u32::from(segment.wnd) } else { u32::from(segment.wnd) << scale }
}
