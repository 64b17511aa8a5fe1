//! What changes between the head a client sent and the head an upstream gets, and back.
//!
//! **Invariant:** no hop-by-hop field crosses (RFC 9110 §7.6.1), listed ones included; what tells an
//! upstream about the client is ours alone, whatever the client claimed; there is exactly one
//! `Host`.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::limits::REQUEST_ID_BYTES_MAX;

/// What an upstream is told about the client of one connection, prepared once per connection.
#[derive(Debug)]
pub(crate) struct Client {
    address: HeaderValue,
    scheme: &'static str,
    forwarded: String,
}

impl Client {
    /// A client at this address, over `https` or `http`.
    pub(crate) fn new(address: IpAddr, scheme: &'static str) -> Self {
        let text = address.to_canonical().to_string();
        let node = match address.to_canonical() {
            IpAddr::V4(_) => text.clone(),
            IpAddr::V6(_) => format!("\"[{text}]\""),
        };
        Self {
            // Invariant: an address is visible ASCII.
            address: HeaderValue::try_from(text)
                .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            scheme,
            forwarded: format!("for={node};proto={scheme};host="),
        }
    }
}

/// Turns a client's head into what an upstream gets. `host` is what the client asked for, port and
/// all; `request_id` is used when the client gave none, or none that is fit to be logged.
pub(crate) fn to_upstream(
    headers: &mut HeaderMap,
    client: &Client,
    host: HeaderValue,
    request_id: impl FnOnce() -> HeaderValue,
) {
    let trailers = wants_trailers(headers);
    strip(headers);
    drop_claims(headers);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        // RFC 9110 §10.1.4: TE is listed, since it ends at the next hop.
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    headers.remove(header::EXPECT);
    headers.insert(header::FORWARDED, forwarded(client, &host));
    headers.insert(X_FORWARDED_HOST, host.clone());
    headers.insert(X_FORWARDED_FOR, client.address.clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(client.scheme));
    headers.insert(X_REAL_IP, client.address.clone());
    headers.insert(header::HOST, host);
    if !headers.get(X_REQUEST_ID).is_some_and(is_sane_id) {
        headers.insert(X_REQUEST_ID, request_id());
    }
}

/// Whether the client waits to be told that its body may follow.
pub(crate) fn expects_continue(headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT);
    expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(CONTINUE.as_bytes()))
}

/// Asks the upstream whether the body may follow.
pub(crate) fn expect_continue(headers: &mut HeaderMap) {
    headers.insert(header::EXPECT, HeaderValue::from_static(CONTINUE));
}

/// Whether a request is gRPC's, whose two directions go on independently.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()))
}

/// Turns an upstream's head into what the client gets.
pub(crate) fn to_client(headers: &mut HeaderMap) {
    strip(headers);
}

/// The protocol that a request or a response switches to, when it does.
///
/// `h2c` is not passed on: nothing behind us could be told apart from requests any more.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let listed = tokens(headers, &header::CONNECTION).any(|t| t.eq_ignore_ascii_case(b"upgrade"));
    let protocol = headers.get(header::UPGRADE)?;
    // What is not text could hide the word.
    let h2c = protocol.to_str().ok()?.to_ascii_lowercase().contains("h2c");
    (listed && !h2c).then(|| protocol.clone())
}

/// Says that this head switches the connection to `protocol`.
pub(crate) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    let listed = match headers.contains_key(header::TE) {
        true => "upgrade, te",
        false => "upgrade",
    };
    headers.insert(header::CONNECTION, HeaderValue::from_static(listed));
    headers.insert(header::UPGRADE, protocol);
}

/// Whether a request id can be kept: short, visible, nothing that a log could trip over.
fn is_sane_id(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    !bytes.is_empty() && bytes.len() <= REQUEST_ID_BYTES_MAX && bytes.iter().all(plain)
}

/// Removes the hop-by-hop fields, and those that `Connection` lists.
fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
            .filter_map(|token| HeaderName::from_bytes(token).ok())
            .filter(|name| !KEPT.contains(name))
            .collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes what a client claims about itself; `_` counts as `-`, since CGI folds the two.
fn drop_claims(headers: &mut HeaderMap) {
    let is_claim = |name: &HeaderName| {
        let name = name.as_str();
        if name.contains('_') {
            return claims(&name.replace('_', "-"));
        }
        claims(name)
    };
    // Most requests have none, so the usual cost is one pass.
    while let Some(name) = headers.keys().find(|name| is_claim(name)).cloned() {
        headers.remove(name);
    }
}

fn claims(name: &str) -> bool {
    name == "forwarded" || name == X_REAL_IP || name.starts_with("x-forwarded-")
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TE)
        && tokens(headers, &header::TE).any(|t| t.eq_ignore_ascii_case(b"trailers"))
}

/// The members of a comma-separated field, over all its lines. A member that is not text spoils
/// none of the others.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// Writes `for=…;proto=…;host=…` (RFC 7239).
fn forwarded(client: &Client, host: &HeaderValue) -> HeaderValue {
    let host = host.to_str().unwrap_or_default();
    let mut text = String::with_capacity(client.forwarded.len() + host.len() + 2);
    text.push_str(&client.forwarded);
    // A port or brackets make it more than a token. Writing to a String cannot fail.
    let quoted = host.contains([':', '[']);
    let written = if quoted { write!(text, "\"{host}\"") } else { write!(text, "{host}") };
    written
        .ok()
        .and_then(|()| HeaderValue::try_from(text).ok())
        .unwrap_or_else(|| HeaderValue::from_static("for=unknown"))
}

/// Fields that end at this hop even when `Connection` does not list them.
const HOP_BY_HOP: [HeaderName; 8] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// Fields that a client cannot have removed by listing them: the framing stays ours.
const KEPT: [HeaderName; 2] = [header::CONTENT_LENGTH, header::HOST];
const CONTINUE: &str = "100-continue";
const GRPC: &str = "application/grpc";
const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_HOST: &str = "x-forwarded-host";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
const X_REAL_IP: &str = "x-real-ip";
/// Ties the lines of several logs together.
pub(crate) const X_REQUEST_ID: &str = "x-request-id";

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn sent(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = map(lines);
        let client = Client::new("10.0.0.9".parse().expect("address"), "https");
        let host = HeaderValue::from_static("grafana.internal:8443");
        to_upstream(&mut headers, &client, host, || HeaderValue::from_static("made"));
        headers
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        let headers = sent(&[
            ("connection", "close, X-Secret , host, content-length"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "gzip, trailers"),
            ("upgrade", "h2c"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ]);
        assert_eq!(headers["connection"], "te");
        for gone in ["x-secret", "x-other", "keep-alive", "upgrade"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["content-length"], "3");
        assert_eq!(headers["host"], "grafana.internal:8443");
        assert_eq!(headers["accept"], "*/*");
    }

    #[test]
    fn claims_of_clients_are_replaced() {
        let headers = sent(&[
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
            ("x_forwarded_for", "9.9.9.9"),
            ("x-forwarded-prefix", "/admin"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("x-request-id", "has space"),
        ]);
        let all = |name: &str| headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("x-forwarded-for"), ["10.0.0.9"]);
        assert_eq!(all("x-real-ip"), ["10.0.0.9"]);
        assert_eq!(all("x-forwarded-proto"), ["https"]);
        assert_eq!(all("x-forwarded-host"), ["grafana.internal:8443"]);
        assert_eq!(all("forwarded"), ["for=10.0.0.9;proto=https;host=\"grafana.internal:8443\""]);
        assert_eq!(all("x-request-id"), ["made"]);
        assert!(!headers.contains_key("x_forwarded_for"));
        assert!(!headers.contains_key("x-forwarded-prefix"));
    }

    #[test]
    fn a_sane_request_id_is_kept() {
        let headers = sent(&[("x-request-id", "3f2a-77")]);
        assert_eq!(headers["x-request-id"], "3f2a-77");
    }

    #[test]
    fn upgrades_need_both_fields_and_never_h2c() {
        let asks = |lines: &[_]| upgrade(&map(lines)).is_some();
        assert!(asks(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert!(!asks(&[("upgrade", "websocket")]));
        assert!(!asks(&[("connection", "upgrade"), ("upgrade", "h2c")]));
        assert!(!asks(&[("connection", "upgrade")]));
    }
}
