//! The one place where a failure becomes a response.
//!
//! **Invariant:** every answer that is ours and not an upstream's has the header `conduit-error`
//! with a stable word, and a short body that says what to do. Text that came from the client is
//! never sent back as HTML.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::failure::{Failure, FailureKind};
use crate::limits::RETRY_AFTER_SECONDS;

/// Answers a request that no upstream answered; in the form that `accept` asks for.
pub(crate) fn failure(failure: &Failure, accept: Option<&HeaderValue>) -> Response<ResponseBody> {
    let status = status_of(&failure.kind);
    let text = format!("{} {}", status.as_u16(), failure.kind);
    let (content_type, body) = if prefers_json(accept) {
        let word = failure.kind.word();
        let text = json_string(&failure.kind.to_string());
        ("application/json", format!("{{\"error\":{{\"code\":\"{word}\",\"message\":{text}}}}}\n"))
    } else {
        ("text/plain; charset=utf-8", text + "\n")
    };
    let mut response = own(status, content_type, body.into());
    let headers = response.headers_mut();
    headers.insert(CONDUIT_ERROR, HeaderValue::from_static(failure.kind.word()));
    match failure.kind {
        FailureKind::NoUpstream { .. } | FailureKind::Saturated { .. } => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
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
        FailureKind::BadAuthority(_) => StatusCode::BAD_REQUEST,
        FailureKind::BadResponse(_)
        | FailureKind::ClosedEarly(_)
        | FailureKind::ConnectFailed { .. }
        | FailureKind::UpstreamTls { .. } => StatusCode::BAD_GATEWAY,
        FailureKind::ConnectTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        FailureKind::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
        FailureKind::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        FailureKind::NoUpstream { .. } | FailureKind::Saturated { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        FailureKind::UnknownHost(_) => StatusCode::NOT_FOUND,
    }
}

/// Whether `Accept` names JSON, and names it before text or HTML.
fn prefers_json(accept: Option<&HeaderValue>) -> bool {
    let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or("");
    let place = |what: &str| accept.find(what);
    match (place("json"), place("text/")) {
        (Some(json), Some(text)) => json < text,
        (json, _) => json.is_some(),
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

    #[test]
    fn json_is_answered_to_those_who_ask_for_it() {
        assert!(!prefers_json(None));
        for (accept, expected) in [
            ("application/json", true),
            ("application/problem+json, */*", true),
            ("text/html,application/json", false),
            ("*/*", false),
        ] {
            let value = HeaderValue::from_static(accept);
            assert_eq!(prefers_json(Some(&value)), expected, "{accept}");
        }
        assert_eq!(json_string("a\"b\\c\nd"), "\"a\\\"b\\\\c d\"");
    }

    #[test]
    fn a_503_says_when_to_come_back() {
        let service = conduit_core::name::ServiceName::parse("grafana").expect("valid");
        let kind = FailureKind::NoUpstream { service, reason: Some("connection refused".into()) };
        let response = failure(&kind.into(), None);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(response.headers()[CONDUIT_ERROR], "no_upstream");
    }
}
