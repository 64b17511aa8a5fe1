//! The ports of the machine that lead into a container, in every form that engines print them in.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess};

use crate::loose::{Many, Number, Part, Take, Text, loose};
use crate::reading::container::PublishedPort;

/// A list of ports, or a line such as `127.0.0.1:8000->80/tcp, :::9000-9001->9000-9001/tcp`.
#[derive(Default)]
pub(super) struct ListedPorts(Vec<PublishedPort>);

/// The TCP ports, each once.
pub(super) fn published(ports: &ListedPorts) -> Vec<PublishedPort> {
    let mut unique = Vec::new();
    for port in &ports.0 {
        if !unique.contains(port) && unique.len() < PORTS_MAX {
            unique.push(*port);
        }
    }
    unique
}

impl<'de> Take<'de> for ListedPorts {
    fn text(text: &str) -> Self {
        Self(text.split(',').take(PORTS_MAX).flat_map(|part| of_line(part.trim())).collect())
    }

    fn list<A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        let listed = Many::<Part<ListedPort>>::list(items)?;
        Ok(Self(listed.0.iter().flat_map(|port| port.0.ports()).collect()))
    }
}

impl<'de> Deserialize<'de> for ListedPorts {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

/// A port as the API (capitals) or `podman ps` lists it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ListedPort {
    #[serde(rename = "IP", alias = "host_ip")]
    address: Text,
    #[serde(rename = "PublicPort", alias = "host_port")]
    host: Number,
    #[serde(rename = "PrivatePort", alias = "container_port")]
    container: Number,
    #[serde(rename = "Type", alias = "protocol")]
    protocol: Text,
    /// How many ports in a row; Podman alone.
    range: Number,
}

impl ListedPort {
    fn ports(&self) -> Vec<PublishedPort> {
        if self.protocol.get().is_some_and(|protocol| protocol != "tcp") {
            return Vec::new();
        }
        let port = |number: Number| number.whole().and_then(|port| u16::try_from(port).ok());
        let (Some(host), Some(container)) = (port(self.host), port(self.container)) else {
            return Vec::new();
        };
        let count = self.range.whole().and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
        in_a_row(self.address.get(), (host, container), count)
    }
}

/// `0.0.0.0:8000->80/tcp`; `80/tcp` alone is not published.
fn of_line(part: &str) -> Vec<PublishedPort> {
    let parsed = || {
        let (left, right) = part.strip_suffix("/tcp")?.split_once("->")?;
        let (address, hosts) = left.rsplit_once(':')?;
        let (first, last) = hosts.split_once('-').unwrap_or((hosts, hosts));
        let (container, _) = right.split_once('-').unwrap_or((right, right));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        let count = usize::from(last.checked_sub(first)?) + 1;
        Some(in_a_row(Some(address), (first, container.parse().ok()?), count))
    };
    parsed().unwrap_or_default()
}

/// `count` ports from a first one on; port 0 is none.
fn in_a_row(address: Option<&str>, first: (u16, u16), count: usize) -> Vec<PublishedPort> {
    let address = address.map(|text| text.trim_matches(['[', ']']));
    let address = address.and_then(|text| text.parse::<IpAddr>().ok());
    let address = address.filter(|address| !address.is_unspecified());
    let pairs = (first.0..=u16::MAX).zip(first.1..=u16::MAX).take(count.clamp(1, PORTS_MAX));
    let real = pairs.filter(|(host, container)| *host > 0 && *container > 0);
    real.map(|(host, container)| PublishedPort { address, host, container }).collect()
}

/// The most ports of a container that are kept.
const PORTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Vec<(Option<String>, u16, u16)> {
        let listed: ListedPorts = serde_json::from_str(json).expect("JSON");
        let text = |port: &PublishedPort| port.address.map(|address| address.to_string());
        published(&listed).iter().map(|port| (text(port), port.host, port.container)).collect()
    }

    #[test]
    fn ports_of_the_api_are_read_once_each() {
        let api = r#"[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8000,"Type":"tcp"},
            {"IP":"::","PrivatePort":80,"PublicPort":8000,"Type":"tcp"},
            {"PrivatePort":81,"Type":"tcp"},
            {"IP":"127.0.0.1","PrivatePort":53,"PublicPort":53,"Type":"udp"},
            {"IP":"127.0.0.1","PrivatePort":90,"PublicPort":9000,"Type":"tcp"}, 7, null]"#;
        let loopback = Some("127.0.0.1".to_owned());
        assert_eq!(read(api), [(None, 8000, 80), (loopback, 9000, 90)]);
    }

    #[test]
    fn ports_of_the_command_lines_are_read() {
        let podman =
            r#"[{"host_ip":"","container_port":70,"host_port":7000,"range":2,"protocol":"tcp"}]"#;
        assert_eq!(read(podman), [(None, 7000, 70), (None, 7001, 71)]);
        let docker =
            r#""0.0.0.0:8000->80/tcp, :::8000->80/tcp, [::1]:9000-9001->90-91/tcp, 6/tcp""#;
        let v6 = || Some("::1".to_owned());
        assert_eq!(read(docker), [(None, 8000, 80), (v6(), 9000, 90), (v6(), 9001, 91)]);
    }

    #[test]
    fn nonsense_is_no_port() {
        let huge = r#"[{"host_port":65535,"container_port":1,"range":99999999999},
            {"host_port":0,"container_port":1},{"host_port":70000,"container_port":1}]"#;
        assert_eq!(read(huge), [(None, 65535, 1)]);
        for text in [r#""->""#, r#""a:b->c/tcp""#, r#"":9-1->2/tcp""#, "{}", "7", "null"] {
            assert_eq!(read(text), [], "{text}");
        }
    }
}
