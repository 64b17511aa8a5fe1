//! What an upstream gets, and which one.

use std::sync::mpsc;

use super::harness::{Gateway, PATIENCE, Upstream, get, nowhere, ok};
use crate::fixture::service;

#[test]
fn a_kept_connection_serves_the_next_request() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    for path in ["/a", "/b?c=d", "/e"] {
        let (head, body) = client.ask(&get("web.internal", path));
        assert_eq!(head.status(), 200);
        assert!(body.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{body}");
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.stop().cut, 0);
}

#[test]
fn a_connection_that_the_upstream_closed_is_not_used_again() {
    let upstream = Upstream::raw(|mut wire| {
        wire.head();
        wire.send(&ok("once"));
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    for _ in 0..20 {
        let (head, body) = client.ask(&get("web.internal", "/"));
        assert_eq!((head.status(), &*body), (200, "once"), "{}", head.0);
    }
    gateway.stop();
}

#[test]
fn ranges_are_between_client_and_upstream() {
    let upstream =
        Upstream::http(|head| {
            match (head.field("range"), head.field("if-range")) {
            (Some("bytes=2-4"), Some("\"1\"")) => "HTTP/1.1 206 Partial Content\r\netag: \"1\"\r\n\
                 content-range: bytes 2-4/10\r\ncontent-length: 3\r\n\r\n234",
            (Some("bytes=0-1,8-9"), None) => "HTTP/1.1 206 Partial Content\r\n\
                 content-type: multipart/byteranges; boundary=b\r\ncontent-length: 5\r\n\r\n--b--",
            (Some("bytes=99-"), None) => "HTTP/1.1 416 Range Not Satisfiable\r\n\
                 content-range: bytes */10\r\ncontent-length: 0\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\naccept-ranges: bytes\r\ncontent-length: 10\r\n\r\n0123456789",
        }
        .to_owned()
        });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    let mut ask = |fields: &str| {
        client.ask(&format!("GET /file HTTP/1.1\r\nhost: web.internal\r\n{fields}\r\n"))
    };
    for (fields, status, range, body) in [
        ("", 200, None, "0123456789"),
        ("range: bytes=2-4\r\nif-range: \"1\"\r\n", 206, Some("bytes 2-4/10"), "234"),
        ("range: bytes=2-4\r\nif-range: \"0\"\r\n", 200, None, "0123456789"),
        ("range: bytes=0-1,8-9\r\n", 206, None, "--b--"),
        ("range: bytes=99-\r\n", 416, Some("bytes */10"), ""),
    ] {
        let (head, seen) = ask(fields);
        assert_eq!((head.status(), head.field("content-range")), (status, range), "{fields}");
        assert_eq!(seen, body, "{fields}");
    }
    gateway.stop();
}

#[test]
fn hop_by_hop_fields_stop_here_both_ways() {
    let upstream = Upstream::http(|head| {
        let seen = head.0.len();
        format!(
            "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=9\r\n\
             proxy-authenticate: Basic\r\nx-end: 2\r\ncontent-length: {seen}\r\n\r\n{}",
            head.0
        )
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let (head, seen) = gateway.connect().ask(
        "GET / HTTP/1.1\r\nHost: Web.Internal:8080\r\nConnection: x-mine, keep-alive\r\n\
         X-Mine: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Forwarded-For: 1.2.3.4\r\n\
         Forwarded: for=1.2.3.4\r\nX-Kept: yes\r\n\r\n",
    );
    for gone in ["x-hop", "keep-alive", "proxy-authenticate"] {
        assert_eq!(head.field(gone), None, "{}", head.0);
    }
    assert_eq!(head.field("x-end"), Some("2"));
    let seen = super::harness::Head(seen);
    for gone in ["connection", "x-mine", "keep-alive", "te"] {
        assert_eq!(seen.field(gone), None, "{}", seen.0);
    }
    assert_eq!(seen.field("x-kept"), Some("yes"));
    assert_eq!(seen.field("host"), Some("Web.Internal:8080"));
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(
        seen.field("forwarded"),
        Some("for=127.0.0.1;proto=http;host=\"Web.Internal:8080\"")
    );
    assert!(seen.field("x-request-id").is_some_and(|id| id.len() == 24));
    gateway.stop();
}

#[test]
fn two_framings_become_one_and_the_connection_ends() {
    let (sender, receiver) = mpsc::channel();
    let upstream = Upstream::raw(move |mut wire| {
        while let Some(head) = wire.head() {
            let body = wire.until("0\r\n\r\n");
            wire.send(&ok("done"));
            sender.send((head, body)).ok();
        }
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: web.internal\r\n\r\n";
    for behind in ["", smuggled] {
        let mut client = gateway.connect();
        client.send(&format!(
            "POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 6\r\n\
             transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n{behind}"
        ));
        let (head, body) = client.response();
        assert_eq!((head.status(), &*body), (200, "done"));
        assert_eq!(client.rest(), "", "the connection is closed");
        let (seen, body) = receiver.recv_timeout(PATIENCE).expect("a request");
        assert!(seen.0.starts_with("POST / HTTP/1.1\r\n"));
        assert_eq!(seen.field("content-length"), None);
        assert_eq!(seen.field("transfer-encoding"), Some("chunked"));
        assert_eq!(body, "3\r\nabc\r\n0\r\n\r\n");
    }
    gateway.stop();
    assert!(receiver.try_recv().is_err(), "one request each");
}

#[test]
fn contradicting_lengths_and_strange_codings_are_refused() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    for framing in [
        "content-length: 3\r\ncontent-length: 4",
        "content-length: +3",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
    ] {
        let mut client = gateway.connect();
        let request = format!("POST / HTTP/1.1\r\nhost: web.internal\r\n{framing}\r\n\r\nabcd");
        client.send(&request);
        let head = client.head().expect(framing);
        assert_eq!(head.status(), 400, "{framing}");
        assert_eq!(client.rest(), "");
    }
    assert_eq!(upstream.connections(), 0);
    gateway.stop();
}

#[test]
fn bodies_and_trailers_pass() {
    let upstream = Upstream::raw(|mut wire| {
        while let Some(head) = wire.head() {
            assert_eq!(head.field("expect"), Some("100-continue"));
            wire.send("HTTP/1.1 100 Continue\r\n\r\n");
            let body = wire.until("0\r\n\r\n");
            let chunks = format!("{:x}\r\n{body}\r\n0\r\nx-sum: 7\r\n\r\n", body.len());
            wire.send(&format!(
                "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
            ));
        }
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    // Also a GET may have a body.
    for method in ["POST", "GET"] {
        let mut client = gateway.connect();
        client.send(&format!(
            "{method} / HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\
             te: trailers\r\nexpect: 100-continue\r\n\r\n"
        ));
        assert_eq!(client.head().expect("a head").status(), 100);
        client.send("3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(client.head().expect("a head").status(), 200);
        let body = client.until("\r\n\r\n\r\n0\r\n");
        assert!(body.contains("3\r\nabc\r\n0\r\n\r\n"), "{body}");
        assert_eq!(client.until("\r\n\r\n"), "x-sum: 7\r\n\r\n");
    }
    gateway.stop();
}

#[test]
fn lengths_without_a_body_pass() {
    let upstream = Upstream::http(|head| {
        let status = if head.0.starts_with("HEAD") { "200 OK" } else { "304 Not Modified" };
        format!("HTTP/1.1 {status}\r\ncontent-length: 1234\r\netag: \"a\"\r\n\r\n")
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    for (method, status) in [("HEAD", 200), ("GET", 304), ("HEAD", 200)] {
        client.send(&format!("{method} / HTTP/1.1\r\nhost: web.internal\r\n\r\n"));
        let head = client.head().expect("a head");
        assert_eq!(head.status(), status);
        assert_eq!(head.field("etag"), Some("\"a\""));
    }
    assert_eq!(upstream.connections(), 1);
    gateway.stop();
}

#[test]
fn a_refused_try_goes_to_another_upstream_once() {
    let upstream = Upstream::raw(|mut wire| {
        while wire.head().is_some() {
            let body = wire.exactly(3);
            wire.send(&ok(&body));
        }
    });
    let dead = nowhere();
    let gateway = Gateway::http(vec![service("web", &[&dead, &upstream.text()])]);
    let mut client = gateway.connect();
    for _ in 0..10 {
        let (head, body) =
            client.ask("POST / HTTP/1.1\r\nhost: web.internal\r\ncontent-length: 3\r\n\r\nabc");
        assert_eq!((head.status(), &*body), (200, "abc"));
    }
    gateway.stop();
}

#[test]
fn an_upstream_that_hangs_does_not_slow_its_neighbour() {
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let slow = Upstream::raw(move |mut wire| {
        wire.head();
        released.lock().expect("alone").recv().ok();
        wire.send(&ok("late"));
    });
    let quick = Upstream::mirror();
    let gateway =
        Gateway::http(vec![service("slow", &[&slow.text()]), service("quick", &[&quick.text()])]);
    let mut waiting = gateway.connect();
    waiting.send(&get("slow.internal", "/"));
    let mut client = gateway.connect();
    for _ in 0..5 {
        assert_eq!(client.ask(&get("quick.internal", "/")).0.status(), 200);
    }
    release.send(()).expect("waiting");
    assert_eq!(waiting.response().1, "late");
    gateway.stop();
}
