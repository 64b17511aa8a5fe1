//! Many services at once: refused whole or live whole.

use conduit_api::v1::services::{OutcomeKind, RegisterBulk, RegisterService};
use conduit_tests::{Gateway, Upstream, resolver};

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_is_live_whole() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    let before = gateway.api.status().await.expect("status").value.generation;
    let bulk =
        RegisterBulk { services: services(500, &upstream.host()), ..RegisterBulk::default() };
    let reply = gateway.api.register_bulk(&bulk).await.expect("registered").value;
    assert_eq!(reply.generation, before + 1, "one generation for all");
    for index in [0, 250, 499] {
        let host = format!("web-{index}.internal");
        assert!(resolver::addresses(gateway.dns, &host).await.is_some(), "{host}");
        assert!(gateway.client().get(&host, "/").await.is_ok(), "{host}");
    }
    let again = RegisterBulk { replace: true, prune: true, ..bulk.clone() };
    let same = gateway.api.register_bulk(&again).await.expect("unchanged").value;
    assert!(!same.changed && same.generation == reply.generation);
    let fewer = RegisterBulk { services: services(499, &upstream.host()), ..again };
    let pruned = gateway.api.register_bulk(&fewer).await.expect("pruned").value;
    let gone: Vec<_> =
        pruned.outcomes.iter().filter(|o| o.outcome == OutcomeKind::Deregistered).collect();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].name, "web-499");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_with_one_bad_service_is_refused_whole() {
    let gateway = Gateway::start().await;
    let mut services = services(50, "127.0.0.1:9");
    services[49].upstreams = vec!["169.254.169.254:80".into()];
    let bulk = RegisterBulk { services, ..RegisterBulk::default() };
    let error = gateway.api.register_bulk(&bulk).await.expect_err("refused");
    assert!(error.to_string().contains("web-49"), "it names the one: {error}");
    assert!(gateway.api.services(true).await.expect("listed").value.services.is_empty());
    assert_eq!(resolver::addresses(gateway.dns, "web-0.internal").await, None);
}

fn services(count: usize, upstream: &str) -> Vec<RegisterService> {
    let service = |index| RegisterService {
        name: format!("web-{index}"),
        upstreams: vec![upstream.to_owned()],
        ..RegisterService::default()
    };
    (0..count).map(service).collect()
}
