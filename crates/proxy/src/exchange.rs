//! One request and its response, from the head of the one to the end of the other.
//!
//! **Invariant:** every request that was read ends exactly once, when its [`Exchange`] is dropped,
//! whatever happened to it: then it is counted, its access line is written, and the connection to
//! the upstream goes back to the pool if, and only if, the response was read to its end.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use crate::access_log::Line;
use crate::client::Lease;
use crate::connections::Entry;
use crate::metrics::ServiceCounters;
use crate::tries::Seat;
use crate::upstream::{InFlight, Observation, Seen, is_failure};

/// The record of one request.
#[derive(Debug)]
pub(crate) struct Exchange {
    started: Instant,
    entry: Rc<Entry>,
    counters: Option<Arc<ServiceCounters>>,
    line: Option<Box<Line>>,
    status: u16,
    bytes_in: Rc<Cell<u64>>,
    bytes_out: u64,
    complete: bool,
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
            bytes_in: Rc::default(),
            bytes_out: 0,
            complete: false,
            upstream: None,
        }
    }

    /// The request is for a service.
    pub(crate) fn routed(&mut self, counters: Arc<ServiceCounters>) {
        counters.begin();
        self.counters = Some(counters);
    }

    /// When the request was read.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// What is counted for the service; `None` before the request has one.
    pub(crate) fn counters(&self) -> Option<&Arc<ServiceCounters>> {
        self.counters.as_ref()
    }

    /// Where the bytes of the request's body are counted.
    pub(crate) fn bytes_in(&self) -> &Rc<Cell<u64>> {
        &self.bytes_in
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
    pub(crate) fn answered_by(&mut self, lease: Lease, seat: Seat, status: StatusCode) {
        let (upstream, now) = (seat.in_flight.upstream(), Instant::now());
        upstream.delivered(now);
        upstream.answered(status, now.saturating_duration_since(seat.began), now);
        self.upstream = Some((lease, seat.in_flight));
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
        if let Some((_, in_flight)) = &self.upstream {
            in_flight.upstream().report(Observation::NoAnswer);
        }
    }

    /// The response was read to its end: the connection it came on can be used again.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
        if let Some((lease, in_flight)) = self.upstream.take() {
            if !is_failure(self.status) {
                in_flight.upstream().observe(Seen::Whole);
            }
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
        if let Some(line) = &self.line {
            line.write(self.status, took, self.bytes_out, self.complete);
        }
    }
}
