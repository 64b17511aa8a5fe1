//! How what we call ourselves is judged over TLS: by the system's roots and by our own.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A client that trusts the system's roots and those of `bundle_pem`.
pub(crate) fn client(bundle_pem: Option<&str>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // What is unreadable among the system's roots vouches for nobody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let ours = CertificateDer::pem_slice_iter(bundle_pem.unwrap_or_default().as_bytes());
    roots.add_parsable_certificates(ours.filter_map(Result::ok));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
