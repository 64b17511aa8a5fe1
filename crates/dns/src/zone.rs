//! The table that queries are answered from.
//!
//! **Invariant:** a zone is never changed; a change makes the next one, which shares every RRset
//! that stayed the same. Every name in the table is under a configured domain, or the reverse name of
//! an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use conduit_core::catalog::Version;
use conduit_core::domains::Domains;
use conduit_core::name::{Host, ServiceName};
use conduit_core::record::fixed::FixedRecords;
use conduit_core::record::name::RecordName;
use conduit_core::shared_map::SharedMap;
use hickory_proto::rr::Name;
use ipnet::IpNet;

use crate::automatic::Sites;
use crate::discovery::Encrypted;
use crate::interfaces::Local;
use crate::key::{AskedKey, NameKey, ancestry};
use crate::lists::hosts::HostsNames;
use crate::nodes::{Node, Nodes};
use crate::pointers::Addressed;
use crate::views::{Addresses, View, Views};
use crate::why::zone::text_of;

/// What a zone is compiled with, apart from the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSettings {
    /// The suffixes that are ours.
    pub domains: Domains,
    /// What names answer with; empty means the address at which the query arrived.
    pub addresses: Vec<IpAddr>,
    /// What they answer with instead to clients of certain networks.
    pub views: Vec<View>,
    /// Whether there is a proxy to pass traffic to; without one, every name answers directly.
    pub proxied: bool,
    /// How long a positive answer may be kept, in seconds.
    pub ttl_s: u32,
    /// The port where the proxy serves sites with certificates, when it does.
    pub https_port: Option<u16>,
    /// The port where the proxy serves HTTP/3, when it does.
    pub http3_port: Option<u16>,
    /// The port where DNS is asked over TLS, when it is.
    pub tls_port: Option<u16>,
    /// Networks of which the reverse names are zones of ours.
    pub reverse_zones: Vec<IpNet>,
    /// Records that are there whatever the catalog holds.
    pub records: Arc<FixedRecords>,
    /// What the serial is ahead of the catalog's generation.
    pub serial_offset: u64,
}

impl ZoneSettings {
    /// The default settings for these domains: a proxy, and the address where the query arrived.
    pub fn new(domains: Domains) -> Self {
        Self {
            domains,
            addresses: Vec::new(),
            views: Vec::new(),
            proxied: true,
            ttl_s: POSITIVE_TTL_S,
            https_port: None,
            http3_port: None,
            tls_port: None,
            reverse_zones: Vec::new(),
            records: Arc::default(),
            serial_offset: 0,
        }
    }
}

/// Every name we answer for, at one version.
#[derive(Debug, Clone)]
pub struct Zone {
    pub(crate) version: Version,
    pub(crate) frame: Arc<Frame>,
    pub(crate) nodes: Nodes,
    pub(crate) published: SharedMap<ServiceName, Arc<Published>>,
    pub(crate) pointers: Addressed,
    /// Names of ours in hosts files.
    pub(crate) hosts: HostsNames,
    /// How often those have changed, as far as secondaries have seen it.
    pub(crate) hosts_steps: u64,
}

impl Zone {
    /// What this zone was compiled from.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The names of ours in hosts files.
    pub fn hosts(&self) -> &HostsNames {
        &self.hosts
    }

    /// Those of them that something else stands in place of: a service, or a record of operators.
    pub fn hosts_passed_over(&self) -> impl Iterator<Item = &RecordName> {
        self.hosts.records().names().filter(|name| self.passes_over(name))
    }

    /// Whether something else stands in place of a name of hosts files.
    pub fn passes_over(&self, name: &RecordName) -> bool {
        let node = self.nodes.get(AskedKey::of_text(name.as_str()).as_slice());
        node.is_some_and(|node| node.rrsets.is_some() || self.is_given(name, node))
    }

    /// Whether operators gave a name what its addresses in hosts files could not stand beside.
    pub(crate) fn is_given(&self, name: &RecordName, node: Node<'_>) -> bool {
        let hosts = self.hosts.records().at(name.as_str());
        node.records.is_some_and(|records| records.is_located_without(&[hosts]))
    }

    /// How many names have addresses.
    pub fn len(&self) -> usize {
        self.published.values().map(|p| p.hosts.len()).sum()
    }

    /// Whether no name has an address.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of every domain's SOA: it moves with every change, and is 32 bits wide (RFC 1982).
    pub fn serial(&self) -> u32 {
        let generation = self.version.generation.0;
        let wide = generation.wrapping_add(self.frame.serial_offset).wrapping_add(self.hosts_steps);
        u32::try_from(wide & u64::from(u32::MAX)).unwrap_or(0)
    }

    /// The zones, as configured: domains, then reverse names.
    pub fn zones(&self) -> impl Iterator<Item = ZoneInfo> {
        let name = |apex: &Apex| text_of(apex.key.as_slice());
        let domains = self.frame.apexes.iter();
        let domains = domains.map(move |apex| ZoneInfo { name: name(apex), addresses: None });
        domains.chain(self.frame.reverses.iter().map(move |reverse| ZoneInfo {
            name: name(&reverse.apex),
            addresses: Some(self.addresses_in(&reverse.net)),
        }))
    }

    /// How long a positive answer may be kept, in seconds.
    pub fn ttl_s(&self) -> u32 {
        self.frame.ttl_s
    }

    /// Whether an answer may depend on who asks.
    pub fn has_views(&self) -> bool {
        !self.frame.views.is_empty()
    }

    /// What the gateway's names answer with to this client, who asked at an interface with the addresses
    /// of `local`.
    pub fn facing(&self, client: IpAddr, local: Local) -> Local {
        match self.has_views() {
            true => Local { view: self.frame.views.of(client), ..local },
            false => local,
        }
    }

    /// Every network with a view, the most specific first, with what its clients get.
    pub fn views(&self) -> Vec<(IpNet, Vec<IpAddr>)> {
        self.frame.views.listing().collect()
    }

    /// Every name with what it answers, sorted; for people to look at.
    pub fn listing(&self) -> Vec<Listed> {
        let mut all: Vec<Listed> = Vec::with_capacity(self.len());
        for (service, published) in self.published.iter() {
            let (target, addresses) = match &*published.rrsets {
                RrSets::Gateway { .. } => (Target::Gateway, self.frame.addresses()),
                RrSets::Direct { v4, v6 } => (Target::Direct, both(v4, v6)),
            };
            all.extend(published.hosts.iter().map(|host| Listed {
                host: host.clone(),
                service: service.clone(),
                target,
                addresses: addresses.clone(),
            }));
        }
        all.sort_by(|a, b| a.host.cmp(&b.host));
        all
    }
}

/// One of [`Zone::zones`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneInfo {
    /// Its name.
    pub name: String,
    /// Of reverse names: how many addresses have one, the gateway's own not counted.
    pub addresses: Option<usize>,
}

/// One line of [`Zone::listing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub host: Host,
    /// The service it belongs to.
    pub service: ServiceName,
    /// Whose addresses it answers with.
    pub target: Target,
    /// The addresses; empty for the gateway's when they depend on where the query arrives.
    pub addresses: Vec<IpAddr>,
}

/// Whose addresses a name answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The gateway's, so that traffic passes the proxy.
    Gateway,
    /// The service's own.
    Direct,
}

/// What the settings fix for every zone compiled with them.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) apexes: Vec<Apex>,
    pub(crate) v4: Box<[Ipv4Addr]>,
    pub(crate) v6: Box<[Ipv6Addr]>,
    pub(crate) views: Views,
    pub(crate) proxied: bool,
    pub(crate) ttl_s: u32,
    pub(crate) gateway: Arc<RrSets>,
    /// The same for names that are served with certificates.
    pub(crate) gateway_https: Arc<RrSets>,
    pub(crate) sites: Option<Sites>,
    pub(crate) encrypted: Option<Encrypted>,
    /// Zones of reverse names; none is within another.
    pub(crate) reverses: Vec<ReverseZone>,
    /// What the configuration gives.
    pub(crate) fixed: Arc<FixedRecords>,
    pub(crate) serial_offset: u64,
}

impl Frame {
    /// The innermost of our domains that the key is at or below.
    pub(crate) fn apex_of(&self, key: &[u8]) -> Option<&Apex> {
        ancestry(key).find_map(|name| self.apexes.iter().find(|a| a.key.as_slice() == name))
    }

    /// The zone of reverse names that the key is at or below.
    pub(crate) fn reverse_of(&self, key: &[u8]) -> Option<&ReverseZone> {
        if self.reverses.is_empty() {
            return None;
        }
        ancestry(key).find_map(|name| self.reverses.iter().find(|r| r.apex.key.as_slice() == name))
    }

    /// What the gateway's names answer with when that is configured, for everybody or for the view.
    pub(crate) fn configured(&self, local: &Local) -> Option<Addresses<'_>> {
        if let Some(view) = local.view
            && let Some(addresses) = self.views.addresses(view)
        {
            return Some(addresses);
        }
        let is_given = !(self.v4.is_empty() && self.v6.is_empty());
        is_given.then_some(Addresses { v4: &self.v4, v6: &self.v6 })
    }

    /// Whether an address is the gateway's, for some client or for the one who asks.
    pub(crate) fn is_gateway(&self, address: IpAddr, local: &Local) -> bool {
        let is_given = !(self.v4.is_empty() && self.v6.is_empty());
        self.views.has(address)
            || match address {
                IpAddr::V4(a) if is_given => self.v4.contains(&a),
                IpAddr::V6(a) if is_given => self.v6.contains(&a),
                IpAddr::V4(a) => local.v4 == Some(a),
                IpAddr::V6(a) => local.v6 == Some(a),
            }
    }

    /// The configured addresses of the gateway.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        both(&self.v4, &self.v6)
    }
}

/// The top of a domain of ours.
#[derive(Debug)]
pub(crate) struct Apex {
    pub(crate) key: NameKey,
    pub(crate) start: Start,
}

/// The reverse names of a network, as a zone.
#[derive(Debug)]
pub(crate) struct ReverseZone {
    pub(crate) apex: Apex,
    pub(crate) net: IpNet,
}

/// The names in an SOA record.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// Our own name under the domain, which resolves to us.
    pub(crate) nameserver: Name,
    /// The mailbox of whoever is responsible, as a name.
    pub(crate) contact: Name,
}

/// The addresses of a service, shared by its hosts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RrSets {
    /// The gateway's.
    Gateway {
        /// Whether it is a site with a certificate.
        is_https: bool,
        /// The label of a `tcp` service, and its port of the gateway.
        stream: Option<(String, u16)>,
    },
    /// The service's own.
    Direct { v4: Box<[Ipv4Addr]>, v6: Box<[Ipv6Addr]> },
}

/// What a service has in the table, to take it out again.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) hosts: Box<[Host]>,
    pub(crate) rrsets: Arc<RrSets>,
}

/// Addresses of both families, IPv4 first.
pub(crate) fn both(v4: &[Ipv4Addr], v6: &[Ipv6Addr]) -> Vec<IpAddr> {
    let v4 = v4.iter().copied().map(IpAddr::V4);
    v4.chain(v6.iter().copied().map(IpAddr::V6)).collect()
}

/// How long a positive answer may be kept.
pub const POSITIVE_TTL_S: u32 = 30;
