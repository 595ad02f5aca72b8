//! The binary as a script sees it: exit codes, what is written where, and what bad input gets.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_tcpconform");

/// A case that surely is in flight when the signal comes.
const WAITING: &str = "\
purpose: It waits.
cites: [RFC 9293 3.6]
steps:
  - establish
  - state: ESTABLISHED
  - wait: 30s
";

fn tcpconform(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).stdin(Stdio::null()).output().expect("the binary starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal ended it")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The name of some case.
fn some_case() -> String {
    let list = stdout(&tcpconform(&["list"]));
    list.split_whitespace().next().expect("the catalogue has a case").to_owned()
}

#[test]
fn wrong_usage_is_2_and_says_what_is_right() {
    for (arguments, expected) in [
        (&["frobnicate"][..], "unrecognized subcommand"),
        (&["run", "--jobs", "0"], "0 is not in 1"),
        (&["run", "--shard", "3/2"], "expected K/N with 1 <= K <= N, as in 2/4"),
        (&["run", "--target", "windows"], "[possible values: kernel, model]"),
        (&["judge"], "<TRACE>"),
        (&["run", "--target", "model", "tiem-wait/no-such"], "no case is named `tiem-wait/no-such`"),
        (&["run", "--target", "model", "["], "is not a glob"),
    ] {
        let output = tcpconform(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn nothing_selected_is_4() {
    for selector in ["claim:T99", "no-such-*"] {
        let output = tcpconform(&["run", "--target", "model", selector]);
        assert_eq!(code(&output), 4, "{selector}: {}", stderr(&output));
    }
}

#[test]
fn a_wrong_case_file_is_2_with_its_place_and_nothing_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    fs::write(&file, "purpose: Nothing.\ncites: [RFC 9293 3.6]\nsteps:\n  - frobnicate: 3\n").unwrap();
    let out = folder.path().join("out");
    let folder_name = folder.path().display().to_string();
    for arguments in [
        &["run", "--target", "model", "--cases", &folder_name, "--out", out.to_str().unwrap()][..],
        &["check", file.to_str().unwrap()],
        &["list", "--cases", &folder_name],
    ] {
        let output = tcpconform(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(stderr(&output).contains(&format!("{}:4:5", file.display())), "{}", stderr(&output));
    }
    assert!(!out.exists());
}

#[test]
fn a_run_writes_its_report_and_its_traces() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/out");
    let name = some_case();
    let output = tcpconform(&["run", "--target", "model", &name, "--out", out.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    let report = tcpconform_reports::json::read(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report.cases.len(), 1);
    assert_eq!(report.cases[0].name(), name);
    assert_eq!(report.totals.pass, 1);
    let trace = out.join("traces").join(format!("{name}.jsonl"));
    let output = tcpconform(&["judge", trace.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    // A folder of traces is as good as its traces.
    assert_eq!(code(&tcpconform(&["judge", out.to_str().unwrap()])), 0);
}

#[test]
fn two_runs_on_the_model_write_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let name = some_case();
    let reports = ["one", "two"].map(|out| {
        let out = folder.path().join(out);
        assert_eq!(code(&tcpconform(&["run", "--target", "model", &name, "--out", out.to_str().unwrap()])), 0);
        let mut report = tcpconform_reports::json::read(&fs::read(out.join("report.json")).unwrap()).unwrap();
        report.started.clear();
        report.wall_seconds = 0.0;
        report
    });
    assert_eq!(reports[0], reports[1]);
}

#[test]
fn an_out_folder_that_cannot_be_written_is_3_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let output = tcpconform(&["run", "--target", "model", "--out", file.join("out").to_str().unwrap()]);
    assert_eq!(code(&output), 3);
    assert!(stderr(&output).contains("cannot write to"), "{}", stderr(&output));
    assert!(stderr(&output).contains("--out DIR"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

#[test]
fn what_is_no_trace_is_2_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    for (text, expected) in [("", "line 1: the file is empty"), ("{}\n", "line 1: not the header of a trace")] {
        fs::write(&file, text).unwrap();
        let output = tcpconform(&["judge", file.to_str().unwrap()]);
        assert_eq!(code(&output), 2);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    assert_eq!(code(&tcpconform(&["judge", "/no/such/trace"])), 2);
    fs::remove_file(&file).unwrap();
    assert_eq!(code(&tcpconform(&["judge", folder.path().to_str().unwrap()])), 4);
}

#[test]
fn the_whole_catalogue_is_right() {
    let output = tcpconform(&["check"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("case files are right"), "{}", stdout(&output));
}

#[test]
fn a_list_can_be_cut_short() {
    let mut child = Command::new(BINARY).args(["list", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_list_for_programs_names_every_case() {
    let listed: serde_json::Value = serde_json::from_slice(&tcpconform(&["list", "--json"]).stdout).unwrap();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), stdout(&tcpconform(&["list"])).lines().count());
    assert!(listed.iter().all(|case| case["id"].is_string() && case["purpose"].is_string()));
}

#[test]
fn an_interrupt_ends_the_run_within_a_second_and_the_rest_is_reported() {
    if tcpconform_live_is_impossible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("long.yaml");
    fs::write(&case, WAITING).unwrap();
    for signal in ["INT", "TERM"] {
        let out = folder.path().join(signal);
        let mut child = Command::new(BINARY)
            .args(["run", case.to_str().unwrap(), "--out", out.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(|| catches_signals(child.id()));
        let sent = Instant::now();
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success()
        );
        let status = child.wait().unwrap();
        assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
        assert_eq!(status.code(), Some(3));
        let report = tcpconform_reports::json::read(&fs::read(out.join("report.json")).unwrap()).unwrap();
        assert!(report.not_run > 0);
    }
}

fn tcpconform_live_is_impossible() -> bool {
    code(&tcpconform(&["doctor"])) != 0
}

/// Whether the process has handlers for SIGINT (2) and SIGTERM (15), by its mask in proc_pid_status(5).
fn catches_signals(process: u32) -> bool {
    const BOTH: u64 = 1 << 1 | 1 << 14;
    let status = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & BOTH == BOTH)
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(20), "the run does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
}
