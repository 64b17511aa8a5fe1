//! The one place where a failure becomes a response.
//!
//! **Invariant:** every answer that is ours and not an upstream's has the header `conduit-error`
//! with a stable word, the request's id, and a short body that says what to do, in the form that its
//! reader expects. Text that came from the client is never sent back unescaped.

use bytes::Bytes;
use conduit_core::policy::Preset;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};

use crate::body::ResponseBody;
use crate::dialect::{Dialect, anthropic_kind};
use crate::failure::{Failure, FailureKind};
use crate::headers::X_REQUEST_ID;
use crate::limits::{MAINTENANCE_SECONDS, RETRY_AFTER_SECONDS};
use crate::page;
use crate::trace::TraceId;

/// Who will read an answer of ours, and how they call the request.
#[derive(Debug)]
pub(crate) struct Asker {
    accept: Option<HeaderValue>,
    dialect: Dialect,
    /// The id that it came with.
    id: Option<HeaderValue>,
    /// The number of the id that it was given.
    number: Option<u32>,
    /// The trace that it is recorded in.
    trace: Option<TraceId>,
}

impl Asker {
    /// Notes what the request says about its reader.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let dialect = Dialect::of(request.uri().path());
        let accept = request.headers().get(header::ACCEPT).cloned();
        Self { accept, dialect, id: None, number: None, trace: None }
    }

    /// The service is of this kind.
    pub(crate) fn set_preset(&mut self, preset: Option<Preset>) {
        self.dialect = self.dialect.at(preset);
    }

    /// What its errors are written in.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The request is recorded in this trace.
    pub(crate) fn set_trace(&mut self, trace: TraceId) {
        self.trace = Some(trace);
    }

    /// The request got an id of ours, with this number.
    pub(crate) fn set_number(&mut self, number: u32) {
        self.number = Some(number);
    }

    /// Keeps the id that the upstream gets, unless it is ours.
    pub(crate) fn keep_id(&mut self, headers: &HeaderMap) {
        if self.number.is_none() {
            self.id = headers.get(X_REQUEST_ID).cloned();
        }
    }

    /// The request's id; `made` makes it from its number, or anew.
    pub(crate) fn id(&mut self, made: impl FnOnce(Option<u32>) -> HeaderValue) -> HeaderValue {
        self.id.take().unwrap_or_else(|| made(self.number))
    }

    /// Tells a client that gave an id which one it was, unless the answer does.
    pub(crate) fn remind(&mut self, headers: &mut HeaderMap) {
        if let Some(id) = self.id.take() {
            headers.entry(X_REQUEST_ID).or_insert(id);
        }
    }

    fn form(&self) -> Form {
        let accept = self.accept.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("");
        let place = |what: &str| accept.find(what).unwrap_or(usize::MAX);
        let (json, html, text) = (place("json"), place("text/html"), place("text/plain"));
        if html < json.min(text) {
            return Form::Html;
        }
        match self.dialect {
            Dialect::Anthropic => Form::Anthropic,
            Dialect::OpenAi => Form::OpenAi,
            Dialect::Ollama => Form::Ollama,
            Dialect::MayBeOllama | Dialect::Plain if text < json => Form::Text,
            Dialect::MayBeOllama | Dialect::Plain => Form::Json,
        }
    }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Anthropic,
    Html,
    Json,
    Ollama,
    OpenAi,
    Text,
}

/// Answers a request that no upstream answered, in the form that its reader expects.
pub(crate) fn failure(failure: &Failure, asker: &Asker, id: HeaderValue) -> Response<ResponseBody> {
    let kind = &failure.kind;
    let status = status_of(kind);
    let word = kind.word();
    let message = || json_string(&kind.to_string());
    let id_text = id.to_str().unwrap_or_default();
    let trace = asker.trace.map(|trace| trace.to_string());
    let form = asker.form();
    let body = match form {
        Form::Anthropic => format!(
            "{{\"type\":\"error\",\"error\":{{\"type\":\"{}\",\"message\":{}}},\"request_id\":{}}}\n",
            anthropic_kind(status),
            message(),
            json_string(id_text)
        ),
        Form::Html => page::render(status, kind, id_text, trace.as_deref()),
        Form::Json => format!(
            "{{\"error\":{{\"code\":\"{word}\",\"message\":{},\"request_id\":{}{}}}}}\n",
            message(),
            json_string(id_text),
            trace.map(|id| format!(",\"trace_id\":\"{id}\"")).unwrap_or_default()
        ),
        Form::Ollama => format!("{{\"error\":{}}}\n", message()),
        Form::OpenAi => {
            let side =
                if status.is_client_error() { "invalid_request_error" } else { "server_error" };
            format!(
                "{{\"error\":{{\"message\":{},\"type\":\"{side}\",\"param\":null,\"code\":\"{word}\"}}}}\n",
                message()
            )
        }
        Form::Text => format!("{} {kind}\n", status.as_u16()),
    };
    let mut response = own(status, content_type(form), body.into());
    let headers = response.headers_mut();
    headers.insert(CONDUIT_ERROR, HeaderValue::from_static(word));
    headers.insert(X_REQUEST_ID, id);
    if form == Form::Html {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    }
    match kind {
        FailureKind::Refused(refusal) => refusal.write(headers),
        FailureKind::NoUpstream { .. } | FailureKind::Saturated { .. } => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        FailureKind::Maintenance(_) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(MAINTENANCE_SECONDS));
        }
        FailureKind::MethodRefused => {
            headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
        }
        _ => {}
    }
    response
}

/// A response of our own.
pub(crate) fn own(
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn status_of(kind: &FailureKind) -> StatusCode {
    match kind {
        FailureKind::AddressRefused | FailureKind::OriginRefused => StatusCode::FORBIDDEN,
        FailureKind::BadAuthority(_) | FailureKind::BadPath(_) | FailureKind::BodyBroken => {
            StatusCode::BAD_REQUEST
        }
        FailureKind::BadResponse(_)
        | FailureKind::ClosedEarly(_)
        | FailureKind::ConnectFailed { .. }
        | FailureKind::UpstreamTls { .. } => StatusCode::BAD_GATEWAY,
        FailureKind::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        FailureKind::BodyTooSlow { .. } | FailureKind::ClientTimeout { .. } => {
            StatusCode::REQUEST_TIMEOUT
        }
        FailureKind::CodingRefused => StatusCode::NOT_IMPLEMENTED,
        FailureKind::ConnectTimeout { .. } | FailureKind::FirstByteTimeout { .. } => {
            StatusCode::GATEWAY_TIMEOUT
        }
        FailureKind::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        FailureKind::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
        FailureKind::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        FailureKind::Maintenance(_)
        | FailureKind::NoUpstream { .. }
        | FailureKind::Saturated { .. } => StatusCode::SERVICE_UNAVAILABLE,
        FailureKind::PathRefused | FailureKind::UnknownHost(_) => StatusCode::NOT_FOUND,
        FailureKind::Refused(refusal) => refusal.status(),
        FailureKind::TargetTooLong { .. } => StatusCode::URI_TOO_LONG,
    }
}

fn content_type(form: Form) -> &'static str {
    match form {
        Form::Html => "text/html; charset=utf-8",
        Form::Anthropic | Form::Json | Form::Ollama | Form::OpenAi => "application/json",
        Form::Text => "text/plain; charset=utf-8",
    }
}

/// Writes a JSON string; what is not plain ASCII is escaped or replaced.
fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Names the failure to people and programs.
pub(crate) const CONDUIT_ERROR: &str = "conduit-error";
/// For `Allow`, when a method is refused.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(path: &str, accept: &str, preset: Option<Preset>) -> Asker {
        let request = Request::get(path).header(header::ACCEPT, accept).body(()).expect("valid");
        let mut asker = Asker::of(&request);
        asker.set_preset(preset);
        asker
    }

    #[test]
    fn everybody_is_answered_in_a_form_they_read() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (path, accept, preset, expected) in [
            ("/", "*/*", None, Form::Json),
            ("/", "application/problem+json, */*", None, Form::Json),
            ("/", "text/plain, application/json", None, Form::Text),
            ("/", browser, None, Form::Html),
            ("/", "application/json, text/html", None, Form::Json),
            ("/v1/models", browser, None, Form::Html),
            ("/v1/chat/completions", "*/*", None, Form::OpenAi),
            ("/v1/chat/completions", "text/plain", None, Form::OpenAi),
            ("/v1/messages", "*/*", Some(Preset::Vllm), Form::Anthropic),
            ("/v1/messages", browser, None, Form::Html),
            ("/api/chat", "*/*", Some(Preset::Ollama), Form::Ollama),
            ("/api/chat", "*/*", Some(Preset::Grafana), Form::Json),
            ("/api/chat", "*/*", None, Form::Json),
        ] {
            assert_eq!(asker(path, accept, preset).form(), expected, "{path} {accept}");
        }
        assert_eq!(json_string("a\"b\\c\nd"), "\"a\\\"b\\\\c d\"");
    }

    #[test]
    fn each_dialect_has_its_shape() {
        for (path, preset, expected) in [
            ("/", None, r#"{"error":{"code":"unknown_host","message":M,"request_id":"7"}}"#),
            ("/api/chat", Some(Preset::Ollama), r#"{"error":M}"#),
            (
                "/v1/models",
                None,
                r#"{"error":{"message":M,"type":"invalid_request_error","param":null,"code":"unknown_host"}}"#,
            ),
            (
                "/v1/messages",
                None,
                r#"{"type":"error","error":{"type":"not_found_error","message":M},"request_id":"7"}"#,
            ),
        ] {
            let kind = FailureKind::UnknownHost("nobody".into());
            let expected = expected.replace('M', &json_string(&kind.to_string()));
            let response =
                failure(&kind.into(), &asker(path, "*/*", preset), HeaderValue::from_static("7"));
            let body = futures_util::FutureExt::now_or_never(http_body_util::BodyExt::collect(
                response.into_body(),
            ));
            let body = body.expect("at once").expect("a body").to_bytes();
            assert_eq!(body, format!("{expected}\n"), "{path}");
        }
    }

    #[test]
    fn a_503_says_when_to_come_back() {
        let service = conduit_core::name::ServiceName::parse("grafana").expect("valid");
        let kind = FailureKind::NoUpstream { service, reason: Some("connection refused".into()) };
        let id = HeaderValue::from_static("1");
        let response = failure(&kind.into(), &asker("/", "*/*", None), id);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(response.headers()[CONDUIT_ERROR], "no_upstream");
        assert_eq!(response.headers()[X_REQUEST_ID], "1");
    }
}
