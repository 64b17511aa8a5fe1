//! The doors of the request path: hosts, heads, and what clients claim about themselves.
//!
//! **Invariant:** every target states a property; not panicking is the least of them.

use std::str;

use conduit_core::name::Host;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::{authority, headers};

/// `Host` and `:authority`: what is accepted is folded, stable, and agrees with the names that can
/// be registered.
pub fn host_parse(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Some(host) = authority::parse(text) else {
        // Whatever could be registered can be asked for.
        assert!(Host::parse(text).is_err() || text.is_empty());
        return;
    };
    assert!(!host.is_empty() && !host.ends_with('.'));
    assert!(!host.bytes().any(|b| b.is_ascii_uppercase() || b <= b' '));
    assert_eq!(authority::parse(&host).as_deref(), Some(&*host));
    if let Ok(registered) = Host::parse(text) {
        assert_eq!(registered.as_str(), &*host);
    }
}

/// A request's head: no hop-by-hop field survives, listed or not, and there is exactly one host.
pub fn request_head(data: &[u8]) {
    let before = lines(data);
    let listed: Vec<String> = before
        .get_all("connection")
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|token| str::from_utf8(token.trim_ascii()).ok())
        .map(str::to_ascii_lowercase)
        .collect();
    let after = sent(before.clone());
    for gone in
        ["keep-alive", "proxy-connection", "proxy-authorization", "transfer-encoding", "upgrade"]
    {
        assert!(!after.contains_key(gone), "{gone}");
    }
    let connection = after.get("connection").map(HeaderValue::as_bytes);
    assert!(matches!(connection, None | Some(b"te")), "{connection:?}");
    assert_eq!(connection.is_some(), after.contains_key("te"));
    for name in &listed {
        let framing = ["connection", "content-length", "host", "te"].contains(&name.as_str());
        let ours = OURS.contains(&name.as_str());
        assert!(framing || ours || !after.contains_key(name), "{name}");
    }
    assert_eq!(after.get_all("host").iter().count(), 1);
    for (name, value) in &after {
        let kept = before.get_all(name).iter().any(|old| old == value);
        let ours =
            OURS.contains(&name.as_str()) || ["connection", "host", "te"].contains(&name.as_str());
        assert!(kept || ours, "{name} was invented");
    }
    if let Some(protocol) = headers::upgrade(&before) {
        let protocol = protocol.as_bytes().to_ascii_lowercase();
        assert!(!protocol.windows(3).any(|w| w == b"h2c"));
    }
}

/// What a client claims about itself: none of it reaches an upstream.
pub fn forwarded_header(data: &[u8]) {
    let mut claimed = HeaderMap::new();
    for (index, value) in data.split(|b| *b == b'\n').enumerate() {
        let name = CLAIMS[index % CLAIMS.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            claimed.append(name, value);
        }
    }
    let after = sent(claimed);
    let all = |name: &str| {
        after.get_all(name).iter().map(|v| v.to_str().unwrap_or("?").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(all("x-forwarded-for"), [CLIENT]);
    assert_eq!(all("x-real-ip"), [CLIENT]);
    assert_eq!(all("x-forwarded-proto"), ["https"]);
    assert_eq!(all("x-forwarded-host"), [HOST]);
    assert_eq!(all("forwarded"), [format!("for={CLIENT};proto=https;host={HOST}")]);
    assert_eq!(after.len(), OURS.len() + 1, "{after:?}");
}

/// A head as hyper would hand it over, from lines of `name: value`.
fn lines(data: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in data.split(|b| *b == b'\n').take(128) {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

fn sent(mut map: HeaderMap) -> HeaderMap {
    let client = headers::Client::new([10, 0, 0, 9].into(), "https");
    let id = || HeaderValue::from_static("made");
    headers::receive(&mut map, false, id);
    headers::announce(&mut map, &client, HeaderValue::from_static(HOST));
    map
}

const CLIENT: &str = "10.0.0.9";
const HOST: &str = "grafana.internal";
/// Fields that are set by us, whatever came.
const OURS: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];
/// Fields in which a client may claim things.
const CLAIMS: [&str; 6] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-forwarded-proto",
    "x_forwarded_for",
    "x-forwarded-prefix",
];

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>) {
            host_parse(&data);
            request_head(&data);
            forwarded_header(&data);
        }

        #[test]
        fn anything_like_a_host(text in "[a-zA-Z0-9.:\\[\\]_-]{0,40}") {
            host_parse(text.as_bytes());
        }

        #[test]
        fn anything_like_a_head(text in "((connection|te|upgrade|host|x-a|Keep-Alive): ?(x-a|te|h2c|close|,){0,3}\n){0,6}") {
            request_head(text.as_bytes());
        }
    }
}
