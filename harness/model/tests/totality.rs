//! Every state, every set of flags, every position of SEQ and ACK has a rule, and no step breaks an invariant.

use proptest::prelude::*;
use tcpconform_model::{
    Call, Counter, Errno, Event, Flags, IcmpError, IcmpKind, Options, Profile, Queue, Segment, Seq, ShutdownHow, Span,
    State, Tcb, Timestamps, Voice, emitted, explain, pending, step,
};

const MS: u64 = 1_000_000;

/// A model connection played as a stack, against segments written by hand.
struct Stack {
    tcb: Tcb,
    now: u64,
    profile: Profile,
    iss: Seq,
    irs: Seq,
    timestamps: bool,
}

impl Stack {
    fn new(iss: u32, irs: u32, timestamps: bool) -> Stack {
        let profile = Profile::linux(250, |name| (name == "tcp_pingpong_thresh").then_some(1));
        Stack { tcb: Tcb::closed(), now: MS, profile, iss: Seq(iss), irs: Seq(irs), timestamps }
    }

    fn happen(&mut self, event: &Event) {
        self.now += MS;
        let mut all = step(&self.tcb, event, Span::at(self.now), &self.profile);
        assert!(!all.is_empty(), "no rule for {event:?} in {}", self.tcb.state);
        self.tcb = all.swap_remove(0).tcb;
        self.flush();
    }

    fn flush(&mut self) {
        for _ in 0..100 {
            self.tcb.owed.retain(|owed| owed.must);
            let voice = Voice { iss: self.iss, clock: (self.now / MS) as u32, window: 64_256, mss: 1460, shift: 7 };
            let Some(segment) = emitted(&self.tcb, &voice, &self.profile) else { return };
            let explained = explain(&self.tcb, &segment, self.now, &self.profile);
            self.tcb = explained.expect("what the model emits it explains").swap_remove(0).tcb;
        }
        panic!("the model emits without end");
    }

    fn call(&mut self, call: Call) {
        self.happen(&Event::Call(call));
    }

    fn segment(&self, flags: Flags, seq: u32, ack: u32, len: u32) -> Segment {
        let mut segment = Segment { seq: self.irs + seq, flags, wnd: 502, data_len: len, ..Segment::default() };
        if flags.has(Flags::ACK) {
            segment.ack = self.iss + ack;
        }
        if self.timestamps {
            let val = 5_000 + (self.now / MS) as u32;
            segment.options.timestamps = Some(Timestamps { val, ecr: 1 });
        }
        segment
    }

    fn arrives(&mut self, flags: Flags, seq: u32, ack: u32, len: u32) {
        let segment = self.segment(flags, seq, ack, len);
        self.happen(&Event::SegmentArrives(segment));
    }

    fn opened(iss: u32, irs: u32, timestamps: bool) -> Stack {
        let mut stack = Stack::new(iss, irs, timestamps);
        stack.call(Call::Listen { backlog: 1 });
        let mut syn = stack.segment(Flags::SYN, 0, 0, 0);
        syn.options = Options { mss: Some(1460), wscale: Some(7), sack_permitted: true, ..syn.options };
        stack.happen(&Event::SegmentArrives(syn));
        stack.arrives(Flags::ACK, 1, 1, 0);
        stack.call(Call::Accept);
        stack
    }

    /// A connection in `state`.
    fn in_state(state: State, iss: u32, irs: u32, timestamps: bool) -> Stack {
        const FIN: Flags = Flags(0x11);
        let mut stack = Stack::new(iss, irs, timestamps);
        match state {
            State::Closed => return stack,
            State::Listen => {
                stack.call(Call::Listen { backlog: 1 });
                return stack;
            }
            State::SynSent => {
                stack.call(Call::Connect);
                return stack;
            }
            State::SynReceived => {
                stack.call(Call::Listen { backlog: 1 });
                stack.arrives(Flags::SYN, 0, 0, 0);
                return stack;
            }
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {}
        }
        let mut stack = Stack::opened(iss, irs, timestamps);
        match state {
            State::FinWait1 => stack.call(Call::Close),
            State::FinWait2 => {
                stack.call(Call::Shutdown(ShutdownHow::Write));
                stack.arrives(Flags::ACK, 1, 2, 0);
            }
            State::CloseWait => stack.arrives(FIN, 1, 1, 0),
            State::Closing => {
                stack.call(Call::Close);
                stack.arrives(FIN, 1, 1, 0);
            }
            State::LastAck => {
                stack.arrives(FIN, 1, 1, 0);
                stack.call(Call::Close);
            }
            State::TimeWait => {
                stack.call(Call::Close);
                stack.arrives(FIN, 1, 2, 0);
            }
            State::Established | State::Closed | State::Listen | State::SynSent | State::SynReceived => {}
        }
        assert_eq!(stack.tcb.state, state);
        stack
    }
}

fn holds_together(tcb: &Tcb) {
    assert!(tcb.snd_una.at_most(tcb.snd_nxt), "{tcb:?}");
    assert!(tcb.snd_nxt.at_most(tcb.write_seq), "{tcb:?}");
    assert!(tcb.flight.iter().all(|sent| sent.end.after(tcb.snd_una) && sent.end.at_most(tcb.snd_nxt)), "{tcb:?}");
    assert!(tcb.out_of_order.iter().all(|(left, right, _)| left.before(*right)), "{tcb:?}");
    for (timeout, due) in pending(tcb) {
        assert!(due.lo <= due.hi, "{timeout:?} of {tcb:?}");
    }
    if tcb.state == State::TimeWait {
        assert!(tcb.time_wait.is_some() && tcb.retransmit.is_none(), "{tcb:?}");
    }
    let established = i32::from(matches!(tcb.state, State::Established | State::CloseWait));
    assert_eq!(tcb.counts.of(Counter::CurrEstab), (established, established), "{tcb:?}");
    if tcb.state == State::Closed {
        assert!(pending(tcb).next().is_none(), "{tcb:?}");
    }
}

#[test]
fn every_segment_in_every_state_has_a_rule() {
    for (iss, irs) in [(1_000, 2_000), (0xffff_fffe, 0xffff_ff00)] {
        for timestamps in [false, true] {
            for state in State::ALL {
                let stack = Stack::in_state(state, iss, irs, timestamps);
                for flags in 0..64 {
                    for seq in [0u32, 1, 2, 3, 100, 64_000, 70_000, 0x8000_0000, 0xffff_ffff] {
                        for ack in [0u32, 1, 2, 3, 0x8000_0000, 0xffff_ff00] {
                            for len in [0, 1, 1460] {
                                let segment = stack.segment(Flags(flags), seq, ack, len);
                                let event = Event::SegmentArrives(segment);
                                let all = step(&stack.tcb, &event, Span::at(stack.now + MS), &stack.profile);
                                assert!(!all.is_empty(), "{segment:?} in {state}");
                                for transition in &all {
                                    holds_together(&transition.tcb);
                                    let silent = transition.rules.is_empty() && segment.flags.has(Flags::RST);
                                    assert!(!silent, "no rule is named for {segment:?} in {state}");
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_icmp_error_in_every_state_has_a_rule() {
    let unknown = IcmpKind::Other { kind: 3, code: 200 };
    for state in State::ALL {
        let stack = Stack::in_state(state, 0xffff_fffe, 9, false);
        for ipv6 in [false, true] {
            for seq in [0, 1, 2, 3, 0x8000_0000, 0xffff_ffff] {
                for (kind, name) in IcmpKind::NAMES {
                    let error = IcmpError { kind, ipv6, seq: stack.iss + seq };
                    let all = step(&stack.tcb, &Event::IcmpArrives(error), Span::at(stack.now), &stack.profile);
                    assert!(!all.is_empty(), "{name} in {state}");
                    for transition in &all {
                        holds_together(&transition.tcb);
                        assert!(!transition.rules.is_empty(), "no rule is named for {name} in {state}");
                        assert!(transition.tcb.owed.len() <= stack.tcb.owed.len(), "{name} is answered in {state}");
                    }
                }
                let error = IcmpError { kind: unknown, ipv6, seq: stack.iss + seq };
                let none = step(&stack.tcb, &Event::IcmpArrives(error), Span::at(stack.now), &stack.profile);
                assert!(none.is_empty(), "an error that nothing is known of, in {state}");
            }
        }
    }
}

#[test]
fn a_soft_error_ends_an_open_and_no_connection() {
    for state in [State::SynSent, State::Established, State::FinWait1, State::CloseWait, State::LastAck] {
        let mut stack = Stack::in_state(state, 7, 9, false);
        let error = IcmpError { kind: IcmpKind::HostUnreachable, ipv6: false, seq: stack.tcb.snd_una };
        stack.happen(&Event::IcmpArrives(error));
        let opening = state == State::SynSent;
        assert_eq!(stack.tcb.state, if opening { State::Closed } else { state });
        let told = Some(Errno::HOSTUNREACH);
        assert_eq!(
            (stack.tcb.user.error, stack.tcb.user.soft_error),
            if opening { (told, None) } else { (None, told) }
        );
        if !opening {
            let (seq, ack) = (stack.tcb.rcv_nxt - stack.irs.0, stack.tcb.snd_nxt - stack.iss.0);
            stack.arrives(Flags::ACK, seq.0, ack.0, 0);
            assert_eq!(stack.tcb.user.soft_error, None, "something worked, in {state}");
        }
    }
}

#[test]
fn a_reset_is_never_answered_by_a_reset() {
    for state in State::ALL {
        let stack = Stack::in_state(state, 7, 9, false);
        for seq in 0..4 {
            for flags in [Flags::RST, Flags::RST | Flags::ACK] {
                let event = Event::SegmentArrives(stack.segment(flags, seq, 1, 0));
                for transition in step(&stack.tcb, &event, Span::at(stack.now), &stack.profile) {
                    let resets = |kind| matches!(kind, tcpconform_model::EmissionKind::Reset { .. });
                    assert!(!transition.tcb.owed.iter().any(|owed| resets(owed.kind)), "{event:?} in {state}");
                }
            }
        }
    }
}

/// One thing that may happen to a connection.
#[derive(Clone, Debug)]
enum Move {
    Call(Call),
    Arrives { flags: u8, seq: u32, ack: u32, len: u32 },
    Wait(u64),
}

fn a_move() -> impl Strategy<Value = Move> {
    let near = prop_oneof![0u32..6, 90u32..110, Just(70_000), any::<u32>()];
    prop_oneof![
        prop_oneof![
            Just(Call::Connect),
            Just(Call::Accept),
            Just(Call::Close),
            Just(Call::Dup),
            Just(Call::Poll),
            Just(Call::Queue(Queue::Receive)),
            Just(Call::Queue(Queue::Send)),
            Just(Call::Shutdown(ShutdownHow::Write)),
            Just(Call::Shutdown(ShutdownHow::Read)),
            Just(Call::Shutdown(ShutdownHow::Both)),
            (1u32..3_000).prop_map(|len| Call::Send { len, more: false }),
            (1u32..3_000).prop_map(|len| Call::Receive { len, peek: false }),
        ]
        .prop_map(Move::Call),
        (any::<u8>(), near.clone(), near, 0u32..200).prop_map(|(flags, seq, ack, len)| Move::Arrives {
            flags: flags & 0x3f,
            seq,
            ack,
            len
        }),
        (1u64..200_000).prop_map(Move::Wait),
    ]
}

proptest! {
    #[test]
    fn random_walks_keep_the_invariants(iss: u32, irs: u32, timestamps: bool, moves in prop::collection::vec(a_move(), 1..40)) {
        let mut stack = Stack::opened(iss, irs, timestamps);
        for what in moves {
            match what {
                Move::Call(call) => stack.call(call),
                Move::Arrives { flags, seq, ack, len } => stack.arrives(Flags(flags), seq, ack, len),
                Move::Wait(ms) => {
                    let until = stack.now + ms * MS;
                    while let Some((timeout, due)) =
                        pending(&stack.tcb).filter(|(_, due)| due.hi <= until).min_by_key(|(_, due)| due.hi)
                    {
                        stack.now = stack.now.max(due.hi) - MS;
                        stack.happen(&Event::Timeout(timeout));
                        holds_together(&stack.tcb);
                    }
                    stack.now = stack.now.max(until);
                }
            }
            holds_together(&stack.tcb);
        }
    }
}
