//! Names over TLS and over HTTPS: as a client gets them that trusts the gateway's own roots.

use bytes::Bytes;
use conduit_tests::{Client, Gateway, Upstream};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn query(name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(
        Name::from_ascii(format!("{name}.")).expect("valid"),
        RecordType::A,
    ));
    message.to_vec().expect("encodes")
}

fn addresses(reply: &[u8]) -> Vec<String> {
    let message = Message::from_vec(reply).expect("parses");
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

/// Asks over TLS, for a host whose certificate has to be there.
async fn over_tls(gateway: &Gateway, host: &str, name: &str) -> std::io::Result<Vec<String>> {
    let client = Client::new(gateway.dns_tls, &gateway.bundle);
    let mut stream = client.connect(host, &["dot"]).await?;
    let query = query(name);
    stream.write_u16(u16::try_from(query.len()).expect("short")).await?;
    stream.write_all(&query).await?;
    let mut reply = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut reply).await?;
    Ok(addresses(&reply))
}

fn post(query: Vec<u8>) -> Request<Full<Bytes>> {
    Request::post("/dns-query")
        .header("host", "dns.internal")
        .header(header::CONTENT_TYPE, "application/dns-message")
        .body(Full::from(query))
        .expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_there_over_tls_and_https_when_it_is_registered() {
    let upstream = Upstream::start("web").await;
    let gateway = Gateway::start().await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    for host in ["dns.internal", "conduit.internal", "dns.local"] {
        assert_eq!(over_tls(&gateway, host, "web.internal").await.expect("valid"), ["127.0.0.1"]);
    }
    assert!(over_tls(&gateway, "web.internal", "web.internal").await.is_err(), "another's name");
    let response = gateway.client().send("dns.internal", post(query("web.internal"))).await;
    let response = response.expect("valid");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "max-age=30");
    let reply = response.into_body().collect().await.expect("valid").to_bytes();
    assert_eq!(addresses(&reply), ["127.0.0.1"]);
    let path = "/dns-query?dns=AAABAAABAAAAAAAAA3dlYghpbnRlcm5hbAAAAQAB";
    let (status, _) = gateway.client().get_h2("dns.internal", path).await.expect("valid");
    assert_eq!(status, StatusCode::OK);
    // Only there: the other hosts of the gateway lead to its dashboard.
    let (status, _) = gateway.client().get_text("dns.internal", "/").await.expect("valid");
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) =
        gateway.client().get_text("conduit.internal", "/health").await.expect("valid");
    assert_eq!(status, StatusCode::OK);
    let (status, _) = gateway.client().get_text("conduit.internal", path).await.expect("valid");
    assert_ne!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_not_read() {
    let gateway = Gateway::start().await;
    for size in [4097, 100_000] {
        let response =
            gateway.client().send("dns.internal", post(vec![0; size])).await.expect("valid");
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_there_without_the_proxy_and_gone_without_certificates() {
    let gateway = Gateway::start_with("[proxy]\nenabled = false").await;
    assert_eq!(
        over_tls(&gateway, "dns.internal", "dns.internal").await.expect("valid"),
        ["127.0.0.1"]
    );
    let gateway = Gateway::start_with("[tls]\nenabled = false").await;
    assert_eq!(gateway.dns_tls.port(), 1, "nowhere");
}

/// Roots of a gateway in a file of their own.
fn roots(directory: &std::path::Path, gateway: &Gateway) -> String {
    let path = directory.join("roots.pem");
    std::fs::write(&path, &gateway.bundle).expect("written");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_gateway_asks_another_over_tls_and_https() {
    let upstream = Upstream::start("db").await;
    let corp = Gateway::start_with("[gateway]\ndomains = [\"corp.example\"]").await;
    corp.register("db", &[&upstream.host()]).await.expect("registered");
    let directory = tempfile::tempdir().unwrap();
    let ca = roots(directory.path(), &corp);
    let (tls, https) = (corp.dns_tls, corp.https);
    for (to, name, status) in [
        (format!("tls://{tls}#dns.corp.example"), "db.corp.example", "NOERROR"),
        (format!("https://{https}/dns-query#dns.corp.example"), "db.corp.example", "NOERROR"),
        (format!("https://{https}#dns.corp.example"), "nope.corp.example", "NXDOMAIN"),
        // Another name, another path, an address that the certificate is not for.
        (format!("tls://{tls}#db.corp.example"), "db.corp.example", "SERVFAIL"),
        (format!("https://{https}/#dns.corp.example"), "db.corp.example", "SERVFAIL"),
        (format!("tls://{tls}"), "db.corp.example", "SERVFAIL"),
        // Plain DNS answers there as well, and is not asked.
        (format!("tls://{}#dns.corp.example", corp.dns), "db.corp.example", "SERVFAIL"),
    ] {
        let gateway = Gateway::start_with(&format!(
            "[dns]\nforward_ca = {ca:?}\n[[dns.forward]]\ndomains = [\"corp.example\"]\nto = [{to:?}]"
        ))
        .await;
        let reply = gateway.api.resolve(name, "A").await.expect("answered").value;
        assert_eq!(reply.status, status, "{to}");
        let told = gateway.api.dns_cache().await.expect("told").value;
        let [forwarder] = told.forwarders.as_slice() else { panic!("{:?}", told.forwarders) };
        assert!(forwarder.address.starts_with(to.split_once(':').unwrap().0), "{forwarder:?}");
        assert_eq!(forwarder.failures == 0, status != "SERVFAIL", "{to}: {forwarder:?}");
    }
    assert!(corp.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_an_authority_that_is_not_known_is_not_asked() {
    let corp = Gateway::start_with("[gateway]\ndomains = [\"corp.example\"]").await;
    let to = format!("tls://{}#dns.corp.example", corp.dns_tls);
    let gateway = Gateway::start_with(&format!(
        "[[dns.forward]]\ndomains = [\"corp.example\"]\nto = [{to:?}, {:?}]",
        corp.dns.to_string()
    ))
    .await;
    // The second one is plain because it was written so.
    let reply = gateway.api.resolve("dns.corp.example", "A").await.expect("answered").value;
    assert_eq!(reply.status, "NOERROR");
    let told = gateway.api.dns_cache().await.expect("told").value;
    let failures: Vec<bool> = told.forwarders.iter().map(|one| one.failures > 0).collect();
    assert_eq!(failures, [true, false]);
}
