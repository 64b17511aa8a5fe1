//! What is answered by us, and how.

use conduit_core::health::UpstreamState;

use super::harness::{Gateway, Upstream, get, nowhere};
use crate::fixture::{service, tls_service};

#[test]
fn a_host_without_a_service_is_named() {
    let gateway = Gateway::http(Vec::new());
    let (head, body) = gateway.connect().ask(&get("Nobody.internal:81", "/"));
    assert_eq!(head.status(), 404);
    assert_eq!(head.field("conduit-error"), Some("unknown_host"));
    let request_id = head.field("x-request-id").expect("an id");
    assert_eq!(head.field("content-type"), Some("application/json"));
    assert_eq!(
        body,
        format!(
            "{{\"error\":{{\"code\":\"unknown_host\",\
             \"message\":\"no service has the host nobody.internal\",\
             \"request_id\":\"{request_id}\"}}}}\n"
        )
    );
    let request = "GET / HTTP/1.1\r\nhost: x.internal\r\naccept: text/plain\r\n\r\n";
    assert_eq!(gateway.connect().ask(request).1, "404 no service has the host x.internal\n");
    gateway.stop();
}

#[test]
fn a_request_needs_exactly_one_host() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: web.internal\r\nhost: web.internal\r\n\r\n",
        "GET http://other.internal/ HTTP/1.1\r\nhost: web.internal\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: web.internal@evil\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let (head, _) = gateway.connect().ask(request);
        assert_eq!(head.status(), 400, "{request}");
    }
    let absolute = "GET http://web.internal/a HTTP/1.1\r\nhost: web.internal\r\n\r\n";
    let (_, seen) = gateway.connect().ask(absolute);
    assert!(seen.starts_with("GET /a HTTP/1.1\r\n"), "{seen}");
    gateway.stop();
}

#[test]
fn connect_and_trace_are_refused() {
    let gateway = Gateway::http(Vec::new());
    for request in [
        "CONNECT web.internal:443 HTTP/1.1\r\nhost: web.internal:443\r\n\r\n",
        "TRACE / HTTP/1.1\r\nhost: web.internal\r\n\r\n",
    ] {
        let (head, _) = gateway.connect().ask(request);
        assert_eq!(head.status(), 405);
        assert!(head.field("allow").is_some());
    }
    gateway.stop();
}

#[test]
fn a_service_with_tls_is_redirected_to_its_port() {
    let gateway = Gateway::http(vec![tls_service("grafana", &["127.0.0.1:1"])]);
    let (head, _) = gateway.connect().ask(&get("GRAFANA.internal:8080", "/d?x=1"));
    assert_eq!(head.status(), 308);
    assert_eq!(head.field("location"), Some("https://grafana.internal:8443/d?x=1"));
    gateway.stop();
}

#[test]
fn the_trust_bundle_is_on_hosts_that_are_no_services() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
    let (head, body) = gateway.connect().ask(&get("127.0.0.1", "/ca.crt"));
    assert_eq!((head.status(), &*body), (200, "PEM"));
    let (_, body) = gateway.connect().ask(&get("web.internal", "/ca.crt"));
    assert!(body.starts_with("GET /ca.crt"), "{body}");
    gateway.stop();
}

#[test]
fn a_dead_upstream_gives_502_and_an_ejected_one_503() {
    let gateway = Gateway::http(vec![service("web", &[&nowhere()])]);
    let mut client = gateway.connect();
    let (head, body) = client.ask(&get("web.internal", "/"));
    assert_eq!(head.status(), 502);
    assert_eq!(head.field("conduit-error"), Some("connect_failed"));
    let message = "\"message\":\"no connection to an upstream of web: connection refused\"";
    assert!(body.contains(message), "{body}");
    let id = head.field("x-request-id").expect("an id");
    assert!(body.contains(&format!("\"request_id\":\"{id}\"")), "{body}");
    let table = gateway.table.current();
    let pool = &table.get("web.internal").expect("a route").pool;
    pool.upstreams()[0].set_state(UpstreamState::Ejected);
    pool.refresh();
    let (head, body) = client.ask(&get("web.internal", "/"));
    assert_eq!(head.status(), 503);
    assert_eq!(head.field("conduit-error"), Some("no_upstream"));
    assert_eq!(head.field("retry-after"), Some("5"));
    assert!(body.contains("no upstream of web is admitted"), "{body}");
    let request = "GET / HTTP/1.1\r\nhost: web.internal\r\naccept: text/plain\r\n\r\n";
    assert_eq!(client.ask(request).1, "503 no upstream of web is admitted\n");
    gateway.stop();
}

#[test]
fn an_upstream_that_breaks_off_or_talks_nonsense_gives_502() {
    for (answer, word) in [("", "closed_early"), ("SSH-2.0-x\r\n\r\n", "bad_response")] {
        let upstream = Upstream::raw(move |mut wire| {
            wire.head();
            wire.send(answer);
        });
        let gateway = Gateway::http(vec![service("web", &[&upstream.text()])]);
        let (head, _) = gateway.connect().ask(&get("web.internal", "/"));
        assert_eq!(head.status(), 502);
        assert_eq!(head.field("conduit-error"), Some(word));
        gateway.stop();
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let gateway = Gateway::http(Vec::new());
    let line = format!("x-filler: {}\r\n", "a".repeat(70_000));
    let (head, _) =
        gateway.connect().ask(&format!("GET / HTTP/1.1\r\nhost: a.internal\r\n{line}\r\n"));
    assert_eq!(head.status(), 431);
    let many = "x: y\r\n".repeat(200);
    let (head, _) =
        gateway.connect().ask(&format!("GET / HTTP/1.1\r\nhost: a.internal\r\n{many}\r\n"));
    assert_eq!(head.status(), 431);
    gateway.stop();
}
