//! The only hand that publishes: it issues missing leaves, compiles the next tables from the
//! published ones and a change, and swaps them.
//!
//! **Invariant:** preparing changes nothing that anybody can see, and
//! publishing cannot fail. Routes are swapped before the zone, so a name never
//! resolves before it can be served.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::catalog::{Catalog, Change, Version};
use conduit_core::certificate::{Issuance, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::LeafPair;
use conduit_core::live;
use conduit_core::name::ServiceName;
use conduit_core::service::{Service, TlsMode};
use conduit_dns::publication::ZoneWriter;
use conduit_dns::zone::{Zone, ZoneSettings};
use conduit_proxy::compile::Compiler;
use conduit_proxy::table::RouteTable;
use conduit_proxy::tcp::{PortRefused, Reservation, TcpPorts};
use conduit_registry::{Preparation, PublishError, Rejection, Work};
use conduit_tls::authority::Authority;

use crate::leaves::{Issued, LeafSet, Overlay};

/// What tables are compiled with, besides the catalog.
#[derive(Debug, Clone)]
pub(crate) struct TableSettings {
    /// Of the zone.
    pub(crate) zone: ZoneSettings,
    /// How long a new leaf is valid.
    pub(crate) leaf_validity: Duration,
}

/// Issues, compiles and swaps.
#[derive(Debug)]
pub(crate) struct Publisher {
    settings: TableSettings,
    /// Its intermediates are replaced now and then.
    authority: Option<live::Reader<Authority>>,
    compiler: Compiler,
    builtin: Option<Arc<Service>>,
    leaves: LeafSet,
    ports: Option<TcpPorts>,
    routes: live::Writer<RouteTable>,
    zone: ZoneWriter,
}

/// The tables that are published first.
#[derive(Debug)]
pub(crate) struct FirstTables {
    /// Publishes what follows.
    pub(crate) publisher: Publisher,
    /// Reads routes.
    pub(crate) routes: live::Reader<RouteTable>,
    /// Reads the zone.
    pub(crate) zone: live::Reader<Zone>,
    /// Registered services whose leaves were missing, expired or of an unknown issuer: they are
    /// served with leaves made in memory just now, and are to be issued durably.
    pub(crate) reissue: Vec<ServiceName>,
}

/// Tables that are ready to go live.
#[derive(Debug)]
pub(crate) struct Prepared {
    issued: Issued,
    gone: Vec<ServiceName>,
    ports: Option<Reservation>,
    changed: Vec<ServiceName>,
    routes: Arc<RouteTable>,
    zone: Arc<Zone>,
}

impl Publisher {
    /// Binds what the tables need of ports for byte streams from now on, beginning with the first
    /// one.
    #[must_use]
    pub(crate) fn with_ports(self, ports: Option<TcpPorts>) -> Self {
        if let Some(ports) = &ports {
            ports.open(&self.routes.current());
        }
        Self { ports, ..self }
    }

    /// Compiles the first tables from a catalog and the stored leaves. The catalog holds the
    /// built-in service as well.
    ///
    /// # Errors
    /// When a missing leaf cannot be issued.
    pub(crate) fn start(
        settings: TableSettings,
        authority: Option<live::Reader<Authority>>,
        compiler: Compiler,
        builtin: Option<Arc<Service>>,
        catalog: &Catalog,
        stored: Vec<(ServiceName, LeafPair)>,
        now: Timestamp,
    ) -> Result<FirstTables, PublishError> {
        let mut leaves = LeafSet::default();
        let mut missing: Vec<&Arc<Service>> = Vec::new();
        if let Some(authority) = authority.as_ref().map(live::Reader::load_full) {
            let usable = stored.into_iter().filter(|(_, pair)| pair.not_after() > now);
            leaves.absorb(Issued::new(&authority, usable));
            missing.extend(catalog.iter().filter(|service| {
                service.tls == TlsMode::Issued && leaves.get(&service.name).is_none()
            }));
            let pairs = issue(&authority, &missing, settings.leaf_validity, now)?;
            leaves.absorb(Issued::new(&authority, pairs));
        }
        let ours = |name: &ServiceName| *name == ServiceName::conduit();
        let reissue = missing.iter().map(|s| s.name.clone()).filter(|name| !ours(name)).collect();

        let version = Version { generation: catalog.generation(), revision: 0 };
        let source = Overlay { issued: &Issued::default(), committed: &leaves };
        let table = compiler.compile(catalog, &source, version, None).map_err(PublishError::new)?;
        table.settle_all();
        let (routes, routes_reader) = live::channel(Arc::new(table));
        let (zone, zone_reader) =
            ZoneWriter::start(Zone::compile(catalog, version, &settings.zone));
        let ports = None;
        let publisher =
            Self { settings, authority, compiler, builtin, leaves, ports, routes, zone };
        Ok(FirstTables { publisher, routes: routes_reader, zone: zone_reader, reissue })
    }

    /// What publishes zones.
    pub(crate) fn zone(&self) -> ZoneWriter {
        self.zone.clone()
    }

    /// The services of this work whose leaves must be issued.
    fn to_issue<'a>(&'a self, work: &'a Work<'_>) -> Vec<&'a Arc<Service>> {
        let changed = work.changes.iter().filter_map(|change| match change {
            Change::Put(service) => Some(service).filter(|s| !self.has_leaves_for(s, work)),
            Change::Drop(_) => None,
        });
        let ours = |name: &ServiceName| self.builtin.as_ref().filter(|s| s.name == *name);
        let again =
            work.reissue.iter().filter_map(|name| work.next.get(name).or_else(|| ours(name)));
        changed.chain(again).filter(|service| service.tls == TlsMode::Issued).collect()
    }

    /// Whether the published leaves already name exactly the hosts of this service.
    fn has_leaves_for(&self, service: &Service, work: &Work<'_>) -> bool {
        let same_hosts =
            work.previous.get(&service.name).is_some_and(|before| before.hosts == service.hosts);
        let fresh = self.leaves.get(&service.name).is_some_and(|l| l.renew_at() > work.now);
        same_hosts && fresh
    }
}

impl conduit_registry::Publisher for Publisher {
    type Prepared = Prepared;

    fn prepare(&mut self, work: &Work<'_>) -> Result<Preparation<Prepared>, PublishError> {
        let mut pairs = Vec::new();
        let mut issued = Issued::default();
        if let Some(authority) = self.authority.as_ref().map(live::Reader::load_full) {
            let needed = self.to_issue(work);
            pairs = issue(&authority, &needed, self.settings.leaf_validity, work.now)?;
            issued = Issued::new(&authority, pairs.iter().cloned());
        }
        let source = Overlay { issued: &issued, committed: &self.leaves };
        let routes = self
            .compiler
            .with_changes(&self.routes.current(), work.changes, work.reissue, &source, work.version)
            .map_err(PublishError::new)?;
        let reserve = |ports: &TcpPorts| ports.reserve(&self.routes.current(), &routes);
        let ports = self.ports.as_ref().map(reserve).transpose();
        let ports = ports.map_err(|error| refused(&error, work))?;
        let zone = self.zone.current().with(work.changes, work.version);
        let zone = match work.records {
            [] => zone,
            records => zone.with_records(records, work.version),
        };
        let gone = work.changes.iter().filter_map(|change| match change {
            Change::Put(service) if service.tls == TlsMode::Issued => None,
            Change::Drop(_) | Change::Put(_) => Some(change.name().clone()),
        });
        let prepared = Prepared {
            gone: gone.collect(),
            ports,
            changed: work.changes.iter().map(|change| change.name().clone()).collect(),
            routes: Arc::new(routes),
            zone: Arc::new(zone),
            issued,
        };
        Ok(Preparation { prepared, leaves: pairs })
    }

    fn sign(&mut self, issuance: &Issuance, now: Timestamp) -> Result<Signed, PublishError> {
        let Some(authority) = self.authority.as_ref().map(live::Reader::load_full) else {
            let message = "this gateway has no certificate authority";
            let rejection = Rejection::new("tls_off", message);
            return Err(PublishError::new(rejection.hint("set [tls] enabled = true and restart")));
        };
        let signed = authority.sign(issuance, self.settings.leaf_validity, now);
        signed.map_err(|error| match error.is_the_callers() {
            Some(code) => PublishError::new(Rejection::new(code, error.to_string())),
            None => PublishError::new(error),
        })
    }

    fn publish(&mut self, prepared: Prepared) {
        self.leaves.absorb(prepared.issued);
        for name in &prepared.gone {
            self.leaves.forget(name);
        }
        if let (Some(ports), Some(reservation)) = (&self.ports, prepared.ports) {
            ports.commit(reservation, &prepared.routes);
        }
        self.routes.publish(Arc::clone(&prepared.routes));
        prepared.routes.settle(&prepared.changed);
        self.zone.publish(prepared.zone);
    }
}

/// A port that cannot be had is the caller's to mend, who asked for it.
fn refused(error: &PortRefused, work: &Work<'_>) -> PublishError {
    let rejection = Rejection::new("port_unavailable", error.reason.clone())
        .hint("choose another port with --listen (\"policy\": {\"listen\": PORT} in the API)");
    let asked = work.changes.iter().find_map(|change| match change {
        Change::Put(service) if service.listen() == Some(error.port) => Some(&service.name),
        Change::Drop(_) | Change::Put(_) => None,
    });
    PublishError::new(match asked {
        Some(name) => rejection.about(name),
        None => rejection,
    })
}

/// Issues both leaves for each service, on every core when there are many.
fn issue(
    authority: &Authority,
    services: &[&Arc<Service>],
    validity: Duration,
    now: Timestamp,
) -> Result<Vec<(ServiceName, LeafPair)>, PublishError> {
    let issue_some = |some: &[&Arc<Service>]| {
        let each = some.iter().map(|service| {
            let pair = authority.issue(&service.hosts, validity, now).map_err(PublishError::new)?;
            Ok((service.name.clone(), pair))
        });
        each.collect::<Result<Vec<_>, PublishError>>()
    };
    if services.len() < PARALLEL_FROM {
        return issue_some(services);
    }
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = services.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            services.chunks(share).map(|chunk| scope.spawn(move || issue_some(chunk))).collect();
        let mut pairs = Vec::with_capacity(services.len());
        for worker in workers {
            let issued = worker.join().map_err(|_| PublishError::new("issuing leaves panicked"))?;
            pairs.extend(issued?);
        }
        Ok(pairs)
    })
}

/// From how many services on their leaves are issued on several threads.
const PARALLEL_FROM: usize = 16;

#[cfg(test)]
mod tests;
