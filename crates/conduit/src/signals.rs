//! What the operating system asks of the process.
//!
//! The first SIGTERM or SIGINT asks for a drain, the second for an end; SIGHUP asks for a reload.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals the process listens to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from their default actions.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Serves signals for ever: cancels `drain` on the first request to stop and `now` on the
    /// second, and calls `reload` on every SIGHUP.
    pub async fn serve(
        mut self,
        drain: CancellationToken,
        now: CancellationToken,
        mut reload: impl FnMut(),
    ) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => reload(),
                _ = self.terminate.recv() => Self::stop(&drain, &now),
                _ = self.interrupt.recv() => Self::stop(&drain, &now),
            }
        }
    }

    fn stop(drain: &CancellationToken, now: &CancellationToken) {
        if drain.is_cancelled() {
            tracing::warn!("asked to stop a second time; not waiting any longer");
            now.cancel();
        } else {
            tracing::info!("asked to stop; finishing what is under way");
            drain.cancel();
        }
    }
}
