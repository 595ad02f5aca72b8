//! Faults in calls and poll: RFC 9293 section 3.9.1, tcp(7), poll(2).

use tcpconform_model::{Call, CallResult, Errno, Event, Poll, Queue, SocketOption, rules};

use super::{error_for, one_more, reads, without_events};
use crate::fault::{Bend, Fault};

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        name: "poll-without-rdhup",
        mistake: "poll does not report RDHUP on EOF",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|_, _, result| without_events(result, Poll::RDHUP)),
    },
    Fault {
        name: "poll-without-hup",
        mistake: "poll does not report HUP",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|_, _, result| without_events(result, Poll::HUP)),
    },
    Fault {
        name: "poll-without-err",
        mistake: "poll does not report ERR with a pending error",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|_, _, result| without_events(result, Poll::ERR)),
    },
    Fault {
        name: "poll-hup-when-half-closed",
        mistake: "poll reports HUP once one direction is closed",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|t, _, result| match result {
            CallResult::Events(events) if t.user.read_shut || t.user.write_shut => {
                CallResult::Events(Poll(events.0 | Poll::HUP.0))
            }
            CallResult::Events(_) | CallResult::Value(_) | CallResult::Error(_) => result,
        }),
    },
    Fault {
        name: "poll-not-writable",
        mistake: "poll does not report OUT once the write side is shut down",
        rules: &[&rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Returns(|t, _, result| if t.user.write_shut { without_events(result, Poll::OUT) } else { result }),
    },
    Fault {
        name: "eof-before-the-data",
        mistake: "a read returns the end of the stream before the data in front of it",
        rules: &[&rules::CALL_RECEIVE],
        case: "close/eof-after-data",
        bend: Bend::Becomes(|before, event, _, next| {
            if matches!(event, Event::Call(Call::Receive { .. })) && before.user.eof {
                (next.tcb, next.result) = (before.clone(), Some(CallResult::Value(0)));
            }
        }),
    },
    Fault {
        name: "eof-untold",
        mistake: "a read after the peer's FIN returns EAGAIN",
        rules: &[&rules::CALL_RECEIVE],
        case: "close/eof-after-data",
        bend: Bend::Returns(|t, event, result| {
            if reads(event) && t.user.eof && t.user.unread == 0 { CallResult::Error(Errno::AGAIN) } else { result }
        }),
    },
    Fault {
        name: "reset-reads-as-eof",
        mistake: "a read on a reset connection returns the end of the stream",
        rules: &[&rules::CALL_RECEIVE_ERROR],
        case: "rst/before-accept",
        bend: Bend::Returns(|_, event, result| {
            if reads(event) && result == CallResult::Error(Errno::CONNRESET) { CallResult::Value(0) } else { result }
        }),
    },
    Fault {
        name: "reset-is-epipe",
        mistake: "a read on a reset connection fails with EPIPE",
        rules: &[&rules::CALL_RECEIVE_ERROR],
        case: "rst/before-accept",
        bend: Bend::Returns(
            |_, event, result| if reads(event) { error_for(result, Errno::CONNRESET, Errno::PIPE) } else { result },
        ),
    },
    Fault {
        name: "reset-write-is-epipe",
        mistake: "a write on a reset connection fails with EPIPE where ECONNRESET is pending",
        rules: &[&rules::CALL_SEND_CLOSED],
        case: "rst/write-after",
        bend: Bend::Returns(|_, event, result| {
            if matches!(event, Event::Call(Call::Send { .. })) {
                error_for(result, Errno::CONNRESET, Errno::PIPE)
            } else {
                result
            }
        }),
    },
    Fault {
        name: "error-told-twice",
        mistake: "an error stays pending after a read has told it",
        rules: &[&rules::CALL_RECEIVE_ERROR, &rules::POLL_EVENTS],
        case: "shutdown/poll-each-state",
        bend: Bend::Becomes(|before, event, _, next| {
            if matches!(event, Event::Call(Call::Receive { .. })) {
                next.tcb.user.error = before.user.error;
            }
        }),
    },
    Fault {
        name: "so-error-not-cleared",
        mistake: "SO_ERROR does not clear the error that it tells",
        rules: &[&rules::CALL_RESULT],
        case: "icmp/give-up",
        bend: Bend::Becomes(|before, event, _, next| {
            if matches!(event, Event::Call(Call::GetOption(SocketOption::Error))) {
                next.tcb.user.error = before.user.error;
            }
        }),
    },
    Fault {
        name: "write-after-shutdown-taken",
        mistake: "a write after shutdown of the write side succeeds",
        rules: &[&rules::CALL_SEND_CLOSED],
        case: "close/dup-shutdown",
        bend: Bend::Returns(|_, event, result| {
            if let (Event::Call(Call::Send { len, .. }), CallResult::Error(Errno::PIPE)) = (event, result) {
                return CallResult::Value(i64::from(*len));
            }
            result
        }),
    },
    Fault {
        name: "send-queue-without-fin",
        mistake: "SIOCOUTQ does not count the FIN",
        rules: &[&rules::QUEUE_LENGTH],
        case: "shutdown/queues-each-state",
        bend: Bend::Returns(|t, event, result| {
            let without = t.fin_queued && event == &Event::Call(Call::Queue(Queue::Send));
            if without { one_more(result, -1) } else { result }
        }),
    },
    Fault {
        name: "receive-queue-with-fin",
        mistake: "SIOCINQ counts the FIN",
        rules: &[&rules::QUEUE_LENGTH],
        case: "shutdown/queues-each-state",
        bend: Bend::Returns(|t, event, result| {
            let with = t.user.eof && event == &Event::Call(Call::Queue(Queue::Receive));
            if with { one_more(result, 1) } else { result }
        }),
    },
    Fault {
        name: "shutdown-again-fails",
        mistake: "shutdown of a side that is shut down already fails with ENOTCONN",
        rules: &[&rules::SHUTDOWN_WRITE, &rules::CALL_RESULT],
        case: "close/shutdown-again",
        bend: Bend::Returns(|t, event, result| {
            if matches!(event, Event::Call(Call::Shutdown(_))) && t.user.write_shut {
                CallResult::Error(Errno::NOTCONN)
            } else {
                result
            }
        }),
    },
];
