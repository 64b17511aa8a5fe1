//! One request and its response, from the head of the one to the end of the other.
//!
//! **Invariant:** every request that was read ends exactly once, when its [`Exchange`] is dropped,
//! whatever happened to it: then it is counted, its access line is written, its clock stops, and the
//! connection to the upstream goes back to the pool if, and only if, the response was read to its
//! end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::access_log::{End, Line};
use crate::body::BodyError;
use crate::client::Lease;
use crate::clocks::{Clock, Expired, Running};
use crate::connections::Entry;
use crate::failure::Failure;
use crate::gate::body_limit::BodyLimit;
use crate::headers::X_REQUEST_ID;
use crate::metrics::{Ending, ServiceCounters};
use crate::table::Route;
use crate::trace::Recording;
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
    first_byte: Option<Duration>,
    clock: Running,
    bytes_out: u64,
    complete: bool,
    broken: bool,
    body_limit: Option<Rc<BodyLimit>>,
    /// Ends a body that waits to be asked for; see [`Exchange::refuses`].
    refused: Option<CancellationToken>,
    upstream: Option<(Lease, InFlight)>,
    trace: Option<Box<Recording>>,
}

impl Exchange {
    /// A request was read on the connection of `entry`.
    pub(crate) fn begin(entry: &Rc<Entry>, clock: Running, line: Option<Box<Line>>) -> Self {
        entry.begin();
        Self {
            started: Instant::now(),
            entry: Rc::clone(entry),
            counters: None,
            line,
            status: 0,
            first_byte: None,
            clock,
            bytes_out: 0,
            complete: false,
            broken: false,
            body_limit: None,
            refused: None,
            upstream: None,
            trace: None,
        }
    }

    /// The request is recorded as part of a trace.
    pub(crate) fn record(&mut self, recording: Box<Recording>) {
        if let Some(line) = &mut self.line {
            line.set_trace(recording.id());
        }
        self.trace = Some(recording);
    }

    /// Its record, when there is one.
    pub(crate) fn trace(&self) -> Option<&Recording> {
        self.trace.as_deref()
    }

    /// The host it asked for.
    pub(crate) fn set_host(&mut self, host: &str) {
        if let Some(line) = &mut self.line {
            line.set_host(host);
        }
        if let Some(trace) = &mut self.trace {
            trace.set_host(host);
        }
    }

    /// The route it takes; among what the upstream is told is its id.
    pub(crate) fn set_route(&mut self, route: &Arc<Route>, told: &HeaderMap) {
        if !route.policy.access_log {
            self.line = None;
        } else if let Some(line) = &mut self.line {
            line.set_route(route);
            line.set_request_id(told.get(X_REQUEST_ID));
        }
        if let Some(trace) = &mut self.trace {
            trace.set_route(route, told.get(X_REQUEST_ID));
        }
    }

    /// Why it is not answered by an upstream.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        if let Some(line) = &mut self.line {
            line.set_error(failure.kind.word());
        }
        if let Some(trace) = &mut self.trace {
            trace.set_error(&failure.kind, failure.side);
        }
    }

    /// The request is for a service.
    pub(crate) fn routed(&mut self, counters: Arc<ServiceCounters>) {
        counters.begin();
        self.counters = Some(counters);
    }

    /// Who is waited for, and for how long.
    pub(crate) fn clock(&self) -> &Rc<Clock> {
        self.clock.clock()
    }

    /// The clock that ran out, if one did.
    pub(crate) fn expired(&self) -> Option<Expired> {
        self.clock().expired()
    }

    /// The request's body waits to be asked for: once the request has ended, it never is.
    pub(crate) fn refuses(&mut self, refused: CancellationToken) {
        self.refused = Some(refused);
    }

    /// The request's body has a limit.
    pub(crate) fn limit_body(&mut self, limit: &Rc<BodyLimit>) {
        self.body_limit = Some(Rc::clone(limit));
    }

    /// When the request was read.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// What is counted for the service; `None` before the request has one.
    pub(crate) fn counters(&self) -> Option<&Arc<ServiceCounters>> {
        self.counters.as_ref()
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
        let first_byte = now.saturating_duration_since(self.started);
        self.first_byte = Some(first_byte);
        upstream.delivered(now);
        upstream.answered(status, now.saturating_duration_since(seat.began), now);
        self.clock().answered();
        if let Some(counters) = &self.counters {
            counters.first_byte(first_byte);
        }
        self.upstream = Some((lease, seat.in_flight));
    }

    /// Bytes of the response's body are on their way.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.bytes_out += bytes;
        self.clock().client_takes();
        if let Some((_, in_flight)) = &self.upstream {
            in_flight.upstream().delivered(Instant::now());
        }
    }

    /// The client has taken everything: the upstream is asked for more.
    pub(crate) fn wants_more(&self) {
        self.clock().wants_more();
    }

    /// The response ended before its end: its connection is of no more use.
    pub(crate) fn broken(&mut self, why: &BodyError) {
        self.broken = true;
        if let Some(trace) = &mut self.trace {
            trace.set_broken(why);
        }
        // Not the upstream's fault when we broke off, since the request was too large.
        let is_over = self.body_limit.as_ref().is_some_and(|limit| limit.is_over());
        if let Some((_lease, in_flight)) = self.upstream.take()
            && why.blames_upstream()
            && !is_over
        {
            in_flight.upstream().report(Observation::NoAnswer);
        }
    }

    /// How it ended, for the counters.
    fn ending(&self) -> Ending {
        match self.clock().expired() {
            Some(Expired::BodyRate(_) | Expired::Client(_)) => Ending::ClientTimeout,
            Some(Expired::FirstByte(_)) => Ending::FirstByteTimeout,
            Some(Expired::Idle(_)) => Ending::IdleTimeout,
            // What ends with its connection was left by its client, unless the end was ours.
            None if self.complete || self.broken || self.entry.is_cut() => Ending::Answered,
            None if self.status == 0 => Ending::CancelledBeforeFirstByte,
            None => Ending::Cancelled,
        }
    }

    /// The response was read to its end: the connection it came on can be used again.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
        if let Some((lease, in_flight)) = self.upstream.take() {
            if !is_failure(self.status) {
                in_flight.upstream().observe(Seen::Whole);
            }
            // Over HTTP/2 this ends the stream's place; over HTTP/1.1 the body gave it back.
            drop(lease);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(refused) = &self.refused {
            refused.cancel();
        }
        let now = Instant::now();
        self.entry.end(now);
        let took = now.saturating_duration_since(self.started);
        if let Some(counters) = &self.counters {
            counters.ended(self.ending());
            counters.end(self.status, took, self.clock().bytes_in(), self.bytes_out);
        }
        let (line, trace) = (self.line.take(), self.trace.take());
        if line.is_none() && trace.is_none() {
            return;
        }
        let end = End {
            status: self.status,
            took,
            first_byte: self.first_byte,
            bytes_in: self.clock().bytes_in(),
            bytes_out: self.bytes_out,
            complete: self.complete,
        };
        if let Some(line) = line.filter(|line| line.is_wanted()) {
            line.write(end);
        }
        if let Some(trace) = trace {
            trace.send(end, self.ending());
        }
    }
}
