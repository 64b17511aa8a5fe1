//! What makes an upstream this one and no other.

use std::sync::Arc;

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
    /// Which path is probed, if any.
    pub probe: ProbeSpec,
    /// What its service's policy asks of it.
    pub policy: Arc<UpstreamPolicy>,
}

/// The part of a policy that makes an upstream another one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamPolicy {
    /// How its certificate is judged, for `https`.
    pub tls: UpstreamTls,
    /// The name that is asked for in TLS; its own when absent.
    pub server_name: Option<ServerName>,
    /// How it is probed, beyond the path.
    pub probing: ProbePolicy,
}

impl UpstreamPolicy {
    /// What a policy, with its preset's part, asks for.
    pub fn of(asked: &Policy) -> Self {
        Self {
            tls: asked.upstream.tls.clone().unwrap_or_default(),
            server_name: asked.upstream.server_name.clone(),
            probing: asked.probe.clone(),
        }
    }
}

impl UpstreamSpec {
    /// One upstream of a service.
    pub fn of(service: &Service, policy: &Arc<UpstreamPolicy>, addr: &UpstreamAddr) -> Self {
        Self {
            service: service.name.clone(),
            addr: addr.clone(),
            protocol: service.protocol,
            probe: service.probe.clone(),
            policy: Arc::clone(policy),
        }
    }
}
