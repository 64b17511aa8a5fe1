//! One request and its response, from the head of the one to the end of the other.
//!
//! **Invariant:** every request that was read ends exactly once, when its [`Exchange`] is dropped,
//! whatever happened to it: then it is counted, its access line is written, and the connection to
//! the upstream goes back to the pool if, and only if, the response was read to its end.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::access_log::{End, Line};
use crate::client::Lease;
use crate::connections::Entry;
use crate::gate::body_limit::BodyLimit;
use crate::metrics::ServiceCounters;
use crate::upstream::{InFlight, Observation};

/// The record of one request.
#[derive(Debug)]
pub(crate) struct Exchange {
    started: Instant,
    entry: Rc<Entry>,
    counters: Option<Arc<ServiceCounters>>,
    line: Option<Box<Line>>,
    status: u16,
    first_byte: Option<Duration>,
    bytes_in: Rc<Cell<u64>>,
    bytes_out: u64,
    complete: bool,
    body_limit: Option<Rc<BodyLimit>>,
    upstream: Option<(Lease, InFlight)>,
}

impl Exchange {
    /// A request was read on the connection of `entry`.
    pub(crate) fn begin(entry: &Rc<Entry>, line: Option<Box<Line>>) -> Self {
        entry.begin();
        Self {
            started: Instant::now(),
            entry: Rc::clone(entry),
            counters: None,
            line,
            status: 0,
            first_byte: None,
            bytes_in: Rc::default(),
            bytes_out: 0,
            complete: false,
            body_limit: None,
            upstream: None,
        }
    }

    /// The request is for a service.
    pub(crate) fn routed(&mut self, counters: Arc<ServiceCounters>) {
        counters.begin();
        self.counters = Some(counters);
    }

    /// Where the bytes of the request's body are counted.
    pub(crate) fn bytes_in(&self) -> &Rc<Cell<u64>> {
        &self.bytes_in
    }

    /// The request's body has a limit.
    pub(crate) fn limit_body(&mut self, limit: &Rc<BodyLimit>) {
        self.body_limit = Some(Rc::clone(limit));
    }

    /// No access line is written.
    pub(crate) fn silence(&mut self) {
        self.line = None;
    }

    /// What the access line says beyond the request.
    pub(crate) fn line(&mut self) -> Option<&mut Line> {
        self.line.as_deref_mut()
    }

    /// The head of the response is on its way.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
    }

    /// An upstream began to answer.
    pub(crate) fn answered_by(&mut self, lease: Lease, in_flight: InFlight, retries: u32) {
        let now = Instant::now();
        let first_byte = now.saturating_duration_since(self.started);
        self.first_byte = Some(first_byte);
        in_flight.upstream().delivered(now);
        if let Some(counters) = &self.counters {
            counters.first_byte(first_byte);
            counters.retried(retries);
        }
        self.upstream = Some((lease, in_flight));
    }

    /// Bytes of the response's body are on their way.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.bytes_out += bytes;
        if let Some((_, in_flight)) = &self.upstream {
            in_flight.upstream().delivered(Instant::now());
        }
    }

    /// The upstream broke off in the middle of its response.
    pub(crate) fn broken(&self) {
        if self.body_limit.as_ref().is_some_and(|limit| limit.is_over()) {
            // Not its fault: we broke off, since the request was too large.
            return;
        }
        if let Some((_, in_flight)) = &self.upstream {
            in_flight.upstream().report(Observation::NoAnswer);
        }
    }

    /// The response was read to its end: the connection it came on can be used again.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
        if let Some((lease, _in_flight)) = self.upstream.take() {
            lease.give_back();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = Instant::now();
        self.entry.end(now);
        let took = now.saturating_duration_since(self.started);
        if let Some(counters) = &self.counters {
            counters.end(self.status, took, self.bytes_in.get(), self.bytes_out);
        }
        if let Some(line) = self.line.take().filter(|line| line.is_wanted()) {
            line.write(End {
                status: self.status,
                took,
                first_byte: self.first_byte,
                bytes_in: self.bytes_in.get(),
                bytes_out: self.bytes_out,
                complete: self.complete,
            });
        }
    }
}
