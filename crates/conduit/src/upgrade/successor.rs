//! The process that is to take over, as the one sees it that started it.
//!
//! **Invariant:** a process that does not take over is gone, and was waited for, before anything it
//! had is used again.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::VARIABLE;
use super::channel::{Channel, DESCRIPTORS_MAX};
use super::words::{FromNew, FromOld, Label};

/// A started process.
#[derive(Debug)]
pub(super) struct Successor {
    child: Mutex<Child>,
    process: u32,
}

/// The conversation with it.
#[derive(Debug)]
pub(super) struct Talk {
    channel: Channel,
    deadline: Instant,
}

/// What it said when its sockets and its configuration were there.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) version: String,
    pub(super) schema: u32,
    pub(super) socket: bool,
}

impl Successor {
    /// Starts a program with these arguments and something to talk over.
    pub(super) fn start(
        binary: &Path,
        arguments: &[OsString],
        deadline: Instant,
    ) -> io::Result<(Self, Talk)> {
        let (channel, theirs) = Channel::pair()?;
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .stdin(Stdio::from(theirs))
            .env(VARIABLE, std::process::id().to_string())
            // Sockets that came with the start of this process are not at those numbers there.
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_FDNAMES")
            .env_remove("LISTEN_PID");
        let child = command.spawn()?;
        let process = child.id();
        Ok((Self { child: Mutex::new(child), process }, Talk { channel, deadline }))
    }

    /// Its number.
    pub(super) fn process(&self) -> u32 {
        self.process
    }

    /// Ends it at once; says how it ended, which may have been before.
    pub(super) fn kill(&self) -> io::Result<ExitStatus> {
        let mut child = self.child();
        // One that has ended cannot be killed, and how it ended is known then.
        child.kill().ok();
        child.wait()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Passes a signal on, unless it has ended.
    pub(super) fn signal(&self, signal: Signal) {
        let mut child = self.child();
        // Whoever waits for it takes the same lock, so the number cannot be another's by now.
        let is_running = matches!(child.try_wait(), Ok(None));
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(process) = process.filter(|_| is_running)
            && let Err(error) = kill_process(process, signal)
        {
            tracing::warn!(%error, "a signal could not be passed on");
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Talk {
    /// Hands the sockets over and waits until it has what it needs of them.
    pub(super) fn prepare(
        &self,
        sockets: &[(Label, OwnedFd)],
        waiting: u32,
    ) -> Result<Prepared, String> {
        let mut left = sockets;
        loop {
            let (now, later) = left.split_at(left.len().min(DESCRIPTORS_MAX));
            let labels = now.iter().map(|(label, _)| label.clone()).collect();
            let descriptors: Vec<_> = now.iter().map(|(_, socket)| socket.as_fd()).collect();
            let message = FromOld::Sockets { labels, more: !later.is_empty(), waiting };
            self.send(&message, &descriptors)?;
            if later.is_empty() {
                break;
            }
            left = later;
        }
        match self.receive()? {
            FromNew::Prepared { version, schema, socket } => {
                Ok(Prepared { version, schema, socket })
            }
            other => Err(unexpected(other)),
        }
    }

    /// Hands the state over and waits until it serves.
    pub(super) fn give_state(&self, lock: &OwnedFd) -> Result<(), String> {
        self.send(&FromOld::State, &[lock.as_fd()])?;
        match self.receive()? {
            FromNew::Ready => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// Says that the state is its own for good. When it is gone already, others will notice.
    pub(super) fn over(&self) {
        if let Err(error) = self.channel.send(&FromOld::Over, &[], OVER_LIMIT) {
            tracing::error!(%error, "the new process does not hear that it has taken over");
        }
    }

    fn send(
        &self,
        message: &FromOld,
        descriptors: &[std::os::fd::BorrowedFd<'_>],
    ) -> Result<(), String> {
        let sent = self.channel.send(message, descriptors, self.left());
        sent.map_err(|error| explain(&error))
    }

    fn receive(&self) -> Result<FromNew, String> {
        match self.channel.receive(self.left()) {
            Ok(Some((message, _))) => Ok(message),
            Ok(None) => Err(String::new()),
            Err(error) => Err(explain(&error)),
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A reason that nobody gave is empty: how the process ended says more then.
fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => String::new(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "it did not get ready in time".to_owned()
        }
        _ => format!("it cannot be talked to: {error}"),
    }
}

fn unexpected(message: FromNew) -> String {
    match message {
        FromNew::Refused { reason } => reason.trim().to_owned(),
        other => format!("it said {other:?} out of turn"),
    }
}

/// For a message that always fits.
const OVER_LIMIT: Duration = Duration::from_secs(5);
