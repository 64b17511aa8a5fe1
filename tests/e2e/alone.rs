//! Each capability alone (product.md §3.14).

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use conduit_tests::{Gateway, Upstream, resolver};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn dns_alone_answers_with_the_services_own_address() {
    let gateway = Gateway::start_with("[tls]\nenabled = false\n[proxy]\nenabled = false").await;
    gateway.register("web", &["10.0.1.50:3000"]).await.expect("registered");
    let addresses = resolver::addresses(gateway.dns, "web.internal").await;
    assert_eq!(addresses, Some(vec![IpAddr::V4(Ipv4Addr::new(10, 0, 1, 50))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_without_tls_serves_in_the_clear_and_redirects_nothing() {
    let gateway = Gateway::start_with("[tls]\nenabled = false\n[dns]\nenabled = false").await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    assert_eq!(plain(&gateway, "web.internal").await, StatusCode::OK);
    assert_eq!(plain(&gateway, "nobody.internal").await, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_proxy_without_dns_serve_https() {
    let gateway = Gateway::start_with("[dns]\nenabled = false").await;
    let upstream = Upstream::start("web").await;
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    let (status, _) = gateway.client().get_text("web.internal", "/").await.expect("answered");
    assert_eq!(status, StatusCode::OK);
    assert_eq!(plain(&gateway, "web.internal").await, StatusCode::PERMANENT_REDIRECT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_tls_is_answered_directly_or_served_in_the_clear() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start("web").await;
    let no_tls = |s: &mut conduit_api::v1::services::RegisterService| s.tls = Some(false);
    gateway.register_with("direct", &["10.0.1.50:3000"], no_tls).await.expect("registered");
    let addresses = resolver::addresses(gateway.dns, "direct.internal").await;
    assert_eq!(addresses, Some(vec![IpAddr::V4(Ipv4Addr::new(10, 0, 1, 50))]));
    gateway
        .register_with("clear", &[&upstream.host()], |s| {
            s.tls = Some(false);
            s.dns = Some("gateway".into());
        })
        .await
        .expect("registered");
    assert_eq!(plain(&gateway, "clear.internal").await, StatusCode::OK);
    assert!(gateway.client().get("clear.internal", "/").await.is_err());
}

async fn plain(gateway: &Gateway, host: &str) -> StatusCode {
    let stream = TcpStream::connect(gateway.http).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
    conduit_tests::upstream::spawn(async move {
        let _ended = connection.await;
    });
    let request = Request::get("/").header("host", host).body(Empty::<Bytes>::new());
    let response = sender.send_request(request.expect("request")).await.expect("answered");
    response.status()
}
