//! Other people's names: asked where the configuration says, kept, told, and forgotten.

use conduit_tests::{Gateway, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn names_are_asked_where_the_configuration_says() {
    let upstream = Upstream::start("db").await;
    let corp = Gateway::start_with("[gateway]\ndomains = [\"corp.example\"]").await;
    corp.register("db", &[&upstream.host()]).await.expect("registered");
    let gateway = Gateway::start_with(&format!(
        "[[dns.forward]]\ndomains = [\"corp.example\"]\nto = [{:?}]\n\
         [[dns.forward]]\ndomains = [\"old.corp.example\"]\nto = []",
        corp.dns.to_string()
    ))
    .await;
    for (name, status, address) in [
        ("db.corp.example", "NOERROR", Some("127.0.0.1")),
        ("DB.corp.example", "NOERROR", Some("127.0.0.1")),
        ("nope.corp.example", "NXDOMAIN", None),
        ("db.old.corp.example", "NXDOMAIN", None),
        ("db.other.example", "NXDOMAIN", None),
        ("localhost", "NOERROR", Some("127.0.0.1")),
    ] {
        let reply = gateway.api.resolve(name, "A").await.expect("answered").value;
        assert_eq!(reply.status, status, "{name}");
        let first = reply.answers.first().map(|record| record.value.as_str());
        assert_eq!(first, address, "{name}");
    }
    let told = gateway.api.dns_cache().await.expect("told").value;
    // Our own zones say that absence is not kept.
    assert_eq!((told.entries, told.hits, told.misses), (1, 1, 2));
    let [forwarder] = told.forwarders.as_slice() else {
        panic!("{:?}", told.forwarders);
    };
    assert_eq!(forwarder.address, corp.dns.to_string());
    assert_eq!((forwarder.up, forwarder.queries, forwarder.failures), (true, 2, 0));
    assert!(forwarder.latency_ms.is_some());
    // What is kept stays when names are added.
    gateway.register("late", &[&upstream.host()]).await.expect("registered");
    gateway.api.resolve("db.corp.example", "A").await.expect("answered");
    let told = gateway.api.dns_cache().await.expect("told").value;
    assert_eq!((told.entries, told.hits, told.misses), (1, 2, 2));
    for (name, left) in [("other.corp.example", 1), ("db.Corp.example", 0)] {
        gateway.api.flush_dns(Some(name)).await.expect("flushed");
        assert_eq!(gateway.api.dns_cache().await.expect("told").value.entries, left, "{name}");
    }
}
