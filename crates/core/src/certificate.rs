//! Certificates that are issued for others to use: the words of the inventory, and what is revoked.
//!
//! What the gateway itself serves is a [`crate::leaf::Leaf`]. What is here was given away, or is
//! served no more; the gateway knows of it so that it can be listed and revoked.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::leaf::{Algorithm, Fingerprint, PrivateKey};
use crate::name::Host;
use crate::service::{UnknownWord, words};

/// What a certificate is good for (RFC 5280, 4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Both of the others: for machines that speak to each other.
    Both,
    /// Proving to a server who its client is.
    Client,
    /// Proving to clients who a server is.
    Server,
}

words!(Purpose, "purpose", "server, client, both", "both" => Both, "client" => Client, "server" => Server);

/// Who asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IssuedKind {
    /// A program, over ACME (RFC 8555).
    Acme,
    /// A person, for a machine or a person.
    Holder,
    /// The gateway, for a service; it has been replaced since.
    Service,
}

words!(IssuedKind, "kind of certificate", "holder, acme, service",
    "acme" => Acme, "holder" => Holder, "service" => Service);

/// Why a certificate is not to be believed any more (RFC 5280, 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RevocationReason {
    /// Its holder is somebody else's now.
    AffiliationChanged,
    /// What it was for has ended.
    CessationOfOperation,
    /// Somebody else may have its key.
    KeyCompromise,
    /// Its holder may not do any more what it was for.
    PrivilegeWithdrawn,
    /// Another one is used instead.
    Superseded,
    /// Nobody said.
    #[default]
    Unspecified,
}

words!(RevocationReason, "reason for revoking",
    "key-compromise, superseded, cessation-of-operation, affiliation-changed, privilege-withdrawn, unspecified",
    "affiliation-changed" => AffiliationChanged, "cessation-of-operation" => CessationOfOperation,
    "key-compromise" => KeyCompromise, "privilege-withdrawn" => PrivilegeWithdrawn,
    "superseded" => Superseded, "unspecified" => Unspecified);

impl RevocationReason {
    /// Its number on a list of revoked certificates (RFC 5280, 5.3.1).
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }

    /// The reason with this number, if we know it.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Unspecified,
            1 => Self::KeyCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            9 => Self::PrivilegeWithdrawn,
            _ => return None,
        })
    }
}

/// Whom a certificate is for, as its subject's common name says it: a machine, a person, a host.
///
/// Letters, digits and `. _ @ + : -`, from 1 to 253 characters, beginning with a letter or a
/// digit: it stands in headers and lists without quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(Arc<str>);

impl Holder {
    /// Parses `backup-job`, `alice`, `alice@clinic.example` or `db.internal`.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidHolder> {
        let begins = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@+:-".contains(&b);
        if begins && text.len() <= HOLDER_CHARS_MAX && text.bytes().all(plain) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidHolder(text.chars().take(80).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that cannot be a holder's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be who a certificate is for; use letters, digits and . _ @ + : - (at most \
     {HOLDER_CHARS_MAX}), beginning with a letter or a digit"
)]
pub struct InvalidHolder(String);

/// A wish for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuance {
    /// Whom it is for.
    pub holder: Holder,
    /// Who asks.
    pub kind: IssuedKind,
    /// What it is to be good for.
    pub purpose: Purpose,
    /// The names it is for; a certificate for clients needs none.
    pub hosts: Vec<Host>,
    /// The addresses it is for.
    pub addresses: Vec<IpAddr>,
    /// Whose key it certifies.
    pub key: KeySource,
    /// How long it is to be valid; as long as a leaf when absent.
    pub validity: Option<Duration>,
}

/// Where the key of a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// It is made here, given away once, and kept nowhere.
    Generate(Algorithm),
    /// Its holder has it: a request in DER (PKCS #10, RFC 2986).
    Request(Arc<[u8]>),
}

/// A certificate that was just signed.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The certificate.
    pub certificate_der: Arc<[u8]>,
    /// What follows it in a handshake, in DER.
    pub chain: Vec<Arc<[u8]>>,
    /// Its key, when it was made here.
    pub key: Option<PrivateKey>,
    /// The intermediate that signed it.
    pub issuer: Fingerprint,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

/// A certificate of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Whom it is for; the service's name when it was a leaf.
    pub holder: String,
    /// Who asked.
    pub kind: IssuedKind,
    /// What it is good for.
    pub purpose: Purpose,
    /// The certificate.
    pub certificate_der: Arc<[u8]>,
    /// The intermediate that signed it.
    pub issuer: Fingerprint,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
    /// Valid until.
    pub not_after: Timestamp,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// By whom; empty when that is not known any more.
    pub issued_by: String,
    /// Since when it is not to be believed, and why.
    pub revoked: Option<Revocation>,
}

/// That a certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// The certificates that are not to be believed although they are not expired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked(Arc<[Fingerprint]>);

impl Revoked {
    /// Of these certificates.
    pub fn new(mut fingerprints: Vec<Fingerprint>) -> Self {
        fingerprints.sort_unstable();
        fingerprints.dedup();
        Self(fingerprints.into())
    }

    /// Whether this certificate is among them.
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.0.binary_search(fingerprint).is_ok()
    }

    /// These and some more.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = Fingerprint>) -> Self {
        Self::new(self.0.iter().copied().chain(more).collect())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A host's length, since a holder may be one.
const HOLDER_CHARS_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_stand_in_headers_and_lists_without_quotes() {
        for (text, valid) in [
            ("alice", true),
            ("alice@clinic.example", true),
            ("backup_job-1", true),
            ("fd00::1", true),
            ("", false),
            ("-x", false),
            ("a b", false),
            ("a,b", false),
            ("a\r\nx", false),
            ("é", false),
            ("*.internal", false),
        ] {
            assert_eq!(Holder::parse(text).is_ok(), valid, "{text:?}");
        }
        assert!(Holder::parse(&"a".repeat(253)).is_ok());
        assert!(Holder::parse(&"a".repeat(254)).is_err());
    }

    #[test]
    fn revoked_certificates_are_found() {
        let print = |n: u8| Fingerprint([n; 32]);
        let some = Revoked::new(vec![print(9), print(1)]);
        let more = some.with([print(4), print(1)]);
        assert_eq!((some.len(), more.len()), (2, 3));
        assert!(more.contains(&print(4)) && !some.contains(&print(4)));
    }

    #[test]
    fn reasons_have_the_numbers_of_the_standard() {
        for word in ["unspecified", "key-compromise", "superseded", "privilege-withdrawn"] {
            let reason: RevocationReason = word.parse().expect("known");
            assert_eq!(RevocationReason::from_code(reason.code()), Some(reason), "{word}");
        }
        // 7 is not used, and 8 takes back what was never on hold here.
        assert!(
            RevocationReason::from_code(7).is_none() && RevocationReason::from_code(8).is_none()
        );
    }
}
