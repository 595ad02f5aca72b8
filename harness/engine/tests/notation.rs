//! The notations read what they print, and say where a text is wrong.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tcpconform_engine::case::{Operation, OperationCall};
use tcpconform_engine::notation::{
    Bases, ClockBase, ClockText, Expression, Numbers, OptionText, Pattern, SegmentText, Term, Variable,
    display_segment, parse_operation, parse_pattern, parse_poll, parse_segment,
};
use tcpconform_model::{Call, Flags, Options, Poll, Queue, Segment, Seq, ShutdownHow, SocketOption, Timestamps};

fn expression() -> impl Strategy<Value = Expression> {
    let term = prop_oneof![
        any::<u32>().prop_map(Term::Number),
        proptest::sample::select(Variable::ALL.to_vec()).prop_map(Term::Variable)
    ];
    (term.clone(), vec((any::<bool>(), term), 0..3))
        .prop_map(|(first, rest)| Expression { terms: [(false, first)].into_iter().chain(rest).collect() })
}

fn clock() -> impl Strategy<Value = ClockText> {
    prop_oneof![
        any::<u32>().prop_map(|n| ClockText { base: ClockBase::Zero, plus: i64::from(n) }),
        any::<i32>().prop_map(|n| ClockText { base: ClockBase::Now, plus: i64::from(n) }),
        any::<i32>().prop_map(|n| ClockText { base: ClockBase::Last, plus: i64::from(n) }),
    ]
}

fn option_text() -> impl Strategy<Value = OptionText> {
    prop_oneof![
        Just(OptionText::Nop),
        Just(OptionText::Eol),
        any::<u16>().prop_map(OptionText::Mss),
        any::<u8>().prop_map(OptionText::WindowScale),
        Just(OptionText::SackPermitted),
        vec((expression(), expression()), 1..2).prop_map(OptionText::Sack),
        (clock(), clock()).prop_map(|(val, ecr)| OptionText::Timestamps { val, ecr }),
        vec(any::<u8>(), 1..9).prop_map(OptionText::Raw),
    ]
}

fn segment_text() -> impl Strategy<Value = SegmentText> {
    (
        any::<u8>().prop_map(Flags),
        option::of(expression()),
        0..65_000u32,
        option::of(expression()),
        option::of(any::<u16>()),
        option::of(any::<u16>()),
        option::of(vec(option_text(), 0..3)),
    )
        .prop_map(|(flags, seq, data_len, ack, wnd, urg, options)| SegmentText {
            flags,
            seq,
            data_len,
            ack,
            wnd,
            urg,
            options,
        })
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let flags = option::of(any::<u8>().prop_map(Flags));
    (flags, option::of(expression()), option::of(0..65_000u32), option::of(expression()), option::of(any::<u16>()))
        .prop_map(|(flags, seq, data_len, ack, wnd)| Pattern { flags, seq, data_len, ack, wnd })
}

fn socket_option() -> impl Strategy<Value = SocketOption> {
    prop_oneof![
        option::of(any::<u16>()).prop_map(SocketOption::Linger),
        (-1000..1000i32).prop_map(SocketOption::Linger2),
        any::<bool>().prop_map(SocketOption::NoDelay),
        any::<bool>().prop_map(SocketOption::Cork),
        any::<bool>().prop_map(SocketOption::QuickAck),
        (-5..100_000i32).prop_map(SocketOption::UserTimeout),
        (0..100_000u32).prop_map(SocketOption::KeepIdle),
        (0..100_000u32).prop_map(SocketOption::ReceiveBuffer),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let named = |call| Operation { descriptor: Some("spare".into()), makes: None, call };
    let call = prop_oneof![
        Just(Call::Connect),
        Just(Call::Accept),
        Just(Call::Close),
        Just(Call::Poll),
        Just(Call::Queue(Queue::Receive)),
        Just(Call::Queue(Queue::Send)),
        (0..65_535u32).prop_map(|backlog| Call::Listen { backlog }),
        (0..1_000_000u32, any::<bool>()).prop_map(|(len, more)| Call::Send { len, more }),
        (0..1_000_000u32, any::<bool>()).prop_map(|(len, peek)| Call::Receive { len, peek }),
        proptest::sample::select(vec![ShutdownHow::Read, ShutdownHow::Write, ShutdownHow::Both])
            .prop_map(Call::Shutdown),
        socket_option().prop_map(Call::SetOption),
        Just(Call::GetOption(SocketOption::Error)),
        Just(Call::GetOption(SocketOption::Linger(None))),
    ];
    prop_oneof![
        (call, any::<bool>()).prop_map(move |(call, spare)| Operation {
            descriptor: spare.then(|| "spare".to_string()),
            makes: None,
            call: OperationCall::Socket(call),
        }),
        Just(named(OperationCall::Exit)),
        Just(named(OperationCall::Kill)),
        Just(named(OperationCall::TcpInfo)),
        Just(Operation { descriptor: None, makes: Some("child".into()), call: OperationCall::Handover }),
        Just(Operation {
            descriptor: Some("spare".into()),
            makes: Some("other_2".into()),
            call: OperationCall::Socket(Call::Dup)
        }),
    ]
}

proptest! {
    #[test]
    fn segments_are_read_back(segment in segment_text()) {
        prop_assert_eq!(parse_segment(&segment.to_string()), Ok(segment));
    }

    #[test]
    fn patterns_are_read_back(pattern in pattern()) {
        prop_assert_eq!(parse_pattern(&pattern.to_string()), Ok(pattern));
    }

    #[test]
    fn operations_are_read_back(operation in operation()) {
        prop_assert_eq!(parse_operation(&operation.to_string()), Ok(operation));
    }

    #[test]
    fn any_text_is_read_or_refused_inside_itself(text in "[ -~é\t]{0,40}|[FSRP.* 0-9:()+-]{0,20}|[a-z_.=(), 0-9]{0,20}") {
        let errors = [parse_segment(&text).err(), parse_pattern(&text).err(), parse_operation(&text).err(), parse_poll(&text).err()];
        for error in errors.into_iter().flatten() {
            prop_assert!(text.get(error.offset..error.offset + error.len).is_some(), "{:?}", error);
        }
    }
}

#[test]
fn what_is_wrong_and_where() {
    let refused = |text: &str| {
        let e = parse_segment(text).expect_err(text);
        (e.offset, text[e.offset..][..e.len].to_string(), e.message, e.expected)
    };
    let say = |offset, found: &str, message: &str, expected: &str| {
        (offset, found.to_string(), message.to_string(), expected.to_string())
    };
    assert_eq!(
        refused("F. 1:5(0)"),
        say(
            5,
            "5",
            "contradiction: END is `5`, but SEQ `1` and 0 bytes end elsewhere",
            "`1` (SYN and FIN do not count)"
        )
    );
    assert_eq!(
        refused("R rcv.next(0)"),
        say(
            2,
            "rcv.next",
            "unknown variable `rcv.next`",
            "snd.una, snd.nxt, rcv.nxt or rcv.wnd; did you mean `rcv.nxt`?"
        )
    );
    assert_eq!(
        refused("F. rcv.nxt"),
        say(10, "", "the text ends here", "the length in parentheses, as in `1:1(0)` or `rcv.nxt(0)`")
    );
    assert_eq!(
        refused(". ack 2 win 70000"),
        say(12, "70000", "`70000` is out of range", "the window, a number from 0 to 65535")
    );
    assert_eq!(refused("FX 1:1(0)"), say(1, "X", "`X` is not a flag", "flags: letters of `FSRPUEW.`, or `-` for none"));
}

#[test]
fn segments_with_variables_and_options() {
    let text = "F. rcv.nxt + rcv.wnd - 1 : rcv.nxt+rcv.wnd+9 (10) ack 2 win 502 <nop, nop, TS val last - 1 ecr last>";
    let segment = parse_segment(text).expect("a segment");
    assert_eq!(segment.to_string(), "F. rcv.nxt+rcv.wnd-1(10) ack 2 win 502 <nop,nop,TS val last-1 ecr last>");
    let numbers = Numbers {
        iss: Seq(1000),
        irs: Seq(u32::MAX),
        snd_una: Seq(1001),
        snd_nxt: Seq(1002),
        rcv_nxt: Seq(0),
        rcv_wnd: 500,
    };
    let bases = numbers.arriving();
    assert_eq!(segment.seq.expect("a sequence number").resolve(&numbers, bases.seq), Seq(499));
    assert_eq!(segment.ack.expect("an acknowledgment").resolve(&numbers, bases.ack), Seq(1002));
}

#[test]
fn patterns_ignore_push_unless_it_is_named() {
    let numbers = Numbers { iss: Seq(10), irs: Seq(20), ..Numbers::default() };
    let segment = Segment {
        seq: Seq(11),
        ack: Seq(22),
        flags: Flags::ACK | Flags::PSH,
        wnd: 9,
        data_len: 100,
        ..Segment::default()
    };
    let matches = |text: &str| parse_pattern(text).expect("a pattern").matches(&segment, &numbers, numbers.emitted());
    for text in [".", "P.", "*", ". 1:101(100) ack 2 win 9", "* (100)", "* 1", "* ack 2"] {
        assert!(matches(text), "{text}");
    }
    for text in ["F.", "-", ". 2", ". (99)", "* ack 3", "* win 8"] {
        assert!(!matches(text), "{text}");
    }
}

#[test]
fn real_segments_are_shown_relative() {
    let segment = Segment {
        seq: Seq(0),
        ack: Seq(7),
        flags: Flags::FIN | Flags::ACK,
        wnd: 502,
        options: Options { timestamps: Some(Timestamps { val: 5, ecr: 9 }), ..Options::default() },
        ..Segment::default()
    };
    let bases = Bases { seq: Seq(u32::MAX), ack: Seq(5) };
    assert_eq!(display_segment(&segment, bases, true), "F. 1:1(0) ack 2 win 502 <TS val 5 ecr 9>");
    assert_eq!(display_segment(&segment, bases, false), "F. 1:1(0) ack 2 win 502");
}

#[test]
fn poll_events_and_unknown_bits() {
    assert_eq!(parse_poll("IN RDHUP"), Ok(Poll(0x2001)));
    assert_eq!(parse_poll("0x20 HUP"), Ok(Poll(0x30)));
    assert_eq!(parse_poll(""), Ok(Poll(0)));
    assert_eq!(parse_poll("RDHUB").map_err(|e| e.message), Err("unknown poll event `RDHUB`".into()));
}
