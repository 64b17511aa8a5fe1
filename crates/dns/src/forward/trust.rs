//! What the certificates of forwarders are judged with.
//!
//! **Invariant:** two of them are equal exactly when they judge alike, so that a reload which changes
//! nothing keeps connections and what is cached.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;

/// Roots and everything else of a client's side of TLS; cheap to clone.
#[derive(Clone)]
pub struct Trust {
    dot: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    made_from: Arc<[u8]>,
}

impl Trust {
    /// A client's side; `made_from` is what it was made from, such as the text of its roots.
    pub fn new(config: ClientConfig, made_from: &[u8]) -> Self {
        let speaking = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        Self { dot: speaking(b"dot"), h2: speaking(H2), made_from: made_from.into() }
    }

    /// For DNS over TLS.
    pub(crate) fn dot(&self) -> &Arc<ClientConfig> {
        &self.dot
    }

    /// For DNS over HTTPS.
    pub(crate) fn h2(&self) -> &Arc<ClientConfig> {
        &self.h2
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.made_from == other.made_from
    }
}

impl Eq for Trust {}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

/// RFC 9113 §3.1.
pub(crate) const H2: &[u8] = b"h2";
