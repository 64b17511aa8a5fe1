//! Health: ejection, readmission, neighbours, retries.

use conduit_api::v1::health::HealthStatus;
use conduit_tests::{Gateway, Upstream};
use http::StatusCode;

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_dies_is_ejected_and_comes_back() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    let address = upstream.address;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    gateway.until("web", "healthy", |s| s.health_status == HealthStatus::Healthy).await;
    upstream.stop();
    let down = gateway.until("web", "down", |s| s.health_status == HealthStatus::Down).await;
    assert_eq!(down.health_reason.as_deref(), Some("connection refused"));
    let response = gateway.client().get("web.internal", "/").await.expect("answered");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    assert!(response.headers().contains_key("conduit-error"));
    let _back = Upstream::start_on("web", address).await;
    gateway.until("web", "healthy again", |s| s.health_status == HealthStatus::Healthy).await;
    let (status, _) = gateway.client().get_text("web.internal", "/").await.expect("answered");
    assert_eq!(status, StatusCode::OK);
    let actions: Vec<_> = gateway.api.audit(50, None).await.expect("entries").value.entries;
    assert!(actions.iter().any(|e| e.action == "health_change" && e.details["current"] == "down"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_failing_upstream_of_two_is_ejected() {
    let gateway = Gateway::start().await;
    let (good, bad) = (Upstream::start("good").await, Upstream::start("bad").await);
    bad.fail(true);
    gateway.register("web", &[&good.host(), &bad.host()]).await.expect("registered");
    gateway.until("web", "degraded", |s| s.health_status == HealthStatus::Degraded).await;
    for _ in 0..20 {
        let (_, body) = gateway.client().get_text("web.internal", "/").await.expect("answered");
        assert_eq!(body, "hello from good");
    }
    bad.fail(false);
    gateway.until("web", "healthy", |s| s.health_status == HealthStatus::Healthy).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        seen.insert(gateway.client().get_text("web.internal", "/").await.expect("answered").1);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_hangs_does_not_slow_its_neighbour() {
    let gateway = Gateway::start().await;
    let (stuck, quick) = (Upstream::start("stuck").await, Upstream::start("quick").await);
    gateway.register("stuck", &[&stuck.host()]).await.expect("registered");
    gateway.register("quick", &[&quick.host()]).await.expect("registered");
    let mut hanging = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let client = gateway.client();
        hanging
            .spawn(async move { client.get("stuck.internal", "/hang").await.map(|r| r.status()) });
    }
    for _ in 0..100 {
        let (status, _) = gateway.client().get_text("quick.internal", "/").await.expect("answered");
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(hanging.len(), 100, "the others still hang");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failed_try_goes_once_to_another_upstream() {
    // The probes are slow here, so that the request meets the dead upstream before they do.
    let gateway = Gateway::start_with("[health]\ninterval = \"1h\"").await;
    let (good, dying) = (Upstream::start("good").await, Upstream::start("dying").await);
    gateway.register("web", &[&good.host(), &dying.host()]).await.expect("registered");
    gateway
        .until("web", "proven", |s| s.upstream_health.iter().all(|u| u.last_probe_at.is_some()))
        .await;
    dying.stop();
    for _ in 0..10 {
        let (status, body) =
            gateway.client().get_text("web.internal", "/").await.expect("answered");
        assert_eq!((status, body.as_str()), (StatusCode::OK, "hello from good"));
    }
}
