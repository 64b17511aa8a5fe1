//! Certificates with their keys, as they are issued, stored and served.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::service::{UnknownWord, words};

/// The signature algorithm of a key; each has its own root, intermediate and leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8410), for clients that offer it.
    Ed25519,
    /// ECDSA on P-256 with SHA-256, for everybody else.
    EcdsaP256,
}

words!(Algorithm, "key algorithm", "ed25519, ecdsa-p256", "ecdsa-p256" => EcdsaP256, "ed25519" => Ed25519);

/// SHA-256 over a certificate's DER: how people and tools name a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    /// Lower-case hexadecimal without separators.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// A private key in PKCS #8 DER, wiped from memory when the last holder lets go.
#[derive(Clone)]
pub struct PrivateKey(Arc<Zeroizing<Vec<u8>>>);

impl PrivateKey {
    /// Takes the DER of a PKCS #8 key.
    pub fn from_pkcs8(der: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(der)))
    }

    /// The DER.
    pub fn as_pkcs8(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// A certificate that we serve, with its key.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Of its key.
    pub algorithm: Algorithm,
    /// The certificate.
    pub certificate_der: Arc<[u8]>,
    /// Its key.
    pub key: PrivateKey,
    /// The intermediate that signed it.
    pub issuer: Fingerprint,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

/// The two leaves of one service, for the same hosts.
#[derive(Debug, Clone)]
pub struct LeafPair {
    /// For clients that offer Ed25519.
    pub ed25519: Leaf,
    /// For everybody else.
    pub ecdsa_p256: Leaf,
}

impl LeafPair {
    /// Both, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = &Leaf> {
        [&self.ed25519, &self.ecdsa_p256].into_iter()
    }

    /// When the first of them expires.
    pub fn not_after(&self) -> Timestamp {
        self.ed25519.not_after.min(self.ecdsa_p256.not_after)
    }

    /// When they are due for renewal: at two thirds of the shorter validity.
    pub fn renew_at(&self) -> Timestamp {
        self.iter()
            .map(|leaf| leaf.not_before.plus(leaf.not_after.since(leaf.not_before) * 2 / 3))
            .min()
            // Invariant: the iterator has two elements.
            .unwrap_or_else(|| self.not_after())
    }
}
