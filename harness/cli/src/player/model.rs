//! The model as a player.

use std::sync::atomic::{AtomicBool, Ordering};

use tcpconform_engine::case::Case;
use tcpconform_engine::fault::Fault;
use tcpconform_engine::model_target::{ModelTarget, play_on_faulty_model};
use tcpconform_engine::play::{Progress, Target, TargetError};
use tcpconform_engine::run::Player;
use tcpconform_engine::trace::{TargetIdentity, Trace};

/// Plays the model as a stack, in no time and without privileges.
#[derive(Debug, Default)]
pub struct ModelPlayer {
    stopped: AtomicBool,
    fault: Option<&'static Fault>,
}

impl ModelPlayer {
    /// The same with a fault in it.
    pub fn faulty(fault: Option<&'static Fault>) -> ModelPlayer {
        ModelPlayer { fault, ..ModelPlayer::default() }
    }

    /// Which model it is that plays this case.
    pub fn identity(&self, case: &Case) -> TargetIdentity {
        ModelTarget::faulty(case, self.fault).identity()
    }
}

impl Player for ModelPlayer {
    fn play(&self, case: &Case, _: &dyn Fn(Progress)) -> Result<Trace, TargetError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(TargetError::Interrupted);
        }
        play_on_faulty_model(case, self.fault)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
