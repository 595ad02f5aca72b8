//! What is a little simpler than a case: each candidate with one thing less that a reader has to understand.

use std::time::Duration;

use tcpconform_model::Call;

use crate::case::{Case, Injection, IpVersion, Operation, OperationCall, Step, StepKind};
use crate::load::peer_default;
use crate::notation::SegmentText;

/// The candidates, the setting's first.
pub(super) fn simpler(case: &Case) -> Vec<Case> {
    let mut all = settings(case);
    for (i, step) in case.steps.iter().enumerate() {
        for kind in steps(&step.kind) {
            let mut candidate = case.clone();
            candidate.steps[i] = Step { kind, ..step.clone() };
            all.push(candidate);
        }
    }
    all
}

fn settings(case: &Case) -> Vec<Case> {
    let plain = peer_default(case.mtu, IpVersion::Ipv4);
    let mut all = Vec::new();
    let mut change = |change: &dyn Fn(&mut Case)| {
        let mut candidate = case.clone();
        change(&mut candidate);
        if candidate != *case {
            all.push(candidate);
        }
    };
    change(&|c| {
        c.peer.mss = if c.peer.mss == peer_default(c.mtu, c.ip).mss { plain.mss } else { c.peer.mss };
        c.ip = IpVersion::Ipv4;
    });
    change(&|c| c.peer.mss = peer_default(c.mtu, c.ip).mss);
    change(&|c| c.peer.wscale = plain.wscale);
    change(&|c| c.peer.wnd = plain.wnd);
    change(&|c| c.peer.timestamps = false);
    change(&|c| c.peer.sack = false);
    for name in case.sysctls.keys() {
        change(&|c| drop(c.sysctls.remove(name)));
    }
    all
}

fn steps(kind: &StepKind) -> Vec<StepKind> {
    match kind {
        StepKind::Wait(duration) => {
            let half = Duration::from_millis(duration.as_millis() as u64 / 2);
            if half.is_zero() { Vec::new() } else { vec![StepKind::Wait(half)] }
        }
        StepKind::Inject { to, injection } => {
            injections(injection).into_iter().map(|injection| StepKind::Inject { to: *to, injection }).collect()
        }
        StepKind::Call { on, op, background } => {
            let with = |op: Operation, background| StepKind::Call { on: *on, op, background };
            let mut all: Vec<StepKind> =
                calls(op.call).into_iter().map(|call| with(Operation { call, ..op.clone() }, *background)).collect();
            if *background {
                all.push(with(op.clone(), false));
            }
            all
        }
        StepKind::Relay(rule) => match rule.times {
            Some(times) if times > 1 => {
                let mut rule = rule.clone();
                rule.times = Some(times - 1);
                vec![StepKind::Relay(rule)]
            }
            Some(_) | None => Vec::new(),
        },
        StepKind::Establish { .. }
        | StepKind::Icmp { .. }
        | StepKind::Expect { .. }
        | StepKind::Await { .. }
        | StepKind::Poll { .. }
        | StepKind::Counters { .. }
        | StepKind::Ports { .. } => Vec::new(),
    }
}

fn injections(injection: &Injection) -> Vec<Injection> {
    let mut all = Vec::new();
    if !injection.damage.is_empty() {
        all.push(Injection { damage: Vec::new(), ..injection.clone() });
    }
    let segment = &injection.segment;
    let mut change = |change: &dyn Fn(&mut SegmentText)| {
        let mut candidate = segment.clone();
        change(&mut candidate);
        if candidate != *segment {
            all.push(Injection { segment: candidate, ..injection.clone() });
        }
    };
    change(&|s| s.options = None);
    change(&|s| (s.urg, s.flags) = (None, s.flags.without(tcpconform_model::Flags::URG)));
    change(&|s| s.wnd = None);
    change(&|s| s.ack = None);
    change(&|s| s.seq = None);
    change(&|s| s.data_len = s.data_len.min(1));
    change(&|s| s.data_len /= 10);
    all
}

fn calls(call: OperationCall) -> Vec<OperationCall> {
    let socket = |calls: Vec<Call>| calls.into_iter().map(OperationCall::Socket).collect();
    match call {
        OperationCall::Socket(Call::Send { len, more }) => {
            let mut all = Vec::new();
            if more {
                all.push(Call::Send { len, more: false });
            }
            if len > 1 {
                all.extend([Call::Send { len: 1, more }, Call::Send { len: len / 10, more }]);
            }
            socket(all)
        }
        OperationCall::Socket(Call::Receive { len, peek: true }) => socket(vec![Call::Receive { len, peek: false }]),
        OperationCall::Socket(_)
        | OperationCall::Open
        | OperationCall::Bind
        | OperationCall::Handover
        | OperationCall::Serve { .. }
        | OperationCall::Exit
        | OperationCall::Kill
        | OperationCall::TcpInfo
        | OperationCall::Crash
        | OperationCall::Reboot => Vec::new(),
    }
}
