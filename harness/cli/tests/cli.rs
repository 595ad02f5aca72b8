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
        (&["run", "--kernel", "x", "--target", "model"], "cannot be used with"),
        (&["run", "--kernel-cmdline", "x"], "--kernel <WHAT>"),
        (&["judge"], "<TRACE>"),
        (&["run", "--target", "model", "tiem-wait/no-such"], "no case is named `tiem-wait/no-such`"),
        (&["run", "--target", "model", "["], "is not a glob"),
        (&["run", "--fault", "rto-not-doubled"], "--fault is for the model"),
        (&["explore", "--fault", "rto-not-doubled"], "--fault is for the model"),
        (&["explore", "--walks", "0"], "0 is not in 1"),
        (&["explore", "--walk", "3", "--walks", "5"], "cannot be used with"),
        (&["run", "--target", "model", "--fault", "rto-not-dubled"], "did you mean `rto-not-doubled`?"),
    ] {
        let output = tcpconform(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn what_is_no_kernel_is_3_and_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (kernel, expected) in [
        (write("text", b"#!/bin/sh"), "text is no kernel: neither an image"),
        (write("text.deb", b"#!/bin/sh"), "text.deb is no Debian package: it does not begin with !<arch>"),
        (write("cut.deb", b"!<arch>\ndebian-binary   0  "), "cut.deb is cut off"),
        (folder.path().join("none").to_str().unwrap().to_owned(), "none: No such file"),
        (folder.path().to_str().unwrap().to_owned(), "no kernel in "),
    ] {
        let output = tcpconform(&["run", "close/active", "--kernel", &kernel]);
        assert_eq!(code(&output), 3, "{kernel}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{kernel}: {}", stderr(&output));
        assert_eq!(stderr(&output).trim_end().lines().count(), 1, "{}", stderr(&output));
    }
}

#[test]
fn nothing_selected_is_4() {
    let output = tcpconform(&["run", "--target", "model", "no-such-*"]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    // A claim that the ledger has and no case bears on.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one.yaml"), WAITING).unwrap();
    let output = tcpconform(&["list", "claim:T20", "--cases", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
}

#[test]
fn a_claim_that_the_ledger_does_not_have_is_2() {
    for command in ["run", "list", "show"] {
        let output = tcpconform(&[command, "claim:T99"]);
        assert_eq!(code(&output), 2);
        insta::assert_snapshot!("unknown_claim", stderr(&output));
    }
    assert_eq!(code(&tcpconform(&["list", "claim:L04"])), 0);
}

/// What `tcpconform check` says of a case with these claims, and of this ledger.
fn checked(claims: &str, ledger: Option<&str>) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases");
    fs::create_dir(&cases).unwrap();
    let case = format!(
        "purpose: A close.\ncites: [RFC 9293 3.6]\nvariants: {{how: [closed, half-closed]}}\nclaims:\n{claims}steps:\n  \
         - establish\n  - when: {{closed: [a: close()], half-closed: [a: shutdown(WR)]}}\n  - expect: F.\n"
    );
    fs::write(cases.join("closing.yaml"), case).unwrap();
    if let Some(ledger) = ledger {
        fs::write(cases.join("claims.yaml"), ledger).unwrap();
    }
    let output = tcpconform(&["check", "--cases", cases.to_str().unwrap()]);
    (code(&output), stderr(&output).replace(&cases.display().to_string(), "cases"))
}

#[test]
fn predictions_that_cannot_be_are_found() {
    let found = |claims: &str| {
        let (code, said) = checked(claims, None);
        assert_eq!(code, 2, "{claims}");
        said
    };
    insta::assert_snapshot!(
        [
            found("  T99: [segment: F.]\n  Q01: [segment: F.]\n"),
            // In one of the variants is enough.
            found("  W02:\n    - segment: F.\n    - when: {closed: [segment: \"P. 1:11(10)\"]}\n"),
            found("  W02:\n    - {arrives: \"F. 1:1(0)\", within: 3s}\n"),
            found("  W02:\n    - call: shutdown(WR)\n"),
        ]
        .join("\n")
    );
    let (code, said) = checked("  W02:\n    - not: {segment: R}\n    - {segment: F., header: 20, within: 1ms}\n", None);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_ledger_that_the_cases_contradict_is_found() {
    let untested = "waves:\n  - {id: W02, says: It closes., from: [x], untested: nobody can}\n";
    let (code, said) = checked("  W02: [segment: F.]\n", Some(untested));
    assert_eq!(code, 2);
    let more = "waves:\n  - {id: W01, says: It opens., from: [x], untested: nobody can}\n  - {id: W02, says: It closes., from: [x]}\n  - {id: W03, says: It lies., from: [x]}\n";
    let (without_code, without) = checked("  W02: [segment: F.]\n", Some(more));
    assert_eq!(without_code, 2);
    let (other_code, broken) = checked("  W02: [segment: F.]\n", Some("waves: 3\n"));
    assert_eq!(other_code, 2);
    insta::assert_snapshot!([said, without, broken].join("\n"));
}

#[test]
fn the_claims_of_a_run_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    let run = tcpconform(&["run", "--target", "model", "claim:L04", "--out", &out]);
    assert_eq!(code(&run), 0, "{}", stderr(&run));
    let lines = |text: &str| text.lines().filter(|line| line.contains("L04")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&stdout(&run)).len(), 1, "{}", stdout(&run));
    let report = format!("{out}/report.json");
    let table = tcpconform(&["claims", &out]);
    assert_eq!((code(&table), stdout(&table)), (0, stdout(&tcpconform(&["claims", &report]))));
    assert!(lines(&stdout(&table))[0].contains("conditional  Each further FIN"), "{}", stdout(&table));
    let both = stdout(&tcpconform(&["claims", &out, &out]));
    assert!(lines(&both)[0].contains("conditional  conditional  Each further FIN"), "{both}");
    let json = stdout(&tcpconform(&["claims", "--json", &out]));
    let runs: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(runs[0]["claims"].as_array().unwrap().len(), 93);
    assert_eq!(runs[0]["target"]["kind"], "model");
}

#[test]
fn no_report_is_2_and_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::new(BINARY).arg("claims").current_dir(folder.path()).stdin(Stdio::null()).output().expect("it starts");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("no report of this kernel: target/tcpconform/"), "{}", stderr(&output));
    assert!(stderr(&output).contains("tcpconform run makes one"), "{}", stderr(&output));
    fs::write(folder.path().join("report.json"), "{}").unwrap();
    let output = tcpconform(&["claims", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("not a report.json: missing field `schema`"), "{}", stderr(&output));
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
fn a_fault_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let output =
        tcpconform(&["run", "--target", "model", "--fault", "time-wait-30-s", "time-wait/length", "--out", out]);
    assert_eq!(code(&output), 1, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("rule      time-wait/length"), "{}", stdout(&output));
    let list = stdout(&tcpconform(&["faults"]));
    assert!(list.lines().any(|line| line.starts_with("time-wait-30-s ") && line.ends_with("TIME-WAIT lasts 30 s")));
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
        let before = waited_for_processors(child.id());
        let mut waited = Duration::ZERO;
        let status = loop {
            waited = waited.max(waited_for_processors(child.id()).saturating_sub(before));
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let took = sent.elapsed();
        assert!(took.saturating_sub(waited) < Duration::from_secs(1), "{took:?}, of which {waited:?} for processors");
        assert_eq!(status.code(), Some(3));
        let report = tcpconform_reports::json::read(&fs::read(out.join("report.json")).unwrap()).unwrap();
        assert!(report.not_run > 0);
    }
}

fn tcpconform_live_is_impossible() -> bool {
    code(&tcpconform(&["doctor"])) != 0
}

/// How long the threads of a process have been ready to run while others did, by proc_pid_schedstat (Documentation/scheduler/sched-stats.rst):
/// a busy machine's affair, not the program's.
fn waited_for_processors(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let waited = |thread: fs::DirEntry| -> Option<u64> {
        fs::read_to_string(thread.path().join("schedstat")).ok()?.split(' ').nth(1)?.parse().ok()
    };
    Duration::from_nanos(threads.filter_map(waited).sum())
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

#[test]
fn walks_that_agree_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["explore", "--target", "model", "--walks", "100", "--out", out.to_str().unwrap()];
    let output = tcpconform(&arguments);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).contains("100 walks of seed 1 on the model in "), "{}", stdout(&output));
    assert!(stdout(&output).contains("rules exercised: "), "{}", stdout(&output));
    assert!(!out.exists());
}

#[test]
fn a_walk_that_disagrees_is_a_case_that_fails_by_itself() {
    const FAULT: [&str; 4] = ["--target", "model", "--fault", "close-wait-silent"];
    let folder = tempfile::tempdir().unwrap();
    let explored = |more: &[&str]| {
        let out = ["--out", folder.path().to_str().unwrap()];
        tcpconform(&[&["explore"], &FAULT[..], &out, more].concat())
    };
    let output = explored(&["--walks", "100"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let [trace, case] = &names[..2] else { panic!("{names:?}") };
    assert_eq!(trace.strip_suffix(".jsonl"), case.strip_suffix(".yaml"));
    assert!(stdout(&output).contains(case), "{}", stdout(&output));
    let (case, trace) = (folder.path().join(case), folder.path().join(trace));
    let output = tcpconform(
        &[&["run", case.to_str().unwrap()], &FAULT[..], &["--out", folder.path().to_str().unwrap()]].concat(),
    );
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert_eq!(code(&tcpconform(&["judge", trace.to_str().unwrap()])), 1);
    assert_eq!(code(&tcpconform(&["check", case.to_str().unwrap()])), 0);
    let number = case.file_stem().unwrap().to_str().unwrap().strip_prefix("walk-1-").unwrap().to_owned();
    let output = explored(&["--walk", &number]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    assert!(stdout(&output).contains("1 walk of seed 1"), "{}", stdout(&output));
}

#[test]
fn the_same_cases_many_times_come_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let target = if tcpconform_live_is_impossible() { "model" } else { "kernel" };
    let output = tcpconform(&["stress", "ack/*", "--times", "3", "--burn", "--target", target, "--out", out]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("each the same every time"), "{}", stdout(&output));
    let stress: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("stress.json")).unwrap()).unwrap();
    assert_eq!((&stress["times"], &stress["differing"]), (&3.into(), &serde_json::json!([])));
    let cases = stress["cases"].as_object().unwrap();
    assert_eq!(cases.len(), stdout(&tcpconform(&["list", "ack/*"])).lines().count());
    assert!(cases.values().all(|case| case["verdicts"] == serde_json::json!(["pass", "pass", "pass"])));
    let fails = ["stress", "bind/*", "--times", "0"];
    assert_eq!(code(&tcpconform(&fails)), 2);
}

#[test]
fn a_run_is_compared_with_the_nearest_baseline_that_comes_with_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports/baselines");
    let file = |of: &str| {
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(of));
        found.next().unwrap().to_str().unwrap().to_owned()
    };
    let same = tcpconform(&["compare", "6.12", &file("6.12.")]);
    assert_eq!((code(&same), &*stdout(&same), &*stderr(&same)), (0, "", ""));
    let newer = tcpconform(&["compare", "6.11.3", &file("7.2.")]);
    assert_eq!(code(&newer), 0, "{}", stdout(&newer));
    assert!(stderr(&newer).contains("no baseline of 6.11.3; the nearest is that of 6.12."), "{}", stderr(&newer));
    assert!(stdout(&newer).contains("  ack-unsent  was check-ack/unsent-silent"), "{}", stdout(&newer));
    // Cases that the older kernel cannot play are worse than a pass.
    let older = tcpconform(&["compare", "7.2", &file("6.1.")]);
    assert_eq!(code(&older), 1, "{}", stdout(&older));
}
