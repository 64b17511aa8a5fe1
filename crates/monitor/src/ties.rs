//! Which service a container runs: pure, from the catalog and from where the nodes are.
//!
//! A container runs the service whose row names it (`monitoring.container_name`), else the service
//! that its label `conduit.name` names, else the service that has one of its addresses, or a port of
//! its machine that leads into it, as an upstream. A service with a machine of its own
//! (`monitoring.ssh_host`) has containers there only; one without has them by name and by its own
//! addresses on this machine only.
//!
//! **Invariant:** at most one service; of several the first by name. Nothing is guessed: a
//! container that shares its machine's network has no address of its own, and is tied by name or
//! label only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use conduit_core::catalog::Catalog;
use conduit_core::name::ServiceName;
use conduit_core::service::Service;
use conduit_core::upstream::{UpstreamAddr, UpstreamHost};

use crate::node::NodeName;
use crate::reading::container::Container;

/// The label that names a container's service.
pub const NAME_LABEL: &str = "conduit.name";

/// What ties containers to services, made anew for each catalog.
#[derive(Debug, Clone, Default)]
pub struct Ties {
    /// Says which machine a service is tied to.
    catalog: Catalog,
    by_container: HashMap<String, Vec<ServiceName>>,
    by_address: HashMap<SocketAddr, Vec<ServiceName>>,
    by_name: HashMap<(String, u16), Vec<ServiceName>>,
    places: BTreeMap<NodeName, Place>,
}

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Whether it is this machine: then loopback addresses and those of containers are its own.
    pub is_local: bool,
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// Names it is reached by, in lower case.
    pub names: BTreeSet<String>,
}

impl Place {
    /// This machine: those of the catalog's upstream addresses that are its own, which is found
    /// out by binding a UDP socket to each; nothing is sent.
    pub fn here(catalog: &Catalog) -> Self {
        let upstreams = catalog.iter().flat_map(|service| &service.upstreams);
        let all: BTreeSet<IpAddr> =
            upstreams.filter_map(UpstreamAddr::socket).map(|socket| socket.ip()).collect();
        let is_own = |address: &IpAddr| UdpSocket::bind((*address, 0)).is_ok();
        Self {
            is_local: true,
            addresses: all.into_iter().filter(is_own).collect(),
            names: [LOCALHOST.to_owned()].into(),
        }
    }

    /// Another machine, by its address as configured, such as `ssh://user@10.0.1.20:22` or
    /// `gpu-box`.
    pub fn at(address: &str) -> Self {
        let host = machine_of(address);
        match host.parse() {
            Ok(address) => Self { addresses: [address].into(), ..Self::default() },
            Err(_) => Self { names: [host].into(), ..Self::default() },
        }
    }

    fn has(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || (self.is_local && address.is_loopback())
    }
}

impl Ties {
    /// The ties of a catalog, without places: add those of the nodes with [`Ties::with_place`].
    pub fn of(catalog: &Catalog) -> Self {
        let mut ties = Self { catalog: catalog.clone(), ..Self::default() };
        // By name, so that of several the first one counts.
        for service in catalog.sorted() {
            ties.add(service);
        }
        ties
    }

    /// Says where a node is; one that is nowhere is known by its name only.
    #[must_use]
    pub fn with_place(mut self, node: NodeName, place: Place) -> Self {
        self.places.insert(node, place);
        self
    }

    /// The service that a container of this node runs.
    pub fn service_of(&self, node: &NodeName, container: &Container) -> Option<ServiceName> {
        let nowhere = Place::default();
        let place = self.places.get(node).unwrap_or(&nowhere);
        let fits = |name: &&ServiceName| self.may_be_on(name, node, place);
        let named = self.by_container.get(&container.name);
        if let Some(name) = named.into_iter().flatten().find(fits) {
            return Some(name.clone());
        }
        let label = container.labels.get(NAME_LABEL);
        let labelled = label.and_then(|name| ServiceName::parse(name).ok());
        if let Some(service) = labelled.and_then(|name| self.catalog.get(&name)) {
            // A label is on the container itself, wherever that is.
            if service.monitoring.ssh_host.is_none() || fits(&&service.name) {
                return Some(service.name.clone());
            }
        }
        let addressed = self.by_own_address(place, container).chain(self.by_port(place, container));
        addressed.filter(|name| self.is_not_elsewhere(name, node, place)).min().cloned()
    }

    fn add(&mut self, service: &Service) {
        let name = &service.name;
        if let Some(container) = &service.monitoring.container_name {
            let container = container.trim_start_matches('/').to_owned();
            self.by_container.entry(container).or_default().push(name.clone());
        }
        for upstream in &service.upstreams {
            let names = match (upstream.socket(), upstream.host()) {
                (Some(socket), _) => self.by_address.entry(socket).or_default(),
                (None, UpstreamHost::Name(host)) => {
                    self.by_name.entry((host.to_ascii_lowercase(), upstream.port())).or_default()
                }
                // Who listens at a Unix socket is not told.
                (None, _) => continue,
            };
            names.push(name.clone());
        }
    }

    /// Services that have an address of the container's own as an upstream; only this machine
    /// reaches those of its containers.
    fn by_own_address<'a>(
        &'a self,
        place: &Place,
        container: &'a Container,
    ) -> impl Iterator<Item = &'a ServiceName> {
        let is_local = place.is_local;
        let sockets = self
            .by_address
            .iter()
            .filter(move |(socket, _)| is_local && container.addresses.contains(&socket.ip()));
        sockets.flat_map(|(_, names)| names)
    }

    /// Services that have a port of the machine, which leads into the container, as an upstream.
    fn by_port<'a>(
        &'a self,
        place: &'a Place,
        container: &'a Container,
    ) -> impl Iterator<Item = &'a ServiceName> {
        let leads_in = |address: Option<IpAddr>, port: u16| {
            container.ports.iter().any(|published| {
                published.host == port
                    && published.address.is_none_or(|own| address.is_none_or(|asked| asked == own))
            })
        };
        let by_address = self.by_address.iter().filter(move |(socket, _)| {
            place.has(socket.ip()) && leads_in(Some(socket.ip()), socket.port())
        });
        let by_name = self
            .by_name
            .iter()
            .filter(move |((name, port), _)| place.names.contains(name) && leads_in(None, *port));
        let by_address = by_address.flat_map(|(_, names)| names);
        by_address.chain(by_name.flat_map(|(_, names)| names))
    }

    /// Whether a container of this node can be the one that the service names.
    fn may_be_on(&self, name: &ServiceName, node: &NodeName, place: &Place) -> bool {
        match self.machine(name) {
            Some(machine) => is_machine(&machine, node, place),
            None => place.is_local,
        }
    }

    fn is_not_elsewhere(&self, name: &ServiceName, node: &NodeName, place: &Place) -> bool {
        self.machine(name).is_none_or(|machine| is_machine(&machine, node, place))
    }

    /// The machine that a service is tied to, if any.
    fn machine(&self, name: &ServiceName) -> Option<String> {
        self.catalog.get(name)?.monitoring.ssh_host.as_deref().map(machine_of)
    }
}

fn is_machine(machine: &str, node: &NodeName, place: &Place) -> bool {
    let has = |address: IpAddr| place.has(address);
    node.as_str().eq_ignore_ascii_case(machine)
        || place.names.contains(machine)
        || machine.parse().is_ok_and(has)
}

/// The host in `ssh://user@host:22`, `user@host` or `host`, in lower case.
fn machine_of(destination: &str) -> String {
    let bare = destination.strip_prefix("ssh://").unwrap_or(destination).trim_end_matches('/');
    let host = bare.rsplit_once('@').map_or(bare, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        // More than one colon is an IPv6 address without brackets.
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or(host),
        None => host,
    };
    host.to_ascii_lowercase()
}

/// The name of this machine's loopback.
const LOCALHOST: &str = "localhost";

#[cfg(test)]
mod tests;
