//! Where a page is: its host, and the origin that the browser shows.

use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderMap, HeaderName, header};

/// The page that a request comes from, by the request's host, which was judged to be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    host: Arc<str>,
    text: String,
    is_name: bool,
}

impl Origin {
    /// `None` when the request names no host.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let authority: Authority = host.parse().ok()?;
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return None;
        }
        let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        // Our own proxy says how it was asked; whoever asks this listener itself is on this machine,
        // where browsers do without TLS.
        let is_plain = match headers.get(FORWARDED_PROTO) {
            Some(told) => told == "http",
            None => is_address || host == "localhost",
        };
        let (scheme, usual) = if is_plain { ("http", 80) } else { ("https", 443) };
        let port = authority.port_u16().filter(|port| *port != usual);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let text = format!("{scheme}://{host}{port}");
        Some(Self { host: host.into(), text, is_name: !is_address })
    }

    /// The host, in small letters.
    pub(crate) fn host(&self) -> Arc<str> {
        Arc::clone(&self.host)
    }

    /// As browsers write it, such as `https://conduit.internal:8443`.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the host is a name rather than an address.
    pub(crate) fn is_name(&self) -> bool {
        self.is_name
    }

    /// The URL of a path there.
    pub(crate) fn redirect(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }
}

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
pub(super) mod tests {
    use http::HeaderValue;

    use super::*;

    pub(crate) fn headers(host: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))])
    }

    #[test]
    fn an_origin_is_what_the_browser_shows() {
        for (host, origin, is_name) in [
            ("conduit.internal", "https://conduit.internal", true),
            ("Conduit.Internal.:8443", "https://conduit.internal:8443", true),
            ("conduit.internal:443", "https://conduit.internal", true),
            ("localhost:9999", "http://localhost:9999", true),
            ("127.0.0.1:9999", "http://127.0.0.1:9999", false),
            ("[::1]:80", "http://[::1]", false),
        ] {
            let found = Origin::of(&headers(host)).expect(host);
            assert_eq!((found.as_str(), found.is_name()), (origin, is_name));
        }
        for host in ["", ":9999", "a b"] {
            assert_eq!(Origin::of(&headers(host)), None, "{host}");
        }
        let mut told = headers("localhost:8443");
        told.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        assert_eq!(Origin::of(&told).expect("one").as_str(), "https://localhost:8443");
    }
}
