//! From the catalog to the zone, whole or by one change.
//!
//! Compiling is pure and total: a host that is not under a configured domain (because the domains
//! were changed after it was registered) is left out rather than refused.
//!
//! **Invariant:** a name's count of names below it is right after every change, so that an empty
//! name between a domain and a host exists exactly as long as the host does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Version};
use conduit_core::name::{Host, ServiceName};
use conduit_core::record::fixed::FixedRecords;
use conduit_core::record::kind::RecordType as Kind;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordChange};
use conduit_core::service::{DnsMode, Protocol, Service, TlsMode};
use conduit_core::shared_map::SharedMap;

use crate::automatic::Sites;
use crate::discovery::Encrypted;
use crate::key::{AskedKey, NameKey, ancestry};
use crate::lists::hosts::HostsNames;
use crate::nodes::Nodes;
use crate::pointers::{Addressed, Source};
use crate::records::{Records, name_of};
use crate::reverse;
use crate::views::Views;
use crate::zone::{Apex, Frame, Published, RrSets, Start, Zone, ZoneSettings, both};

impl Zone {
    /// Compiles the zone of a catalog, in which the built-in service is one of the services.
    pub fn compile(catalog: &Catalog, version: Version, settings: &ZoneSettings) -> Self {
        let mut zone = Self {
            version,
            frame: Arc::new(Frame::new(settings)),
            nodes: Nodes::with_capacity(catalog.len() + catalog.record_count()),
            published: SharedMap::with_capacity(catalog.len()),
            pointers: Addressed::default(),
            hosts: HostsNames::default(),
            hosts_steps: 0,
        };
        let frame = Arc::clone(&zone.frame);
        for apex in &frame.apexes {
            zone.count_above(apex.key.as_slice(), &frame, 1);
        }
        for service in catalog.iter() {
            zone.put(service);
        }
        for records in catalog.records() {
            if let Some(record) = records.first() {
                zone.put_records(&record.name, records, Arc::default());
            }
        }
        for name in frame.fixed.names() {
            if catalog.records_at(name.as_str()).is_empty() {
                zone.put_records(name, &Arc::default(), Arc::default());
            }
        }
        zone
    }

    /// The zone in which these names have these records, with the same settings.
    #[must_use]
    pub fn with_records(&self, changes: &[RecordChange], version: Version) -> Self {
        let mut next = Self { version, ..self.clone() };
        for change in changes {
            let hosts = next.hosts.records().shared_at(change.name.as_str());
            next.put_records(&change.name, &change.records, hosts);
        }
        next
    }

    /// The zone with these names of hosts files, and no others, and with what their changes so far add
    /// to the serial.
    #[must_use]
    pub fn with_hosts(&self, hosts: HostsNames, steps: u64) -> Self {
        let mut next = Self { hosts, hosts_steps: steps, ..self.clone() };
        let (before, after) = (self.hosts.records(), Arc::clone(next.hosts.records()));
        next.nodes.reserve(after.len().saturating_sub(before.len()));
        let [v4, v6] = [Kind::A, Kind::Aaaa].map(|kind| {
            let count = |all: &FixedRecords| all.iter().filter(|r| r.data.kind() == kind).count();
            count(&after).saturating_sub(count(before))
        });
        next.pointers.reserve(v4, v6);
        for (name, hosts) in before.changes(&after) {
            next.put_records(name, &self.given_at(name), hosts);
        }
        next
    }

    /// What the registry gave a name: what it has of neither the configuration nor hosts files.
    fn given_at(&self, name: &RecordName) -> Arc<[Record]> {
        let node = self.nodes.get(NameKey::of_record(name).as_slice());
        let Some(records) = node.and_then(|node| node.records) else {
            return Arc::default();
        };
        let hosts = self.hosts.records().at(name.as_str());
        let others = [self.frame.fixed.at(name.as_str()), hosts];
        records.without(&others)
    }

    /// The zone after these changes, with the same settings.
    #[must_use]
    pub fn with(&self, changes: &[Change], version: Version) -> Self {
        let mut next = Self { version, ..self.clone() };
        // All of them go before any comes, since a host may move from one service to another.
        for change in changes {
            next.take(change.name());
        }
        for change in changes {
            if let Change::Put(service) = change {
                next.put(service);
            }
        }
        next
    }

    fn put(&mut self, service: &Service) {
        self.take(&service.name);
        let frame = Arc::clone(&self.frame);
        let rrsets = frame.rrsets_of(service);
        let mut hosts = Vec::with_capacity(service.hosts.len());
        for host in &service.hosts {
            let key = AskedKey::of_text(host.as_str());
            if frame.apex_of(key.as_slice()).is_none() {
                continue;
            }
            self.count_above(key.as_slice(), &frame, 1);
            self.nodes.change(key.as_slice(), |node| node.rrsets = Some(Arc::clone(&rrsets)));
            hosts.push(host.clone());
        }
        if !hosts.is_empty() {
            for address in addresses_of(&rrsets) {
                self.pointers.add(address, &Source::Service(service.name.clone()));
            }
        }
        let published = Published { hosts: hosts.into(), rrsets };
        self.published.insert(service.name.clone(), Arc::new(published));
    }

    fn take(&mut self, name: &ServiceName) {
        let Some(published) = self.published.remove(name) else {
            return;
        };
        let frame = Arc::clone(&self.frame);
        for host in &published.hosts {
            let key = AskedKey::of_text(host.as_str());
            self.nodes.change(key.as_slice(), |node| node.rrsets = None);
            self.count_above(key.as_slice(), &frame, -1);
        }
        for address in addresses_of(&published.rrsets) {
            self.pointers.remove(address, &Source::Service(name.clone()));
        }
    }

    /// Gives a name these records, those of the configuration, and no others; addresses of hosts files where
    /// nothing else says where the name is.
    fn put_records(&mut self, name: &RecordName, given: &Arc<[Record]>, mut hosts: Arc<[Record]>) {
        let frame = Arc::clone(&self.frame);
        let key = AskedKey::of_text(name.as_str());
        let is_ours = frame.apex_of(key.as_slice()).is_some() || name.reversed().is_some();
        let fixed = frame.fixed.shared_at(name.as_str());
        if fixed.iter().chain(given.iter()).any(|record| record.data.is_location()) {
            hosts = Arc::default();
        }
        let next = Records::of(&[fixed, Arc::clone(given), hosts]).filter(|_| is_ours);
        let before = self.nodes.get(key.as_slice()).and_then(|node| node.records.cloned());
        let source = Source::Record(name.clone());
        // Nobody is at a wildcard, so no address leads back to it.
        let is_somebody = !name.is_wildcard();
        for address in before.iter().flat_map(|records| records.addresses()).filter(|_| is_somebody)
        {
            self.pointers.remove(address, &source);
        }
        for address in next.iter().flat_map(|records| records.addresses()).filter(|_| is_somebody) {
            self.pointers.add(address, &source);
        }
        let step = isize::from(next.is_some()) - isize::from(before.is_some());
        self.nodes.change(key.as_slice(), |node| node.records = next);
        if step != 0 {
            self.count_above(key.as_slice(), &frame, step);
        }
    }

    /// Adds to the count of every name strictly between the key and its domain.
    fn count_above(&mut self, key: &[u8], frame: &Frame, step: isize) {
        for name in ancestry(key).skip(1) {
            if frame.apexes.iter().any(|a| a.key.as_slice() == name) {
                return;
            }
            // Above the outermost domain nothing is ours.
            if frame.apex_of(name).is_none() {
                return;
            }
            self.nodes.change(name, |node| node.below = node.below.saturating_add_signed(step));
        }
    }
}

impl Frame {
    fn new(settings: &ZoneSettings) -> Self {
        let apexes = settings.domains.iter().map(Apex::new);
        let addresses = settings.addresses.iter().map(IpAddr::to_canonical);
        let (v4, v6) = split(addresses);
        let sites = Sites::new(settings);
        let apexes: Vec<Apex> = apexes.collect();
        let reverses = reverse::zones(&settings.reverse_zones, apexes.first());
        Self {
            apexes,
            v4,
            v6,
            views: Views::new(&settings.views),
            proxied: settings.proxied,
            ttl_s: settings.ttl_s,
            gateway: Arc::new(RrSets::Gateway { is_https: false, stream: None }),
            gateway_https: Arc::new(RrSets::Gateway { is_https: true, stream: None }),
            sites,
            encrypted: Encrypted::new(settings),
            reverses,
            fixed: Arc::clone(&settings.records),
            serial_offset: settings.serial_offset,
        }
    }

    /// The built-in service always answers with the gateway's address: it is the name server.
    fn rrsets_of(&self, service: &Service) -> Arc<RrSets> {
        let streams = service.protocol == Protocol::Tcp && service.listen().is_none();
        let direct = service.dns == DnsMode::Direct || streams;
        if service.name == ServiceName::conduit() || (self.proxied && !direct) {
            if let Some(port) = service.listen() {
                let stream = Some((service.name.label(), port));
                return Arc::new(RrSets::Gateway { is_https: false, stream });
            }
            let is_https = service.tls != TlsMode::Off && service.protocol != Protocol::Tcp;
            return Arc::clone(if is_https { &self.gateway_https } else { &self.gateway });
        }
        let sockets = service.upstreams.iter().filter_map(|u| u.socket());
        let (v4, v6) = split(sockets.map(|s| s.ip()));
        Arc::new(RrSets::Direct { v4, v6 })
    }
}

impl Apex {
    fn new(domain: &Host) -> Self {
        let name = name_of(domain);
        // Only a domain of nearly 255 octets has no room for another label.
        let below = |label: &str| name.prepend_label(label).unwrap_or_else(|_| name.clone());
        Self {
            key: NameKey::of(domain),
            start: Start {
                nameserver: below(ServiceName::conduit().as_str()),
                contact: below(CONTACT),
            },
        }
    }
}

/// By family, each once.
pub(crate) fn split(addresses: impl Iterator<Item = IpAddr>) -> (Box<[Ipv4Addr]>, Box<[Ipv6Addr]>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses.take(ADDRESSES_PER_NAME_MAX) {
        match address {
            IpAddr::V4(a) if !v4.contains(&a) => v4.push(a),
            IpAddr::V6(a) if !v6.contains(&a) => v6.push(a),
            // Several ports of one machine are one address.
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
    (v4.into(), v6.into())
}

fn addresses_of(rrsets: &RrSets) -> Vec<IpAddr> {
    match rrsets {
        RrSets::Gateway { .. } => Vec::new(),
        RrSets::Direct { v4, v6 } => both(v4, v6),
    }
}

/// The most addresses one name answers with.
const ADDRESSES_PER_NAME_MAX: usize = 256;
/// The mailbox in SOA records, as its first label (RFC 2142 §7).
const CONTACT: &str = "hostmaster";
