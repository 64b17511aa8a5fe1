//! Where messages end, told in ways that others could read otherwise (RFC 9112 §6, RFC 9110 §6.5).

use super::harness::{Gateway, Upstream, get, ok};
use crate::fixture::service;

const POST: &str = "POST / HTTP/1.1\r\nhost: web.internal\r\n";

#[test]
fn a_coding_that_is_not_plain_chunked_is_refused() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    for coding in [
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    ] {
        let mut client = gateway.connect();
        let (head, _) = client.ask(&format!("{POST}{coding}\r\n5\r\nhello\r\n0\r\n\r\n"));
        assert_eq!(head.status(), 501, "{coding}");
        assert_eq!(head.field("conduit-error"), Some("coding_refused"));
        assert_eq!(head.field("connection"), Some("close"));
        assert_eq!(client.rest(), "");
    }
    assert_eq!(upstream.connections(), 0);
    gateway.stop();
}

#[test]
fn nothing_is_read_behind_a_refused_connect() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let mut client = gateway.connect();
    let (head, _) = client.ask(
        "CONNECT web.internal:80 HTTP/1.1\r\nhost: web.internal:80\r\n\r\n\
         GET / HTTP/1.1\r\nhost: web.internal\r\n\r\n",
    );
    assert_eq!((head.status(), head.field("connection")), (405, Some("close")));
    assert_eq!(client.rest(), "");
    assert_eq!(upstream.connections(), 0);
    gateway.stop();
}

#[test]
fn only_paths_are_passed_on() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    for target in ["web.internal:80", "*", "/\u{e9}"] {
        let (head, _) =
            gateway.connect().ask(&format!("GET {target} HTTP/1.1\r\nhost: web.internal\r\n\r\n"));
        assert_eq!(
            (head.status(), head.field("conduit-error")),
            (400, Some("bad_path")),
            "{target}"
        );
    }
    let asterisk = "OPTIONS * HTTP/1.1\r\nhost: web.internal\r\n\r\n";
    assert!(gateway.connect().ask(asterisk).1.starts_with("OPTIONS * HTTP/1.1\r\n"));
    gateway.stop();
}

#[test]
fn trailers_claim_nothing() {
    let upstream = Upstream::raw(|mut wire| {
        while wire.head().is_some() {
            wire.until("0\r\n");
            let trailers = wire.until("\r\n\r\n");
            wire.send(&ok(&trailers));
        }
    });
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let (_, trailers) = gateway.connect().ask(&format!(
        "{POST}transfer-encoding: chunked\r\n\
         trailer: x-forwarded-for, remote_user, connection, upgrade, cookie, x-sum\r\n\r\n\
         5\r\nhello\r\n0\r\nx-forwarded-for: 1.2.3.4\r\nremote_user: root\r\nconnection: x-sum2\r\n\
         upgrade: h2c\r\ncookie: a=b\r\nx-sum: 42\r\n\r\n"
    ));
    assert_eq!(trailers, "x-sum: 42\r\n\r\n");
    gateway.stop();
}

/// A gateway in front of an upstream that answers everything with this.
fn answering(answer: &'static str) -> (Gateway, Upstream) {
    let upstream = Upstream::http(move |_| answer.to_owned());
    (Gateway::http(vec![service("web", &[&upstream.text()])]), upstream)
}

#[test]
fn a_coding_overrides_the_length_beside_it() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 50\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let (gateway, _upstream) = answering(answer);
        let mut client = gateway.connect();
        client.send(&get("web.internal", "/"));
        let head = client.head().expect("an answer");
        assert_eq!(head.field("content-length"), None);
        assert_eq!(head.field("transfer-encoding"), Some("chunked"));
        assert_eq!(client.chunk(), b"hello");
        gateway.stop();
    }
}

#[test]
fn one_length_of_an_answer_is_passed_on() {
    for lengths in ["content-length: 5, 5", "content-length: 5\r\ncontent-length: 5"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nhello");
        let (gateway, _upstream) = answering(answer.leak());
        let (head, body) = gateway.connect().ask(&get("web.internal", "/"));
        assert_eq!((head.field("content-length"), body.as_str()), (Some("5"), "hello"));
        gateway.stop();
    }
}

#[test]
fn an_answer_in_a_coding_that_nobody_asked_for_is_bad() {
    for answer in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let (gateway, _upstream) = answering(answer);
        let (head, _) = gateway.connect().ask(&get("web.internal", "/"));
        assert_eq!((head.status(), head.field("conduit-error")), (502, Some("bad_response")));
        gateway.stop();
    }
}

#[test]
fn a_switch_to_what_nobody_asked_for_is_bad() {
    for (theirs, expected) in [("h2c", 502), ("websocket", 101), ("WebSocket", 101), ("foo", 502)] {
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {theirs}\r\n\r\n"
        );
        let (gateway, _upstream) = answering(answer.leak());
        let mut client = gateway.connect();
        client.send(
            "GET / HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\n\
             upgrade: websocket, bar\r\n\r\n",
        );
        assert_eq!(client.head().expect("an answer").status(), expected, "{theirs}");
        drop(client);
        gateway.stop();
    }
}
