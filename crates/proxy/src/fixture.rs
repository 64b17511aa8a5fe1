//! Services, leaves and tables to test with.

use std::collections::HashMap;
use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Generation, Version};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::{Algorithm, Fingerprint, Leaf, LeafPair, PrivateKey};
use conduit_core::name::{Host, ServiceName};
use conduit_core::service::{
    DnsMode, Monitoring, ProbeSpec, Protocol, Service, TlsMode, WhenAllEjected,
};
use conduit_core::upstream::UpstreamAddr;

use crate::compile::{Compiler, CompilerSettings, LeafSource};
use crate::sni::RouteLeaves;
use crate::table::RouteTable;
use crate::upstream;

/// A service under `<name>.internal`, served in the clear through the gateway.
pub(crate) fn service(name: &str, upstreams: &[&str]) -> Service {
    Service {
        name: ServiceName::parse(name).expect("a name"),
        hosts: vec![Host::parse(&format!("{name}.internal")).expect("a host")],
        upstreams: upstreams
            .iter()
            .map(|text| UpstreamAddr::parse(text).expect("an upstream"))
            .collect(),
        protocol: Protocol::Http,
        tls: TlsMode::Off,
        dns: DnsMode::Gateway,
        probe: ProbeSpec::Connect,
        title: None,
        when_all_ejected: WhenAllEjected::Fail,
        monitoring: Monitoring::default(),
        policy: Arc::default(),
        holds: Vec::new(),
        registered_at: Timestamp::from_seconds(0),
    }
}

/// The same, with a policy in its written form.
#[cfg(test)]
pub(crate) fn asking(name: &str, upstreams: &[&str], policy: &str) -> Service {
    let policy: conduit_core::policy::Policy = toml::from_str(policy).expect("a policy");
    policy.check().expect("a policy that goes together");
    Service { policy: Arc::new(policy), ..service(name, upstreams) }
}

/// A head's fields.
#[cfg(test)]
pub(crate) fn fields(lines: &[(&'static str, &'static str)]) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, http::HeaderValue::from_static(value));
    }
    headers
}

/// A service served with TLS.
pub(crate) fn tls_service(name: &str, upstreams: &[&str]) -> Service {
    Service { tls: TlsMode::Issued, ..service(name, upstreams) }
}

/// A catalog of these services.
pub(crate) fn catalog(services: Vec<Service>) -> Catalog {
    let puts = services.into_iter().map(put).collect();
    Catalog::default().with(Generation(1), puts)
}

/// The change that registers or replaces a service.
pub(crate) fn put(service: Service) -> Change {
    Change::Put(Arc::new(service))
}

/// A version at revision 0.
pub(crate) fn version(generation: u64) -> Version {
    Version { generation: Generation(generation), revision: 0 }
}

/// A compiler that nobody hears the reports of.
pub(crate) fn compiler() -> Compiler {
    Compiler::new(CompilerSettings::default(), upstream::reports().0)
}

/// The table of these services, with whatever leaves they need.
pub(crate) fn table(services: Vec<Service>) -> RouteTable {
    let leaves = Leaves::of(&services);
    compiler().compile(&catalog(services), &leaves, version(1), None).expect("a table")
}

/// Leaves by service.
#[derive(Default)]
pub(crate) struct Leaves(pub(crate) HashMap<ServiceName, Arc<RouteLeaves>>);

impl Leaves {
    /// Unusable leaves for each service: enough for everything but a handshake.
    pub(crate) fn of(services: &[Service]) -> Self {
        let mut leaves = Self::default();
        for service in services {
            leaves.insert(&service.name, unusable_pair());
        }
        leaves
    }

    /// Sets the leaves of a service, with nothing behind them in the chain.
    pub(crate) fn insert(&mut self, service: &ServiceName, pair: LeafPair) {
        let leaves = RouteLeaves::new(pair.clone(), pair.renew_at(), Arc::new([]), Arc::new([]));
        self.0.insert(service.clone(), Arc::new(leaves));
    }
}

impl LeafSource for Leaves {
    fn leaves(&self, service: &ServiceName) -> Option<Arc<RouteLeaves>> {
        self.0.get(service).map(Arc::clone)
    }
}

/// A pair whose keys cannot be parsed.
pub(crate) fn unusable_pair() -> LeafPair {
    let leaf = |algorithm| leaf(algorithm, vec![0], vec![0]);
    LeafPair { ed25519: leaf(Algorithm::Ed25519), ecdsa_p256: leaf(Algorithm::EcdsaP256) }
}

/// A leaf, valid for the nine days after 1970.
pub(crate) fn leaf(algorithm: Algorithm, certificate: Vec<u8>, key: Vec<u8>) -> Leaf {
    Leaf {
        algorithm,
        certificate_der: certificate.into(),
        key: PrivateKey::from_pkcs8(key),
        issuer: Fingerprint([0; 32]),
        fingerprint: Fingerprint([1; 32]),
        not_before: Timestamp::from_seconds(0),
        not_after: Timestamp::from_seconds(9 * 86_400),
    }
}
