//! ClientHello → leaf.
//!
//! **Invariant:** one load and one lookup per handshake. An unknown name, no name, and a route that
//! is served in the clear all get no certificate, and so no connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use conduit_core::clock::Timestamp;
use conduit_core::leaf::{Algorithm, Leaf, LeafPair};
use conduit_core::live;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::ProxyError;
use crate::table::RouteTable;

mod ready;

pub(crate) use self::ready::Ready;

/// Chooses the leaf for each handshake from the published table.
#[derive(Debug)]
pub struct SniResolver {
    table: live::Reader<RouteTable>,
    ready: Ready,
}

impl SniResolver {
    /// Resolves from what `table` holds at each handshake.
    pub fn new(table: live::Reader<RouteTable>) -> Self {
        Self { table, ready: Ready::default() }
    }
}

impl ResolvesServerCert for SniResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let leaves = leaves_for(&table, &hello)?;
        leaves.choose(hello.signature_schemes(), &self.ready)
    }
}

/// Serves the gateway's own leaf to whoever comes, whatever name it asks for: for services that
/// clients know by address as well.
#[derive(Debug)]
pub struct OwnResolver {
    table: live::Reader<RouteTable>,
    ready: Ready,
}

impl OwnResolver {
    /// Resolves from what `table` holds at each handshake.
    pub fn new(table: live::Reader<RouteTable>) -> Self {
        Self { table, ready: Ready::default() }
    }
}

impl ResolvesServerCert for OwnResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        table.own_leaves()?.choose(hello.signature_schemes(), &self.ready)
    }
}

/// The leaves of the route that a handshake asks for.
pub(crate) fn leaves_for<'table>(
    table: &'table RouteTable,
    hello: &ClientHello<'_>,
) -> Option<&'table Arc<RouteLeaves>> {
    // rustls has checked the name and folded its case.
    let host = hello.server_name()?;
    table.get(host)?.leaves.as_ref()
}

/// The two leaves of a route, kept as DER; handshakes that need one parse it.
#[derive(Debug)]
pub struct RouteLeaves {
    ed25519: DerLeaf,
    ecdsa_p256: DerLeaf,
    renew_at: Timestamp,
    not_after: Timestamp,
}

impl RouteLeaves {
    /// Takes a pair, when it is due for renewal, and what follows each leaf in the handshake.
    pub fn new(
        pair: LeafPair,
        renew_at: Timestamp,
        ed25519_chain: Arc<[CertificateDer<'static>]>,
        ecdsa_p256_chain: Arc<[CertificateDer<'static>]>,
    ) -> Self {
        Self {
            renew_at,
            not_after: pair.not_after(),
            ed25519: DerLeaf::new(pair.ed25519, ed25519_chain),
            ecdsa_p256: DerLeaf::new(pair.ecdsa_p256, ecdsa_p256_chain),
        }
    }

    /// The leaf for a client that offers these signature schemes: Ed25519 when it is among them,
    /// else P-256. `None` when the leaf cannot be parsed, which is logged once.
    pub(crate) fn choose(
        self: &Arc<Self>,
        schemes: &[SignatureScheme],
        ready: &Ready,
    ) -> Option<Arc<CertifiedKey>> {
        let is_offered = schemes.contains(&SignatureScheme::ED25519);
        let algorithm = if is_offered { Algorithm::Ed25519 } else { Algorithm::EcdsaP256 };
        let leaf = self.of(algorithm);
        if let Some(parsed) = leaf.parsed.load_full() {
            return Some(parsed);
        }
        let parsed = leaf.made_ready()?;
        ready.add(self, algorithm);
        Some(parsed)
    }

    fn of(&self, algorithm: Algorithm) -> &DerLeaf {
        match algorithm {
            Algorithm::Ed25519 => &self.ed25519,
            Algorithm::EcdsaP256 => &self.ecdsa_p256,
        }
    }

    /// The pair itself.
    pub fn pair(&self) -> LeafPair {
        LeafPair { ed25519: self.ed25519.leaf.clone(), ecdsa_p256: self.ecdsa_p256.leaf.clone() }
    }

    /// When the pair is due for renewal.
    pub fn renew_at(&self) -> Timestamp {
        self.renew_at
    }

    /// When the first of the two expires.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

/// One leaf with its chain; the key is parsed at the first handshake, because parsing the keys of
/// 10,000 routes at the start would cost both time and memory.
struct DerLeaf {
    leaf: Leaf,
    chain: Arc<[CertificateDer<'static>]>,
    parsed: ArcSwapOption<CertifiedKey>,
    /// Whether it was told that it cannot be parsed.
    is_told: AtomicBool,
}

impl DerLeaf {
    fn new(leaf: Leaf, chain: Arc<[CertificateDer<'static>]>) -> Self {
        Self { leaf, chain, parsed: ArcSwapOption::empty(), is_told: AtomicBool::new(false) }
    }

    /// Parses it, and keeps that.
    fn made_ready(&self) -> Option<Arc<CertifiedKey>> {
        match self.parse() {
            Ok(key) => {
                let key = Arc::new(key);
                self.parsed.store(Some(Arc::clone(&key)));
                Some(key)
            }
            Err(error) => {
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    let fingerprint = self.leaf.fingerprint;
                    tracing::error!(%fingerprint, %error, "a stored leaf cannot be served");
                }
                None
            }
        }
    }

    /// Lets go of what was parsed; a handshake under way keeps its own.
    fn forget(&self) {
        self.parsed.store(None);
    }

    fn parse(&self) -> Result<CertifiedKey, ProxyError> {
        let key = PrivatePkcs8KeyDer::from(self.leaf.key.as_pkcs8());
        let key = any_supported_type(&PrivateKeyDer::Pkcs8(key))
            .map_err(|source| ProxyError::ParseLeaf { source })?;
        let own = CertificateDer::from(self.leaf.certificate_der.to_vec());
        let chain = std::iter::once(own).chain(self.chain.iter().cloned());
        let certified = CertifiedKey::new(chain.collect(), key);
        match certified.keys_match() {
            Ok(()) => Ok(certified),
            Err(source) => Err(ProxyError::ParseLeaf { source }),
        }
    }
}

impl fmt::Debug for DerLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerLeaf")
            .field("fingerprint", &self.leaf.fingerprint)
            .field("parsed", &self.parsed.load().is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
