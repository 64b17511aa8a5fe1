//! What certificates of upstreams are judged with.
//!
//! **Invariant:** one configuration per policy, made when it is first needed and never per
//! connection; each has a memory of its own for sessions that can be resumed, since a resumed
//! session is not judged again.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use conduit_core::policy::UpstreamTls;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use super::transport::Transport;
use super::verify::Unverified;
use super::{ConnectError, Versions};

/// The roots, and the configurations that all upstreams of one policy share.
#[derive(Debug, Default)]
pub(super) struct Trust {
    bundle_pem: Option<Bytes>,
    verify: OnceLock<Configs>,
    insecure: OnceLock<Configs>,
}

/// The configurations of one policy.
#[derive(Debug, Clone)]
pub(super) struct Configs {
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

impl Trust {
    pub(super) fn new(bundle_pem: Option<Bytes>) -> Self {
        Self { bundle_pem, ..Self::default() }
    }

    /// What to connect with.
    pub(super) async fn config(
        &self,
        transport: &Transport,
        versions: Versions,
    ) -> Result<Arc<ClientConfig>, ConnectError> {
        let configs = match transport.configs().get() {
            Some(configs) => configs,
            None => {
                let made = self.make(transport.judged()).await?;
                transport.configs().get_or_init(|| made)
            }
        };
        Ok(Arc::clone(match versions {
            Versions::Any => &configs.any,
            Versions::Http1 => &configs.http1,
        }))
    }

    async fn make(&self, judged: &UpstreamTls) -> Result<Configs, ConnectError> {
        match judged {
            UpstreamTls::Verify => {
                if let Some(configs) = self.verify.get() {
                    return Ok(configs.clone());
                }
                let bundle = self.bundle_pem.clone();
                // Reads a hundred files or one large one, which is not for a worker's thread.
                let made = tokio::task::spawn_blocking(move || verifying(bundle.as_deref()));
                let made = made.await.map_err(|_| unusable("the roots could not be read"))??;
                Ok(self.verify.get_or_init(|| made).clone())
            }
            UpstreamTls::Insecure => {
                if let Some(configs) = self.insecure.get() {
                    return Ok(configs.clone());
                }
                let made = unverified(None, SESSIONS_MAX)?;
                Ok(self.insecure.get_or_init(|| made).clone())
            }
            UpstreamTls::Pinned(fingerprint) => unverified(Some(*fingerprint), SESSIONS_PINNED_MAX),
        }
    }
}

/// Judges by the system's roots and a bundle.
fn verifying(bundle_pem: Option<&[u8]>) -> Result<Configs, ConnectError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some of the system's roots could not be read");
    }
    roots.add_parsable_certificates(native.certs);
    let ours = CertificateDer::pem_slice_iter(bundle_pem.unwrap_or_default());
    roots.add_parsable_certificates(ours.filter_map(Result::ok));
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| unusable(&error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Configs::of(config, SESSIONS_MAX))
}

/// Judges by a fingerprint, or not at all.
fn unverified(pin: Option<[u8; 32]>, sessions: usize) -> Result<Configs, ConnectError> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(Unverified::new(&provider, pin));
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| unusable(&error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Configs::of(config, sessions))
}

impl Configs {
    fn of(mut config: ClientConfig, sessions: usize) -> Self {
        config.resumption = Resumption::in_memory_sessions(sessions);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { any: Arc::new(config), http1 }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn unusable(reason: &str) -> ConnectError {
    ConnectError::Tls(format!("TLS cannot be set up: {reason}"))
}

/// Names whose sessions can be resumed, per policy.
const SESSIONS_MAX: usize = 256;
/// The same for a policy that is about one certificate.
const SESSIONS_PINNED_MAX: usize = 8;
