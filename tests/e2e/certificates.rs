//! Certificates as a client sees them: which chain, from which root, and after a rotation.

use conduit_tests::{Client, Gateway, Upstream};
use tokio_rustls::client::TlsStream;

#[tokio::test(flavor = "multi_thread")]
async fn either_root_alone_is_enough() {
    let gateway = Gateway::start().await;
    gateway.register("web", &["127.0.0.1:9"]).await.expect("registered");
    let roots: Vec<String> = gateway
        .bundle
        .split_inclusive("-----END CERTIFICATE-----")
        .filter(|part| part.contains("BEGIN"))
        .map(str::to_owned)
        .collect();
    assert_eq!(roots.len(), 2);
    for root in &roots {
        Client::new(gateway.https, root).connect("web.internal", &[]).await.expect("trusted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_refused_in_the_handshake() {
    let gateway = Gateway::start().await;
    gateway.register("web", &["127.0.0.1:9"]).await.expect("registered");
    assert!(gateway.client().connect("nobody.internal", &[]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_served_at_once_and_cuts_nothing() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    let client = gateway.client();
    let mut stream = client.get("web.internal", "/sse").await.expect("stream").into_body();
    upstream.listening().await;
    for name in ["web", "conduit"] {
        let host = format!("{name}.internal");
        let before = leaf(&client.connect(&host, &[]).await.expect("connected"));
        gateway.api.rotate(name).await.expect("rotated");
        // A new client: a session that is resumed would show the old leaf, rightly.
        let after = leaf(&gateway.client().connect(&host, &[]).await.expect("connected"));
        assert_ne!(before, after, "{name}");
    }
    upstream.tell("still here");
    let frame = http_body_util::BodyExt::frame(&mut stream).await.expect("a frame");
    assert_eq!(frame.expect("unbroken").into_data().expect("data"), "data: still here\n\n");
    let entries = gateway.api.audit(10, None).await.expect("entries").value.entries;
    assert_eq!(entries.iter().filter(|entry| entry.action == "cert_rotate").count(), 2);
}

fn leaf<S>(stream: &TlsStream<S>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().expect("a chain")[0].to_vec()
}
