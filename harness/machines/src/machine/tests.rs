//! Machines whose emulator is a shell script: what a guest may do wrong, without a guest.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::frame::Encoder;
use crate::kernel::Absent;
use crate::message::line;

/// A machine whose emulator does this: `$1` is the file of its console, `$2` that of its results, `$3` the window.
fn machine(folder: &TempDir, script: &str) -> Result<Machine, MachineError> {
    let emulator = folder.path().join("emulator");
    let words = r#"
for word in "$@"; do case "$word" in
    file,id=console,path=*) console=${word#*path=} ;;
    file,id=results,path=*) results=${word#*path=} ;;
    memory-backend-file,*) window=${word#*path=} ;;
esac; done
set -- "$console" "$results" "$window"
"#;
    fs::write(&emulator, format!("#!/bin/sh\n{words}\n{script}\n")).unwrap();
    fs::set_permissions(&emulator, fs::Permissions::from_mode(0o755)).unwrap();
    let setup = Setup {
        pace: Pace::Virtual,
        command_line: String::new(),
        console: folder.path().join("console.txt"),
        patience: Duration::from_millis(600),
        emulator: Emulator { program: emulator, window: true, ..Emulator::default() },
        processor: None,
    };
    let kernel = Kernel {
        release: "6.1.0".to_owned(),
        image: Vec::new(),
        modules: Vec::new(),
        unsure: vec![Absent { costs: "every case", modules: vec!["veth".to_owned()] }],
    };
    // Another test's fork may hold the script open for writing for a moment (ETXTBSY).
    loop {
        match Machine::start(&kernel, Plan::default(), &setup, Arc::new(AtomicBool::new(false))) {
            Err(MachineError::System { error, .. }) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
            started => return started,
        }
    }
}

/// What a machine told, and how it ended.
fn told(script: &str) -> (Vec<Message>, Result<(), String>) {
    let folder = TempDir::new().unwrap();
    let frames = |name: &str, messages: &[Message]| {
        let mut encoder = Encoder::new();
        let bytes: Vec<u8> = messages.iter().flat_map(|message| encoder.frame(&line(message)).unwrap()).collect();
        fs::write(folder.path().join(name), bytes).unwrap();
    };
    frames("ready", &[ready()]);
    frames("all", &[ready(), Message::Started { case: 0 }, Message::Finished {}]);
    frames("rest", &[Message::Finished {}]);
    let lines = [line(&ready()), line(&Message::Started { case: 0 })].concat();
    fs::write(folder.path().join("count"), lines.len().to_le_bytes()).unwrap();
    fs::write(folder.path().join("lines"), lines).unwrap();
    frames("lacks", &[Message::Lacks { what: "no links".to_owned() }]);
    let script = format!("cd {}\n{script}", folder.path().display());
    let mut messages = Vec::new();
    let end = machine(&folder, &script).and_then(|mut machine| {
        while let Some(message) = machine.hear()? {
            messages.push(message);
        }
        Ok(())
    });
    (messages, end.map_err(|error| error.to_string()))
}

fn ready() -> Message {
    Message::Ready { release: "6.1.0".to_owned(), hz: 250 }
}

fn wrong(text: &str) -> Result<(), String> {
    Err(text.to_owned())
}

#[test]
fn a_guest_that_is_done_need_not_switch_off() {
    assert_eq!(told("cat all > $2; sleep 60"), (vec![ready(), Message::Started { case: 0 }], Ok(())));
}

#[test]
fn what_is_in_the_window_is_heard_before_what_came_over_the_line() {
    let fill = "dd if=lines of=$3 bs=64 seek=1 conv=notrunc 2> $1; dd if=count of=$3 conv=notrunc 2> $1";
    let told_all = (vec![ready(), Message::Started { case: 0 }], Ok(()));
    assert_eq!(told(&format!("{fill}; cat rest > $2; sleep 60")), told_all);
    let (messages, end) = told(&format!("{fill}; kill -9 $$"));
    assert_eq!((messages, end), (told_all.0, wrong("QEMU failed: signal: 9 (SIGKILL)")));
}

#[test]
fn what_was_told_before_the_end_is_heard() {
    assert_eq!(told("cat ready > $2"), (vec![ready()], wrong("the guest stopped before it was done")));
}

#[test]
fn a_panic_is_told_in_the_kernels_words() {
    let panics =
        "printf '[ 1.5] Kernel panic - not syncing: Attempted to kill init!\\r\\n[ 1.6] Call Trace:\\r\\n' > $1";
    let text = "the guest panicked: Attempted to kill init!";
    assert_eq!(told(&format!("cat ready > $2; {panics}")), (vec![ready()], wrong(text)));
    // Also where the kernel was told to stay.
    assert_eq!(told(&format!("{panics}; sleep 60")), (vec![], wrong(text)));
}

#[test]
fn a_guest_that_hangs_is_given_up() {
    let text = "the guest has said nothing for 0.6 s";
    assert_eq!(told("cat ready > $2; sleep 60"), (vec![ready()], wrong(text)));
}

#[test]
fn garbage_is_shown() {
    assert_eq!(
        told("cat ready > $2; printf 'Oops: 0000\\n' >> $2; sleep 60").1.unwrap_err().split_once(" byte ").unwrap().0,
        "the guest sent not a frame at"
    );
    assert_eq!(
        told("printf 'login: ' > $2; sleep 60"),
        (vec![], wrong("the guest sent not a frame at byte 0 of the results: login: "))
    );
}

#[test]
fn a_guest_that_cannot_play_says_why() {
    let text = "the guest cannot play: no links; it came without veth (costs every case), unless these are built in";
    assert_eq!(told("cat lacks > $2; sleep 60"), (vec![], wrong(text)));
}

#[test]
fn an_emulator_that_refuses_is_quoted() {
    assert_eq!(told("echo 'no such machine: q36' >&2; exit 1"), (vec![], wrong("QEMU failed: no such machine: q36")));
}

#[test]
fn an_emulator_that_is_killed_is_told() {
    assert_eq!(told("cat ready > $2; kill -9 $$"), (vec![ready()], wrong("QEMU failed: signal: 9 (SIGKILL)")));
}

#[test]
fn a_missing_emulator_is_told() {
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        pace: Pace::Virtual,
        command_line: String::new(),
        console: folder.path().join("console.txt"),
        patience: Duration::ZERO,
        emulator: Emulator::ask(folder.path().join("nothing")),
        processor: None,
    };
    let kernel = Kernel { release: String::new(), image: Vec::new(), modules: Vec::new(), unsure: Vec::new() };
    let started = Machine::start(&kernel, Plan::default(), &setup, Arc::new(AtomicBool::new(false)));
    assert!(matches!(started, Err(MachineError::NoQemu(_))));
}

#[test]
fn the_emulator_ends_with_its_machine() {
    let folder = TempDir::new().unwrap();
    let machine = machine(&folder, "echo $$ > $1; exec sleep 60").unwrap();
    let console = folder.path().join("console.txt");
    let process = loop {
        if let Ok(process) = fs::read_to_string(&console).unwrap_or_default().trim().parse::<u32>() {
            break Path::new("/proc").join(process.to_string());
        }
        thread::sleep(LOOK_EVERY);
    };
    assert!(process.exists());
    drop(machine);
    assert!(!process.exists());
}

#[test]
fn the_lines_before_a_panic_tell_more_than_those_behind_it() {
    let folder = TempDir::new().unwrap();
    let console = folder.path().join("console.txt");
    let before: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    fs::write(&console, before.join("\r\n\r\n")).unwrap();
    assert_eq!(last_lines(&console), before[8..]);
    fs::write(&console, format!("{}\n[ 1.0] {PANIC}Oops\n[ 1.1] Call Trace:\n", before.join("\n"))).unwrap();
    let shown = last_lines(&console);
    assert_eq!(shown.last().unwrap(), "[ 1.0] Kernel panic - not syncing: Oops");
    assert_eq!(shown[..11], before[9..]);
    assert_eq!(last_lines(&folder.path().join("none")), [""; 0]);
}

#[test]
fn our_own_program_runs_without_its_sections() {
    let folder = TempDir::new().unwrap();
    let own = Executable::own().unwrap();
    let program = folder.path().join("program");
    fs::write(&program, &own.program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let listed = loop {
        match std::process::Command::new(&program).args(["--list", "our_own_program"]).output() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
            output => break output.unwrap(),
        }
    };
    assert!(String::from_utf8_lossy(&listed.stdout).contains("our_own_program_runs_without_its_sections"));
    assert!(own.program.len() < fs::read("/proc/self/exe").unwrap().len());
    for (path, bytes) in &own.files {
        assert!(Path::new(path).is_absolute() && bytes.starts_with(b"\x7fELF"), "{path}");
    }
}
