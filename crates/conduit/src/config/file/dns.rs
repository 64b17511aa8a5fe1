//! The section `dns` as it was written.

use serde::Deserialize;

use super::super::value::{Given, GivenList, Sourced, Text};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dns {
    pub(crate) enabled: Given<bool>,
    pub(crate) listen: GivenList,
    pub(crate) workers: Given<Text>,
    pub(crate) tls_listen: GivenList,
    pub(crate) forwarders: GivenList,
    pub(crate) forward: Given<Vec<Sourced<DnsForward>>>,
    pub(crate) forward_ca: Given<Text>,
    pub(crate) fastest_first: Given<bool>,
    pub(crate) mixed_case: Given<bool>,
    pub(crate) rebind_protection: Given<bool>,
    pub(crate) rebind_allow: GivenList,
    pub(crate) doh_canary: Given<bool>,
    pub(crate) dnssec: Given<bool>,
    pub(crate) trust_anchors: GivenList,
    pub(crate) insecure_domains: GivenList,
    pub(crate) cache: DnsCache,
    pub(crate) hosts_files: GivenList,
    pub(crate) lists: Given<Vec<Sourced<DnsListTable>>>,
    pub(crate) allow: GivenList,
    pub(crate) rate_limit: Given<Text>,
    pub(crate) ttl: Given<Text>,
    pub(crate) records: Given<Vec<Sourced<DnsRecord>>>,
    pub(crate) views: Given<Vec<Sourced<DnsView>>>,
    pub(crate) reverse_zones: GivenList,
    pub(crate) query_log: Given<Text>,
    pub(crate) query_log_sample: Given<f64>,
    pub(crate) query_log_clients: Given<Text>,
    pub(crate) transfer_to: GivenList,
    pub(crate) notify: GivenList,
    pub(crate) keys: Given<Vec<Sourced<DnsKey>>>,
    pub(crate) mdns: Given<bool>,
    pub(crate) mdns_interfaces: GivenList,
    /// Not a key of the file: a port that replaces the one in each address of `listen`.
    #[serde(skip)]
    pub(crate) port: Given<Text>,
}

/// Names that are asked elsewhere, as a table of `dns.forward`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DnsForward {
    pub(crate) domains: Vec<Sourced<Text>>,
    pub(crate) to: Vec<Sourced<Text>>,
    #[serde(default)]
    pub(crate) dnssec: Option<bool>,
}

/// Names that are blocked, allowed or given data, as a table of `dns.lists`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DnsListTable {
    pub(crate) name: Given<Text>,
    pub(crate) file: Given<Text>,
    pub(crate) lines: GivenList,
    pub(crate) kind: Given<Text>,
    pub(crate) format: Given<Text>,
    pub(crate) answer: Given<Text>,
    pub(crate) reason: Given<Text>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DnsCache {
    pub(crate) size: Given<Text>,
    pub(crate) min_ttl: Given<Text>,
    pub(crate) max_ttl: Given<Text>,
    pub(crate) negative_ttl: Given<Text>,
    pub(crate) serve_stale: Given<Text>,
    pub(crate) prefetch: Given<bool>,
}

/// One record, as a table of `dns.records`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DnsRecord {
    pub(crate) name: Sourced<Text>,
    #[serde(rename = "type")]
    pub(crate) kind: Sourced<Text>,
    pub(crate) data: Sourced<Text>,
    #[serde(default)]
    pub(crate) ttl: Given<Text>,
}

/// The gateway's addresses for some clients, as a table of `dns.views`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DnsView {
    pub(crate) clients: Vec<Sourced<Text>>,
    pub(crate) addresses: Vec<Sourced<Text>>,
}

/// One shared key, as a table of `dns.keys`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DnsKey {
    pub(crate) name: Sourced<Text>,
    pub(crate) algorithm: Sourced<Text>,
    #[serde(default)]
    pub(crate) secret_file: Given<Text>,
    #[serde(default)]
    pub(crate) secret_env: Given<Text>,
    #[serde(default)]
    pub(crate) transfer: bool,
    #[serde(default)]
    pub(crate) update: Vec<Sourced<Text>>,
}
