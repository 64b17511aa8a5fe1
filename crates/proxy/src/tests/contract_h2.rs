//! The streaming contract over HTTP/2, and WebSockets in its streams (RFC 8441).

use std::io::Write;
use std::sync::mpsc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::contract::{clocked, endless, heard, next, second, silent_after, until_counted};
use super::harness::{PATIENCE, Upstream, ok};
use super::tls::Site;
use crate::fixture::tls_service;

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                      transfer-encoding: chunked\r\n\r\n";

/// Runs a client of the site, and then stops the site.
fn with_client(site: Site, test: impl AsyncFnOnce(&Site, SendRequest<Full<Bytes>>)) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let sender = site.http2("web.internal").await;
        let test = test(&site, sender);
        tokio::time::timeout(PATIENCE, test).await.expect("in time");
    });
    drop(runtime);
    site.gateway.stop();
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("https://web.internal{path}")).body(Full::default()).expect("a request")
}

async fn frame(response: &mut Response<Incoming>) -> String {
    let frame = response.frame().await.expect("a frame").expect("unbroken");
    String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text")
}

#[test]
fn a_reset_stream_ends_the_upstreams_work_before_and_in_the_answer() {
    for (begin, counted) in [("", 1), (EVENTS, 0)] {
        let (upstream, events) = silent_after(begin);
        let mut events = heard(events);
        let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
        with_client(site, async |site, mut sender| {
            let mut asking = Box::pin(sender.send_request(get("/")));
            // Headers come although no byte of the body has.
            let begun = tokio::select! {
                response = &mut asking => Some(response.expect("a response")),
                _ = next(&mut events) => None,
            };
            assert!(counted == 0 || begun.is_none());
            let begun = match begun {
                None if counted == 0 => Some(asking.await.expect("a response")),
                other => {
                    drop(asking);
                    other
                }
            };
            drop(begun);
            // The reset is all there is: the connection lives on.
            while !next(&mut events).await.is_empty() {}
            assert!(sender.is_ready());
            let metrics = &site.gateway.metrics;
            until_counted(metrics, "conduit_proxy_cancelled_total{service=\"web\"} 1");
            until_counted(
                metrics,
                &format!(
                    "conduit_proxy_cancelled_before_first_byte_total{{service=\"web\"}} {counted}"
                ),
            );
        });
    }
}

#[test]
fn an_answer_that_falls_silent_is_reset_after_a_last_event() {
    let (upstream, events) = silent_after(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
         b\r\ndata: one\n\n\r\n",
    );
    let mut events = heard(events);
    let web = clocked(tls_service("web", &[&upstream.text()]), |t| t.idle = second());
    with_client(Site::of(vec![web]), async |_, mut sender| {
        let mut response = sender.send_request(get("/")).await.expect("a response");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(frame(&mut response).await, "data: one\n\n");
        let last = frame(&mut response).await;
        assert!(last.contains("\"code\":\"idle_timeout\""), "{last}");
        let error = response.frame().await.expect("a frame").expect_err("no clean end");
        assert!(format!("{error:?}").contains("INTERNAL_ERROR"), "{error:?}");
        while !next(&mut events).await.is_empty() {}
    });
}

#[test]
fn a_client_that_takes_nothing_loses_the_stream_and_keeps_the_connection() {
    let (told, ended) = mpsc::channel();
    let (upstream, mut ended) = (endless(told), heard(ended));
    let web = clocked(tls_service("web", &[&upstream.text()]), |t| t.client = second());
    with_client(Site::of(vec![web]), async |site, mut sender| {
        let response = sender.send_request(get("/")).await.expect("a response");
        next(&mut ended).await;
        assert!(sender.is_ready(), "the connection lives");
        until_counted(
            &site.gateway.metrics,
            "conduit_proxy_client_timeouts_total{service=\"web\"} 1",
        );
        drop(response);
    });
}

#[test]
fn a_slow_reader_does_not_stall_its_neighbours() {
    let upstream = Upstream::raw(|mut wire| {
        while let Some(head) = wire.head() {
            if head.0.starts_with("GET /large") {
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n");
                wire.stream.write_all(&vec![b'x'; 50_000_000]).ok();
            } else {
                wire.send(&ok("small"));
            }
        }
    });
    let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
    with_client(site, async |_, mut sender| {
        let mut slow = sender.send_request(get("/large")).await.expect("a response");
        assert!(!frame(&mut slow).await.is_empty());
        for _ in 0..20 {
            let small = sender.send_request(get("/small")).await.expect("a response");
            let body = small.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(body, "small");
        }
        let mut left = 50_000_000;
        while let Some(frame) = slow.frame().await {
            left -= frame.expect("unbroken").data_ref().map_or(0, Bytes::len).min(left);
        }
        assert!(left < 1_000_000, "the first frame was taken above: {left}");
    });
}

/// What a client of HTTP/2 sends to open a WebSocket.
fn extended(protocol: &'static str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::CONNECT)
        .uri("https://web.internal/ws?a=b")
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .body(Full::default())
        .expect("a request")
}

#[test]
fn a_web_socket_lives_in_a_stream() {
    let upstream = Upstream::raw(|mut wire| {
        let head = wire.head().expect("a request");
        assert!(head.0.starts_with("GET /ws?a=b HTTP/1.1\r\n"), "{}", head.0);
        assert_eq!(head.field("upgrade"), Some("websocket"));
        assert_eq!(head.field("sec-websocket-version"), Some("13"));
        assert_eq!(head.field("sec-websocket-protocol"), Some("chat"));
        let key = head.field("sec-websocket-key").expect("a key").to_owned();
        wire.send(&format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-protocol: chat\r\nsec-websocket-accept: {}\r\n\r\nhello",
            accept(&key)
        ));
        for _ in 0..3 {
            let got = wire.exactly(4);
            wire.send(&got.to_uppercase());
        }
    });
    let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
    with_client(site, async |_, mut sender| {
        let response = sender.send_request(extended("websocket")).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        let upgraded = hyper::upgrade::on(response).await.expect("a tunnel");
        let mut tunnel = TokioIo::new(upgraded);
        let mut hello = [0; 5];
        tunnel.read_exact(&mut hello).await.expect("bytes");
        assert_eq!(&hello, b"hello");
        for _ in 0..3 {
            tunnel.write_all(b"ping").await.expect("open");
            let mut answer = [0; 4];
            tunnel.read_exact(&mut answer).await.expect("bytes");
            assert_eq!(&answer, b"PING");
        }
        let mut rest = Vec::new();
        tunnel.read_to_end(&mut rest).await.expect("a clean end");
        assert!(rest.is_empty(), "the upstream has ended it");
    });
}

#[test]
fn a_stream_that_is_reset_ends_its_web_socket() {
    let (told, events) = mpsc::channel();
    let mut events = heard(events);
    let upstream = Upstream::raw(move |mut wire| {
        let head = wire.head().expect("a request");
        let key = head.field("sec-websocket-key").expect("a key").to_owned();
        wire.send(&format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {}\r\n\r\n",
            accept(&key)
        ));
        told.send(wire.rest()).ok();
    });
    let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
    with_client(site, async |_, mut sender| {
        let response = sender.send_request(extended("websocket")).await.expect("a response");
        drop(hyper::upgrade::on(response).await.expect("a tunnel"));
        assert_eq!(next(&mut events).await, "");
        assert!(sender.is_ready(), "the connection lives");
    });
}

#[test]
fn a_handshake_that_is_not_answered_rightly_is_no_web_socket() {
    for (answer, expected) in [
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: bm9uc2Vuc2U=\r\n\r\n",
            StatusCode::BAD_GATEWAY,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", StatusCode::BAD_GATEWAY),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", StatusCode::FORBIDDEN),
    ] {
        let upstream = Upstream::http(move |_| answer.to_owned());
        let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
        with_client(site, async |_, mut sender| {
            let response = sender.send_request(extended("websocket")).await.expect("a response");
            assert_eq!(response.status(), expected, "{answer}");
        });
    }
}

#[test]
fn other_tunnels_are_refused() {
    let upstream = Upstream::mirror();
    let site = Site::of(vec![tls_service("web", &[&upstream.text()])]);
    with_client(site, async |_, mut sender| {
        let response = sender.send_request(extended("connect-udp")).await.expect("a response");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        let plain = Request::connect("web.internal:22").body(Full::default()).expect("a request");
        let response = sender.send_request(plain).await.expect("a response");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    });
    assert_eq!(upstream.connections(), 0);
}

/// What a server answers to a key (RFC 6455 §4.2.2).
fn accept(key: &str) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    use base64::Engine as _;
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD
        .encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}
