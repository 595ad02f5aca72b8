//! The running Linux kernel as a player.

use std::sync::Arc;

use tcpconform_engine::case::Case;
use tcpconform_engine::play::{Progress, TargetError, play};
use tcpconform_engine::run::Player;
use tcpconform_engine::trace::{TargetIdentity, TargetKind, Time, Trace};
use tcpconform_live::{KernelTarget, SetupError, Testbed};

pub use tcpconform_live::{Check, examine};

use crate::exit::Refusal;

/// Plays on the running kernel.
pub struct KernelPlayer {
    testbed: Arc<Testbed>,
    identity: TargetIdentity,
}

impl KernelPlayer {
    /// Gets the rights and what all cases share. To be called while the process has one thread.
    pub fn start(time: Time) -> Result<KernelPlayer, Refusal> {
        let testbed = Testbed::prepare(time).map_err(refuse)?;
        let identity =
            TargetIdentity { kind: TargetKind::Kernel, release: testbed.release().to_owned(), hz: testbed.hz(), time };
        Ok(KernelPlayer { testbed, identity })
    }

    /// The target for one play of a case: namespaces and links, ready.
    pub fn target(&self, case: &Case) -> Result<KernelTarget, TargetError> {
        KernelTarget::new(&self.testbed, case)
    }

    /// Which kernel it is.
    pub fn identity(&self) -> &TargetIdentity {
        &self.identity
    }
}

impl Player for KernelPlayer {
    fn play(&self, case: &Case, progress: &dyn Fn(Progress)) -> Result<Trace, TargetError> {
        match case.machine_sysctls.keys().next() {
            None => play(case, &mut self.target(case)?, progress),
            Some(name) => Err(TargetError::Unsupported(format!(
                "net.ipv4.{name} is the whole machine's: only a machine that tcpconform boots plays this, run --kernel"
            ))),
        }
    }

    fn stop(&self) {
        self.testbed.stop();
    }
}

fn refuse(error: SetupError) -> Refusal {
    match error {
        SetupError::Privileges(lack) => Refusal::could_not_run(
            format!("no right to make network namespaces: {}: {}", lack.operation, lack.errno),
            Some(&lack.advice),
        ),
        SetupError::Netns(_) | SetupError::System { .. } | SetupError::Threads(_) => {
            Refusal::could_not_run(error.to_string(), Some("tcpconform doctor"))
        }
    }
}
