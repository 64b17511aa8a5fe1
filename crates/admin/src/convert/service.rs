//! Services, as they go out.

use std::net::SocketAddr;

use conduit_api::v1::services as wire;
use conduit_core::clock::Timestamp;
use conduit_core::health::Health;
use conduit_core::leaf::LeafPair;
use conduit_core::policy::Policy;
use conduit_core::service::{DnsMode, ProbeSpec, Protocol, Service, TlsMode};
use conduit_proxy::health::board::ServiceHealth;
use conduit_registry::OutcomeKind;
use serde_json::{Map, Value};

use crate::control::Checks;
use crate::convert::health as convert;

/// The ports under which services are reached; `None` when that listener is off.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    https: Option<u16>,
    http: Option<u16>,
}

impl Ports {
    /// Of the first listener of each kind.
    pub(crate) fn of(https: &[SocketAddr], http: &[SocketAddr]) -> Self {
        let first = |all: &[SocketAddr]| all.first().map(SocketAddr::port);
        Self { https: first(https), http: first(http) }
    }
}

/// What is known about a service beside what was registered.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// When it was deregistered, for history.
    pub(crate) deregistered_at: Option<Timestamp>,
    /// Its leaves.
    pub(crate) leaves: Option<LeafPair>,
    /// What the prober found.
    pub(crate) health: Option<ServiceHealth>,
    /// What was tried through our own listeners.
    pub(crate) checks: Checks,
}

/// How much of a policy is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Hashes and credentials too.
    pub(crate) secrets: bool,
    /// Also with what its preset adds.
    pub(crate) effective: bool,
}

/// One service with what is known about it now.
pub(crate) fn service(
    service: &Service,
    known: Known,
    ports: Ports,
    sight: Sight,
) -> wire::Service {
    let active = known.deregistered_at.is_none();
    let health = known.health.as_ref();
    let upstreams: Vec<String> = service.upstreams.iter().map(ToString::to_string).collect();
    wire::Service {
        name: service.name.to_string(),
        title: service.title.as_ref().map(ToString::to_string),
        upstream: upstreams.first().cloned().unwrap_or_default(),
        upstreams,
        domain: service.host().to_string(),
        aliases: service.hosts.iter().skip(1).map(ToString::to_string).collect(),
        protocol: service.protocol.to_string(),
        status: if active { wire::ServiceStatus::Active } else { wire::ServiceStatus::Inactive },
        registered_at: service.registered_at.to_string(),
        deregistered_at: known.deregistered_at.map(|at| at.to_string()),
        health_check: match &service.probe {
            ProbeSpec::Path(path) => Some(path.as_str().to_owned()),
            ProbeSpec::Connect | ProbeSpec::Default => None,
        },
        health_status: convert::status(health.map_or(Health::Unknown, |h| h.health)),
        health_reason: health.and_then(|h| h.reason.clone()),
        last_health_check: health.and_then(|h| h.last_probe_at).map(|at| at.to_string()),
        response_time_ms: health.and_then(|h| h.response_time_ms),
        tls: known.leaves.as_ref().map(tls),
        monitoring: wire::Monitoring {
            kind: service.monitoring.kind.clone(),
            container_name: service.monitoring.container_name.clone(),
            ssh_host: service.monitoring.ssh_host.clone(),
        },
        policy: policy(&service.policy, sight),
        effective_policy: match service.policy.preset {
            Some(_) if sight.effective => policy(&service.policy.with_preset(), sight),
            _ => Map::new(),
        },
        url: active.then(|| url(service, ports)),
        dns: service.dns.to_string(),
        when_all_ejected: service.when_all_ejected.to_string(),
        upstream_health: health.map(|h| convert::upstreams(&h.upstreams)).unwrap_or_default(),
        checks: convert::checks(known.checks),
    }
}

/// What a mutation made of a service.
pub(crate) fn outcome(kind: OutcomeKind) -> wire::OutcomeKind {
    match kind {
        OutcomeKind::Created => wire::OutcomeKind::Created,
        OutcomeKind::Deregistered => wire::OutcomeKind::Deregistered,
        OutcomeKind::Reissued => wire::OutcomeKind::Reissued,
        OutcomeKind::Replaced => wire::OutcomeKind::Replaced,
        OutcomeKind::Unchanged => wire::OutcomeKind::Unchanged,
    }
}

fn policy(policy: &Policy, sight: Sight) -> Map<String, Value> {
    if policy.is_empty() {
        return Map::new();
    }
    let written = match sight.secrets {
        true => serde_json::to_value(policy),
        false => serde_json::to_value(policy.without_secrets()),
    };
    match written {
        Ok(Value::Object(fields)) => fields,
        // Invariant: a policy is an object of texts, numbers and lists of them.
        _ => Map::new(),
    }
}

fn tls(leaves: &LeafPair) -> wire::TlsSummary {
    wire::TlsSummary {
        not_after: leaves.not_after().to_string(),
        fingerprint_sha256: leaves.ecdsa_p256.fingerprint.to_string(),
    }
}

/// How to open a service: through the proxy when it has a route there, else at its own port.
fn url(service: &Service, ports: Ports) -> String {
    let host = service.host();
    let own_port = service.upstreams.first().map_or(0, |upstream| upstream.port());
    let (scheme, port) = match (service.protocol, service.dns, service.tls) {
        (Protocol::Tcp, _, _) => ("tcp", service.listen().unwrap_or(own_port)),
        (Protocol::Https, DnsMode::Direct, _) => ("https", own_port),
        (Protocol::H2c | Protocol::Http, DnsMode::Direct, _) => ("http", own_port),
        (_, DnsMode::Gateway, TlsMode::Issued) => match (ports.https, ports.http) {
            (Some(port), _) => ("https", port),
            (None, Some(port)) => ("http", port),
            (None, None) => ("http", own_port),
        },
        (_, DnsMode::Gateway, TlsMode::Off) => ("http", ports.http.unwrap_or(own_port)),
    };
    match (scheme, port) {
        ("https", 443) | ("http", 80) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_core::name::{Host, ServiceName};
    use conduit_core::policy::Policy;
    use conduit_core::service::{Monitoring, WhenAllEjected};
    use conduit_core::upstream::UpstreamAddr;

    fn grafana() -> Service {
        Service {
            name: ServiceName::parse("grafana").expect("valid"),
            hosts: vec![Host::parse("grafana.internal").expect("valid")],
            upstreams: vec![UpstreamAddr::parse("10.0.1.50:3000").expect("valid")],
            protocol: Protocol::Http,
            tls: TlsMode::Issued,
            dns: DnsMode::Gateway,
            probe: ProbeSpec::Default,
            title: None,
            when_all_ejected: WhenAllEjected::Fail,
            monitoring: Monitoring::default(),
            policy: std::sync::Arc::default(),
            holds: Vec::new(),
            registered_at: Timestamp::from_seconds(0),
        }
    }

    #[test]
    fn a_url_leads_where_the_service_really_is() {
        let ports = |https, http| Ports { https, http };
        let tcp = Service { protocol: Protocol::Tcp, ..grafana() };
        let policy = Policy { listen: Some(5432), ..Policy::default() };
        let through = Service { policy: policy.into(), ..tcp.clone() };
        let plain = Service { tls: TlsMode::Off, ..grafana() };
        let direct = Service { dns: DnsMode::Direct, ..plain.clone() };
        for (service, ports, expected) in [
            (&grafana(), ports(Some(443), Some(80)), "https://grafana.internal"),
            (&grafana(), ports(Some(8443), None), "https://grafana.internal:8443"),
            (&grafana(), ports(None, Some(80)), "http://grafana.internal"),
            (&grafana(), ports(None, None), "http://grafana.internal:3000"),
            (&plain, ports(Some(443), Some(8080)), "http://grafana.internal:8080"),
            (&direct, ports(Some(443), Some(80)), "http://grafana.internal:3000"),
            (&tcp, ports(Some(443), Some(80)), "tcp://grafana.internal:3000"),
            (&through, ports(Some(443), Some(80)), "tcp://grafana.internal:5432"),
        ] {
            assert_eq!(url(service, ports), expected);
        }
    }
}
