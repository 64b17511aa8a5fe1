//! The access log: lines that workers hand over, written by one thread.
//!
//! **Invariant:** nobody waits for the writer. What it cannot write is counted and told, once in a
//! while; a disk that is full or a log server that is gone stops neither it nor anybody else.

pub(crate) mod file;
pub(crate) mod format;
pub(crate) mod output;
pub(crate) mod recent;
mod syslog;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;

use conduit_proxy::access_log::{AccessLog, Entry, Lines, Sink, queue};
use tokio::time::Instant;

use self::file::Rotation;
use self::output::{FileOrders, Output};
use self::recent::Recent;
use crate::config::{self, AccessFormat, AccessOutput};
use crate::error::AppError;

/// The running writer.
#[derive(Debug)]
pub(crate) struct Writer {
    sink: Sink,
    stop: Arc<AtomicBool>,
    guest: Arc<AtomicBool>,
    recent: Recent,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts it when the configuration asks for one; `reopen` counts how often it is asked to open its
    /// file again.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub(crate) fn start(
        log: &config::AccessLog,
        reopen: Arc<AtomicU64>,
    ) -> Result<Option<Self>, AppError> {
        let rotation = Rotation { size: log.rotate_size, keep: log.keep, compress: log.compress };
        let guest = Arc::<AtomicBool>::default();
        let orders = FileOrders { reopen, guest: Arc::clone(&guest) };
        let output = Output::open(&log.output, rotation, orders);
        let output = output.map_err(|(path, source)| AppError::AccessLog { path, source })?;
        let Some(output) = output else {
            return Ok(None);
        };
        let (sink, lines) = queue();
        let stop = Arc::<AtomicBool>::default();
        let recent = Recent::default();
        let work = Work {
            recent: recent.clone(),
            output,
            format: log.format,
            lines,
            stop: Arc::clone(&stop),
            lost: Arc::clone(sink.lost()),
            told: (0, None),
        };
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || work.run())
            .map_err(|source| AppError::Runtime { what: "the access log", source })?;
        Ok(Some(Self { sink, stop, guest, recent, thread }))
    }

    /// Where workers send lines.
    pub(crate) fn sink(&self) -> Sink {
        self.sink.clone()
    }

    /// The newest lines of each service.
    pub(crate) fn recent(&self) -> Recent {
        self.recent.clone()
    }

    /// Leaves it to another process to move full files aside, and writes to whichever is there.
    pub(crate) fn be_a_guest(&self) {
        self.guest.store(true, Ordering::Release);
    }

    /// Writes what is there and ends.
    pub(crate) fn finish(self) -> JoinHandle<()> {
        self.stop.store(true, Ordering::Release);
        self.thread
    }
}

/// Where workers send lines, given what the configuration says and whether a writer runs.
pub(crate) fn destination(log: &config::AccessLog, writer: Option<&Writer>) -> AccessLog {
    match (writer, &log.output) {
        (Some(writer), _) => AccessLog::Queue(writer.sink()),
        (None, AccessOutput::Daemon) => AccessLog::Daemon,
        (None, _) => AccessLog::Off,
    }
}

struct Work {
    recent: Recent,
    output: Output,
    format: AccessFormat,
    lines: Lines,
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    /// How many were lost when it was told last, and when.
    told: (u64, Option<Instant>),
}

impl Work {
    fn run(mut self) {
        let mut text = Vec::with_capacity(BATCH_BYTES);
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let patience = if stopping { Duration::ZERO } else { TICK };
            let first = self.lines.next(patience);
            self.output.attend();
            match first {
                Ok(line) => {
                    let mut count = 1;
                    self.take(&line, &mut text);
                    while text.len() < BATCH_BYTES
                        && let Some(line) = self.lines.ready()
                    {
                        self.take(&line, &mut text);
                        count += 1;
                    }
                    self.write(&text, count);
                    text.clear();
                    if !stopping {
                        // Lines gather meanwhile, so that workers need not wake us for each.
                        std::thread::sleep(BATCH_PAUSE);
                    }
                }
                Err(RecvTimeoutError::Timeout) if !stopping => {}
                Err(_) => break,
            }
            self.tell();
        }
        self.output.close();
    }

    fn take(&self, line: &Entry, text: &mut Vec<u8>) {
        let begin = text.len();
        format::write(self.format, line, text);
        if let Some(service) = recent::service(line) {
            self.recent.keep(service, |json| match self.format {
                AccessFormat::Json => json.extend_from_slice(text.get(begin..).unwrap_or_default()),
                AccessFormat::Common => format::write(AccessFormat::Json, line, json),
            });
        }
    }

    fn write(&mut self, text: &[u8], count: u64) {
        if let Err((error, lost)) = self.output.write(text, count) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
            tracing::debug!(%error, "access lines were not written");
        }
    }

    /// Says that lines were lost, not more often than [`TELL_INTERVAL`].
    fn tell(&mut self) {
        let (told, at) = self.told;
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > told && at.is_none_or(|at| at.elapsed() >= TELL_INTERVAL) {
            tracing::warn!(
                lost = lost - told,
                "access lines were lost: the log is too slow, or full"
            );
            self.told = (lost, Some(Instant::now()));
        }
    }
}

/// How soon the writer notices that it is to stop, or to open its file again.
const TICK: Duration = Duration::from_millis(250);
/// What is written at once.
const BATCH_BYTES: usize = 64 * 1_024;
/// Between two batches.
const BATCH_PAUSE: Duration = Duration::from_millis(20);
/// Between two warnings about lost lines.
const TELL_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
