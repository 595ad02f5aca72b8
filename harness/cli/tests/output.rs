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
            "index.html",
            "junit.xml",
            "kcidb.json",
            "report.json",
            "report.ktap",
            "traces/close/active@crafted,no-ts,ipv4.jsonl",
        ]
    );
}

#[test]
fn what_an_earlier_run_wrote_goes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    run("close/active@crafted,no-ts,ipv4", folder.path(), &[]);
    let ours = ["captures/close/active.txt", "traces/close/active@mine.jsonl", "notes.txt"];
    ours.iter().for_each(|file| std::fs::write(folder.path().join(file), "mine").unwrap());
    let output = run("abort/all-read", folder.path(), &["--quick"]);
    let played = files(folder.path());
    run("close/active@crafted,no-ts,ipv4", folder.path(), &[]);
    let mut expected: Vec<&str> = vec![
        "captures/close/active.txt",
        "captures/close/active@crafted,no-ts,ipv4.pcapng",
        "index.html",
        "junit.xml",
        "kcidb.json",
        "notes.txt",
        "report.json",
        "report.ktap",
        "traces/close/active@crafted,no-ts,ipv4.jsonl",
        "traces/close/active@mine.jsonl",
    ];
    expected.sort_unstable();
    assert_eq!(files(folder.path()), expected, "{output:?}");
    assert!(played.iter().any(|file| file.starts_with("traces/abort/")), "{played:?}");
    assert!(!played.contains(&"traces/close/active@crafted,no-ts,ipv4.jsonl".to_string()), "{played:?}");
    assert!(!folder.path().join("traces/abort").exists());
}

#[test]
fn a_part_does_not_cost_the_results_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let played = |selector: &str| {
        let run = ["run", "--target", "model", selector];
        let output = Command::new(BINARY).args(run).current_dir(folder.path()).output().expect("the binary starts");
        assert!(output.status.success(), "{output:?}");
        let release = format!("model-{}", env!("CARGO_PKG_VERSION"));
        let cases = |name: &str| {
            let file = folder.path().join("target/tcpconform").join(name).join("report.json");
            let report: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).unwrap();
            Some(report["cases"].as_array().unwrap().len())
        };
        (cases(&release), cases(&format!("{release}-whole")))
    };
    assert_eq!(played("close/active@crafted,*"), (Some(4), None));
    assert_eq!(played("close/active@crafted,ts,*"), (Some(2), Some(4)));
    // A part of a part is no reason to lose the whole.
    assert_eq!(played("close/active@crafted,ts,ipv4"), (Some(1), Some(4)));
    assert_eq!(played("close/active@crafted,*"), (Some(4), Some(4)));
    assert_eq!(played("close/active"), (Some(8), Some(4)));
    assert_eq!(played("close/active@crafted,*"), (Some(4), Some(8)));
}

#[test]
fn one_page_shows_several_runs() {
    let folder = tempfile::tempdir().unwrap();
    let runs = ["one", "other"].map(|name| folder.path().join(name));
    runs.iter().for_each(|out| drop(run("close/active@crafted,no-ts,ipv4", out, &[])));
    let page = folder.path().join("both.html");
    let report = runs[1].join("report.json");
    let [one, other, page] = [&runs[0], &report, &page].map(|path| path.to_str().unwrap());
    let output = tcpconform(&["html", one, other, "--out", page]);
    assert!(output.status.success(), "{output:?}");
    let html = std::fs::read_to_string(page).unwrap();
    assert_eq!(html.matches("<th scope=\"row\">model ").count(), 2);
    let output = tcpconform(&["html", one, "--out", folder.path().join("no/where.html").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
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
        (whole.replacen("{\"trace\":3", "{\"trace\":99", 1), "line 1: trace format 99 is newer than"),
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

#[test]
fn every_format_is_made_from_stored_traces_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, judged) = (folder.path().join("ran"), folder.path().join("judged"));
    run("loss/*", &ran, &[]);
    let (traces, out) = (ran.join("traces"), judged.to_str().unwrap());
    let output = tcpconform(&["judge", traces.to_str().unwrap(), "--out", out]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(files(&ran), files(&judged));
    for name in files(&ran) {
        let read = |folder: &Path| std::fs::read(folder.join(&name)).unwrap();
        if name.starts_with("traces/") || name.starts_with("captures/") || name == "report.ktap" {
            assert_eq!(read(&ran), read(&judged), "{name}");
        }
    }
}

#[test]
fn a_trace_cannot_make_us_write_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let case = "close/active@crafted,no-ts,ipv4";
    run(case, folder.path(), &[]);
    let whole = std::fs::read_to_string(folder.path().join(format!("traces/{case}.jsonl"))).unwrap();
    let (file, out) = (folder.path().join("moved.jsonl"), folder.path().join("out"));
    std::fs::write(&file, whole.replacen("\"close/active\"", "\"../../outside\"", 1)).unwrap();
    let output = tcpconform(&["judge", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("outside@crafted,no-ts,ipv4.jsonl` is no name of a case"), "{error}");
}

#[test]
fn programs_get_every_event_as_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("close/active@crafted,no-ts,*", folder.path(), &["--format", "json"]);
    let lines: Vec<serde_json::Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((of("started"), of("case-started"), of("case-finished"), of("finished")), (1, 2, 2, 1));
    assert_eq!((&lines[0]["event"], &lines[0]["total"]), (&"started".into(), &2.into()));
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["totals"]["pass"]), (&"finished".into(), &2.into()));
    assert!(Path::new(last["report"].as_str().unwrap()).exists());
}

/// A trace of the model without its first FIN.
fn without_its_fin(case: &str, folder: &Path) -> std::path::PathBuf {
    run(case, folder, &[]);
    let whole = std::fs::read_to_string(folder.join(format!("traces/{case}.jsonl"))).unwrap();
    let mut lines: Vec<&str> = whole.lines().collect();
    // Behind the SYN and the ACK of the handshake.
    let mut emitted = (0..lines.len()).filter(|&line| lines[line].contains("\"way\":\"out\""));
    lines.remove(emitted.nth(2).unwrap());
    let file = folder.join("broken.jsonl");
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    file
}

#[test]
fn github_is_told_where_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let file = without_its_fin("close/active@crafted,no-ts,ipv4", folder.path());
    let summary = folder.path().join("summary.md");
    std::fs::write(&summary, "# of another step\n").unwrap();
    let judge = |actions: &str| {
        let mut command = Command::new(BINARY);
        command.arg("judge").arg(&file).env("GITHUB_ACTIONS", actions).env("GITHUB_STEP_SUMMARY", &summary);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let told = judge("true");
    let annotation = told.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(annotation.starts_with("::error file=cases/close/active.yaml,line="), "{annotation}");
    assert!(!judge("").contains("::error"));
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(summary.starts_with("# of another step\n### tcpconform on model"), "{summary}");
    assert_eq!(summary.matches("<details>").count(), 2, "{summary}");
}

#[test]
fn no_colours_where_nobody_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = without_its_fin("close/active@crafted,no-ts,ipv4", folder.path());
    let judge = |variable: &str| {
        let mut command = Command::new(BINARY);
        command.arg("judge").arg(&file).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env(variable, "1");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let plain = judge("NO_COLOR");
    assert!(plain.contains("FAIL close/active") && !plain.contains('\x1b'), "{plain}");
    assert!(judge("CLICOLOR_FORCE").contains('\x1b'));
    assert!(!judge("TERM").contains('\x1b'));
}

#[test]
fn coverage_is_read_from_reports() {
    let folder = tempfile::tempdir().unwrap();
    run("time-wait/rst@*", folder.path(), &[]);
    let path = folder.path().to_str().unwrap();
    let text = String::from_utf8(tcpconform(&["coverage", path]).stdout).unwrap();
    assert!(text.contains("check-rst-bit/time-wait; ") && text.contains("as time-wait/rst@"), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&tcpconform(&["coverage", "--json", path]).stdout).unwrap();
    assert_eq!(json["targets"][0]["kind"], "model");
    assert_eq!(tcpconform(&["coverage", "/no/such/report"]).status.code(), Some(2));
}

#[test]
fn what_is_no_report_of_ours_is_2() {
    let folder = tempfile::tempdir().unwrap();
    run("close/active@crafted,no-ts,ipv4", folder.path(), &[]);
    let file = folder.path().join("report.json");
    let whole = std::fs::read_to_string(&file).unwrap();
    for (text, expected) in [
        (whole.replacen("\"schema\": 1", "\"schema\": 99", 1), "report.json schema 99 is newer than 1"),
        (whole[..whole.len() / 2].to_owned(), "the file was cut off"),
        ("{\"schema\": \"draft-07\", \"type\": \"object\"}".to_owned(), "not a report.json: invalid type: string"),
        ("\u{1b}[2J".to_owned(), "not a report.json: expected value"),
    ] {
        std::fs::write(&file, text).unwrap();
        for command in ["coverage", "claims"] {
            let output = tcpconform(&[command, file.to_str().unwrap()]);
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{command}: {error}");
            assert!(error.contains(expected), "{command}: {error}");
            assert!(!error.contains('\u{1b}') && output.stdout.is_empty(), "{command}: {error}");
        }
    }
}

#[test]
fn a_shell_completes_what_the_command_line_defines() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tcpconform(&["completions", shell]);
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains("coverage") && script.contains("ladder"), "{shell}: {script}");
    }
    let script = String::from_utf8(tcpconform(&["completions", "bash"]).stdout).unwrap();
    let complete = "COMP_WORDS=(tcpconform cov); COMP_CWORD=1; _tcpconform tcpconform cov; echo \"${COMPREPLY[*]}\"";
    match Command::new("bash").arg("-c").arg(format!("{script}\n{complete}")).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "coverage", "{output:?}"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}

#[test]
fn the_manual_tells_every_command() {
    let page = |arguments: &[&str]| String::from_utf8(tcpconform(arguments).stdout).unwrap();
    let program = page(&["man"]);
    let help = page(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> =
        commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(names.len() > 10, "{help}");
    for name in names {
        assert!(program.contains(&format!("tcpconform\\-{}(1)", name)), "{name}: {program}");
        let page = page(&["man", name]);
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&format!("tcpconform {name}")), "{page}");
    }
    assert!(program.contains("Exit codes:"), "{program}");
    let unknown = tcpconform(&["man", "frobnicate"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no command `frobnicate`; there are run, stress, list"));
}
