//! The door of traces: what a caller says about the one it is in.

use http::header::{HeaderMap, HeaderValue};

use crate::trace::{Context, state};

/// A `traceparent` on the first line, and one `tracestate` on each that follows: what is understood
/// is told on as the same, and what is told on is understood.
pub fn trace_context(data: &[u8]) {
    let mut lines = data.split(|b| *b == b'\n');
    let mut headers = HeaderMap::new();
    if let Some(Ok(line)) = lines.next().map(HeaderValue::from_bytes) {
        headers.insert("traceparent", line);
    }
    for line in lines.take(LINES_MAX).filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append("tracestate", line);
    }
    if let Some(context) = Context::of(&headers) {
        let told = context.header();
        assert!(told.as_bytes().starts_with(b"00-") && told.len() == 55);
        headers.insert("traceparent", told);
        assert_eq!(Context::of(&headers), Some(context));
    }
    if let Some(told) = state::of(&headers) {
        assert!(told.to_str().is_ok());
        headers.insert("tracestate", told.clone());
        assert_eq!(state::of(&headers), Some(told));
    }
}

/// Lines that are looked at.
const LINES_MAX: usize = 64;
