//! Asking other DNS servers about names that are not ours.
//!
//! **Invariant:** what waits for an answer is bounded in number and in time, and what is kept is
//! bounded in number: a slow forwarder costs its own askers, nobody else.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::Record;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as LookupError, NetError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::DnsError;
use crate::interfaces::Interfaces;
use crate::reply::Resolution;

/// The configured forwarders behind one cache; cheap to clone.
#[derive(Clone)]
pub struct Forwarder(Arc<Inner>);

struct Inner {
    resolver: TokioResolver,
    addresses: Vec<SocketAddr>,
    in_flight: Arc<Semaphore>,
}

impl Forwarder {
    /// Sets up forwarding to these servers.
    ///
    /// # Errors
    /// When there is none or too many, or when one of them is this gateway: an address it listens
    /// on, or any of its own addresses where it listens on a wildcard.
    pub fn new(
        forwarders: &[SocketAddr],
        listening: &[SocketAddr],
        interfaces: &Interfaces,
    ) -> Result<Self, DnsError> {
        if forwarders.is_empty() || forwarders.len() > FORWARDERS_MAX {
            return Err(DnsError::ForwarderCount { given: forwarders.len(), most: FORWARDERS_MAX });
        }
        let is_ours = |f: &&SocketAddr| listening.iter().any(|l| reaches(**f, *l, interfaces));
        if let Some(forwarder) = forwarders.iter().find(is_ours) {
            return Err(DnsError::ForwarderLoop { forwarder: *forwarder });
        }
        let resolver = resolver_of(forwarders)
            .map_err(|source| DnsError::Forward { forwarders: listed(forwarders), source })?;
        Ok(Self(Arc::new(Inner {
            resolver,
            addresses: forwarders.to_vec(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        })))
    }

    /// The servers that are asked.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// Forgets every answer that was kept.
    pub fn flush(&self) {
        self.0.resolver.clear_cache();
    }

    /// Leave to ask one question; `None` when too many are being asked.
    pub(crate) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.in_flight).try_acquire_owned().ok()
    }

    /// Asks one question.
    pub(crate) async fn resolve(&self, question: &Query) -> Resolution {
        let mut name = question.name().clone();
        name.set_fqdn(true);
        let lookup = self.0.resolver.lookup(name, question.query_type());
        let Ok(result) = tokio::time::timeout(TOTAL_TIMEOUT, lookup).await else {
            return Resolution::Failed;
        };
        match result {
            Ok(lookup) => Resolution::Records(lookup.answers().to_vec()),
            Err(error) => negative(error),
        }
    }
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Forwarder({})", listed(&self.0.addresses))
    }
}

fn negative(error: NetError) -> Resolution {
    let NetError::Dns(LookupError::NoRecordsFound(nothing)) = error else {
        return Resolution::Failed;
    };
    let soa: Option<Box<Record>> = nothing.soa.map(|soa| Box::new((*soa).into_record_of_rdata()));
    match nothing.response_code {
        ResponseCode::NXDomain => Resolution::NxDomain(soa),
        ResponseCode::NoError => Resolution::NoData(soa),
        _ => Resolution::Failed,
    }
}

fn resolver_of(forwarders: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let servers = forwarders.iter().map(|forwarder| {
        let on_port = |mut connection: ConnectionConfig| {
            connection.port = forwarder.port();
            connection
        };
        let both = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(on_port);
        NameServerConfig::new(forwarder.ip(), true, both.into())
    });
    let config = ResolverConfig::from_name_servers(servers.collect());
    let mut options = ResolverOpts::default();
    options.attempts = 1;
    options.cache_size = CACHE_ANSWERS_MAX;
    options.edns0 = true;
    options.max_active_requests = IN_FLIGHT_MAX;
    options.negative_max_ttl = Some(NEGATIVE_KEPT_MAX);
    options.positive_max_ttl = Some(POSITIVE_KEPT_MAX);
    options.timeout = ATTEMPT_TIMEOUT;
    options.use_hosts_file = ResolveHosts::Never;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
}

/// Whether what is sent to `forwarder` arrives at `listening`.
fn reaches(forwarder: SocketAddr, listening: SocketAddr, interfaces: &Interfaces) -> bool {
    let to = forwarder.ip().to_canonical();
    if forwarder.port() != listening.port() {
        return false;
    }
    if !listening.ip().is_unspecified() {
        return to == listening.ip();
    }
    let is_local = match to {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified(),
    };
    to.is_ipv4() == listening.is_ipv4() && (is_local || interfaces.has(to))
}

fn listed(addresses: &[SocketAddr]) -> String {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// Three are usual; more only make waiting longer.
const FORWARDERS_MAX: usize = 8;
/// Questions being asked at once.
const IN_FLIGHT_MAX: usize = 256;
/// Answers that are kept.
const CACHE_ANSWERS_MAX: u64 = 4096;
/// For one try at one server.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// For everything: shorter than the 5 s that clients usually wait.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(4);
/// The longest that an answer is kept, whatever its TTL.
const POSITIVE_KEPT_MAX: Duration = Duration::from_secs(3600);
/// The longest that the absence of one is kept.
const NEGATIVE_KEPT_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarder_is_never_this_gateway() {
        let interfaces = Interfaces::new([("eth0".to_owned(), IpAddr::from([10, 0, 1, 1]))]);
        let at = |text: &str| text.parse::<SocketAddr>().expect("valid");
        for (forwarder, listening, loops) in [
            ("10.0.1.1:53", "10.0.1.1:53", true),
            ("10.0.1.1:53", "0.0.0.0:53", true),
            ("127.0.0.1:53", "0.0.0.0:53", true),
            ("[::ffff:10.0.1.1]:53", "0.0.0.0:53", true),
            ("10.0.1.1:5300", "0.0.0.0:53", false),
            ("10.0.1.2:53", "0.0.0.0:53", false),
            ("127.0.0.53:53", "127.0.0.1:53", false),
            ("[::1]:53", "0.0.0.0:53", false),
            ("[::1]:53", "[::]:53", true),
        ] {
            let result = Forwarder::new(&[at(forwarder)], &[at(listening)], &interfaces);
            let found = matches!(result, Err(DnsError::ForwarderLoop { .. }));
            assert_eq!(found, loops, "{forwarder} from {listening}");
        }
        assert!(Forwarder::new(&[], &[], &interfaces).is_err());
    }
}
