//! Records as OpenTelemetry's spans, in its names for HTTP (semantic conventions, stable).
//!
//! **Invariant:** what secrets may be in is not there: no query, no header but the request's id.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use conduit_core::upstream::{UpstreamAddr, UpstreamHost};
use conduit_proxy::trace::{Trace, Try};
use http::{HeaderValue, Method, Version};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;

/// Who tells: the same for all spans of this process.
#[derive(Debug, Clone)]
pub(super) struct Resource(resource::v1::Resource);

impl Resource {
    /// This process, under the name that it has in traces.
    pub(super) fn of(service_name: &str) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        // Random keys of the standard library: it differs in every process.
        let instance = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let attributes = vec![
            text("service.name", service_name),
            text("service.version", VERSION),
            text("service.instance.id", format!("{instance:016x}")),
            text("host.name", host),
            number("process.pid", std::process::id()),
            text("telemetry.sdk.name", "conduit"),
            text("telemetry.sdk.language", "rust"),
            text("telemetry.sdk.version", VERSION),
        ];
        Self(resource::v1::Resource { attributes, ..Default::default() })
    }
}

/// One export request with all spans of these records.
pub(super) fn encode(resource: &Resource, batch: &[Trace]) -> Bytes {
    let scope = InstrumentationScope {
        name: "conduit".into(),
        version: VERSION.into(),
        ..Default::default()
    };
    let scope_spans = ScopeSpans {
        scope: Some(scope),
        spans: batch.iter().flat_map(spans).collect(),
        schema_url: SCHEMA.to_owned(),
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.0.clone()),
            scope_spans: vec![scope_spans],
            schema_url: SCHEMA.to_owned(),
        }],
    };
    request.encode_to_vec().into()
}

/// Our own span and one for each try.
pub(super) fn spans(trace: &Trace) -> Vec<Span> {
    let mut spans = vec![served(trace)];
    let tries = trace.tries.iter().enumerate();
    spans.extend(tries.map(|(index, one)| tried(trace, one, index)));
    spans
}

/// What we served: the span of a server.
fn served(trace: &Trace) -> Span {
    let parent = trace.parent.map(|id| id.to_bytes().to_vec()).unwrap_or_default();
    let remote = if parent.is_empty() { 0 } else { PARENT_IS_REMOTE };
    let link = trace.link.map(|link| Link {
        trace_id: link.trace.to_bytes().to_vec(),
        span_id: link.span.to_bytes().to_vec(),
        flags: u32::from(link.flags()) | REMOTE_IS_KNOWN | PARENT_IS_REMOTE,
        ..Default::default()
    });
    let is_failure = trace.end.status >= 500 || (trace.error.is_some() && !trace.is_clients);
    Span {
        span_id: trace.context.span.to_bytes().to_vec(),
        parent_span_id: parent,
        flags: u32::from(trace.context.flags()) | REMOTE_IS_KNOWN | remote,
        name: match &trace.route {
            Some(route) => format!("{} {}", method_name(&trace.method), route.service),
            None => method_name(&trace.method).to_owned(),
        },
        kind: SpanKind::Server.into(),
        end_time_unix_nano: nanos(trace, trace.end.took),
        attributes: served_attributes(trace),
        events: first_byte(trace).into_iter().collect(),
        links: link.into_iter().collect(),
        status: status(is_failure),
        ..begun(trace, Duration::ZERO)
    }
}

fn served_attributes(trace: &Trace) -> Vec<KeyValue> {
    let end = &trace.end;
    let mut all = method(&trace.method);
    all.extend([
        text("url.scheme", if trace.is_tls { "https" } else { "http" }),
        text("url.path", &trace.path),
        text("client.address", trace.client.to_canonical().to_string()),
        text("network.protocol.name", "http"),
        number("http.request.body.size", i64::try_from(end.bytes_in).unwrap_or(i64::MAX)),
        number("http.response.body.size", i64::try_from(end.bytes_out).unwrap_or(i64::MAX)),
    ]);
    if !trace.host.is_empty() {
        all.push(text("server.address", &trace.host));
    }
    all.extend(version(trace.version).map(|version| text("network.protocol.version", version)));
    all.extend(visible(trace.user_agent.as_ref()).map(|agent| text("user_agent.original", agent)));
    all.extend(visible(trace.request_id.as_ref()).map(|id| text("conduit.request_id", id)));
    all.extend(trace.route.as_ref().map(|route| text("conduit.service", route.service.as_str())));
    all.extend(end.first_byte.map(|after| seconds("conduit.time_to_first_byte", after)));
    all.extend(outcome(Some(end.status).filter(|status| *status > 0), trace.error, 500));
    all
}

/// When an upstream began to answer.
fn first_byte(trace: &Trace) -> Option<Event> {
    let after = trace.end.first_byte?;
    let time_unix_nano = nanos(trace, after);
    Some(Event { time_unix_nano, name: "conduit.first_byte".to_owned(), ..Default::default() })
}

/// What an upstream was asked: the span of a client.
fn tried(trace: &Trace, one: &Try, index: usize) -> Span {
    let is_failure = one.error.is_some() || one.status.is_some_and(|status| status >= 400);
    Span {
        span_id: one.span.to_bytes().to_vec(),
        parent_span_id: trace.context.span.to_bytes().to_vec(),
        flags: u32::from(trace.context.flags()) | REMOTE_IS_KNOWN,
        name: method_name(&trace.method).to_owned(),
        kind: SpanKind::Client.into(),
        end_time_unix_nano: nanos(trace, one.began + one.took),
        attributes: tried_attributes(trace, one, index),
        status: status(is_failure),
        ..begun(trace, one.began)
    }
}

fn tried_attributes(trace: &Trace, one: &Try, index: usize) -> Vec<KeyValue> {
    let upstream = &one.upstream;
    let scheme = upstream.transport().scheme();
    let mut all = method(&trace.method);
    all.extend(place(upstream.addr(), upstream.socket().map(|at| at.ip())));
    all.push(match upstream.addr().unix() {
        // A socket's path cannot stand in a URL.
        Some(_) => text("url.path", &one.path),
        None => text("url.full", format!("{scheme}://{}{}", upstream.addr(), one.path)),
    });
    all.extend([
        text("network.protocol.name", "http"),
        text("conduit.service", upstream.service().as_str()),
    ]);
    if index > 0 {
        all.push(number("http.request.resend_count", i64::try_from(index).unwrap_or(i64::MAX)));
    }
    all.extend(outcome(one.status, one.error, 400));
    all
}

/// Where an upstream is.
fn place(addr: &UpstreamAddr, ip: Option<IpAddr>) -> Vec<KeyValue> {
    if let Some(path) = addr.unix() {
        let path = path.to_string_lossy().into_owned();
        return vec![text("server.address", path), text("network.transport", "unix")];
    }
    let mut all = vec![number("server.port", addr.port())];
    match addr.host() {
        UpstreamHost::Ip(ip) => all.push(text("server.address", ip.to_string())),
        UpstreamHost::Name(name) => all.push(text("server.address", &**name)),
        UpstreamHost::Unix(_) => {}
    }
    if let Some(ip) = ip {
        all.push(text("network.peer.address", ip.to_string()));
        all.push(number("network.peer.port", addr.port()));
    }
    all
}

/// The status, and the word for what went wrong; a status from `failing` on is a word, too.
fn outcome(status: Option<u16>, error: Option<&'static str>, failing: u16) -> Vec<KeyValue> {
    let mut all = Vec::new();
    if let Some(status) = status {
        all.push(number("http.response.status_code", status));
    }
    match (error, status) {
        (Some(word), _) => all.push(text("error.type", word)),
        (None, Some(status)) if status >= failing => {
            all.push(text("error.type", status.to_string()));
        }
        _ => {}
    }
    all
}

/// What all spans of a record have alike.
fn begun(trace: &Trace, after: Duration) -> Span {
    Span {
        trace_id: trace.context.trace.to_bytes().to_vec(),
        trace_state: visible(trace.state.as_ref()).unwrap_or_default().to_owned(),
        start_time_unix_nano: nanos(trace, after),
        ..Default::default()
    }
}

fn nanos(trace: &Trace, after: Duration) -> u64 {
    let began = u64::try_from(trace.time.micros()).unwrap_or(0).saturating_mul(1_000);
    began.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX))
}

/// Unset when nothing failed, as servers leave it.
fn status(is_failure: bool) -> Option<Status> {
    is_failure.then(|| Status { code: StatusCode::Error.into(), ..Default::default() })
}

fn method(method: &Method) -> Vec<KeyValue> {
    if is_known(method) {
        return vec![text("http.request.method", method.as_str())];
    }
    let original: String = method.as_str().chars().take(METHOD_CHARS_MAX).collect();
    vec![text("http.request.method", "_OTHER"), text("http.request.method_original", original)]
}

/// For names of spans, of which there must be few.
fn method_name(method: &Method) -> &str {
    if is_known(method) { method.as_str() } else { "HTTP" }
}

fn is_known(method: &Method) -> bool {
    METHODS.contains(&method.as_str())
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}

fn visible(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn number(key: &str, value: impl Into<i64>) -> KeyValue {
    attribute(key, Value::IntValue(value.into()))
}

fn seconds(key: &str, value: Duration) -> KeyValue {
    attribute(key, Value::DoubleValue(value.as_secs_f64()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The edition of the conventions that the names above are from.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";
/// Bits of a span's flags: whether it is known that the parent is in another process, and whether
/// it is.
const REMOTE_IS_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;
/// What counts as known (RFC 9110, RFC 5789).
const METHODS: [&str; 9] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
/// What is told of any other.
const METHOD_CHARS_MAX: usize = 32;
