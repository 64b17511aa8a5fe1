//! What is told of a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use http::header::{self, HeaderValue};
use http::{Method, Request, Version};

use super::{AccessLog, Entry};
use crate::limits::LOG_PATH_BYTES_MAX;
use crate::table::Route;
use crate::trace::TraceId;
use crate::upstream::Upstream;

/// What is known of one request.
#[derive(Debug)]
pub struct Line {
    /// When its head was read.
    pub time: Timestamp,
    /// Who sent it.
    pub client: IpAddr,
    /// Its method.
    pub method: Method,
    /// The host it asked for; empty when that was none.
    pub host: String,
    /// Its path, cut when it is long.
    pub path: String,
    /// Its version of HTTP.
    pub version: Version,
    /// The route it took, when there was one.
    pub route: Option<Arc<Route>>,
    /// The upstream that answered it, when one did.
    pub upstream: Option<Arc<Upstream>>,
    /// The id that the upstream was told.
    pub request_id: Option<HeaderValue>,
    /// The trace that it is recorded in, when it is.
    pub trace: Option<TraceId>,
    /// Who was let in, when somebody asked.
    pub identity: Option<Arc<str>>,
    /// Why it was not answered by an upstream.
    pub error: Option<&'static str>,
    /// What the client says it is.
    pub user_agent: Option<HeaderValue>,
    /// Where the client says it comes from.
    pub referer: Option<HeaderValue>,
    /// What became of it.
    pub end: End,
    log: AccessLog,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct End {
    /// The status; 0 is a client that left before there was one.
    pub status: u16,
    /// From the end of its head to the end of the response.
    pub took: Duration,
    /// From the end of its head to the head of the response, when an upstream answered.
    pub first_byte: Option<Duration>,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// Whether the response was sent to its end.
    pub complete: bool,
}

impl Line {
    /// Begins a line, when lines are written at all.
    pub(crate) fn begin<B>(
        request: &Request<B>,
        client: IpAddr,
        log: &AccessLog,
    ) -> Option<Box<Self>> {
        if !log.is_on() {
            return None;
        }
        let path = request.uri().path();
        let end = path.floor_char_boundary(LOG_PATH_BYTES_MAX);
        let field = |name| request.headers().get(name).cloned();
        Some(Box::new(Self {
            time: Timestamp::now(),
            client,
            method: request.method().clone(),
            host: String::new(),
            path: path[..end].to_owned(),
            version: request.version(),
            route: None,
            upstream: None,
            request_id: None,
            trace: None,
            identity: None,
            error: None,
            user_agent: field(header::USER_AGENT),
            referer: field(header::REFERER),
            end: End::default(),
            log: log.clone(),
        }))
    }

    /// The host it asked for.
    pub(crate) fn set_host(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// The route it takes.
    pub(crate) fn set_route(&mut self, route: &Arc<Route>) {
        self.route = Some(Arc::clone(route));
    }

    /// Who answered it.
    pub(crate) fn set_upstream(&mut self, upstream: &Arc<Upstream>) {
        self.upstream = Some(Arc::clone(upstream));
    }

    /// The id that the upstream was told.
    pub(crate) fn set_request_id(&mut self, id: Option<&HeaderValue>) {
        self.request_id = id.cloned();
    }

    /// The trace that it is recorded in.
    pub(crate) fn set_trace(&mut self, trace: TraceId) {
        self.trace = Some(trace);
    }

    /// Who was let in.
    pub(crate) fn set_identity(&mut self, identity: Arc<str>) {
        self.identity = Some(identity);
    }

    /// Why it was not answered by an upstream.
    pub(crate) fn set_error(&mut self, word: &'static str) {
        self.error = Some(word);
    }

    /// Whether the service that it is for wants to be in the log.
    pub(crate) fn is_wanted(&self) -> bool {
        self.route.as_ref().is_none_or(|route| route.policy.access_log)
    }

    /// Sends the line off, or writes it into the daemon's log.
    pub(crate) fn write(mut self: Box<Self>, end: End) {
        self.end = end;
        if let AccessLog::Queue(sink) = std::mem::take(&mut self.log) {
            sink.send(Entry::Request(self));
            return;
        }
        let millis = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "access",
            service = self.route.as_ref().map(|r| r.service.as_str()),
            host = self.host,
            method = self.method.as_str(),
            path = self.path,
            protocol = ?self.version,
            status = end.status,
            duration_ms = millis(end.took),
            ttfb_ms = end.first_byte.map(millis),
            bytes_in = end.bytes_in,
            bytes = end.bytes_out,
            complete = end.complete,
            upstream = self.upstream.as_ref().map(|u| tracing::field::display(u.addr())),
            client = %self.client,
            identity = self.identity.as_deref(),
            request_id = self.request_id.as_ref().and_then(|id| id.to_str().ok()),
            trace_id = self.trace.map(tracing::field::display),
            error = self.error,
        );
    }
}
