//! What a guest does besides playing, as the first process of a machine: file systems, modules, telling, power off.
//!
//! Owns the guest's end of the line. Refuses to play. What goes wrong before the line is open is said on the console.

mod own_sysctls;
mod urgency;
mod window;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::kmod::init_module;
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::termios::{SetArg, cfmakeraw, tcdrain, tcgetattr, tcsetattr};
use tcpconform_engine::case::Case;
use tcpconform_engine::play::Progress;
use tcpconform_engine::run::{Planned, RunEvent, Unplayed};
use tcpconform_engine::trace::{Time, Trace};

use crate::frame::Encoder;
use crate::message::{Message, line};
use crate::plan::Plan;

pub use own_sysctls::OwnSysctls;
pub use urgency::{Urgency, urgency};
use window::Window;

/// Where the plan lies in the initramfs.
pub(crate) const PLAN: &str = "/tcpconform/plan.json";
/// Where the modules lie.
pub(crate) const MODULES: &str = "/tcpconform/modules";
/// The second serial port.
const LINE: &str = "/dev/ttyS1";
/// What is told is held back until it is this much, bytes, or until a case has come to its end; but not that the first began.
const HELD_BACK: usize = 4096;
/// How long a kernel has to be up before it is put to the test, seconds. It boots in one by its own clock, and goes on changing
/// that clock: a watchdog looks at it every half second, and timers become exact once it is content (kernel/time/clocksource.c);
/// the TSC is calibrated for another second (tsc_refine_calibration_work()).
const SETTLED_S: f64 = 4.0;
/// More descriptors than a thousand cases have.
const DESCRIPTORS: u64 = 65_536;

/// The guest.
#[derive(Debug)]
pub struct Guest {
    plan: Plan,
    window: Option<Window>,
    line: File,
    encoder: Encoder,
    held_back: Vec<u8>,
    names: HashMap<String, usize>,
    begun: bool,
}

/// Whether this process is the first of a machine that we made. Arguments could not tell: the kernel calls its first process
/// with every word of its command line that it does not know.
pub fn is_here() -> bool {
    std::process::id() == 1 && Path::new(PLAN).exists()
}

/// What came of a case, for the host to judge.
pub type Played = (String, Result<Trace, Unplayed>);

/// Keeps what came of a case; what is to be given to the run loop inside a machine.
pub fn unjudged(case: &Case, played: Result<Trace, Unplayed>) -> Played {
    (case.name(), played)
}

impl Guest {
    /// Makes the machine a place to play in. To be called by the first process of a machine, before anything else.
    pub fn start() -> io::Result<Guest> {
        set_up()?;
        let plan = fs::read(PLAN)?;
        let plan: Plan = serde_json::from_slice(&plan)?;
        let line = File::options().write(true).open(LINE).map_err(|error| named(LINE, error))?;
        let mut settings = tcgetattr(&line)?;
        cfmakeraw(&mut settings);
        tcsetattr(&line, SetArg::TCSANOW, &settings)?;
        setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS)?;
        Ok(Guest {
            plan,
            window: Window::open(),
            line,
            encoder: Encoder::new(),
            held_back: Vec::new(),
            names: HashMap::new(),
            begun: false,
        })
    }

    /// Loads the modules and gives the cases to play.
    pub fn prepare(&mut self) -> Result<Vec<Planned>, String> {
        for path in &self.plan.modules {
            load(Path::new(path)).map_err(|error| format!("loading {path}: {error}"))?;
        }
        urgency::softirqs_first().map_err(|error| format!("sched_setscheduler of ksoftirqd: {error}"))?;
        let cases = self.plan.cases()?;
        self.names = cases.iter().enumerate().map(|(at, planned)| (planned.case.name(), at)).collect();
        Ok(cases)
    }

    /// Waits until the kernel has done what it puts off while it boots. In virtual time that takes none.
    pub fn settle(&self) -> Result<(), String> {
        let uptime = fs::read_to_string("/proc/uptime").map_err(|error| format!("/proc/uptime: {error}"))?;
        let up = uptime.split(' ').next().and_then(|up| up.parse::<f64>().ok()).unwrap_or_default();
        thread::sleep(Duration::try_from_secs_f64(SETTLED_S - up).unwrap_or_default());
        Ok(())
    }

    /// Cases in flight at most, if the user said so.
    pub fn jobs(&self) -> Option<u32> {
        self.plan.jobs()
    }

    /// By which clock the machine lives.
    pub fn time(&self) -> Time {
        self.plan.time()
    }

    /// Tells the host: through the window, over the line once there is none or it is full.
    pub fn tell(&mut self, message: &Message) -> io::Result<()> {
        let told = line(message);
        if self.window.as_mut().is_some_and(|window| window.put(&told)) {
            return Ok(());
        }
        // A shorter one may fit, but must not overtake.
        self.window = None;
        self.held_back.extend(told);
        let hurry = match message {
            Message::Ready { .. }
            | Message::Lacks { .. }
            | Message::Played { .. }
            | Message::Unplayed { .. }
            | Message::Finished {} => true,
            Message::Started { .. } => !std::mem::replace(&mut self.begun, true),
            Message::Waiting { .. } | Message::Active { .. } => false,
        };
        if hurry || self.held_back.len() >= HELD_BACK {
            let frame = self.encoder.frame(&self.held_back)?;
            self.held_back.clear();
            self.line.write_all(&frame)?;
        }
        Ok(())
    }

    /// Tells the host what happens in the run.
    pub fn pass_on(&mut self, event: RunEvent<Played>) -> io::Result<()> {
        let message = match event {
            RunEvent::CaseStarted { name, .. } => Message::Started { case: self.place(&name) },
            RunEvent::CaseProgress { name, progress } => {
                let case = self.place(&name);
                match progress {
                    Progress::Waiting { seconds_left } => Message::Waiting { case, seconds_left },
                    Progress::Active => Message::Active { case },
                }
            }
            RunEvent::CaseFinished(played) => {
                let (name, played) = *played;
                let case = self.place(&name);
                match played {
                    Ok(Trace { header, records }) => {
                        let (endpoints, started_unix_ns) = (header.endpoints, header.started_unix_ns);
                        Message::Played { case, endpoints, started_unix_ns, records }
                    }
                    Err(Unplayed { verdict, reason }) => Message::Unplayed { case, verdict, reason },
                }
            }
            RunEvent::Finished(_) => Message::Finished {},
            RunEvent::Started { .. }
            | RunEvent::CaseAgain { .. }
            | RunEvent::CaseHalted { .. }
            | RunEvent::Interrupted { .. } => return Ok(()),
        };
        self.tell(&message)
    }

    /// Switches the machine off once everything is told.
    pub fn power_off(self) -> io::Result<()> {
        tcdrain(&self.line)?;
        match reboot(RebootMode::RB_POWER_OFF) {
            Err(errno) => Err(errno.into()),
        }
    }

    fn place(&self, name: &str) -> usize {
        self.names.get(name).copied().unwrap_or(usize::MAX)
    }
}

fn set_up() -> io::Result<()> {
    let none: Option<&str> = None;
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp")] {
        mount(Some(kind), target, Some(kind), MsFlags::empty(), none)
            .map_err(|errno| named(&format!("mount {kind}"), errno.into()))?;
    }
    // Our threads never run for long; being put off for a twentieth of a second would be seen in every timing.
    fs::write("/proc/sys/kernel/sched_rt_runtime_us", "-1")?;
    // Since 6.12 that is not enough: ordinary threads are given a twentieth of a second (dl_server of kernel/sched/fair.c).
    let debugfs = mount(Some("debugfs"), "/sys/kernel/debug", Some("debugfs"), MsFlags::empty(), none);
    if debugfs.is_ok() {
        let _ = fs::write("/sys/kernel/debug/sched/fair_server/cpu0/runtime", "0");
    }
    // Without it there are no tracepoints, and nothing else is lost.
    let _ = mount(Some("tracefs"), "/sys/kernel/tracing", Some("tracefs"), MsFlags::empty(), none);
    Ok(())
}

/// Without its signature, which takes the kernel a twentieth of its boot to verify; with it where the kernel insists.
fn load(path: &Path) -> io::Result<()> {
    let module = fs::read(path)?;
    let unsigned = unsigned(&module);
    let mut loaded = init_module(unsigned, c"");
    if loaded.is_err() && unsigned.len() < module.len() {
        loaded = init_module(&module, c"");
    }
    match loaded {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// A module without the signature behind it: `struct module_signature` (include/linux/module_signature.h) and a mark end the file.
fn unsigned(module: &[u8]) -> &[u8] {
    const MARK: &[u8] = b"~Module signature appended~\n";
    const STRUCTURE: usize = 12;
    let rest = || {
        let (rest, structure) = module.strip_suffix(MARK)?.split_last_chunk::<STRUCTURE>()?;
        let [.., a, b, c, d] = *structure;
        rest.get(..rest.len().checked_sub(u32::from_be_bytes([a, b, c, d]) as usize)?)
    };
    rest().unwrap_or(module)
}

fn named(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::unsigned;

    #[test]
    fn a_signature_is_cut_off_and_nothing_else() {
        let mark = b"~Module signature appended~\n";
        let signed = |length: u8| [&b"code"[..], b"sig", &[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, length], mark].concat();
        assert_eq!(unsigned(&signed(3)), b"code");
        assert_eq!(unsigned(&signed(7)), b"");
        for odd in [signed(8), mark.to_vec(), b"code".to_vec()] {
            assert_eq!(unsigned(&odd), odd);
        }
    }
}
