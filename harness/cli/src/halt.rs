//! Ctrl-C and SIGTERM.
//!
//! The first stops the run: what is finished is still reported. A second one, or plays that do not stop in time, end it.

use std::io;
use std::time::Duration;

use tcpconform_engine::run::Halt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How long the cases in flight may take to stop, so that the process ends within a second.
const GRACE: Duration = Duration::from_millis(700);

/// The signals that halt a run.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on these signals do not end the process. To be called in a runtime.
    pub fn catch() -> io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Passes the signals on; ends with the second.
    pub async fn pass_on(mut self, halt: watch::Sender<Halt>) {
        self.next().await;
        // Nobody listens any more when the run is over: nothing is left to halt then.
        let _ = halt.send(Halt::Soon);
        let _ = tokio::time::timeout(GRACE, self.next()).await;
        let _ = halt.send(Halt::Now);
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
