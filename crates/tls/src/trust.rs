//! The trust bundle: what clients install, and how they compare it.

mod commands;

use conduit_core::leaf::Fingerprint;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub use self::commands::{Instruction, Platform, instructions};
use crate::error::TlsError;

/// The certificates in a PEM text, in order; at least one.
///
/// # Errors
/// When there is none, or the PEM is broken.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::ParseCertificate("its PEM is broken"))?;
    if found.is_empty() {
        Err(TlsError::ParseCertificate("there is none in the PEM"))
    } else {
        Ok(found)
    }
}

/// A fingerprint as browsers and `openssl x509 -fingerprint` show it: `AB:CD:…`.
pub fn with_colons(fingerprint: &Fingerprint) -> String {
    let bytes: Vec<String> = fingerprint.0.iter().map(|b| format!("{b:02X}")).collect();
    bytes.join(":")
}
