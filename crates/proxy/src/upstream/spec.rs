//! What makes an upstream this one and no other.

use conduit_core::name::ServiceName;
use conduit_core::policy::{Policy, ProbePolicy, ServerName, UpstreamTls};
use conduit_core::service::{ProbeSpec, Protocol, Service};
use conduit_core::upstream::UpstreamAddr;

/// Everything that makes an upstream this one and no other: when any of it changes, its history and
/// its connections do not carry over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSpec {
    /// The service it belongs to.
    pub service: ServiceName,
    /// What the operator registered.
    pub addr: UpstreamAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// How its certificate is judged, for `https`.
    pub tls: UpstreamTls,
    /// The name that is asked for in TLS; its own when absent.
    pub server_name: Option<ServerName>,
    /// Which path is probed, if any.
    pub probe: ProbeSpec,
    /// How it is probed beyond that.
    pub probing: ProbePolicy,
}

impl UpstreamSpec {
    /// One upstream of a service; `asked` is its policy with its preset's part.
    pub fn of(service: &Service, asked: &Policy, addr: &UpstreamAddr) -> Self {
        Self {
            service: service.name.clone(),
            addr: addr.clone(),
            protocol: service.protocol,
            tls: asked.upstream.tls.clone().unwrap_or_default(),
            server_name: asked.upstream.server_name.clone(),
            probe: service.probe.clone(),
            probing: asked.probe.clone(),
        }
    }
}
