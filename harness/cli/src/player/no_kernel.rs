//! Where there is no Linux kernel: traces can be judged and the model played, kernels cannot.

use tcpconform_engine::case::Case;
use tcpconform_engine::play::{Progress, TargetError};
use tcpconform_engine::run::Player;
use tcpconform_engine::trace::{TargetIdentity, Trace};

use crate::exit::Refusal;

const HELP: &str = "run on Linux, or play the model: tcpconform run --target model";

/// A player of which there is none.
pub enum KernelPlayer {}

/// One thing that playing on the kernel needs or uses.
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether nothing can be played without it.
    pub required: bool,
    /// What was found, or what is missing and what helps.
    pub outcome: Result<String, String>,
}

/// The one thing that is missing.
pub fn examine() -> Vec<Check> {
    vec![Check { name: "kernel", required: true, outcome: Err(format!("{}; {HELP}", lack())) }]
}

impl KernelPlayer {
    /// Never succeeds.
    pub fn start() -> Result<KernelPlayer, Refusal> {
        Err(Refusal::could_not_run(lack(), Some(HELP)))
    }

    /// Which kernel it is.
    pub fn identity(&self) -> &TargetIdentity {
        match *self {}
    }
}

impl Player for KernelPlayer {
    fn play(&self, _: &Case, _: &dyn Fn(Progress)) -> Result<Trace, TargetError> {
        match *self {}
    }

    fn stop(&self) {
        match *self {}
    }
}

fn lack() -> String {
    format!("this is {}, and only Linux kernels are put to the test", std::env::consts::OS)
}
