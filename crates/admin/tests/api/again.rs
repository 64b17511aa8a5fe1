//! Requests that come again, too often, or by the paths of the shell edition.

use conduit_admin::limits::REQUESTS_EACH_BURST;
use conduit_api::v1::tokens::Role;

use crate::events::token_header;
use crate::gateway::{Gateway, status};
use crate::sessions::{JSON, json_of};

#[tokio::test]
async fn a_request_with_a_key_is_carried_out_once() {
    let gateway = Gateway::start();
    let (admin, other) =
        (gateway.token(Role::Admin).await, gateway.token_named(Role::Admin, "b").await);
    let with = |secret: &str, key: &str| {
        format!("X-API-Key: {secret}\r\n{JSON}Idempotency-Key: {key}\r\n")
    };
    let ask = async |headers: &str, name: &str| {
        let body = format!(r#"{{"name":"{name}","role":"viewer","expires_in_seconds":60}}"#);
        gateway.ask("POST", "/api/v1/tokens", headers, &body).await
    };
    let first = ask(&with(&admin.secret, "k1"), "ci").await;
    assert_eq!(status(&first), 201, "{first}");
    assert!(!first.contains("idempotency-replayed"), "{first}");
    let again = ask(&with(&admin.secret, "k1"), "ci").await;
    assert_eq!((status(&again), json_of(&again)), (201, json_of(&first)), "the same secret");
    assert!(again.contains("idempotency-replayed: true"), "{again}");
    let reused = ask(&with(&admin.secret, "k1"), "other").await;
    assert_eq!(
        (status(&reused), json_of(&reused)["error"]["code"].as_str()),
        (422, Some("key_reused"))
    );
    let refused = ask(&with(&other.secret, "k1"), "ci").await;
    assert_eq!(status(&refused), 409, "somebody else's key is another one: {refused}");
    let mended = ask(&with(&other.secret, "k1"), "ci-2").await;
    assert_eq!(status(&mended), 201, "what was refused is not kept: {mended}");
    for wrong in ["", "two words", &"x".repeat(256)] {
        assert_eq!(status(&ask(&with(&admin.secret, wrong), "ci-3").await), 422);
    }
    for unknown in ["PUT", "DELETE"] {
        let no = gateway.ask(unknown, "/api/v1/tokens", &with(&admin.secret, "k1"), "").await;
        assert_eq!(status(&no), 405, "{unknown}: {no}");
    }
    let tokens = gateway.local().tokens().await.expect("tokens").value.tokens;
    assert_eq!(tokens.iter().filter(|token| token.name == "ci").count(), 1);
}

#[tokio::test]
async fn each_token_has_its_rate() {
    let gateway = Gateway::start();
    let (eager, calm) = (gateway.token(Role::Viewer).await, gateway.token(Role::Operator).await);
    let (host, headers) = (gateway.tcp(), token_header(&eager));
    let one = format!("GET /api/v1/tokens HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    // All in one write: some of the rate comes back while they are answered, far from all of it.
    let many = one.repeat(2 * REQUESTS_EACH_BURST as usize);
    let answers = gateway.raw(format!("{many}GET / HTTP/1.0\r\n\r\n").as_bytes()).await;
    let refused = answers.split("HTTP/1.1 ").find(|answer| answer.starts_with("429"));
    let refused = refused.expect("a limit");
    assert!(refused.contains(r#""code":"too_many_requests""#), "{refused}");
    assert!(refused.contains("retry-after: 1"), "{refused}");
    let answer = gateway.ask("GET", "/api/v1/status", &token_header(&calm), "").await;
    assert_eq!(status(&answer), 200, "another one has its own");
}

#[tokio::test]
async fn the_paths_of_the_shell_edition_lead_to_the_same() {
    let gateway = Gateway::start();
    let operator = gateway.token(Role::Operator).await;
    let auth = format!("{}{JSON}", token_header(&operator));
    let body = r#"{"name":"web","host":"127.0.0.1:1","health_path":"/up","no_tls":false}"#;
    let made = gateway.ask("POST", "/api/services", &auth, body).await;
    assert_eq!(status(&made), 201, "{made}");
    let again = r#"{"name":"web","host":"127.0.0.1:2","overwrite":true}"#;
    assert_eq!(status(&gateway.ask("POST", "/api/services", &auth, again).await), 200);
    for (method, path, has) in [
        ("GET", "/api/ping", r#"{"ok":true}"#),
        ("GET", "/api/status", r#""total":1"#),
        ("GET", "/api/services", r#""upstream":"127.0.0.1:2""#),
        ("GET", "/api/services/web/health", r#""name":"web""#),
        ("GET", "/api/dns", r#""domain":"web.internal""#),
        ("POST", "/api/dns/flush", "forwarders"),
        ("GET", "/api/tls", "fingerprint_sha256"),
        ("POST", "/api/tls/web/rotate", "fingerprint_sha256"),
        ("GET", "/api/tls/web/inspect", "BEGIN CERTIFICATE"),
        ("GET", "/api/routing", r#""routes":["#),
        ("GET", "/api/audit?limit=1", r#""entries":["#),
        ("DELETE", "/api/services/web", r#""name":"web""#),
    ] {
        let answer = gateway.ask(method, path, &auth, "").await;
        assert_eq!(status(&answer), 200, "{method} {path}: {answer}");
        assert!(answer.contains(has), "{method} {path}: {answer}");
    }
    for (method, path, expected) in [
        ("POST", "/api/routing/reload", 403),
        ("POST", "/api/tls/trust", 404),
        ("GET", "/api/servers", 404),
        ("GET", "/api/nothing", 404),
        ("PUT", "/api/services", 405),
    ] {
        let answer = gateway.ask(method, path, &auth, "").await;
        assert_eq!(status(&answer), expected, "{method} {path}: {answer}");
    }
    let viewer = token_header(&gateway.token(Role::Viewer).await);
    assert_eq!(status(&gateway.ask("DELETE", "/api/services/web", &viewer, "").await), 403);
    assert_eq!(status(&gateway.ask("GET", "/api/services", "", "").await), 401);
}
