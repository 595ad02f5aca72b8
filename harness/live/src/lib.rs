//! Plays a case on the running Linux kernel.
//!
//! Owns the sockets, the capture, the injection, the relay between two kernels, and every way of asking the kernel for its
//! state. Refuses to know what is right, and what a case file looks like: it implements `tcpconform_engine::play::Target` and
//! tells what it saw, with the kernel's time stamps.

#[cfg(not(target_os = "linux"))]
compile_error!("tcpconform-live plays on the running Linux kernel; the other crates build anywhere");

mod clock;
mod connection;
mod counters;
mod doctor;
mod flow;
mod host;
mod kernel_state;
mod kernel_target;
mod link;
mod mailbox;
mod option_call;
mod packet_socket;
mod poll_call;
mod queue_call;
mod reaper;
mod router;
mod sock_diag;
mod socket_option;
mod sockets;
mod stalls;
mod stamping;
mod stop;
mod sysctls;
mod testbed;
mod tracefs;
mod tracepoint;
mod zygote;

pub use doctor::{Check, examine};
pub use kernel_target::KernelTarget;
pub use sysctls::{RECORDED, pin_at_home};
pub use testbed::{SetupError, Testbed};
