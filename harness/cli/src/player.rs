//! The two players: the running kernel, and the model.

#[cfg(target_os = "linux")]
mod kernel;
#[cfg(not(target_os = "linux"))]
#[path = "player/no_kernel.rs"]
mod kernel;
mod model;

pub use kernel::{Check, KernelPlayer, examine};
pub use model::ModelPlayer;
