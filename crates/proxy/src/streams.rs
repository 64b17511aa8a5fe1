//! Responses that are streams of events or lines: how they are known, what proxies outside of us are
//! told about them, and how one that breaks says so.
//!
//! **Invariant:** what an upstream said about caching and buffering stays; an error is written into a
//! stream only where an event, or a line, can begin.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::dialect::Dialect;

/// Whether a response is a stream of events or lines.
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return false;
    };
    STREAMS.iter().any(|stream| begins_with(kind, stream))
}

/// Tells proxies between us and the client not to hold a stream back, nor to compress it.
pub(crate) fn pass_at_once(headers: &mut HeaderMap) {
    headers.entry(X_ACCEL_BUFFERING).or_insert(HeaderValue::from_static("no"));
    let says_so = |value: &HeaderValue| {
        let value = value.as_bytes().to_ascii_lowercase();
        value.windows(NO_TRANSFORM.len()).any(|part| part == NO_TRANSFORM.as_bytes())
    };
    if !headers.get_all(header::CACHE_CONTROL).iter().any(says_so) {
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static(NO_TRANSFORM));
    }
}

/// Follows a stream to know where an event or a line can begin.
#[derive(Debug)]
pub(crate) struct Flow {
    kind: Kind,
    /// The last two line ends, without carriage returns; anything else is 0.
    tail: [u8; 2],
}

/// What a stream is made of.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Server-sent events, in the dialect of whoever asked.
    Events(Dialect),
    /// A JSON value per line.
    Lines,
}

impl Flow {
    /// For a response that is a stream, not compressed, and has no length of its own.
    pub(crate) fn of(headers: &HeaderMap, dialect: Dialect) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE)?;
        let kind = match STREAMS.iter().find(|stream| begins_with(content_type, stream))? {
            &EVENT_STREAM => Kind::Events(dialect),
            _ => Kind::Lines,
        };
        let is_plain = !headers.contains_key(header::CONTENT_ENCODING)
            && !headers.contains_key(header::CONTENT_LENGTH);
        is_plain.then_some(Self { kind, tail: [b'\n'; 2] })
    }

    /// These bytes went by.
    pub(crate) fn passed(&mut self, bytes: &[u8]) {
        let tail = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        for (place, byte) in tail.iter().enumerate() {
            match byte {
                // Half of a line's end, or all of it when nothing but a newline could complete it.
                b'\r' if tail.get(place + 1).is_none_or(|next| *next == b'\n') => {}
                b'\r' | b'\n' => self.tail = [self.tail[1], b'\n'],
                _ => self.tail = [0; 2],
            }
        }
    }

    /// The event or line that says that the stream broke, where one can begin. `message` is plain
    /// text of ours.
    pub(crate) fn broken(&self, message: &str, code: &str) -> Option<Bytes> {
        let can_begin = match self.kind {
            Kind::Events(_) => self.tail == [b'\n'; 2],
            Kind::Lines => self.tail[1] == b'\n',
        };
        can_begin.then(|| {
            let error = match self.kind {
                Kind::Lines => format!("{{\"error\":\"{message}\"}}\n"),
                Kind::Events(Dialect::Anthropic) => format!(
                    "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"api_error\",\"message\":\"{message}\"}}}}\n\n"
                ),
                Kind::Events(_) => format!(
                    "data: {{\"error\":{{\"message\":\"{message}\",\"type\":\"server_error\",\"code\":\"{code}\"}}}}\n\n"
                ),
            };
            error.into()
        })
    }
}

fn begins_with(value: &HeaderValue, what: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.get(..what.len()).is_some_and(|start| start.eq_ignore_ascii_case(what.as_bytes()))
}

const EVENT_STREAM: &str = "text/event-stream";
/// What is written as it is produced, and read as it comes.
const STREAMS: [&str; 5] = [
    EVENT_STREAM,
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/stream+json",
];
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const NO_TRANSFORM: &str = "no-transform";
/// What decides whether an event can begin: two line ends of at most two bytes, and what is before.
const TAIL_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::fields;

    #[test]
    fn streams_are_known_by_their_type() {
        for (kind, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("application/x-ndjson", true),
            ("application/json", false),
            ("text/html", false),
            ("text", false),
        ] {
            assert_eq!(is_stream(&fields(&[("content-type", kind)])), expected, "{kind}");
        }
        assert!(!is_stream(&HeaderMap::new()));
    }

    #[test]
    fn what_the_upstream_said_stays() {
        let mut headers = fields(&[]);
        pass_at_once(&mut headers);
        assert_eq!(headers["x-accel-buffering"], "no");
        assert_eq!(headers["cache-control"], "no-transform");
        let mut headers = fields(&[
            ("x-accel-buffering", "yes"),
            ("cache-control", "no-cache"),
            ("cache-control", "private"),
        ]);
        pass_at_once(&mut headers);
        assert_eq!(headers["x-accel-buffering"], "yes");
        let all: Vec<_> = headers.get_all("cache-control").iter().collect();
        assert_eq!(all, ["no-cache", "private", "no-transform"]);
        let mut headers = fields(&[("cache-control", "no-cache, No-Transform")]);
        pass_at_once(&mut headers);
        assert_eq!(headers.get_all("cache-control").iter().count(), 1);
    }

    #[test]
    fn an_error_is_written_only_where_an_event_can_begin() {
        let type_of = ("content-type", "text/event-stream");
        for (pieces, expected) in [
            (&[][..], true),
            (&["data: a\n\n"][..], true),
            (&["data: a\n", "\n"][..], true),
            (&["data: a\r\n\r\n"][..], true),
            (&["data: a\r\n", "\r", "\n"][..], true),
            (&["data: a\n"][..], false),
            (&["data: a\r\n"][..], false),
            (&["data: a", "\n"][..], false),
            (&["data: a\n\n", "da"][..], false),
            (&["data: a\n\n", "\n", "x", "\n"][..], false),
        ] {
            let mut flow = Flow::of(&fields(&[type_of]), Dialect::OpenAi).expect("an event stream");
            pieces.iter().for_each(|piece| flow.passed(piece.as_bytes()));
            assert_eq!(flow.broken("m", "c").is_some(), expected, "{pieces:?}");
        }
        let flow = Flow::of(&fields(&[type_of]), Dialect::OpenAi).expect("an event stream");
        assert_eq!(
            flow.broken("gone", "idle").expect("at a boundary"),
            "data: {\"error\":{\"message\":\"gone\",\"type\":\"server_error\",\"code\":\"idle\"}}\n\n"
        );
        let of = |fields: HeaderMap| Flow::of(&fields, Dialect::OpenAi);
        assert!(of(fields(&[type_of, ("content-encoding", "gzip")])).is_none());
        assert!(of(fields(&[type_of, ("content-length", "9")])).is_none());
        assert!(of(fields(&[("content-type", "application/json")])).is_none());
    }

    #[test]
    fn each_reader_is_told_in_its_own_way() {
        let flow = |kind, dialect| {
            Flow::of(&fields(&[("content-type", kind)]), dialect).expect("a stream")
        };
        let anthropic = flow("text/event-stream", Dialect::Anthropic);
        assert_eq!(
            anthropic.broken("gone", "idle").expect("at a boundary"),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"gone\"}}\n\n"
        );
        let mut lines = flow("application/x-ndjson", Dialect::Ollama);
        for (piece, expected) in
            [("", true), ("{\"a\":1}\n", true), ("{\"a\"", false), (":2}\r\n", true)]
        {
            lines.passed(piece.as_bytes());
            let told = lines.broken("gone", "idle");
            assert_eq!(told, expected.then(|| "{\"error\":\"gone\"}\n".into()), "{piece}");
        }
    }
}
