//! Streams: nothing is held back, and nothing outlives its client.

use std::io::Write as _;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use super::harness::{Gateway, PATIENCE, Upstream, get, ok};
use crate::fixture::{self, service};

#[test]
fn an_event_arrives_before_the_next_is_sent() {
    let (seen, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::raw(move |mut wire| {
        wire.head();
        wire.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
             transfer-encoding: chunked\r\n\r\n",
        );
        for event in 0..5 {
            wire.send(&format!("9\r\ndata: {event}\n\n\r\n"));
            wait.lock().expect("alone").recv().ok();
        }
        wire.send("0\r\n\r\n");
    });
    let mut gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.send(&get("web.internal", "/events"));
    assert_eq!(client.head().expect("a head").status(), 200);
    for event in 0..5 {
        assert_eq!(client.until("\n\n\r\n"), format!("9\r\ndata: {event}\n\n\r\n"));
        // Not even when the route is gone.
        gateway.table.publish(Arc::new(fixture::table(Vec::new())));
        seen.send(()).expect("waiting");
    }
    assert_eq!(client.until("\r\n\r\n"), "0\r\n\r\n");
    assert_eq!(client.ask(&get("web.internal", "/")).0.status(), 404);
    gateway.stop();
}

#[test]
fn a_client_that_reads_only_when_it_has_sent_everything_is_served() {
    // More than all sockets on the way hold.
    const BYTES: usize = 48 << 20;
    let head = format!("content-length: {BYTES}\r\n\r\n");
    let answer = format!("HTTP/1.1 200 OK\r\n{head}");
    let upstream = Upstream::raw(move |mut wire| {
        wire.head();
        let mut writer = wire.stream.try_clone().expect("a socket");
        let answer = answer.clone();
        let answering = std::thread::spawn(move || {
            writer.write_all(answer.as_bytes()).expect("taken");
            writer.write_all(&vec![b'a'; BYTES]).expect("taken");
        });
        assert_eq!(wire.bytes(BYTES).len(), BYTES);
        answering.join().expect("answered");
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.send(&format!("POST / HTTP/1.1\r\nhost: web.internal\r\n{head}"));
    client.send_bytes(&vec![b'q'; BYTES]);
    assert_eq!(client.head().expect("a head").status(), 200);
    assert!(client.bytes(BYTES).iter().all(|byte| *byte == b'a'));
    drop(client);
    gateway.stop();
}

#[test]
fn a_client_that_leaves_ends_the_upstreams_work() {
    let (told, events) = mpsc::channel();
    let upstream = Upstream::raw(move |mut wire| {
        let Some(head) = wire.head() else { return };
        told.send("request".to_owned()).ok();
        if head.0.starts_with("GET /stream") {
            wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
        }
        told.send(wire.rest()).ok();
    });
    let next = || events.recv_timeout(PATIENCE).expect("an event");
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut early = gateway.connect();
    early.send(&get("web.internal", "/never"));
    assert_eq!(next(), "request");
    drop(early);
    assert_eq!(next(), "", "the end of the connection");
    let mut late = gateway.connect();
    late.send(&get("web.internal", "/stream"));
    late.until("1\r\na\r\n");
    assert_eq!(next(), "request");
    drop(late);
    assert_eq!(next(), "", "the end of the connection");
    gateway.stop();
}

#[test]
fn a_web_socket_talks_both_ways() {
    let upstream = Upstream::raw(|mut wire| {
        let head = wire.head().expect("a request");
        assert_eq!(head.field("upgrade"), Some("websocket"));
        assert_eq!(head.field("connection"), Some("upgrade"));
        assert_eq!(head.field("sec-websocket-key"), Some("a2V5"));
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: yes\r\n\r\nhello",
        );
        for _ in 0..3 {
            let got = wire.exactly(4);
            wire.send(&got.to_uppercase());
        }
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    client.send(
        "GET /ws HTTP/1.1\r\nhost: web.internal\r\nconnection: keep-alive, Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-key: a2V5\r\n\r\n",
    );
    let head = client.head().expect("a head");
    assert_eq!(head.status(), 101);
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert_eq!(head.field("sec-websocket-accept"), Some("yes"));
    assert_eq!(client.exactly(5), "hello");
    for _ in 0..3 {
        client.send("ping");
        assert_eq!(client.exactly(4), "PING");
    }
    assert_eq!(client.rest(), "", "the upstream has ended it");
    drop(client);
    gateway.stop();
}

#[test]
fn an_upgrade_that_nobody_asked_for_or_nobody_wants_is_plain_http() {
    let upstream = Upstream::http(|head| {
        if head.0.starts_with("GET /odd") {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".into()
        } else {
            ok(&head.0)
        }
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let (head, seen) = gateway.connect().ask(
        "GET / HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade, http2-settings\r\n\
         upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert_eq!(head.status(), 200);
    assert!(!seen.contains("h2c") && !seen.contains("settings"), "{seen}");
    let (head, _) = gateway.connect().ask(&get("web.internal", "/odd"));
    assert_eq!(head.status(), 502);
    gateway.stop();
}
