//! What several benches share: catalogs of a given size, and their tables.
#![allow(missing_docs, clippy::unwrap_used, reason = "development only")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::leaf::LeafPair;
use conduit_core::name::{Host, ServiceName};
use conduit_core::service::{
    DnsMode, Monitoring, ProbeSpec, Protocol, Service, TlsMode, WhenAllEjected,
};
use conduit_core::upstream::UpstreamAddr;
use conduit_proxy::compile::{Compiler, CompilerSettings, LeafSource};
use conduit_proxy::sni::RouteLeaves;
use conduit_tls::authority::{Authority, AuthoritySettings};

/// The product's own: with another allocator, large tables would be timed by page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many services tables are measured with.
pub const SIZES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

pub fn service(index: usize) -> Arc<Service> {
    let name = ServiceName::parse(&format!("service-{index}")).unwrap();
    Arc::new(Service {
        hosts: vec![Host::parse(&format!("{name}.internal")).unwrap()],
        upstreams: vec![UpstreamAddr::parse("10.0.1.50:3000").unwrap()],
        protocol: Protocol::Http,
        tls: TlsMode::Issued,
        dns: DnsMode::Gateway,
        probe: ProbeSpec::Default,
        title: None,
        when_all_ejected: WhenAllEjected::Fail,
        monitoring: Monitoring::default(),
        policy: Arc::default(),
        holds: Vec::new(),
        registered_at: Timestamp::from_seconds(0),
        name,
    })
}

pub fn catalog(size: usize) -> Catalog {
    let changes = (0..size).map(|index| Change::Put(service(index))).collect();
    Catalog::default().with(Generation(1), changes)
}

pub fn domains() -> Domains {
    Domains::new(vec![Host::parse("internal").unwrap()]).unwrap()
}

pub fn compiler() -> Compiler {
    let (reports, queue) = conduit_proxy::upstream::reports();
    std::mem::forget(queue);
    Compiler::new(CompilerSettings::default(), reports)
}

/// The leaves of one pair for every service: what a table holds is pointers either way.
pub struct OneLeaf(pub Arc<RouteLeaves>);

impl OneLeaf {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = AuthoritySettings { domains: domains(), organization: String::new() };
        let now = Timestamp::now();
        let (authority, _) = Authority::open_or_create(directory.path(), &settings, now).unwrap();
        let host = Host::parse("a.internal").unwrap();
        let pair: LeafPair = authority.issue(&[host], Duration::from_secs(86_400), now).unwrap();
        let chain = |issuer| authority.chain(issuer).unwrap();
        let (ed25519, p256) = (chain(&pair.ed25519.issuer), chain(&pair.ecdsa_p256.issuer));
        let renew_at = pair.renew_at();
        Self(Arc::new(RouteLeaves::new(pair, renew_at, ed25519, p256)))
    }
}

impl Default for OneLeaf {
    fn default() -> Self {
        Self::new()
    }
}

impl LeafSource for OneLeaf {
    fn leaves(&self, _: &ServiceName) -> Option<Arc<RouteLeaves>> {
        Some(Arc::clone(&self.0))
    }
}

/// Hosts by index, to look up without making strings while measuring.
pub fn hosts(size: usize) -> Vec<String> {
    let all: HashMap<usize, String> =
        (0..size).map(|index| (index, format!("service-{index}.internal"))).collect();
    (0..size).map(|index| all[&(index * 7919 % size)].clone()).collect()
}
