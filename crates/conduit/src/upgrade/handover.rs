//! What is known of a take-over beyond the gateway itself: how this process was started, and which
//! one has taken over.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::successor::Successor;

/// How this process was started: what an upgrade starts again.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// The file it was started from; another program may lie there by now.
    pub binary: PathBuf,
    /// What came after the program's name.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// Of this process; call it early, before the file is replaced.
    ///
    /// # Errors
    /// When the system does not say which file it was started from.
    pub fn of_this_process() -> std::io::Result<Self> {
        let binary = std::env::current_exe()?;
        Ok(Self { binary, arguments: std::env::args_os().skip(1).collect() })
    }
}

/// The take-over of one process by another; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Handover {
    pub(super) program: Option<Arc<Program>>,
    over: CancellationToken,
    /// Nothing new is asked of this process any more.
    aside: CancellationToken,
    successor: Arc<Mutex<Option<Arc<Successor>>>>,
}

impl Handover {
    /// For a process that can be replaced by one that is started like it.
    pub fn of(program: Program) -> Self {
        Self { program: Some(Arc::new(program)), ..Self::default() }
    }

    /// Waits until another process has taken over.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Whether another process has taken over.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Passes a signal on to the process that has taken over; says whether there is one.
    pub fn pass_on(&self, signal: Signal) -> bool {
        let successor = self.successor().filter(|_| self.is_over());
        if let Some(successor) = &successor {
            successor.signal(signal);
        }
        successor.is_some()
    }

    /// The process that has taken over, or is about to.
    pub(super) fn successor(&self) -> Option<Arc<Successor>> {
        self.successor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_successor(&self, successor: Option<Arc<Successor>>) {
        *self.successor.lock().unwrap_or_else(PoisonError::into_inner) = successor;
    }

    /// Says that whoever asks from now on asks the other process.
    pub(crate) fn step_aside(&self) {
        self.aside.cancel();
    }

    /// Waits until whoever asks next asks the other process.
    pub(crate) async fn aside(&self) {
        self.aside.cancelled().await;
    }

    pub(super) fn complete(&self) {
        self.over.cancel();
    }
}
