//! The query log: what DNS hands over, read and written by one thread.
//!
//! **Invariant:** nobody waits for the writer. Lines that cannot be written are counted with those that found
//! no room, and told, once in a while. While nothing is logged the thread sleeps.

pub(crate) mod format;
pub(crate) mod recent;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use conduit_admin::control::QueryLogView;
use conduit_core::catalog::Catalog;
use conduit_core::live;
use conduit_dns::query_log::settings::QueryLogSettings;
use conduit_dns::query_log::{Order, Queries, Query, QueryLog};
use tokio::time::Instant;

use self::recent::Recent;
use crate::access_log::file::Rotation;
use crate::access_log::output::{FileOrders, Output};
use crate::config::{self, AccessOutput, QueryFormat};
use crate::error::AppError;

/// The running writer.
#[derive(Debug)]
pub(crate) struct Writer {
    told: Told,
    guest: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What was told, and how it is set; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    log: QueryLog,
    recent: Recent,
    output: Arc<str>,
}

impl Writer {
    /// Starts it; `reopen` counts how often it is asked to open its file again, and `catalog` knows whose
    /// hosts are.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub(crate) fn start(
        settings: &QueryLogSettings,
        to: &config::QueryLog,
        reopen: Arc<AtomicU64>,
        catalog: live::Reader<Catalog>,
    ) -> Result<Self, AppError> {
        let rotation = Rotation { size: to.rotate_size, keep: to.keep, compress: to.compress };
        let guest = Arc::<AtomicBool>::default();
        let orders = FileOrders { reopen, guest: Arc::clone(&guest) };
        let output = Output::open(&to.output, rotation, orders);
        let output = output.map_err(|(path, source)| AppError::QueryLog { path, source })?;
        let (log, queries) = QueryLog::new(settings);
        let recent = Recent::default();
        let work = Work {
            queries,
            catalog,
            recent: recent.clone(),
            output,
            is_daemons: to.output == AccessOutput::Daemon,
            format: to.format,
            log: log.clone(),
            told: (0, None),
        };
        let thread = std::thread::Builder::new()
            .name("query-log".to_owned())
            .spawn(move || work.run())
            .map_err(|source| AppError::Runtime { what: "the query log", source })?;
        let told = Told { log, recent, output: to.shown_output().into() };
        Ok(Self { told, guest, thread })
    }

    /// What was told, and how it is set.
    pub(crate) fn told(&self) -> Told {
        self.told.clone()
    }

    /// Leaves it to another process to move full files aside, and writes to whichever is there.
    pub(crate) fn be_a_guest(&self) {
        self.guest.store(true, Ordering::Release);
    }

    /// Writes what is there and ends.
    pub(crate) fn finish(self) -> JoinHandle<()> {
        self.told.log.set(&QueryLogSettings::default());
        self.told.log.stop();
        self.thread
    }
}

impl Told {
    /// Where answering tells.
    pub(crate) fn log(&self) -> &QueryLog {
        &self.log
    }

    /// How it is set, and the newest lines: those behind `after`, or all that are kept.
    pub(crate) fn view(&self, after: Option<u64>) -> QueryLogView {
        let (queries, last) = self.recent.after(after);
        QueryLogView {
            settings: self.log.settings(),
            output: self.output.to_string(),
            lost: self.log.lost(),
            last,
            queries,
        }
    }
}

struct Work {
    queries: Queries,
    catalog: live::Reader<Catalog>,
    recent: Recent,
    output: Option<Output>,
    /// Whether lines go into the daemon's log.
    is_daemons: bool,
    format: QueryFormat,
    log: QueryLog,
    /// How many were lost when it was told last, and when.
    told: (u64, Option<Instant>),
}

impl Work {
    fn run(mut self) {
        let mut text = Vec::with_capacity(BATCH_BYTES);
        let mut is_over = false;
        while !is_over {
            let Some(Order::Write(first)) = self.queries.next() else {
                break;
            };
            let mut count = 1;
            self.take(&first, &mut text);
            while text.len() < BATCH_BYTES && count < BATCH_LINES_MAX {
                match self.queries.ready() {
                    Some(Order::Write(query)) => self.take(&query, &mut text),
                    Some(Order::Stop) => {
                        is_over = true;
                        break;
                    }
                    None => break,
                }
                count += 1;
            }
            self.write(&text, count);
            text.clear();
            self.tell();
            if !is_over {
                // Lines gather meanwhile, so that answering need not wake us for each.
                std::thread::sleep(BATCH_PAUSE);
            }
        }
        if let Some(output) = &mut self.output {
            output.close();
        }
    }

    fn take(&self, query: &Query, text: &mut Vec<u8>) {
        let line = format::line(query, &self.catalog.load());
        self.recent.keep(&line);
        if self.is_daemons {
            tracing::info!(target: "query", "{}", format::text(&line));
        } else if self.output.is_some() {
            format::write(self.format, &line, text);
        }
    }

    fn write(&mut self, text: &[u8], count: u64) {
        let Some(output) = self.output.as_mut().filter(|_| !text.is_empty()) else {
            return;
        };
        output.attend();
        if let Err((error, lost)) = output.write(text, count) {
            self.log.lose(lost);
            tracing::debug!(%error, "lines of queries were not written");
        }
    }

    /// Says that lines were lost, not more often than [`TELL_INTERVAL`].
    fn tell(&mut self) {
        let (told, at) = self.told;
        let lost = self.log.lost();
        if lost > told && at.is_none_or(|at| at.elapsed() >= TELL_INTERVAL) {
            tracing::warn!(
                lost = lost - told,
                "lines of queries were lost: the log is too slow, or full"
            );
            self.told = (lost, Some(Instant::now()));
        }
    }
}

/// What is written at once.
const BATCH_BYTES: usize = 64 * 1_024;
const BATCH_LINES_MAX: u64 = 1_000;
/// Between two batches.
const BATCH_PAUSE: Duration = Duration::from_millis(20);
/// Between two warnings about lost lines.
const TELL_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
