//! The streaming contract over HTTP/1.1: clocks, cancellation, and what a client is told.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use conduit_core::policy::{Clocks, Policy};
use conduit_core::service::Service;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc::{Receiver, channel};

use super::harness::{Gateway, PATIENCE, Upstream, get, ok};
use crate::fixture::service;
use crate::metrics::ProxyMetrics;

/// A service whose requests have these clocks, of one second each.
pub(super) fn clocked(service: Service, set: impl Fn(&mut Clocks)) -> Service {
    let mut timeouts = Clocks::default();
    set(&mut timeouts);
    Service { policy: Arc::new(Policy { timeouts, ..Policy::default() }), ..service }
}

pub(super) fn second() -> Option<conduit_core::policy::Span> {
    "1s".parse().ok()
}

/// Waits until `/metrics` has this line.
pub(super) fn until_counted(metrics: &ProxyMetrics, line: &str) {
    let mut registry = Registry::with_prefix("conduit");
    metrics.register(&mut registry);
    let end = std::time::SystemTime::now() + PATIENCE;
    loop {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        if text.lines().any(|l| l == line) {
            return;
        }
        assert!(std::time::SystemTime::now() < end, "no {line} in\n{text}");
        thread::yield_now();
    }
}

/// An upstream that reads a request, sends `begin`, and tells when its connection ends.
pub(super) fn silent_after(begin: &'static str) -> (Upstream, mpsc::Receiver<String>) {
    let (told, events) = mpsc::channel();
    let upstream = Upstream::raw(move |mut wire| {
        let Some(head) = wire.head() else { return };
        wire.send(begin);
        told.send(head.0).ok();
        told.send(wire.rest()).ok();
    });
    (upstream, events)
}

#[test]
fn an_upstream_that_does_not_begin_to_answer_is_cut() {
    let (upstream, events) = silent_after("");
    let web = clocked(service("web", &[&upstream.text()]), |t| t.first_byte = second());
    let gateway = Gateway::http(vec![web]);
    let (head, body) = gateway.connect().ask(&get("web.internal", "/v1/models"));
    assert_eq!(head.status(), 504);
    assert_eq!(head.field("conduit-error"), Some("first_byte_timeout"));
    assert!(body.starts_with("{\"error\":{\"message\":\""), "{body}");
    assert!(body.contains("within 1 s") && body.contains("timeouts.first_byte"), "{body}");
    events.recv_timeout(PATIENCE).expect("a request");
    assert_eq!(events.recv_timeout(PATIENCE).as_deref(), Ok(""), "the connection is closed");
    until_counted(&gateway.metrics, "conduit_proxy_first_byte_timeouts_total{service=\"web\"} 1");
    gateway.stop();
}

#[test]
fn an_answer_that_falls_silent_ends_with_an_error() {
    let events_head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                       transfer-encoding: chunked\r\n\r\n";
    for (begin, last) in [("b\r\ndata: one\n\n\r\n", true), ("9\r\ndata: one\r\n", false)] {
        let text: &'static str = format!("{events_head}{begin}").leak();
        let (upstream, events) = silent_after(text);
        let web = clocked(service("web", &[&upstream.text()]), |t| t.idle = second());
        let gateway = Gateway::http(vec![web]);
        let mut client = gateway.connect();
        client.send(&get("web.internal", "/"));
        let head = client.head().expect("a head");
        assert_eq!(head.field("x-accel-buffering"), Some("no"));
        assert_eq!(head.field("cache-control"), Some("no-transform"));
        let rest = client.rest();
        assert!(rest.contains("data: one"), "{rest}");
        assert!(!rest.contains("0\r\n\r\n"), "no clean end: {rest}");
        assert_eq!(
            rest.contains("data: {\"error\":{\"message\":\"the upstream sent"),
            last,
            "{rest}"
        );
        assert_eq!(rest.contains("idle_timeout"), last, "{rest}");
        events.recv_timeout(PATIENCE).expect("a request");
        assert_eq!(events.recv_timeout(PATIENCE).as_deref(), Ok(""));
        until_counted(&gateway.metrics, "conduit_proxy_idle_timeouts_total{service=\"web\"} 1");
        until_counted(&gateway.metrics, "conduit_proxy_cancelled_total{service=\"web\"} 0");
        gateway.stop();
    }
}

#[test]
fn an_upstream_that_dies_in_an_event_stream_is_told_of() {
    let upstream = Upstream::raw(|mut wire| {
        wire.head();
        wire.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
             transfer-encoding: chunked\r\n\r\nb\r\ndata: one\n\n\r\n",
        );
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.send(&get("web.internal", "/"));
    assert_eq!(client.head().expect("a head").status(), 200);
    let rest = client.rest();
    assert!(rest.starts_with("B\r\ndata: one\n\n\r\n"), "what came is passed on: {rest}");
    assert!(rest.contains("\"code\":\"upstream_broken\""), "{rest}");
    assert!(!rest.contains("0\r\n\r\n"), "no clean end: {rest}");
    gateway.stop();
}

#[test]
fn a_client_that_sends_nothing_of_its_body_is_answered_408() {
    let (upstream, events) = silent_after("");
    let web = clocked(service("web", &[&upstream.text()]), |t| t.client = second());
    let gateway = Gateway::http(vec![web]);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 10\r\n\r\nabc");
    let (head, _) = client.response();
    assert_eq!(head.status(), 408);
    assert_eq!(head.field("conduit-error"), Some("client_timeout"));
    assert_eq!(client.rest(), "", "the connection is closed");
    events.recv_timeout(PATIENCE).expect("a request");
    assert_eq!(events.recv_timeout(PATIENCE).as_deref(), Ok("abc"));
    until_counted(&gateway.metrics, "conduit_proxy_client_timeouts_total{service=\"web\"} 1");
    gateway.stop();
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let (told, events) = mpsc::channel();
    let upstream = endless(told);
    let web = clocked(service("web", &[&upstream.text()]), |t| t.client = second());
    let gateway = Gateway::http(vec![web]);
    let mut client = gateway.connect();
    client.send(&get("web.internal", "/"));
    events.recv_timeout(PATIENCE).expect("the upstream's connection is closed");
    until_counted(&gateway.metrics, "conduit_proxy_client_timeouts_total{service=\"web\"} 1");
    drop(client);
    gateway.stop();
}

/// An upstream that sends until it cannot any more, and then tells.
pub(super) fn endless(told: mpsc::Sender<()>) -> Upstream {
    Upstream::raw(move |mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
        let chunk = vec![b'x'; 64 * 1_024];
        while wire.stream.write_all(&chunk).is_ok() {}
        told.send(()).ok();
    })
}

#[test]
fn clients_that_leave_are_counted_and_others_are_not() {
    let (upstream, events) = silent_after("");
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 2\r\n\r\nhi");
    events.recv_timeout(PATIENCE).expect("a request");
    // Half a close is a whole one.
    client.stream.shutdown(std::net::Shutdown::Write).expect("open");
    assert_eq!(events.recv_timeout(PATIENCE).as_deref(), Ok("hi"));
    until_counted(
        &gateway.metrics,
        "conduit_proxy_cancelled_before_first_byte_total{service=\"web\"} 1",
    );
    until_counted(&gateway.metrics, "conduit_proxy_cancelled_total{service=\"web\"} 1");
    gateway.stop();

    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.ask(&get("web.internal", "/"));
    client.ask(&get("web.internal", "/again"));
    drop(client);
    gateway.connect().ask(&get("web.internal", "/"));
    let metrics = gateway.metrics.clone();
    gateway.stop();
    until_counted(&metrics, "conduit_proxy_requests_total{service=\"web\",status=\"2xx\"} 3");
    until_counted(&metrics, "conduit_proxy_cancelled_total{service=\"web\"} 0");
}

#[test]
fn a_body_that_the_upstream_refuses_is_never_asked_for() {
    let (told, events) = mpsc::channel();
    let upstream = Upstream::raw(move |mut wire| {
        let Some(head) = wire.head() else { return };
        assert_eq!(head.field("expect"), Some("100-continue"));
        wire.send("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\n\r\nbig");
        told.send(wire.rest()).ok();
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.send(
        "PUT / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 64000000\r\n\
         expect: 100-continue\r\n\r\n",
    );
    let (head, body) = client.response();
    assert_eq!((head.status(), body.as_str()), (413, "big"));
    assert_eq!(client.rest(), "", "nothing can follow on this connection");
    assert_eq!(events.recv_timeout(PATIENCE).as_deref(), Ok(""), "no byte of the body");
    gateway.stop();
}

#[test]
fn a_body_follows_when_the_upstream_ignores_the_question() {
    let upstream = Upstream::raw(|mut wire| {
        wire.head();
        let body = wire.exactly(4);
        wire.send(&ok(&body));
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.send(
        "PUT / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.head().expect("a head").status(), 100);
    client.send("body");
    assert_eq!(client.response().1, "body");
    gateway.stop();
}

#[test]
fn no_byte_goes_up_before_the_upstream_has_switched() {
    let (told, events) = mpsc::channel();
    let upstream = Upstream::raw(move |mut wire| {
        let Some(head) = wire.head() else { return };
        told.send(head.0).ok();
        wire.send(&ok("no"));
        told.send(wire.rest()).ok();
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.send(
        "GET /ws HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         \r\nGET /smuggled HTTP/1.1\r\nhost: none.internal\r\n\r\n",
    );
    let (head, body) = client.response();
    assert_eq!((head.status(), body.as_str()), (200, "no"));
    assert_eq!(client.response().0.status(), 404, "what follows is a request like any other");
    drop(client);
    gateway.stop();
    events.recv_timeout(PATIENCE).expect("the first request");
    assert_eq!(events.recv_timeout(PATIENCE).as_deref(), Ok(""));
}

#[test]
fn a_browser_gets_a_page_and_nothing_it_sent_unescaped() {
    let gateway = Gateway::http(Vec::new());
    let (head, body) = gateway.connect().ask(
        "GET /%3Cscript%3E HTTP/1.1\r\nhost: a.internal\r\naccept: text/html, */*\r\n\
         x-request-id: <img>\r\n\r\n",
    );
    assert_eq!(head.status(), 404);
    assert_eq!(head.field("content-type"), Some("text/html; charset=utf-8"));
    assert!(head.field("content-security-policy").is_some());
    assert!(body.starts_with("<!doctype html>"), "{body}");
    assert!(!body.contains("<script") && !body.contains("<img"), "{body}");
    gateway.stop();
}

/// What an upstream's thread tells, for who must not stop the client while waiting for it.
pub(super) fn heard<T: Send + 'static>(told: mpsc::Receiver<T>) -> Receiver<T> {
    let (forward, heard) = channel(EVENTS_MAX);
    thread::spawn(move || told.into_iter().try_for_each(|event| forward.blocking_send(event)));
    heard
}

pub(super) async fn next<T>(events: &mut Receiver<T>) -> T {
    events.recv().await.expect("the upstream lives")
}

/// More than any test waits for.
const EVENTS_MAX: usize = 64;
