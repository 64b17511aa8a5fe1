//! What is asked of the connections of one service of byte streams.

use std::net::IpAddr;

use conduit_core::policy::{Policy, Preset, ProxyHeader};
use ipnet::IpNet;

/// How a service of byte streams is reached.
#[derive(Debug)]
pub(crate) struct StreamPolicy {
    /// The port of the gateway.
    pub(crate) port: u16,
    /// Whether TLS is left to the upstream.
    pub(crate) passes_tls: bool,
    /// Whether clients send a PROXY header first.
    pub(crate) expects_header: bool,
    /// What upstreams are told about the client.
    pub(crate) tells: Option<ProxyHeader>,
    /// Whether clients ask for TLS as Postgres' do.
    pub(crate) is_postgres: bool,
    allow: Box<[IpNet]>,
}

impl StreamPolicy {
    /// Reads a policy, with its preset's part; `None` without a port.
    pub(crate) fn of(policy: &Policy) -> Option<Self> {
        Some(Self {
            port: policy.listen?,
            passes_tls: policy.tls_passthrough == Some(true),
            expects_header: policy.accept_proxy_header == Some(true),
            tells: policy.upstream.proxy_header,
            is_postgres: policy.preset == Some(Preset::Postgres),
            allow: policy.allow.clone().into(),
        })
    }

    /// Whether a client may come in.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(&client))
    }
}
