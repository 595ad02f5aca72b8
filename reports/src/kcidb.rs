//! `kcidb.json`: the run as kernel CI systems exchange results, a KCIDB submission of schema 5.
//!
//! Owns how verdicts map to the states of KCIDB, and the identifiers. Its checkout and build say no more than the kernel's
//! release: who built the kernel knows better, and links the tests to its own build. Refuses to know what is right.

use std::io;

use serde::Serialize;
use tcpconform_engine::judgement::{Judgement, Verdict};

use crate::Reporter;
use crate::failure;
use crate::palette::Palette;
use crate::printable::printable;
use crate::report::{Report, Target};

/// The version of the schema, which later minor ones are compatible with.
const VERSION: Version = Version { major: 5, minor: 0 };
/// The name of the submitting system, of which all identifiers begin.
const ORIGIN: &str = "tcpconform";
/// The longest excerpt of a log that the schema allows, characters.
const EXCERPT_MAX: usize = 16_384;

/// Writes `kcidb.json`.
#[derive(Clone, Copy, Debug)]
pub struct Kcidb;

impl Reporter for Kcidb {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let title = printable(&report.target.title()).into_owned();
        let id = format!("{ORIGIN}:{title}");
        let submission = Submission {
            version: VERSION,
            checkouts: [Checkout { id: &id, origin: ORIGIN, comment: &title }],
            builds: [Build { id: &id, checkout_id: &id, origin: ORIGIN, comment: &title }],
            tests: report.cases.iter().map(|case| test(case, report, &id)).collect(),
        };
        serde_json::to_writer_pretty(&mut *out, &submission)?;
        out.write_all(b"\n")
    }
}

#[derive(Serialize)]
struct Submission<'r> {
    version: Version,
    checkouts: [Checkout<'r>; 1],
    builds: [Build<'r>; 1],
    tests: Vec<Test<'r>>,
}

#[derive(Serialize)]
struct Version {
    major: u32,
    minor: u32,
}

#[derive(Serialize)]
struct Checkout<'r> {
    id: &'r str,
    origin: &'r str,
    comment: &'r str,
}

#[derive(Serialize)]
struct Build<'r> {
    id: &'r str,
    checkout_id: &'r str,
    origin: &'r str,
    comment: &'r str,
}

#[derive(Serialize)]
struct Test<'r> {
    id: String,
    build_id: &'r str,
    origin: &'r str,
    path: String,
    comment: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<&'r str>,
    duration: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_excerpt: Option<String>,
    environment: Environment,
    misc: Misc<'r>,
}

#[derive(Serialize)]
struct Environment {
    comment: String,
}

/// What the schema has no field for.
#[derive(Serialize)]
struct Misc<'r> {
    verdict: Verdict,
    claims: &'r [String],
    requirements: &'r [String],
    departures: &'r [String],
    rules_failed: Vec<&'r str>,
}

fn test<'r>(case: &'r Judgement, report: &'r Report, build_id: &'r str) -> Test<'r> {
    let name = case.name();
    let name = printable(&name).into_owned();
    let target = &report.target;
    Test {
        id: format!("{build_id} {} {name}", report.started),
        build_id,
        origin: ORIGIN,
        path: path(case),
        comment: name,
        status: status(case.verdict),
        // Traces that were judged again were not run.
        start_time: Some(report.started.as_str()).filter(|started| !started.is_empty()),
        duration: case.target_seconds,
        log_excerpt: excerpt(case, target),
        environment: Environment { comment: format!("{} time, HZ {}", target.time.name(), target.hz) },
        misc: Misc {
            verdict: case.verdict,
            claims: &case.claims,
            requirements: &case.requirements,
            departures: &case.departures,
            rules_failed: case.findings.iter().map(|finding| finding.rule.as_str()).collect(),
        },
    }
}

/// The states of KCIDB, in its words: `ERROR` did not complete and the state of the tested code is unknown, `MISS` is a
/// failure of the harness.
const fn status(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Inconclusive => "ERROR",
        Verdict::Fail => "FAIL",
        Verdict::Error => "MISS",
        Verdict::Skip => "SKIP",
    }
}

/// The place in the tree of tests, as in `tcpconform.time-wait.rst.left-edge_ipv4`: its names have few characters to be made
/// of.
fn path(case: &Judgement) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let clean = |name: &str| name.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect::<String>();
    let names = [ORIGIN].into_iter().chain(case.id.split('/')).chain([case.variant.as_str()]);
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(clean).collect();
    names.join(".")
}

/// What is wrong, as far as there is room for it.
fn excerpt(case: &Judgement, target: &Target) -> Option<String> {
    match case.verdict {
        Verdict::Pass => None,
        Verdict::Skip => case.reason.as_deref().map(|reason| printable(reason).into_owned()),
        Verdict::Inconclusive | Verdict::Fail | Verdict::Error => {
            Some(failure::message(case, &[], target, &Palette::plain()))
        }
    }
    .map(|text| text.chars().take(EXCERPT_MAX).collect())
}
