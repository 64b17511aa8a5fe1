//! Signing leaves: one intermediate with its key, read once.
//!
//! **Invariant:** a leaf has a fresh key, exactly the hosts asked for, and no validity beyond its
//! intermediate's.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::certificate::{Issuance, IssuedKind, KeySource, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::{Algorithm, Fingerprint, Leaf, PrivateKey};
use conduit_core::name::Host;
use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;

use crate::error::TlsError;
use crate::inspect;
use crate::profile::{self, Validity};
use crate::request::CertificateRequest;

/// An intermediate that signs; it may be used from several threads at once.
pub(crate) struct Issuer {
    algorithm: Algorithm,
    signer: rcgen::Issuer<'static, KeyPair>,
    fingerprint: Fingerprint,
    validity: Validity,
}

impl Issuer {
    /// Takes a certificate and its key, which the caller has compared.
    pub(crate) fn new(
        algorithm: Algorithm,
        certificate: &CertificateDer<'_>,
        key: KeyPair,
        validity: Validity,
    ) -> Result<Self, TlsError> {
        let signer = rcgen::Issuer::from_ca_cert_der(certificate, key)
            .map_err(|_| TlsError::ParseCertificate("it cannot be used to sign"))?;
        Ok(Self { algorithm, signer, fingerprint: inspect::fingerprint(certificate), validity })
    }

    /// Signs a leaf. Whether the hosts are permitted is the caller's to ask.
    pub(crate) fn issue(
        &self,
        hosts: &[Host],
        length: Duration,
        now: Timestamp,
    ) -> Result<Leaf, TlsError> {
        let validity = self.validity_of(length, now)?;
        let key = profile::generate(self.algorithm)?;
        let certificate = profile::leaf(hosts, validity)?
            .signed_by(&*key, &self.signer)
            .map_err(TlsError::Sign)?;
        let der: Arc<[u8]> = certificate.der().as_ref().into();
        Ok(Leaf {
            algorithm: self.algorithm,
            fingerprint: inspect::fingerprint(&der),
            certificate_der: der,
            key: PrivateKey::from_pkcs8(key.serialized_der().to_vec()),
            issuer: self.fingerprint,
            not_before: validity.not_before,
            not_after: validity.not_after,
        })
    }

    /// Signs a certificate for somebody else to use. Whether its names are permitted is the
    /// caller's to ask.
    pub(crate) fn sign(
        &self,
        wish: &Issuance,
        length: Duration,
        now: Timestamp,
    ) -> Result<Signed, TlsError> {
        let validity = self.validity_of(length, now)?;
        // What a program asks for has no holder beside its names.
        let name = match wish.kind {
            IssuedKind::Acme => wish.hosts.first().map(Host::as_str),
            IssuedKind::Holder | IssuedKind::Service => Some(wish.holder.as_str()),
        };
        let params = profile::issued(wish, name, validity)?;
        let (certificate, key) = match &wish.key {
            KeySource::Generate(algorithm) => {
                let key = profile::generate(*algorithm)?;
                let der = PrivateKey::from_pkcs8(key.serialized_der().to_vec());
                (params.signed_by(&*key, &self.signer), Some(der))
            }
            KeySource::Request(der) => {
                let request = CertificateRequest::parse(der)?;
                (params.signed_by(request.key(), &self.signer), None)
            }
        };
        let certificate = certificate.map_err(TlsError::Sign)?;
        let der: Arc<[u8]> = certificate.der().as_ref().into();
        Ok(Signed {
            fingerprint: inspect::fingerprint(&der),
            certificate_der: der,
            chain: Vec::new(),
            key,
            issuer: self.fingerprint,
            not_before: validity.not_before,
            not_after: validity.not_after,
        })
    }

    fn validity_of(&self, length: Duration, now: Timestamp) -> Result<Validity, TlsError> {
        if length < LEAF_VALIDITY_MIN {
            return Err(TlsError::ValidityTooShort {
                min_minutes: LEAF_VALIDITY_MIN.as_secs() / 60,
            });
        }
        if now < self.validity.not_before {
            return Err(TlsError::ClockBehind { now, from: self.validity.not_before });
        }
        if now >= self.validity.not_after {
            return Err(TlsError::IssuerExpired { at: self.validity.not_after });
        }
        Ok(Validity::starting(now, length).within(self.validity))
    }
}

/// Below this, clocks that differ by minutes would make leaves useless.
const LEAF_VALIDITY_MIN: Duration = Duration::from_secs(10 * 60);
