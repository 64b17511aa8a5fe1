//! Traces: what became of a request, for OpenTelemetry.
//!
//! A request that is sampled is recorded as one [`Trace`]: a span of ours, and one for each try on
//! an upstream. The record goes through a queue to whoever exports it, who makes spans out of it.
//!
//! **Invariant:** without a [`Tracer`] nothing is read, changed or written, and a request that is not
//! sampled carries no record. A worker never waits: a record that does not fit in the queue is
//! counted and dropped. Query strings, which carry secrets, are never recorded.

mod context;
mod recording;
mod sampling;
pub(crate) mod state;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use http::header::HeaderValue;
use http::{Method, Request, Uri, Version};

pub use self::context::{Context, SpanId, TraceId};
pub(crate) use self::recording::Recording;
pub use self::sampling::{Callers, Ratio};
use crate::headers;
use crate::limits::{TRACE_TEXT_BYTES_MAX, TRACES_MAX};
use crate::table::Route;
use crate::upstream::Upstream;
use context::TRACEPARENT;
use state::TRACESTATE;

/// Decides which requests are recorded, and where the records go; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracer {
    ratio: Ratio,
    callers: Callers,
    traces: SyncSender<Box<Trace>>,
    lost: Arc<AtomicU64>,
}

/// The exporter's end of the queue.
#[derive(Debug)]
pub struct Traces {
    queue: Receiver<Box<Trace>>,
    lost: Arc<AtomicU64>,
}

impl Traces {
    /// The next record that is there.
    pub fn ready(&self) -> Option<Box<Trace>> {
        self.queue.try_recv().ok()
    }

    /// How many spans found no room in the queue.
    pub fn lost(&self) -> &Arc<AtomicU64> {
        &self.lost
    }
}

/// What is known of one request.
#[derive(Debug)]
pub struct Trace {
    /// Our span, and the trace that it is in.
    pub context: Context,
    /// The caller's span, when its trace goes on here.
    pub parent: Option<SpanId>,
    /// The caller's span, when it is in a trace that does not go on here.
    pub link: Option<Context>,
    /// What other tracing systems have added.
    pub state: Option<HeaderValue>,
    /// When the request's head was read.
    pub time: Timestamp,
    /// Who sent it.
    pub client: IpAddr,
    /// Whether it came over TLS.
    pub is_tls: bool,
    /// Its method.
    pub method: Method,
    /// The host it asked for; empty when that was none.
    pub host: String,
    /// Its path, cut when it is long.
    pub path: String,
    /// Its version of HTTP.
    pub version: Version,
    /// What the client says it is.
    pub user_agent: Option<HeaderValue>,
    /// The id that the upstream was told.
    pub request_id: Option<HeaderValue>,
    /// The route it took, when there was one.
    pub route: Option<Arc<Route>>,
    /// The tries on upstreams, in their order.
    pub tries: Vec<Try>,
    /// Why it failed, when it did: the word of `conduit-error`, or how it ended.
    pub error: Option<&'static str>,
    /// Whether that is the client's own doing.
    pub is_clients: bool,
    /// What became of it.
    pub end: crate::access_log::End,
}

/// One try of a request on one upstream.
#[derive(Debug)]
pub struct Try {
    /// What the upstream was told is its parent.
    pub span: SpanId,
    /// After the request's head was read.
    pub began: Duration,
    /// How long it went on.
    pub took: Duration,
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// The path that it is asked for, cut when it is long.
    pub path: String,
    /// What it answered, if it did.
    pub status: Option<u16>,
    /// Why it failed, when it did.
    pub error: Option<&'static str>,
}

/// Makes the queue between the workers and an exporter.
pub fn queue(ratio: Ratio, callers: Callers) -> (Tracer, Traces) {
    let (traces, queue) = sync_channel(TRACES_MAX);
    let lost = Arc::<AtomicU64>::default();
    let tracer = Tracer { ratio, callers, traces, lost: Arc::clone(&lost) };
    (tracer, Traces { queue, lost })
}

impl Tracer {
    /// Reads what a request says about its trace, tells whoever gets it next what is decided, and
    /// begins a record if it is sampled.
    pub(crate) fn begin<B>(
        &self,
        request: &mut Request<B>,
        client: &headers::Client,
        is_trusted: bool,
    ) -> Option<Box<Recording>> {
        let fields = request.headers_mut();
        let caller = Context::of(fields);
        let continued = caller.filter(|_| self.callers.may_continue(is_trusted));
        let context = match continued {
            Some(caller) => caller.with_span(SpanId::random()),
            None => {
                let trace = TraceId::random();
                Context::root(trace, self.ratio.admits(trace))
            }
        };
        fields.insert(TRACEPARENT, context.header());
        let state = continued.and_then(|_| state::of(fields));
        match &state {
            Some(state) => drop(fields.insert(TRACESTATE, state.clone())),
            None => drop(fields.remove(TRACESTATE)),
        }
        if !context.is_sampled() {
            return None;
        }
        let parent = continued.map(|caller| caller.span);
        let link = caller.filter(|_| continued.is_none());
        let trace = Trace::of(request, client, Named { context, parent, link, state });
        Some(Box::new(Recording::new(trace, self.clone())))
    }

    fn send(&self, trace: Box<Trace>) {
        let spans = trace.spans();
        if self.traces.try_send(trace).is_err() {
            self.lost.fetch_add(spans, Ordering::Relaxed);
        }
    }
}

/// What a trace is called.
struct Named {
    context: Context,
    parent: Option<SpanId>,
    link: Option<Context>,
    state: Option<HeaderValue>,
}

impl Trace {
    /// How many spans it becomes.
    pub fn spans(&self) -> u64 {
        1 + self.tries.len() as u64
    }

    fn of<B>(request: &Request<B>, client: &headers::Client, named: Named) -> Self {
        let Named { context, parent, link, state } = named;
        let user_agent = request.headers().get(http::header::USER_AGENT);
        let is_short = |value: &&HeaderValue| value.len() <= TRACE_TEXT_BYTES_MAX;
        Self {
            context,
            parent,
            link,
            state: state.filter(|state| is_short(&state)),
            time: Timestamp::now(),
            client: client.address(),
            is_tls: client.is_tls(),
            method: request.method().clone(),
            host: String::new(),
            path: path_of(request.uri()),
            version: request.version(),
            user_agent: user_agent.filter(is_short).and_then(copied),
            request_id: None,
            route: None,
            tries: Vec::new(),
            error: None,
            is_clients: false,
            end: crate::access_log::End::default(),
        }
    }
}

/// A value of its own: a clone would keep the whole head in memory while a record waits.
fn copied(value: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes()).ok()
}

/// Without the query, and not longer than a trace needs.
fn path_of(uri: &Uri) -> String {
    let path = uri.path();
    path[..path.floor_char_boundary(TRACE_TEXT_BYTES_MAX)].to_owned()
}
