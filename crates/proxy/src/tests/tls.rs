//! With TLS in front: ALPN, HTTP/2, and whose name a connection is for.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use conduit_core::leaf::{Algorithm, LeafPair};
use conduit_core::live;
use conduit_core::policy::{Policy, Sticky};
use conduit_core::service::Service;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use super::harness::{Gateway, Upstream, Wire, get};
use crate::fixture::{self, Leaves, tls_service};
use crate::limits::Limits;
use crate::limits::hits::Limit;
use crate::sni::SniResolver;
use crate::table::RouteTable;

#[test]
fn http1_over_tls_reaches_the_upstream() {
    let upstream = Upstream::mirror();
    let site = Site::start(&[("web", &upstream.text())]);
    let (head, seen) = site.wire("web.internal").ask(&get("web.internal", "/a"));
    assert_eq!(head.status(), 200);
    assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
    site.gateway.stop();
}

#[test]
fn the_cookie_that_keeps_a_client_goes_over_tls_only() {
    let upstream = Upstream::mirror();
    let mut service = tls_service("web", &[&upstream.text()]);
    let sticky = Some(Sticky { cookie: "stick".parse().expect("a name") });
    service.policy = Arc::new(Policy { sticky, ..Policy::default() });
    let site = Site::of(vec![service]);
    let (head, _) = site.wire("web.internal").ask(&get("web.internal", "/"));
    let set = head.field("set-cookie").expect("a cookie");
    assert!(set.starts_with("stick=") && set.ends_with("; Secure"), "{set}");
    site.gateway.stop();
}

#[test]
fn a_connection_serves_only_the_service_it_was_opened_for() {
    let upstream = Upstream::mirror();
    let at = upstream.text();
    let site = Site::start(&[("web", &at), ("other", &at)]);
    let mut wire = site.wire("web.internal");
    for host in ["other.internal", "nobody.internal"] {
        let (head, _) = wire.ask(&get(host, "/"));
        assert_eq!(head.status(), 421, "{host}");
        assert_eq!(head.field("conduit-error"), Some("misdirected"));
    }
    assert_eq!(wire.ask(&get("WEB.internal", "/")).0.status(), 200);
    site.gateway.stop();
}

#[test]
fn an_unknown_name_ends_the_handshake() {
    let site = Site::start(&[]);
    let mut wire = site.wire("nobody.internal");
    wire.send(&get("nobody.internal", "/"));
    assert!(wire.head().is_none());
    site.gateway.stop();
}

#[test]
fn http2_in_front_becomes_http1_behind() {
    let upstream = Upstream::raw(|mut wire| {
        while let Some(head) = wire.head() {
            let length = head.field("content-length").map(|n| n.parse().expect("number"));
            let body = match length {
                Some(length) => wire.exactly(length),
                None if head.field("transfer-encoding").is_some() => wire.until("0\r\n\r\n"),
                None => String::new(),
            };
            wire.send(&super::harness::ok(&format!("{}{body}", head.0)));
        }
    });
    let site = Site::start(&[("web", &upstream.text())]);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sender = site.http2("web.internal").await;
        let post = Request::post("https://web.internal/up?x=1")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(b"hello")))
            .expect("a request");
        let response = sender.send_request(post).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let seen = response.into_body().collect().await.expect("a body");
        let seen = String::from_utf8(seen.to_bytes().to_vec()).expect("text");
        assert!(seen.starts_with("POST /up?x=1 HTTP/1.1\r\n"), "{seen}");
        assert!(seen.ends_with("\r\n\r\nhello"), "{seen}");
        assert_eq!(seen.matches("\r\nhost: web.internal\r\n").count(), 1, "{seen}");
        assert!(seen.contains("cookie: a=1; b=2\r\n"), "{seen}");
        assert!(seen.contains("content-length: 5\r\n"), "{seen}");
        assert!(seen.contains("connection: te\r\n"), "{seen}");
        for _ in 0..3 {
            let get =
                Request::get("https://web.internal/").body(Full::default()).expect("a request");
            let response = sender.send_request(get).await.expect("an answer");
            assert_eq!(response.status(), StatusCode::OK);
            response.into_body().collect().await.expect("a body");
        }
        let other =
            Request::get("https://other.internal/").body(Full::default()).expect("a request");
        let response = sender.send_request(other).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    });
    assert_eq!(upstream.connections(), 1);
    // The client's connection ends with its runtime.
    drop(runtime);
    site.gateway.stop();
}

#[test]
fn a_head_that_is_too_large_for_http2_is_refused_and_costs_only_itself() {
    let upstream = Upstream::mirror();
    let site = Site::start(&[("web", &upstream.text())]);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sender = site.http2("web.internal").await;
        let lines = |count: usize, bytes: usize| {
            let mut request = Request::get("https://web.internal/");
            for line in 0..count {
                request = request.header(format!("x-filler-{line}"), "a".repeat(bytes));
            }
            request.body(Full::default()).expect("a request")
        };
        for (count, bytes) in [(1, 70_000), (350, 200)] {
            let response = sender.send_request(lines(count, bytes)).await.expect("an answer");
            let status = response.status();
            assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{count} × {bytes}");
        }
        let response = sender.send_request(lines(1, 10)).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "the connection lives on");
        // Heads that never end are an attack (CVE-2024-27316), so these end the connection.
        let error = sender.send_request(lines(4, 50_000)).await.expect_err("no answer");
        assert!(format!("{error:?}").contains("ENHANCE_YOUR_CALM"), "{error:?}");
    });
    // By now the worker has seen that connection off.
    assert_eq!(site.wire("web.internal").ask(&get("web.internal", "/")).0.status(), 200);
    let hits = |limit| site.gateway.metrics.hits().of(limit);
    assert_eq!((hits(Limit::H2Continuation), hits(Limit::HeadSize)), (1, 0));
    drop(runtime);
    site.gateway.stop();
}

/// A connection with TLS.
pub(super) type TlsWire = Wire<StreamOwned<ClientConnection, TcpStream>>;

/// A gateway with certificates, and clients that believe in them.
pub(super) struct Site {
    pub(super) gateway: Gateway,
    root: CertificateDer<'static>,
}

impl Site {
    pub(super) fn start(services: &[(&str, &str)]) -> Self {
        let services = services.iter().map(|(name, upstream)| tls_service(name, &[upstream]));
        Self::serving(services.collect(), &[])
    }

    /// Serves these, each with a leaf.
    pub(super) fn of(services: Vec<Service>) -> Self {
        Self::serving(services, &[])
    }

    /// The same, with proxies in front that are trusted.
    pub(super) fn serving(services: Vec<Service>, trusted: &[&str]) -> Self {
        Self::limited(services, trusted, Limits::default())
    }

    /// The same, with these limits.
    pub(super) fn limited(services: Vec<Service>, trusted: &[&str], limits: Limits) -> Self {
        Self::with(services, |table| {
            Gateway::behind(trusted, table, |reader| Some(server(reader)), limits)
        })
    }

    /// The same over HTTP/3 as well, by so many workers.
    pub(super) fn over_http3(services: Vec<Service>, workers: usize, limits: Limits) -> Self {
        Self::with(services, |table| {
            Gateway::with_http3(workers, table, |reader| Some(server(reader)), limits)
        })
    }

    fn with(services: Vec<Service>, start: impl FnOnce(RouteTable) -> Gateway) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a root");
        let mut leaves = Leaves(HashMap::new());
        for service in &services {
            let names = service.hosts.iter().map(ToString::to_string);
            let key = key();
            let leaf = CertificateParams::new(names.collect::<Vec<_>>())
                .expect("names")
                .signed_by(&key, &issuer)
                .expect("a leaf");
            let leaf =
                fixture::leaf(Algorithm::EcdsaP256, leaf.der().to_vec(), key.serialize_der());
            let pair = LeafPair { ed25519: leaf.clone(), ecdsa_p256: leaf };
            leaves.insert(&service.name, pair);
        }
        let table = fixture::compiler()
            .compile(&fixture::catalog(services), &leaves, fixture::version(1), None)
            .expect("a table");
        Self { gateway: start(table), root: issuer.der().clone() }
    }

    pub(super) fn client(&self, alpn: &[u8]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        // Both places of the pair hold a P-256 leaf, which every client takes.
        let provider = aws_lc_rs::default_provider();
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }

    pub(super) fn wire(&self, name: &str) -> TlsWire {
        self.wire_for(b"http/1.1", name)
    }

    /// For bytes of any protocol.
    pub(super) fn wire_for(&self, alpn: &[u8], name: &str) -> TlsWire {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let session = ClientConnection::new(self.client(alpn), name).expect("a session");
        let tcp = Wire::connect(self.gateway.https.expect("TLS")).stream;
        Wire::over(StreamOwned::new(session, tcp))
    }

    pub(super) async fn http2(&self, name: &str) -> http2::SendRequest<Full<Bytes>> {
        self.http2_with(name).await
    }

    /// For requests with any body.
    pub(super) async fn http2_with<B>(&self, name: &str) -> http2::SendRequest<B>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let tcp = tokio::net::TcpStream::connect(self.gateway.https.expect("TLS"))
            .await
            .expect("connects");
        let tls = tokio_rustls::TlsConnector::from(self.client(b"h2"))
            .connect(name, tcp)
            .await
            .expect("a handshake");
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("HTTP/2");
        let tasks = conduit_core::tasks::Tasks::new(tokio_util::sync::CancellationToken::new());
        tasks.job("client", async move {
            connection.await.ok();
        });
        sender
    }
}

pub(super) fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn server(reader: &live::Reader<RouteTable>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SniResolver::new(reader.clone())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
