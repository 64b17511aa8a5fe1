//! Byte streams over TLS: ended here, passed through, and told apart by name.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use conduit_core::policy::{Preset, ProxyHeader};
use conduit_core::service::{Service, TlsMode};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::harness::{Gateway, Upstream, Wire, free_port};
use super::tcp::{asking, dial, echo, stream, until};
use super::tls::{Site, key};
use crate::tcp::postgres::{CANCEL_REQUEST, KERBEROS_REQUEST, TLS_REQUEST};

fn ended(service: Service) -> Service {
    Service { tls: TlsMode::Issued, ..service }
}

fn passed(name: &str, port: u16, upstream: &str) -> Service {
    asking(name, port, &[upstream], |policy| policy.tls_passthrough = Some(true))
}

type Secure = Wire<StreamOwned<ClientConnection, TcpStream>>;

fn over_tls(site: &Site, tcp: TcpStream, name: &str, alpn: &[u8]) -> Secure {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let session = ClientConnection::new(site.client(alpn), name).expect("a session");
    Wire::over(StreamOwned::new(session, tcp))
}

/// Ends TLS itself, with a certificate of its own, and says its name with every byte.
fn secure(name: &str, says: &'static str, postgres: bool) -> Upstream {
    let own = key();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])
        .expect("a name")
        .self_signed(&own)
        .expect("a certificate");
    let chain = vec![certificate.der().clone()];
    let der = PrivateKeyDer::Pkcs8(own.serialize_der().into());
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, der)
        .expect("a certificate");
    let config = Arc::new(config);
    Upstream::raw(move |mut wire| {
        if postgres {
            let mut asked = [0; 8];
            wire.stream.read_exact(&mut asked).expect("a wish");
            assert_eq!(&asked, TLS_REQUEST);
            wire.send("S");
        }
        let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
        let mut tls = StreamOwned::new(session, wire.stream);
        while tls.read(&mut [0; 64]).is_ok_and(|count| count > 0) {
            tls.write_all(says.as_bytes()).expect("said");
        }
    })
}

/// A client that believes every certificate, and shows whose it saw.
fn credulous(tcp: TcpStream, name: Option<&str>) -> (ClientConnection, TcpStream) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        .with_no_client_auth();
    config.enable_sni = name.is_some();
    let name = ServerName::try_from(name.unwrap_or("nobody.internal").to_owned()).expect("a name");
    (ClientConnection::new(Arc::new(config), name).expect("a session"), tcp)
}

#[derive(Debug)]
struct Credulous(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What an upstream says to a client that asks for `name`; `None` when it is refused.
fn hears(port: u16, name: Option<&str>) -> Option<String> {
    let (session, tcp) = credulous(dial(port).stream, name);
    let mut tls = StreamOwned::new(session, tcp);
    tls.write_all(b"?").ok()?;
    let mut said = [0; 64];
    let count = tls.read(&mut said).ok()?;
    Some(String::from_utf8_lossy(&said[..count]).into_owned())
}

fn refused(gateway: &Gateway, reason: &str) -> bool {
    let mut registry = prometheus_client::registry::Registry::default();
    gateway.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
    text.contains(&format!("proxy_tcp_refused_total{{reason=\"{reason}\"}} 1"))
}

#[test]
fn tls_that_is_ended_here_brings_the_plain_bytes_and_says_who_asked() {
    let upstream = Upstream::raw(|mut wire| {
        let mut head = [0; 16];
        wire.stream.read_exact(&mut head).expect("a header");
        let mut rest = vec![0; usize::from(head[15])];
        wire.stream.read_exact(&mut rest).expect("its values");
        let said = wire.exactly(4);
        wire.send(&format!("{} {said}", String::from_utf8_lossy(&rest).contains("db.internal")));
        let told = String::from_utf8_lossy(&rest).into_owned();
        wire.send(&format!(" {} {}", told.contains("TLSv1.3"), told.contains("only-one")));
    });
    let port = free_port();
    let service = ended(asking("db", port, &[&upstream.text()], |policy| {
        policy.upstream.proxy_header = Some(ProxyHeader::V2);
    }));
    let site = Site::of(vec![service]);
    let mut client = over_tls(&site, dial(port).stream, "db.internal", b"only-one");
    client.send("data");
    assert_eq!(client.rest(), "true data true true");
    assert_eq!(client.stream.conn.alpn_protocol(), Some(&b"only-one"[..]));
    drop(client);
    // Not over HTTPS: there it is nobody's.
    let https = TcpStream::connect(site.gateway.https.expect("TLS")).expect("connects");
    let mut client = over_tls(&site, https, "db.internal", b"http/1.1");
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert!(client.head().is_none());
    site.gateway.stop();
}

#[test]
fn services_on_one_port_are_told_apart_by_name() {
    let (port, plain) = (
        free_port(),
        Upstream::raw(|mut wire| {
            while wire.stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {
                wire.send("ended");
            }
        }),
    );
    let through = secure("through.internal", "through", false);
    let site = Site::of(vec![
        ended(stream("here", port, &[&plain.text()])),
        passed("through", port, &through.text()),
    ]);
    assert_eq!(hears(port, Some("here.internal")).as_deref(), Some("ended"));
    assert_eq!(hears(port, Some("through.internal")).as_deref(), Some("through"));
    assert_eq!(hears(port, Some("THROUGH.internal")).as_deref(), Some("through"));
    assert_eq!(hears(port, None).as_deref(), Some("through"), "the only one that may not care");
    assert_eq!(hears(port, Some("nobody.internal")), None);
    until("counted", || refused(&site.gateway, "unknown_name"));
    // No TLS at all.
    let mut client = dial(port);
    client.send("GET / HTTP/1.1\r\nhost: here.internal\r\n\r\n");
    assert_eq!(client.rest(), "");
    until("counted", || refused(&site.gateway, "hello"));
    site.gateway.stop();
}

#[test]
fn whoever_names_nobody_is_refused_when_it_could_be_two() {
    let one = secure("one.internal", "one", false);
    let two = secure("two.internal", "two", false);
    let port = free_port();
    let services = vec![passed("one", port, &one.text()), passed("two", port, &two.text())];
    let gateway = Gateway::http(services);
    assert_eq!(hears(port, Some("two.internal")).as_deref(), Some("two"));
    assert_eq!(hears(port, None), None);
    // The client reads an alert, not just an end.
    let (session, tcp) = credulous(dial(port).stream, Some("three.internal"));
    let mut tls = StreamOwned::new(session, tcp);
    let error = tls.write_all(b"?").expect_err("refused").to_string();
    assert!(error.contains("UnrecognisedName") || error.contains("Unrecogni"), "{error}");
    gateway.stop();
}

fn postgres(service: Service) -> Service {
    let mut policy = (*service.policy).clone();
    policy.preset = Some(Preset::Postgres);
    Service { policy: policy.into(), ..service }
}

#[test]
fn a_cancellation_in_the_clear_reaches_the_only_postgres_of_its_port() {
    let (alone, shared, upstream) = (free_port(), free_port(), echo().text());
    let site = Site::of(vec![
        postgres(ended(stream("db", alone, &[&upstream]))),
        ended(stream("other", alone, &[&upstream])),
        postgres(ended(stream("one", shared, &[&upstream]))),
        postgres(ended(stream("two", shared, &[&upstream]))),
    ]);
    let cancel = [&CANCEL_REQUEST[..], &[0, 0, 0, 7, 1, 2, 3, 4]].concat();
    let mut client = dial(alone).stream;
    // In two pieces, as it may come.
    client.write_all(&cancel[..3]).expect("sent");
    client.write_all(&cancel[3..]).expect("sent");
    let mut said = [0; 16];
    client.read_exact(&mut said).expect("passed on, and echoed");
    assert_eq!(said[..], cancel);
    drop(client);
    for (port, sent) in [(shared, cancel.clone()), (alone, [&cancel[..], b"more"].concat())] {
        let mut client = dial(port);
        client.stream.write_all(&sent).expect("sent");
        assert_eq!(client.rest(), "");
    }
    // The other service of the port is reached as ever.
    let mut client = over_tls(&site, dial(alone).stream, "other.internal", b"x");
    client.send("x");
    assert_eq!(client.exactly(1), "x");
    drop(client);
    site.gateway.stop();
}

#[test]
fn postgres_is_answered_before_the_handshake_and_asks_its_upstream_in_turn() {
    let (port, plain) = (free_port(), echo());
    let through = secure("through.internal", "through", true);
    let site = Site::of(vec![
        postgres(ended(stream("here", port, &[&plain.text()]))),
        postgres(passed("through", port, &through.text())),
    ]);
    let ask = |before: &[(&[u8], u8)]| {
        let mut tcp = dial(port).stream;
        for (wish, answer) in before {
            tcp.write_all(wish).expect("asked");
            let mut said = [0];
            tcp.read_exact(&mut said).expect("answered");
            assert_eq!(said[0], *answer);
        }
        tcp
    };
    let wishes: [&[(&[u8], u8)]; 3] =
        [&[(TLS_REQUEST, b'S')], &[(KERBEROS_REQUEST, b'N'), (TLS_REQUEST, b'S')], &[]];
    for wish in wishes {
        let mut client = over_tls(&site, ask(wish), "here.internal", b"postgresql");
        client.send("x");
        assert_eq!(client.exactly(1), "x");
    }
    let (session, tcp) = credulous(ask(&[(TLS_REQUEST, b'S')]), Some("through.internal"));
    let mut tls = StreamOwned::new(session, tcp);
    tls.write_all(b"?").expect("asked");
    let mut said = [0; 7];
    tls.read_exact(&mut said).expect("said");
    assert_eq!(&said, b"through");
    drop(tls);
    // Bytes that come before our answer were not sent by the client that waits for it.
    let mut hasty = dial(port);
    hasty.stream.write_all(&[&TLS_REQUEST[..], b"\x16\x03\x01"].concat()).expect("sent");
    assert_eq!(hasty.rest(), "");
    site.gateway.stop();
}
