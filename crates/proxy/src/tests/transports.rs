//! What upstreams are spoken to in: HTTP/2 in the clear, TLS with either version, Unix sockets.

use std::io::Read;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use conduit_core::policy::Policy;
use conduit_core::service::{Protocol, Service};
use rustls::version::TLS12;
use rustls::{ServerConnection, StreamOwned};

use super::harness::{Gateway, Head, PATIENCE, Upstream, Wire, get, nowhere, ok};
use super::speaker::{Leaf, Pki, Speaker, Speaks, full, mirror};
use crate::fixture::service;

/// A service whose upstreams speak `protocol`, with the policy's part for TLS.
pub(super) fn speaking(
    name: &str,
    upstream: &str,
    protocol: Protocol,
    tls: Option<&str>,
    server_name: Option<&str>,
) -> Service {
    let mut policy = Policy::default();
    policy.upstream.tls = tls.map(|tls| tls.parse().expect("a policy"));
    policy.upstream.server_name = server_name.map(|name| name.parse().expect("a name"));
    Service { protocol, policy: Arc::new(policy), ..service(name, &[upstream]) }
}

pub(super) fn h2c(name: &str, upstream: &str) -> Service {
    speaking(name, upstream, Protocol::H2c, None, None)
}

fn ask(gateway: &Gateway, host: &str) -> (Head, String) {
    gateway.connect().ask(&get(host, "/a?b=1"))
}

#[test]
fn http2_in_the_clear_is_spoken_with_prior_knowledge() {
    let upstream = Speaker::start(Speaks::default(), mirror);
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    let (head, seen) = gateway.connect().ask(
        "GET /a?b=1 HTTP/1.1\r\nhost: web.internal:81\r\nte: trailers\r\nx-mine: 1\r\n\
         connection: te, x-mine, keep-alive\r\n\r\n",
    );
    assert_eq!(head.status(), 200);
    let uri = "HTTP/2.0 GET http://web.internal:81/a?b=1\n";
    assert!(seen.starts_with(uri), "{seen}");
    assert!(seen.contains("\nte: trailers\n"), "{seen}");
    assert!(seen.contains("\nx-forwarded-host: web.internal:81\n"), "{seen}");
    for gone in ["\nhost:", "\nconnection:", "\nx-mine:", "\nkeep-alive:"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    for _ in 0..3 {
        assert_eq!(ask(&gateway, "web.internal").0.status(), 200);
    }
    assert_eq!(upstream.connections(), 1);
    gateway.stop();
}

#[test]
fn an_upgrade_that_http2_cannot_carry_is_plain_http() {
    let upstream = Speaker::start(Speaks::default(), mirror);
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    let (head, seen) = gateway.connect().ask(
        "GET /ws HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    assert_eq!(head.status(), 200);
    assert!(!seen.contains("upgrade"), "{seen}");
    gateway.stop();
}

#[test]
fn over_tls_the_upstream_chooses_the_version() {
    let pki = Pki::new("ours");
    for (alpn, expected, connections) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0", 1),
        (&["http/1.1"], "HTTP/1.1", 1),
        (&[], "HTTP/1.1", 1),
    ] {
        let tls = Some(pki.server("127.0.0.1", Leaf::Good, alpn).0);
        let upstream = Speaker::start(Speaks { tls, ..Speaks::default() }, mirror);
        let service = speaking("web", &upstream.text(), Protocol::Https, None, None);
        let gateway = Gateway::reaching(vec![service], pki.connector());
        for _ in 0..3 {
            let (head, seen) = ask(&gateway, "web.internal");
            assert_eq!(head.status(), 200, "{alpn:?}: {seen}");
            assert!(seen.starts_with(expected), "{alpn:?}: {seen}");
        }
        assert_eq!(upstream.connections(), connections, "{alpn:?}");
        gateway.stop();
    }
}

#[test]
fn what_switches_protocols_is_asked_over_http1_also_where_http2_is_spoken() {
    let pki = Pki::new("ours");
    let tls = Some(pki.server("127.0.0.1", Leaf::Good, &["h2", "http/1.1"]).0);
    let upstream = Speaker::start(Speaks { tls, ..Speaks::default() }, mirror);
    let service = speaking("web", &upstream.text(), Protocol::Https, None, None);
    let gateway = Gateway::reaching(vec![service], pki.connector());
    assert!(ask(&gateway, "web.internal").1.starts_with("HTTP/2.0"));
    let (_, seen) = gateway.connect().ask(
        "GET /ws HTTP/1.1\r\nhost: web.internal\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    assert!(seen.starts_with("HTTP/1.1 GET /ws"), "{seen}");
    assert!(seen.contains("\nupgrade: websocket\n"), "{seen}");
    assert!(ask(&gateway, "web.internal").1.starts_with("HTTP/2.0"));
    assert_eq!(upstream.connections(), 2);
    gateway.stop();
}

#[test]
fn certificates_are_judged_by_the_services_policy() {
    let (pki, stranger) = (Pki::new("ours"), Pki::new("stranger"));
    let other_pin = format!("sha256:{}", "ab".repeat(32));
    // (signed by ours, the leaf's name, its fault, upstream.tls, server_name, the reason)
    let cases = [
        (true, "127.0.0.1", Leaf::Good, "verify", None, None),
        (true, "web.example", Leaf::Good, "verify", Some("web.example"), None),
        (true, "127.0.0.1", Leaf::Expired, "verify", None, Some("certificate expired")),
        (
            true,
            "web.example",
            Leaf::Good,
            "verify",
            None,
            Some("name mismatch: the certificate is for web.example, not 127.0.0.1"),
        ),
        (false, "127.0.0.1", Leaf::Good, "verify", None, Some("unknown issuer; set upstream.tls")),
        (false, "web.example", Leaf::Expired, "insecure", None, None),
        (false, "web.example", Leaf::Expired, "pin", None, None),
        (
            true,
            "127.0.0.1",
            Leaf::Good,
            &other_pin,
            None,
            Some("another certificate than the pinned one: sha256:"),
        ),
    ];
    for (ours, name, leaf, tls, server_name, reason) in cases {
        let signer = if ours { &pki } else { &stranger };
        let (config, digest) = signer.server(name, leaf, &["h2", "http/1.1"]);
        let upstream = Speaker::start(Speaks { tls: Some(config), ..Speaks::default() }, mirror);
        let pin = format!("sha256:{digest}");
        let tls = if tls == "pin" { &pin } else { tls };
        let service = speaking("web", &upstream.text(), Protocol::Https, Some(tls), server_name);
        let gateway = Gateway::reaching(vec![service], pki.connector());
        let (head, body) = ask(&gateway, "web.internal");
        let case = format!("{name} {leaf:?} {tls}: {body}");
        match reason {
            None => assert_eq!(head.status(), 200, "{case}"),
            Some(reason) => {
                assert_eq!(head.status(), 502, "{case}");
                assert_eq!(head.field("conduit-error"), Some("upstream_tls"), "{case}");
                assert!(body.contains(reason), "{case}");
            }
        }
        gateway.stop();
    }
}

#[test]
fn who_does_not_speak_what_was_registered_is_told_apart() {
    let clear = Speaker::start(Speaks::default(), mirror);
    let http1_only = Upstream::http(|_| ok("hello"));
    let (http, nobody) = (clear.text(), nowhere());
    let gateway = Gateway::http(vec![
        speaking("tls", &http, Protocol::Https, Some("insecure"), None),
        h2c("h2c", &http1_only.text()),
        h2c("nobody", &nobody),
        speaking("socket", "unix:/nonexistent/app.sock", Protocol::Http, None, None),
    ]);
    for (host, word, text) in [
        ("tls.internal", "upstream_tls", "does not speak TLS; register it with --protocol http"),
        ("h2c.internal", "bad_response", "did not answer in HTTP"),
        ("nobody.internal", "connect_failed", "connection refused"),
        ("socket.internal", "connect_failed", "there is no such socket"),
    ] {
        let (head, body) = ask(&gateway, host);
        assert_eq!(head.status(), 502, "{host}: {body}");
        assert_eq!(head.field("conduit-error"), Some(word), "{host}: {body}");
        assert!(body.contains(text), "{host}: {body}");
    }
    gateway.stop();
}

#[test]
fn a_connection_of_one_policy_is_never_used_under_another() {
    let (trusted, stranger) = (Pki::new("ours"), Pki::new("stranger"));
    let tls = Some(stranger.server("127.0.0.1", Leaf::Good, &["h2", "http/1.1"]).0);
    let upstream = Speaker::start(Speaks { tls, ..Speaks::default() }, mirror);
    let at = upstream.text();
    let gateway = Gateway::reaching(
        vec![
            speaking("lax", &at, Protocol::Https, Some("insecure"), None),
            speaking("also-lax", &at, Protocol::Https, Some("insecure"), None),
            speaking("strict", &at, Protocol::Https, None, None),
        ],
        trusted.connector(),
    );
    for _ in 0..2 {
        assert_eq!(ask(&gateway, "lax.internal").0.status(), 200);
        assert_eq!(ask(&gateway, "also-lax.internal").0.status(), 200, "the same policy shares");
        let (head, body) = ask(&gateway, "strict.internal");
        assert_eq!(head.field("conduit-error"), Some("upstream_tls"), "{body}");
    }
    assert_eq!(upstream.connections(), 3, "one that is kept, and two that failed");
    gateway.stop();
}

#[test]
fn unix_sockets_carry_both_versions() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("app.sock");
    Speaker::unix(&path, mirror);
    let upstream = format!("unix:{}", path.display());
    let gateway = Gateway::http(vec![
        speaking("one", &upstream, Protocol::Http, None, None),
        h2c("two", &upstream),
    ]);
    for _ in 0..2 {
        let (head, seen) = ask(&gateway, "one.internal");
        assert_eq!(head.status(), 200, "{seen}");
        assert!(seen.starts_with("HTTP/1.1 GET /a?b=1\n"), "{seen}");
        assert!(seen.contains("\nhost: one.internal\n"), "{seen}");
        let (_, seen) = ask(&gateway, "two.internal");
        assert!(seen.starts_with("HTTP/2.0 GET http://two.internal/a?b=1\n"), "{seen}");
    }
    gateway.stop();
}

#[test]
fn an_answer_before_the_end_of_the_request_is_passed_on_at_once() {
    let upstream = Speaker::start(Speaks::default(), |_| async { full("early") });
    let gateway = Gateway::http(vec![h2c("web", &upstream.text())]);
    let mut client = gateway.connect();
    client.send(
        "POST / HTTP/1.1\r\nhost: web.internal\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
    );
    assert_eq!(client.response().1, "early");
    gateway.stop();
}

#[test]
fn an_old_upstream_may_speak_tls_1_2() {
    let pki = Pki::new("ours");
    let (config, digest) = pki.server_of(&[&TLS12], "127.0.0.1", Leaf::Good, &["h2"]);
    let upstream = Speaker::start(Speaks { tls: Some(config), ..Speaks::default() }, mirror);
    let pin = format!("sha256:{digest}");
    for tls in ["verify", "insecure", &pin] {
        let service = speaking("web", &upstream.text(), Protocol::Https, Some(tls), None);
        let gateway = Gateway::reaching(vec![service], pki.connector());
        let (head, seen) = ask(&gateway, "web.internal");
        assert_eq!(head.status(), 200, "{tls}: {seen}");
        gateway.stop();
    }
}

#[test]
fn who_leaves_while_connecting_for_others_too_leaves_nobody_waiting() {
    let pki = Pki::new("ours");
    let config = Arc::new(pki.server("127.0.0.1", Leaf::Good, &["http/1.1"]).0);
    let (told, heard) = channel();
    let told = Mutex::new(Some(told));
    let upstream = Upstream::raw(move |mut wire| {
        let first = told.lock().expect("alone").take();
        if let Some(told) = first {
            let mut hello = [0; 5];
            wire.stream.read_exact(&mut hello).expect("the beginning of a handshake");
            told.send(()).ok();
            // Not answered before whoever began it has left.
            std::io::copy(&mut wire.stream, &mut std::io::sink()).ok();
            return;
        }
        let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
        let mut wire = Wire::over(StreamOwned::new(session, wire.stream));
        while wire.head().is_some() {
            wire.send(&ok("here"));
        }
    });
    let service = speaking("web", &upstream.text(), Protocol::Https, None, None);
    let gateway = Gateway::reaching(vec![service], pki.connector());
    let mut leaving = gateway.connect();
    leaving.send(&get("web.internal", "/"));
    heard.recv_timeout(PATIENCE).expect("it connects");
    let mut waiting = gateway.connect();
    waiting.send(&get("web.internal", "/"));
    drop(leaving);
    assert_eq!(waiting.response().1, "here");
    gateway.stop();
}
