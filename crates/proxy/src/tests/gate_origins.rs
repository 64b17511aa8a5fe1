//! Pages of other origins.

use super::harness::{Gateway, Head, Upstream};
use crate::fixture::asking;

const POLICY: &str = "paths = ['/api']
[cors]
origins = ['https://chat.internal']
methods = ['GET', 'PUT']
headers = ['authorization']
expose = ['x-total']
credentials = true
max_age = '60s'";

fn upstream() -> Upstream {
    Upstream::http(|_| {
        "HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\n\
         access-control-allow-headers: *\r\nvary: accept\r\ncontent-length: 0\r\n\r\n"
            .to_owned()
    })
}

fn ask(gateway: &Gateway, method: &str, path: &str, lines: &[&str]) -> Head {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: web.internal\r\n{lines}\r\n");
    gateway.connect().ask(&request).0
}

#[test]
fn preflights_are_answered_without_the_upstream() {
    let upstream = upstream();
    let gateway = Gateway::http(vec![asking("web", &[&upstream.text()], POLICY)]);
    let chat = "origin: https://chat.internal";
    let put = "access-control-request-method: PUT";
    let token = "access-control-request-headers: authorization";
    let head = ask(&gateway, "OPTIONS", "/api/x", &[chat, put, token]);
    assert_eq!(head.status(), 204);
    for (field, expected) in [
        ("access-control-allow-origin", "https://chat.internal"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "authorization"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(head.field(field), Some(expected), "{field}");
    }
    assert!(head.0.contains("vary: Origin\r\n"), "{}", head.0);
    for lines in [
        &["origin: https://evil.internal", put][..],
        &[chat, "access-control-request-method: DELETE"],
        &[chat, put, "access-control-request-headers: authorization, x-other"],
    ] {
        let head = ask(&gateway, "OPTIONS", "/api/x", lines);
        assert_eq!(head.status(), 403, "{lines:?}");
        assert_eq!(head.field("conduit-error"), Some("origin_refused"));
    }
    let evil = ask(&gateway, "OPTIONS", "/api/x", &["origin: https://evil.internal", put]);
    assert_eq!(evil.field("access-control-allow-origin"), None);
    assert_eq!(upstream.connections(), 0);
    // Other OPTIONS are the upstream's.
    assert_eq!(ask(&gateway, "OPTIONS", "/api/x", &[]).status(), 200);
    gateway.stop();
}

#[test]
fn responses_and_refusals_say_who_may_read_them() {
    let upstream = upstream();
    let gateway = Gateway::http(vec![asking("web", &[&upstream.text()], POLICY)]);
    let chat = "origin: https://chat.internal";
    for (path, status) in [("/api/x", 200), ("/other", 404), ("/api/../x", 400)] {
        let head = ask(&gateway, "GET", path, &[chat]);
        assert_eq!(head.status(), status);
        let allowed = head.field("access-control-allow-origin");
        assert_eq!(allowed, Some("https://chat.internal"), "{path}");
        assert_eq!(head.field("access-control-expose-headers"), Some("x-total"), "{path}");
        assert_eq!(head.field("access-control-allow-headers"), None, "{path}");
        assert!(head.0.contains("vary: Origin\r\n"), "{}", head.0);
    }
    for lines in [&["origin: https://evil.internal"][..], &[]] {
        let head = ask(&gateway, "GET", "/api/x", lines);
        assert_eq!(head.status(), 200);
        assert_eq!(head.field("access-control-allow-origin"), None, "{lines:?}");
        assert!(head.0.contains("vary: Origin\r\n"), "{}", head.0);
    }
    gateway.stop();
}

#[test]
fn an_upstream_that_is_down_is_readable_too() {
    let nowhere = super::harness::nowhere();
    let gateway = Gateway::http(vec![asking("web", &[&nowhere], "[cors]\norigins = ['*']")]);
    let head = ask(&gateway, "GET", "/", &["origin: https://any.example"]);
    assert_eq!(head.status(), 502);
    assert_eq!(head.field("access-control-allow-origin"), Some("*"));
    assert_eq!(head.field("vary"), None);
    gateway.stop();
}
