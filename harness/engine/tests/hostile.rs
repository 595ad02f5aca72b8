//! Hostile input to everything that reads files or frames here: bytes changed, cut out, doubled or made up in what is right.
//!
//! A slice of what `harness/fuzz` does for as long as one likes, from the same seeds.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tcpconform_engine::judge::{explanations, judge};
use tcpconform_engine::load;
use tcpconform_engine::notation::{parse_operation, parse_pattern, parse_segment};
use tcpconform_engine::trace_file;
use tcpconform_engine::wire;

/// Plays of each reader; the seeds decide what is played, and are the same every time.
const PLAYS: u32 = 1500;

/// A change to a text.
#[derive(Clone, Debug)]
enum Change {
    Set(u8),
    Cut(usize),
    Double(usize),
    Insert(Vec<u8>),
}

fn change() -> impl Strategy<Value = (u16, Change)> {
    let change = prop_oneof![
        any::<u8>().prop_map(Change::Set),
        (1..40usize).prop_map(Change::Cut),
        (1..200usize).prop_map(Change::Double),
        prop::collection::vec(any::<u8>(), 1..8).prop_map(Change::Insert),
        prop::sample::select(vec!["99999999999", "-1", "${x}", "\u{0}", "{", "[", "\n- ", "1e999", "null"])
            .prop_map(|text| Change::Insert(text.into())),
    ];
    (any::<u16>(), change)
}

fn changed(seed: &[u8], changes: &[(u16, Change)]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (place, change) in changes {
        let at = usize::from(*place) % (bytes.len() + 1);
        let end = |len: usize| (at + len).min(bytes.len());
        match change {
            Change::Set(byte) => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = *byte),
            Change::Cut(len) => drop(bytes.drain(at..end(*len))),
            Change::Double(len) => {
                let piece = bytes[at..end(*len)].to_vec();
                bytes.splice(at..at, piece);
            }
            Change::Insert(piece) => drop(bytes.splice(at..at, piece.iter().copied())),
        }
    }
    bytes
}

/// Gives the reader the seeds of a fuzz target, each changed in many ways.
fn hostile(target: &str, read: impl Fn(&[u8]) -> Result<(), TestCaseError>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs::read(path).unwrap()).collect();
    let input = (prop::sample::select(seeds), prop::collection::vec(change(), 0..6));
    let config = Config { cases: PLAYS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner.run(&input, |(seed, changes)| read(&changed(&seed, &changes))).unwrap();
}

#[test]
fn any_case_file_is_cases_or_a_complaint() {
    hostile("case", |bytes| {
        if let Err(wrong) = load::load_text("hostile", "hostile.yaml", bytes) {
            prop_assert!(!wrong.render(false).is_empty());
        }
        let _ = load::ledger("claims.yaml", bytes);
        Ok(())
    });
}

#[test]
fn what_is_read_of_the_notation_is_written_back_as_it_was() {
    hostile("notation", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(segment) = parse_segment(&text) {
            prop_assert_eq!(parse_segment(&segment.to_string()).ok(), Some(segment));
        }
        if let Ok(pattern) = parse_pattern(&text) {
            prop_assert_eq!(parse_pattern(&pattern.to_string()).ok(), Some(pattern));
        }
        if let Ok(operation) = parse_operation(&text) {
            prop_assert_eq!(parse_operation(&operation.to_string()).ok(), Some(operation));
        }
        Ok(())
    });
}

#[test]
fn any_packet_is_a_segment_or_none() {
    hostile("packet", |packet| {
        if let Ok(parsed) = wire::parse(packet) {
            prop_assert!(parsed.data_at + parsed.segment.data_len as usize <= packet.len());
        }
        let _ = wire::parse_icmp(packet);
        let _ = wire::forward(packet.to_vec(), [127, 0, 0, 1].into());
        Ok(())
    });
}

#[test]
fn any_trace_is_refused_or_judged() {
    hostile("trace", |bytes| {
        let Ok(trace) = trace_file::read(bytes) else { return Ok(()) };
        let judgement = judge(&trace);
        let _ = explanations(&trace);
        let mut again = Vec::new();
        trace_file::write(&trace, &mut again).unwrap();
        prop_assert_eq!(judge(&trace_file::read(&again[..]).unwrap()), judgement);
        Ok(())
    });
}
