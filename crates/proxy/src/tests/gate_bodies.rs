//! The largest body of a request, announced or not.

use std::io::Write as _;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use conduit_core::service::{Service, TlsMode};
use http::Request;
use http_body_util::{BodyExt, Full};

use super::harness::{Gateway, PATIENCE, Upstream, ok};
use super::tls::Site;
use crate::compile::{Compiler, CompilerSettings};
use crate::fixture::{Leaves, asking, catalog, version};
use crate::limits::Limits;
use crate::upstream::{ReportQueue, reports};

/// An upstream that tells of every byte of a body that it gets.
fn listening() -> (Upstream, mpsc::Receiver<String>) {
    let (told, bodies) = mpsc::channel();
    let upstream = Upstream::raw(move |mut wire| {
        while let Some(head) = wire.head() {
            let body = match head.field("content-length") {
                Some(length) => wire.exactly(length.parse().expect("a number")),
                None => wire.rest(),
            };
            told.send(body).ok();
            wire.send(&ok("done"));
        }
    });
    (upstream, bodies)
}

/// A gateway, and what its request path reports about upstreams.
fn overheard(upstream: &Upstream, policy: &str) -> (Gateway, ReportQueue) {
    let services = vec![asking("web", &[&upstream.text()], policy)];
    let (sender, reports) = reports();
    let table = Compiler::new(CompilerSettings::default(), sender)
        .compile(&catalog(services), &Leaves::default(), version(1), None)
        .expect("a table");
    (Gateway::with(table, |_| None, Limits::default()), reports)
}

/// It was the client's fault, so nobody reports the upstream.
fn assert_nobody_was_blamed(mut reports: ReportQueue) {
    let next = reports.next();
    let polled = std::pin::pin!(next).poll(&mut Context::from_waker(Waker::noop()));
    assert!(!matches!(polled, Poll::Ready(Some(_))), "{polled:?}");
}

#[test]
fn an_announced_body_that_is_too_large_is_refused_at_once() {
    let (upstream, bodies) = listening();
    let gateway = Gateway::http(vec![asking("web", &[&upstream.text()], "body_max = '10'")]);
    let mut client = gateway.connect();
    let post = |length: usize| {
        format!("POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: {length}\r\n\r\n")
    };
    client.send(&(post(10) + "0123456789"));
    assert_eq!(client.response().0.status(), 200);
    assert_eq!(bodies.recv_timeout(PATIENCE).as_deref(), Ok("0123456789"));
    // Who is still sending is not reset before having read why.
    let whole = post(BODY_BYTES) + &"x".repeat(BODY_BYTES);
    client.stream.write_all(whole.as_bytes()).expect("everything is taken");
    let (head, body) = client.response();
    assert_eq!(head.status(), 413);
    assert_eq!(head.field("conduit-error"), Some("body_too_large"));
    assert_eq!(head.field("connection"), Some("close"));
    assert!(body.contains("larger than 10"), "{body}");
    assert_eq!(client.rest(), "");
    assert!(bodies.try_recv().is_err(), "nothing was forwarded");
    gateway.stop();
}

#[test]
fn a_body_without_a_length_is_given_up_when_it_is_too_large() {
    let (upstream, bodies) = listening();
    let (gateway, reports) = overheard(&upstream, "body_max = '10'");
    let mut client = gateway.connect();
    client.send(
        "POST / HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\r\n\
         6\r\n012345\r\n",
    );
    client.send("5\r\n67890\r\n");
    let (head, _) = client.response();
    assert_eq!(head.status(), 413);
    assert_eq!(head.field("connection"), Some("close"));
    let seen = bodies.recv_timeout(PATIENCE).expect("a broken body");
    assert!(!seen.contains("67890") && !seen.ends_with("0\r\n\r\n"), "{seen}");
    client.send("0\r\n\r\n");
    assert_eq!(client.rest(), "");
    gateway.stop();
    assert_nobody_was_blamed(reports);
}

#[test]
fn a_response_that_began_is_cut_when_the_body_gets_too_large() {
    let upstream = Upstream::raw(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
        wire.rest();
    });
    let (gateway, reports) = overheard(&upstream, "body_max = '3'");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("3\r\n012\r\n");
    assert_eq!(client.head().expect("a head").status(), 200);
    assert_eq!(client.chunk(), b"a");
    client.send("1\r\n3\r\n");
    assert_eq!(client.rest(), "", "no last chunk");
    gateway.stop();
    assert_nobody_was_blamed(reports);
}

#[test]
fn over_http2_only_the_stream_is_refused() {
    let upstream = Upstream::mirror();
    let service =
        Service { tls: TlsMode::Issued, ..asking("web", &[&upstream.text()], "body_max = '10'") };
    let site = Site::serving(vec![service], &[]);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sender = site.http2("web.internal").await;
        for (length, status) in [(11, 413), (BODY_BYTES, 413), (0, 200)] {
            let body = Full::new(Bytes::from(vec![b'x'; length]));
            let request = Request::post("https://web.internal/").body(body).expect("a request");
            let response = sender.send_request(request).await.expect("an answer");
            assert_eq!(response.status(), status, "{length}");
            assert!(!response.headers().contains_key("connection"));
            response.into_body().collect().await.expect("a body");
        }
    });
    drop(runtime);
    site.gateway.stop();
}

/// More than the buffers of sockets hold, and less than what is thrown away.
const BODY_BYTES: usize = 12 * 1_024 * 1_024;
