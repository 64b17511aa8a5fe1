//! The API from outside: who may do what.

use conduit_api::client::Client;
use conduit_api::v1::services::RegisterService;
use conduit_api::v1::sessions::Session;
use conduit_api::v1::tokens::{CreateToken, Role};
use conduit_tests::{Gateway, Upstream};
use http_body_util::BodyExt;

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
    let wish = CreateToken {
        name: role.as_str().into(),
        role,
        scopes: Vec::new(),
        expires_in_seconds: None,
    };
    let made = gateway.api.create_token(&wish).await.expect("made").value;
    (made.id, made.secret)
}

/// A page of the dashboard: over the gateway's own HTTPS name, with a cookie and its word.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_works_over_the_https_name() {
    let gateway = Gateway::start().await;
    let host = format!("conduit.internal:{}", gateway.https.port());
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)], body: String| {
        let mut request = hyper::Request::builder().method(method).uri(path);
        request = request.header("host", &host).header("origin", format!("https://{host}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(http_body_util::Full::from(body)).expect("a request");
        gateway.client().send("conduit.internal", request).await.expect("an answer")
    };
    let code = gateway.api.login_code().await.expect("a code").value;
    assert_eq!(code.url, Some(format!("https://{host}/#login={}", code.code)));
    let json = [("content-type", "application/json")];
    let body = format!(r#"{{"code":"{}"}}"#, code.code);
    let answer = ask("POST", "/api/v1/session", &json, body).await;
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let answer = answer.into_body().collect().await.expect("a body").to_bytes();
    let session: Session = serde_json::from_slice(&answer).expect("a session");
    let (cookie, word) = (("cookie", cookie.as_str()), ("x-conduit-csrf", session.csrf.as_str()));
    let flush = "/api/v1/dns/flush";
    assert_eq!(ask("GET", "/api/v1/tokens", &[cookie], String::new()).await.status(), 200);
    assert_eq!(ask("POST", flush, &[cookie], String::new()).await.status(), 403);
    assert_eq!(ask("POST", flush, &[cookie, word], String::new()).await.status(), 200);
    assert_eq!(
        ask("DELETE", "/api/v1/session", &[cookie, word], String::new()).await.status(),
        200
    );
    assert_eq!(ask("GET", "/api/v1/session", &[cookie], String::new()).await.status(), 401);
}
