//! What a container's labels ask for: to be registered as a service.
//!
//! **Invariant:** a label can ask for its own container only: the upstream is always an address or
//! a published port of it, and nothing else about traffic than what is listed here can be asked.

use conduit_core::name::{Host, ServiceName};
use conduit_core::policy::Preset;
use conduit_core::service::{ProbePath, Protocol, TlsMode};
use conduit_core::upstream::UpstreamAddr;
use std::net::{IpAddr, SocketAddr};

use crate::reading::container::{Container, PublishedPort};
use crate::ties::NAME_LABEL;

/// What the labels of one container ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) name: ServiceName,
    pub(super) asks: Asks,
    pub(super) port: u16,
}

/// What can be asked beside a name and a port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asks {
    /// `conduit.preset`: what kind of program it is.
    pub preset: Option<Preset>,
    /// `conduit.domain`: a configured suffix, or a whole host under one.
    pub domain: Option<Host>,
    /// `conduit.host`: further hosts, with commas between them.
    pub hosts: Vec<Host>,
    /// `conduit.protocol`: what it speaks.
    pub protocol: Option<Protocol>,
    /// `conduit.tls`: whether it is served with certificates of ours.
    pub tls: Option<TlsMode>,
    /// `conduit.health`: the path to probe.
    pub health: Option<ProbePath>,
}

/// Reads the labels of a container; `None` when it does not ask for anything.
///
/// # Errors
/// A line that names the container, the label and the mend, when a label cannot be understood.
/// Then nothing of it is done.
pub(super) fn read_labels(container: &Container) -> Option<Result<Label, String>> {
    let name = container.labels.get(NAME_LABEL)?;
    let problem = |label: &str, why: &dyn std::fmt::Display| {
        format!("container {}: label {label}: {why}", container.name)
    };
    let known = |label: &String| KNOWN_LABELS.contains(&label.as_str());
    let mut ours = container.labels.keys().filter(|label| label.starts_with(PREFIX));
    if let Some(unknown) = ours.find(|label| !known(label)) {
        let words = KNOWN_LABELS.join(", ");
        return Some(Err(problem(unknown, &format!("there is no such label; use one of {words}"))));
    }
    Some(parse_all(name, container).map_err(|(label, why)| problem(label, &why)))
}

type Wrong = (&'static str, String);

fn parse_all(name: &str, container: &Container) -> Result<Label, Wrong> {
    let wrong = |label: &'static str, why: &dyn std::fmt::Display| (label, why.to_string());
    let name = ServiceName::parse(name).map_err(|error| wrong(NAME_LABEL, &error))?;
    let hosts = match label(container, HOST_LABEL) {
        Some(hosts) => {
            let all = hosts.split(',').take(HOSTS_MAX).map(|host| Host::parse(host.trim()));
            all.collect::<Result<_, _>>().map_err(|error| wrong(HOST_LABEL, &error))?
        }
        None => Vec::new(),
    };
    let asks = Asks {
        preset: parsed(container, PRESET_LABEL, str::parse::<Preset>)?,
        domain: parsed(container, DOMAIN_LABEL, Host::parse)?,
        hosts,
        protocol: parsed(container, PROTOCOL_LABEL, str::parse)?,
        tls: parsed(container, TLS_LABEL, |text| match text {
            "true" => Ok(TlsMode::Issued),
            "false" => Ok(TlsMode::Off),
            word => word.parse(),
        })?,
        health: parsed(container, HEALTH_LABEL, ProbePath::parse)?,
    };
    let port = parsed(container, PORT_LABEL, |text| {
        let port = text.parse().ok().filter(|port: &u16| *port > 0);
        port.ok_or_else(|| format!("{text:?} is not a port; write a number from 1 to 65535"))
    })?;
    let port = port.or_else(|| asks.preset.map(Preset::port)).or_else(|| only_port(container));
    let why = "which port of the container is it? Set this label, or conduit.preset";
    let port = port.ok_or_else(|| (PORT_LABEL, why.to_owned()))?;
    Ok(Label { name, asks, port })
}

fn label<'a>(container: &'a Container, name: &str) -> Option<&'a str> {
    container.labels.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn parsed<T, E: std::fmt::Display>(
    container: &Container,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Wrong> {
    let text = label(container, name);
    text.map(parse).transpose().map_err(|error| (name, error.to_string()))
}

/// The container's port, when exactly one is published.
fn only_port(container: &Container) -> Option<u16> {
    let first = container.ports.first()?.container;
    container.ports.iter().all(|port| port.container == first).then_some(first)
}

/// Where a container's port is reached from this machine: a port of the machine that leads to it,
/// on loopback rather than on an address, else the container's own address, IPv4 rather than IPv6.
pub(super) fn upstream_of(container: &Container, port: u16) -> Option<UpstreamAddr> {
    let loopback = |v6: bool| -> IpAddr {
        if v6 { std::net::Ipv6Addr::LOCALHOST.into() } else { std::net::Ipv4Addr::LOCALHOST.into() }
    };
    let leads = container.ports.iter().filter(|published| published.container == port);
    let distance = |published: &&PublishedPort| match published.address {
        None => 0,
        Some(address) if address.is_loopback() => 1,
        Some(_) => 2,
    };
    if let Some(published) = leads.min_by_key(distance) {
        let address = published.address.unwrap_or_else(|| loopback(false));
        return Some(UpstreamAddr::from_socket(SocketAddr::new(address, published.host)));
    }
    let own = container.addresses.iter().min_by_key(|address| address.is_ipv6())?;
    Some(UpstreamAddr::from_socket(SocketAddr::new(*own, port)))
}

/// What labels of ours begin with.
const PREFIX: &str = "conduit.";
/// The container's port.
const PORT_LABEL: &str = "conduit.port";
/// See [`Asks::preset`].
const PRESET_LABEL: &str = "conduit.preset";
/// See [`Asks::domain`].
const DOMAIN_LABEL: &str = "conduit.domain";
/// See [`Asks::hosts`].
const HOST_LABEL: &str = "conduit.host";
/// See [`Asks::protocol`].
const PROTOCOL_LABEL: &str = "conduit.protocol";
/// See [`Asks::tls`].
const TLS_LABEL: &str = "conduit.tls";
/// See [`Asks::health`].
const HEALTH_LABEL: &str = "conduit.health";
/// Every label there is.
const KNOWN_LABELS: [&str; 8] = [
    NAME_LABEL,
    PORT_LABEL,
    PRESET_LABEL,
    DOMAIN_LABEL,
    HOST_LABEL,
    PROTOCOL_LABEL,
    TLS_LABEL,
    HEALTH_LABEL,
];
/// The most hosts that a label asks for.
const HOSTS_MAX: usize = 16;
