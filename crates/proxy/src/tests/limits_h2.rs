//! Floods over HTTP/2, byte for byte: the connection that floods is closed, its neighbours serve on,
//! and the limit is counted.

use super::harness::{Upstream, get};
use super::tls::{Site, TlsWire};
use crate::fixture::tls_service;
use crate::limits::H2_STREAMS_MAX;
use crate::limits::hits::Limit;

#[test]
fn each_flood_ends_its_own_connection_and_no_other() {
    let upstream = Upstream::mirror();
    let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
    let mut neighbour = site.wire("web.internal");
    assert_eq!(neighbour.ask(&get("web.internal", "/")).0.status(), 200);
    let pending_ping = frame(PING, 0, 0, &[7; 8]);
    let floods: [(Limit, Vec<u8>); 10] = [
        (Limit::H2Ping, pending_ping.repeat(150)),
        (Limit::H2Settings, frame(SETTINGS, 0, 0, &[]).repeat(60)),
        (Limit::H2Priority, frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]).repeat(600)),
        (Limit::H2Priority, frame(PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 1, b'u']).repeat(600)),
        (Limit::H2WindowUpdate, frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(2_000)),
        (Limit::H2Other, frame(0xfa, 0, 0, b"grease").repeat(150)),
        // Of a stream that ended long ago.
        (Limit::H2Reset, frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]).repeat(500)),
        (Limit::H2Reset, streams(500, &|id| frame(RST_STREAM, 0, id, &[0, 0, 0, 8]))),
        (Limit::H2ResetProvoked, streams(600, &|id| overflow(id))),
        (Limit::H2Continuation, endless_head()),
    ];
    for (limit, flood) in floods {
        let mut client = connect(&site);
        let before = hits(&site, limit);
        client.send_bytes(&flood);
        // A reset may overtake what was said before it, but the end always comes.
        client.drain();
        // By now the worker has seen the flooded connection off.
        assert_eq!(neighbour.ask(&get("web.internal", "/")).0.status(), 200, "{limit:?}");
        assert_eq!(hits(&site, limit), before + 1, "{limit:?}");
    }
    site.gateway.stop();
}

#[test]
fn empty_data_ends_the_connection() {
    let upstream = Upstream::raw(|mut wire| {
        wire.drain();
    });
    let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
    let mut client = connect_only(&site);
    client.send_bytes(&[post(1), frame(DATA, 0, 1, &[]).repeat(150)].concat());
    client.drain();
    let (head, _) = site.wire("web.internal").ask(&get("other.internal", "/"));
    assert_eq!(head.status(), 421);
    assert_eq!(hits(&site, Limit::H2Data), 1);
    site.gateway.stop();
}

#[test]
fn a_client_that_gives_up_all_its_streams_at_once_keeps_its_connection() {
    let upstream = Upstream::raw(|mut wire| {
        if wire.head().is_some_and(|head| head.0.starts_with("GET /slow")) {
            wire.drain();
        } else {
            wire.send(&super::harness::ok("hello"));
        }
    });
    let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
    let mut client = connect_only(&site);
    let last = 2 * H2_STREAMS_MAX - 1;
    for id in (1..=last).step_by(2) {
        client.send_bytes(&request(id, "/slow"));
    }
    // The answer says that all requests before it were read.
    client.send_bytes(&frame(PING, 0, 0, b"all read"));
    wait_for(&mut client, |kind, _, payload| kind == PING && payload == b"all read");
    for id in (1..=last).step_by(2) {
        client.send_bytes(&frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
    }
    client.send_bytes(&request(last + 2, "/"));
    wait_for(&mut client, |kind, stream, _| kind == DATA && stream == last + 2);
    assert_eq!(hits(&site, Limit::H2Reset), 0);
    drop(client);
    site.gateway.stop();
}

#[test]
fn more_fields_than_there_may_be_get_431_and_are_counted() {
    let upstream = Upstream::mirror();
    let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
    let mut client = connect_only(&site);
    let mut block = fields("/");
    block.extend([0, 1, b'x', 1, b'y'].repeat(129));
    client.send_bytes(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block));
    let mut answer = Vec::new();
    wait_for(&mut client, |kind, stream, payload| {
        answer.extend_from_slice(payload);
        kind == DATA && stream == 1
    });
    assert!(String::from_utf8_lossy(&answer).contains("more than 128 header lines"));
    assert_eq!(hits(&site, Limit::HeadSize), 1);
    drop(client);
    site.gateway.stop();
}

/// A client that was just served, so that its connection is past its beginning.
fn connect(site: &Site) -> TlsWire {
    let mut client = connect_only(site);
    client.send_bytes(&request(1, "/"));
    wait_for(&mut client, |kind, stream, _| kind == DATA && stream == 1);
    client
}

fn connect_only(site: &Site) -> TlsWire {
    let mut client = site.wire_for(b"h2", "web.internal");
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.send_bytes(&frame(SETTINGS, 0, 0, &[]));
    client
}

fn hits(site: &Site, limit: Limit) -> u64 {
    site.gateway.metrics.hits().of(limit)
}

/// Reads frames until the one with this type, of this stream, with this payload.
fn wait_for(client: &mut TlsWire, mut is_it: impl FnMut(u8, u32, &[u8]) -> bool) {
    loop {
        let head = client.bytes(9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = client.bytes(length as usize);
        assert_ne!(head[3], GOAWAY, "{}", String::from_utf8_lossy(&payload));
        if is_it(head[3], stream, &payload) {
            return;
        }
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET https://web.internal` and a path, without compression (RFC 7541 §6).
fn fields(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87];
    for (name, value) in [(4, path), (1, "web.internal")] {
        block.extend([name, u8::try_from(value.len()).expect("short")]);
        block.extend(value.bytes());
    }
    block
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields(path))
}

/// A request whose body follows.
fn post(stream: u32) -> Vec<u8> {
    let mut block = fields("/");
    block[0] = 0x83;
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// Requests, each followed by what ends it; the first stream is taken.
fn streams(count: u32, end: &dyn Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let ids = (0..count).map(|place| 3 + 2 * place);
    ids.flat_map(|id| [post(id), end(id)].concat()).collect()
}

/// Makes us reset a stream: its window cannot be as large (RFC 9113 §6.9.1).
fn overflow(stream: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])
}

fn endless_head() -> Vec<u8> {
    let mut flood = frame(HEADERS, END_STREAM, 3, &fields("/"));
    flood.extend(frame(CONTINUATION, 0, 3, &[0, 1, b'x', 1, b'y']).repeat(50));
    flood
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
const PRIORITY_UPDATE: u8 = 0x10;
const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
