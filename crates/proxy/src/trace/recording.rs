//! A record that is being made.
//!
//! **Invariant:** a try ends where the next one begins, or with the request; a record is sent once,
//! when its request has ended.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use http::{Request, StatusCode};
use tokio::time::Instant;

use super::context::TRACEPARENT;
use super::{SpanId, Trace, TraceId, Tracer, Try, copied, path_of};
use crate::access_log::End;
use crate::body::BodyError;
use crate::failure::{FailureKind, Side};
use crate::metrics::Ending;
use crate::table::Route;
use crate::upstream::Upstream;

/// The record of a request that is under way.
#[derive(Debug)]
pub(crate) struct Recording {
    trace: Trace,
    /// Written while the request is forwarded, by whoever only reads its exchange.
    tries: RefCell<Vec<Try>>,
    /// Whether the last of them goes on.
    trying: Cell<bool>,
    began: Instant,
    tracer: Tracer,
}

impl Recording {
    pub(super) fn new(trace: Trace, tracer: Tracer) -> Self {
        Self {
            trace,
            tries: RefCell::default(),
            trying: Cell::new(false),
            began: Instant::now(),
            tracer,
        }
    }

    /// The trace that it is in.
    pub(crate) fn id(&self) -> TraceId {
        self.trace.context.trace
    }

    /// The host it asked for.
    pub(crate) fn set_host(&mut self, host: &str) {
        host.clone_into(&mut self.trace.host);
    }

    /// The route it takes, and the id that the upstream is told.
    pub(crate) fn set_route(&mut self, route: &Arc<Route>, request_id: Option<&HeaderValue>) {
        self.trace.route = Some(Arc::clone(route));
        self.trace.request_id = request_id.and_then(copied);
    }

    /// Why it is not answered by an upstream.
    pub(crate) fn set_error(&mut self, kind: &FailureKind, side: Side) {
        self.trace.error = Some(kind.word());
        self.trace.is_clients = side == Side::Downstream;
    }

    /// A try on `upstream` begins, which is told so.
    pub(crate) fn begin_try<B>(&self, upstream: &Arc<Upstream>, request: &mut Request<B>) {
        let span = SpanId::random();
        request.headers_mut().insert(TRACEPARENT, self.trace.context.with_span(span).header());
        self.trying.set(true);
        self.tries.borrow_mut().push(Try {
            span,
            began: self.began.elapsed(),
            took: Duration::ZERO,
            upstream: Arc::clone(upstream),
            path: path_of(request.uri()),
            status: None,
            error: None,
        });
    }

    /// The head of an answer came for the last try.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.with_last(|last| last.status = Some(status.as_u16()));
    }

    /// The last try failed.
    pub(crate) fn failed(&self, kind: &FailureKind) {
        self.with_last(|last| last.error = Some(kind.word()));
        self.end_try();
    }

    /// The last try is over.
    pub(crate) fn end_try(&self) {
        if self.trying.replace(false) {
            let now = self.began.elapsed();
            self.with_last(|last| last.took = now.saturating_sub(last.began));
        }
    }

    /// The answer broke off.
    pub(crate) fn set_broken(&mut self, why: &BodyError) {
        self.trace.error = Some(why.word());
        self.trace.is_clients = !why.blames_upstream();
    }

    /// The request has ended.
    pub(crate) fn send(mut self, end: End, ending: Ending) {
        if self.trace.error.is_none() {
            self.trace.error = word(ending).or_else(|| (!end.complete).then_some(CUT));
            self.trace.is_clients = is_clients(ending);
        }
        if self.trying.get() {
            self.with_last(|last| last.error = self.trace.error);
            self.end_try();
        }
        self.trace.tries = self.tries.take();
        self.trace.end = end;
        self.tracer.send(Box::new(self.trace));
    }

    fn with_last(&self, change: impl FnOnce(&mut Try)) {
        if let Some(last) = self.tries.borrow_mut().last_mut() {
            change(last);
        }
    }
}

/// The word for an end that is no failure of ours to answer.
fn word(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Answered => None,
        Ending::Cancelled | Ending::CancelledBeforeFirstByte => Some("client_left"),
        Ending::ClientTimeout => Some("client_timeout"),
        Ending::FirstByteTimeout => Some("first_byte_timeout"),
        Ending::IdleTimeout => Some("idle_timeout"),
    }
}

fn is_clients(ending: Ending) -> bool {
    matches!(ending, Ending::Cancelled | Ending::CancelledBeforeFirstByte | Ending::ClientTimeout)
}

/// What the deadline of a stop ends.
const CUT: &str = "cut";
