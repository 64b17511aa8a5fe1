//! Upstreams that go on and on before their answer begins: 502 for the request, and the limit is
//! counted.

use std::net::TcpStream;
use std::sync::Arc;

use conduit_core::service::Protocol;

use super::harness::{Gateway, Upstream, Wire, get, ok};
use super::limits_h2::{CONTINUATION, END_HEADERS, HEADERS, SETTINGS, frame};
use crate::fixture::service;
use crate::limits::hits::Limit;

#[test]
fn informational_answers_without_end_are_given_up() {
    let (gateway, hits) = storm("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n", "");
    assert_eq!(hits, 1);
    gateway.stop();
}

#[test]
fn a_head_without_end_is_given_up() {
    // hyper has its own bound for a single head.
    let (gateway, _) =
        storm("x-filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", "HTTP/1.1 200 OK\r\n");
    gateway.stop();
    let (gateway, _) = storm("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "HTTP/1.1 200 OK\r\nx-filler: ");
    gateway.stop();
}

#[test]
fn a_few_informational_answers_are_passed_over() {
    let upstream = Upstream::raw(|mut wire| {
        while wire.head().is_some() {
            wire.send(&"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n".repeat(100));
            wire.send(&ok("done"));
        }
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    for _ in 0..200 {
        assert_eq!(client.ask(&get("web.internal", "/")).1, "done");
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.metrics.hits().of(Limit::UpstreamHead), 0);
    gateway.stop();
}

#[test]
fn the_same_over_http2() {
    // `:status: 103`, and a field.
    let hints = [&[0x08, 3][..], b"103", &[0, 1, b'x', 1, b'y']].concat();
    let hints = frame(HEADERS, END_HEADERS, 1, &hints);
    assert_eq!(http2_storm(hints.clone(), hints), 1);
    let begun = frame(HEADERS, 0, 1, &[0x88]);
    http2_storm(begun, frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']));
}

/// An upstream that begins an answer and repeats a piece of it until nobody listens; the gateway,
/// once it has answered 502, and how often the limit was reached.
fn storm(piece: &'static str, begun: &'static str) -> (Gateway, u64) {
    let stormy = Upstream::raw(move |mut wire| {
        wire.head();
        wire.send(begun);
        repeat(&mut wire, piece.as_bytes());
    });
    let calm = Upstream::mirror();
    let gateway =
        Gateway::http(vec![service("web", &[&stormy.text()]), service("calm", &[&calm.text()])]);
    let mut client = gateway.connect();
    refused(&mut client);
    assert_eq!(client.ask(&get("calm.internal", "/")).0.status(), 200);
    let hits = gateway.metrics.hits().of(Limit::UpstreamHead);
    (gateway, hits)
}

/// The same in frames; the first is sent once.
fn http2_storm(begun: Vec<u8>, piece: Vec<u8>) -> u64 {
    let stormy = Upstream::raw(move |mut wire| {
        wire.send_bytes(&frame(SETTINGS, 0, 0, &[]));
        wire.bytes(PREFACE_BYTES);
        loop {
            let head = wire.bytes(9);
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            wire.bytes(length as usize);
            if head[3] == HEADERS {
                break;
            }
        }
        wire.send_bytes(&begun);
        repeat(&mut wire, &piece);
    });
    let mut web = service("web", &[&stormy.text()]);
    web.protocol = Protocol::H2c;
    let gateway = Gateway::http(vec![web]);
    refused(&mut gateway.connect());
    let hits = gateway.metrics.hits().of(Limit::H2Headers);
    gateway.stop();
    hits
}

fn refused(client: &mut Wire<TcpStream>) {
    let (head, _) = client.ask(&get("web.internal", "/"));
    assert_eq!(head.status(), 502);
    assert_eq!(head.field("conduit-error"), Some("bad_response"));
}

fn repeat(wire: &mut Wire<TcpStream>, piece: &[u8]) {
    use std::io::Write;
    let many: Arc<[u8]> = piece.repeat(1_000).into();
    while wire.stream.write_all(&many).is_ok() {}
}

/// What a client begins with.
const PREFACE_BYTES: usize = 24;
