//! DNS over TLS and over HTTPS: what joins the names with the leaf and with the proxy.
//!
//! **Invariant:** the leaf is the gateway's own, renewed while it is served; neither the names nor the
//! proxy know of each other.

use std::sync::Arc;

use bytes::Bytes;
use conduit_core::live;
use conduit_dns::https::{Https, REQUEST_BYTES_MAX};
use conduit_proxy::own::{Answering, OwnHost, Visitor};
use conduit_proxy::sni::OwnResolver;
use conduit_proxy::table::RouteTable;
use conduit_tls::error::TlsError;
use http::Request;
use rustls::ServerConfig;

use crate::builtin::DNS;

/// What handshakes of DNS over TLS are done with.
///
/// # Errors
/// As [`conduit_tls::config::server_config`].
pub(crate) fn server_config(
    routes: &live::Reader<RouteTable>,
) -> Result<Arc<ServerConfig>, TlsError> {
    // Whoever asks by address sends no name, and gets the only leaf there is.
    let resolver = Arc::new(OwnResolver::new(routes.clone()));
    let mut config = conduit_tls::config::server_config(resolver)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The host `dns.<domain>`, where DNS is asked over HTTPS.
#[derive(Debug)]
pub(crate) struct DnsHost(pub(crate) Https);

impl OwnHost for DnsHost {
    fn label(&self) -> &str {
        DNS
    }

    fn body_bytes_max(&self) -> usize {
        REQUEST_BYTES_MAX
    }

    fn answer(&self, request: Request<Bytes>, visitor: Visitor) -> Answering<'_> {
        Box::pin(async move { self.0.answer(&request, visitor.client, visitor.arrived_at).await })
    }
}

/// RFC 7858 §7.
const ALPN: &[u8] = b"dot";
