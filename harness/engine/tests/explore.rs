//! Random walks: the same each time, ordinary cases on file too, at peace with the model, and at war with a broken one.

use std::path::Path;

use proptest::prelude::*;
use tcpconform_engine::case::Case;
use tcpconform_engine::explore::{STEPS_MAX, Walks, disagreement, reloaded, shrink, yaml};
use tcpconform_engine::fault::{Fault, fault};
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::load::catalogue;
use tcpconform_engine::model_target::play_on_faulty_model;

const WALKS: Walks = Walks { seed: 1, steps_max: STEPS_MAX };

/// What the walk disagrees about on the model.
fn disagrees(case: &Case, fault: Option<&'static Fault>) -> Option<String> {
    let trace = play_on_faulty_model(case, fault).expect("the model plays every walk");
    disagreement(&judge(&trace))
}

/// A case without what its file says of other variants, of claims and of places.
fn of_itself(case: &Case) -> Case {
    let mut case = case.clone();
    (case.variant, case.choices, case.claims) = Default::default();
    for step in &mut case.steps {
        step.place = String::new();
    }
    if case.topology.has_two_kernels() {
        // There is no crafted peer.
        case.peer = tcpconform_engine::case::PeerOptions { mss: None, wscale: None, wnd: 0, ..case.peer };
    }
    case
}

#[test]
fn a_walk_is_the_same_each_time_and_others_differ() {
    assert_eq!(WALKS.walk(7), WALKS.walk(7));
    assert_ne!(WALKS.walk(7).steps, WALKS.walk(8).steps);
    assert_ne!(WALKS.walk(7).steps, Walks { seed: 2, ..WALKS }.walk(7).steps);
    insta::assert_snapshot!([1, 2, 3].map(|number| yaml(&WALKS.walk(number))).join("\n"));
}

proptest! {
    #[test]
    fn a_walk_on_file_is_the_same_walk(seed: u64, number: u64, steps_max in 1u32..60) {
        let walk = Walks { seed, steps_max }.walk(number);
        prop_assert_eq!(&reloaded(&walk).expect("it loads"), &walk);
    }
}

#[test]
fn every_case_of_the_catalogue_is_the_same_on_a_file_of_its_own() {
    let cases = catalogue(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases")).expect("the catalogue loads");
    for case in cases {
        let again = reloaded(&case).unwrap_or_else(|error| panic!("{}\n{}\n{error}", case.name(), yaml(&case)));
        assert_eq!(of_itself(&again), of_itself(&case), "{}", case.name());
    }
}

#[test]
fn the_model_agrees_with_itself_on_every_walk() {
    for number in 1..=1_000 {
        let walk = WALKS.walk(number);
        assert_eq!(disagrees(&walk, None), None, "{}", yaml(&walk));
    }
}

/// Walks that are enough to find each of the faults below.
const ENOUGH: u64 = 2_000;
const STEPS_FEW: usize = 6;

#[test]
fn faults_are_found_and_shrunk_to_a_few_steps() {
    for name in ["rto-not-doubled", "close-wait-silent", "rst-in-window-accepted", "shared-descriptor-closes"] {
        let fault = Some(fault(name).expect("a fault"));
        let found =
            (1..=ENOUGH).map(|number| WALKS.walk(number)).find_map(|walk| Some((disagrees(&walk, fault)?, walk)));
        let (about, walk) = found.unwrap_or_else(|| panic!("{name} is not found"));
        let shrunk = shrink(&walk, |case| disagrees(case, fault).as_ref() == Some(&about));
        assert!(shrunk.case.steps.len() <= STEPS_FEW, "{name}: {}", yaml(&shrunk.case));
        assert_eq!(disagrees(&shrunk.case, None), None, "{name}: {}", yaml(&shrunk.case));
    }
}

#[test]
fn what_is_no_finding_is_no_disagreement() {
    let trace = play_on_faulty_model(&WALKS.walk(1), None).expect("the model plays every walk");
    let mut judgement = judge(&trace);
    for verdict in [Verdict::Pass, Verdict::Inconclusive, Verdict::Skip] {
        judgement.verdict = verdict;
        assert_eq!(disagreement(&judgement), None);
    }
    judgement.verdict = Verdict::Error;
    judgement.reason = Some("record 17: the model has no rule for this".to_string());
    assert_eq!(disagreement(&judgement).as_deref(), Some("record : the model has no rule for this"));
}
