//! The system's log on this machine, in the form that `syslog(3)` has there: RFC 5424 would be taken
//! for a part of the text, and the log sets the time itself.
//!
//! **Invariant:** sending never waits. A log that is gone is looked for again, at most once a
//! second.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// A way to the system's log.
#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    tried: Option<Instant>,
}

impl Syslog {
    /// A log that listens, or will listen, at this path.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), socket: None, tried: None }
    }

    /// Sends each line as a message of its own; an error says how many were not sent.
    pub(super) fn write(&mut self, text: &[u8]) -> Result<(), (io::Error, u64)> {
        let mut failed: Option<(io::Error, u64)> = None;
        for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            if let Err(error) = self.send(line) {
                let lost = failed.map_or(0, |(_, lost)| lost);
                failed = Some((error, lost + 1));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let head = format!("<{PRIORITY}>conduit[{}]: ", std::process::id());
        let message = [head.as_bytes(), line].concat();
        let sent = self.socket()?.send(&message);
        match sent {
            Ok(_) => Ok(()),
            Err(error) => {
                // A full queue is no reason to look for another socket.
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.socket = None;
                }
                Err(error)
            }
        }
    }

    fn socket(&mut self) -> io::Result<&UnixDatagram> {
        if self.socket.is_none() {
            if self.tried.is_some_and(|at| at.elapsed() < RETRY_AFTER) {
                return Err(io::ErrorKind::NotConnected.into());
            }
            self.tried = Some(Instant::now());
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.connect(&self.path)?;
            self.socket = Some(socket);
        }
        self.socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Facility 3 (daemons), severity 6 (informational).
const PRIORITY: u8 = 3 * 8 + 6;
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_become_messages_and_a_log_may_come_later() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("log");
        let mut syslog = Syslog::at(&path);
        let (_, lost) = syslog.write(b"one\ntwo\n").expect_err("nobody listens");
        assert_eq!(lost, 2);
        let server = UnixDatagram::bind(&path).expect("binds");
        assert!(syslog.write(b"three\n").is_err(), "not yet tried again");
        tokio::time::advance(RETRY_AFTER).await;
        syslog.write(b"four\nfive\n").expect("sent");
        for line in ["four", "five"] {
            let mut buffer = [0; 512];
            let count = server.recv(&mut buffer).expect("a message");
            let text = std::str::from_utf8(&buffer[..count]).expect("text");
            assert_eq!(text, format!("<30>conduit[{}]: {line}", std::process::id()));
        }
    }
}
