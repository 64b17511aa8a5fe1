//! What is refused over HTTP/3, and what it costs the client.

use std::sync::mpsc;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use http::{Request, StatusCode};
use quinn::{ReadError, ReadToEndError, VarInt};

use super::contract::{heard, next};
use super::harness::{Upstream, ok};
use super::http3::{Client, dial, echo, get, post, rest, web, with_site};
use super::tls::Site;
use crate::fixture::tls_service;
use crate::limits::{H3_LEFT_MAX, Limits};

#[test]
fn a_connection_serves_only_the_service_it_was_opened_for() {
    let at = Upstream::mirror();
    let services = ["web", "other"].map(|name| tls_service(name, &[&at.text()]));
    with_site(Site::over_http3(services.into(), 1, Limits::default()), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        for host in ["other.internal", "nobody.internal"] {
            let request = Request::get(format!("https://{host}/")).body(()).expect("a request");
            let (response, body) = client.ask(request).await;
            assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
            assert_eq!(response.headers()["conduit-error"], "misdirected");
            assert!(body.contains("misdirected"), "{body}");
        }
        assert_eq!(client.ask(get("/")).await.0.status(), StatusCode::OK);
        assert!(Client::try_connect(site, "nobody.internal").await.is_err());
    });
}

#[test]
fn tunnels_are_refused() {
    with_site(web(&Upstream::mirror()), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let connect = Request::connect("web.internal:443").body(()).expect("a request");
        let (response, _) = client.ask(connect).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        let trace = Request::builder().method("TRACE").uri("https://web.internal/");
        let (response, _) = client.ask(trace.body(()).expect("a request")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    });
}

#[test]
fn malformed_requests_are_reset_and_cost_only_themselves() {
    with_site(web(&Upstream::mirror()), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        for (name, value) in [
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("content-length", "1x"),
            ("te", "gzip"),
        ] {
            let request = post().header(name, value).body(()).expect("a request");
            let mut stream = client.open(request).await;
            let error = stream.recv_response().await.expect_err("refused");
            let StreamError::RemoteTerminate { code } = error else { panic!("{name}: {error}") };
            assert_eq!(code, Code::H3_MESSAGE_ERROR, "{name}");
        }
        assert_eq!(client.ask(get("/")).await.0.status(), StatusCode::OK);
    });
}

#[test]
fn a_body_is_as_long_as_it_said() {
    let (told, seen) = mpsc::channel();
    let mut seen = heard(seen);
    let upstream = Upstream::raw(move |mut wire| {
        // The head waits for the first bytes of the body, which may never come.
        let rest = wire.head().map(|head| {
            assert_eq!(head.field("content-length"), Some("8"));
            wire.rest()
        });
        told.send(rest.unwrap_or_default()).ok();
    });
    with_site(web(&upstream), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        for sent in ["hello", "hello, world"] {
            let request = post().header("content-length", "8").body(()).expect("a request");
            let mut stream = client.open(request).await;
            stream.send_data(Bytes::from(sent)).await.expect("taken");
            stream.finish().await.ok();
            let response = stream.recv_response().await.expect("an answer");
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{sent}");
            assert!(rest(&mut stream).await.contains("body_broken"));
            assert!(next(&mut seen).await.len() < 8, "{sent}");
        }
    });
}

#[test]
fn heads_that_are_too_large_are_refused_and_cost_only_themselves() {
    with_site(web(&Upstream::mirror()), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        let fields = vec![b'x'; 30_000];
        let request = get("/");
        let (mut parts, ()) = request.into_parts();
        for name in ["x-a", "x-b", "x-c"] {
            let value = http::HeaderValue::from_bytes(&fields).expect("a value");
            parts.headers.insert(name, value);
        }
        // The client itself keeps to what it was told, once it was.
        let mut stream = match client.send.send_request(Request::from_parts(parts, ())).await {
            Ok(stream) => stream,
            Err(error) => {
                assert!(matches!(error, StreamError::HeaderTooBig { .. }), "{error}");
                assert_eq!(client.ask(get("/")).await.0.status(), StatusCode::OK);
                return;
            }
        };
        stream.finish().await.ok();
        let response = stream.recv_response().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(client.ask(get("/")).await.0.status(), StatusCode::OK);
    });
}

/// A frame with a length of four bytes.
fn frame(kind: u8, length: u32, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &(length | 0x8000_0000).to_be_bytes(), payload].concat()
}

/// A GET or POST of `/` in literal fields (RFC 9204 §4.5).
fn head(method: &str, extra: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0, 0];
    let fields =
        [(":method", method), (":scheme", "https"), (":authority", "web.internal"), (":path", "/")];
    for (name, value) in fields.iter().chain(extra) {
        let length = |text: &str| u8::try_from(text.len()).expect("short");
        match length(name) {
            short @ 0..7 => block.push(0x20 | short),
            long => block.extend([0x27, long - 7]),
        }
        block.extend_from_slice(name.as_bytes());
        block.push(length(value));
        block.extend_from_slice(value.as_bytes());
    }
    frame(0x1, u32::try_from(block.len()).expect("small"), &block)
}

#[test]
fn frames_that_are_too_long_end_the_request_before_they_have_come() {
    with_site(web(&Upstream::mirror()), async |site| {
        let (_endpoint, quic) = dial(site, "web.internal").await.expect("a handshake");
        let (mut send, mut receive) = quic.open_bi().await.expect("a stream");
        send.write_all(&frame(0x1, 0x3fff_ffff, b"x")).await.expect("taken");
        let code = VarInt::from_u64(Code::H3_EXCESSIVE_LOAD.value()).expect("small");
        assert_eq!(send.stopped().await.expect("open"), Some(code));
        let ended = receive.read_to_end(64).await.expect_err("reset");
        assert!(matches!(ended, ReadToEndError::Read(ReadError::Reset(_))), "{ended}");
        assert!(quic.close_reason().is_none());
    });
}

#[test]
fn frames_that_say_nothing_change_nothing() {
    with_site(web(&echo()), async |site| {
        let (_endpoint, quic) = dial(site, "web.internal").await.expect("a handshake");
        let (mut send, mut receive) = quic.open_bi().await.expect("a stream");
        let head = head("POST", &[("content-length", "10")]);
        let empty = frame(0x0, 0, b"");
        let grease = frame(0x21, 300_000, &[b'x'; 300_000]);
        for part in [
            &grease,
            &head,
            &empty,
            &frame(0x0, 5, b"hello"),
            &empty,
            &grease,
            &frame(0x0, 5, b"world"),
            &empty,
        ] {
            send.write_all(part).await.expect("taken");
        }
        send.finish().expect("open");
        let answer = receive.read_to_end(10_000).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.ends_with("\r\n\r\nhelloworld"), "{answer}");
    });
}

#[test]
fn frames_in_the_wrong_place_end_the_connection() {
    for (bytes, expected) in [
        (frame(0x0, 1, b"x"), Code::H3_FRAME_UNEXPECTED),
        (frame(0x41, 1, b"x"), Code::H3_FRAME_UNEXPECTED),
        (frame(0x6, 1, b"x"), Code::H3_FRAME_UNEXPECTED),
        (frame(0x1, 3, &[0, 0, 0xff]), Code::QPACK_DECOMPRESSION_FAILED),
    ] {
        with_site(web(&Upstream::mirror()), async |site| {
            let (_endpoint, quic) = dial(site, "web.internal").await.expect("a handshake");
            let (mut send, _receive) = quic.open_bi().await.expect("a stream");
            send.write_all(&bytes).await.expect("taken");
            let quinn::ConnectionError::ApplicationClosed(close) = quic.closed().await else {
                panic!("not closed by the application");
            };
            assert_eq!(close.error_code.into_inner(), expected.value(), "{bytes:?}");
        });
    }
}

#[test]
fn a_client_that_only_leaves_is_shown_the_door() {
    let upstream = Upstream::raw(|mut wire| {
        wire.rest();
    });
    with_site(web(&upstream), async |site| {
        let (_endpoint, quic) = dial(site, "web.internal").await.expect("a handshake");
        let head = head("GET", &[]);
        let reset = VarInt::from_u64(Code::H3_REQUEST_CANCELLED.value()).expect("small");
        for _ in 0..=H3_LEFT_MAX {
            let Ok((mut send, mut receive)) = quic.open_bi().await else { break };
            if send.write_all(&head).await.is_err() {
                break;
            }
            send.finish().ok();
            receive.stop(reset).ok();
        }
        let quinn::ConnectionError::ApplicationClosed(close) = quic.closed().await else {
            panic!("not closed by the application");
        };
        assert_eq!(close.error_code.into_inner(), Code::H3_EXCESSIVE_LOAD.value());
        assert!(!close.reason.is_empty());
    });
}

#[test]
fn an_answer_that_breaks_is_reset_and_never_looks_whole() {
    let upstream = Upstream::raw(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    });
    with_site(web(&upstream), async |site| {
        let (_endpoint, quic) = dial(site, "web.internal").await.expect("a handshake");
        let (mut send, mut receive) = quic.open_bi().await.expect("a stream");
        send.write_all(&head("GET", &[])).await.expect("taken");
        send.finish().expect("open");
        let error = receive.read_to_end(10_000).await.expect_err("broken");
        let ReadToEndError::Read(ReadError::Reset(code)) = error else { panic!("{error}") };
        assert_eq!(code.into_inner(), Code::H3_INTERNAL_ERROR.value());
    });
}

#[test]
fn beyond_the_limit_connections_are_refused_and_not_kept_waiting() {
    let upstream = Upstream::http(|_| ok("hello"));
    let services = vec![tls_service("web", &[&upstream.text()])];
    let limits = Limits { connections_max: 1, ..Limits::default() };
    with_site(Site::over_http3(services, 1, limits), async |site| {
        let mut client = Client::connect(site, "web.internal").await;
        assert_eq!(client.ask(get("/")).await.1, "hello");
        let Err(error) = Client::try_connect(site, "web.internal").await else { panic!("let in") };
        let quinn::ConnectionError::ConnectionClosed(close) = error else { panic!("{error}") };
        assert_eq!(close.error_code, quinn::TransportErrorCode::CONNECTION_REFUSED);
        super::contract::until_counted(
            &site.gateway.metrics,
            "conduit_proxy_http3_refused_total 1",
        );
        assert_eq!(client.ask(get("/")).await.1, "hello");
    });
}
