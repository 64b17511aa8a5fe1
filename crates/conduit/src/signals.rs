//! What the operating system asks of the process.
//!
//! The first SIGTERM or SIGINT asks for a drain, the second for an end; SIGHUP asks for a reload.

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals the process listens to.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
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
    /// second, and tells `heard` about every signal before that.
    pub async fn serve(
        mut self,
        drain: CancellationToken,
        now: CancellationToken,
        mut heard: impl FnMut(Signal),
    ) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => heard(Signal::HUP),
                _ = self.terminate.recv() => {
                    heard(Signal::TERM);
                    Self::stop(&drain, &now);
                }
                _ = self.interrupt.recv() => {
                    heard(Signal::INT);
                    Self::stop(&drain, &now);
                }
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
