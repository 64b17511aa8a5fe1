//! How a line looks: JSON for programs, or the combined form that every log reader knows.
//!
//! **Invariant:** a line is one line, whatever a client sent: control characters and quotes are
//! escaped. What follows a `?` in a referer is not written.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_proxy::access_log::{Entry, Line, StreamLine};
use http::HeaderValue;
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::config::AccessFormat;

/// Appends a line with its end.
pub(super) fn write(format: AccessFormat, entry: &Entry, out: &mut Vec<u8>) {
    match (format, entry) {
        (AccessFormat::Json, Entry::Request(line)) => json(line, out),
        (AccessFormat::Json, Entry::Stream(line)) => stream_json(line, out),
        (AccessFormat::Common, Entry::Request(line)) => combined(line, out),
        (AccessFormat::Common, Entry::Stream(line)) => stream_combined(line, out),
    }
    out.push(b'\n');
}

/// The names of the fields are pinned: `conduit logs` and people's tools read them.
#[derive(Serialize)]
struct Json<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    client: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    protocol: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttfb_ms: Option<f64>,
    bytes_in: u64,
    bytes_out: u64,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

fn json(line: &Line, out: &mut Vec<u8>) {
    let text = |value: &'_ Option<HeaderValue>| {
        value.as_ref().and_then(|v| v.to_str().ok().map(str::to_owned))
    };
    let (request_id, user_agent) = (text(&line.request_id), text(&line.user_agent));
    let fields = Json {
        time: instant(line.time.date_time()),
        request_id: request_id.as_deref(),
        trace_id: line.trace.map(|id| id.to_string()),
        service: line.route.as_ref().map(|route| route.service.as_str()),
        client: line.client.to_canonical(),
        identity: line.identity.as_deref(),
        method: line.method.as_str(),
        host: &line.host,
        path: &line.path,
        protocol: protocol(line.version),
        status: line.end.status,
        error: line.error,
        upstream: line.upstream.as_ref().map(|upstream| upstream.addr().to_string()),
        duration_ms: millis(line.end.took),
        ttfb_ms: line.end.first_byte.map(millis),
        bytes_in: line.end.bytes_in,
        bytes_out: line.end.bytes_out,
        complete: line.end.complete,
        user_agent: user_agent.as_deref(),
    };
    append(&fields, out);
}

/// The same for a connection of a byte stream; what both have has one name.
#[derive(Serialize)]
struct StreamJson<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    client: IpAddr,
    protocol: &'static str,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<&'a str>,
    end: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    duration_ms: f64,
    bytes_in: u64,
    bytes_out: u64,
}

fn stream_json(line: &StreamLine, out: &mut Vec<u8>) {
    let fields = StreamJson {
        time: instant(line.time.date_time()),
        service: line.route.as_ref().map(|route| route.service.as_str()),
        client: line.client.ip().to_canonical(),
        protocol: "tcp",
        port: line.port,
        server_name: line.server_name.as_deref(),
        end: line.end,
        upstream: line.upstream.as_ref().map(|upstream| upstream.addr().to_string()),
        duration_ms: millis(line.took),
        bytes_in: line.bytes_in,
        bytes_out: line.bytes_out,
    };
    append(&fields, out);
}

fn append(fields: &impl Serialize, out: &mut Vec<u8>) {
    let begin = out.len();
    // Invariant: texts and numbers can be written.
    if serde_json::to_writer(&mut *out, fields).is_err() {
        out.truncate(begin);
    }
}

/// To the microsecond.
pub(crate) fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

fn combined(line: &Line, out: &mut Vec<u8>) {
    let time = combined_time(line.time);
    let bytes = |value: &Option<HeaderValue>| value.as_ref().map(|v| v.as_bytes().to_vec());
    let referer = bytes(&line.referer).map(|mut url| {
        url.truncate(url.iter().position(|b| *b == b'?').unwrap_or(url.len()));
        url
    });
    // Writing to memory cannot fail.
    write!(out, "{} - ", line.client.to_canonical()).ok();
    escape(line.identity.as_deref().map(str::as_bytes), out, b' ');
    write!(out, " [{time}] \"{} ", line.method).ok();
    escape(Some(line.path.as_bytes()), out, b'"');
    write!(out, " {}\" {} {} \"", protocol(line.version), line.end.status, line.end.bytes_out).ok();
    escape(referer.as_deref(), out, b'"');
    out.extend_from_slice(b"\" \"");
    escape(bytes(&line.user_agent).as_deref(), out, b'"');
    out.push(b'"');
}

/// As readers of this form expect a request: a word, what was asked for, and what was spoken. There is
/// no status, which is written as 0.
fn stream_combined(line: &StreamLine, out: &mut Vec<u8>) {
    let (client, time) = (line.client.ip().to_canonical(), combined_time(line.time));
    // Writing to memory cannot fail.
    write!(out, "{client} - - [{time}] \"TCP ").ok();
    let host = line.route.as_ref().map(|route| route.host.as_str());
    escape(line.server_name.as_deref().or(host).map(str::as_bytes), out, b'"');
    write!(out, ":{} TCP\" 0 {} \"-\" \"-\"", line.port, line.bytes_out).ok();
}

fn combined_time(time: Timestamp) -> String {
    let format =
        format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
    time.date_time().format(format).unwrap_or_default()
}

/// Writes what somebody sent, escaped as Apache does; `-` for nothing.
fn escape(text: Option<&[u8]>, out: &mut Vec<u8>, end: u8) {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        out.push(b'-');
        return;
    };
    for byte in text.iter().take(FIELD_BYTES_MAX) {
        match byte {
            b if *b == end && end != b'"' => write!(out, "\\x{b:02x}").unwrap_or_default(),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            b => write!(out, "\\x{b:02x}").unwrap_or_default(),
        }
    }
}

fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_11 => "HTTP/1.1",
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_3 => "HTTP/3",
        _ => "HTTP",
    }
}

/// RFC 3339 with microseconds, in UTC.
pub(crate) fn instant(time: OffsetDateTime) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    time.format(format).unwrap_or_default()
}

/// What of a field that a client sent is written.
const FIELD_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_its_quotes() {
        for (text, end, expected) in [
            (Some("curl/8.0 (x)"), b'"', "curl/8.0 (x)"),
            (Some("a\" 200 0 \"b"), b'"', "a\\\" 200 0 \\\"b"),
            (Some("a\r\nb\\ä"), b'"', "a\\x0d\\x0ab\\\\\\xc3\\xa4"),
            (Some("two words"), b' ', "two\\x20words"),
            (Some(""), b'"', "-"),
            (None, b'"', "-"),
        ] {
            let mut out = Vec::new();
            escape(text.map(str::as_bytes), &mut out, end);
            assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
        }
    }
}
