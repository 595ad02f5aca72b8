//! QEMU: its command line, and the process.
//!
//! Owns what makes a machine repeatable, and that it ends with us. Refuses to know what runs inside.
#![expect(unsafe_code, reason = "the death signal is asked for between fork and exec")]

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tcpconform_engine::trace::Time;

use crate::window::{SIZE, Window};

/// The emulator's name.
pub const EMULATOR: &str = "qemu-system-x86_64";

/// A firmware that starts the kernel and looks for nothing else; the usual one takes a second of emulation to find no disk. QEMU has
/// it among its data since 5.0.
const FIRMWARE: &str = "qboot.rom";

/// The device that shows a guest memory of ours.
const WINDOW: &str = "ivshmem-plain";

/// By which clock a guest lives, and what executes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The clock counts instructions and jumps over waiting; emulated.
    Virtual,
    /// The world's clock, on the processor itself.
    RealKvm,
    /// The world's clock; emulated.
    RealEmulated,
}

impl Pace {
    /// The clock of a guest's traces.
    pub fn time(self) -> Time {
        match self {
            Pace::Virtual => Time::Virtual,
            Pace::RealKvm | Pace::RealEmulated => Time::Real,
        }
    }
}

/// What a machine runs in, and what of it is not in every QEMU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emulator {
    /// A path, or a name to be found in PATH.
    pub program: PathBuf,
    /// The quick firmware, for virtual time.
    pub(crate) firmware: Option<PathBuf>,
    /// Whether it can share memory with a guest.
    pub(crate) window: bool,
}

impl Emulator {
    /// Asks the emulator. One that is not there has nothing, which starting a machine will tell.
    pub fn ask(program: PathBuf) -> Emulator {
        let firmware = told(&program, ["-L", "help"]).and_then(|folders| firmware_in(&folders));
        let window = told(&program, ["-device", "help"]).is_some_and(|devices| devices.contains(WINDOW));
        Emulator { program, firmware, window }
    }
}

/// A machine's hardware, and what it boots.
pub(crate) struct Hardware<'a> {
    pub(crate) pace: Pace,
    pub(crate) memory_mb: u32,
    pub(crate) image: &'a [u8],
    pub(crate) initramfs: &'a [u8],
    /// Whether anything is to speak IPv6.
    pub(crate) ipv6: bool,
    /// Appended to the kernel's command line.
    pub(crate) command_line: &'a str,
    /// The file that the first serial port writes to.
    pub(crate) console: &'a Path,
    /// The host's processor to stay on.
    pub(crate) processor: Option<usize>,
}

/// A running QEMU. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Qemu {
    child: Child,
    /// What the second serial port writes to.
    pub(crate) results: File,
    /// What the guest tells without it, where the emulator has that.
    pub(crate) window: Option<Window>,
    complaints: File,
}

impl Qemu {
    /// Starts the machine.
    ///
    /// What it boots and what it tells are files in memory: nothing is left behind, however we end.
    pub(crate) fn start(emulator: &Emulator, hardware: &Hardware<'_>) -> io::Result<Qemu> {
        let image = in_memory(hardware.image)?;
        let initramfs = in_memory(hardware.initramfs)?;
        let results = in_memory(&[])?;
        let complaints = in_memory(&[])?;
        let window = emulator.window.then(Window::new).transpose()?;
        let mut command = Command::new(&emulator.program);
        command.args([
            "-machine",
            "q35",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-smp",
            "1",
        ]);
        command.args(match hardware.pace {
            // One instruction is one nanosecond; nothing random comes from outside. A small buffer of translated code stays in the
            // host's caches; how large it is changes nothing inside.
            //
            // Recording is asked for because of its lock, not of the record: QEMU's main loop moves the clock of a sleeping
            // processor, and otherwise may see it asleep before the last instructions are counted (do_hlt() ahead of
            // icount_process_data()). The later these are added, the later is everything after, by some tens of nanoseconds.
            Pace::Virtual => &[
                "-accel",
                "tcg,tb-size=64",
                "-icount",
                "shift=0,sleep=off,rr=record,rrfile=/dev/null",
                "-cpu",
                CPU,
                "-seed",
                "1",
                "-rtc",
                "clock=vm,base=2026-01-01T00:00:00",
            ][..],
            Pace::RealKvm => &["-accel", "kvm", "-cpu", "host"],
            Pace::RealEmulated => &["-accel", "tcg", "-cpu", CPU_REAL],
        });
        if let Some(firmware) = emulator.firmware.as_ref().filter(|_| hardware.pace == Pace::Virtual) {
            command.arg("-bios").arg(firmware);
        }
        if let Some(Window { memory, .. }) = &window {
            let backend = format!("memory-backend-file,id=window,share=on,size={SIZE},mem-path={}", path(memory));
            command.args(["-object", &backend, "-device", &format!("{WINDOW},memdev=window")]);
        }
        command.args(["-m", &hardware.memory_mb.to_string()]);
        command.args(["-kernel", &path(&image), "-initrd", &path(&initramfs), "-append", &append(hardware)]);
        for (id, file) in [("console", &*hardware.console.to_string_lossy()), ("results", &path(&results))] {
            // A comma in a value is written twice.
            let file = file.replace(',', ",,");
            command.args(["-chardev", &format!("file,id={id},path={file}"), "-serial", &format!("chardev:{id}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints.try_clone()?);
        let parent = nix::unistd::getpid();
        let mut only = CpuSet::new();
        let stay = hardware.processor.map(|processor| only.set(processor)).transpose()?.is_some();
        // SAFETY: plain system calls, allowed between fork and exec.
        unsafe {
            command.pre_exec(move || {
                // Without it the machine runs all the same.
                let _ = stay.then(|| sched_setaffinity(Pid::from_raw(0), &only));
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                // We may have died before the child asked.
                if nix::unistd::getppid() == parent { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
            });
        }
        let child = command.spawn()?;
        Ok(Qemu { child, results, window, complaints })
    }

    /// How it ended, once it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// What QEMU itself complained of.
    pub(crate) fn complaints(&mut self) -> String {
        let mut text = String::new();
        let _ = self.complaints.rewind().and_then(|()| self.complaints.read_to_string(&mut text));
        text.trim().to_owned()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn firmware_in(folders: &str) -> Option<PathBuf> {
    folders.lines().map(|folder| Path::new(folder).join(FIRMWARE)).find(|file| file.is_file())
}

/// What the emulator prints when it is asked this.
fn told(program: &Path, question: [&str; 2]) -> Option<String> {
    let answer = Command::new(program).args(question).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(answer.stdout).ok()
}

/// The kernel's command line. Console messages are on the first port, our results alone on the second.
fn append(hardware: &Hardware<'_>) -> String {
    let mut words = vec!["console=ttyS0", "quiet", "panic=-1", "8250.nr_uarts=2"];
    if hardware.pace == Pace::Virtual {
        words.extend(VIRTUAL);
        words.extend((!hardware.ipv6).then_some(NO_IPV6));
    }
    words.push(hardware.command_line);
    words.join(" ")
}

/// The plainest processor is the fastest to emulate. Random numbers are the guest's to ask for: they come of the fixed seed, and
/// without them it would spin for a second to make its own. Without cmpxchg16b: in QEMU 7.2 it leaves nonsense in the flags when
/// an interrupt comes right behind it, and the guest dies of a double fault.
const CPU: &str = "qemu64,+rdrand,-cx16";
/// Everything that can be emulated, without the same.
const CPU_REAL: &str = "max,-cx16";

/// What the kernel need not do here, none of it TCP's: neither its timers nor its clocks nor what it puts on a link.
const VIRTUAL: [&str; 14] = [
    "nokaslr",
    // Guards against speculation slow an emulated processor and protect nobody.
    "mitigations=off",
    // Calibrating the local APIC's timer spins for a hundred milliseconds of instructions, and so does trying out the IO-APIC's;
    // the HPET serves as well.
    "nolapic_timer",
    "no_timer_check",
    // The self-tests of ciphers take longer than the rest of the boot, and nothing here is encrypted.
    "cryptomgr.notests",
    // Nor is randomness measured out of a clock that counts instructions; two test themselves whatever is said.
    "initcall_blacklist=jent_mod_init,crypto_kdf108_init,blake2s_mod_init",
    // A quarter of a boot: the names of enumerations in how tracepoints are printed, which nobody prints, and a look at every
    // function for whether it is a weak one, which concerns who traces functions.
    "initcall_blacklist=trace_eval_init,ftrace_check_for_weak_functions",
    // Congestion control written in BPF, of which there is none.
    "initcall_blacklist=bpf_tcp_ca_kfunc_init,bpf_dummy_struct_ops_init",
    // The parameters of what is built in, as files below /sys/module.
    "initcall_blacklist=param_sysfs_builtin_init",
    // Security modules have no policy here and would nod at every call.
    "lsm=",
    // Who waits for what resource nobody asks.
    "psi=0",
    // Nobody attacks: memory need not be wiped before it is given out, nor every copy be looked at, nor stacks begin anywhere.
    "init_on_alloc=0",
    "hardened_usercopy=off",
    "randomize_kstack_offset=off",
];

/// Half of what a network namespace costs to make and to take down is IPv6's; TCP over IPv4 has no part of it.
const NO_IPV6: &str = "ipv6.disable=1";

fn in_memory(bytes: &[u8]) -> io::Result<File> {
    // Without close-on-exec: QEMU opens it by its number.
    let descriptor: OwnedFd = memfd_create(c"tcpconform", MFdFlags::empty())?;
    let mut file = File::from(descriptor);
    file.write_all(bytes)?;
    Ok(file)
}

fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_quick_firmware_is_found_where_the_emulator_says_its_data_is() {
        let data = TempDir::new().unwrap();
        let told = format!("/nowhere\n{}\n", data.path().display());
        assert_eq!(firmware_in(&told), None);
        let firmware = data.path().join(FIRMWARE);
        fs::write(&firmware, "").unwrap();
        assert_eq!(firmware_in(&told), Some(firmware));
    }

    #[test]
    fn an_emulator_that_is_not_there_has_nothing() {
        let program = PathBuf::from("/nowhere/emulator");
        assert_eq!(Emulator::ask(program.clone()), Emulator { program, ..Emulator::default() });
    }

    #[test]
    fn the_users_words_come_last_on_the_kernels_command_line() {
        let hardware = |pace, ipv6| Hardware {
            pace,
            ipv6,
            memory_mb: 1,
            image: &[],
            initramfs: &[],
            command_line: "quiet=0 net.ifnames=0",
            console: Path::new("console"),
            processor: None,
        };
        assert_eq!(
            append(&hardware(Pace::RealKvm, false)),
            "console=ttyS0 quiet panic=-1 8250.nr_uarts=2 quiet=0 net.ifnames=0"
        );
        let virtual_time = "console=ttyS0 quiet panic=-1 8250.nr_uarts=2 nokaslr mitigations=off nolapic_timer no_timer_check \
                            cryptomgr.notests initcall_blacklist=jent_mod_init,crypto_kdf108_init,blake2s_mod_init \
                            initcall_blacklist=trace_eval_init,ftrace_check_for_weak_functions \
                            initcall_blacklist=bpf_tcp_ca_kfunc_init,bpf_dummy_struct_ops_init \
                            initcall_blacklist=param_sysfs_builtin_init lsm= psi=0 \
                            init_on_alloc=0 hardened_usercopy=off randomize_kstack_offset=off ";
        assert_eq!(append(&hardware(Pace::Virtual, true)), format!("{virtual_time}quiet=0 net.ifnames=0"));
        assert_eq!(
            append(&hardware(Pace::Virtual, false)),
            format!("{virtual_time}ipv6.disable=1 quiet=0 net.ifnames=0")
        );
    }
}
