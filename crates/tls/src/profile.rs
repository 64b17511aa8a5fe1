//! What each kind of certificate says about itself.
//!
//! **Invariant:** every certificate has a random serial and an explicit validity; rcgen's defaults
//! (a serial derived from the key, 1975 to 4096) are never used.

use std::time::Duration;

use conduit_core::certificate::{Issuance, Purpose};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::Algorithm;
use conduit_core::name::Host;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};

use zeroize::Zeroizing;

use crate::error::TlsError;

/// From when until when, in whole seconds, as certificates count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Validity {
    /// Starts a day back, for clients with slow clocks, and ends `length` after `now`.
    ///
    /// A short validity starts back by only half its length: else two thirds of the whole, when a
    /// leaf is renewed, would lie before its birth.
    pub(crate) fn starting(now: Timestamp, length: Duration) -> Self {
        Self {
            not_before: whole(now.minus(BACKDATED_MAX.min(length / 2))),
            not_after: whole(now.plus(length)),
        }
    }

    /// The part of it that lies within `outer`.
    pub(crate) fn within(self, outer: Self) -> Self {
        Self {
            not_before: self.not_before.max(outer.not_before),
            not_after: self.not_after.min(outer.not_after),
        }
    }
}

/// What distinguishes one CA certificate from another.
pub(crate) struct AuthorityProfile<'a> {
    pub(crate) kind: Kind,
    pub(crate) algorithm: Algorithm,
    /// Tells two sites' authorities apart.
    pub(crate) id: &'a str,
    pub(crate) organization: &'a str,
    pub(crate) constraints: &'a NameConstraints,
    pub(crate) validity: Validity,
}

/// Which of the CA certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Root,
    Intermediate,
}

impl AuthorityProfile<'_> {
    pub(crate) fn params(&self) -> Result<CertificateParams, TlsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = self.distinguished_name();
        params.serial_number = Some(serial()?);
        params.not_before = self.validity.not_before.date_time();
        params.not_after = self.validity.not_after.date_time();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(self.path_length()));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(self.constraints.clone());
        params.use_authority_key_identifier_extension = self.kind == Kind::Intermediate;
        Ok(params)
    }

    fn distinguished_name(&self) -> DistinguishedName {
        let kind = match self.kind {
            Kind::Root => "Root",
            Kind::Intermediate => "Intermediate",
        };
        let algorithm = match self.algorithm {
            Algorithm::Ed25519 => "Ed25519",
            Algorithm::EcdsaP256 => "P-256",
        };
        let mut name = DistinguishedName::new();
        if !self.organization.is_empty() {
            name.push(DnType::OrganizationName, self.organization);
        }
        name.push(DnType::CommonName, format!("Conduit {kind} {algorithm} ({})", self.id));
        name
    }

    /// Below the P-256 root: the cross-certificate, an intermediate, the leaf.
    fn path_length(&self) -> u8 {
        match (self.kind, self.algorithm) {
            (Kind::Root, Algorithm::EcdsaP256) => 2,
            (Kind::Root, Algorithm::Ed25519) => 1,
            (Kind::Intermediate, _) => 0,
        }
    }
}

/// The same subject signed by somebody else: what makes a cross-certificate of a root.
pub(crate) fn cross(root: &CertificateParams) -> Result<CertificateParams, TlsError> {
    let mut params = root.clone();
    params.serial_number = Some(serial()?);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A server's certificate for exactly these hosts.
pub(crate) fn leaf(hosts: &[Host], validity: Validity) -> Result<CertificateParams, TlsError> {
    let first = hosts.first().ok_or(TlsError::NoHosts)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if first.as_str().len() <= COMMON_NAME_CHARS_MAX {
        params.distinguished_name.push(DnType::CommonName, first.as_str());
    }
    params.subject_alt_names = hosts
        .iter()
        .map(|host| host.as_str().try_into().map(SanType::DnsName))
        .collect::<Result<_, _>>()
        .map_err(TlsError::Sign)?;
    params.serial_number = Some(serial()?);
    params.not_before = validity.not_before.date_time();
    params.not_after = validity.not_after.date_time();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A certificate for somebody else to use.
pub(crate) fn issued(
    wish: &Issuance,
    subject: Option<&str>,
    validity: Validity,
) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = subject.filter(|name| name.len() <= COMMON_NAME_CHARS_MAX) {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    let hosts = wish.hosts.iter().map(|host| host.as_str().try_into().map(SanType::DnsName));
    let addresses = wish.addresses.iter().map(|address| Ok(SanType::IpAddress(*address)));
    // Mail programs and directories look for people under their addresses.
    let person = (wish.purpose == Purpose::Client && wish.holder.as_str().contains('@'))
        .then(|| wish.holder.as_str().try_into().map(SanType::Rfc822Name));
    params.subject_alt_names =
        hosts.chain(addresses).chain(person).collect::<Result<_, _>>().map_err(TlsError::Sign)?;
    params.serial_number = Some(serial()?);
    params.not_before = validity.not_before.date_time();
    params.not_after = validity.not_after.date_time();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match wish.purpose {
        Purpose::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Purpose::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Purpose::Both => {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        }
    };
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A fresh key, wiped when dropped.
pub(crate) fn generate(algorithm: Algorithm) -> Result<Zeroizing<KeyPair>, TlsError> {
    KeyPair::generate_for(signature(algorithm)).map(Zeroizing::new).map_err(TlsError::GenerateKey)
}

/// rcgen's word for an algorithm.
pub(crate) fn signature(algorithm: Algorithm) -> &'static rcgen::SignatureAlgorithm {
    match algorithm {
        Algorithm::Ed25519 => &rcgen::PKCS_ED25519,
        Algorithm::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
    }
}

/// Eight hexadecimal digits, by which people tell authorities apart.
pub(crate) fn random_id() -> Result<String, TlsError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(TlsError::Random)?;
    Ok(hex::encode(bytes))
}

fn serial() -> Result<SerialNumber, TlsError> {
    let mut bytes = [0; SERIAL_BYTES];
    getrandom::fill(&mut bytes).map_err(TlsError::Random)?;
    // Positive, and never shortened by a leading zero.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.seconds())
}

/// RFC 5280, ub-common-name; longer hosts stand in the SAN alone.
const COMMON_NAME_CHARS_MAX: usize = 64;
/// RFC 5280, 4.1.2.2, allows 20.
const SERIAL_BYTES: usize = 16;
/// How far behind a client's clock may be.
const BACKDATED_MAX: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_validities_are_not_due_at_birth() {
        let now = Timestamp::from_seconds(1_800_000_000);
        for hours in [1, 6, 24, 48, 365 * 24] {
            let length = Duration::from_secs(hours * 3600);
            let validity = Validity::starting(now, length);
            let whole = validity.not_after.since(validity.not_before);
            let renewal = validity.not_before.plus(whole * 2 / 3);
            assert!(renewal >= now.plus(length / 2), "{hours} h");
        }
        let year = Validity::starting(now, Duration::from_secs(365 * 86_400));
        assert_eq!(now.since(year.not_before), BACKDATED_MAX);
    }
}
