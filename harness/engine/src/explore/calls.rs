//! The calls of a walk on one endpoint's socket.
//!
//! Owns which descriptors there are, so that a walk never uses one that is closed. Refuses to know what a call returns.

use tcpconform_model::{Call, Queue, ShutdownHow, SocketOption};

use super::dice::Dice;
use super::segments::Segments;
use crate::case::{Endpoint, Operation, OperationCall, StepKind};

/// What the walk holds of a socket.
pub(super) struct Calls {
    /// The listener has to give the connection first.
    unaccepted: bool,
    /// Open descriptors; the first has no name.
    open: Vec<Option<String>>,
    /// Child processes that run.
    children: Vec<String>,
    made: u32,
    /// A close waits: it is made in the background.
    lingers: bool,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls { unaccepted: false, open: vec![None], children: Vec::new(), made: 0, lingers: false }
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

impl Calls {
    /// The connection comes from a listener: `accept` is the first call.
    pub(super) fn accepts(&mut self) {
        self.unaccepted = true;
    }

    /// The next call; `None` where there is nothing left to call.
    pub(super) fn next(&mut self, dice: &mut Dice, on: Endpoint, segments: &mut Segments) -> Option<StepKind> {
        let step = |op, background| Some(StepKind::Call { on, op, background });
        if self.unaccepted {
            self.unaccepted = false;
            return step(Operation { descriptor: None, makes: None, call: OperationCall::Socket(Call::Accept) }, false);
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
        self.made += 1;
        if dice.one_in(2) {
            let name = format!("spare{}", self.made);
            op.makes = Some(name.clone());
            self.open.push(Some(name));
            OperationCall::Socket(Call::Dup)
        } else {
            let name = format!("child{}", self.made);
            op.makes = Some(name.clone());
            self.children.push(name);
            self.open.swap_remove(i);
            OperationCall::Handover
        }
    }
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
