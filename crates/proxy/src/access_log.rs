//! One line per request and per connection of a byte stream, for people and their tools.
//!
//! **Invariant:** a line costs nothing when nobody listens: it is begun only when the log is on, and
//! for the daemon's own log only when the target `access` is enabled at INFO. A worker never waits
//! for a log: a line that does not fit in the queue is counted and dropped. Query strings, which
//! carry secrets, are never written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

mod request;
mod stream;

pub use request::{End, Line};
pub use stream::StreamLine;

use crate::limits::LOG_LINES_MAX;

/// Where access lines go.
#[derive(Debug, Clone, Default)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Into the daemon's own log.
    #[default]
    Daemon,
    /// To whoever reads the other end of this queue.
    Queue(Sink),
}

impl AccessLog {
    /// Whether anybody reads a line.
    fn is_on(&self) -> bool {
        match self {
            Self::Off => false,
            Self::Daemon => tracing::enabled!(target: "access", tracing::Level::INFO),
            Self::Queue(_) => true,
        }
    }
}

/// What a line is about.
#[derive(Debug)]
pub enum Entry {
    /// A request that has ended.
    Request(Box<Line>),
    /// A connection of a byte stream that has ended.
    Stream(Box<StreamLine>),
}

/// The workers' end of the queue; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sink {
    lines: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Sink {
    /// How many lines found no room.
    pub fn lost(&self) -> &Arc<AtomicU64> {
        &self.lost
    }

    fn send(&self, line: Entry) {
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The writer's end of the queue.
#[derive(Debug)]
pub struct Lines(Receiver<Entry>);

impl Lines {
    /// The next line; waits at most `patience`.
    ///
    /// # Errors
    /// When there is none, or no worker is left to send one.
    pub fn next(&self, patience: Duration) -> Result<Entry, RecvTimeoutError> {
        self.0.recv_timeout(patience)
    }

    /// The next line that is there.
    pub fn ready(&self) -> Option<Entry> {
        self.0.try_recv().ok()
    }
}

/// Makes the queue between the workers and a writer.
pub fn queue() -> (Sink, Lines) {
    let (lines, receiver) = sync_channel(LOG_LINES_MAX);
    (Sink { lines, lost: Arc::default() }, Lines(receiver))
}
