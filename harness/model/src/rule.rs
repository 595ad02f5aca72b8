//! The table of named rules: what the judge, the messages and the coverage report call the model's clauses.
//!
//! Owns ids, levels, sources and one sentence each. Refuses to decide anything: the code that does cites its row.

/// How binding a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// RFC 2119 MUST.
    Must,
    /// RFC 2119 SHOULD.
    Should,
    /// RFC 2119 MAY.
    May,
    /// What Linux documents or does where the RFC leaves it open.
    Linux,
}

impl Level {
    /// `MUST`, `SHOULD`, `MAY` or `Linux`.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::May => "MAY",
            Level::Linux => "Linux",
        }
    }
}

/// A named rule.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// As in `check-rst-bit/time-wait`.
    pub id: &'static str,
    /// How binding.
    pub level: Level,
    /// RFC section, kernel function or sysctl.
    pub source: &'static str,
    /// One sentence.
    pub statement: &'static str,
    /// For a documented departure: the clause it departs from.
    pub departs: Option<&'static str>,
}

/// A rule as outcomes and emissions carry it.
pub type RuleRef = &'static Rule;

macro_rules! rules {
    ($($name:ident: $id:literal, $level:ident, $source:literal, $statement:literal $(, departs $departs:literal)?;)*) => {
        $(
            #[doc = $statement]
            pub static $name: Rule = Rule {
                id: $id,
                level: Level::$level,
                source: $source,
                statement: $statement,
                departs: rules!(@departs $($departs)?),
            };
        )*
        /// Every rule, in the order of RFC 9293.
        pub static RULES: &[RuleRef] = &[$(&$name),*];
    };
    (@departs $departs:literal) => { Some($departs) };
    (@departs) => { None };
}

/// The rows, one static each.
pub mod rules {
    use super::{Level, Rule, RuleRef};

    rules! {
        // RFC 9293 section 3.1 and 3.2: what is in every segment.
        SEGMENT_CHECKSUM: "segment/checksum", Must, "RFC 9293 section 3.1", "every segment carries a valid checksum";
        SEGMENT_DAMAGED: "segment/damaged", Must, "RFC 9293 section 3.1", "a segment whose checksum is wrong is dropped silently";
        SEGMENT_RESERVED: "segment/reserved-bits", Must, "RFC 9293 section 3.1", "reserved bits are sent as zero";
        SEGMENT_TIMESTAMPS: "segment/timestamps", Must, "RFC 7323 section 3.2", "once negotiated, timestamps are in every segment but RST, and only then";
        SEGMENT_TSECR: "segment/ts-recent-echoed", Must, "RFC 7323 section 4.3", "TSecr echoes TS.Recent";
        SEGMENT_TSVAL: "segment/tsval-monotone", Must, "RFC 7323 section 5.4", "TSval does not go back and follows a clock between 1 ms and 1 s a tick";
        SEGMENT_WINDOW: "segment/window-not-shrunk", Should, "RFC 9293 section 3.8.6", "the right edge of the receive window does not move back";
        SEGMENT_SACK: "segment/sack-only-if-needed", Must, "RFC 2018 section 4", "SACK blocks are sent only if permitted and only for data out of order or received twice";
        SEGMENT_DSACK: "segment/dsack", Should, "RFC 2883 section 4, Linux tcp_dsack", "what was received twice is told of by a SACK block in the next ACK, where SACK and tcp_dsack allow it";
        SEGMENT_HOP_LIMIT: "segment/hop-limit", Must, "RFC 9293 section 3.9.2, Linux ip_select_ttl()", "segments leave with the hop limit that the socket was given, 64 by default";
        SEGMENT_UNEXPLAINED: "segment/unexplained", Must, "RFC 9293 section 3.10", "every segment emitted has a cause: a call, an arriving segment or a timeout";

        // Section 3.10.1 to 3.10.6: user calls.
        CALL_OPEN: "open/syn", Must, "RFC 9293 section 3.10.1", "an active OPEN sends a SYN and enters SYN-SENT";
        CALL_LISTEN: "open/listen", Must, "RFC 9293 section 3.10.1", "a passive OPEN enters LISTEN";
        CALL_SEND: "send/data", Must, "RFC 9293 section 3.10.2", "SEND segments the data and sends what the window allows";
        CALL_SEND_CLOSED: "send/closing", Must, "RFC 9293 section 3.10.2", "SEND after CLOSE is an error";
        CALL_RECEIVE: "receive/data-then-eof", Must, "RFC 9293 section 3.10.3", "RECEIVE returns the data in order, and only then the end of the stream";
        CALL_RECEIVE_URGENT: "receive/urgent-left-out", Linux, "RFC 6093 section 3.2, Linux tcp_recvmsg_locked(), man page tcp(7)", "without SO_OOBINLINE the last urgent byte is not in the stream: a read ends before it, and the next one passes it over", departs "RFC 9293 section 3.8.5";
        CALL_RECEIVE_ERROR: "receive/error", Must, "RFC 9293 section 3.10.3", "RECEIVE on a reset or timed-out connection returns the error once";
        CALL_RESULT: "call/result", Linux, "Linux man page tcp(7)", "a call returns what the socket's state demands";
        CLOSE_FIN: "close/fin", Must, "RFC 9293 section 3.10.4", "CLOSE sends a FIN behind all data: FIN-WAIT-1 from ESTABLISHED, LAST-ACK from CLOSE-WAIT";
        CLOSE_SHARED: "close/shared-descriptor", Linux, "Linux man page close(2)", "only the close of the last descriptor closes the connection";
        CLOSE_UNREAD: "close/unread-data", Must, "RFC 2525 section 2.17", "CLOSE with unread data sends a RST";
        CLOSE_LINGER_ZERO: "close/linger-zero", Linux, "Linux __tcp_close()", "CLOSE with SO_LINGER 0 aborts: a RST is sent", departs "RFC 9293 section 3.10.4";
        CLOSE_SYN_SENT: "close/syn-sent", Must, "RFC 9293 section 3.10.4", "CLOSE in SYN-SENT deletes the connection silently";
        CLOSE_LISTEN: "close/listen", Must, "RFC 9293 section 3.10.4", "CLOSE of a listener ends LISTEN";
        SHUTDOWN_WRITE: "shutdown/write", Must, "RFC 9293 section 3.10.4", "shutdown of the write side sends the FIN whatever the number of descriptors, and reading goes on";
        SHUTDOWN_READ: "shutdown/read", Linux, "Linux inet_shutdown()", "shutdown of the read side sends nothing and data is still acknowledged";
        SHUTDOWN_SYN_RECEIVED: "shutdown/syn-received", Linux, "Linux tcp_shutdown(), tcp_rcv_state_process()", "shutdown of the write side in SYN-RECEIVED sends the FIN once the connection is ESTABLISHED";
        SHUTDOWN_LISTEN: "shutdown/listener", Linux, "Linux inet_shutdown()", "shutdown of a listener's read side ends LISTEN, and of its write side does nothing";
        POLL_EVENTS: "poll/events", Linux, "Linux tcp_poll()", "poll reports IN and RDHUP on EOF, HUP once both directions are closed, ERR with a pending error";
        QUEUE_LENGTH: "ioctl/queue-length", Linux, "Linux tcp_ioctl(), man page tcp(7)", "SIOCINQ counts the bytes in order and unread, SIOCOUTQ those not acknowledged";

        BIND: "bind/port", Linux, "Linux inet_csk_get_port(), man page socket(7) SO_REUSEADDR", "bind and listen need a port that nobody else has, except that none listens and all have SO_REUSEADDR";
        CONNECT_TUPLE: "connect/four-tuple", Must, "RFC 9293 section 3.10.1, Linux __inet_hash_connect()", "connect needs a four-tuple that no connection has: EADDRNOTAVAIL";

        // Section 3.10.7.1 and 3.10.7.2: CLOSED, LISTEN.
        ARRIVES_CLOSED: "arrives/closed", Must, "RFC 9293 section 3.10.7.1", "a segment for no connection is answered with a RST, except a RST";
        ARRIVES_LISTEN_SYN: "arrives/listen-syn", Must, "RFC 9293 section 3.10.7.2", "a SYN in LISTEN is answered with a SYN,ACK; SYN-RECEIVED";
        ARRIVES_LISTEN_ACK: "arrives/listen-ack", Must, "RFC 9293 section 3.10.7.2", "an ACK in LISTEN is answered with a RST";
        ARRIVES_LISTEN_IGNORED: "arrives/listen-ignored", Must, "RFC 9293 section 3.10.7.2", "a RST, or a segment without SYN and ACK, is ignored in LISTEN";

        ACCEPT_DESCRIPTOR: "accept/descriptor-limit", Linux, "Linux man page accept(2), getrlimit(2) RLIMIT_NOFILE", "accept in a process without a free descriptor fails with EMFILE, and the connection stays queued";
        ACCEPT_QUEUE_SYN: "listen/queue-full-syn", Linux, "Linux tcp_conn_request(), man page listen(2)", "with a full accept queue a SYN is dropped", departs "RFC 9293 section 3.10.7.2";

        // Section 3.10.7.3: SYN-SENT.
        SYN_SENT_BAD_ACK: "arrives/syn-sent-bad-ack", Must, "RFC 9293 section 3.10.7.3", "an unacceptable ACK in SYN-SENT is answered with a RST";
        SYN_SENT_RST: "arrives/syn-sent-rst", Must, "RFC 9293 section 3.10.7.3", "an acceptable RST in SYN-SENT resets the connection";
        SYN_SENT_SYN_ACK: "arrives/syn-sent-syn-ack", Must, "RFC 9293 section 3.10.7.3", "a SYN,ACK in SYN-SENT is acknowledged; ESTABLISHED";
        SYN_SENT_SYN: "arrives/syn-sent-syn", Must, "RFC 9293 section 3.10.7.3", "a SYN in SYN-SENT is answered with a SYN,ACK; SYN-RECEIVED";
        SYN_SENT_SYN_OPTIONS: "arrives/syn-sent-syn-options", Linux, "Linux tcp_send_synack()", "the SYN,ACK that answers a crossing SYN has the options of the SYN before it, whatever the peer offers", departs "RFC 7323 section 3.2";
        SYN_SENT_SYN_SCALE: "arrives/syn-sent-syn-scale", Linux, "Linux tcp_rcv_synsent_state_process()", "after a crossing SYN without a window scale our windows are scaled all the same", departs "RFC 7323 section 2.3";
        SYN_SENT_TEXT: "arrives/syn-sent-text", Linux, "Linux tcp_rcv_synsent_state_process()", "data and FIN of a SYN,ACK in SYN-SENT are dropped", departs "RFC 9293 section 3.10.7.3";
        SYN_SENT_IGNORED: "arrives/syn-sent-ignored", Must, "RFC 9293 section 3.10.7.3", "a segment without SYN and RST is dropped in SYN-SENT";

        // Section 3.10.7.4, SYN-RECEIVED as the request socket does it.
        SYN_RECEIVED_SYN: "arrives/syn-received-syn", Must, "RFC 9293 section 3.10.7.4", "a repeated SYN in SYN-RECEIVED is answered with the SYN,ACK again";
        SYN_RECEIVED_BAD_ACK: "arrives/syn-received-bad-ack", Must, "RFC 9293 section 3.10.7.4", "an unacceptable ACK in SYN-RECEIVED is answered with a RST";
        SYN_RECEIVED_WINDOW: "arrives/syn-received-window", Must, "RFC 9293 section 3.10.7.4", "an unacceptable segment in SYN-RECEIVED is answered with an ACK";
        SYN_RECEIVED_TSECR: "arrives/syn-received-tsecr", Linux, "RFC 7323 section 3.2, Linux tcp_check_req(), newer kernels", "in SYN-RECEIVED a segment whose TSecr echoes no SYN,ACK is unacceptable";
        SYN_RECEIVED_ANY_TSECR: "arrives/syn-received-any-tsecr", Linux, "Linux tcp_check_req(), older kernels", "in SYN-RECEIVED the TSecr of a segment is not looked at";
        SYN_RECEIVED_RST: "arrives/syn-received-rst", Must, "RFC 9293 section 3.10.7.4", "a RST in SYN-RECEIVED after a passive OPEN returns to LISTEN";
        SYN_RECEIVED_RST_CHALLENGE: "arrives/syn-received-rst-challenge", Must, "RFC 5961 section 3.2, Linux tcp_check_req(), newer kernels", "a RST in the window but not at RCV.NXT is answered with a challenge ACK in SYN-RECEIVED";
        SYN_RECEIVED_RST_DROPS: "arrives/syn-received-rst-drops", Linux, "Linux tcp_check_req(), older kernels", "any RST in the window drops the request in SYN-RECEIVED", departs "RFC 5961 section 3.2";
        SYN_RECEIVED_CROSSED: "arrives/syn-received-crossed", Must, "RFC 9293 section 3.5, Linux tcp_validate_incoming(), newer kernels", "after crossing SYNs the peer's SYN,ACK opens the connection";
        SYN_RECEIVED_CROSSED_CHALLENGE: "arrives/syn-received-crossed-challenge", Linux, "Linux tcp_validate_incoming(), older kernels", "after crossing SYNs the peer's SYN,ACK is answered with a challenge ACK and dropped", departs "RFC 9293 section 3.5";
        SYN_RECEIVED_ACK: "arrives/syn-received-ack", Must, "RFC 9293 section 3.10.7.4", "an acceptable ACK in SYN-RECEIVED: ESTABLISHED";

        SYN_RECEIVED_ACK_OF_NOTHING: "arrives/syn-received-ack-of-nothing", Linux, "Linux tcp_rcv_state_process(), tcp_ack()", "after crossing SYNs an ACK of SND.UNA, which acknowledges nothing, establishes the connection too", departs "RFC 9293 section 3.10.7.4";
        ACCEPT_QUEUE_ACK: "listen/queue-full-ack", Linux, "Linux tcp_check_req()", "with a full accept queue the ACK of the SYN,ACK is dropped", departs "RFC 9293 section 3.10.7.4";
        ACCEPT_QUEUE_ABORT: "listen/abort-on-overflow", Linux, "Linux tcp_abort_on_overflow", "with tcp_abort_on_overflow=1 and a full accept queue the ACK of the SYN,ACK is answered with a RST", departs "RFC 9293 section 3.10.7.4";

        // Section 3.10.7.4, the checks in order.
        CHECK_SEQ: "check-seq/unacceptable", Must, "RFC 9293 section 3.10.7.4", "an unacceptable segment is dropped and answered with an ACK, unless it is a RST";
        CHECK_SEQ_RIGHT_EDGE: "check-seq/right-edge", Linux, "Linux tcp_sequence()", "a segment that begins in the window and ends beyond it is taken, the part beyond is not";
        CHECK_SEQ_RIGHT_EDGE_TAKEN: "check-seq/right-edge-taken", Linux, "Linux tcp_sequence(), older kernels", "a segment that ends beyond the window is taken as far as it fits, unread data or not";
        CHECK_SEQ_RIGHT_EDGE_STRICT: "check-seq/right-edge-strict", Linux, "Linux tcp_sequence(), newer kernels", "a segment that ends beyond the window is unacceptable while unread data is queued";
        CHECK_PAWS: "check-seq/paws", Must, "RFC 7323 section 5.3", "a segment with an old timestamp is dropped and answered with an ACK";
        CHECK_PAWS_SYN: "check-seq/paws-syn", Must, "RFC 5961 section 4.2, Linux tcp_validate_incoming(), newer kernels", "a SYN with an old timestamp is answered with a challenge ACK";
        CHECK_PAWS_SYN_REPEATED: "check-seq/paws-syn-repeated", Linux, "RFC 7323 section 5.3, Linux tcp_validate_incoming(), older kernels", "a SYN with an old timestamp is answered as a segment received twice, with its SACK block", departs "RFC 5961 section 4.2";
        CHECK_PAWS_OLD_ACK: "check-seq/paws-old-ack", Linux, "Linux tcp_disordered_ack_check()", "a pure ACK with an old timestamp and an old sequence number is dropped silently", departs "RFC 7323 section 5.3";
        CHECK_PAWS_OLD_ACK_ANSWERED: "check-seq/paws-old-ack-answered", Must, "RFC 7323 section 5.3, Linux tcp_validate_incoming(), older kernels", "a pure ACK with an old timestamp and an old sequence number is answered with an ACK";
        CHECK_PAWS_REORDERED: "check-seq/paws-reordered-ack", Linux, "Linux tcp_disordered_ack_check()", "a duplicate ACK with a slightly old timestamp is processed, being reordered", departs "RFC 7323 section 5.3";
        CHECK_RST_EXACT: "check-rst-bit/exact", Must, "RFC 9293 section 3.10.7.4", "a RST at RCV.NXT resets the connection";
        CHECK_RST_SACK_EDGE: "check-rst-bit/sack-edge", Linux, "Linux tcp_validate_incoming()", "a RST at the right-most SACK edge resets the connection", departs "RFC 5961 section 3.2";
        CHECK_RST_BEFORE_FIN: "check-rst-bit/before-fin", Linux, "Linux tcp_reset_check()", "after the peer's FIN a RST at RCV.NXT-1 resets the connection", departs "RFC 5961 section 3.2";
        CHECK_RST_WINDOW: "check-rst-bit/challenge-ack", Must, "RFC 9293 section 3.10.7.4", "a RST in the window but not at RCV.NXT is answered with a challenge ACK";
        CHECK_RST_OUTSIDE: "check-rst-bit/outside", Must, "RFC 9293 section 3.10.7.4", "a RST outside the window is dropped silently";
        CHECK_SYN: "check-syn-bit/challenge-ack", Must, "RFC 9293 section 3.10.7.4", "a SYN in a synchronized state is answered with a challenge ACK";
        CHECK_NO_ACK: "check-ack/absent", Must, "RFC 9293 section 3.10.7.4", "a segment without ACK is dropped";
        CHECK_ACK_UNSENT: "check-ack/unsent", Must, "RFC 9293 section 3.10.7.4", "an ACK of something not yet sent is answered with an ACK and dropped";
        CHECK_ACK_UNSENT_ANSWERED: "check-ack/unsent-answered", Must, "RFC 9293 section 3.10.7.4, RFC 5961 section 5.2, Linux tcp_ack(), newer kernels", "in ESTABLISHED an ACK of something not yet sent is answered with a challenge ACK and dropped";
        CHECK_ACK_UNSENT_SILENT: "check-ack/unsent-silent", Linux, "Linux tcp_ack(), tcp_rcv_established(), older kernels", "in ESTABLISHED an ACK of something not yet sent is dropped silently", departs "RFC 9293 section 3.10.7.4";
        CHECK_ACK_TOO_OLD: "check-ack/too-old", Must, "RFC 5961 section 5.2", "an ACK older than the largest window seen is answered with a challenge ACK and dropped";
        CHECK_ACK_OLD_UPDATES: "check-ack/old-updates-ts-recent", Linux, "RFC 7323 section 4.3, Linux tcp_ack(), newer kernels", "a segment at the left edge with an old ACK updates TS.Recent";
        CHECK_ACK_OLD_PREDICTED: "check-ack/old-predicted", Linux, "Linux tcp_rcv_established(), older kernels", "a segment whose header was predicted is taken before its ACK is looked at, however old that is", departs "RFC 5961 section 5.2";
        CHECK_ACK_OLD_KEEPS: "check-ack/old-keeps-ts-recent", Linux, "Linux tcp_ack(), older kernels", "a segment with an old ACK leaves TS.Recent alone", departs "RFC 7323 section 4.3";
        CHECK_ACK_OLD_FAST_PATH: "check-ack/old-on-fast-path", Linux, "Linux tcp_rcv_established()", "data in order with an old ACK may update TS.Recent in ESTABLISHED: its ACK is not looked at";
        CHECK_ACK_OLD_TAKEN: "check-ack/old-taken", Must, "RFC 9293 section 3.10.7.4, Linux tcp_rcv_state_process(), newer kernels", "once one side has closed, an old ACK is ignored and the rest of its segment is taken";
        CHECK_ACK_OLD_CHALLENGE: "check-ack/old-challenge", Linux, "Linux tcp_rcv_state_process(), older kernels", "once one side has closed, a segment with an old ACK is answered with a challenge ACK and dropped", departs "RFC 9293 section 3.10.7.4";
        CHECK_ACK: "check-ack/advance", Must, "RFC 9293 section 3.10.7.4", "an ACK of outstanding data advances SND.UNA";
        ACK_FIN_WAIT_1: "check-ack/fin-wait-1", Must, "RFC 9293 section 3.10.7.4", "the ACK of our FIN moves FIN-WAIT-1 to FIN-WAIT-2";
        ACK_CLOSING: "check-ack/closing", Must, "RFC 9293 section 3.10.7.4", "the ACK of our FIN moves CLOSING to TIME-WAIT";
        ACK_LAST_ACK: "check-ack/last-ack", Must, "RFC 9293 section 3.10.7.4", "the ACK of our FIN moves LAST-ACK to CLOSED";
        TEXT_IN_ORDER: "segment-text/in-order", Must, "RFC 9293 section 3.10.7.4", "data in order is delivered and acknowledged";
        TEXT_COMPRESSED: "segment-text/compressed", Linux, "Linux tcp_comp_sack_delay_ns, __tcp_ack_snd_check()", "where SACK tells of a gap, the ACKs behind the third are put off by 5 % of the RTT, at most tcp_comp_sack_delay_ns, and become one", departs "RFC 5681 section 4.2";
        TEXT_OUT_OF_ORDER: "segment-text/out-of-order", Should, "RFC 5681 section 4.2", "data out of order is answered with an immediate duplicate ACK";
        TEXT_FILLS_GAP: "segment-text/fills-gap", Should, "RFC 5681 section 4.2", "data that fills a gap is acknowledged at once";
        TEXT_DUPLICATE: "segment-text/duplicate", Must, "RFC 9293 section 3.10.7.4", "a segment received before is acknowledged again at once";
        TEXT_BEYOND: "segment-text/beyond-window", Must, "RFC 9293 section 3.10.7.4", "data beyond the window is dropped and answered with an ACK";
        FIN_JOINED: "check-fin-bit/joined", Linux, "Linux tcp_try_coalesce(), tcp_ofo_queue()", "data with numbers behind a FIN that waits out of order may become one segment with it, and is read before the end of the stream", departs "RFC 9293 section 3.10.7.4";
        FIN_CLOSED_WINDOW: "check-fin-bit/closed-window", Linux, "Linux tcp_data_queue(), newer kernels", "a FIN alone at RCV.NXT is taken although the window is closed", departs "RFC 9293 section 3.10.7.4";
        FIN_CLOSED_WINDOW_DROPPED: "check-fin-bit/closed-window-dropped", Linux, "Linux tcp_data_queue(), older kernels", "a FIN alone at RCV.NXT is dropped and answered with an ACK while the window is closed";
        TEXT_AFTER_CLOSE: "segment-text/after-close", Must, "RFC 9293 section 3.6.1, RFC 1122 section 4.2.2.13", "data that arrives after CLOSE resets the connection";
        ACK_DELAYED: "ack/delayed", Must, "RFC 9293 section 3.8.6.3", "a delayed ACK is sent within 0.5 s";
        ACK_QUICK: "ack/quick", Linux, "Linux tcp_in_quickack_mode()", "while quick-ACK lasts, data is acknowledged at once";
        ACK_SECOND_SEGMENT: "ack/second-segment", Should, "RFC 9293 section 3.8.6.3", "at least every second full-sized segment is acknowledged at once";
        ACK_ON_READ: "ack/on-read", Linux, "Linux __tcp_cleanup_rbuf()", "a read that empties the queue may send the delayed ACK or a window update";
        FIN_ESTABLISHED: "check-fin-bit/established", Must, "RFC 9293 section 3.10.7.4", "a FIN in ESTABLISHED: CLOSE-WAIT, and it is acknowledged";
        FIN_FIN_WAIT_1: "check-fin-bit/fin-wait-1", Must, "RFC 9293 section 3.10.7.4", "a FIN in FIN-WAIT-1 whose own FIN is not acknowledged: CLOSING, and it is acknowledged";
        FIN_FIN_WAIT_2: "check-fin-bit/fin-wait-2", Must, "RFC 9293 section 3.10.7.4", "a FIN in FIN-WAIT-2: TIME-WAIT, and it is acknowledged";
        FIN_DUPLICATE: "check-fin-bit/duplicate", Must, "RFC 9293 section 3.10.7.4", "a repeated FIN changes no state and is acknowledged again";

        // TIME-WAIT.
        TIME_WAIT_LENGTH: "time-wait/length", Linux, "Linux TCP_TIMEWAIT_LEN", "TIME-WAIT lasts 60 s", departs "RFC 9293 section 3.4.2 (2 x MSL of 2 minutes)";
        TIME_WAIT_TIMESTAMPS: "time-wait/timestamps-unasked", Linux, "Linux tcp_check_req(), tcp_v4_timewait_ack()", "if the handshake's ACK had timestamps that were not agreed on, the ACKs of TIME-WAIT have them too", departs "RFC 7323 section 3.2";
        TIME_WAIT_TIMESTAMPS_FORGOTTEN: "time-wait/timestamps-unasked-forgotten", Must, "RFC 7323 section 3.2; Linux tcp_check_req() before it deferred TS.Recent until the request was owned, tcp_create_openreq_child()", "timestamps of the handshake's ACK that were not agreed on are forgotten with the request, and the ACKs of TIME-WAIT have none";
        TIME_WAIT_ACK: "time-wait/ack", Must, "RFC 9293 section 3.10.7.4", "a segment other than a RST in TIME-WAIT is acknowledged, and a repeated FIN restarts the 2 MSL timeout";
        TIME_WAIT_SILENT: "time-wait/silent", Must, "Linux tcp_timewait_state_process()", "a pure ACK at RCV.NXT in TIME-WAIT is not answered, and restarts the timeout";
        TIME_WAIT_WINDOW: "time-wait/window-wraps", Linux, "Linux tcp_time_wait(), tcp_v4_timewait_ack()", "the ACKs of TIME-WAIT tell the window that was open when it began; one beyond 65535 without window scaling as what is left of it in 16 bits", departs "RFC 9293 section 3.8.6";
        TIME_WAIT_OUT_OF_WINDOW: "time-wait/out-of-window", Must, "RFC 9293 section 3.10.7.4", "an unacceptable segment in TIME-WAIT is answered with an ACK, at most one in 500 ms if it carries no data";
        TIME_WAIT_RST: "check-rst-bit/time-wait", Must, "RFC 9293 section 3.10.7.4", "a RST at RCV.NXT deletes the connection";
        TIME_WAIT_RST_IGNORED: "check-rst-bit/time-wait-ignored", Must, "RFC 9293 section 3.10.7.4", "a RST that is not at RCV.NXT leaves TIME-WAIT alone";
        TIME_WAIT_RFC1337: "time-wait/rfc1337", Linux, "Linux tcp_rfc1337", "with tcp_rfc1337=1 a RST in TIME-WAIT is ignored", departs "RFC 9293 section 3.10.7.4";
        TIME_WAIT_REOPEN: "time-wait/reopen", May, "RFC 6191 section 2", "a SYN in TIME-WAIT with a newer timestamp, or a larger sequence number, opens a new connection";
        TIME_WAIT_REOPEN_BEYOND: "time-wait/reopen-beyond", Linux, "RFC 9293 section 3.6.1, Linux tcp_timewait_state_process(), newer kernels", "the connection that replaces one in TIME-WAIT begins beyond the old one's largest window";
        TIME_WAIT_REOPEN_CLOCK: "time-wait/reopen-by-clock", Linux, "RFC 9293 section 3.4.1, Linux secure_tcp_seq(), tcp_v4_fill_cb(), older kernels", "the connection that replaces one in TIME-WAIT begins where the ISN clock stands, which may be among the old one's numbers", departs "RFC 9293 section 3.6.1";
        TIME_WAIT_SYN: "time-wait/old-syn", Must, "RFC 9293 section 3.10.7.4", "another SYN in TIME-WAIT is answered with an ACK";

        TIME_WAIT_REUSE: "time-wait/reuse", May, "RFC 6191, Linux tcp_twsk_unique()", "connect may take over a four-tuple in TIME-WAIT: its ISS is beyond the old connection's numbers, TS.Recent is kept";
        FIN_WAIT_2_REFUSED: "connect/fin-wait-2-refused", Must, "RFC 9293 section 3.10.1, Linux tcp_twsk_unique(), newer kernels", "connect does not take over a four-tuple whose connection is in FIN-WAIT-2, tcp_tw_reuse or not";
        FIN_WAIT_2_REUSED: "connect/fin-wait-2-reused", Linux, "Linux tcp_twsk_unique(), older kernels", "with tcp_tw_reuse connect takes over a four-tuple from an orphan in FIN-WAIT-2 as from one in TIME-WAIT", departs "RFC 9293 section 3.10.1";
        TIME_WAIT_NO_ROOM: "time-wait/no-room", Linux, "Linux tcp_max_tw_buckets", "beyond tcp_max_tw_buckets a connection skips TIME-WAIT", departs "RFC 9293 section 3.10.7.4";

        // FIN-WAIT-2 without an owner.
        FIN_WAIT_2_ORPHAN: "fin-wait-2/orphan-timeout", Linux, "Linux tcp_fin_timeout", "an orphan in FIN-WAIT-2 is dropped after tcp_fin_timeout or TCP_LINGER2, at least 3.5 RTO", departs "RFC 9293 section 3.10.7.4";
        FIN_WAIT_2_LINGER2: "fin-wait-2/linger2-negative", Linux, "Linux man page tcp(7), TCP_LINGER2", "with TCP_LINGER2 < 0 an orphan does not stay in FIN-WAIT-2", departs "RFC 9293 section 3.10.7.4";
        FIN_WAIT_2_OWNED: "fin-wait-2/owned", Must, "RFC 9293 section 3.6", "FIN-WAIT-2 has no timeout while a descriptor is open";
        FIN_WAIT_2_DATA: "fin-wait-2/data-after-close", Must, "RFC 1122 section 4.2.2.13", "data to an orphan in FIN-WAIT-2 is answered with a RST";

        // Section 3.8: timeouts.
        RTO: "timeout/retransmission", Must, "RFC 6298 section 5", "the earliest outstanding segment is retransmitted when the RTO expires, and the RTO doubles";
        REORDERING: "timeout/reordering", Should, "RFC 8985 section 6.2, Linux tcp_rack_detect_loss(), tcp_rack_reo_timeout()", "with SACK a segment that one sent later has overtaken goes again once the reordering window, a quarter of the least RTT, is over";
        LOSS_PROBE: "timeout/loss-probe", Linux, "RFC 8985 section 7, Linux tcp_schedule_loss_probe()", "with SACK a tail loss probe comes 2 SRTT (and RTO_MIN for a lone segment) after the last transmission";
        RTO_RECOVERY: "timeout/recovery", May, "RFC 6675, RFC 8985", "segments reported missing by SACK are retransmitted";
        NEEDLESS_TIMEOUT: "timeout/needless", Should, "RFC 5682 section 3.1, Linux tcp_process_loss(), tcp_try_undo_loss(), Linux sysctl tcp_frto", "a SACK block that tells of data which went only once shows that the timeout was needless: its retransmissions are not counted any more";
        RTO_GIVE_UP: "timeout/give-up", Linux, "Linux tcp_retries2", "retransmission ends when tcp_retries2 is used up: ETIMEDOUT";
        RTO_GIVE_UP_ORPHAN: "timeout/give-up-orphan", Linux, "Linux tcp_orphan_retries", "an orphan's retransmission ends when tcp_orphan_retries (0 means 8) is used up";
        ORPHAN_LIMIT: "orphan/limit", Linux, "Linux tcp_max_orphans, __tcp_close(), tcp_out_of_resources()", "while there are more orphans than tcp_max_orphans, CLOSE sends a RST behind the FIN, and so does an orphan whose retransmission or probe is due; the kernel counts them every 100 ms only", departs "RFC 9293 section 3.10.4";
        USER_TIMEOUT: "timeout/user", May, "RFC 9293 section 3.10.8, Linux TCP_USER_TIMEOUT", "unacknowledged data older than the user timeout ends the connection";
        SYN_RETRY: "timeout/syn", Must, "RFC 9293 section 3.8.3, Linux tcp_syn_retries", "a SYN is retransmitted tcp_syn_retries times (after tcp_syn_linear_timeouts linear ones), then the OPEN fails";
        SYN_ACK_RETRY: "timeout/syn-ack", Linux, "Linux tcp_synack_retries", "a SYN,ACK is retransmitted tcp_synack_retries times, then SYN-RECEIVED ends";
        KEEPALIVE_PROBE: "keepalive/probe", Must, "RFC 9293 section 3.8.4", "an idle connection is probed with SEG.SEQ = SND.NXT-1 after the keepalive time and then at its interval";
        KEEPALIVE_DEAD: "keepalive/dead", Linux, "Linux tcp_keepalive_probes", "after the last unanswered probe a RST is sent and the connection ends: ETIMEDOUT";
        ZERO_WINDOW_PROBE: "timeout/zero-window-probe", Must, "RFC 9293 section 3.8.6.1", "a closed window is probed at increasing intervals";
        SHRUNK_WINDOW: "timeout/shrunk-window", Linux, "Linux tcp_rtx_probe0_timed_out()", "while the peer's window is shrunk to nothing retransmissions probe it and are not counted; without an ACK for two RTO_MAX the connection ends: ETIMEDOUT";
        SHRUNK_WINDOW_USER: "timeout/shrunk-window-user", Linux, "Linux tcp_rtx_probe0_timed_out(), tcp_retransmit_timer(), newer kernels", "while the window is shrunk the user timeout counts from the first retransmission";
        SHRUNK_WINDOW_USER_TICKS: "timeout/shrunk-window-user-ticks", Linux, "Linux tcp_rtx_probe0_timed_out(), older kernels", "while the window is shrunk the user timeout counts from the latest ACK: from the first retransmission, ticks are taken for its milliseconds";
        CORK_TIMEOUT: "timeout/cork", Linux, "Linux tcp_probe_timer(), tcp(7) TCP_CORK", "what MSG_MORE or TCP_CORK holds back goes out when the probe timer fires";

        // Section 3.9.2.2: ICMP errors.
        ICMP_NO_CONNECTION: "icmp/no-connection", Must, "RFC 9293 section 3.9.2.2", "an ICMP error concerns the connection that it quotes, and nobody where there is none";
        ICMP_OUTSIDE: "icmp/outside", Linux, "RFC 5927 section 4.1, Linux tcp_v4_err()", "an ICMP error that quotes a sequence number outside SND.UNA..SND.NXT is ignored";
        ICMP_OPENING_SOFT: "icmp/opening-soft", Linux, "RFC 5461 section 4, Linux tcp_v4_err()", "a soft ICMP error about the SYN ends the OPEN", departs "RFC 9293 section 3.9.2.2";
        ICMP_OPENING_HARD: "icmp/opening-hard", Should, "RFC 9293 section 3.9.2.2", "a hard ICMP error about the SYN ends the OPEN";
        ICMP_REQUEST: "icmp/syn-received", Linux, "Linux tcp_req_err()", "an ICMP error about the SYN,ACK ends SYN-RECEIVED: over IPv4 a soft one, over IPv6 a hard one", departs "RFC 9293 section 3.9.2.2";
        ICMP_REQUEST_KEPT: "icmp/syn-received-kept", Linux, "Linux tcp_req_err()", "other ICMP errors about the SYN,ACK are ignored";
        ICMP_SOFT: "icmp/soft", Must, "RFC 9293 section 3.9.2.2", "a soft ICMP error does not end a synchronized connection";
        ICMP_HARD: "icmp/hard", Linux, "RFC 5461 section 2.1, Linux tcp_v4_err()", "a hard ICMP error does not end a synchronized connection either", departs "RFC 9293 section 3.9.2.2";
        ICMP_MINI: "icmp/time-wait", Linux, "Linux tcp_v4_err()", "ICMP errors are ignored in TIME-WAIT, and in FIN-WAIT-2 without an owner";
        ICMP_SOURCE_QUENCH: "icmp/source-quench", Must, "RFC 9293 section 3.9.2.2", "a Source Quench is discarded silently";
        ICMP_REVERT: "icmp/revert-back-off", May, "RFC 6069 section 5, Linux tcp_ld_RTO_revert()", "an unreachable net, or over IPv4 host, quoted with SND.UNA takes back the last back-off of the RTO";
        SOFT_ERROR_TOLD: "icmp/told", Should, "RFC 9293 section 3.9.2.2, Linux tcp_write_err()", "a soft error is told by SO_ERROR, and is what a connection that times out ends with in place of ETIMEDOUT";
        SOFT_ERROR_FORGOTTEN: "icmp/forgotten", Linux, "Linux tcp_ack()", "the soft error is forgotten with the next ACK that arrives";
        SOFT_ERROR_KEPT: "icmp/kept-on-fast-path", Linux, "Linux tcp_rcv_established()", "data in order that acknowledges nothing new may leave the soft error: its ACK is not looked at";

        // RFC 4022: what a host counts.
        COUNT_ACTIVE_OPENS: "counters/active-opens", Must, "RFC 4022 tcpActiveOpens, Linux tcp_connect()", "each transition from CLOSED to SYN-SENT counts";
        COUNT_PASSIVE_OPENS: "counters/passive-opens", Linux, "RFC 4022 tcpPassiveOpens, Linux tcp_create_openreq_child()", "each passive OPEN counts, when its handshake is complete";
        COUNT_PASSIVE_OPENS_HALF: "counters/half-open-uncounted", Linux, "Linux tcp_create_openreq_child()", "a passive OPEN that ends in SYN-RECEIVED is not counted", departs "RFC 4022 tcpPassiveOpens";
        COUNT_ATTEMPT_FAILS: "counters/attempt-fails", Must, "RFC 4022 tcpAttemptFails, Linux tcp_done(), tcp_check_req()", "an OPEN counts as failed that a RST, a SYN, an ICMP error or a timeout ends in SYN-SENT, or a RST or a SYN in SYN-RECEIVED";
        COUNT_ATTEMPT_GIVEN_UP: "counters/attempt-given-up-uncounted", Linux, "Linux tcp_close_state(), reqsk_timer_handler(), tcp_req_err()", "an OPEN that CLOSE ends in SYN-SENT, or its timer, an ICMP error or the listener's end in SYN-RECEIVED, is not counted as failed", departs "RFC 4022 tcpAttemptFails";
        COUNT_ESTAB_RESETS: "counters/estab-resets", Must, "RFC 4022 tcpEstabResets, Linux tcp_set_state()", "each transition from ESTABLISHED or CLOSE-WAIT to CLOSED counts, by whichever side, and by a timeout too";
        COUNT_CURR_ESTAB: "counters/curr-estab", Must, "RFC 4022 tcpCurrEstab, Linux tcp_set_state()", "the connections in ESTABLISHED and CLOSE-WAIT are counted, and no others";
        COUNT_IN_SEGS: "counters/in-segs", Must, "RFC 4022 tcpInSegs, Linux tcp_v4_rcv()", "each segment received counts, those in error too";
        COUNT_OUT_SEGS: "counters/out-segs", Must, "RFC 4022 tcpOutSegs, Linux __tcp_transmit_skb()", "each segment sent counts, except retransmissions";
        COUNT_SYN_ACK_AGAIN: "counters/syn-ack-again-in-out-segs", Linux, "Linux tcp_make_synack()", "a SYN,ACK that a request socket sends again counts as sent too", departs "RFC 4022 tcpOutSegs";
        COUNT_SYN_ACK_CROSSING: "counters/crossing-syn-ack-uncounted", Linux, "Linux tcp_send_synack(), __tcp_transmit_skb()", "the SYN,ACK that answers a crossing SYN counts neither as sent nor as a retransmission: it takes the SYN's place";
        COUNT_RETRANS_SEGS: "counters/retrans-segs", Must, "RFC 4022 tcpRetransSegs, Linux __tcp_retransmit_skb(), tcp_rtx_synack()", "each retransmission counts: of data, of a FIN, a SYN or a SYN,ACK";
        COUNT_IN_ERRS: "counters/in-errs", Must, "RFC 4022 tcpInErrs, Linux tcp_v4_rcv()", "each segment with a wrong checksum or a wrong header length counts as received in error";
        COUNT_SYN_IN_ERROR: "counters/syn-in-error", Linux, "Linux tcp_validate_incoming(), tcp_rcv_established()", "a SYN in ESTABLISHED, and in no other state, counts as received in error";
        COUNT_OUT_RSTS: "counters/out-rsts", Must, "RFC 4022 tcpOutRsts, Linux tcp_v4_send_reset(), tcp_send_active_reset()", "each RST sent counts, those for no connection too";
        COUNT_IN_CSUM_ERRORS: "counters/in-csum-errors", Linux, "Linux TCP_MIB_CSUMERRORS, tcp_v4_rcv()", "each segment with a wrong checksum counts";
        COUNT_TIME_WAITED: "counters/tw", Linux, "Linux LINUX_MIB_TIMEWAITED, __inet_twsk_schedule()", "each connection counts whose wait in TIME-WAIT, or in FIN-WAIT-2 without an owner, is to be longer than 4 s";
        COUNT_WAIT_AT_ONCE: "counters/wait-at-once", Linux, "Linux __inet_twsk_schedule(), newer kernels", "a wait in TIME-WAIT, or in FIN-WAIT-2 without an owner, counts when it begins";
        COUNT_WAIT_WHEN_OVER: "counters/wait-when-over", Linux, "Linux tw_timer_handler(), older kernels", "a wait in TIME-WAIT, or in FIN-WAIT-2 without an owner, counts when its timer ends it, by what it was armed for last";
        COUNT_TIME_WAIT_RECYCLED: "counters/tw-recycled", Linux, "Linux LINUX_MIB_TIMEWAITRECYCLED, __inet_check_established()", "each connection in TIME-WAIT that connect takes over counts";
        COUNT_TIME_WAIT_KILLED: "counters/tw-killed", Linux, "Linux LINUX_MIB_TIMEWAITKILLED, __inet_twsk_schedule()", "each connection counts whose wait in FIN-WAIT-2 without an owner is to be 4 s at most";
        COUNT_LISTEN_OVERFLOWS: "counters/listen-overflows", Linux, "Linux LINUX_MIB_LISTENOVERFLOWS, tcp_conn_request(), tcp_v4_syn_recv_sock()", "each SYN and each handshake's ACK that meets a full accept queue counts";
        COUNT_ABORT_ON_DATA: "counters/abort-on-data", Linux, "Linux LINUX_MIB_TCPABORTONDATA, tcp_rcv_state_process(), __tcp_close()", "each abort by data after CLOSE counts, each by SO_LINGER 0, and each by TCP_LINGER2 < 0 when the FIN is acknowledged";
        COUNT_ABORT_ON_CLOSE: "counters/abort-on-close", Linux, "Linux LINUX_MIB_TCPABORTONCLOSE, __tcp_close()", "each CLOSE with unread data counts";
        COUNT_ABORT_ON_MEMORY: "counters/abort-on-memory", Linux, "Linux LINUX_MIB_TCPABORTONMEMORY, __tcp_close(), tcp_out_of_resources()", "each orphan that is dropped because there are too many counts";
        COUNT_ABORT_ON_TIMEOUT: "counters/abort-on-timeout", Linux, "Linux LINUX_MIB_TCPABORTONTIMEOUT, tcp_write_err()", "each connection counts that ends for want of an answer: to a SYN, data, a FIN or a probe";
        COUNT_ABORT_ON_LINGER: "counters/abort-on-linger", Linux, "Linux LINUX_MIB_TCPABORTONLINGER, __tcp_close()", "each CLOSE in FIN-WAIT-2 with TCP_LINGER2 < 0 counts";
        COUNT_TIME_WAIT_OVERFLOW: "counters/time-wait-overflow", Linux, "Linux LINUX_MIB_TCPTIMEWAITOVERFLOW, tcp_time_wait()", "each connection counts that tcp_max_tw_buckets keeps out of TIME-WAIT";

        STATE_REPORTED: "state/reported", Must, "RFC 9293 section 3.3.2", "the kernel reports the state that the events lead to";
        TIMER_REPORTED: "state/timer", Linux, "Linux inet_sk_diag_fill()", "the kernel reports the timer that is pending, its expiry and its retransmissions";
        QUEUES_REPORTED: "state/queues", Linux, "Linux tcp_diag_get_info()", "the kernel reports what is unread and what is unacknowledged";
        TRANSITION: "state/transition", Must, "RFC 9293 section 3.3.2", "each state change is an edge that an event caused";
    }
}

pub use rules::RULES;

/// The rule of this id.
pub fn rule(id: &str) -> Option<RuleRef> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        for (i, rule) in RULES.iter().enumerate() {
            assert!(RULES[i + 1..].iter().all(|other| other.id != rule.id), "{}", rule.id);
        }
    }
}
