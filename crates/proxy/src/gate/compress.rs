//! Which responses are compressed, and with what.
//!
//! **Invariant:** only what is text, whole (200), not encoded yet and not forbidden to change; never
//! an event stream, nor anything that an inference engine may be streaming.

use std::cell::Cell;
use std::rc::Rc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use super::cors::append_vary;
use super::encode::{Coding, Encoded, Encoder, Place};
use crate::body::ResponseBody;

/// What a worker knows of the responses that it compresses.
#[derive(Debug, Default)]
pub(crate) struct Compression {
    taken: Rc<Cell<usize>>,
}

/// What a request says about how it may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    coding: Option<Coding>,
    /// Whether it asks for no body.
    is_head: bool,
    /// Whether its path is one of those under which models answer.
    is_model: bool,
}

impl Wish {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path();
        Self {
            coding: preferred(request.headers()),
            is_head: request.method() == Method::HEAD,
            is_model: MODEL_PATHS.iter().any(|part| path.contains(part)),
        }
    }
}

/// Compresses a response, when that is wished for and safe.
pub(super) fn apply(wish: &Wish, compression: &Compression, response: &mut Response<ResponseBody>) {
    let whole = response.status() == StatusCode::OK && !response.body().is_own() && !wish.is_head;
    if !whole || !fits(response.headers(), wish.is_model) {
        return;
    }
    // Also where nothing is compressed: it is the same resource.
    append_vary(response.headers_mut(), "Accept-Encoding");
    let Some(coding) = wish.coding else { return };
    let Some(place) = Place::take(&compression.taken) else { return };
    let encoder = match Encoder::new(coding) {
        Ok(encoder) => encoder,
        Err(error) => {
            tracing::debug!(%error, "a response could not be compressed");
            return;
        }
    };
    response.body_mut().encode(|inner| Encoded::new(inner, encoder, place));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.word()));
    headers.remove(header::CONTENT_LENGTH);
    // Ranges would count the bytes of another form.
    headers.remove(header::ACCEPT_RANGES);
    weaken(headers);
}

/// Whether the head of a whole response says that it is safe to compress.
fn fits(headers: &HeaderMap, is_model: bool) -> bool {
    if EXACT.iter().any(|name| headers.contains_key(name)) {
        return false;
    }
    let mut directives = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','));
    if directives.any(|one| one.trim_ascii().eq_ignore_ascii_case(b"no-transform")) {
        return false;
    }
    let length = headers.get(header::CONTENT_LENGTH).map(|value| {
        value.to_str().ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
    });
    let long_enough = match length {
        Some(length) => length >= LENGTH_MIN,
        None => !is_model,
    };
    long_enough && headers.get(header::CONTENT_TYPE).is_some_and(is_text)
}

fn is_text(content_type: &HeaderValue) -> bool {
    let Ok(text) = content_type.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or(text).trim();
    TEXTS.iter().any(|one| essence.eq_ignore_ascii_case(one))
}

/// The coding that a client likes best, and we among those that it likes equally (RFC 9110 §12.5.3).
fn preferred(headers: &HeaderMap) -> Option<Coding> {
    let mut liked: [Option<u16>; 3] = [None; 3];
    let (mut identity, mut others) = (None, None);
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for member in value.to_str().ok()?.split(',') {
            let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
            let (name, weight) = (name.trim(), weight(parameters)?);
            let known = Coding::ALL.iter().position(|one| name.eq_ignore_ascii_case(one.word()));
            match known {
                Some(place) => liked[place] = Some(weight),
                None if name.eq_ignore_ascii_case("x-gzip") => liked[2] = Some(weight),
                None if name.eq_ignore_ascii_case("identity") => identity = Some(weight),
                None if name == "*" => others = Some(weight),
                None => {}
            }
        }
    }
    let weights = liked.map(|weight| weight.or(others).unwrap_or(0));
    let best = weights.iter().copied().max().filter(|best| *best > 0)?;
    // Said to be better than anything encoded: left as it is.
    if identity.is_some_and(|identity| identity > best) {
        return None;
    }
    weights.iter().position(|weight| *weight == best).map(|place| Coding::ALL[place])
}

/// A weight in thousandths, 1000 when there is none; `None` when it is malformed.
fn weight(parameters: &str) -> Option<u16> {
    let text = parameters.trim();
    if text.is_empty() {
        return Some(1_000);
    }
    let (name, value) = text.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value = value.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

/// Another form of the same thing has another strong tag (RFC 9110 §8.8.3.3), so ours is weak.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""))
    else {
        return;
    };
    match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        Ok(weak) => headers.insert(header::ETAG, weak),
        Err(_) => headers.remove(header::ETAG),
    };
}

/// Shorter bodies gain nothing worth a header and a chunk.
const LENGTH_MIN: u64 = 1_024;
/// Under these paths, bodies without a length are tokens.
const MODEL_PATHS: [&str; 3] = ["/v1/", "/api/generate", "/api/chat"];
/// Fields that speak of the very bytes of a body.
const EXACT: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
];
/// What is text, and no stream of events.
const TEXTS: [&str; 20] = [
    "text/html",
    "text/css",
    "text/plain",
    "text/csv",
    "text/javascript",
    "text/markdown",
    "text/xml",
    "application/atom+xml",
    "application/geo+json",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/openmetrics-text",
    "application/problem+json",
    "application/rss+xml",
    "application/vnd.api+json",
    "application/xhtml+xml",
    "application/xml",
    "image/svg+xml",
];

#[cfg(test)]
mod tests;
