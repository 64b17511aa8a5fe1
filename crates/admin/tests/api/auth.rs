//! Who gets in, and how far.

use conduit_api::error::ClientError;
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::tokens::{CreateToken, Role};
use conduit_core::event::Event;

use crate::gateway::{Gateway, status};

fn wish() -> RegisterService {
    RegisterService {
        name: "web".into(),
        upstream: Some("127.0.0.1:9".into()),
        ..RegisterService::default()
    }
}

fn code_of(error: &ClientError) -> (u16, &str) {
    match error {
        ClientError::Api { status, error } => (*status, &error.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_credentials_there_are_three_pages_and_nothing_else() {
    let mut gateway = Gateway::start();
    for path in ["/", "/health", "/ready"] {
        assert_eq!(status(&gateway.ask("GET", path, "", "").await), 200, "{path}");
    }
    for (method, path) in [
        ("GET", "/api/v1/status"),
        ("GET", "/api/v1/services"),
        ("POST", "/api/v1/services"),
        ("DELETE", "/api/v1/services/web"),
        ("GET", "/api/v1/tls/ca"),
        ("GET", "/api/v1/tokens"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/metrics"),
    ] {
        let answer = gateway.ask(method, path, "", "").await;
        assert_eq!(status(&answer), 401, "{method} {path}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
        assert!(answer.contains(r#""code":"unauthorized""#), "{answer}");
    }
    let wrong = "Authorization: Bearer nonsense\r\n";
    assert_eq!(status(&gateway.ask("GET", "/api/v1/status?k=v", wrong, "").await), 401);
    let mut last = None;
    while let Some(event) = gateway.events.ready() {
        last = Some(event);
    }
    let Some(Event::AuthFailed { peer, request, .. }) = last else {
        panic!("no event");
    };
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    assert_eq!(request, "GET /api/v1/status", "a query may be secret");
}

#[tokio::test]
async fn each_role_includes_the_ones_before_it() {
    let gateway = Gateway::start();
    let viewer = gateway.with_token(&gateway.token(Role::Viewer).await);
    let operator = gateway.with_token(&gateway.token(Role::Operator).await);
    let admin = gateway.with_token(&gateway.token(Role::Admin).await);
    for client in [&viewer, &operator, &admin] {
        assert!(client.services(false).await.is_ok());
        assert!(client.metrics().await.is_ok());
    }
    let error = viewer.register(&wish()).await.expect_err("forbidden");
    assert_eq!(code_of(&error), (403, "forbidden"));
    assert!(operator.register(&wish()).await.is_ok());
    for client in [&viewer, &operator] {
        let error = client.tokens().await.expect_err("forbidden");
        assert_eq!(code_of(&error), (403, "forbidden"));
        let error = client.backup("/nowhere").await.expect_err("forbidden");
        assert_eq!(code_of(&error), (403, "forbidden"));
    }
    let tokens = admin.tokens().await.expect("a list");
    assert_eq!(tokens.value.tokens.len(), 3);
    let entries = admin.audit(10, None).await.expect("entries").value.entries;
    let registered = entries.iter().find(|entry| entry.action == "service_register");
    assert_eq!(registered.expect("recorded").user, "token:test-operator");
}

#[tokio::test]
async fn a_secret_is_good_in_either_header_until_it_is_revoked() {
    let gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let key = format!("X-API-Key: {}\r\n", token.secret);
    let bearer = format!("Authorization: Bearer {}\r\n", token.secret);
    for header in [&key, &bearer] {
        assert_eq!(status(&gateway.ask("GET", "/api/v1/status", header, "").await), 200);
    }
    let local = gateway.local();
    let listed = local.tokens().await.expect("a list");
    assert!(!String::from_utf8_lossy(&listed.body).contains(&token.secret));
    local.revoke_token(&token.id).await.expect("revoked");
    for header in [&key, &bearer] {
        assert_eq!(status(&gateway.ask("GET", "/api/v1/status", header, "").await), 401);
    }
    let error = local.revoke_token("unknown").await.expect_err("not there");
    assert_eq!(code_of(&error).0, 404);
    let nameless = CreateToken {
        name: String::new(),
        role: Role::Viewer,
        scopes: Vec::new(),
        expires_in_seconds: None,
    };
    let error = local.create_token(&nameless).await.expect_err("refused");
    assert_eq!(code_of(&error).0, 422);
}

#[tokio::test]
async fn the_socket_knows_its_caller_by_the_kernel() {
    let gateway = Gateway::start();
    let local = gateway.local();
    local.register(&wish()).await.expect("registered");
    let newest = local.audit(1, None).await.expect("an entry").value.entries;
    let uid = rustix::process::geteuid().as_raw();
    let user = &newest[0].user;
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.contains(&format!("{user}:"));
    assert!(named || *user == format!("uid:{uid}"), "{user}");
}

#[tokio::test]
async fn failures_are_put_on_record_up_to_a_limit_and_lock_nobody_out() {
    let mut gateway = Gateway::start();
    let token = gateway.token(Role::Viewer).await;
    let mut refused = 0;
    for _ in 0..70 {
        let answer = gateway.ask("GET", "/metrics", "", "").await;
        refused += u32::from(status(&answer) == 429);
    }
    assert_eq!(refused, 10);
    let mut events = 0;
    while gateway.events.ready().is_some() {
        events += 1;
    }
    assert_eq!(events, 60);
    assert!(gateway.with_token(&token).status().await.is_ok());
}

#[tokio::test]
async fn over_https_browsers_are_told_to_stay_there() {
    let gateway = Gateway::start();
    let proxied = gateway.ask("GET", "/health", "X-Forwarded-Proto: https\r\n", "").await;
    assert!(proxied.contains("strict-transport-security: max-age=2592000\r\n"), "{proxied}");
    for plain in ["", "X-Forwarded-Proto: http\r\n"] {
        let answer = gateway.ask("GET", "/health", plain, "").await;
        assert!(!answer.contains("strict-transport-security"), "{answer}");
    }
}
