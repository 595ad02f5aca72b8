//! The walk of a number: the connection's setting, its opening, and steps chosen one after the other.
//!
//! Owns how often what is done. Refuses to know what comes of it: a step never depends on an answer, so every walk can be played to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::calls::Calls;
use super::dice::Dice;
use super::file::reloaded;
use super::middle;
use super::segments::Segments;
use crate::case::{
    Case, Damage, Endpoint, Injection, IpVersion, Open, PeerOptions, RelayRule, Step, StepKind, Topology,
};
use crate::load::{MTU_DEFAULT, WITHIN_DEFAULT, peer_default};
use crate::notation::{parse_operation, parse_pattern, parse_segment};
use tcpconform_model::State;

/// Steps of a walk at most, the opening not counted, unless it is told otherwise.
pub const STEPS_MAX: u32 = 12;
/// One walk in so many is between two kernels.
const TWO_KERNELS: u32 = 5;
/// One walk in so many opens by hand.
const BY_HAND: u32 = 5;
/// Waits, milliseconds, with how often each is chosen: around the delayed ACK's 40 ms and the least RTO's 200 ms, and rarely a second.
const WAITS: [(u32, u64); 10] =
    [(6, 1), (5, 5), (4, 20), (4, 45), (4, 60), (3, 130), (4, 220), (3, 300), (2, 520), (1, 1100)];
/// What an answer takes.
const SETTLES: Duration = Duration::from_millis(2);
/// Sysctls that a walk may set, with values.
const SYSCTLS: [(&str, &[&str]); 12] = [
    ("tcp_rfc1337", &["1"]),
    ("tcp_fin_timeout", &["1"]),
    ("tcp_orphan_retries", &["1", "2"]),
    ("tcp_retries2", &["1", "2", "3"]),
    ("tcp_dsack", &["0"]),
    ("tcp_window_scaling", &["0"]),
    ("tcp_sack", &["0"]),
    ("tcp_timestamps", &["0"]),
    ("tcp_invalid_ratelimit", &["0", "100"]),
    ("tcp_early_retrans", &["0"]),
    ("tcp_syn_retries", &["1"]),
    ("tcp_abort_on_overflow", &["1"]),
];

/// The walks of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walks {
    /// What they are derived from.
    pub seed: u64,
    /// Steps of a walk at most, the opening not counted; at least 1.
    pub steps_max: u32,
}

impl Walks {
    /// The walk of this number, the same each time whatever other walks are played.
    pub fn walk(&self, number: u64) -> Case {
        let mut dice = Dice::new(self.seed, number);
        let mut case = setting(&mut dice);
        case.id = format!("walk/{}-{number}", self.seed);
        case.purpose = format!("Walk {number} of seed {}.", self.seed);
        let count = dice.between(1, self.steps_max.max(1));
        let kinds = match case.topology {
            Topology::Crafted => beside_the_peer(&case, &mut dice, count),
            Topology::TwoKernels | Topology::Routed => between_kernels(&case, &mut dice, count),
        };
        case.steps = kinds.into_iter().map(|kind| Step { place: String::new(), text: String::new(), kind }).collect();
        reloaded(&case).expect("a walk keeps to the rules of the case language")
    }
}

/// What stands before the steps.
fn setting(dice: &mut Dice) -> Case {
    let topology = if dice.one_in(TWO_KERNELS) { Topology::TwoKernels } else { Topology::Crafted };
    let ip = if dice.one_in(3) { IpVersion::Ipv6 } else { IpVersion::Ipv4 };
    let open = if dice.one_in(2) { Open::Passive } else { Open::Active };
    let (timestamps, sack) = (!dice.one_in(3), !dice.one_in(4));
    let mtu = MTU_DEFAULT;
    let mut peer = PeerOptions { sack, timestamps, ..peer_default(mtu, ip) };
    let mut sysctls = BTreeMap::new();
    if dice.one_in(5) {
        let (name, values) = dice.pick(&SYSCTLS);
        sysctls.insert(name.to_string(), dice.pick(values).to_string());
    }
    if topology == Topology::Crafted && dice.one_in(5) {
        match dice.below(4) {
            0 => peer.wscale = None,
            1 => peer.wnd = dice.pick(&[0, 1, 10, 100]),
            2 => peer.mss = Some(dice.pick(&[100, 536, 1000])),
            _ => peer.mss = None,
        }
    }
    Case {
        id: String::new(),
        variant: String::new(),
        choices: Vec::new(),
        purpose: String::new(),
        claims: Vec::new(),
        requirements: vec!["RFC 9293 3.10".to_string()],
        topology,
        connections: 1,
        ip,
        open,
        peer,
        sysctls,
        optional_sysctls: BTreeMap::new(),
        machine_sysctls: BTreeMap::new(),
        mtu,
        steps: Vec::new(),
    }
}

/// What is done next.
#[derive(Clone, Copy)]
enum Next {
    Segment,
    Call,
    Wait,
    Middle,
    Again,
}

fn beside_the_peer(case: &Case, dice: &mut Dice, count: u32) -> Vec<StepKind> {
    let mut segments = Segments::new(case);
    let mut calls = Calls::default();
    let mut steps = Vec::new();
    if dice.one_in(BY_HAND) {
        open_by_hand(case, dice, &mut segments, &mut calls, &mut steps);
    } else {
        establish(&mut steps);
    }
    let again = u32::from(case.open == Open::Passive);
    if case.open == Open::Passive {
        calls.listens();
    }
    for _ in 0..count {
        let next = dice.weighted(&[(20, Next::Segment), (12, Next::Call), (8, Next::Wait), (again, Next::Again)]);
        match next {
            Next::Again => open_again(dice, &mut segments, &mut calls, &mut steps),
            Next::Call => {
                let call = calls.next(dice, Endpoint::A, &mut segments);
                steps.push(call.unwrap_or_else(|| inject(&mut segments, dice)));
            }
            Next::Wait | Next::Middle => steps.push(wait(dice)),
            Next::Segment => steps.push(inject(&mut segments, dice)),
        }
    }
    steps.push(wait(dice));
    steps
}

fn between_kernels(case: &Case, dice: &mut Dice, count: u32) -> Vec<StepKind> {
    let mut budget = Segments::new(case);
    let mut calls = [Calls::default(), Calls::default()];
    calls[usize::from(case.open == Open::Active)].listens();
    let mut steps = Vec::new();
    if dice.one_in(3) {
        // More than that and the opening takes longer than `establish` waits.
        let rule = middle::rule(dice);
        steps.push(StepKind::Relay(RelayRule { times: rule.times.map(|times| times.min(2)), ..rule }));
    }
    establish(&mut steps);
    for _ in 0..count {
        let next = dice.weighted(&[(9, Next::Call), (4, Next::Wait), (4, Next::Middle)]);
        let which = dice.below(2) as usize;
        let on = [Endpoint::A, Endpoint::B][which];
        steps.push(match next {
            Next::Call => calls[which].next(dice, on, &mut budget).unwrap_or_else(|| wait(dice)),
            Next::Wait | Next::Segment | Next::Again => wait(dice),
            Next::Middle => StepKind::Relay(middle::rule(dice)),
        });
    }
    steps.push(wait(dice));
    steps
}

fn establish(steps: &mut Vec<StepKind>) {
    steps.push(StepKind::Establish { connection: 1 });
    steps.push(StepKind::Await { of: Endpoint::A, state: State::Established, within: WITHIN_DEFAULT });
}

/// The first segments, with others than the right ones among them.
fn open_by_hand(case: &Case, dice: &mut Dice, segments: &mut Segments, calls: &mut Calls, steps: &mut Vec<StepKind>) {
    let expect = |text: &str| StepKind::Expect {
        from: Endpoint::A,
        pattern: parse_pattern(text).expect("a pattern"),
        within: WITHIN_DEFAULT,
    };
    let (call, opened) = match case.open {
        Open::Active => ("connect()", "S"),
        Open::Passive => ("listen(2)", "S."),
    };
    steps.push(StepKind::Call { on: Endpoint::A, op: parse_operation(call).expect("a call"), background: false });
    match case.open {
        Open::Active => steps.push(expect(opened)),
        Open::Passive => {
            let syn = segments.syn(dice);
            steps.extend([syn, expect(opened)]);
            calls.accepts();
        }
    }
    for _ in 0..dice.below(3) {
        steps.push(segments.opening(dice, case.open));
    }
    if !dice.one_in(4) {
        steps.push(match case.open {
            Open::Active => segments.syn_ack(dice),
            Open::Passive => segments.well_formed("."),
        });
    }
}

/// Another connection on the same four-tuple, if the listener takes it.
fn open_again(dice: &mut Dice, segments: &mut Segments, calls: &mut Calls, steps: &mut Vec<StepKind>) {
    if dice.one_in(2) {
        steps.push(segments.well_formed("R rcv.nxt(0)"));
    }
    steps.extend([segments.syn_again(dice), StepKind::Wait(SETTLES), segments.well_formed(".")]);
    if dice.one_in(2) {
        steps.push(calls.accept_another(Endpoint::A));
    }
}

fn inject(segments: &mut Segments, dice: &mut Dice) -> StepKind {
    segments.next(dice)
}

fn wait(dice: &mut Dice) -> StepKind {
    StepKind::Wait(Duration::from_millis(dice.weighted(&WAITS)))
}

/// A step that injects what this text says.
pub(super) fn injection(text: &str, damage: Vec<Damage>) -> StepKind {
    let segment = parse_segment(text).unwrap_or_else(|error| panic!("`{text}`: {error}"));
    StepKind::Inject { to: Endpoint::A, injection: Injection { segment, damage } }
}
