//! Reading the authority's files, and judging whether they belong together.
//!
//! **Invariant:** nothing is used that is not signed by what it says, or whose key is another's.

use std::path::{Path, PathBuf};

use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::leaf::Algorithm;
use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::constraints::Permitted;
use crate::error::TlsError;
use crate::files;
use crate::inspect::{self, CertificateDetails};
use crate::layout::Layout;
use crate::profile::{self, Validity};
use crate::trust;

/// A CA certificate and where it lies.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) path: PathBuf,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) details: CertificateDetails,
    pub(crate) permitted: Permitted,
}

impl Stored {
    /// Reads the certificates of a file; there is at least one.
    fn read_all(path: &Path) -> Result<Vec<Self>, TlsError> {
        let malformed = |reason| TlsError::Malformed { path: path.into(), reason };
        let found = trust::certificates(&files::read(path)?)
            .map_err(|_| malformed("holds no certificate in PEM"))?;
        found
            .into_iter()
            .map(|der| {
                let details = inspect::inspect(&der)
                    .map_err(|_| malformed("holds something that is no X.509 certificate"))?;
                if !details.is_authority {
                    return Err(malformed("is not a CA's certificate"));
                }
                let permitted = Permitted::read(&inspect::parse(&der)?)
                    .map_err(|_| malformed("has name constraints that make no sense"))?;
                Ok(Self { path: path.into(), der, details, permitted })
            })
            .collect()
    }

    fn read_one(path: &Path) -> Result<Self, TlsError> {
        let mut all = Self::read_all(path)?;
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(TlsError::Malformed {
                path: path.into(),
                reason: "holds more than one certificate",
            }),
        }
    }

    pub(crate) fn validity(&self) -> Validity {
        Validity { not_before: self.details.not_before, not_after: self.details.not_after }
    }

    fn fits(&self, key: &KeyPair) -> bool {
        inspect::parse(&self.der).is_ok_and(|x509| {
            x509.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
        })
    }

    fn check_signed_by(&self, issuer: &Self) -> Result<(), TlsError> {
        let own = inspect::parse(&self.der)?;
        let theirs = inspect::parse(&issuer.der)?;
        let named = own.issuer().as_raw() == theirs.subject().as_raw();
        if named && own.verify_signature(Some(theirs.public_key())).is_ok() {
            return Ok(());
        }
        Err(TlsError::NotSignedBy { path: self.path.clone(), issuer: issuer.path.clone() })
    }

    fn check_alive(&self, now: Timestamp) -> Result<(), TlsError> {
        if now < self.details.not_after {
            return Ok(());
        }
        Err(TlsError::Expired { path: self.path.clone(), at: self.details.not_after, now })
    }

    fn check_permits(&self, domains: &Domains) -> Result<(), TlsError> {
        match domains.iter().find(|domain| !self.permitted.allows(domain)) {
            None => Ok(()),
            Some(domain) => Err(TlsError::DomainNotPermitted {
                domain: domain.clone(),
                path: self.path.clone(),
                permitted: self.permitted.listed(),
            }),
        }
    }
}

/// A root, checked, with its key.
pub(crate) fn root(
    layout: &Layout,
    algorithm: Algorithm,
    domains: &Domains,
    now: Timestamp,
) -> Result<(Stored, KeyPair), TlsError> {
    let certificate = Stored::read_one(&layout.root(algorithm))?;
    let key_path = layout.root_key(algorithm);
    let key = key(&key_path, algorithm)?;
    if !certificate.fits(&key) {
        return Err(TlsError::KeyMismatch { certificate: certificate.path, key: key_path });
    }
    certificate.check_signed_by(&certificate)?;
    certificate.check_alive(now)?;
    certificate.check_permits(domains)?;
    Ok((certificate, key))
}

/// The certificate that leads from the Ed25519 root to the P-256 root.
pub(crate) fn cross(
    layout: &Layout,
    p256: &Stored,
    ed25519: &Stored,
    domains: &Domains,
    now: Timestamp,
) -> Result<Stored, TlsError> {
    let cross = Stored::read_one(&layout.cross())?;
    cross.check_signed_by(p256)?;
    cross.check_alive(now)?;
    cross.check_permits(domains)?;
    let (own, root) = (inspect::parse(&cross.der)?, inspect::parse(&ed25519.der)?);
    let same_subject = own.subject().as_raw() == root.subject().as_raw();
    if same_subject && own.public_key().raw == root.public_key().raw {
        return Ok(cross);
    }
    Err(TlsError::Malformed {
        path: layout.cross(),
        reason: "does not stand for the Ed25519 root beside it",
    })
}

/// The intermediates of one algorithm.
pub(crate) struct Intermediates {
    pub(crate) current: Stored,
    pub(crate) key: KeyPair,
    /// No longer signing, but not expired: their leaves may still be served.
    pub(crate) retired: Vec<Stored>,
}

/// Reads the intermediate that fits the key, and those it replaced.
pub(crate) fn intermediates(
    layout: &Layout,
    algorithm: Algorithm,
    root: &Stored,
    now: Timestamp,
) -> Result<Intermediates, TlsError> {
    let path = layout.intermediate(algorithm);
    let key_path = layout.intermediate_key(algorithm);
    let mut all = Stored::read_all(&path)?;
    let key = key(&key_path, algorithm)?;
    // One before the fitting certificate was written by a renewal that was cut short.
    let Some(position) = all.iter().position(|stored| stored.fits(&key)) else {
        return Err(TlsError::KeyMismatch { certificate: path, key: key_path });
    };
    all.iter().try_for_each(|stored| stored.check_signed_by(root))?;
    let retired = all
        .split_off(position + 1)
        .into_iter()
        .filter(|stored| now < stored.details.not_after)
        .collect();
    // Invariant: `position` is in range, so the list now ends with it.
    let current = all.swap_remove(position);
    Ok(Intermediates { current, key, retired })
}

fn key(path: &Path, algorithm: Algorithm) -> Result<KeyPair, TlsError> {
    let malformed = |reason| TlsError::Malformed { path: path.into(), reason };
    let text = files::read_private(path)?;
    let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| malformed("holds no private key in PKCS #8 PEM"))?;
    KeyPair::from_pkcs8_der_and_sign_algo(&der, profile::signature(algorithm))
        .map_err(|_| malformed("holds a key of another kind, or a damaged one"))
}
