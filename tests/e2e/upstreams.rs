//! Upstreams by hand: drained, ejected, admitted; through a restart, and on the record.

use std::collections::BTreeSet;

use conduit_api::v1::health::{HealthStatus, UpstreamState};
use conduit_api::v1::services::Service;
use conduit_api::v1::upstreams::UpstreamVerb;
use conduit_tests::{Gateway, Upstream};
use http::StatusCode;

async fn two(gateway: &Gateway) -> (Upstream, Upstream) {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    gateway.register("web", &[&a.host(), &b.host()]).await.expect("registered");
    gateway.until("web", "proven", proven).await;
    (a, b)
}

fn proven(service: &Service) -> bool {
    service.upstream_health.iter().all(|u| u.last_probe_at.is_some())
}

/// Who answers 20 requests.
async fn answering(gateway: &Gateway) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let (status, body) =
            gateway.client().get_text("web.internal", "/").await.expect("answered");
        assert_eq!(status, StatusCode::OK);
        seen.insert(body.trim_start_matches("hello from ").to_owned());
    }
    seen
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_upstream_finishes_what_it_has_and_stays_drained() {
    let directory = tempfile::tempdir().expect("directory");
    let gateway = Gateway::start_in(&directory.path().join("state"), "").await;
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    gateway.register("web", &[&a.host()]).await.expect("registered");
    gateway.until("web", "proven", proven).await;
    let client = gateway.client();
    let (slow, ()) = tokio::join!(client.get_text("web.internal", "/slow"), async {
        a.arrived().await;
        let both = vec![a.host(), b.host()];
        gateway
            .register_with("web", &[], |wish| (wish.upstreams, wish.replace) = (both, true))
            .await
            .expect("replaced");
        let reply = gateway.api.hold_upstream("web", &a.host(), UpstreamVerb::Drain).await;
        let reply = reply.expect("drained").value;
        let health = reply.health.expect("shown");
        assert_eq!((health.state, health.in_flight), (UpstreamState::Draining, 1));
        assert_eq!((reply.changed, reply.note), (true, None));
        assert_eq!(answering(&gateway).await, names(&["b"]));
        a.go();
    });
    let (status, body) = slow.expect("what was in flight is answered");
    assert_eq!((status, body.as_str()), (StatusCode::OK, "slow from a"));

    // Probes pass, and it stays drained; also after a restart.
    let service =
        gateway.until("web", "degraded", |s| s.health_status == HealthStatus::Degraded).await;
    assert!(service.health_reason.expect("a reason").starts_with("drained by "));
    let metrics = gateway.api.metrics().await.expect("metrics");
    assert!(metrics.contains("conduit_upstreams_draining 1"), "{metrics}");
    assert!(gateway.stop());
    let gateway = Gateway::start_in(&directory.path().join("state"), "").await;
    let service = gateway.until("web", "proven", proven).await;
    let held = &service.upstream_health[0];
    assert_eq!(held.state, UpstreamState::Draining);
    assert_eq!(held.hold.as_ref().expect("held").kind, "drain");
    assert_eq!(answering(&gateway).await, names(&["b"]));

    gateway.api.hold_upstream("web", &a.host(), UpstreamVerb::Admit).await.expect("admitted");
    assert_eq!(answering(&gateway).await, names(&["a", "b"]));
    let entries = gateway.api.audit(50, None).await.expect("entries").value.entries;
    for action in ["upstream_drain", "upstream_admit"] {
        let entry = entries.iter().find(|entry| entry.action == action).expect(action);
        assert_eq!(
            (entry.details["name"].as_str(), entry.details["upstream"].as_str()),
            (Some("web"), Some(a.host().as_str()))
        );
    }
    assert!(entries.iter().all(|entry| entry.action != "health_change"), "{entries:#?}");
    assert!(gateway.api.verify_audit().await.expect("verified").value.valid);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_one_may_go_and_the_reply_says_so() {
    let gateway = Gateway::start().await;
    let (a, b) = two(&gateway).await;
    for (upstream, last) in [(&a, false), (&b, true)] {
        let reply = gateway.api.hold_upstream("web", &upstream.host(), UpstreamVerb::Eject).await;
        let reply = reply.expect("ejected").value;
        assert_eq!(reply.health.expect("shown").state, UpstreamState::Ejected);
        assert_eq!(reply.note.is_some_and(|note| note.contains("503")), last);
    }
    let again = gateway.api.hold_upstream("web", &a.host(), UpstreamVerb::Eject).await;
    assert!(!again.expect("ejected").value.changed);
    let response = gateway.client().get("web.internal", "/").await.expect("answered");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(gateway.service("web").await.health_status, HealthStatus::Down);
    gateway.api.hold_upstream("web", &b.host(), UpstreamVerb::Admit).await.expect("admitted");
    assert_eq!(answering(&gateway).await, names(&["b"]));
    let entries = gateway.api.audit(50, None).await.expect("entries").value.entries;
    let count = |action: &str| entries.iter().filter(|entry| entry.action == action).count();
    assert_eq!((count("upstream_eject"), count("upstream_admit")), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_with_a_mend() {
    let gateway = Gateway::start().await;
    let (a, _b) = two(&gateway).await;
    for (service, upstream, code, mend) in [
        ("nobody", a.host(), "not_found", "conduit status"),
        ("web", "127.0.0.1:1".to_owned(), "upstream_not_found", a.host().as_str()),
        ("web", "nonsense".to_owned(), "invalid_upstream", ""),
    ] {
        let refused = gateway.api.hold_upstream(service, &upstream, UpstreamVerb::Drain).await;
        let error = refused.expect_err("refused");
        assert_eq!(error.code(), Some(code), "{error:?}");
        assert!(error.hint().unwrap_or_default().contains(mend), "{error:?}");
    }
    let entries = gateway.api.audit(50, None).await.expect("entries").value.entries;
    assert!(entries.iter().all(|entry| entry.action != "upstream_drain"));
}

/// Registers `web` with two upstreams and a policy, and waits until both passed a probe.
async fn proven_pair(gateway: &Gateway, pair: [&Upstream; 2], policy: &str) {
    let policy = Some(serde_json::from_str(policy).expect("a policy"));
    let [a, b] = pair.map(Upstream::host);
    let registered = gateway.register_with("web", &[&a, &b], |wish| wish.policy = policy).await;
    registered.expect("registered");
    gateway.until("web", "proven", proven).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_fails_requests_but_not_probes_is_ejected_and_comes_back() {
    let gateway = Gateway::start().await;
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    proven_pair(&gateway, [&a, &b], r#"{"outliers":{"failures":3,"probation":"1s"}}"#).await;
    a.refuse(true);
    let client = gateway.client();
    let ejected = |service: &Service| service.upstream_health[0].state == UpstreamState::Ejected;
    while !ejected(&gateway.service("web").await) {
        client.get_text("web.internal", "/").await.expect("answered");
    }
    let reason = gateway.service("web").await.upstream_health[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("3 failures in a row: status 503"));
    assert_eq!(answering(&gateway).await, names(&["b"]));
    a.refuse(false);
    gateway.until("web", "healthy", |s| s.health_status == HealthStatus::Healthy).await;
    assert_eq!(answering(&gateway).await, names(&["a", "b"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_slow_against_the_other_is_ejected() {
    let gateway = Gateway::start().await;
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    proven_pair(&gateway, [&a, &b], r#"{"outliers":{"slow_factor":2}}"#).await;
    a.lag(std::time::Duration::from_millis(60));
    let client = gateway.client();
    while gateway.service("web").await.upstream_health[0].state != UpstreamState::Ejected {
        client.get_text("web.internal", "/").await.expect("answered");
    }
    let reason = gateway.service("web").await.health_reason.expect("a reason");
    assert!(reason.starts_with("slow: ") && reason.contains(" against "), "{reason}");
    assert_eq!(answering(&gateway).await, names(&["b"]));
}
