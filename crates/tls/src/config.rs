//! How we speak TLS: version, groups, suites, protocols.
//!
//! **Invariant:** TLS 1.3 only, and the one crypto provider, passed explicitly and never taken
//! from a process-wide default.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer, cipher_suite, kx_group};
use rustls::server::ResolvesServerCert;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::error::TlsError;
use crate::trust;

/// The HTTPS listener's configuration.
///
/// # Errors
/// When rustls refuses it, or no ticket key can be made.
pub fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Configure)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = ALPN.iter().map(|protocol| protocol.to_vec()).collect();
    // Phones prefer ChaCha20; the site's policy is AES-256.
    config.ignore_client_order = true;
    config.ticketer = Ticketer::new().map_err(TlsError::Configure)?;
    config.send_tls13_tickets = TICKETS_PER_HANDSHAKE;
    Ok(config)
}

/// A client that trusts what a PEM bundle holds and nothing else: for checking our own listeners.
///
/// # Errors
/// When the bundle holds no usable certificate.
pub fn client_config(bundle_pem: &str) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in trust::certificates(bundle_pem)? {
        roots.add(certificate).map_err(TlsError::Configure)?;
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Configure)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// aws-lc-rs, with our groups and suites in our order.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    })
}

const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// A resumed connection brings the next ticket; a second one is mostly thrown away.
const TICKETS_PER_HANDSHAKE: usize = 1;
