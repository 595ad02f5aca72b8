//! Verdicts over outcomes made by hand.

use super::*;
use crate::judgement::{Basis, Verdict};
use crate::ledger::Group;

fn ledger() -> Ledger {
    let claim = |id: &str, untested: Option<&str>| Claim {
        id: id.into(),
        says: format!("{id} says so."),
        from: vec!["000 1.1".into()],
        watch: None,
        untested: untested.map(str::to_owned),
        place: String::new(),
        plays: Vec::new(),
    };
    let group = |name: &str, claims| Group { name: name.into(), claims };
    Ledger {
        groups: vec![
            group("waves", vec![claim("W01", None)]),
            group("time_wait", vec![claim("T04", Some("nobody has a network that old"))]),
        ],
    }
}

/// What `id@variant`, its axes in words, says of W01.
fn case(id: &str, axes: &str, variant: &str, given: Option<&str>, holds: Option<bool>) -> Judgement {
    let text = if holds.is_some() { "seen" } else { "our injection was late" };
    let outcome = Outcome {
        claim: "W01".into(),
        given: given.map(str::to_owned),
        holds,
        record: holds.map(|_| 3),
        at_seconds: holds.map(|_| 0.5),
        text: text.into(),
        basis: Basis::Observed,
    };
    Judgement {
        id: id.into(),
        variant: variant.into(),
        verdict: Verdict::Fail,
        reason: None,
        axes: axes.split_whitespace().map(str::to_owned).collect(),
        claims: vec!["W01".into()],
        predictions: vec![outcome],
        requirements: Vec::new(),
        rules_fired: Vec::new(),
        departures: Vec::new(),
        alternatives: Default::default(),
        behaviour: Vec::new(),
        findings: Vec::new(),
        target_seconds: 0.0,
        retried: None,
    }
}

fn w01(judgements: &[Judgement]) -> ClaimVerdict {
    verdicts(&ledger(), judgements).remove(0)
}

/// The condition of W01 when these variants of one file say so.
fn condition_of(axes: &str, variants: &[(&str, Option<&str>, bool)]) -> String {
    let judgements: Vec<Judgement> =
        variants.iter().map(|(variant, given, holds)| case("close/a", axes, variant, *given, Some(*holds))).collect();
    w01(&judgements).condition.expect("some hold and some do not")
}

#[test]
fn all_none_or_some() {
    let said = |holds: &[Option<bool>]| {
        let judgements: Vec<Judgement> = holds
            .iter()
            .enumerate()
            .map(|(i, holds)| case(&format!("close/{i}"), "ip", "ipv4", None, *holds))
            .collect();
        w01(&judgements)
    };
    assert_eq!(said(&[Some(true), Some(true)]).verdict, ClaimState::Confirmed);
    assert_eq!(said(&[Some(false), Some(false)]).verdict, ClaimState::Refuted);
    let conditional = said(&[Some(false), Some(true), None]);
    assert_eq!(conditional.verdict, ClaimState::Conditional);
    assert_eq!(conditional.condition.as_deref(), Some("holds in close/1; not in close/0"));
    assert_eq!(conditional.cases, ["close/0@ipv4", "close/1@ipv4"]);
    assert_eq!((conditional.group.as_str(), conditional.says.as_str()), ("waves", "W01 says so."));
    // What did not come up does not count.
    let confirmed = said(&[Some(true), None]);
    assert_eq!((confirmed.verdict, confirmed.condition, confirmed.reason), (ClaimState::Confirmed, None, None));
    assert_eq!(confirmed.caveat.as_deref(), Some("1 play undecided: close/1@ipv4 (our injection was late)"));
    assert_eq!(said(&[Some(true)]).caveat, None);
}

#[test]
fn what_was_not_played_may_turn_a_claim() {
    let said = |holds: &[bool]| {
        let judgements: Vec<Judgement> =
            (0..).zip(holds).map(|(i, holds)| case(&format!("close/{i}"), "ip", "ipv4", None, Some(*holds))).collect();
        let mut ledger = ledger();
        ledger.groups[0].claims[0].plays = (0..3).map(|i| format!("close/{i}@ipv4")).collect();
        let ClaimVerdict { verdict, reason, caveat, unplayed, .. } = verdicts(&ledger, &judgements).remove(0);
        (verdict, reason.unwrap_or_default(), caveat.unwrap_or_default(), unplayed)
    };
    let all = |verdict| (verdict, String::new(), String::new(), 0);
    assert_eq!(said(&[true, true, true]), all(ClaimState::Confirmed));
    assert_eq!(said(&[false, false, false]), all(ClaimState::Refuted));
    let one = "1 play of it not in this run".to_string();
    let does_not = "does not hold in the 2 plays that could tell".to_string();
    assert_eq!(said(&[false, false]), (ClaimState::Untested, does_not, one.clone(), 1));
    let (verdict, _, caveat, _) = said(&[false, true]);
    assert_eq!((verdict, caveat), (ClaimState::Conditional, one));
    let none = "no case of it was played in this run".to_string();
    assert_eq!(said(&[]), (ClaimState::Untested, none, String::new(), 3));
}

#[test]
fn what_was_there_and_not_seen_may_turn_a_claim() {
    let said = |decided: &[bool]| {
        let case = |i: usize, holds| case(&format!("close/{i}"), "ip", "ipv4", None, holds);
        let mut judgements: Vec<Judgement> =
            decided.iter().enumerate().map(|(i, holds)| case(i, Some(*holds))).collect();
        for i in 7..9 {
            let mut untold = case(i, None);
            untold.predictions[0].basis = Basis::Untold;
            judgements.push(untold);
        }
        let ClaimVerdict { verdict, condition, reason, caveat, .. } = w01(&judgements);
        (verdict, condition.or(reason).unwrap_or_default(), caveat)
    };
    let hint = "2 plays undecided: the tracepoint of state changes was not readable; run as root";
    let caveat = || Some(hint.to_string());
    assert_eq!(said(&[]), (ClaimState::Untested, hint.to_string(), None));
    assert_eq!(said(&[true]), (ClaimState::Untested, "holds in the 1 play that could tell".to_string(), caveat()));
    let does_not = "does not hold in the 2 plays that could tell".to_string();
    assert_eq!(said(&[false, false]), (ClaimState::Untested, does_not, caveat()));
    let condition = "holds in close/0; not in close/1".to_string();
    assert_eq!(said(&[true, false]), (ClaimState::Conditional, condition, caveat()));
}

#[test]
fn what_is_untested_says_why() {
    let reason = |judgements: &[Judgement], claim: usize| {
        let verdict = verdicts(&ledger(), judgements).remove(claim);
        assert_eq!((verdict.verdict, verdict.condition), (ClaimState::Untested, None));
        assert_eq!(verdict.cases, Vec::<String>::new());
        verdict.reason.expect("a reason")
    };
    assert_eq!(reason(&[], 0), "no case of it was played in this run");
    assert_eq!(reason(&[], 1), "nobody has a network that old");
    let undecided = |count: usize| -> Vec<Judgement> {
        (0..count).map(|i| case(&format!("close/{i}"), "ip", "ipv4", None, None)).collect()
    };
    assert_eq!(reason(&undecided(1), 0), "1 play undecided: close/0@ipv4 (our injection was late)");
    let many = reason(&undecided(5), 0);
    assert!(many.starts_with("5 plays undecided: close/0@ipv4"), "{many}");
    assert!(many.ends_with("close/2@ipv4 (our injection was late); and 2 more"), "{many}");
}

#[test]
fn one_axis_decides() {
    let said = condition_of(
        "timestamps ip",
        &[("ts,ipv4", None, false), ("ts,ipv6", None, false), ("no-ts,ipv4", None, true), ("no-ts,ipv6", None, true)],
    );
    assert_eq!(said, "holds where timestamps are not in use; not where timestamps are in use");
}

#[test]
fn an_axis_of_the_case_speaks_by_itself_or_through_given() {
    let of = |given: [Option<&str>; 3]| {
        condition_of(
            "fin-timeout ip",
            &[("short,ipv4", given[0], true), ("default,ipv4", given[1], false), ("long,ipv4", given[2], false)],
        )
    };
    assert_eq!(
        of([None; 3]),
        "holds where fin-timeout is short; not where fin-timeout is default, or where fin-timeout is long"
    );
    let spoken = ["tcp_fin_timeout is 5", "tcp_fin_timeout is 60", "tcp_fin_timeout is 90"].map(Some);
    assert_eq!(
        of(spoken),
        "holds where tcp_fin_timeout is 5; not where tcp_fin_timeout is 60, or where tcp_fin_timeout is 90"
    );
    // Words that do not change do not tell the values apart, but they hold.
    assert_eq!(
        of([Some("the peer is silent"); 3]),
        "holds where the peer is silent and fin-timeout is short; not where the peer is silent and fin-timeout is default, or where the peer is silent and fin-timeout is long"
    );
}

#[test]
fn two_axes_decide_together() {
    let said = condition_of(
        "reuse timestamps ip",
        &[
            ("on,ts,ipv4", Some("tcp_tw_reuse is 1"), true),
            ("on,ts,ipv6", Some("tcp_tw_reuse is 1"), true),
            ("on,no-ts,ipv4", Some("tcp_tw_reuse is 1"), false),
            ("off,ts,ipv4", Some("tcp_tw_reuse is 0"), false),
            ("off,no-ts,ipv4", Some("tcp_tw_reuse is 0"), false),
        ],
    );
    assert_eq!(
        said,
        "holds where tcp_tw_reuse is 1 and timestamps are in use; not where tcp_tw_reuse is 0, or where timestamps are not in use"
    );
}

#[test]
fn each_phrase_of_given_speaks_of_its_axis() {
    let given: Vec<String> = ["close()", "shutdown(WR)"]
        .iter()
        .flat_map(|how| [0, 1, 2].map(|n| format!("the path is dead, the call is {how} and tcp_orphan_retries is {n}")))
        .collect();
    let variant = |i: usize| ["closed,0", "closed,1", "closed,2", "half-closed,0", "half-closed,1", "half-closed,2"][i];
    let said = |holds: fn(usize) -> bool| {
        let variants: Vec<_> = (0..6).map(|i| (variant(i), Some(given[i].as_str()), holds(i))).collect();
        condition_of("how retries", &variants)
    };
    assert_eq!(
        said(|i| i < 3),
        "holds where the path is dead and the call is close(); not where the path is dead and the call is shutdown(WR)"
    );
    assert_eq!(
        said(|i| i % 3 > 0),
        "holds where the path is dead and tcp_orphan_retries is 1, or where the path is dead and tcp_orphan_retries is 2; \
         not where the path is dead and tcp_orphan_retries is 0"
    );
    // A phrase that speaks of both axes at once is no word for one of them.
    let joint: Vec<_> = (0..6).map(|i| (variant(i), Some(["x", "y", "z", "u", "v", "w"][i]), i < 3)).collect();
    assert_eq!(condition_of("how retries", &joint), "holds where how is closed; not where how is half-closed");
}

#[test]
fn several_files_speak_together_and_never_the_same_on_both_sides() {
    let file = |id: &str, given, holds| case(id, "ip", "ipv4", given, Some(holds));
    let said = |judgements: &[Judgement]| w01(judgements).condition.expect("some hold and some do not");
    let (open, shut) = (Some("the window is open"), Some("the window is shut"));
    assert_eq!(
        said(&[file("close/a", open, true), file("close/b", open, true), file("close/c", shut, false)]),
        "holds where the window is open; not where the window is shut"
    );
    assert_eq!(
        said(&[file("close/a", open, true), file("close/b", open, false), file("close/c", shut, false)]),
        "holds where the window is open (in close/a); not where the window is open (in close/b), or where the window is shut"
    );
    let many: Vec<Judgement> = (0..9).map(|i| file(&format!("close/{i}"), None, i > 0)).collect();
    assert!(said(&many).contains("in close/6, or in 2 more; not in close/0"), "{}", said(&many));
}

#[test]
fn what_no_axis_explains_is_named() {
    // A report of an older program does not name the axes.
    let said = condition_of("", &[("ts,ipv4", None, false), ("no-ts,ipv4", None, true)]);
    assert_eq!(said, "holds in close/a@no-ts,ipv4; not in close/a@ts,ipv4");
}
