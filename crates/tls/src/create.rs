//! Making an authority: both roots, the cross-certificate, both intermediates.
//!
//! **Invariant:** the marker says "complete" only when every file is on the disk; what an
//! interrupted creation left behind has signed nothing that anybody uses, and is made anew.

use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::leaf::Algorithm;
use rcgen::{Certificate, CertificateParams, KeyPair, SigningKey};
use zeroize::Zeroizing;

use crate::authority::AuthoritySettings;
use crate::constraints;
use crate::error::TlsError;
use crate::files;
use crate::layout::{ALGORITHMS, Layout};
use crate::profile::{self, AuthorityProfile, Kind, Validity};

/// What is in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Complete,
    Empty,
    /// The first creation was cut short.
    Interrupted,
}

/// Looks, without reading any key.
pub(crate) fn standing(layout: &Layout) -> Result<Standing, TlsError> {
    let marker = layout.marker();
    if files::exists(&marker) {
        return match files::read(&marker)?.trim() {
            COMPLETE => Ok(Standing::Complete),
            CREATING => Ok(Standing::Interrupted),
            _ => Err(TlsError::Malformed {
                path: marker,
                reason: "says neither \"complete\" nor \"creating\"",
            }),
        };
    }
    let mut known = layout.indispensable();
    known.push(layout.bundle());
    match known.into_iter().find(|path| files::exists(path)) {
        Some(path) => Err(TlsError::Unmarked { path }),
        None => Ok(Standing::Empty),
    }
}

/// Makes everything but the bundle, which opening writes.
pub(crate) fn create(
    layout: &Layout,
    settings: &AuthoritySettings,
    now: Timestamp,
) -> Result<(), TlsError> {
    files::create_directory(layout.dir())?;
    files::check_directory(layout.dir())?;
    files::write(&layout.marker(), CREATING)?;
    for path in layout.indispensable() {
        files::remove(&path)?;
    }
    let id = profile::random_id()?;
    let [p256, ed25519] = ALGORITHMS.map(|algorithm| Root::generate(algorithm, &id, settings, now));
    let (p256, ed25519) = (p256?, ed25519?);
    let cross = profile::cross(&ed25519.params)?
        .signed_by(&*ed25519.key, &p256.signer())
        .map_err(TlsError::Sign)?;
    files::write(&layout.cross(), &cross.pem())?;
    for root in [&p256, &ed25519] {
        root.write(layout)?;
        let fresh =
            Intermediate::sign(root.algorithm, &root.signer(), root.validity, settings, now)?;
        fresh.write(layout, "")?;
    }
    files::write(&layout.marker(), COMPLETE)
}

struct Root {
    algorithm: Algorithm,
    params: CertificateParams,
    key: Zeroizing<KeyPair>,
    certificate: Certificate,
    validity: Validity,
}

impl Root {
    fn generate(
        algorithm: Algorithm,
        id: &str,
        settings: &AuthoritySettings,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        let validity = Validity::starting(now, ROOT_VALIDITY);
        let params = AuthorityProfile {
            kind: Kind::Root,
            algorithm,
            id,
            organization: &settings.organization,
            constraints: &constraints::of(&settings.domains),
            validity,
        }
        .params()?;
        let key = profile::generate(algorithm)?;
        let certificate = params.self_signed(&*key).map_err(TlsError::Sign)?;
        Ok(Self { algorithm, params, key, certificate, validity })
    }

    fn signer(&self) -> rcgen::Issuer<'_, &KeyPair> {
        rcgen::Issuer::from_params(&self.params, &*self.key)
    }

    fn write(&self, layout: &Layout) -> Result<(), TlsError> {
        files::write(&layout.root(self.algorithm), &self.certificate.pem())?;
        let key = Zeroizing::new(self.key.serialize_pem());
        files::write(&layout.root_key(self.algorithm), &key)
    }
}

/// A new intermediate that no file holds yet.
pub(crate) struct Intermediate {
    algorithm: Algorithm,
    certificate: Certificate,
    key: Zeroizing<KeyPair>,
}

impl Intermediate {
    pub(crate) fn sign(
        algorithm: Algorithm,
        root: &rcgen::Issuer<'_, impl SigningKey>,
        root_validity: Validity,
        settings: &AuthoritySettings,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        let params = AuthorityProfile {
            kind: Kind::Intermediate,
            algorithm,
            id: &profile::random_id()?,
            organization: &settings.organization,
            constraints: &constraints::of(&settings.domains),
            validity: Self::validity(now, root_validity),
        }
        .params()?;
        let key = profile::generate(algorithm)?;
        let certificate = params.signed_by(&*key, root).map_err(TlsError::Sign)?;
        Ok(Self { algorithm, certificate, key })
    }

    /// How long an intermediate made now would be valid.
    pub(crate) fn validity(now: Timestamp, root: Validity) -> Validity {
        Validity::starting(now, INTERMEDIATE_VALIDITY).within(root)
    }

    /// Replaces the files. Certificates first: a reader takes the first that fits the key, so
    /// that a crash between the two writes leaves the old intermediate in use.
    pub(crate) fn write(&self, layout: &Layout, retired_pem: &str) -> Result<(), TlsError> {
        let certificates = format!("{}{retired_pem}", self.certificate.pem());
        files::write(&layout.intermediate(self.algorithm), &certificates)?;
        let key = Zeroizing::new(self.key.serialize_pem());
        files::write(&layout.intermediate_key(self.algorithm), &key)
    }
}

const COMPLETE: &str = "complete";
const CREATING: &str = "creating";
const ROOT_VALIDITY: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Long enough that a leaf of a year always fits, while it is replaced at half of it.
const INTERMEDIATE_VALIDITY: Duration = Duration::from_secs(3 * 365 * 86_400);
