//! What a connection notices of the others of its host, as the trace shows them.
//!
//! Owns who is in TIME-WAIT, who is an orphan and who waits in the accept queue. Refuses to know the connection itself: each is judged alone.

use std::collections::BTreeMap;

use tcpconform_model::{Call, Neighbours, Orphans, State};

use crate::case::{Endpoint, Host, OperationCall};
use crate::trace::{CallReturn, TimerKind, Trace, What};

/// The other connections of an endpoint's host.
pub(super) struct Others {
    host: Host,
    by_name: BTreeMap<Endpoint, Other>,
    listening: bool,
    told: Neighbours,
}

#[derive(Default)]
struct Other {
    mini: bool,
    open: bool,
    accepted: bool,
    /// Descriptors closed, less those that were duplicated.
    closed: i32,
    /// A full socket that is not CLOSED.
    full: bool,
}

impl Others {
    /// Those beside `endpoint`.
    pub(super) fn new(trace: &Trace, endpoint: Endpoint) -> Others {
        let others = trace.header.endpoints.iter().map(|identity| identity.name);
        let others = others.filter(|name| name.host == endpoint.host && *name != endpoint);
        Others {
            host: endpoint.host,
            by_name: others.map(|name| (name, Other::default())).collect(),
            listening: false,
            told: Neighbours::default(),
        }
    }

    /// Takes a record; what there is to notice, when it has changed.
    pub(super) fn see(&mut self, what: &What) -> Option<Neighbours> {
        match what {
            What::Sample(sample) => {
                let other = self.by_name.get_mut(&sample.on)?;
                other.mini = sample.timer.is_some_and(|timer| timer.kind == TimerKind::TimeWait);
                other.full = sample.state != State::Closed && !other.mini;
                other.open =
                    !matches!(sample.state, State::Closed | State::Listen | State::SynSent | State::SynReceived);
            }
            What::Call(call) if call.on.host == self.host => {
                if call.op.call.is_of_host() {
                    self.listening = false;
                    self.by_name.values_mut().for_each(|other| *other = Other::default());
                }
                let succeeded = matches!(call.result, CallReturn::Value(_));
                self.listening |= succeeded && matches!(call.op.call, OperationCall::Socket(Call::Listen { .. }));
                if let Some(other) = self.by_name.get_mut(&call.on) {
                    other.accepted |= succeeded && call.op.call == OperationCall::Socket(Call::Accept);
                    other.closed += match call.op.call {
                        OperationCall::Socket(Call::Close | Call::Exit) | OperationCall::Exit | OperationCall::Kill => {
                            1
                        }
                        OperationCall::Socket(Call::Dup) => -1,
                        OperationCall::Socket(
                            Call::Listen { .. }
                            | Call::Connect
                            | Call::Accept
                            | Call::Send { .. }
                            | Call::Receive { .. }
                            | Call::Shutdown(_)
                            | Call::SetOption(_)
                            | Call::GetOption(_)
                            | Call::Poll
                            | Call::Queue(_),
                        )
                        | OperationCall::TcpInfo
                        | OperationCall::Open
                        | OperationCall::Bind
                        | OperationCall::Handover
                        | OperationCall::Serve { .. }
                        | OperationCall::Crash
                        | OperationCall::Reboot => 0,
                    };
                }
            }
            What::Transition(change) => self.by_name.get_mut(&change.on)?.full = change.to != State::Closed,
            What::Segment(_)
            | What::Icmp(_)
            | What::Call(_)
            | What::Relay(_)
            | What::Counters(_)
            | What::Ports(_)
            | What::Waited(_)
            | What::Trouble(_)
            | What::End { .. } => return None,
        }
        let count = |fits: &dyn Fn(&Other) -> bool| self.by_name.values().filter(|other| fits(other)).count() as u32;
        let now = Neighbours {
            time_waits: count(&|other| other.mini),
            orphans: Orphans::exactly(count(&|other| other.full && other.closed > 0)),
            unaccepted: if self.listening { count(&|other| other.open && !other.accepted) } else { 0 },
        };
        (std::mem::replace(&mut self.told, now) != now).then_some(now)
    }
}
