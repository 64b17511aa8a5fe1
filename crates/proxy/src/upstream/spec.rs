//! What makes an upstream this one and no other.

use std::borrow::Cow;
use std::sync::Arc;

use conduit_core::name::{Host, ServiceName};
use conduit_core::policy::{HostPolicy, Policy, ProbePolicy, ServerName, UpstreamTls};
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
    /// What `Host` says to it.
    pub host: Option<HostPolicy>,
    /// How it is probed, beyond the path.
    pub probing: ProbePolicy,
}

impl UpstreamPolicy {
    /// What a policy, with its preset's part, asks for.
    pub fn of(asked: &Policy) -> Self {
        Self {
            tls: asked.upstream.tls.clone().unwrap_or_default(),
            server_name: asked.upstream.server_name.clone(),
            host: asked.upstream.host.clone(),
            probing: asked.probe.clone(),
        }
    }
}

impl UpstreamSpec {
    /// What `Host` says to it when the client asked for `host`.
    pub(crate) fn host_field<'a>(&'a self, host: &'a Host) -> Cow<'a, str> {
        match &self.policy.host {
            None | Some(HostPolicy::Keep) => host.as_str().into(),
            Some(HostPolicy::Upstream) => own_host(&self.addr).into(),
            Some(HostPolicy::Fixed(fixed)) => (&**fixed).into(),
        }
    }

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

/// An upstream's address as a `Host` field: what is behind a socket of this machine has no name of
/// its own.
pub(crate) fn own_host(addr: &UpstreamAddr) -> String {
    match addr.unix() {
        Some(_) => NAME_OF_SOCKETS.to_owned(),
        None => addr.to_string(),
    }
}

/// Who is behind a Unix socket, when the policy does not say.
pub(crate) const NAME_OF_SOCKETS: &str = "localhost";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::service;

    #[test]
    fn probes_and_requests_name_the_host_that_the_policy_names() {
        for (upstream, policy, expected) in [
            ("10.0.0.1:80", "{}", "web.internal"),
            ("10.0.0.1:80", r#"{"upstream":{"host":"keep"}}"#, "web.internal"),
            ("10.0.0.1:80", r#"{"upstream":{"host":"upstream"}}"#, "10.0.0.1:80"),
            ("unix:/run/app.sock", r#"{"upstream":{"host":"upstream"}}"#, "localhost"),
            ("10.0.0.1:80", r#"{"upstream":{"host":"localhost:11434"}}"#, "localhost:11434"),
        ] {
            let asked: Policy = serde_json::from_str(policy).expect("a policy");
            let service = service("web", &[upstream]);
            let policy = Arc::new(UpstreamPolicy::of(&asked));
            let spec = UpstreamSpec::of(&service, &policy, &service.upstreams[0]);
            assert_eq!(spec.host_field(service.host()), expected, "{upstream} {asked:?}");
        }
    }
}
