//! Machines as a user boots them. Needs QEMU, and kernels to boot: their names in `TCPCONFORM_KERNELS`, separated by spaces, each
//! as `--kernel` takes it. Without them the tests are ignored, and say so.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tcpconform_engine::case::IpVersion;
use tcpconform_engine::load;
use tcpconform_engine::run::Planned;
use tcpconform_engine::trace::{Stall, Time, What};
use tcpconform_machines::machine::last_lines;
use tcpconform_machines::{EMULATOR, Emulator, Kernel, Machine, MachineError, Message, Pace, Plan, Setup, guest};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_tcpconform");
const KERNELS: &str = "TCPCONFORM_KERNELS";

fn main() -> ExitCode {
    // A machine that a test starts has the test as its first process.
    if guest::is_here() {
        return tcpconform::main();
    }
    let arguments = Arguments::from_args();
    let named = std::env::var(KERNELS).unwrap_or_default();
    let emulated = Command::new("qemu-system-x86_64").arg("--version").stdout(Stdio::null()).status().is_ok();
    let lack = match (named.trim().is_empty(), emulated) {
        (false, true) => None,
        (true, _) => Some(format!("no kernel to boot is named in {KERNELS}")),
        (false, false) => Some("there is no qemu-system-x86_64: apt install qemu-system-x86".to_owned()),
    };
    if let Some(lack) = &lack {
        eprintln!("\nmachines are NOT tested: {lack}\n");
    }
    let kernels: Vec<String> = named.split_whitespace().map(str::to_owned).collect();
    let mut trials = Vec::new();
    for (name, test) in TESTS {
        match &lack {
            Some(lack) => {
                let lack = lack.clone();
                let ignored = move || Ok(Completion::ignored_with(lack));
                trials.push(Trial::ignorable_test(format!("[machine] {name}"), ignored));
            }
            None => trials.extend(kernels.iter().cloned().map(|kernel| {
                let file = Path::new(&kernel).file_name().map_or("", |name| name.to_str().unwrap_or(""));
                Trial::test(format!("[machine] {name}: {file}"), move || test(&kernel).map_err(Failed::from))
            })),
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Test = fn(&str) -> Result<(), String>;

const TESTS: [(&str, Test); 5] = [
    ("a case is played as on the running kernel, and in the same way by a machine that is held up", played_alike),
    ("a kernel that panics is told with its own words", panics),
    ("a machine that dies leaves the verdicts of the cases that were finished", killed),
    ("a kernel is played once", twice),
    ("a guest in real time tells how long its machine stood still", stood_still),
];

/// Both topologies, both IP versions, waiting, and a process that ends.
const SELECTED: [&str; 3] = ["close/active", "time-wait/length", "close/process-end"];

fn run(kernel: &str, out: &Path, more: &[&str]) -> Output {
    start(kernel, out, more).wait_with_output().expect("the binary ends")
}

fn start(kernel: &str, out: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(BINARY);
    command.args(["run", "--kernel", kernel, "--out"]).arg(out).args(more).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
}

/// The machines of a run.
fn machines(run: &Child) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{}/task", run.id())).into_iter().flatten().flatten();
    threads.flat_map(|thread| children(&thread.path())).collect()
}

/// The processes that a thread started; none where it is gone.
fn children(thread: &Path) -> Vec<Pid> {
    let children = fs::read_to_string(thread.join("children")).unwrap_or_default();
    children.split_whitespace().map(|child| Pid::from_raw(child.parse().expect("a process"))).collect()
}

/// The same run with machines that stand still for a moment now and then, as on a host that has other things to do.
fn run_haltingly(kernel: &str, out: &Path, more: &[&str]) -> Output {
    let mut run = start(kernel, out, more);
    for running_us in (200..1_200).step_by(7).cycle() {
        if run.try_wait().expect("a child of ours").is_some() {
            break;
        }
        for (signal, pause_us) in [(Signal::SIGSTOP, 100), (Signal::SIGCONT, running_us)] {
            for machine in machines(&run) {
                // It may be done meanwhile.
                let _ = kill(machine, signal);
            }
            thread::sleep(Duration::from_micros(pause_us));
        }
    }
    run.wait_with_output().expect("the binary ends")
}

fn expect(output: &Output, code: i32) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.code() {
        Some(is) if is == code => Ok(()),
        is => Err(format!("exit code {is:?}, not {code}\n{}\n{}", text(&output.stdout), text(&output.stderr))),
    }
}

fn report(out: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(out.join("report.json")).map_err(|error| error.to_string())?;
    let mut report: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    // The only two that may differ.
    for own in ["started", "wall_seconds"] {
        report[own].take();
    }
    Ok(report)
}

fn played_alike(kernel: &str) -> Result<(), String> {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let mut reports = Vec::new();
    for (folder, run) in folders.iter().zip([run, run_haltingly]) {
        expect(&run(kernel, folder.path(), &SELECTED), 0)?;
        reports.push(report(folder.path())?);
    }
    if reports[0]["target"]["time"] != "virtual" || reports[0]["totals"]["pass"] == 0 {
        return Err(format!("{}", reports[0]));
    }
    if reports[0] != reports[1] {
        return Err(format!("{}\n{}", reports[0], reports[1]));
    }
    let trace =
        |folder: &TempDir| fs::read(folder.path().join("traces/close/active@two-kernels,ts,ipv4.jsonl")).unwrap();
    if trace(&folders[0]) != trace(&folders[1]) {
        return Err("the traces differ".to_owned());
    }
    Ok(())
}

fn panics(kernel: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    // There is no other root file system either.
    let output = run(kernel, folder.path(), &["close/active", "--kernel-cmdline", "rdinit=/nothing"]);
    expect(&output, 3)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("error: the guest panicked: ") && said.contains("  | ") { Ok(()) } else { Err(said) }
}

fn killed(kernel: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    let run = start(kernel, folder.path(), &["time-wait", "rst"]);
    let traces = folder.path().join("traces");
    let started = Instant::now();
    while fs::read_dir(&traces).map_or(0, Iterator::count) == 0 && started.elapsed() < Duration::from_secs(120) {
        thread::sleep(Duration::from_millis(20));
    }
    // Two machines play where there are two processors.
    kill(machines(&run)[0], Signal::SIGKILL).unwrap();
    let output = run.wait_with_output().unwrap();
    expect(&output, 3)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = report(folder.path())?;
    let finished = report["cases"].as_array().map_or(0, Vec::len) as u64;
    let not_run = report["not_run"].as_u64().unwrap_or_default();
    // What the other machine plays is played to the end.
    if report["totals"]["pass"] == 0 || not_run == 0 || not_run > finished + finished / 2 {
        return Err(format!("{finished} finished, {not_run} not run: {said}"));
    }
    if !said.contains("error: QEMU failed: signal: 9 (SIGKILL)") {
        return Err(said);
    }
    Ok(())
}

fn twice(kernel: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    let output = run(kernel, folder.path(), &["close/active", "--kernel", kernel]);
    expect(&output, 2)
}

const STILL: &str = "\
purpose: Nothing happens for two seconds.
cites: [RFC 9293 3.10.4]
steps:
  - establish
  - wait: 2s
  - state: ESTABLISHED
";
/// Longer than a busy host lets a machine wait.
const STOPPED: Duration = Duration::from_millis(300);
/// The period in which a guest looks at the clock, and what the emulator needs until it does.
const NOT_SEEN: Duration = Duration::from_millis(30);

fn stood_still(kernel: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    let kernel = Kernel::find(kernel).map_err(|error| error.to_string())?;
    let cases = load::catalogue_embedded(&[("still.yaml", STILL)]).map_err(|wrong| wrong.render(false))?;
    let over_ipv4 = cases.into_iter().filter(|case| case.ip == IpVersion::Ipv4);
    let planned: Vec<Planned> = over_ipv4.map(|case| Planned { case, lasts: None }).collect();
    let plan = Plan::of(&planned, None, Time::Real, |_| Some(STILL.to_owned()))?;
    let setup = Setup {
        pace: Pace::RealEmulated,
        command_line: String::new(),
        console: folder.path().join("console.txt"),
        patience: Duration::from_secs(120),
        emulator: Emulator::ask(EMULATOR.into()),
        processor: None,
    };
    let never = Arc::new(AtomicBool::new(false));
    let why = |error: MachineError| format!("{error}\n{}", last_lines(&setup.console).join("\n"));
    let mut machine = Machine::start(&kernel, plan, &setup, never).map_err(why)?;
    let process = children(Path::new("/proc/thread-self"))[0];
    while let Some(message) = machine.hear().map_err(why)? {
        match message {
            Message::Started { .. } => {
                // The first time it may still be setting up.
                for signal in [Signal::SIGSTOP, Signal::SIGCONT].repeat(3) {
                    kill(process, signal).unwrap();
                    thread::sleep(STOPPED);
                }
            }
            Message::Played { records, .. } => {
                let Some(What::End { stalls }) = records.last().map(|record| &record.what) else {
                    return Err(format!("no end: {records:?}"));
                };
                let longest = stalls.iter().map(Stall::length).max().map_or(Duration::ZERO, Duration::from_nanos);
                return if longest + NOT_SEEN >= STOPPED { Ok(()) } else { Err(format!("{stalls:?}")) };
            }
            Message::Ready { .. }
            | Message::Lacks { .. }
            | Message::Waiting { .. }
            | Message::Active { .. }
            | Message::Unplayed { .. }
            | Message::Finished {} => {}
        }
    }
    Err("the case was not played".to_owned())
}
