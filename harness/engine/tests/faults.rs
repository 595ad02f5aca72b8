//! The judge finds faults: each stack with one mistake in it fails a case, by a rule that is about the mistake.
//!
//! Each fault names the case that shows it; `--ignored` plays the whole catalogue on each and prints how many cases find it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tcpconform_engine::case::Case;
use tcpconform_engine::fault::{Fault, faults};
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::load::catalogue;
use tcpconform_engine::model_target::play_on_faulty_model;

fn cases() -> Vec<Case> {
    catalogue(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases")).expect("the catalogue loads")
}

/// What the judge says of the case on the faulty stack; `None` where the stack does not get to the end of it.
fn judged(case: &Case, fault: &'static Fault) -> Option<Judgement> {
    play_on_faulty_model(case, Some(fault)).ok().map(|trace| judge(&trace))
}

/// Whether a rule that the fault is about failed.
fn by_its_rule(judgement: &Judgement, fault: &Fault) -> bool {
    judgement.findings.iter().any(|finding| fault.rules.iter().any(|rule| rule.id == finding.rule))
}

/// Found, but only by what it leads to: poll tells an error before anything tells that the retransmissions have ended.
const BY_ANOTHER_RULE: [&str; 1] = ["given-up-early"];

#[test]
fn each_fault_fails_its_case_by_its_rule() {
    let cases = cases();
    let (mut escaped, mut by_another_rule) = (Vec::new(), Vec::new());
    for fault in faults() {
        let variants: Vec<&Case> = cases.iter().filter(|case| case.id == fault.case).collect();
        let judgements = variants.iter().filter_map(|case| judged(case, fault));
        let failed: Vec<Judgement> = judgements.filter(|judgement| judgement.verdict == Verdict::Fail).collect();
        if failed.is_empty() {
            escaped.push(format!("{}: {} variants of `{}`", fault.name, variants.len(), fault.case));
        } else if !failed.iter().any(|judgement| by_its_rule(judgement, fault)) {
            by_another_rule.push(fault.name);
        }
    }
    assert!(escaped.is_empty(), "not found:\n{}", escaped.join("\n"));
    assert_eq!(by_another_rule, BY_ANOTHER_RULE);
}

/// What the catalogue says of a fault.
#[derive(Default)]
struct Row {
    fail: usize,
    by_rule: usize,
    error: usize,
    inconclusive: usize,
    /// Files with a failing case, those by its rule first.
    files: BTreeSet<(bool, String)>,
    rules: BTreeMap<String, usize>,
}

fn row(cases: &[Case], fault: &'static Fault) -> Row {
    let mut row = Row::default();
    for case in cases {
        let Some(judgement) = judged(case, fault) else {
            row.error += 1;
            continue;
        };
        match judgement.verdict {
            Verdict::Fail => {
                let by_rule = by_its_rule(&judgement, fault);
                row.fail += 1;
                row.by_rule += usize::from(by_rule);
                row.files.insert((!by_rule, judgement.id.clone()));
                for finding in judgement.findings {
                    *row.rules.entry(finding.rule).or_default() += 1;
                }
            }
            Verdict::Inconclusive => row.inconclusive += 1,
            Verdict::Error => row.error += 1,
            Verdict::Pass | Verdict::Skip => {}
        }
    }
    row
}

/// Every fault is found, and nine of ten by a rule that is about it.
#[test]
#[ignore = "plays the whole catalogue on each fault"]
fn the_whole_catalogue_finds_every_fault() {
    let cases = cases();
    let rows: Mutex<BTreeMap<usize, Row>> = Mutex::default();
    let (faults, next): (Vec<&Fault>, _) = (faults().collect(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while let Some((i, fault)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, faults.get(i)?)))
                {
                    let row = row(&cases, fault);
                    rows.lock().expect("no thread panics").insert(i, row);
                }
            });
        }
    });
    let rows = rows.into_inner().expect("no thread panics");
    println!("{} cases on each of {} faults", cases.len(), faults.len());
    println!("{:36} {:>6} {:>8} {:>6} {:>6}  first file; rules", "fault", "fail", "by rule", "error", "incon");
    for (i, row) in &rows {
        let mut rules: Vec<(&String, &usize)> = row.rules.iter().collect();
        rules.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let rules: Vec<String> = rules.iter().take(4).map(|(rule, count)| format!("{rule} {count}")).collect();
        println!(
            "{:36} {:6} {:8} {:6} {:6}  {}; {}",
            faults[*i].name,
            row.fail,
            row.by_rule,
            row.error,
            row.inconclusive,
            row.files.first().map_or("", |(_, file)| file),
            rules.join(", ")
        );
    }
    let found = rows.values().filter(|row| row.fail > 0).count();
    let by_rule = rows.values().filter(|row| row.by_rule > 0).count();
    let of = |n: usize| 100.0 * n as f64 / faults.len() as f64;
    println!(
        "mutation score {found} of {} ({:.1} %), by the intended rule {by_rule} ({:.1} %)",
        faults.len(),
        of(found),
        of(by_rule)
    );
    assert_eq!(found, faults.len());
    assert!(by_rule * 10 >= faults.len() * 9);
}
