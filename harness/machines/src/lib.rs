//! Boots other kernels in QEMU, and brings back the traces of the cases that are played inside.
//!
//! Owns finding a kernel with its modules, the initramfs, QEMU, what host and guest say to each other, and what a guest does
//! before and after it plays. Refuses to play and to judge: the guest plays as a local run does, the host judges its traces.

mod compression;
pub mod kernel;

pub use kernel::{Kernel, KernelError};
