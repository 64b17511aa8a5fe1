//! Real handshakes, in memory, with clients that trust one root only.

use std::sync::Arc;

use conduit_core::leaf::{Algorithm, Leaf};
use conduit_tls::authority::Authority;
use conduit_tls::config::{client_config, provider, server_config};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection,
};

use crate::site::{Site, issue};

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn certified(authority: &Authority, leaf: &Leaf) -> Arc<CertifiedKey> {
    let mut chain = vec![CertificateDer::from(leaf.certificate_der.to_vec())];
    chain.extend_from_slice(&authority.chain(&leaf.issuer).expect("known issuer"));
    let key = PrivatePkcs8KeyDer::from(leaf.key.as_pkcs8().to_vec());
    let key = CertifiedKey::from_der(chain, key.into(), &provider()).expect("key fits");
    Arc::new(key)
}

fn serve(authority: &Authority, leaf: &Leaf) -> Arc<ServerConfig> {
    let resolver = Arc::new(Always(certified(authority, leaf)));
    Arc::new(server_config(resolver).expect("configured"))
}

/// Runs a handshake to its end, and a little traffic for the tickets.
fn shake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &'static str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name).expect("a name");
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("to memory");
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).expect("from memory");
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("to memory");
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).expect("from memory");
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

#[test]
fn either_root_alone_is_enough_for_both_chains() {
    let (_site, authority) = Site::with_authority();
    let pair = issue(&authority, &["web.internal"]);
    let both = authority.bundle_pem();
    let [p256, ed25519] = authority.roots() else {
        panic!("two roots");
    };
    for (leaf, bundle, trusted) in [
        (&pair.ecdsa_p256, p256.pem.as_str(), true),
        (&pair.ecdsa_p256, both, true),
        (&pair.ed25519, p256.pem.as_str(), true),
        (&pair.ed25519, ed25519.pem.as_str(), true),
        (&pair.ed25519, both, true),
        // Who trusts only the Ed25519 root offers Ed25519, and never gets the P-256 leaf.
        (&pair.ecdsa_p256, ed25519.pem.as_str(), false),
    ] {
        let client = Arc::new(client_config(bundle).expect("configured"));
        let result = shake(&client, &serve(&authority, leaf), "web.internal");
        assert_eq!(result.is_ok(), trusted, "{}", leaf.algorithm);
    }
}

#[test]
fn the_site_policy_is_what_is_negotiated() {
    let (_site, authority) = Site::with_authority();
    let server = serve(&authority, &issue(&authority, &["web.internal"]).ecdsa_p256);
    // A client that would rather have ChaCha20 and HTTP/1.1.
    let mut preferring = (*provider()).clone();
    preferring.cipher_suites.reverse();
    let mut client = ClientConfig::builder_with_provider(Arc::new(preferring))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("versions")
        .with_webpki_verifier(verifier(&authority))
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let client = Arc::new(client);

    let (first, _) = shake(&client, &server, "web.internal").expect("handshake");
    assert_eq!(first.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(first.alpn_protocol(), Some(&b"h2"[..]));
    let suite = first.negotiated_cipher_suite().expect("agreed").suite();
    assert_eq!(suite, rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
    let group = first.negotiated_key_exchange_group().expect("agreed").name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));

    let (second, _) = shake(&client, &server, "web.internal").expect("handshake");
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn strangers_and_wrong_names_are_not_trusted() {
    let (_site, authority) = Site::with_authority();
    let (_elsewhere, stranger) = Site::with_authority();
    let leaf = issue(&authority, &["web.internal"]).ecdsa_p256;
    let server = serve(&authority, &leaf);
    let theirs = Arc::new(client_config(stranger.bundle_pem()).expect("configured"));
    assert!(shake(&theirs, &server, "web.internal").is_err());
    let ours = Arc::new(client_config(authority.bundle_pem()).expect("configured"));
    assert!(shake(&ours, &server, "other.internal").is_err());
    assert!(client_config("no PEM at all").is_err());
}

#[test]
fn a_stolen_intermediate_cannot_speak_for_the_internet() {
    let (site, authority) = Site::with_authority();
    for (stem, algorithm) in [("p256", Algorithm::EcdsaP256), ("ed25519", Algorithm::Ed25519)] {
        let mut leaf = issue(&authority, &["web.internal"]).ecdsa_p256;
        let (der, key) = super::openssl::forge(&site, stem, "bank.example");
        leaf.certificate_der = der.into();
        leaf.key = conduit_core::leaf::PrivateKey::from_pkcs8(key);
        leaf.issuer = authority
            .intermediates()
            .iter()
            .find(|i| i.algorithm == algorithm)
            .expect("there")
            .fingerprint;
        let client = Arc::new(client_config(authority.bundle_pem()).expect("configured"));
        let server = serve(&authority, &leaf);
        let error = shake(&client, &server, "bank.example").expect_err("constrained");
        assert!(format!("{error:?}").contains("NameConstraint"), "{error:?}");
    }
}

fn verifier(authority: &Authority) -> Arc<rustls::client::WebPkiServerVerifier> {
    let mut roots = rustls::RootCertStore::empty();
    for root in conduit_tls::trust::certificates(authority.bundle_pem()).expect("PEM") {
        roots.add(root).expect("a root");
    }
    rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .expect("a verifier")
}
