//! The leaves that are served, by service.
//!
//! **Invariant:** what is in here is in the database too; leaves that were issued but not yet
//! committed stay in the [`Issued`] that overlays this set.

use std::collections::HashMap;
use std::sync::Arc;

use conduit_core::leaf::LeafPair;
use conduit_core::name::ServiceName;
use conduit_proxy::compile::LeafSource;
use conduit_proxy::sni::RouteLeaves;
use conduit_tls::authority::Authority;

/// Committed leaves by service.
#[derive(Debug, Default)]
pub(crate) struct LeafSet(HashMap<ServiceName, Arc<RouteLeaves>>);

impl LeafSet {
    /// Takes over what was issued.
    pub(crate) fn absorb(&mut self, issued: Issued) {
        self.0.extend(issued.0);
    }

    /// Forgets the leaves of a service that is no more.
    pub(crate) fn forget(&mut self, service: &ServiceName) {
        self.0.remove(service);
    }

    /// The leaves of a service.
    pub(crate) fn get(&self, service: &ServiceName) -> Option<&Arc<RouteLeaves>> {
        self.0.get(service)
    }
}

/// Leaves that are not committed yet.
#[derive(Debug, Default)]
pub(crate) struct Issued(HashMap<ServiceName, Arc<RouteLeaves>>);

impl Issued {
    /// Makes pairs ready to be served: each leaf with what follows it in the handshake.
    ///
    /// Pairs of an issuer that this authority does not know are left out; they are issued anew.
    pub(crate) fn new(
        authority: &Authority,
        pairs: impl IntoIterator<Item = (ServiceName, LeafPair)>,
    ) -> Self {
        let ready = |(name, pair): (ServiceName, LeafPair)| {
            let ed25519 = authority.chain(&pair.ed25519.issuer)?;
            let ecdsa_p256 = authority.chain(&pair.ecdsa_p256.issuer)?;
            let renew_at = conduit_tls::renew::at(&name, &pair);
            let leaves = RouteLeaves::new(pair, renew_at, ed25519, ecdsa_p256);
            Some((name, Arc::new(leaves)))
        };
        Self(pairs.into_iter().filter_map(ready).collect())
    }
}

/// Leaves as they will be: what was issued over what is committed.
#[derive(Debug)]
pub(crate) struct Overlay<'a> {
    /// Not committed yet.
    pub(crate) issued: &'a Issued,
    /// Committed.
    pub(crate) committed: &'a LeafSet,
}

impl LeafSource for Overlay<'_> {
    fn leaves(&self, service: &ServiceName) -> Option<Arc<RouteLeaves>> {
        self.issued.0.get(service).or_else(|| self.committed.get(service)).cloned()
    }
}
