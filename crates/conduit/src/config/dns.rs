//! What can be configured about names.
//!
//! **Invariant:** values are parsed and within their limits; where they come from is in `check`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::record::fixed::FixedRecords;
use conduit_core::record::name::RecordName;
use conduit_dns::dnssec::anchors::AnchorPlace;
use conduit_dns::forward::Suffix;
use conduit_dns::forward::settings::ForwardSettings;
use conduit_dns::lists::settings::ListSettings;
use conduit_dns::peers::{Notified, Pattern};
use conduit_dns::query_log::settings::QueryLogSettings;
use conduit_dns::tsig::Algorithm;
use conduit_dns::views::View;
use conduit_monitor::secret::SecretFrom;
use ipnet::IpNet;

/// Names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Whether names are answered at all.
    pub enabled: bool,
    /// Where, over UDP and TCP.
    pub listen: Vec<DnsListen>,
    /// Threads that answer over UDP; 0 means one per core, of the first few.
    pub workers: usize,
    /// Where over TLS, when there are certificates.
    pub tls_listen: Vec<DnsListen>,
    /// What is done about other people's names.
    pub forward: ForwardSettings,
    /// Roots that forwarders' certificates are judged by, beside the system's.
    pub forward_ca: Option<PathBuf>,
    /// Whether their answers are judged, and by what.
    pub dnssec: Dnssec,
    /// Hosts files and lists, which come before that.
    pub lists: ListSettings,
    /// Who may ask for other people's names.
    pub allow: Vec<IpNet>,
    /// Replies a second to a network that may not, over UDP; 0 is any number.
    pub rate_limit: u32,
    /// How long clients may keep a positive answer.
    pub ttl: Duration,
    /// Records that are there as long as the file names them.
    pub records: Arc<FixedRecords>,
    /// What clients of certain networks get for the gateway's address.
    pub views: Vec<View>,
    /// Networks of which the reverse names are zones of ours.
    pub reverse_zones: Vec<IpNet>,
    /// Which queries are told.
    pub query_log: QueryLogSettings,
    /// Who copies and changes our zones.
    pub peers: DnsPeers,
    /// Names under `local` on multicast DNS.
    pub mdns: Mdns,
}

impl Dns {
    /// Takes over the keys that may change while running. Each field is named: one that is forgotten seems changed
    /// for ever, and its return to what it was is not applied.
    pub(super) fn adopt_dynamic(&mut self, next: &Self) {
        let Self {
            forward, forward_ca, dnssec, lists, allow, rate_limit, query_log, peers, ..
        } = next.clone();
        let Self {
            enabled, listen, workers, tls_listen, ttl, records, views, reverse_zones, ..
        } = self.clone();
        let lists = ListSettings { domains: self.lists.domains.clone(), ..lists };
        let mdns = self.mdns.clone();
        *self = Self {
            enabled,
            listen,
            workers,
            tls_listen,
            forward,
            forward_ca,
            dnssec,
            lists,
            allow,
            rate_limit,
            ttl,
            records,
            views,
            reverse_zones,
            query_log,
            peers,
            mdns,
        };
    }
}

/// Validation of others' answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dnssec {
    /// Whether they are judged at all.
    pub enabled: bool,
    /// Where trust anchors are written; none are the root's own.
    pub anchors: Vec<AnchorPlace>,
    /// Names whose answers are not judged.
    pub insecure: Vec<Suffix>,
}

/// Secondaries, and programs that change records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsPeers {
    /// The networks of secondaries, which need no key.
    pub transfer_to: Vec<IpNet>,
    /// Who is told of changes.
    pub notify: Vec<Notified>,
    /// Shared keys.
    pub keys: Vec<DnsKey>,
}

/// A shared key; its secret is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsKey {
    /// What both sides call it.
    pub name: RecordName,
    /// What its code is made with.
    pub algorithm: Algorithm,
    /// Where the secret is.
    pub secret: SecretFrom,
    /// Whether its holder may transfer zones.
    pub transfer: bool,
    /// Which records its holder may change.
    pub update: Vec<Pattern>,
}

/// Multicast DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mdns {
    /// Whether it is answered at all.
    pub enabled: bool,
    /// On which interfaces; none named is all that carry multicast.
    pub interfaces: Vec<String>,
}

/// An address to answer DNS on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsListen {
    /// This one.
    At(SocketAddr),
    /// This port on every loopback and private address that is free.
    Auto(u16),
}

impl std::fmt::Display for DnsListen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Auto(port) => write!(f, "auto:{port}"),
        }
    }
}
