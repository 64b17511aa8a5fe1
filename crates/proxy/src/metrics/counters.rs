//! What is counted per service, in one shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use crate::tcp::counters::StreamCounters;

/// What is counted per service.
#[derive(Debug, Default)]
pub(crate) struct ServiceCounters {
    pub(super) classes: [AtomicU64; CLASSES.len()],
    pub(super) duration: Histogram,
    pub(super) first_byte: Histogram,
    pub(super) in_flight: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) retries: AtomicU64,
    /// Of a service of byte streams.
    pub(crate) streams: StreamCounters,
    pub(super) endings: [AtomicU64; ENDINGS],
    pub(super) retries_refused: AtomicU64,
    pub(super) queued: AtomicU64,
    pub(super) queue_refused: AtomicU64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an answer, or because the gateway or the upstream broke off.
    Answered,
    /// Its client left in the middle of the answer.
    Cancelled,
    /// Its client left before there was an answer.
    CancelledBeforeFirstByte,
    /// Its client made no progress.
    ClientTimeout,
    /// No answer began in time.
    FirstByteTimeout,
    /// The answer fell silent.
    IdleTimeout,
}

/// A request that waits in the queue of its service, until this is dropped.
#[derive(Debug)]
pub(crate) struct Queued(Arc<ServiceCounters>);

impl Queued {
    pub(crate) fn begin(counters: &Arc<ServiceCounters>) -> Self {
        counters.queued.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counters))
    }

    /// It found no place in time, or not even one in the queue.
    pub(crate) fn gave_up(&self) {
        self.0.queue_refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServiceCounters {
    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// An upstream began to answer this long after the request's head was read.
    pub(crate) fn first_byte(&self, after: Duration) {
        self.first_byte.note(after);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retry_refused(&self) {
        self.retries_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts how a request ended, when it is not the usual way.
    pub(crate) fn ended(&self, ending: Ending) {
        if ending != Ending::Answered {
            self.endings[ending as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that began with [`ServiceCounters::begin`]; status 0 is a client that left
    /// before there was one.
    pub(crate) fn end(&self, status: u16, took: Duration, bytes_in: u64, bytes_out: u64) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let class = usize::from(status / 100).min(CLASSES.len() - 1);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.duration.note(took);
        self.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
    }
}

/// How many [`Ending`]s there are.
pub(super) const ENDINGS: usize = 6;
/// Status classes; the first is for clients that left before there was a status.
pub(super) const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
