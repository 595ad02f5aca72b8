//! The calls of a walk on one endpoint's socket.
//!
//! Owns which descriptors there are, so that a walk never uses one that is closed. Refuses to know what a call returns.

use tcpconform_model::{Call, Queue, ShutdownHow, SocketOption};

use super::dice::Dice;
use super::segments::Segments;
use crate::case::{Endpoint, Operation, OperationCall, StepKind};
use crate::names::LISTENER;

/// What the walk holds of sockets.
pub(super) struct Calls {
    /// The listener has to give the connection first.
    unaccepted: bool,
    /// There is a listener to call by its name.
    listener: bool,
    /// It was shut down so often.
    shut: u32,
    /// Open descriptors; the first has no name.
    open: Vec<Option<String>>,
    /// Of them, those that `accept` may not have given.
    doubtful: Vec<String>,
    /// Child processes that run.
    children: Vec<String>,
    made: u32,
    /// A close waits: it is made in the background.
    lingers: bool,
    /// What a descriptor without a name is known to be.
    certain: bool,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls {
            unaccepted: false,
            listener: false,
            shut: 0,
            open: vec![None],
            doubtful: Vec::new(),
            children: Vec::new(),
            made: 0,
            lingers: false,
            certain: true,
        }
    }
}

/// Kinds of calls.
#[derive(Clone, Copy)]
enum Kind {
    Write,
    Read,
    Shutdown,
    Close,
    Ask,
    Set,
    Descriptor,
    Connect,
}

/// Kinds of calls on a listener.
#[derive(Clone, Copy)]
enum OnListener {
    Accept,
    Ask(OperationCall),
    Set,
    Shutdown,
    Listen,
    Duplicate,
    Close,
}

impl Calls {
    /// The connection comes from a listener: `accept` is to be called.
    pub(super) fn accepts(&mut self) {
        self.unaccepted = true;
    }

    /// There is a listener.
    pub(super) fn listens(&mut self) {
        self.listener = true;
    }

    /// `accept()` of whatever waits, by a name of its own; it may fail, and what is called by the name then fails too.
    pub(super) fn accept_another(&mut self, on: Endpoint) -> StepKind {
        let name = self.name("more");
        self.open.push(Some(name.clone()));
        self.doubtful.push(name.clone());
        let op = Operation { descriptor: None, makes: Some(name), call: OperationCall::Socket(Call::Accept) };
        StepKind::Call { on, op, background: false }
    }

    fn name(&mut self, of: &str) -> String {
        self.made += 1;
        format!("{of}{}", self.made)
    }

    /// The next call; `None` where there is nothing left to call.
    pub(super) fn next(&mut self, dice: &mut Dice, on: Endpoint, segments: &mut Segments) -> Option<StepKind> {
        let step = |op, background| Some(StepKind::Call { on, op, background });
        if self.unaccepted && !dice.one_in(4) {
            self.unaccepted = false;
            return step(Operation { descriptor: None, makes: None, call: OperationCall::Socket(Call::Accept) }, false);
        }
        if self.listener && dice.one_in(5) {
            return Some(self.on_listener(dice, on));
        }
        if !self.children.is_empty() && dice.one_in(3) {
            let child = self.children.swap_remove(0);
            let call = dice.pick(&[OperationCall::Exit, OperationCall::Kill]);
            return step(Operation { descriptor: Some(child), makes: None, call }, false);
        }
        if self.open.is_empty() {
            return None;
        }
        let i = dice.below(self.open.len() as u32) as usize;
        let mut op =
            Operation { descriptor: self.open[i].clone(), makes: None, call: OperationCall::Socket(Call::Poll) };
        let kind = dice.weighted(&[
            (8, Kind::Write),
            (6, Kind::Read),
            (4, Kind::Shutdown),
            (5, Kind::Close),
            (5, Kind::Ask),
            (5, Kind::Set),
            (1, Kind::Descriptor),
            (1, Kind::Connect),
        ]);
        op.call = match kind {
            Kind::Write => {
                let len = segments.writes(dice);
                OperationCall::Socket(Call::Send { len, more: dice.one_in(6) })
            }
            Kind::Read => OperationCall::Socket(Call::Receive {
                len: dice.pick(&[1, 10, 100, 1000, 100_000]),
                peek: dice.one_in(6),
            }),
            Kind::Shutdown => OperationCall::Socket(Call::Shutdown(dice.weighted(&[
                (4, ShutdownHow::Write),
                (1, ShutdownHow::Read),
                (1, ShutdownHow::Both),
            ]))),
            Kind::Close => OperationCall::Socket(Call::Close),
            Kind::Ask if op.descriptor.is_some() || !self.certain || segments.may_have_reopened() => question(dice),
            Kind::Ask => dice.weighted(&[
                (4, OperationCall::Socket(Call::Poll)),
                (1, OperationCall::Socket(Call::Queue(Queue::Receive))),
                (1, OperationCall::Socket(Call::Queue(Queue::Send))),
                (1, OperationCall::Socket(Call::GetOption(SocketOption::Error))),
                (1, OperationCall::TcpInfo),
            ]),
            Kind::Set => OperationCall::Socket(Call::SetOption(option(dice))),
            Kind::Connect if on == Endpoint::A && segments.connects() => OperationCall::Socket(Call::Connect),
            Kind::Connect => OperationCall::Socket(Call::Poll),
            Kind::Descriptor => self.descriptor(dice, i, &mut op),
        };
        let mut background = false;
        match op.call {
            OperationCall::Socket(Call::SetOption(SocketOption::Linger(seconds))) => {
                self.lingers = seconds.is_some_and(|seconds| seconds > 0)
            }
            OperationCall::Socket(Call::Close) => {
                self.open.swap_remove(i);
                background = self.lingers;
                self.certain = false;
            }
            OperationCall::Socket(_)
            | OperationCall::Open
            | OperationCall::Bind
            | OperationCall::Handover
            | OperationCall::Serve { .. }
            | OperationCall::Exit
            | OperationCall::Kill
            | OperationCall::TcpInfo
            | OperationCall::Crash
            | OperationCall::Reboot => {}
        }
        step(op, background)
    }

    /// One more descriptor, or a child process in the place of one.
    fn descriptor(&mut self, dice: &mut Dice, i: usize, op: &mut Operation) -> OperationCall {
        let doubtful = op.descriptor.as_ref().is_some_and(|name| self.doubtful.contains(name));
        // What may not be there cannot be given to a child.
        if dice.one_in(2) || doubtful {
            let name = self.name("spare");
            op.makes = Some(name.clone());
            self.doubtful.extend(doubtful.then(|| name.clone()));
            self.open.push(Some(name));
            OperationCall::Socket(Call::Dup)
        } else {
            let name = self.name("child");
            op.makes = Some(name.clone());
            self.children.push(name);
            self.open.swap_remove(i);
            // It may be the listener that is gone, and then nobody can call it.
            (self.listener, self.unaccepted, self.certain) = (false, false, false);
            OperationCall::Handover
        }
    }

    /// A call on the listener.
    fn on_listener(&mut self, dice: &mut Dice, on: Endpoint) -> StepKind {
        let read = OperationCall::Socket(Call::Receive { len: 10, peek: false });
        let write = OperationCall::Socket(Call::Send { len: 1, more: false });
        let question = question(dice);
        let kind = dice.weighted(&[
            (8, OnListener::Accept),
            (2, OnListener::Ask(OperationCall::Socket(Call::Poll))),
            (1, OnListener::Ask(read)),
            (1, OnListener::Ask(write)),
            (1, OnListener::Ask(question)),
            (2, OnListener::Set),
            (2, OnListener::Shutdown),
            (2, OnListener::Listen),
            (1, OnListener::Duplicate),
            (1, OnListener::Close),
        ]);
        let mut makes = None;
        let call = match kind {
            OnListener::Accept => return self.accept_another(on),
            OnListener::Ask(call) => call,
            OnListener::Set => OperationCall::Socket(Call::SetOption(option(dice))),
            // What was shut down twice hands that on when it listens again.
            OnListener::Listen if self.shut < 2 => {
                OperationCall::Socket(Call::Listen { backlog: dice.pick(&[0, 1, 5]) })
            }
            OnListener::Shutdown | OnListener::Listen => {
                let how = dice.pick(&[ShutdownHow::Write, ShutdownHow::Read, ShutdownHow::Both]);
                self.shut += 1;
                self.certain = false;
                OperationCall::Socket(Call::Shutdown(how))
            }
            OnListener::Duplicate => {
                let name = self.name("spare");
                self.open.push(Some(name.clone()));
                makes = Some(name);
                OperationCall::Socket(Call::Dup)
            }
            OnListener::Close => {
                (self.listener, self.unaccepted, self.certain) = (false, false, false);
                OperationCall::Socket(Call::Close)
            }
        };
        let op = Operation { descriptor: Some(LISTENER.to_string()), makes, call };
        StepKind::Call { on, op, background: false }
    }
}

/// A call that only asks.
fn question(dice: &mut Dice) -> OperationCall {
    OperationCall::Socket(dice.weighted(&[
        (4, Call::Poll),
        (1, Call::Queue(Queue::Receive)),
        (1, Call::Queue(Queue::Send)),
        (1, Call::GetOption(SocketOption::Error)),
    ]))
}

fn option(dice: &mut Dice) -> SocketOption {
    match dice.below(9) {
        0 => SocketOption::Linger(Some(0)),
        1 => SocketOption::Linger(dice.pick(&[None, Some(1)])),
        2 => SocketOption::Linger2(dice.pick(&[-1, 0, 1, 90])),
        3 => SocketOption::NoDelay(dice.one_in(2)),
        4 => SocketOption::QuickAck(dice.one_in(2)),
        5 => SocketOption::Cork(!dice.one_in(3)),
        6 => SocketOption::UserTimeout(dice.pick(&[0, 100, 300, 700])),
        7 => SocketOption::KeepAlive(!dice.one_in(3)),
        _ => SocketOption::KeepIdle(1),
    }
}
