//! Connections, heads and bodies at their limits, in the clear and with TLS.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Duration;

use super::harness::{Gateway, Upstream, Wire, get};
use super::tls::Site;
use crate::fixture::{self, asking, service, tls_service};
use crate::limits::Limits;
use crate::limits::hits::Limit;

#[test]
fn a_client_gets_so_many_connections_and_others_are_closed() {
    let upstream = Upstream::mirror();
    let limits = Limits { connections_per_client_max: 3, ..Limits::default() };
    let gateway = limited(&upstream, limits);
    let mut clients: Vec<_> = (0..3).map(|_| served(&gateway)).collect();
    assert!(gateway.connect().head().is_none());
    assert_eq!(hits(&gateway, Limit::ConnectionsPerClient), 1);
    assert!(clients.iter_mut().all(is_served));
    // Its place is free once the gateway has seen it go.
    drop(clients.pop());
    while !is_served(&mut gateway.connect()) {}
    drop(clients);
    gateway.stop();
}

#[test]
fn a_trusted_proxy_speaks_for_many_clients() {
    let upstream = Upstream::mirror();
    let table = fixture::table(vec![service("web", &[&upstream.text()])]);
    let limits = Limits { connections_per_client_max: 1, ..Limits::default() };
    let gateway = Gateway::behind(&["127.0.0.0/8"], table, |_| None, limits);
    let _clients: Vec<_> = (0..5).map(|_| served(&gateway)).collect();
    assert_eq!(hits(&gateway, Limit::ConnectionsPerClient), 0);
}

#[test]
fn clients_wait_when_all_connections_are_in_use() {
    let upstream = Upstream::mirror();
    let gateway = limited(&upstream, Limits { connections_max: 2, ..Limits::default() });
    let clients = [served(&gateway), served(&gateway)];
    let mut waiting = gateway.connect();
    waiting.send(&get("web.internal", "/"));
    drop(clients);
    assert_eq!(waiting.response().0.status(), 200);
    assert!(hits(&gateway, Limit::Connections) > 0);
    drop(waiting);
    gateway.stop();
}

#[test]
fn a_handshake_has_a_deadline() {
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let site = Site::limited(vec![tls_service("web", &["127.0.0.1:1"])], &[], limits);
    let mut silent = Wire::connect(site.gateway.https.expect("TLS"));
    // The first bytes of a hello, and no more.
    silent.send_bytes(&[22, 3, 1, 2, 0]);
    assert!(silent.drain().is_empty());
    // By now the worker has seen it off.
    assert_eq!(site.gateway.connect().ask(&get("none.internal", "/")).0.status(), 404);
    assert_eq!(hits(&site.gateway, Limit::HandshakeTime), 1);
    site.gateway.stop();
}

#[test]
fn a_head_has_a_deadline_and_an_idle_connection_another() {
    let upstream = Upstream::mirror();
    let (short, long) = (Duration::from_millis(10), Duration::from_secs(3_600));
    for (limits, limit) in [
        (Limits { head: short, idle: long, ..Limits::default() }, Limit::HeadTime),
        (Limits { head: long, idle: short, ..Limits::default() }, Limit::IdleTime),
    ] {
        let site = Site::limited(vec![tls_service("web", &[&upstream.text()])], &[], limits);
        let (mut first, mut later) = (site.gateway.connect(), site.wire("web.internal"));
        first.send("GET / HTTP/1.1\r\nhost: web");
        assert_eq!(later.ask(&get("web.internal", "/")).0.status(), 200);
        later.send("GET / HT");
        assert!(first.drain().is_empty() && later.drain().is_empty(), "{limit:?}");
        assert_eq!(hits(&site.gateway, limit), 2);
        site.gateway.stop();
    }
}

#[test]
fn a_body_that_trickles_gets_408_whatever_it_calls_itself() {
    for kind in ["text/plain", "application/grpc"] {
        let upstream = Upstream::raw(|mut wire| {
            wire.drain();
        });
        let web = asking("web", &[&upstream.text()], "timeouts.client = \"1s\"");
        let gateway = Gateway::http(vec![web]);
        let mut client = gateway.connect();
        client.send(&format!(
            "POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-type: {kind}\r\n\
             content-length: 1000000\r\n\r\n"
        ));
        let pace = Duration::from_millis(100);
        client.stream.set_read_timeout(Some(pace)).expect("a socket");
        let mut answer = [0; 4_096];
        let length = loop {
            client.send("x");
            match client.stream.read(&mut answer) {
                Ok(length) => break length,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        };
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{kind}: {answer}");
        assert!(answer.contains("conduit-error: body_too_slow"), "{kind}: {answer}");
        assert_eq!(hits(&gateway, Limit::BodyRate), 1);
        drop(client);
        gateway.stop();
    }
}

#[test]
fn listeners_that_nobody_asks_take_no_place() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let site = Site::limited(vec![tls_service("web", &["127.0.0.1:1"])], &[], limits);
    for _ in 0..3 {
        assert_eq!(site.gateway.connect().ask(&get("none.internal", "/")).0.status(), 404);
        let mut wrong = Wire::connect(site.gateway.https.expect("TLS"));
        wrong.send_bytes(b"no hello");
        wrong.drain();
    }
    site.gateway.stop();
}

#[test]
fn a_request_line_and_a_head_have_a_length() {
    let upstream = Upstream::mirror();
    let gateway = limited(&upstream, Limits::default());
    let target = |length: usize| format!("/{}", "a".repeat(length - 1));
    for (request, status, limit) in [
        (get("web.internal", &target(16 * 1_024)), 200, None),
        (get("web.internal", &target(16 * 1_024 + 1)), 414, Some(Limit::RequestLine)),
        (get("web.internal", &target(60_000)), 414, Some(Limit::RequestLine)),
        (get("web.internal", &target(70_000)), 431, Some(Limit::HeadSize)),
        (with_fields(&"x: y\r\n".repeat(127)), 200, None),
        (with_fields(&"x: y\r\n".repeat(128)), 431, Some(Limit::HeadSize)),
        (with_fields(&format!("x: {}\r\n", "y".repeat(70_000))), 431, Some(Limit::HeadSize)),
    ] {
        let before = limit.map(|limit| hits(&gateway, limit));
        let mut client = gateway.connect();
        let (head, _) = client.ask(&request);
        assert_eq!(head.status(), status, "{}", request.len());
        // What hyper answers is counted when the connection ends.
        drop(client.stream.shutdown(std::net::Shutdown::Write));
        client.drain();
        assert!(is_served(&mut gateway.connect()));
        assert_eq!(limit.map(|limit| hits(&gateway, limit)), before.map(|count| count + 1));
    }
    gateway.stop();
}

#[test]
fn every_limit_is_shown() {
    let gateway = Gateway::http(Vec::new());
    gateway.connect().ask(&get("web.internal", &format!("/{}", "a".repeat(20_000))));
    let mut registry = prometheus_client::registry::Registry::with_prefix("conduit");
    gateway.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
    for line in [
        "conduit_proxy_limit_hits_total{limit=\"request_line\"} 1",
        "conduit_proxy_limit_hits_total{limit=\"h2_ping\"} 0",
    ] {
        assert!(text.contains(line), "{line}\nin\n{text}");
    }
    gateway.stop();
}

fn limited(upstream: &Upstream, limits: Limits) -> Gateway {
    let table = fixture::table(vec![service("web", &[&upstream.text()])]);
    Gateway::with(table, |_| None, limits)
}

fn served(gateway: &Gateway) -> Wire<TcpStream> {
    let mut client = gateway.connect();
    assert!(is_served(&mut client));
    client
}

fn is_served(client: &mut Wire<TcpStream>) -> bool {
    client.send(&get("web.internal", "/"));
    let Some(head) = client.head() else { return false };
    let length = head.field("content-length").expect("a length").parse().expect("a number");
    client.exactly(length);
    head.status() == 200
}

fn with_fields(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: web.internal\r\n{fields}\r\n")
}

fn hits(gateway: &Gateway, limit: Limit) -> u64 {
    gateway.metrics.hits().of(limit)
}
