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
