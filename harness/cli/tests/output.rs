//! What a run leaves behind and says, for people and for programs.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_tcpconform");

fn tcpconform(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).stdin(Stdio::null()).output().expect("the binary starts")
}

/// A run of this case on the model, and the folder that it wrote to.
fn run(case: &str, out: &Path, arguments: &[&str]) -> Output {
    let fixed = ["run", "--target", "model", case, "--out", out.to_str().expect("a path of ours")];
    tcpconform(&[&fixed[..], arguments].concat())
}

/// The files below a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path.strip_prefix(folder).unwrap().display().to_string());
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_writes_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("close/active@crafted,no-ts,ipv4", folder.path(), &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        files(folder.path()),
        [
            "captures/close/active@crafted,no-ts,ipv4.pcapng",
            "junit.xml",
            "kcidb.json",
            "report.json",
            "report.ktap",
            "traces/close/active@crafted,no-ts,ipv4.jsonl",
        ]
    );
}

#[test]
fn a_trace_alone_gives_the_whole_page_back() {
    let folder = tempfile::tempdir().unwrap();
    run("time-wait/length@*ipv4", folder.path(), &[]);
    let traces = folder.path().join("traces/time-wait");
    let trace = std::fs::read_dir(traces).unwrap().next().unwrap().unwrap().path();
    let page = tcpconform(&["show", trace.to_str().unwrap()]);
    assert!(page.status.success(), "{page:?}");
    let page = String::from_utf8(page.stdout).unwrap();
    for part in
        ["Steps:", "What happened:", "[TIME-WAIT]", "Timers, and when", "PASS time-wait/length@", "What the claims say"]
    {
        assert!(page.contains(part), "no `{part}` in:\n{page}");
    }
}

#[test]
fn what_is_no_whole_trace_of_ours_is_2_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let case = "close/active@crafted,no-ts,ipv4";
    run(case, folder.path(), &[]);
    let whole = std::fs::read_to_string(folder.path().join(format!("traces/{case}.jsonl"))).unwrap();
    let file = folder.path().join("changed.jsonl");
    for (text, expected) in [
        (whole.replacen("{\"trace\":2", "{\"trace\":99", 1), "line 1: trace format 99 is newer than"),
        (whole[..whole.len() - 20].to_owned(), "cut off in the middle of a record"),
        ("{\"version\": 3, \"log\": []}\n".to_owned(), "line 1: not the header of a trace"),
        ("\u{1b}[2J\u{0}".to_owned(), "line 1: not the header of a trace"),
    ] {
        std::fs::write(&file, text).unwrap();
        for command in ["show", "judge"] {
            let output = tcpconform(&[command, file.to_str().unwrap()]);
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{command}: {error}");
            assert!(error.contains(expected), "{command}: {error}");
            assert!(!error.contains('\u{1b}') && output.stdout.is_empty(), "{command}: {error}");
        }
    }
}
