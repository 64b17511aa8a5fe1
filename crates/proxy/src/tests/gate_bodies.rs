//! The largest body of a request, announced or not.

use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use super::harness::{Gateway, PATIENCE, Upstream, ok};
use crate::compile::{Compiler, CompilerSettings};
use crate::fixture::{Leaves, asking, catalog, version};
use crate::limits::Limits;
use crate::upstream::reports;

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
    client.send(&post(1_000_000));
    let (head, body) = client.response();
    assert_eq!(head.status(), 413);
    assert_eq!(head.field("conduit-error"), Some("body_too_large"));
    assert_eq!(head.field("connection"), Some("close"));
    assert!(body.contains("larger than 10"), "{body}");
    // Who goes on sending is not reset, and gets the end of the connection.
    client.send(&"x".repeat(1_000_000));
    assert_eq!(client.rest(), "");
    assert!(bodies.try_recv().is_err(), "nothing was forwarded");
    gateway.stop();
}

#[test]
fn a_body_without_a_length_is_given_up_when_it_is_too_large() {
    let (upstream, bodies) = listening();
    let services = vec![asking("web", &[&upstream.text()], "body_max = '10'")];
    let (sender, mut reports) = reports();
    let table = Compiler::new(CompilerSettings::default(), sender)
        .compile(&catalog(services), &Leaves::default(), version(1), None)
        .expect("a table");
    let gateway = Gateway::with(table, |_| None, Limits::default());
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
    // It was the client's fault, so nobody reports the upstream.
    let next = reports.next();
    let polled = std::pin::pin!(next).poll(&mut Context::from_waker(Waker::noop()));
    assert!(!matches!(polled, Poll::Ready(Some(_))), "{polled:?}");
}

#[test]
fn a_response_that_began_is_cut_when_the_body_gets_too_large() {
    let upstream = Upstream::raw(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
        wire.rest();
    });
    let gateway = Gateway::http(vec![asking("web", &[&upstream.text()], "body_max = '3'")]);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("3\r\n012\r\n");
    assert_eq!(client.head().expect("a head").status(), 200);
    assert_eq!(client.chunk(), b"a");
    client.send("1\r\n3\r\n");
    assert_eq!(client.rest(), "", "no last chunk");
    gateway.stop();
}
