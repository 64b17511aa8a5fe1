//! Real handshakes, in memory: which leaf each client gets.

use conduit_core::leaf::Algorithm;
use conduit_core::name::{Host, ServiceName};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, ServerConnection,
};

use super::*;
use crate::fixture::{self, Leaves, catalog, compiler, version};
use crate::limits::PARSED_MAX;

const ED25519: SignatureScheme = SignatureScheme::ED25519;
const P256: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

#[test]
fn clients_that_offer_ed25519_get_it_and_everybody_else_p256() {
    let site = Site::new();
    let cases = [
        (vec![P256], Algorithm::EcdsaP256),
        (vec![P256, ED25519], Algorithm::Ed25519),
        (vec![ED25519], Algorithm::Ed25519),
    ];
    for (schemes, expected) in cases {
        let served = site.handshake(Some("web.internal"), &schemes).unwrap();
        assert_eq!(served, [site.certificate(expected), site.issuer.clone()], "{schemes:?}");
    }
}

#[test]
fn the_name_is_folded() {
    let site = Site::new();
    assert!(site.handshake(Some("WEB.Internal"), &[P256]).is_ok());
}

#[test]
fn what_is_not_served_here_is_refused_in_the_handshake() {
    let site = Site::new();
    for name in [Some("other.internal"), Some("clear.internal"), Some("broken.internal"), None] {
        let refused = site.handshake(name, &[P256, ED25519]);
        assert!(refused.is_err(), "{name:?}: {refused:?}");
    }
}

#[test]
fn a_leaf_is_parsed_once() {
    let (site, ready) = (Site::new(), Ready::default());
    let table = site.reader.load_full();
    let leaves = table.get("web.internal").unwrap().leaves.clone().unwrap();
    let first = leaves.choose(&[P256], &ready).unwrap();
    assert!(Arc::ptr_eq(&first, &leaves.choose(&[P256], &ready).unwrap()));
    assert!(leaves.ed25519.parsed.load().is_none());
}

#[test]
fn of_parsed_leaves_the_oldest_are_given_up() {
    let (site, ready) = (Site::new(), Ready::default());
    let chain: Arc<[_]> = Arc::new([site.issuer.clone()]);
    let made = || {
        let (pair, chain) = (site.pair.clone(), || Arc::clone(&chain));
        Arc::new(RouteLeaves::new(pair.clone(), pair.renew_at(), chain(), chain()))
    };
    let all: Vec<_> = (0..=PARSED_MAX).map(|_| made()).collect();
    let first = all[0].choose(&[P256], &ready).unwrap();
    for leaves in &all[1..PARSED_MAX] {
        assert!(leaves.choose(&[P256], &ready).is_some());
    }
    assert!(Arc::ptr_eq(&first, &all[0].choose(&[P256], &ready).unwrap()), "it is kept so far");
    assert!(all[PARSED_MAX].choose(&[P256], &ready).is_some());
    let kept = |leaves: &&Arc<RouteLeaves>| leaves.ecdsa_p256.parsed.load().is_some();
    assert_eq!(all.iter().filter(kept).count(), PARSED_MAX);
    assert!(!kept(&&all[0]), "the oldest one went");
    let again = all[0].choose(&[P256], &ready).unwrap();
    assert_eq!(again.cert, first.cert);
}

#[test]
fn a_published_table_serves_the_next_handshake() {
    let mut site = Site::new();
    let empty = Arc::new(RouteTable::default());
    site.writer.publish(empty);
    assert!(site.handshake(Some("web.internal"), &[P256]).is_err());
}

/// A table with a TLS route, a clear one and one whose leaves are broken.
struct Site {
    pair: LeafPair,
    issuer: CertificateDer<'static>,
    writer: live::Writer<RouteTable>,
    reader: live::Reader<RouteTable>,
}

impl Site {
    fn new() -> Self {
        let upstream = &["127.0.0.1:1"];
        let services = vec![
            fixture::tls_service("web", upstream),
            fixture::service("clear", upstream),
            fixture::tls_service("broken", upstream),
        ];
        let mut leaves = Leaves::of(&services);
        let pair = LeafPair {
            ed25519: leaf(Algorithm::Ed25519, &PKCS_ED25519),
            ecdsa_p256: leaf(Algorithm::EcdsaP256, &PKCS_ECDSA_P256_SHA256),
        };
        // Any certificate can stand behind the leaf: nobody verifies it here.
        let issuer = CertificateDer::from(pair.ecdsa_p256.certificate_der.to_vec());
        let chain: Arc<[_]> = Arc::new([issuer.clone()]);
        let web = RouteLeaves::new(pair.clone(), pair.renew_at(), Arc::clone(&chain), chain);
        leaves.0.insert(ServiceName::parse("web").unwrap(), Arc::new(web));
        let table = compiler().compile(&catalog(services), &leaves, version(1), None);
        let (writer, reader) = live::channel(Arc::new(table.unwrap()));
        Self { pair, issuer, writer, reader }
    }

    fn certificate(&self, algorithm: Algorithm) -> CertificateDer<'_> {
        let leaf = match algorithm {
            Algorithm::Ed25519 => &self.pair.ed25519,
            Algorithm::EcdsaP256 => &self.pair.ecdsa_p256,
        };
        CertificateDer::from(&*leaf.certificate_der)
    }

    /// What a client with this name and these schemes is shown, or why there is no connection.
    fn handshake(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
        let resolver = Arc::new(SniResolver::new(self.reader.clone()));
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        let mut server = ServerConnection::new(Arc::new(config))?;
        let mut client = client(name, schemes)?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut &*wire).unwrap();
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut &*wire).unwrap();
            client.process_new_packets()?;
        }
        let shown = client.peer_certificates().unwrap_or_default();
        Ok(shown.iter().cloned().map(CertificateDer::into_owned).collect())
    }
}

fn leaf(algorithm: Algorithm, keys: &'static SignatureAlgorithm) -> Leaf {
    let host = Host::parse("web.internal").unwrap();
    let key = KeyPair::generate_for(keys).unwrap();
    let params = CertificateParams::new(vec![host.as_str().to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fixture::leaf(algorithm, certificate.der().to_vec(), key.serialize_der())
}

fn client(
    name: Option<&str>,
    schemes: &[SignatureScheme],
) -> Result<ClientConnection, rustls::Error> {
    let verifier = Arc::new(AnyCertificate(schemes.to_vec()));
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.enable_sni = name.is_some();
    let name = ServerName::try_from(name.unwrap_or("web.internal").to_owned()).unwrap();
    ClientConnection::new(Arc::new(config), name)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Offers these schemes and takes whatever it is shown.
#[derive(Debug)]
struct AnyCertificate(Vec<SignatureScheme>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let provider = aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
