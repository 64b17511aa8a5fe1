//! What the library lets pass in the head of a request, and RFC 9114 does not; and what of a response
//! must not be said over HTTP/3.

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;

use crate::body::ResponseBody;

/// Whether a request may be served: the length that it announced, if it did.
///
/// # Errors
/// Says why it is malformed (RFC 9114 §4.1.2).
pub(super) fn check(request: &Parts) -> Result<Option<u64>, &'static str> {
    if CONNECTION_FIELDS.iter().any(|name| request.headers.contains_key(name)) {
        return Err("it has a field about the connection");
    }
    let is_trailers = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    if !request.headers.get_all(header::TE).iter().all(is_trailers) {
        return Err("its te says more than trailers");
    }
    let path = request.uri.path_and_query().map_or("", |path| path.as_str());
    let is_target = match request.method {
        Method::CONNECT => true,
        Method::OPTIONS => path.starts_with('/') || path == "*",
        _ => path.starts_with('/'),
    };
    if !is_target {
        return Err("its path is none");
    }
    length(&request.headers)
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut all = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let digits = first.as_bytes();
    if all.next().is_some() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("its content-length is none");
    }
    let text = first.to_str().unwrap_or_default();
    text.parse().map(Some).map_err(|_| "its content-length is none")
}

/// Makes the head of a response fit for HTTP/3, as hyper does for other versions.
pub(super) fn prepare(response: &mut Response<ResponseBody>) {
    let length = response.body().size_hint().exact();
    let status = response.status();
    let headers = response.headers_mut();
    for name in CONNECTION_FIELDS {
        headers.remove(name);
    }
    let has_body = !status.is_informational() && !WITHOUT_BODY.contains(&status);
    if let Some(length) = length.filter(|_| has_body)
        && !headers.contains_key(header::CONTENT_LENGTH)
    {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
}

/// RFC 9114 §4.2.
const CONNECTION_FIELDS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const WITHOUT_BODY: [StatusCode; 2] = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(method: &str, target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).expect("valid").into_parts().0
    }

    #[test]
    fn malformed_requests_are_known() {
        let at = "https://web.internal/x";
        for (method, target, fields, expected) in [
            ("GET", at, &[][..], Ok(None)),
            ("POST", at, &[("content-length", "5")][..], Ok(Some(5))),
            ("POST", at, &[("te", "trailers")][..], Ok(None)),
            ("OPTIONS", "*", &[][..], Ok(None)),
            ("CONNECT", "web.internal:443", &[][..], Ok(None)),
            ("POST", at, &[("te", "gzip")][..], Err(())),
            ("POST", at, &[("content-length", "+5")][..], Err(())),
            ("POST", at, &[("content-length", "5, 5")][..], Err(())),
            ("POST", at, &[("content-length", "")][..], Err(())),
            ("POST", at, &[("content-length", "18446744073709551616")][..], Err(())),
            ("POST", at, &[("content-length", "5"), ("content-length", "5")][..], Err(())),
            ("POST", at, &[("transfer-encoding", "chunked")][..], Err(())),
            ("GET", at, &[("connection", "close")][..], Err(())),
            ("GET", at, &[("upgrade", "websocket")][..], Err(())),
            ("GET", "*", &[][..], Err(())),
        ] {
            let checked = check(&parts(method, target, fields)).map_err(|_| ());
            assert_eq!(checked, expected, "{method} {target} {fields:?}");
        }
    }

    #[test]
    fn responses_say_their_length_and_nothing_of_the_connection() {
        let mut response = Response::new(ResponseBody::full("hello".into()));
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        prepare(&mut response);
        assert!(!response.headers().contains_key(header::CONNECTION));
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "5");
        let mut response = Response::new(ResponseBody::full("".into()));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        prepare(&mut response);
        assert!(!response.headers().contains_key(header::CONTENT_LENGTH));
    }
}
