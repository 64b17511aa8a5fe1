//! Host → route: everything a handshake or a request needs to know, published whole.
//!
//! **Invariant:** a table is never changed after it was made. All hosts of a service share one
//! `Arc<Route>`, and every service has exactly one pool in the table, routed or not: the prober's
//! plan is derived from here.

use std::fmt;
use std::sync::Arc;

use conduit_core::catalog::Version;
use conduit_core::name::{Host, ServiceName};
use conduit_core::policy::Policy;
use conduit_core::service::WhenAllEjected;
use conduit_core::shared_map::SharedMap;

use crate::policy::RoutePolicy;
use crate::pool::Pool;
use crate::sni::RouteLeaves;
use crate::tcp::port::Port;

/// All routes at one version.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    pub(crate) version: Version,
    pub(crate) routes: SharedMap<Host, Arc<Route>>,
    pub(crate) watched: SharedMap<ServiceName, Watched>,
    /// Services of byte streams, by host; none of them is in `routes`.
    pub(crate) streams: SharedMap<Host, Arc<Route>>,
    /// The same, by the port of the gateway.
    pub(crate) ports: SharedMap<u16, Arc<Port>>,
    /// The leaves of the gateway itself, which others than the proxy serve as well.
    pub(crate) own_leaves: Option<Arc<RouteLeaves>>,
}

impl RouteTable {
    /// The route of a host, given in lower case and without a trailing dot.
    pub fn get(&self, host: &str) -> Option<&Arc<Route>> {
        self.routes.get(host)
    }

    /// What the table was compiled from.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Every host with its route, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&Host, &Arc<Route>)> {
        self.routes.iter()
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is no host.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The route of a service, when it has one.
    pub fn route(&self, service: &ServiceName) -> Option<&Arc<Route>> {
        self.watched.get(service).and_then(Watched::route)
    }

    /// The leaves of the gateway's own hosts, also while it proxies nothing.
    pub fn own_leaves(&self) -> Option<&Arc<RouteLeaves>> {
        self.own_leaves.as_ref()
    }

    /// The service of byte streams that has a host, given in lower case.
    pub fn stream(&self, host: &str) -> Option<&Arc<Route>> {
        self.streams.get(host)
    }

    /// The services of byte streams on one port of the gateway.
    pub(crate) fn port(&self, port: u16) -> Option<&Arc<Port>> {
        self.ports.get(&port)
    }

    /// Every port of the gateway that services of byte streams need.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().map(|(port, _)| *port)
    }

    /// The upstreams of a service, routed or not.
    pub fn pool(&self, service: &ServiceName) -> Option<&Arc<Pool>> {
        self.watched.get(service).map(Watched::pool)
    }

    /// Makes what operators hold back of these services count. Compiling touches nothing that the
    /// table before it uses, so whoever publishes calls this right after.
    pub fn settle<'a>(&self, services: impl IntoIterator<Item = &'a ServiceName>) {
        services.into_iter().filter_map(|name| self.pool(name)).for_each(|pool| pool.settle());
    }

    /// The same for every service, of the first table.
    pub fn settle_all(&self) {
        self.pools().for_each(|pool| pool.settle());
    }

    /// Every pool, routed or not, in no particular order.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.watched.values().map(Watched::pool)
    }
}

/// Where requests for the hosts of one service go.
pub struct Route {
    /// The service.
    pub service: ServiceName,
    /// Its primary host.
    pub host: Host,
    /// All its hosts, the primary one first.
    pub hosts: Arc<[Host]>,
    /// What the handshake serves; `None` when the route is served in the clear on `http_listen`.
    pub leaves: Option<Arc<RouteLeaves>>,
    /// The candidates for its requests.
    pub pool: Arc<Pool>,
    /// What is asked of its requests.
    pub policy: Arc<RoutePolicy>,
    /// What the policy was compiled from.
    pub(crate) asked: Arc<Policy>,
    /// What to do when none of them is admitted.
    pub when_all_ejected: WhenAllEjected,
}

impl Route {
    /// Whether its clients send a PROXY header first.
    pub fn expects_proxy_header(&self) -> bool {
        self.policy.stream.as_ref().is_some_and(|stream| stream.expects_header)
    }

    /// The port of the gateway, for a service of byte streams.
    pub fn port(&self) -> Option<u16> {
        self.policy.stream.as_ref().map(|stream| stream.port)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("service", &self.service)
            .field("hosts", &self.hosts)
            .field("tls", &self.leaves.is_some())
            .field("when_all_ejected", &self.when_all_ejected)
            .finish_non_exhaustive()
    }
}

/// One service in the table.
#[derive(Debug, Clone)]
pub(crate) enum Watched {
    /// Answered directly by DNS; only its health concerns us.
    Direct(Arc<Pool>),
    /// Reached through us.
    Routed(Arc<Route>),
    /// Reached through us, on a port of its own, as a stream of bytes.
    Stream(Arc<Route>),
}

impl Watched {
    /// A service that is reached through us.
    pub(crate) fn through(route: Arc<Route>) -> Self {
        if route.policy.stream.is_some() { Self::Stream(route) } else { Self::Routed(route) }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        match self {
            Self::Direct(pool) => pool,
            Self::Routed(route) | Self::Stream(route) => &route.pool,
        }
    }

    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        match self {
            Self::Direct(_) => None,
            Self::Routed(route) | Self::Stream(route) => Some(route),
        }
    }
}
