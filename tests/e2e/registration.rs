//! What a registration promises: at once, whole, or not at all.

use std::net::{IpAddr, Ipv4Addr};

use conduit_api::v1::services::RegisterService;
use conduit_tests::{Gateway, Upstream, resolver};
use http::StatusCode;

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_visible_at_once_1000_times() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    let client = gateway.client();
    for index in 0..1000 {
        let name = format!("web-{index}");
        gateway.register(&name, &[&upstream.host()]).await.expect("registered");
        let host = format!("{name}.internal");
        let addresses = resolver::addresses(gateway.dns, &host).await;
        assert_eq!(addresses, Some(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]), "{host}");
        let (status, body) = client.get_text(&host, "/").await.expect("served");
        assert_eq!((status, body.as_str()), (StatusCode::OK, "hello from web"), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_says_what_was_tried_through_our_own_listeners() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    let end = tokio::time::Instant::now() + conduit_tests::gateway::PATIENCE;
    loop {
        let list = gateway.api.services(false).await.expect("listed").value.services;
        let checks = list[0].checks.clone();
        if let (Some(dns), Some(tls)) = (checks.dns, checks.tls) {
            assert!(dns.ok && tls.ok, "{dns:?} {tls:?}");
            return;
        }
        assert!(tokio::time::Instant::now() < end, "nothing was tried");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deregistration_reverses_everything() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    gateway.api.deregister("web").await.expect("deregistered");
    assert_eq!(resolver::addresses(gateway.dns, "web.internal").await, None);
    assert!(gateway.client().get("web.internal", "/").await.is_err());
    let all = gateway.api.services(true).await.expect("listed").value.services;
    let row = all.iter().find(|s| s.name == "web").expect("the row stays");
    assert_eq!(row.status.as_str(), "inactive");
    assert!(row.deregistered_at.is_some());
    gateway.register("web", &[&upstream.host()]).await.expect("registered again");
    assert!(gateway.client().get("web.internal", "/").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_registration_leaves_no_trace() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    let generation = gateway.api.status().await.expect("status").value.generation;
    let entries = gateway.api.verify_audit().await.expect("verified").value.entries;
    let attempts: [(&str, &str, RegisterService); 6] = [
        ("taken name", "name_taken", service("web", "127.0.0.1:1", |_| {})),
        (
            "taken host",
            "host_taken",
            service("other", "127.0.0.1:1", |s| s.aliases = vec!["web.internal".into()]),
        ),
        (
            "foreign domain",
            "invalid_domain",
            service("other", "127.0.0.1:1", |s| s.domain = Some("example.com".into())),
        ),
        ("metadata", "upstream_refused", service("other", "169.254.169.254:80", |_| {})),
        ("ourselves", "upstream_refused", service("other", "web.internal:80", |_| {})),
        ("reserved", "invalid_name", service("dns", "127.0.0.1:1", |_| {})),
    ];
    for (what, code, attempt) in attempts {
        let error = gateway.api.register(&attempt).await.expect_err(what);
        assert_eq!(error.code(), Some(code), "{what}: {error}");
        assert_eq!(resolver::addresses(gateway.dns, "other.internal").await, None, "{what}");
        assert!(gateway.client().get("other.internal", "/").await.is_err(), "{what}");
    }
    assert_eq!(gateway.api.status().await.expect("status").value.generation, generation);
    assert_eq!(gateway.api.verify_audit().await.expect("verified").value.entries, entries);
    assert!(gateway.client().get("web.internal", "/").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_registration_again_makes_no_generation() {
    let gateway = Gateway::start().await;
    let first = gateway.register("web", &["127.0.0.1:9"]).await.expect("registered");
    let again = gateway.register("web", &["127.0.0.1:9"]).await.expect("still registered");
    assert!(first.changed && !again.changed);
    assert_eq!(first.generation, again.generation);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_services_host_on_this_connection_is_misdirected() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    gateway.register("other", &[&upstream.host()]).await.expect("registered");
    let request = http::Request::get("/").header("host", "other.internal").body(Default::default());
    let response =
        gateway.client().send("web.internal", request.expect("request")).await.expect("answered");
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
}

fn service(name: &str, upstream: &str, more: impl FnOnce(&mut RegisterService)) -> RegisterService {
    let upstreams = vec![upstream.to_owned()];
    let mut service =
        RegisterService { name: name.into(), upstreams, ..RegisterService::default() };
    more(&mut service);
    service
}
