//! A machine that plays: started with a kernel and a plan, it tells one message after the other, until it is done.
//!
//! Owns the initramfs of a guest, the limit on real time, and why a machine came to no good end. Refuses to judge.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::executable::Executable;
use crate::frame::{Decoder, Garbage};
use crate::guest::{MODULES, PLAN};
use crate::initramfs::Initramfs;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::plan::Plan;
use crate::qemu::{Emulator, Hardware, Pace, Qemu};

/// Memory of a guest.
const MEMORY_MB: u32 = 512;
/// A boot takes two seconds where KVM works.
const KVM_PATIENCE: Duration = Duration::from_secs(20);
/// How often the results are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many of the console's last lines tell what happened.
const LINES_SHOWN: usize = 12;

/// What a kernel says before it tells why it gives up.
const PANIC: &str = "Kernel panic - not syncing: ";

/// How a machine is to be.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its clock.
    pub pace: Pace,
    /// Appended to the kernel's command line.
    pub command_line: String,
    /// The file that keeps its console.
    pub console: PathBuf,
    /// How long it may say nothing, in real time.
    pub patience: Duration,
    /// What it runs in.
    pub emulator: Emulator,
    /// The host's processor that it is to stay on. In virtual time QEMU's two threads take turns, and do so with less to do where
    /// neither has to be woken on another processor.
    pub processor: Option<usize>,
}

/// Why a machine did not come to its end.
#[derive(Debug, Error)]
pub enum MachineError {
    /// There is no QEMU.
    #[error("there is no {}, in which kernels other than the running one are booted", .0.display())]
    NoQemu(PathBuf),
    /// Something of ours or of the system failed.
    #[error("{operation}: {error}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// QEMU did not like what it was asked for.
    #[error("QEMU failed: {0}")]
    Qemu(String),
    /// The kernel gave up.
    #[error("the guest panicked: {0}")]
    Panicked(String),
    /// It went away.
    #[error("the guest stopped before it was done")]
    Stopped,
    /// It hangs.
    #[error("the guest has said nothing for {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// It tells what nobody understands.
    #[error("the guest sent {0}")]
    Garbage(#[from] Garbage),
    /// It tells what is no message.
    #[error("the guest sent what is no message: {0}")]
    NoMessage(String),
    /// It cannot play.
    #[error("the guest cannot play: {what}{without}")]
    Lacks {
        /// Why.
        what: String,
        /// Modules that may be the reason, from a semicolon on; may be empty.
        without: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A running machine. Dropped, it is gone.
#[derive(Debug)]
pub struct Machine {
    qemu: Qemu,
    decoder: Decoder,
    read: u64,
    lines: Vec<u8>,
    heard: Instant,
    patience: Duration,
    console: PathBuf,
    without: String,
    stop: Arc<AtomicBool>,
    finished: bool,
}

impl Machine {
    /// Boots the kernel with our own program as its first process. `stop` ends it.
    pub fn start(kernel: &Kernel, plan: Plan, setup: &Setup, stop: Arc<AtomicBool>) -> Result<Machine, MachineError> {
        let ipv6 = plan.speaks_ipv6();
        let initramfs = initramfs(kernel, plan).map_err(system("making the initramfs"))?;
        // So that nobody reads what another machine wrote.
        fs::write(&setup.console, "").map_err(system("writing the console's file"))?;
        let hardware = Hardware {
            pace: setup.pace,
            memory_mb: MEMORY_MB,
            image: &kernel.image,
            initramfs: &initramfs,
            ipv6,
            command_line: &setup.command_line,
            console: &setup.console,
            processor: setup.processor,
        };
        let qemu = Qemu::start(&setup.emulator, &hardware).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                MachineError::NoQemu(setup.emulator.program.clone())
            } else {
                MachineError::System { operation: "starting QEMU", error }
            }
        })?;
        let unsure: Vec<String> = kernel.unsure.iter().map(ToString::to_string).collect();
        let without = match &unsure[..] {
            [] => String::new(),
            modules => format!("; it came without {}, unless these are built in", modules.join("; ")),
        };
        Ok(Machine {
            qemu,
            decoder: Decoder::new(),
            read: 0,
            lines: Vec::new(),
            heard: Instant::now(),
            patience: setup.patience,
            console: setup.console.clone(),
            without,
            stop,
            finished: false,
        })
    }

    /// Whether the processor itself can run this kernel: boots it to the point where it would play. A machine inside another has
    /// the device of KVM more often than a KVM that works.
    pub fn try_kvm(kernel: &Kernel, setup: &Setup, stop: Arc<AtomicBool>) -> Result<(), MachineError> {
        let setup = Setup { pace: Pace::RealKvm, patience: setup.patience.min(KVM_PATIENCE), ..setup.clone() };
        Machine::start(kernel, Plan::default(), &setup, stop)?.hear().map(drop)
    }

    /// The next message, waited for; `None` behind the last one.
    pub fn hear(&mut self) -> Result<Option<Message>, MachineError> {
        while !self.finished {
            if self.stop.load(Ordering::Relaxed) {
                return Err(MachineError::Interrupted);
            }
            match self.told()? {
                Some(Message::Lacks { what }) => {
                    return Err(MachineError::Lacks { what, without: self.without.clone() });
                }
                Some(Message::Finished {}) => {
                    self.finished = true;
                    break;
                }
                Some(message) => return Ok(Some(message)),
                None => {}
            }
            // Asked for before the rest is read: what it wrote last is in the file when it has ended.
            let ended = self.qemu.ended().map_err(system("waiting for QEMU"))?;
            if self.receive().map_err(system("reading the results"))? {
                continue;
            }
            if let Some(status) = ended {
                return Err(self.why_it_ended(status));
            }
            if self.heard.elapsed() > self.patience {
                return Err(
                    panic_line(&self.console).map_or(MachineError::Silent(self.patience), MachineError::Panicked)
                );
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(None)
    }

    /// A message that is here already.
    fn told(&mut self) -> Result<Option<Message>, MachineError> {
        loop {
            if let Some(end) = self.lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.lines.drain(..=end).collect();
                let message = serde_json::from_slice(&line);
                return message.map(Some).map_err(|error| MachineError::NoMessage(error.to_string()));
            }
            match self.decoder.next()? {
                Some(bytes) => self.lines.extend(bytes),
                None => return Ok(None),
            }
        }
    }

    /// Takes what has been written since the last time; whether there was anything.
    fn receive(&mut self) -> io::Result<bool> {
        // The line first: what went over it was told behind all that is in the window, and its frames are opened behind that.
        let over_line = self.receive_line()?;
        let length = over_line + self.qemu.window.as_mut().map_or(Ok(0), |window| window.read(&mut self.lines))?;
        if length > 0 {
            self.heard = Instant::now();
        }
        Ok(length > 0)
    }

    fn receive_line(&mut self) -> io::Result<usize> {
        if self.qemu.results.metadata()?.len() <= self.read {
            return Ok(0);
        }
        let mut buffer = vec![0; 256 << 10];
        let length = self.qemu.results.read_at(&mut buffer, self.read)?;
        self.read += length as u64;
        self.decoder.receive(&buffer[..length]);
        Ok(length)
    }

    fn why_it_ended(&mut self, status: ExitStatus) -> MachineError {
        if let Some(line) = panic_line(&self.console) {
            return MachineError::Panicked(line);
        }
        if status.success() {
            return MachineError::Stopped;
        }
        let complaint = self.qemu.complaints();
        MachineError::Qemu(if complaint.is_empty() { status.to_string() } else { complaint })
    }
}

/// The lines of a console that tell what happened: the last ones, or the last before the kernel's own account of its panic.
pub fn last_lines(console: &Path) -> Vec<String> {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let end = lines.iter().position(|line| line.contains(PANIC)).map_or(lines.len(), |panic| panic + 1);
    lines[end.saturating_sub(LINES_SHOWN)..end].iter().map(|line| (*line).to_owned()).collect()
}

/// What the kernel said when it gave up.
fn panic_line(console: &Path) -> Option<String> {
    let text = fs::read(console).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_, said) = text.split_once(PANIC)?;
    Some(said.lines().next().unwrap_or_default().trim_end().to_owned())
}

fn initramfs(kernel: &Kernel, mut plan: Plan) -> io::Result<Vec<u8>> {
    let own = Executable::own()?;
    let mut initramfs = Initramfs::default();
    for folder in ["proc", "sys", "dev", "tmp"] {
        initramfs.folder(folder)?;
    }
    initramfs.console()?;
    for (path, bytes) in &own.files {
        initramfs.file(path, 0o755, bytes)?;
    }
    for module in &kernel.modules {
        let path = format!("{MODULES}/{}.ko", module.name);
        initramfs.file(&path, 0o644, &module.bytes)?;
        plan.modules.push(path);
    }
    initramfs.file(PLAN, 0o644, &serde_json::to_vec(&plan)?)?;
    initramfs.file("init", 0o755, &own.program)?;
    initramfs.finish()
}

fn system(operation: &'static str) -> impl FnOnce(io::Error) -> MachineError {
    move |error| MachineError::System { operation, error }
}

#[cfg(test)]
mod tests;
