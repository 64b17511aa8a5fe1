//! The same request as HTTP/1.1 and HTTP/2 want it.
//!
//! **Invariant:** over HTTP/2 there is an authority and no `Host`, and no field that is about a
//! connection (RFC 9113 §8.2.2); over HTTP/1.1 it is the other way round. Nothing else differs, and
//! each form can be made from the other.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri, Version};
use http_body::Body;

/// Turns a request for HTTP/1.1 into one for HTTP/2; leaves it alone, and says so with `false`, when
/// its `Host` cannot be an authority.
pub(super) fn to_http2<B>(request: &mut Request<B>, scheme: Scheme) -> bool {
    let authority = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
    let Some(authority) = authority.and_then(|host| Authority::try_from(host).ok()) else {
        return false;
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    // Invariant: all three parts are there.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    let headers = request.headers_mut();
    headers.remove(header::HOST);
    for name in CONNECTION_FIELDS {
        headers.remove(name);
    }
    *request.version_mut() = Version::HTTP_2;
    true
}

/// Turns a request for HTTP/2 back.
pub(super) fn to_http1<B: Body>(mut request: Request<B>) -> Request<B> {
    let parts = std::mem::take(request.uri_mut()).into_parts();
    let unsized_body =
        !request.body().is_end_stream() && request.body().size_hint().exact().is_none();
    let headers = request.headers_mut();
    if let Some(host) = parts.authority.and_then(|a| HeaderValue::from_str(a.as_str()).ok()) {
        headers.insert(header::HOST, host);
    }
    restore(headers, unsized_body);
    let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = path.into();
    *request.version_mut() = Version::HTTP_11;
    request
}

fn restore(headers: &mut HeaderMap, unsized_body: bool) {
    if headers.contains_key(header::TE) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if unsized_body {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// What our own head for HTTP/1.1 may say about the connection.
const CONNECTION_FIELDS: [header::HeaderName; 3] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE];

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    fn request(target: &'static str, host: &'static str) -> Request<Full<&'static [u8]>> {
        Request::get(target)
            .header("host", host)
            .header("connection", "te")
            .header("te", "trailers")
            .header("accept", "*/*")
            .body(Full::default())
            .expect("a request")
    }

    #[test]
    fn each_form_is_made_from_the_other() {
        for (target, host, uri) in [
            ("/a?b=1", "web.internal:8443", "https://web.internal:8443/a?b=1"),
            ("/", "[fd00::1]:80", "https://[fd00::1]:80/"),
        ] {
            let mut http2 = request(target, host);
            assert!(to_http2(&mut http2, Scheme::HTTPS));
            assert_eq!(http2.uri().to_string(), uri);
            assert_eq!(http2.headers()["te"], "trailers");
            for gone in ["host", "connection"] {
                assert!(!http2.headers().contains_key(gone), "{gone}");
            }
            let http1 = to_http1(http2);
            assert_eq!(http1.uri().to_string(), target);
            assert_eq!(http1.version(), Version::HTTP_11);
            assert_eq!(http1.headers(), request(target, host).headers());
        }
    }

    #[test]
    fn the_asterisk_stays_one() {
        let mut http2 = request("*", "web.internal");
        assert!(to_http2(&mut http2, Scheme::HTTP));
        assert_eq!(http2.uri().path(), "*");
        assert_eq!(to_http1(http2).uri().to_string(), "*");
    }

    #[test]
    fn what_is_no_authority_is_left_as_it_was() {
        let mut odd = request("/a", "a b");
        assert!(!to_http2(&mut odd, Scheme::HTTP));
        assert_eq!(odd.uri().to_string(), "/a");
        assert_eq!(odd.headers(), request("/a", "a b").headers());
    }
}
