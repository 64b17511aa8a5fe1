//! The service that Conduit itself is: `conduit.<domain>` leads to the admin listener,
//! `http://trust.<domain>/ca.crt` to the trust bundle, and `https://dns.<domain>/dns-query` to DNS.
//!
//! It is no row of the registry: it comes and goes with the process, and nobody can register or
//! deregister it.

use std::net::SocketAddr;
use std::sync::Arc;

use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::name::{Host, ServiceName};
use conduit_core::service::{
    DnsMode, Monitoring, ProbePath, ProbeSpec, Protocol, Service, TlsMode, WhenAllEjected,
};
use conduit_core::upstream::UpstreamAddr;

/// The built-in service for an admin listener.
pub(crate) fn service(domains: &Domains, admin: SocketAddr, now: Timestamp) -> Arc<Service> {
    let name = ServiceName::conduit();
    let labels = [name.as_str(), TRUST, DNS];
    let hosts = labels.iter().flat_map(|label| {
        domains.iter().filter_map(move |domain| Host::parse(&format!("{label}.{domain}")).ok())
    });
    Arc::new(Service {
        hosts: hosts.collect(),
        upstreams: vec![UpstreamAddr::from_socket(admin)],
        protocol: Protocol::Http,
        tls: TlsMode::Issued,
        dns: DnsMode::Gateway,
        probe: ProbePath::parse("/health").map_or(ProbeSpec::Default, ProbeSpec::Path),
        title: None,
        when_all_ejected: WhenAllEjected::Try,
        monitoring: Monitoring::default(),
        policy: Arc::default(),
        holds: Vec::new(),
        registered_at: now,
        name,
    })
}

/// The label under which clients fetch the trust bundle.
const TRUST: &str = "trust";
/// The label under which DNS is asked over TLS and over HTTPS.
pub(crate) const DNS: &str = "dns";
