//! Catalog → route table.
//!
//! **Invariant:** pure: no I/O, no waiting, and the previous table is not touched. What did not
//! change is carried over by pointer: each route, each pool, and each upstream with its health and
//! its load. An error leaves nothing behind.

use std::collections::HashMap;
use std::sync::Arc;

use conduit_core::catalog::{Catalog, Change, Version};
use conduit_core::name::ServiceName;
use conduit_core::policy::Policy;
use conduit_core::service::{Service, TlsMode};
use conduit_core::shared_map::SharedMap;

use crate::error::ProxyError;
use crate::policy::RoutePolicy;
use crate::pool::{Pool, PoolSettings};
use crate::sni::RouteLeaves;
use crate::table::{Route, RouteTable, Watched};
use crate::tcp::port::Port;
use crate::upstream::{Reports, Upstream, UpstreamPolicy, UpstreamSpec};

/// Where the compiler finds the leaves of a service.
pub trait LeafSource {
    /// The leaves to serve from now on, when there are any.
    fn leaves(&self, service: &ServiceName) -> Option<Arc<RouteLeaves>>;
}

/// Makes route tables.
#[derive(Debug, Clone)]
pub struct Compiler {
    settings: CompilerSettings,
    reports: Reports,
    plain: Plain,
}

/// What it comes to when a policy asks for nothing; most do, so they share it.
#[derive(Debug, Clone)]
struct Plain {
    route: Arc<RoutePolicy>,
    pool: Arc<PoolSettings>,
    upstream: Arc<UpstreamPolicy>,
}

/// What a table depends on besides the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompilerSettings {
    /// Whether this gateway serves TLS at all; when not, every route is served in the clear.
    pub tls: bool,
    /// Whether this gateway proxies at all; when not, nothing is routed and everything is watched.
    pub proxy: bool,
}

impl Default for CompilerSettings {
    fn default() -> Self {
        Self { tls: true, proxy: true }
    }
}

impl Compiler {
    /// A compiler whose upstreams report to `reports`.
    pub fn new(settings: CompilerSettings, reports: Reports) -> Self {
        let plain = Plain {
            route: Arc::new(RoutePolicy::compile(&Policy::default(), None)),
            pool: Arc::default(),
            upstream: Arc::default(),
        };
        Self { settings, reports, plain }
    }

    /// Compiles the whole catalog, carrying over what `previous` already has.
    ///
    /// # Errors
    /// When a service that is served with TLS has no leaves.
    pub fn compile(
        &self,
        catalog: &Catalog,
        leaves: &dyn LeafSource,
        version: Version,
        previous: Option<&RouteTable>,
    ) -> Result<RouteTable, ProxyError> {
        let mut next = RouteTable {
            version,
            routes: SharedMap::with_capacity(catalog.len()),
            watched: SharedMap::with_capacity(catalog.len()),
            own_leaves: self.own_leaves(leaves),
            ..RouteTable::default()
        };
        for service in catalog.iter() {
            let before = previous.and_then(|table| table.watched.get(&service.name));
            next.put(self.watch(service, leaves, before)?, &service.name);
        }
        Ok(next)
    }

    /// Compiles the next table from the previous one: these changes, and the leaves of these
    /// services made anew. What did not change is shared with the previous one.
    ///
    /// # Errors
    /// When a service that is served with TLS has no leaves.
    pub fn with_changes(
        &self,
        previous: &RouteTable,
        changes: &[Change],
        reissued: &[ServiceName],
        leaves: &dyn LeafSource,
        version: Version,
    ) -> Result<RouteTable, ProxyError> {
        let mut next = RouteTable { version, ..previous.clone() };
        // A host may move from one service to another in one step, so all old ones go first.
        let mut replaced: HashMap<&ServiceName, Watched> = HashMap::new();
        for change in changes {
            let old = next.take(change.name());
            if let (Change::Put(_), Some(old)) = (change, old) {
                replaced.insert(change.name(), old);
            }
        }
        for change in changes {
            if let Change::Put(service) = change {
                let before = replaced.get(&service.name);
                next.put(self.watch(service, leaves, before)?, &service.name);
            }
        }
        if reissued.iter().any(ServiceName::is_conduit) {
            next.own_leaves = self.own_leaves(leaves);
        }
        for name in reissued {
            if let Some(route) = next.route(name).filter(|route| route.leaves.is_some()) {
                let renewed = Route {
                    service: route.service.clone(),
                    host: route.host.clone(),
                    hosts: Arc::clone(&route.hosts),
                    leaves: Some(required(leaves, name)?),
                    pool: Arc::clone(&route.pool),
                    policy: Arc::clone(&route.policy),
                    asked: Arc::clone(&route.asked),
                    when_all_ejected: route.when_all_ejected,
                };
                next.put(Watched::through(Arc::new(renewed)), name);
            }
        }
        Ok(next)
    }

    fn own_leaves(&self, leaves: &dyn LeafSource) -> Option<Arc<RouteLeaves>> {
        self.settings.tls.then(|| leaves.leaves(&ServiceName::conduit())).flatten()
    }

    fn watch(
        &self,
        service: &Service,
        leaves: &dyn LeafSource,
        before: Option<&Watched>,
    ) -> Result<Watched, ProxyError> {
        let asked = service.policy.with_preset();
        // Most services ask for nothing, and a policy is big to compare.
        let asked = (!asked.is_empty()).then_some(&*asked);
        let pool = self.pool(service, asked, before.map(Watched::pool));
        if !(self.settings.proxy && service.is_routed()) {
            return Ok(Watched::Direct(pool));
        }
        let leaves = match service.tls {
            TlsMode::Issued if self.settings.tls => Some(required(leaves, &service.name)?),
            _ => None,
        };
        let same = before.and_then(Watched::route).filter(|route| {
            Arc::ptr_eq(&route.pool, &pool)
                && *route.hosts == *service.hosts
                && route.asked == service.policy
                && route.when_all_ejected == service.when_all_ejected
                && route.leaves.as_ref().map(Arc::as_ptr) == leaves.as_ref().map(Arc::as_ptr)
        });
        Ok(Watched::through(match same {
            Some(route) => Arc::clone(route),
            None => Arc::new(Route {
                service: service.name.clone(),
                host: service.host().clone(),
                hosts: service.hosts.as_slice().into(),
                leaves,
                pool,
                policy: self.policy(asked, before.and_then(Watched::route)),
                asked: Arc::clone(&service.policy),
                when_all_ejected: service.when_all_ejected,
            }),
        }))
    }

    fn policy(&self, asked: Option<&Policy>, before: Option<&Arc<Route>>) -> Arc<RoutePolicy> {
        let Some(asked) = asked else { return Arc::clone(&self.plain.route) };
        Arc::new(RoutePolicy::compile(asked, before.map(|route| &*route.policy)))
    }

    fn pool(
        &self,
        service: &Service,
        asked: Option<&Policy>,
        before: Option<&Arc<Pool>>,
    ) -> Arc<Pool> {
        let settings = shared(asked.map(PoolSettings::of), &self.plain.pool);
        let policy = shared(asked.map(UpstreamPolicy::of), &self.plain.upstream);
        let specs: Vec<UpstreamSpec> =
            service.upstreams.iter().map(|addr| UpstreamSpec::of(service, &policy, addr)).collect();
        let same = before.filter(|pool| pool.is_for(service.host(), &settings, &specs));
        let same = same.filter(|pool| *pool.holds() == *service.holds);
        if let Some(pool) = same {
            return Arc::clone(pool);
        }
        let known = before.map_or(&[][..], |pool| pool.upstreams());
        let upstreams = specs.into_iter().map(|spec| {
            match known.iter().find(|upstream| *upstream.spec() == spec) {
                Some(upstream) => Arc::clone(upstream),
                None => Arc::new(Upstream::new(spec, self.reports.clone())),
            }
        });
        let (name, host) = (service.name.clone(), service.host().clone());
        Arc::new(Pool::new(name, host, settings, upstreams.collect()).holding(&service.holds))
    }
}

impl RouteTable {
    fn put(&mut self, watched: Watched, name: &ServiceName) {
        match &watched {
            Watched::Direct(_) => {}
            Watched::Routed(route) => {
                for host in &*route.hosts {
                    self.routes.insert(host.clone(), Arc::clone(route));
                }
            }
            Watched::Stream(route) => {
                for host in &*route.hosts {
                    self.streams.insert(host.clone(), Arc::clone(route));
                }
                let mut all = self.others_on_port(route);
                all.push(Arc::clone(route));
                self.set_port(route, all);
            }
        }
        self.watched.insert(name.clone(), watched);
    }

    fn take(&mut self, name: &ServiceName) -> Option<Watched> {
        let old = self.watched.remove(name)?;
        match &old {
            Watched::Direct(_) => {}
            Watched::Routed(route) => {
                for host in &*route.hosts {
                    self.routes.remove(host);
                }
            }
            Watched::Stream(route) => {
                for host in &*route.hosts {
                    self.streams.remove(host);
                }
                let others = self.others_on_port(route);
                self.set_port(route, others);
            }
        }
        Some(old)
    }

    /// The other services on the port of this one.
    fn others_on_port(&self, route: &Route) -> Vec<Arc<Route>> {
        let port = route.port().and_then(|port| self.ports.get(&port));
        port.map(|port| port.without(route)).unwrap_or_default()
    }

    /// Makes these the services on the port of one of them.
    fn set_port(&mut self, route: &Route, routes: Vec<Arc<Route>>) {
        let Some(number) = route.port() else { return };
        if routes.is_empty() {
            self.ports.remove(&number);
        } else {
            self.ports.insert(number, Arc::new(Port::of(routes)));
        }
    }
}

/// In one place with `plain`, when it is the same or there is none.
fn shared<T: PartialEq>(value: Option<T>, plain: &Arc<T>) -> Arc<T> {
    value.filter(|value| *value != **plain).map_or_else(|| Arc::clone(plain), Arc::new)
}

fn required(leaves: &dyn LeafSource, name: &ServiceName) -> Result<Arc<RouteLeaves>, ProxyError> {
    leaves.leaves(name).ok_or_else(|| ProxyError::MissingLeaves { service: name.clone() })
}

#[cfg(test)]
mod tests;
