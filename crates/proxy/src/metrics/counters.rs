//! What is counted per service, in one shard.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::count::Count;
use super::histogram::Histogram;
use crate::tcp::counters::StreamCounters;

/// What is counted per service.
#[derive(Debug, Default)]
pub(crate) struct ServiceCounters {
    pub(super) classes: [Count; CLASSES.len()],
    pub(super) duration: Histogram,
    pub(super) first_byte: Histogram,
    pub(super) in_flight: Count,
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
    pub(super) retries: Count,
    pub(super) tunnel_received: Count,
    pub(super) tunnel_sent: Count,
    /// Of a service of byte streams; of others there are none to keep room for.
    pub(super) streams: OnceLock<Box<StreamCounters>>,
    pub(super) endings: [Count; ENDINGS],
    pub(super) retries_refused: Count,
    pub(super) queued: Count,
    pub(super) queue_refused: Count,
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
        counters.queued.add(1);
        Self(Arc::clone(counters))
    }

    /// It found no place in time, or not even one in the queue.
    pub(crate) fn gave_up(&self) {
        self.0.queue_refused.add(1);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.subtract(1);
    }
}

impl ServiceCounters {
    /// What is counted of byte streams.
    pub(crate) fn streams(&self) -> &StreamCounters {
        self.streams.get_or_init(Box::default)
    }

    /// Bytes came from a client through a tunnel.
    pub(crate) fn tunnel_received(&self, bytes: u64) {
        self.tunnel_received.add(bytes);
    }

    /// Bytes came from an upstream through a tunnel.
    pub(crate) fn tunnel_sent(&self, bytes: u64) {
        self.tunnel_sent.add(bytes);
    }

    pub(crate) fn begin(&self) {
        self.in_flight.add(1);
    }

    /// An upstream began to answer this long after the request's head was read.
    pub(crate) fn first_byte(&self, after: Duration) {
        self.first_byte.note(after);
    }

    pub(crate) fn retried(&self) {
        self.retries.add(1);
    }

    pub(crate) fn retry_refused(&self) {
        self.retries_refused.add(1);
    }

    /// Counts how a request ended, when it is not the usual way.
    pub(crate) fn ended(&self, ending: Ending) {
        if ending != Ending::Answered {
            self.endings[ending as usize].add(1);
        }
    }

    /// Counts a request that began with [`ServiceCounters::begin`]; status 0 is a client that left
    /// before there was one.
    pub(crate) fn end(&self, status: u16, took: Duration, bytes_in: u64, bytes_out: u64) {
        self.in_flight.subtract(1);
        let class = usize::from(status / 100).min(CLASSES.len() - 1);
        self.classes[class].add(1);
        self.duration.note(took);
        self.bytes_in.add(bytes_in);
        self.bytes_out.add(bytes_out);
    }
}

/// How many [`Ending`]s there are.
pub(super) const ENDINGS: usize = 6;
/// Which of the [`CLASSES`] is the upstreams' and the gateway's fault.
pub(super) const SERVER_ERRORS: usize = 5;
/// Status classes; the first is for clients that left before there was a status.
pub(super) const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
