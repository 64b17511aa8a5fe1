//! What is written about requests, and what is not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use conduit_core::policy::Policy;

use super::harness::{Gateway, PATIENCE, Upstream, get};
use crate::access_log::{self, AccessLog, Entry, Line, Lines};
use crate::fixture::{self, service};
use crate::limits::{LOG_LINES_MAX, Limits};

fn request(lines: &Lines) -> Box<Line> {
    match lines.next(PATIENCE).expect("a line") {
        Entry::Request(line) => line,
        Entry::Stream(line) => panic!("of a byte stream: {line:?}"),
    }
}

#[test]
fn a_line_tells_what_became_of_a_request() {
    let upstream = Upstream::mirror();
    let (sink, lines) = access_log::queue();
    let mut silent = service("silent", &[&upstream.text()]);
    silent.policy = Arc::new(Policy { access_log: Some(false), ..Policy::default() });
    let table = fixture::table(vec![service("web", &[&upstream.text()]), silent]);
    let gateway =
        Gateway::logging(table, |_| None, Limits::default(), AccessLog::Queue(sink.clone()));
    let mut client = gateway.connect();
    client.ask(&get("silent.internal", "/not-there"));
    let (_, body) = client.ask(
        "POST /a?secret=1 HTTP/1.1\r\nhost: web.internal\r\nuser-agent: curl/8\r\n\
         referer: https://x/?y\r\nx-request-id: r1\r\ncontent-length: 3\r\n\r\nabc",
    );
    client.ask(&get("nobody.internal", &format!("/{}", "ä".repeat(600))));
    let line = request(&lines);
    assert_eq!((line.host.as_str(), line.path.as_str()), ("web.internal", "/a"));
    assert_eq!(line.route.as_ref().map(|route| route.service.to_string()).as_deref(), Some("web"));
    assert_eq!(line.upstream.as_ref().map(|u| u.addr().to_string()), Some(upstream.text()));
    assert_eq!(line.request_id.as_ref().map(|id| id.as_bytes()), Some(&b"r1"[..]));
    assert_eq!(line.user_agent.as_ref().map(|agent| agent.as_bytes()), Some(&b"curl/8"[..]));
    assert_eq!((line.end.status, line.end.complete), (200, true));
    assert_eq!((line.end.bytes_in, line.end.bytes_out), (3, body.len() as u64));
    assert!(line.end.first_byte.expect("it answered") <= line.end.took);
    let line = request(&lines);
    assert_eq!((line.error, line.end.status), (Some("unknown_host"), 404));
    assert!(line.route.is_none() && line.end.first_byte.is_none());
    assert_eq!(sink.lost().load(Ordering::Relaxed), 0);
    gateway.stop();
}

#[test]
fn a_writer_that_hangs_stops_nobody() {
    let upstream = Upstream::mirror();
    let (sink, lines) = access_log::queue();
    let table = fixture::table(vec![service("web", &[&upstream.text()])]);
    let gateway =
        Gateway::logging(table, |_| None, Limits::default(), AccessLog::Queue(sink.clone()));
    let mut client = gateway.connect();
    let many = get("nobody.internal", "/").repeat(64);
    for _ in 0..=(LOG_LINES_MAX / 64) {
        client.send(&many);
        for _ in 0..64 {
            assert_eq!(client.response().0.status(), 404);
        }
    }
    assert!(sink.lost().load(Ordering::Relaxed) > 0);
    assert!(lines.ready().is_some());
    gateway.stop();
}
