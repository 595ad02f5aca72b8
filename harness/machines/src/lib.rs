//! Boots other kernels in QEMU, and brings back the traces of the cases that are played inside.
//!
//! Owns finding a kernel with its modules, the initramfs, QEMU, what host and guest say to each other, and what a guest does
//! before and after it plays. Refuses to play and to judge: the guest plays as a local run does, the host judges its traces.

mod compression;
mod executable;
mod frame;
pub mod guest;
mod initramfs;
pub mod kernel;
pub mod machine;
pub mod message;
mod plan;
mod qemu;
mod window;

pub use kernel::{Kernel, KernelError};
pub use machine::{Machine, MachineError, Setup};
pub use message::Message;
pub use plan::Plan;
pub use qemu::{EMULATOR, Emulator, Pace};
