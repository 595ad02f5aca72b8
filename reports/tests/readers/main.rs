//! Each format before a program that reads it: xmllint, the kernel's kunit_parser.py, kernel CI's kcidb_io, tshark, a browser.
//!
//! A reader that this machine does not have is named, with what installs it, and its test is reported as ignored.

mod browser;
mod html;
mod made_up;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tcpconform_engine::judge::judge;
use tcpconform_engine::trace::Trace;
use tcpconform_reports::report::Target;
use tcpconform_reports::{FILES, Report, capture};

fn main() -> ExitCode {
    let trials = vec![
        Trial::ignorable_test("junit.xml, read by xmllint", junit),
        Trial::ignorable_test("report.ktap, read by kunit_parser.py", ktap),
        Trial::ignorable_test("kcidb.json, read by kcidb_io", kcidb),
        Trial::ignorable_test("captures, read by tshark", captures),
        Trial::ignorable_test("index.html, opened in Chromium", html::html),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

type Done = Result<Completion, Failed>;

/// Runs the reader; `Err` where this machine does not have it.
fn reader(program: &str, arguments: &[&str], lack: &str) -> Result<Output, Done> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Ok(output),
        Err(error) => Err(Ok(Completion::ignored_with(format!("{program}: {error}; {lack}")))),
    }
}

/// What the reader said, if it is content.
fn said(output: &Output) -> Result<String, Failed> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// The runs, each as this file of a folder that lives as long as its value.
fn written(name: &str) -> Vec<(Report, PathBuf, tempfile::TempDir)> {
    let (_, format) = FILES.iter().find(|(file, _)| *file == name).expect("a row of the table");
    [made_up::report(), made_up::hostile()]
        .into_iter()
        .map(|report| {
            let folder = tempfile::tempdir().expect("a folder for the report");
            let path = folder.path().join(name);
            let mut bytes = Vec::new();
            format.write(&report, &mut bytes).expect("writing to memory");
            std::fs::write(&path, bytes).expect("writing the report");
            (report, path, folder)
        })
        .collect()
}

/// The path as an argument.
fn shown(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn junit() -> Done {
    const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/junit.xsd");
    for (_, path, _folder) in written("junit.xml") {
        let arguments = ["--noout", "--schema", SCHEMA, shown(&path)];
        match reader("xmllint", &arguments, "apt-get install libxml2-utils") {
            Ok(output) => drop(said(&output)?),
            Err(lacking) => return lacking,
        }
    }
    Ok(Completion::Completed)
}

/// Where the kernel's sources lie unpacked, if they do.
fn kunit() -> Option<PathBuf> {
    let named = std::env::var_os("KERNEL_SOURCE").map(PathBuf::from);
    let installed = std::fs::read_dir("/usr/src").into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = named.into_iter().chain(installed).map(|source| source.join("tools/testing/kunit"));
    folders.filter(|folder| folder.join("kunit_parser.py").exists()).max()
}

fn ktap() -> Done {
    const SCRIPT: &str = "\
import sys
sys.path.insert(0, sys.argv[1])
import kunit_parser
c = kunit_parser.parse_run_tests(open(sys.argv[2])).counts
print('\\ncounts', c.passed, c.failed, c.crashed, c.skipped, c.errors)
";
    let Some(kunit) = kunit() else {
        return Ok(Completion::ignored_with(
            "no tools/testing/kunit; apt-get install linux-source, unpack it, and name its folder in KERNEL_SOURCE",
        ));
    };
    for (report, path, _folder) in written("report.ktap") {
        let arguments = ["-c", SCRIPT, shown(&kunit), shown(&path)];
        let output = match reader("python3", &arguments, "apt-get install python3") {
            Ok(output) => said(&output)?,
            Err(lacking) => return lacking,
        };
        let totals = &report.totals;
        let failed = totals.fail + totals.inconclusive + totals.error;
        let counts = format!("counts {} {failed} 0 {} 0", totals.pass, totals.skip);
        if output.lines().next_back() != Some(&counts) {
            return Err(format!("expected `{counts}`:\n{output}").into());
        }
    }
    Ok(Completion::Completed)
}

fn kcidb() -> Done {
    const LACK: &str = "pip install kcidb-io";
    const SCRIPT: &str = "\
import json, sys
try:
    import kcidb_io
except ImportError:
    sys.exit(77)
kcidb_io.schema.LATEST.validate(json.load(open(sys.argv[1])))
";
    for (_, path, _folder) in written("kcidb.json") {
        let output = match reader("python3", &["-c", SCRIPT, shown(&path)], LACK) {
            Ok(output) => output,
            Err(lacking) => return lacking,
        };
        if output.status.code() == Some(77) {
            return Ok(Completion::ignored_with(format!("python3 has no module kcidb_io; {LACK}")));
        }
        said(&output)?;
    }
    Ok(Completion::Completed)
}

fn captures() -> Done {
    let [crafted, two_kernels] = made_up::traces();
    let (broken, _) = made_up::broken();
    let mut hostile = broken.clone();
    hostile.header.purpose = made_up::HOSTILE.into();
    hostile.header.target.release = made_up::HOSTILE.into();
    hostile.header.steps.iter_mut().for_each(|step| step.place = made_up::HOSTILE.into());
    for trace in [crafted, two_kernels, broken, hostile] {
        if let Some(lacking) = capture_is_read(&trace)? {
            return Ok(lacking);
        }
    }
    Ok(Completion::Completed)
}

/// Whether tshark finds in a capture what the trace holds: stamps, links, directions, comments.
fn capture_is_read(trace: &Trace) -> Result<Option<Completion>, Failed> {
    const FIELDS: [&str; 5] =
        ["frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction", "frame.len", "frame.comment"];
    let judgement = judge(trace);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("case.pcapng");
    let mut bytes = Vec::new();
    capture::write(trace, &judgement, &mut bytes)?;
    std::fs::write(&path, bytes)?;
    let fields = FIELDS.iter().flat_map(|field| ["-e", field]);
    let arguments: Vec<&str> = ["-r", shown(&path), "-T", "fields"].into_iter().chain(fields).collect();
    let output = match reader("tshark", &arguments, "apt-get install tshark") {
        Ok(output) => said(&output)?,
        Err(lacking) => return lacking.map(Some),
    };
    let remarks = tcpconform_reports::remarks::remarks(trace, &judgement);
    let packets = trace.records.iter().enumerate().filter_map(|(index, record)| {
        let (on, way, packet) = record.what.packet()?;
        Some((index, record.at, on, way, packet))
    });
    let packets: Vec<_> = packets.collect();
    let lines: Vec<&str> = output.lines().collect();
    if lines.len() != packets.len() {
        return Err(format!("{} packets, of which tshark reads:\n{output}", packets.len()).into());
    }
    for (line, (index, at, on, way, packet)) in lines.into_iter().zip(packets) {
        let values: Vec<&str> = line.split('\t').collect();
        let stamp = format!("{}.{:09}", at / 1_000_000_000, at % 1_000_000_000);
        let direction = match way {
            tcpconform_engine::trace::Way::In => "0x00000001",
            tcpconform_engine::trace::Way::Out => "0x00000002",
        };
        let expected = [&stamp, &on.host.to_string(), direction, &packet.len().to_string()];
        if values[..4] != expected {
            return Err(format!("record {index}: {expected:?}, of which tshark reads: {line}").into());
        }
        if values[4].is_empty() == remarks.contains_key(&index) {
            return Err(format!("record {index}: {:?}, of which tshark reads: {line}", remarks.get(&index)).into());
        }
    }
    Ok(None)
}
