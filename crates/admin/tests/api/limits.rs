//! Bad requests, slow clients, and the end of the room.

use std::time::Duration;

use conduit_api::error::ClientError;
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::tokens::Role;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::gateway::{Gateway, status};

/// Method, path, body, status and code; a body is sent as JSON.
type Case = (&'static str, &'static str, &'static str, u16, &'static str);

const TARGETS: [Case; 10] = [
    ("GET", "/nothing", "", 404, "no_such_path"),
    ("GET", "/api/v1/nothing", "", 404, "no_such_path"),
    ("PUT", "/api/v1/services", "", 405, "method_not_allowed"),
    ("GET", "/api/v1/services:bulk", "", 405, "method_not_allowed"),
    ("PATCH", "/api/v1/tokens", "", 405, "method_not_allowed"),
    ("GET", "/api/v1/services?al=true", "", 422, "invalid_query"),
    ("GET", "/api/v1/audit?limit=x", "", 422, "invalid_query"),
    ("GET", "/api/v1/services/%ff", "", 400, "invalid_path"),
    ("GET", "/api/v1/services/a%2Fb", "", 404, "not_found"),
    ("DELETE", "/api/v1/tokens/x", "", 404, "not_found"),
];

const BODIES: [Case; 5] = [
    ("POST", "/api/v1/services", "{", 400, "invalid_body"),
    ("POST", "/api/v1/services", "{}", 422, "invalid_body"),
    ("POST", "/api/v1/services", r#"{"name":"a","hots":1}"#, 422, "invalid_body"),
    ("POST", "/api/v1/services:bulk", r#"{"services":[{}]}"#, 422, "invalid_body"),
    ("POST", "/api/v1/tokens", r#"{"name":"a","role":"god"}"#, 422, "invalid_body"),
];

#[tokio::test]
async fn every_failure_has_its_status_and_the_error_body() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Admin).await;
    let auth = format!("Authorization: Bearer {}\r\n", token.secret);
    let json = format!("{auth}Content-Type: application/json; charset=utf-8\r\n");
    for (method, path, body, expected, code) in TARGETS.into_iter().chain(BODIES) {
        let answer = gateway.ask(method, path, &json, body).await;
        check(&answer, expected, code);
    }
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(1024 * 1024));
    check(&gateway.ask("POST", "/api/v1/services", &json, &large).await, 413, "too_large");
    check(&gateway.ask("POST", "/api/v1/services", &auth, "{}").await, 415, "not_json");
}

fn check(answer: &str, expected: u16, code: &str) {
    assert_eq!(status(answer), expected, "{answer}");
    assert!(answer.contains(&format!(r#"{{"error":{{"code":"{code}""#)), "{answer}");
    for header in [
        "x-request-id: ",
        "content-security-policy: default-src 'none'",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_not_answered() {
    let gateway = Gateway::start();
    for (head, expected) in [
        ("Host: localhost", 200),
        ("Host: conduit.internal", 200),
        ("Host: evil.example", 403),
        ("Host: localhost\r\nHost: localhost", 403),
        ("X: no host", 403),
    ] {
        let request = format!("GET /health HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n");
        let answer = gateway.raw(request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{head}: {answer}");
        assert!(answer.contains("x-frame-options: DENY"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_answered_with_an_error_or_nothing() {
    let gateway = Gateway::start();
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    for bytes in [&b"\x16\x03\x01\x02\x00\x01"[..], b"\r\n\r\n\0\r\n", long.as_bytes()] {
        let answer = gateway.raw(bytes).await;
        assert!(answer.is_empty() || status(&answer) >= 400, "{answer}");
    }
    assert_eq!(status(&gateway.ask("GET", "/health", "", "").await), 200);
}

#[tokio::test]
async fn a_client_that_sends_nothing_does_not_hold_its_connection() {
    let gateway = Gateway::start();
    let mut stream = TcpStream::connect(gateway.tcp()).await.expect("connected");
    assert_eq!(status(&gateway.ask("GET", "/health", "", "").await), 200);
    tokio::time::pause();
    let mut nothing = Vec::new();
    let waited = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut nothing));
    assert!(waited.await.is_ok(), "the connection was held");
}

#[tokio::test]
async fn a_stopping_gateway_takes_no_changes_and_still_answers() {
    let gateway = Gateway::start();
    gateway.control.stop_changes();
    let client = gateway.local();
    let wish = RegisterService {
        name: "web".into(),
        upstream: Some("127.0.0.1:9".into()),
        ..RegisterService::default()
    };
    let error = client.register(&wish).await.expect_err("refused");
    assert!(matches!(error, ClientError::Api { status: 503, .. }), "{error:?}");
    assert_eq!(error.code(), Some("shutting_down"));
    assert!(client.services(false).await.is_ok());
    let error = client.ready().await.expect_err("not ready");
    assert_eq!(error.code(), Some("not_ready"));
}

#[tokio::test]
async fn when_the_room_closes_open_connections_end_and_the_socket_goes() {
    let gateway = Gateway::start();
    assert!(gateway.socket().exists());
    let mut idle = TcpStream::connect(gateway.tcp()).await.expect("connected");
    assert!(gateway.local().status().await.is_ok());
    gateway.tasks.stop().cancel();
    gateway.tasks.finish().await;
    assert_eq!(gateway.tasks.died(), None);
    assert!(!gateway.socket().exists());
    let mut rest = Vec::new();
    assert!(matches!(idle.read_to_end(&mut rest).await, Ok(0) | Err(_)));
    let error = gateway.local().status().await.expect_err("closed");
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}
