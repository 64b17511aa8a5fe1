//! TLS that is ended here, for byte streams.
//!
//! **Invariant:** only services of byte streams are found, so a hello on their ports never gets the
//! leaf of a host that is served over HTTPS, and the other way round.

use std::sync::Arc;

use conduit_core::live;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::sni::Ready;
use crate::table::RouteTable;

/// What handshakes are done with: as for HTTPS, but for these services, and without a protocol.
pub(crate) fn config(https: &ServerConfig, table: live::Reader<RouteTable>) -> Arc<ServerConfig> {
    let mut config = https.clone();
    config.cert_resolver = Arc::new(StreamResolver { table, ready: Ready::default() });
    config.alpn_protocols = Vec::new();
    Arc::new(config)
}

/// The same for a client that offers exactly one protocol: it is agreed to, since such clients (gRPC,
/// Postgres' direct TLS) insist on it, and with one offer nothing can be chosen wrongly. Among several
/// only the upstream could choose, so then none is agreed to.
pub(crate) fn agreeing(config: &Arc<ServerConfig>, offered: Option<Vec<u8>>) -> Arc<ServerConfig> {
    match offered {
        Some(protocol) => {
            let mut own = (**config).clone();
            own.alpn_protocols = vec![protocol];
            Arc::new(own)
        }
        None => Arc::clone(config),
    }
}

#[derive(Debug)]
struct StreamResolver {
    table: live::Reader<RouteTable>,
    ready: Ready,
}

impl ResolvesServerCert for StreamResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let leaves = table.stream(hello.server_name()?)?.leaves.as_ref()?;
        leaves.choose(hello.signature_schemes(), &self.ready)
    }
}
