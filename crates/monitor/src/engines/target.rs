//! Who is asked: the upstreams of services whose preset is an engine.

use std::sync::Arc;

use conduit_core::catalog::Catalog;
use conduit_core::name::ServiceName;
use conduit_core::policy::{HostPolicy, Preset, ServerName, UpstreamTls};
use conduit_core::service::{Protocol, Service};
use conduit_core::upstream::UpstreamAddr;

use super::plan::plan;

/// One engine to ask.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineTarget {
    /// The service it is behind.
    pub service: ServiceName,
    /// Which of its upstreams.
    pub upstream: UpstreamAddr,
    /// What kind of engine it is.
    pub preset: Preset,
    /// How its certificate is judged; `None` in the clear.
    pub tls: Option<UpstreamTls>,
    /// The name in its certificate, when it is not the upstream's own.
    pub server_name: Option<ServerName>,
    /// What `Host` says, when it is not the upstream's own address.
    pub host: Option<Box<str>>,
}

/// Hands out the client's side of TLS for a way to judge certificates; `None` when there is none.
pub type TlsFor = Arc<dyn Fn(&UpstreamTls) -> Option<Arc<rustls::ClientConfig>> + Send + Sync>;

/// The engines of a catalog, by service; those that speak HTTP/2 without TLS or no HTTP are not
/// asked.
pub fn targets(catalog: &Catalog) -> Vec<EngineTarget> {
    catalog.sorted().into_iter().flat_map(|service| of_service(service)).collect()
}

fn of_service(service: &Service) -> Vec<EngineTarget> {
    let policy = service.policy.with_preset();
    let Some(preset) = policy.preset.filter(|preset| plan(*preset).is_some()) else {
        return Vec::new();
    };
    let tls = match service.protocol {
        Protocol::Http => None,
        Protocol::Https => Some(policy.upstream.tls.clone().unwrap_or_default()),
        Protocol::H2c | Protocol::Tcp => return Vec::new(),
    };
    let host = match &policy.upstream.host {
        Some(HostPolicy::Fixed(host)) => Some(host.clone()),
        _ => None,
    };
    let target = |upstream: &UpstreamAddr| EngineTarget {
        service: service.name.clone(),
        upstream: upstream.clone(),
        preset,
        tls: tls.clone(),
        server_name: policy.upstream.server_name.clone(),
        host: host.clone(),
    };
    service.upstreams.iter().map(target).collect()
}
