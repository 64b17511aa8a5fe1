//! Where lines go, whatever they are about.
//!
//! **Invariant:** a place that cannot take lines is an error with the number of those that are lost, and is
//! tried again with the next.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::file::{LogFile, Rotation};
use super::syslog::Syslog;
use crate::config::AccessOutput;

/// A place for lines.
#[derive(Debug)]
pub(crate) struct Output {
    place: Place,
    orders: FileOrders,
    /// How often its file was to be opened again when that was done last.
    reopened: u64,
}

#[derive(Debug)]
enum Place {
    Stdout,
    File(LogFile),
    Syslog(Syslog),
}

/// What the file of a log is told from outside; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileOrders {
    /// Counts how often it is to be opened again.
    pub(crate) reopen: Arc<AtomicU64>,
    /// Whether another process writes to the same file, and moves it aside.
    pub(crate) guest: Arc<AtomicBool>,
}

impl Output {
    /// The place that is configured; `None` when lines go nowhere, or into the daemon's log.
    ///
    /// # Errors
    /// The file that cannot be opened, and why.
    pub(crate) fn open(
        output: &AccessOutput,
        rotation: Rotation,
        orders: FileOrders,
    ) -> Result<Option<Self>, (PathBuf, io::Error)> {
        let place = match output {
            AccessOutput::Off | AccessOutput::Daemon => return Ok(None),
            AccessOutput::Stdout => Place::Stdout,
            AccessOutput::Syslog => Place::Syslog(Syslog::at(Path::new(SYSLOG_SOCKET))),
            AccessOutput::File(path) => {
                let file = LogFile::open(path, rotation);
                Place::File(file.map_err(|source| (path.clone(), source))?)
            }
        };
        let reopened = orders.reopen.load(Ordering::Acquire);
        Ok(Some(Self { place, orders, reopened }))
    }

    /// Writes so many whole lines; an error says how many are lost.
    pub(crate) fn write(&mut self, text: &[u8], count: u64) -> Result<(), (io::Error, u64)> {
        match &mut self.place {
            Place::Stdout => io::stdout().lock().write_all(text).map_err(|error| (error, count)),
            Place::File(file) => {
                let written = match self.orders.guest.load(Ordering::Acquire) {
                    true => file.write_as_guest(text),
                    false => file.write(text),
                };
                written.map_err(|error| (error, count))
            }
            Place::Syslog(syslog) => syslog.write(text),
        }
    }

    /// Opens the file again if somebody has asked for that since.
    pub(crate) fn attend(&mut self) {
        let asked = self.orders.reopen.load(Ordering::Acquire);
        if std::mem::replace(&mut self.reopened, asked) != asked
            && let Place::File(file) = &mut self.place
            && let Err(error) = file.reopen()
        {
            tracing::error!(%error, "a log's file cannot be opened again");
        }
    }

    /// Waits for what goes on beside.
    pub(crate) fn close(&mut self) {
        if let Place::File(file) = &mut self.place {
            file.close();
        }
    }
}

/// Where the system's log listens.
const SYSLOG_SOCKET: &str = "/dev/log";
