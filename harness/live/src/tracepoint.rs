//! The tracepoint `sock:inet_sock_set_state`: every state change of every TCP socket of the machine, given to the case whose
//! connection it is.
//!
//! Owns the perf events (one a CPU), their buffers and the one thread that reads them. Needs CAP_PERFMON and tracefs; without
//! them there are no transitions and nothing else changes. Follows perf_event_open(2), include/trace/events/sock.h.
//!
//! Blind to mini-sockets. SYN-RECEIVED is one until the handshake ends: what a passive open reports first is SYN-RECEIVED to
//! ESTABLISHED. TIME-WAIT is one, and FIN-WAIT-2 of an orphan: where the mini-socket takes over (tcp_time_wait()), the full
//! socket reports that it goes to CLOSED.
#![expect(unsafe_code, reason = "perf_event_open and its mapped buffers")]

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tcpconform_engine::case::Endpoint;
use tcpconform_engine::play::Seen;
use tcpconform_engine::trace::{Nanos, Transition, What};
use tcpconform_model::State;

use crate::clock::{Clock, realtime_ahead_ns};
use crate::host::in_doubt;
use crate::kernel_state::kernel_state;
use crate::mailbox::Mailbox;
use crate::tracefs::Layout;

/// Pages of events a CPU, a power of two: 2 MB hold 19,000 events, of which a busy processor lets come a few thousand before we read.
/// Where so much is not granted (`perf_event_mlock_kb`), 256 kB.
const DATA_PAGES: [usize; 2] = [512, 64];

/// Whoever wants to know about a connection.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) endpoint: Endpoint,
    pub(crate) clock: Clock,
    pub(crate) mailbox: Arc<Mailbox>,
    /// What happened before is not the connection's: it is of a host that is gone.
    pub(crate) since: Nanos,
}

/// A connection: local and remote address.
type Connection = (SocketAddr, SocketAddr);

/// The events and who wants them.
#[derive(Debug)]
pub(crate) struct Tracepoint {
    shared: Arc<Shared>,
    end: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

/// What the reading thread and the cases share.
#[derive(Debug)]
struct Shared {
    layout: Layout,
    buffers: Mutex<Vec<Buffer>>,
    watches: Mutex<HashMap<Connection, Watch>>,
}

impl Tracepoint {
    /// Opens an event on every CPU and starts the reading thread.
    pub(crate) fn start(layout: Layout) -> io::Result<Tracepoint> {
        let mut buffers = Vec::new();
        for cpu in online_cpus()? {
            buffers.push(Buffer::open(layout.id, cpu, &DATA_PAGES)?);
        }
        let descriptors: Vec<OwnedFd> = buffers.iter().map(|b| b.descriptor.try_clone()).collect::<io::Result<_>>()?;
        let shared = Arc::new(Shared { layout, buffers: Mutex::new(buffers), watches: Mutex::new(HashMap::new()) });
        let end = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let (its_shared, its_end) = (Arc::clone(&shared), Arc::clone(&end));
        let thread = thread::Builder::new()
            .name("tracepoint".into())
            .stack_size(256 * 1024)
            .spawn(move || read(&descriptors, &its_shared, &its_end))?;
        Ok(Tracepoint { shared, end, thread: Some(thread) })
    }

    /// Hands out every transition so far: the reading thread may be late.
    pub(crate) fn catch_up(&self) {
        self.shared.hand_out();
    }

    /// From now on the connection's transitions go to the watch's mailbox.
    pub(crate) fn watch(&self, local: SocketAddr, remote: SocketAddr, watch: Watch) {
        self.shared.watches.lock().unwrap_or_else(PoisonError::into_inner).insert((local, remote), watch);
    }

    /// Ends that.
    pub(crate) fn forget(&self, local: SocketAddr, remote: SocketAddr) {
        self.shared.watches.lock().unwrap_or_else(PoisonError::into_inner).remove(&(local, remote));
    }
}

impl Drop for Tracepoint {
    fn drop(&mut self) {
        let _ = self.end.write(1);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn read(descriptors: &[OwnedFd], shared: &Shared, end: &EventFd) {
    let mut polled: Vec<PollFd<'_>> = descriptors.iter().map(|d| PollFd::new(d.as_fd(), PollFlags::POLLIN)).collect();
    polled.push(PollFd::new(end.as_fd(), PollFlags::POLLIN));
    loop {
        let result = poll(&mut polled, PollTimeout::NONE);
        let ended = polled.last().is_some_and(|p| p.any() == Some(true));
        if ended || result.is_err_and(|errno| errno != nix::errno::Errno::EINTR) {
            return;
        }
        shared.hand_out();
    }
}

impl Shared {
    /// Empties the buffers into the mailboxes.
    fn hand_out(&self) {
        // Held to the end, so that whoever comes second finds the mailboxes filled.
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = Vec::new();
        let mut complete = true;
        for buffer in buffers.iter_mut() {
            complete &= buffer.drain(|time, raw| events.extend(event(time, raw, &self.layout)));
        }
        if !complete {
            self.tell_of_loss();
        }
        if events.is_empty() {
            return;
        }
        let ahead = realtime_ahead_ns();
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if let Some(watch) = watches.get(&event.connection) {
                let at = watch.clock.at(event.monotonic_ns.saturating_add_signed(ahead));
                if at < watch.since {
                    continue;
                }
                let transition = Transition { on: watch.endpoint, from: event.from, to: event.to };
                watch.mailbox.post(Seen { at, what: What::Transition(transition) });
            }
        }
    }

    /// Whose state change was left out nobody knows.
    fn tell_of_loss(&self) {
        for watch in self.watches.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let text = "the tracepoint's buffer was full, state changes may be missing".to_string();
            watch.mailbox.post(in_doubt(watch.clock.now(), text));
        }
    }
}

/// An event, understood.
struct Event {
    monotonic_ns: u64,
    connection: Connection,
    from: State,
    to: State,
}

/// `None` for other protocols, for what is cut, and for what is no state change of the connection: a listener's own, and the
/// cloning of the listener into a full socket at the end of the handshake (inet_csk_clone_lock()), which only newer kernels
/// report with the connection's addresses.
fn event(monotonic_ns: u64, raw: &[u8], layout: &Layout) -> Option<Event> {
    let byte = |at: usize| raw.get(at).copied();
    let half = |at: usize| Some(u16::from_ne_bytes(raw.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(i32::from_ne_bytes(raw.get(at..at + 4)?.try_into().ok()?));
    if i32::from(byte(layout.protocol)?) != libc::IPPROTO_TCP {
        return None;
    }
    let address = |v4: usize, v6: usize| -> Option<IpAddr> {
        if i32::from(half(layout.family)?) == libc::AF_INET {
            Some(IpAddr::from(<[u8; 4]>::try_from(raw.get(v4..v4 + 4)?).ok()?))
        } else {
            Some(IpAddr::from(<[u8; 16]>::try_from(raw.get(v6..v6 + 16)?).ok()?))
        }
    };
    let local = SocketAddr::new(address(layout.saddr, layout.saddr_v6)?, half(layout.sport)?);
    let remote = SocketAddr::new(address(layout.daddr, layout.daddr_v6)?, half(layout.dport)?);
    let state = |at: usize| kernel_state(u8::try_from(word(at)?).ok()?);
    let (from, to) = (state(layout.oldstate)?, state(layout.newstate)?);
    let of_connection = remote.port() != 0 && from != State::Listen;
    of_connection.then_some(Event { monotonic_ns, connection: (local, remote), from, to })
}

/// The CPUs that are online, as in `0-3,6`.
fn online_cpus() -> io::Result<Vec<i32>> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online")?;
    let mut cpus = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<i32>().map_err(io::Error::other);
        cpus.extend(number(first)?..=number(last)?);
    }
    Ok(cpus)
}

// Values of include/uapi/linux/perf_event.h.
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_SAMPLE_TIME: u64 = 1 << 2;
const PERF_SAMPLE_RAW: u64 = 1 << 10;
const PERF_RECORD_SAMPLE: u32 = 9;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const USE_CLOCKID: u64 = 1 << 25;
/// A record is shorter: 8 bytes of header, 8 of time, 4 of length, some 60 of the event.
const RECORD_BYTES: usize = 128;
/// Where `data_head` and `data_tail` are in the first page, `struct perf_event_mmap_page`.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// `struct perf_event_attr` as of PERF_ATTR_SIZE_VER3, which has the clock.
#[repr(C)]
#[derive(Default)]
struct EventAttributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
}

/// One CPU's event and its mapped buffer.
#[derive(Debug)]
struct Buffer {
    descriptor: OwnedFd,
    start: *mut u8,
    page: usize,
    /// Of the events, behind the first page; bytes.
    size: usize,
}

// SAFETY: the mapping belongs to this value alone, whichever thread holds it.
unsafe impl Send for Buffer {}

impl Buffer {
    /// With as many pages as are granted, of these numbers in turn.
    fn open(id: u64, cpu: i32, pages: &[usize]) -> io::Result<Buffer> {
        let attributes = EventAttributes {
            kind: PERF_TYPE_TRACEPOINT,
            size: size_of::<EventAttributes>() as u32,
            config: id,
            sample_period: 1,
            sample_type: PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
            // CLOCK_REALTIME is refused: not safe in an NMI (perf_event_set_clock()).
            flags: USE_CLOCKID,
            wakeup_events: 1,
            clockid: libc::CLOCK_MONOTONIC,
            ..EventAttributes::default()
        };
        // SAFETY: the attributes are valid for their size; the descriptor is new and ours.
        let descriptor = unsafe {
            let raw =
                libc::syscall(libc::SYS_perf_event_open, &raw const attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
            if raw < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(raw as i32)
        };
        // SAFETY: no pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let map = |size: usize| {
            // SAFETY: a new shared mapping of the descriptor, unmapped when the value is dropped.
            let start = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    page + size,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_SHARED,
                    descriptor.as_raw_fd(),
                    0,
                )
            };
            (start != libc::MAP_FAILED).then_some((start, size))
        };
        let Some((start, size)) = pages.iter().find_map(|pages| map(pages * page)) else {
            return Err(io::Error::last_os_error());
        };
        Ok(Buffer { descriptor, start: start.cast(), page, size })
    }

    /// Gives time and raw data of each new sample to `take`. Whether there was room for every one: the kernel leaves out what does not fit.
    fn drain(&mut self, mut take: impl FnMut(u64, &[u8])) -> bool {
        let size = self.size;
        // SAFETY: both counters are aligned and inside the first page, and the kernel accesses them atomically.
        let (head, tail) = unsafe {
            (&*self.start.add(DATA_HEAD).cast::<AtomicU64>(), &*self.start.add(DATA_TAIL).cast::<AtomicU64>())
        };
        let end = head.load(Ordering::Acquire);
        let start = tail.load(Ordering::Relaxed);
        let mut at = start;
        while at < end {
            let header = self.copy(at, 8, size);
            let length = usize::from(u16::from_ne_bytes([header[6], header[7]]));
            if length < 8 {
                break;
            }
            let record = self.copy(at, length, size);
            let kind = u32::from_ne_bytes(record[0..4].try_into().expect("four bytes"));
            if kind == PERF_RECORD_SAMPLE && length >= 20 {
                take(u64::from_ne_bytes(record[8..16].try_into().expect("eight bytes")), &record[20..]);
            }
            at += length as u64;
        }
        tail.store(end, Ordering::SeqCst);
        // What came while the tail was where it had been found is in `head` too.
        head.load(Ordering::SeqCst) - start <= (size - RECORD_BYTES) as u64
    }

    /// Copies out of the buffer, which ends at `size` and goes on at its start.
    fn copy(&self, at: u64, length: usize, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let from = at as usize % size;
        let first = length.min(size - from);
        // SAFETY: the data pages are `size` bytes behind the first page; both parts are inside, and the kernel does not write
        // where the reader has not yet moved the tail past.
        unsafe {
            let data = self.start.add(self.page);
            std::ptr::copy_nonoverlapping(data.add(from), bytes.as_mut_ptr(), first);
            std::ptr::copy_nonoverlapping(data, bytes.as_mut_ptr().add(first), length - first);
        }
        bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `open`, of the same length.
        unsafe { libc::munmap(self.start.cast(), self.page + self.size) };
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
    use nix::unistd::Pid;

    use super::Buffer;
    use crate::tracefs::Layout;

    #[test]
    fn a_buffer_without_room_is_told_of_once() {
        let layout = match Layout::find() {
            Ok(layout) => layout,
            Err(error) => return println!("skipped: {error}"),
        };
        let cpu = sched_getcpu().unwrap();
        let mut here = CpuSet::new();
        here.set(cpu).unwrap();
        sched_setaffinity(Pid::from_raw(0), &here).unwrap();
        let mut buffer = match Buffer::open(layout.id, cpu as i32, &[1 << 20, 64]) {
            Ok(buffer) => buffer,
            Err(error) => return println!("skipped: perf_event_open: {error}"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut samples = 0;
        let connect = |times| {
            for _ in 0..times {
                drop((TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener.accept().unwrap()));
            }
        };
        connect(10);
        assert!(buffer.drain(|_, _| samples += 1));
        assert!(samples >= 10, "{samples}");
        connect(2_000);
        assert!(!buffer.drain(|_, _| samples += 1));
        assert!(buffer.drain(|_, _| samples += 1));
    }
}
