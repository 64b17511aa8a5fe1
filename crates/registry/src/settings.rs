//! What the rules are told by the configuration.

use std::sync::Arc;

use conduit_core::domains::Domains;
use conduit_core::node::NodeName;
use conduit_core::record::fixed::FixedRecords;
use conduit_core::record::{BYTES_OF_NAME_MAX, RECORDS_OF_NAME_MAX};
use conduit_core::service::{DnsMode, Service};

use crate::policy::UpstreamPolicy;

/// The configured part of the rules.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The suffixes that are ours.
    pub domains: Domains,
    /// Which addresses may be upstreams.
    pub upstreams: UpstreamPolicy,
    /// What hosts of HTTP services with TLS resolve to when nothing is asked for.
    pub dns_default: DnsMode,
    /// Ports that Conduit itself listens on, each with the key it is configured by; no service can
    /// have them.
    pub own_ports: Vec<(u16, &'static str)>,
    /// Conduit's own service: no row, but its leaves are issued like those of any other.
    pub builtin: Option<Arc<Service>>,
    /// Nodes that are there without a row, each with where it comes from, such as
    /// `monitor.servers`; none can be added under their names, nor can they be removed.
    pub fixed_nodes: Vec<(NodeName, &'static str)>,
    /// Records that are there without a row, from `dns.records`.
    pub records: Arc<FixedRecords>,
    /// How much there may be of everything.
    pub limits: Limits,
}

impl Settings {
    /// The defaults for these domains.
    pub fn new(domains: Domains) -> Self {
        Self {
            domains,
            upstreams: UpstreamPolicy::default(),
            dns_default: DnsMode::Gateway,
            own_ports: Vec::new(),
            builtin: None,
            fixed_nodes: Vec::new(),
            records: Arc::default(),
            limits: Limits::default(),
        }
    }
}

/// How much there may be of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Active services.
    pub services_max: usize,
    /// Aliases of one service.
    pub aliases_max: usize,
    /// Upstreams of one service.
    pub upstreams_max: usize,
    /// Bytes of each text in the monitoring block.
    pub monitoring_bytes_max: usize,
    /// Tokens that are neither revoked nor expired.
    pub tokens_max: usize,
    /// Nodes that were added and not removed.
    pub nodes_max: usize,
    /// Users that were added and not removed.
    pub users_max: usize,
    /// Records that were added and not removed.
    pub records_max: usize,
    /// The same of one name.
    pub records_of_name_max: usize,
    /// Octets of what they hold, in messages; one reply over TCP has room for all of them.
    pub record_bytes_of_name_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            services_max: SERVICES_MAX,
            aliases_max: ALIASES_MAX,
            upstreams_max: UPSTREAMS_MAX,
            monitoring_bytes_max: MONITORING_BYTES_MAX,
            tokens_max: TOKENS_MAX,
            nodes_max: NODES_MAX,
            users_max: USERS_MAX,
            records_max: RECORDS_MAX,
            records_of_name_max: RECORDS_OF_NAME_MAX,
            record_bytes_of_name_max: BYTES_OF_NAME_MAX,
        }
    }
}

const SERVICES_MAX: usize = 100_000;
const ALIASES_MAX: usize = 32;
const UPSTREAMS_MAX: usize = 64;
const MONITORING_BYTES_MAX: usize = 256;
const TOKENS_MAX: usize = 1_000;
const NODES_MAX: usize = 1_000;
const USERS_MAX: usize = 1_000;
const RECORDS_MAX: usize = 100_000;
