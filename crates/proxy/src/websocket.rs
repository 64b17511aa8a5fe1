//! WebSocket's handshake, for clients that speak HTTP/2 (RFC 8441) to upstreams that speak HTTP/1.1.
//!
//! Over HTTP/2 there is no key and no answer to it, so the upstream gets a key of ours and its answer
//! is checked here (RFC 6455 §4.1).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap};
use http::{HeaderValue, Request, Version};
use hyper::ext::Protocol;

/// Whether a request asks for a WebSocket over a stream of HTTP/2 (RFC 8441 §4).
pub(crate) fn is_asked_for<B>(request: &Request<B>) -> bool {
    let protocol = request.extensions().get::<Protocol>();
    request.version() == Version::HTTP_2
        && protocol.is_some_and(|protocol| protocol.as_str() == WEBSOCKET)
}

/// The key of one handshake.
#[derive(Debug)]
pub(crate) struct Key(String);

impl Key {
    /// A new one; `None` when the system has no randomness.
    pub(crate) fn random() -> Option<Self> {
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes).ok()?;
        Some(Self(STANDARD.encode(bytes)))
    }

    /// Turns a request's head into that of a handshake over HTTP/1.1.
    pub(crate) fn ask(&self, headers: &mut HeaderMap) {
        if let Ok(key) = HeaderValue::try_from(&self.0) {
            headers.insert(header::SEC_WEBSOCKET_KEY, key);
        }
        headers.entry(header::SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static(VERSION));
    }

    /// Whether this head answers it.
    pub(crate) fn is_accepted(&self, headers: &HeaderMap) -> bool {
        let mut answers = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
        let answer =
            answers.next().is_some_and(|value| value.as_bytes() == self.answer().as_bytes());
        answer && answers.next().is_none()
    }

    fn answer(&self) -> String {
        let text = format!("{}{GUID}", self.0);
        STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
    }
}

/// The word for it in `Upgrade` and `:protocol`.
pub(crate) const WEBSOCKET: &str = "websocket";
/// RFC 6455 §4.1.
const KEY_BYTES: usize = 16;
const VERSION: &str = "13";
/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_the_rfc_is_accepted_and_no_other() {
        let key = Key("dGhlIHNhbXBsZSBub25jZQ==".to_owned());
        let mut headers = HeaderMap::new();
        assert!(!key.is_accepted(&headers));
        let answer = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, answer.clone());
        assert!(key.is_accepted(&headers));
        headers.append(header::SEC_WEBSOCKET_ACCEPT, answer);
        assert!(!key.is_accepted(&headers));
    }

    #[test]
    fn every_handshake_has_a_key_of_its_own() {
        let (one, other) = (Key::random().expect("random"), Key::random().expect("random"));
        assert_ne!(one.0, other.0);
        let mut headers = HeaderMap::new();
        one.ask(&mut headers);
        assert_eq!(headers["sec-websocket-key"].len(), 24);
        assert_eq!(headers["sec-websocket-version"], "13");
    }
}
