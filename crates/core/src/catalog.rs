//! The registry's immutable view: every active service and every record at one generation.

use std::fmt;
use std::sync::Arc;

use crate::name::{Host, ServiceName};
use crate::record::name::RecordName;
use crate::record::{Record, RecordChange};
use crate::service::Service;
use crate::shared_map::SharedMap;

/// Counts the catalogs that were committed; never reused, never going back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a published table was compiled from: the catalog's generation, and how often it was
/// published at that generation (a renewed leaf is a new revision of the same generation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// Of the catalog.
    pub generation: Generation,
    /// Publications at this generation, from 0.
    pub revision: u64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.revision)
    }
}

/// Every active service, by name and by host, and every record by its name.
///
/// **Invariant:** every host of every service maps to exactly that service. No name has an empty list
/// of records.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    generation: Generation,
    services: SharedMap<ServiceName, Arc<Service>>,
    hosts: SharedMap<Host, ServiceName>,
    records: SharedMap<RecordName, Arc<[Record]>>,
    record_count: usize,
}

impl Catalog {
    /// The catalog at this generation.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// A service by name.
    pub fn get(&self, name: &ServiceName) -> Option<&Arc<Service>> {
        self.services.get(name)
    }

    /// The service that has this host.
    pub fn by_host(&self, host: &Host) -> Option<&Arc<Service>> {
        self.hosts.get(host).and_then(|name| self.services.get(name))
    }

    /// Every service, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// Every service, by name.
    pub fn sorted(&self) -> Vec<&Arc<Service>> {
        let mut all: Vec<_> = self.services.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The services that are other ones than in `before`, or were not there, in no particular order.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Arc<Service>> {
        let is_same = |service: &Arc<Service>| {
            before.get(&service.name).is_some_and(|old| Arc::ptr_eq(old, service))
        };
        let differing = self.services.unshared(&before.services).map(|(_, service)| service);
        differing.filter(move |service| !is_same(service))
    }

    /// How many services there are.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The records of a name; none when it has none.
    pub fn records_at(&self, name: &str) -> &[Record] {
        self.records.get(name).map_or(&[], |records| records)
    }

    /// The records of every name that has some, in no particular order.
    pub fn records(&self) -> impl Iterator<Item = &Arc<[Record]>> {
        self.records.values()
    }

    /// How many records there are.
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// The catalog in which these names have these records, at `generation`.
    #[must_use]
    pub fn with_records(&self, generation: Generation, changes: &[RecordChange]) -> Self {
        let mut next = Self { generation, ..self.clone() };
        for RecordChange { name, records } in changes {
            let before = match records.is_empty() {
                true => next.records.remove(name),
                false => next.records.insert(name.clone(), Arc::clone(records)),
            };
            next.record_count += records.len();
            next.record_count -= before.map_or(0, |before| before.len());
        }
        next
    }

    /// The catalog after a change, at `generation`; the caller has checked the change.
    ///
    /// Each change is a service as it is to be, or the name of one to drop. What did not change is
    /// shared with this catalog.
    #[must_use]
    pub fn with(&self, generation: Generation, changes: Vec<Change>) -> Self {
        let mut next = Self { generation, ..self.clone() };
        for change in &changes {
            if let Some(old) = next.services.remove(change.name()) {
                for host in &old.hosts {
                    next.hosts.remove(host);
                }
            }
        }
        for change in changes {
            if let Change::Put(service) = change {
                for host in &service.hosts {
                    let taken = next.hosts.insert(host.clone(), service.name.clone());
                    assert!(taken.is_none(), "two services with host {host}");
                }
                next.services.insert(service.name.clone(), service);
            }
        }
        next
    }
}

/// One step from a catalog to the next.
#[derive(Debug, Clone)]
pub enum Change {
    /// This service is no longer active.
    Drop(ServiceName),
    /// This service is new, or replaces the one of the same name.
    Put(Arc<Service>),
}

impl Change {
    /// The service it is about.
    pub fn name(&self) -> &ServiceName {
        match self {
            Self::Drop(name) => name,
            Self::Put(service) => &service.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::service::{DnsMode, Monitoring, ProbeSpec, Protocol, TlsMode, WhenAllEjected};
    use crate::upstream::UpstreamAddr;

    fn service(name: &str, hosts: &[&str]) -> Arc<Service> {
        Arc::new(Service {
            name: ServiceName::parse(name).expect("valid"),
            hosts: hosts.iter().map(|h| Host::parse(h).expect("valid")).collect(),
            upstreams: vec![UpstreamAddr::parse("10.0.0.1:80").expect("valid")],
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
        })
    }

    #[test]
    fn a_host_may_move_from_one_service_to_another_in_one_change() {
        let a = service("a", &["a.internal", "shared.internal"]);
        let b = service("b", &["b.internal"]);
        let first = Catalog::default().with(Generation(1), vec![Change::Put(a), Change::Put(b)]);
        let next = first.with(
            Generation(2),
            vec![
                Change::Put(service("b", &["b.internal", "shared.internal"])),
                Change::Put(service("a", &["a.internal"])),
            ],
        );
        let shared = Host::parse("shared.internal").expect("valid");
        assert_eq!(first.by_host(&shared).map(|s| s.name.as_str()), Some("a"));
        assert_eq!(next.by_host(&shared).map(|s| s.name.as_str()), Some("b"));
        let dropped =
            next.with(Generation(3), vec![Change::Drop(ServiceName::parse("b").expect("valid"))]);
        assert!(dropped.by_host(&shared).is_none());
        assert_eq!(dropped.len(), 1);
    }

    #[test]
    fn records_are_kept_by_name_and_counted() {
        use crate::record::data::RecordData;
        use crate::record::kind::RecordType;
        let record = |text: &str| Record {
            name: RecordName::parse("nas.internal").expect("valid"),
            data: RecordData::parse(RecordType::A, text).expect("valid"),
            ttl: None,
            added_at: Timestamp::from_seconds(0),
        };
        let set = |texts: &[&str]| RecordChange {
            name: RecordName::parse("nas.internal").expect("valid"),
            records: texts.iter().map(|text| record(text)).collect(),
        };
        let first = Catalog::default().with_records(Generation(1), &[set(&["10.0.0.7"])]);
        let two = first.with_records(Generation(2), &[set(&["10.0.0.7", "10.0.0.8"])]);
        let none = two.with_records(Generation(3), &[set(&[])]);
        let counts = [&first, &two, &none].map(Catalog::record_count);
        assert_eq!(counts, [1, 2, 0]);
        assert_eq!(two.records_at("nas.internal").len(), 2);
        assert_eq!((none.records_at("nas.internal"), none.records().count()), (&[][..], 0));
        assert_eq!(none.generation(), Generation(3));
    }

    #[test]
    fn what_changed_is_what_is_another_one_now() {
        let put = |name: &str| Change::Put(service(name, &[&format!("{name}.internal")]));
        let names = |all: Vec<&Arc<Service>>| {
            let mut names: Vec<_> = all.into_iter().map(|s| s.name.as_str().to_owned()).collect();
            names.sort_unstable();
            names
        };
        let first = Catalog::default().with(Generation(1), vec![put("a"), put("b"), put("c")]);
        let gone = Change::Drop(ServiceName::parse("c").expect("valid"));
        let next = first.with(Generation(2), vec![put("b"), put("d"), gone]);
        assert_eq!(names(next.changed_since(&first).collect()), ["b", "d"]);
        assert_eq!(names(first.changed_since(&next).collect()), ["b", "c"]);
        assert_eq!(names(first.changed_since(&Catalog::default()).collect()), ["a", "b", "c"]);
        assert_eq!(next.changed_since(&next).count(), 0);
    }
}
