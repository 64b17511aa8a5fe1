//! What becomes of the old process once everything it had open has ended.
//!
//! systemd is told which process is the main one and follows it, so the old one ends. Everybody
//! else (a shell, a container's init, a simple supervisor) knows only the process that it started:
//! that one stays, without threads or sockets of a gateway, until its successor ends, passes
//! SIGTERM and SIGHUP on to it and ends as it did.

use std::process::ExitStatus;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::Handover;

impl Handover {
    /// Whether somebody follows the main process, wherever it goes.
    pub fn is_followed() -> bool {
        std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| !socket.is_empty())
    }

    /// Passes a signal on to the successor, unless whoever sends it tells both.
    pub fn pass_on_alone(&self, signal: Signal) -> bool {
        !Self::is_followed() && self.pass_on(signal)
    }

    /// Waits until the process that has taken over ends; says how. For ever, when there is none.
    pub async fn successor_ended(&self) -> ExitStatus {
        self.over().await;
        let children = signal(SignalKind::child());
        let (Some(successor), Ok(mut children)) = (self.successor(), children) else {
            return std::future::pending().await;
        };
        loop {
            if let Some(status) = successor.ended() {
                return status;
            }
            children.recv().await;
        }
    }
}
