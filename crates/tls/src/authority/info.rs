//! What people are shown of the CA's own certificates.

use conduit_core::clock::Timestamp;
use conduit_core::leaf::{Algorithm, Fingerprint};

use crate::inspect::CertificateDetails;
use crate::load::Stored;

/// A root, as shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootInfo {
    /// Of its key.
    pub algorithm: Algorithm,
    /// By which people compare it.
    pub fingerprint: Fingerprint,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// The certificate.
    pub pem: String,
    /// Its name.
    pub subject: String,
}

/// An intermediate, as shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntermediateInfo {
    /// Of its key.
    pub algorithm: Algorithm,
    /// What leaves name as their issuer.
    pub fingerprint: Fingerprint,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// The certificate.
    pub pem: String,
    /// Its name.
    pub subject: String,
    /// Whether it signs; else it was replaced, and only its leaves may still be served.
    pub is_current: bool,
}

impl RootInfo {
    pub(super) fn of(algorithm: Algorithm, details: &CertificateDetails) -> Self {
        Self {
            algorithm,
            fingerprint: details.fingerprint,
            not_before: details.not_before,
            not_after: details.not_after,
            pem: details.pem.clone(),
            subject: details.subject.clone(),
        }
    }
}

impl IntermediateInfo {
    /// Of the intermediates of one algorithm, the current one first.
    pub(super) fn all<'a>(
        algorithm: Algorithm,
        stored: impl Iterator<Item = &'a Stored>,
    ) -> impl Iterator<Item = Self> {
        stored.enumerate().map(move |(index, stored)| {
            let details = &stored.details;
            Self {
                algorithm,
                fingerprint: details.fingerprint,
                not_before: details.not_before,
                not_after: details.not_after,
                pem: details.pem.clone(),
                subject: details.subject.clone(),
                is_current: index == 0,
            }
        })
    }
}
