//! The API from outside: who may do what.

use conduit_api::client::Client;
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::tokens::{CreateToken, Role};
use conduit_tests::{Gateway, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp_a_token_is_needed_and_its_role_counts() {
    let gateway = Gateway::start().await;
    let at = |token: Option<&str>| Client::tcp(gateway.admin.to_string(), token.map(str::to_owned));
    assert!(at(None).ready().await.is_ok(), "readiness needs none");
    assert_eq!(at(None).services(false).await.expect_err("refused").code(), Some("unauthorized"));
    assert_eq!(
        at(Some("cdt_wrong")).services(false).await.expect_err("refused").code(),
        Some("unauthorized")
    );

    let viewer = token(&gateway, Role::Viewer).await;
    assert!(at(Some(&viewer.1)).services(false).await.is_ok());
    let service = RegisterService {
        name: "web".into(),
        upstreams: vec!["127.0.0.1:9".into()],
        ..RegisterService::default()
    };
    let refused = at(Some(&viewer.1)).register(&service).await.expect_err("refused");
    assert_eq!(refused.code(), Some("forbidden"));

    let operator = token(&gateway, Role::Operator).await;
    at(Some(&operator.1)).register(&service).await.expect("registered");
    gateway.api.revoke_token(&operator.0).await.expect("revoked");
    assert_eq!(
        at(Some(&operator.1)).services(false).await.expect_err("refused").code(),
        Some("unauthorized")
    );

    let entries = gateway.api.audit(100, None).await.expect("entries").value.entries;
    let registered = entries.iter().find(|e| e.action == "service_register").expect("on record");
    assert_eq!(registered.user, "token:operator");
    assert!(entries.iter().any(|e| e.action == "auth_failure"), "failures are on record");
    assert!(!serde_json::to_string(&entries).expect("JSON").contains(&operator.1), "no secret is");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let gateway = Gateway::start().await;
    let text = gateway.api.metrics().await.expect("metrics");
    assert!(text.contains("conduit_services_healthy"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_status_count_the_same_services() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    gateway.until("web", "healthy", |s| s.health_status.as_str() == "healthy").await;
    let status = gateway.api.status().await.expect("status").value;
    let text = gateway.api.metrics().await.expect("metrics");
    assert_eq!(status.services.healthy, 1);
    for line in ["conduit_services_healthy 1", "conduit_upstreams_admitted 1"] {
        assert!(text.lines().any(|exposed| exposed == line), "{line} in {text}");
    }
}

async fn token(gateway: &Gateway, role: Role) -> (String, String) {
    let wish = CreateToken { name: role.as_str().into(), role, expires_in_seconds: None };
    let made = gateway.api.create_token(&wish).await.expect("made").value;
    (made.id, made.secret)
}
