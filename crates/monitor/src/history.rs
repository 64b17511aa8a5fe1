//! What was sampled, kept in a database of its own: 24 hours as sampled, 30 days by the quarter.
//!
//! One thread owns the database; everybody else sends it jobs through a bounded queue and is never
//! held up. Points of one series and one hour are one row; the current hour is in memory and
//! written every few minutes and at the stop, so a crash costs at most [`FLUSH_EVERY`].
//!
//! **Invariant:** this is not the truth: a database that is broken is set aside and begun anew, a
//! newer one is left alone, and neither stops the gateway. Its size, its series and its age are
//! bounded, the oldest is given up first, and a clock that leaps neither grows nor empties it.

mod block;
mod keeper;
pub mod kept;
mod points;
mod steady;
mod store;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
use self::kept::{Kept, KeptAlert};
pub use self::points::{Point, Points, Resolution};
use self::store::{OpenError, Store};
use crate::metric::{Sample, Series};
use crate::node::NodeName;
use crate::silence::Silence;

/// How much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySettings {
    /// How long points are kept as they were sampled.
    pub fine: Duration,
    /// How long quarters of an hour are kept.
    pub coarse: Duration,
    /// The most bytes of the database, its log not counted.
    pub bytes_max: u64,
    /// The most series.
    pub series_max: usize,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self { fine: FINE, coarse: COARSE, bytes_max: BYTES_MAX, series_max: SERIES_MAX }
    }
}

/// The way to the history; cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    jobs: Option<SyncSender<Job>>,
    shared: Arc<Shared>,
}

/// What the history counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryCounts {
    /// Samples that were not kept: the queue was full, there was no room for their series, or they
    /// could not be written.
    pub lost: u64,
    /// Samples that came at or before the last one of their series, as after a clock was set back.
    pub late: u64,
    /// Series that are known.
    pub series: u64,
    /// Bytes of the database.
    pub bytes: u64,
    /// Why there is no history; `None` when there is.
    pub off: Option<String>,
}

/// The thread that owns the database, and what it found there.
#[derive(Debug)]
pub struct HistoryThread {
    stop: Option<SyncSender<Job>>,
    done: oneshot::Receiver<()>,
}

impl History {
    /// Opens or begins the history of a state directory, and starts its thread. What cannot be
    /// opened leaves the history off, with the reason in [`History::counts`].
    pub fn open(dir: &Path, settings: HistorySettings) -> (Self, HistoryThread, Kept) {
        let opened = Store::open(&dir.join(FILE_NAME), settings.bytes_max)
            .and_then(|store| Keeper::new(store, settings).map_err(OpenError::from))
            .and_then(|(keeper, kept)| {
                let (history, thread) = start(keeper).map_err(OpenError::Thread)?;
                Ok((history, thread, kept))
            });
        opened.unwrap_or_else(|error| {
            tracing::warn!(%error, "there is no history of the monitor");
            let (_, done) = oneshot::channel();
            let thread = HistoryThread { stop: None, done };
            (Self::off(error.to_string()), thread, Kept::default())
        })
    }

    /// A history that keeps nothing, for this reason.
    pub fn off(reason: impl Into<String>) -> Self {
        let shared = Shared { off: Some(reason.into()), ..Shared::default() };
        Self { jobs: None, shared: Arc::new(shared) }
    }

    /// Keeps samples; when the thread is behind, they are lost and counted.
    pub fn record(&self, samples: Vec<Sample>) {
        let Some(jobs) = self.jobs.as_ref().filter(|_| !samples.is_empty()) else {
            return;
        };
        let count = samples.len() as u64;
        if jobs.try_send(Job::Record(samples)).is_err() {
            self.shared.lost.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Keeps the alerts that are raised, in place of those that were kept before.
    pub fn keep_alerts(&self, alerts: Vec<KeptAlert>) {
        self.keep(Job::KeepAlerts(alerts));
    }

    /// Keeps the silences, in place of those that were kept before.
    pub fn keep_silences(&self, silences: Vec<Silence>) {
        self.keep(Job::KeepSilences(silences));
    }

    /// The points of a series, merged by `step`; a step of zero merges nothing that need not be.
    ///
    /// # Errors
    /// When there is no history, or its thread has too much to do.
    pub async fn query(
        &self,
        series: Series,
        (from, to): (Timestamp, Timestamp),
        step: Duration,
    ) -> Result<Points, HistoryError> {
        self.ask(|reply| Job::Query { series, from, to, step, reply }).await
    }

    /// The series of a node, or of every node, in their order.
    ///
    /// # Errors
    /// When there is no history, or its thread has too much to do.
    pub async fn series(&self, node: Option<NodeName>) -> Result<Vec<Series>, HistoryError> {
        self.ask(|reply| Job::Series { node, reply }).await
    }

    /// Writes what is in memory, and waits for it.
    ///
    /// # Errors
    /// When there is no history, or its thread has too much to do.
    pub async fn flush(&self) -> Result<(), HistoryError> {
        self.ask(Job::Flush).await
    }

    /// Writes what is in memory, and nothing from then on: another process goes on with it. Waits
    /// for that; without a history there is nothing to wait for.
    pub async fn leave(&self) {
        // One that is off, or whose thread has ended, writes nothing either.
        let _left = self.ask_in_time(Job::Leave).await;
    }

    /// Goes on after all, since the other process did not.
    pub async fn take_back(&self) {
        let _taken = self.ask_in_time(Job::TakeBack).await;
    }

    /// What was counted so far.
    pub fn counts(&self) -> HistoryCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HistoryCounts {
            lost: read(&self.shared.lost),
            late: read(&self.shared.late),
            series: read(&self.shared.series),
            bytes: read(&self.shared.bytes),
            off: self.shared.off.clone(),
        }
    }

    fn keep(&self, job: Job) {
        // A full queue costs what a restart would say, no more: the next change keeps it.
        if self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_err()) {
            tracing::warn!("the history is behind; alerts or silences were not kept");
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, HistoryError> {
        let off = || HistoryError::Off(self.shared.off.clone().unwrap_or_else(|| STOPPED.into()));
        let jobs = self.jobs.as_ref().ok_or_else(off)?;
        let (reply, answer) = oneshot::channel();
        match jobs.try_send(job(reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(HistoryError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(off()),
        }
        answer.await.map_err(|_| off())
    }

    /// Like [`History::ask`], and waits for a place in a full queue.
    async fn ask_in_time(&self, job: fn(oneshot::Sender<()>) -> Job) -> Result<(), HistoryError> {
        loop {
            match self.ask(job).await {
                // The thread is emptying it.
                Err(HistoryError::Busy) => tokio::time::sleep(AGAIN).await,
                other => return other,
            }
        }
    }
}

impl HistoryThread {
    /// Waits for the stop, has the thread write what is in memory, and waits for its end; ends
    /// early when the thread does. Without a thread it only waits.
    pub async fn run(mut self, stop: CancellationToken) {
        let Some(jobs) = self.stop.take() else {
            return stop.cancelled().await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = &mut self.done => return,
        }
        // The queue may be full for a moment; the thread is emptying it.
        while let Err(TrySendError::Full(_)) = jobs.try_send(Job::Stop) {
            tokio::time::sleep(AGAIN).await;
        }
        // Its end is all there is to know.
        let _ended = self.done.await;
    }
}

/// Why there are no points.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// There is no history.
    #[error("there is no history: {0}")]
    Off(String),
    /// The queue of its thread is full.
    #[error("the history has too much to do; try again in a moment")]
    Busy,
}

/// What the thread is asked for.
enum Job {
    Record(Vec<Sample>),
    KeepAlerts(Vec<KeptAlert>),
    KeepSilences(Vec<Silence>),
    Query {
        series: Series,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
        reply: oneshot::Sender<Points>,
    },
    Series {
        node: Option<NodeName>,
        reply: oneshot::Sender<Vec<Series>>,
    },
    Flush(oneshot::Sender<()>),
    Leave(oneshot::Sender<()>),
    TakeBack(oneshot::Sender<()>),
    Stop,
}

#[derive(Debug, Default)]
struct Shared {
    lost: AtomicU64,
    late: AtomicU64,
    series: AtomicU64,
    bytes: AtomicU64,
    off: Option<String>,
}

fn start(keeper: Keeper) -> std::io::Result<(History, HistoryThread)> {
    let (jobs, queue) = sync_channel(QUEUE);
    let (ended, done) = oneshot::channel();
    let shared = Arc::new(Shared::default());
    let history = History { jobs: Some(jobs.clone()), shared: Arc::clone(&shared) };
    std::thread::Builder::new().name("history".into()).spawn(move || {
        work(keeper, &queue, &shared);
        // Whoever waits for the end may have gone.
        let _heard = ended.send(());
    })?;
    Ok((history, HistoryThread { stop: Some(jobs), done }))
}

fn work(mut keeper: Keeper, queue: &Receiver<Job>, shared: &Shared) {
    let started = Instant::now();
    let mut flush_at = started + FLUSH_EVERY;
    loop {
        match queue.recv_timeout(flush_at.saturating_duration_since(Instant::now())) {
            Ok(Job::Record(samples)) => keeper.record(&samples),
            Ok(Job::KeepAlerts(alerts)) => keeper.keep_alerts(&alerts),
            Ok(Job::KeepSilences(silences)) => keeper.keep_silences(&silences),
            Ok(Job::Query { series, from, to, step, reply }) => {
                let points = keeper.query(&series, (from, to), step, Timestamp::now());
                // Whoever asked may have gone.
                let _heard = reply.send(points);
            }
            Ok(Job::Series { node, reply }) => {
                let _heard = reply.send(keeper.series(node.as_ref()));
            }
            Ok(Job::Flush(reply)) => {
                keeper.flush(Timestamp::now(), started.elapsed(), false);
                let _heard = reply.send(());
            }
            Ok(Job::Leave(reply)) => {
                keeper.leave(Timestamp::now(), started.elapsed());
                let _heard = reply.send(());
            }
            Ok(Job::TakeBack(reply)) => {
                keeper.take_back();
                let _heard = reply.send(());
            }
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= flush_at {
            keeper.flush(Timestamp::now(), started.elapsed(), false);
            flush_at = Instant::now() + FLUSH_EVERY;
        }
        tell(&mut keeper, shared);
    }
    keeper.flush(Timestamp::now(), started.elapsed(), true);
    tell(&mut keeper, shared);
}

fn tell(keeper: &mut Keeper, shared: &Shared) {
    let (lost, late) = keeper.take_losses();
    shared.lost.fetch_add(lost, Ordering::Relaxed);
    shared.late.fetch_add(late, Ordering::Relaxed);
    shared.series.store(keeper.series_count(), Ordering::Relaxed);
    shared.bytes.store(keeper.bytes(), Ordering::Relaxed);
}

/// How often what is in memory is written: the most that a crash costs.
pub const FLUSH_EVERY: Duration = Duration::from_secs(300);
/// How long points are kept as they were sampled.
const FINE: Duration = Duration::from_secs(24 * 3_600);
/// How long quarters of an hour are kept.
const COARSE: Duration = Duration::from_secs(30 * 86_400);
/// The most bytes of the database: 3,000 series at 30 s need about half of it.
const BYTES_MAX: u64 = 384 << 20;
/// The most series.
const SERIES_MAX: usize = 20_000;
/// Jobs that wait for the thread: a sample of each of 500 nodes.
const QUEUE: usize = 512;
/// How long whoever cannot do without waits for a place in a full queue before the next try.
const AGAIN: Duration = Duration::from_millis(10);
/// The database's file, in the state directory.
pub const FILE_NAME: &str = "monitor.db";
/// What is said when the thread has ended.
const STOPPED: &str = "its thread has ended; the log says why";

#[cfg(test)]
mod tests;
