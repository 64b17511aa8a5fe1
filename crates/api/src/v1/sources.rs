//! Where DNS answers come from before anybody else is asked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dns::DnsListStatus;

/// `GET /api/v1/dns/sources`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsSourcesReply {
    /// The zones of ours, as configured.
    pub zones: Vec<DnsZone>,
    /// Hosts files, then lists as configured; earlier ones are stronger.
    pub lists: Vec<DnsListStatus>,
    /// Names of ours in hosts files that a service or a record stands in place of; the first hundred.
    pub passed_over: Vec<String>,
    /// Names under `local` on the links themselves.
    pub mdns: DnsMdns,
    /// Who copies our zones and changes our records, as configured.
    pub secondaries: DnsSecondaries,
}

/// One zone, and how many names it has from where; a name may be counted in several columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsZone {
    /// Its name.
    #[schema(example = "internal")]
    pub name: String,
    /// `domain`, or `reverse` for the reverse names of a network (`dns.reverse_zones`).
    pub kind: String,
    /// Of its SOA record: it moves with every change.
    pub serial: u32,
    /// Hosts of services; in a reverse zone, addresses with a name, the gateway's own not counted.
    pub services: u64,
    /// Names with records that were added by hand, or by programs.
    pub records: u64,
    /// Names with records of the configuration.
    pub config: u64,
    /// Names of hosts files that are answered.
    pub hosts: u64,
}

/// Multicast DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsMdns {
    /// Whether it is on (`dns.mdns`).
    pub enabled: bool,
    /// The links that are served, by interface.
    pub links: Vec<DnsMdnsLink>,
    /// Interfaces that were asked for and are not served.
    pub missing: Vec<DnsMdnsMissing>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsMdnsLink {
    /// The gateway's interface on it.
    #[schema(example = "eth0")]
    pub interface: String,
    /// Names that are answered for.
    pub names: u64,
    /// Names that do not fit.
    pub left_out: u64,
    /// Names that another machine has.
    pub conflicts: Vec<DnsMdnsConflict>,
}

/// A name of ours that another machine on a link has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsMdnsConflict {
    /// The name.
    #[schema(example = "printer.local")]
    pub name: String,
    /// Where the other machine speaks from.
    #[schema(example = "10.0.0.9")]
    pub from: String,
    /// What it says of the name.
    #[schema(example = "A 10.0.0.9")]
    pub says: String,
}

/// An interface that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsMdnsMissing {
    /// Its name.
    pub interface: String,
    /// Why.
    pub reason: String,
}

/// Who else works with our zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsSecondaries {
    /// Who is told of changes (`dns.notify`).
    pub notify: Vec<DnsNotified>,
    /// Networks that may copy zones without a key (`dns.transfer_to`).
    pub transfer_to: Vec<String>,
    /// Keys, and what their holders may do (`[[dns.keys]]`).
    pub keys: Vec<DnsKey>,
}

/// A server that is told of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsNotified {
    /// Where it is.
    #[schema(example = "10.0.0.9:53")]
    pub address: String,
    /// The key that the message is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsKey {
    /// Its name.
    pub name: String,
    /// Whether its holder may copy zones.
    pub transfer: bool,
    /// The records that it may change: names with `*` and `?`, perhaps with types.
    pub update: Vec<String>,
}
