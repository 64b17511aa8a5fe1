//! Catalogs and containers, and who belongs to whom.

use std::sync::Arc;

use conduit_core::catalog::{Change, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::name::Host;
use conduit_core::service::{DnsMode, Monitoring, ProbeSpec, Protocol, TlsMode, WhenAllEjected};

use super::*;
use crate::reading::container::PublishedPort;

fn service(name: &str, upstream: &str, container: Option<&str>, machine: Option<&str>) -> Change {
    Change::Put(Arc::new(Service {
        name: ServiceName::parse(name).expect("a name"),
        hosts: vec![Host::parse(&format!("{name}.internal")).expect("a host")],
        upstreams: vec![UpstreamAddr::parse(upstream).expect("an upstream")],
        protocol: Protocol::Http,
        tls: TlsMode::Issued,
        dns: DnsMode::Gateway,
        probe: ProbeSpec::Default,
        title: None,
        when_all_ejected: WhenAllEjected::Fail,
        monitoring: Monitoring {
            kind: None,
            container_name: container.map(str::to_owned),
            ssh_host: machine.map(str::to_owned),
        },
        policy: Arc::default(),
        holds: Vec::new(),
        registered_at: Timestamp::from_seconds(0),
    }))
}

fn container(name: &str, address: &str, port: Option<(Option<&str>, u16)>) -> Container {
    let list = format!(
        r#"[{{"Id":"abc","Names":["/{name}"],"State":"running",
        "NetworkSettings":{{"Networks":{{"n":{{"IPAddress":"{address}"}}}}}}}}]"#
    );
    let mut survey = crate::survey::Survey::default();
    survey.insert("containers/list", list);
    let reading = crate::containers::parse(&survey).expect("an engine");
    let mut container = reading.containers.into_iter().next().expect("one");
    container.ports = port
        .map(|(address, host)| PublishedPort {
            address: address.map(|address| address.parse().expect("an address")),
            host,
            container: 80,
        })
        .into_iter()
        .collect();
    container
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name).expect("a name")
}

fn ties() -> Ties {
    let services = vec![
        service("by-name", "10.9.9.9:1", Some("web"), None),
        service("on-box", "10.9.9.9:2", Some("web"), Some("ssh://me@gpu-box:22")),
        service("by-label", "10.9.9.9:3", None, None),
        service("by-address", "172.17.0.5:80", None, None),
        service("by-loopback", "127.0.0.1:8000", None, None),
        service("by-localhost", "localhost:8001", None, None),
        service("by-remote", "10.0.1.20:8000", None, None),
        service("elsewhere", "127.0.0.1:8002", None, Some("10.0.1.20")),
        service("z-same", "127.0.0.1:8000", None, None),
    ];
    let catalog = Catalog::default().with(Generation(1), services);
    Ties::of(&catalog)
        .with_place(node("here"), Place::here(&catalog))
        .with_place(node("gpu-box"), Place::at("user@gpu-box"))
        .with_place(node("rack"), Place::at("ssh://root@10.0.1.20:2222"))
}

#[test]
fn a_container_is_tied_by_name_then_label_then_address() {
    let ties = ties();
    let of = |at: &str, container: &Container| {
        ties.service_of(&node(at), container).map(|name| name.as_str().to_owned())
    };
    let labelled = |name: &str, label: &str| {
        let mut container = container(name, "", None);
        container.labels.insert(NAME_LABEL.to_owned(), label.to_owned());
        container
    };
    for (at, container, expected) in [
        ("here", container("web", "", None), Some("by-name")),
        ("gpu-box", container("web", "", None), Some("on-box")),
        ("rack", container("web", "", None), None),
        ("nowhere", container("web", "", None), None),
        ("here", labelled("x", "By-Label"), Some("by-label")),
        ("rack", labelled("x", "by-label"), Some("by-label")),
        ("here", labelled("x", "unknown"), None),
        ("here", labelled("x", "on-box"), None),
        ("gpu-box", labelled("x", "on-box"), Some("on-box")),
        ("here", labelled("web", "by-label"), Some("by-name")),
        ("here", container("x", "172.17.0.5", None), Some("by-address")),
        ("rack", container("x", "172.17.0.5", None), None),
        ("here", container("x", "", Some((None, 8000))), Some("by-loopback")),
        ("here", container("x", "", Some((Some("127.0.0.1"), 8000))), Some("by-loopback")),
        ("here", container("x", "", Some((Some("10.0.0.1"), 8000))), None),
        ("here", container("x", "", Some((None, 8001))), Some("by-localhost")),
        ("here", container("x", "", Some((None, 8002))), None),
        ("rack", container("x", "", Some((None, 8000))), Some("by-remote")),
        ("here", container("x", "", None), None),
    ] {
        assert_eq!(of(at, &container).as_deref(), expected, "{at} {container:?}");
    }
}

#[test]
fn machines_are_told_apart_in_every_form() {
    for (text, machine) in [
        ("gpu-box", "gpu-box"),
        ("ssh://Me@GPU-Box:22/", "gpu-box"),
        ("me@10.0.0.1", "10.0.0.1"),
        ("[fd00::1]:22", "fd00::1"),
        ("fd00::1", "fd00::1"),
    ] {
        assert_eq!(machine_of(text), machine, "{text}");
    }
}
