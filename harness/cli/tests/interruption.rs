//! A run that is killed: what is finished can be read, the rest can be played, and nothing stays behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tcpconform_reports::{Report, json};

const BINARY: &str = env!("CARGO_BIN_EXE_tcpconform");
/// About three seconds on a kernel, with processes of their own in some cases.
const SELECTORS: [&str; 4] = ["abort/*", "ack/*", "bind/*", "linger/process-end"];
const SEEDS: std::ops::Range<u64> = 0..3;

fn tcpconform(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).stdin(Stdio::null()).output().expect("the binary starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal ended it")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The kernel, where this machine allows it; the model plays too fast to be killed in the middle every time.
fn target() -> &'static str {
    if code(&tcpconform(&["doctor"])) == 0 { "kernel" } else { "model" }
}

fn begin(arguments: &[&str]) -> Child {
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the binary starts")
}

fn kill(mut run: Child) {
    run.kill().expect("it is ours");
    run.wait().expect("it is ours");
}

/// Processes that were told of this folder: the run, and what it has forked.
fn processes_of(path: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("procfs").flatten();
    let told = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    told.filter(|words| words.contains(path)).collect()
}

/// Pseudo-random, the same for a seed.
fn random(seed: u64, below: u64) -> u64 {
    ((seed + 1).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 33) % below
}

/// Cases that the journal knows to be finished.
fn finished(folder: &Path) -> usize {
    fs::read_to_string(folder.join("run.journal")).map_or(0, |journal| journal.lines().count().saturating_sub(1))
}

fn report(folder: &Path) -> Report {
    json::read(&fs::read(folder.join("report.json")).expect("a report")).expect("a report.json")
}

/// Start of each play in `traces/`, by the trace's file.
fn plays(folder: &Path) -> BTreeMap<String, String> {
    let mut plays = BTreeMap::new();
    for group in fs::read_dir(folder.join("traces")).into_iter().flatten().flatten() {
        for trace in fs::read_dir(group.path()).expect("a folder of traces").flatten() {
            let name = trace.path().display().to_string();
            if !name.ends_with(".jsonl") {
                continue;
            }
            let trace = fs::read_to_string(trace.path()).expect("a trace");
            let (_, started) = trace.split_once("\"started_unix_ns\":").expect("a whole header");
            plays.insert(name, started.split('}').next().unwrap_or_default().to_owned());
        }
    }
    plays
}

#[test]
fn a_run_killed_at_any_moment_goes_on_where_it_was() {
    let target = target();
    let interfaces = || fs::read_to_string("/proc/net/dev").expect("procfs").lines().count();
    let before = interfaces();
    let mut in_the_middle = 0;
    for seed in SEEDS {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let path = out.to_str().unwrap();
        let mut arguments = vec!["run", "--target", target, "--jobs", "40", "--out", path];
        arguments.extend(SELECTORS);
        let mut run = begin(&arguments);
        let mut killed: BTreeMap<String, String> = BTreeMap::new();
        let mut kills = 0;
        let deadline = Instant::now() + Duration::from_secs(100);
        loop {
            assert!(Instant::now() < deadline, "seed {seed}: {kills} kills");
            // Every second time surely in the middle, as far as there is still one.
            let known = finished(&out);
            while kills % 2 == 1 && finished(&out) == known && run.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(random(seed * 97 + kills, 600)));
            if kills == 4 || run.try_wait().unwrap().is_some() {
                assert_eq!(run.wait().unwrap().code(), Some(0), "seed {seed}, after {kills} kills");
                break;
            }
            kill(run);
            kills += 1;
            in_the_middle += usize::from(finished(&out) > known);
            let gone = Instant::now() + Duration::from_secs(5);
            while !processes_of(path).is_empty() {
                assert!(Instant::now() < gone, "seed {seed}: still there: {:?}", processes_of(path));
                std::thread::sleep(Duration::from_millis(10));
            }
            if !out.join("run.journal").exists() {
                // It was killed before it had a folder.
                run = begin(&arguments);
                continue;
            }
            let others = tcpconform(&["run", "--resume", path, "--target", target, "ack/*"]);
            assert_eq!(code(&others), 2);
            assert!(stderr(&others).contains(", and this asks for "), "{}", stderr(&others));
            let shown = tcpconform(&["claims", path]);
            assert_eq!(code(&shown), 0, "{}", stderr(&shown));
            let part = folder.path().join("part.json");
            let merged = tcpconform(&["merge", path, "--out", part.to_str().unwrap()]);
            assert!(matches!(code(&merged), 0 | 3), "{}", stderr(&merged));
            let part = json::read(&fs::read(&part).unwrap()).unwrap();
            assert_eq!(part.totals.all(), part.cases.len());
            let plays = plays(&out);
            for (trace, started) in &killed {
                assert_eq!(plays.get(trace), Some(started), "seed {seed}: {trace} was played again");
            }
            let done = part.cases.iter().map(|case| out.join("traces").join(format!("{}.jsonl", case.name())));
            killed =
                done.map(|path| path.display().to_string()).map(|path| (path.clone(), plays[&path].clone())).collect();
            run = begin(&["run", "--resume", path, "--jobs", "40"]);
        }
        let whole = report(&out);
        assert_eq!((whole.not_run, whole.totals.pass), (0, whole.cases.len()), "seed {seed}");
        let mut list = vec!["list"];
        list.extend(SELECTORS);
        let listed = String::from_utf8(tcpconform(&list).stdout).unwrap().lines().count();
        assert_eq!(whole.cases.len(), listed, "seed {seed}, {kills} kills");
        let plays = plays(&out);
        assert!(killed.iter().all(|(trace, started)| plays.get(trace) == Some(started)), "seed {seed}");
        assert!(!out.join("run.journal").exists());
        // A run that is whole has nothing left: it is only shown.
        assert_eq!(code(&tcpconform(&["run", "--resume", path])), 0);
    }
    assert_eq!(interfaces(), before);
    assert!(target == "model" || in_the_middle > 0);
}

#[test]
fn without_a_run_there_is_nothing_to_go_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let refused = tcpconform(&["run", "--resume", folder.path().to_str().unwrap()]);
    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("no run was begun there"), "{}", stderr(&refused));
}
