//! The hardware view: how often, and which machines.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::destination::Destination;
use conduit_core::node::{Node, NodeName};

use super::super::file;
use super::super::value::Text;
use super::super::{Monitor, MonitorHistory, Surroundings};
use super::gateway::{optional_path, path};
use super::judge::Judge;
use super::judging;
use super::parse;

pub(super) fn monitor(
    judge: &mut Judge,
    given: &file::Monitor,
    surroundings: &Surroundings,
) -> Monitor {
    Monitor {
        enabled: judge.switch(&given.enabled, true),
        interval: judge.take("monitor.interval", &given.interval, INTERVAL, |text| {
            parse::duration(text, INTERVAL_MIN, INTERVAL_MAX)
        }),
        docker_socket: judge.take(
            "monitor.docker_socket",
            &given.docker_socket,
            PathBuf::from(DOCKER_SOCKET),
            |text| path(text.strip_prefix("unix://").unwrap_or(text), surroundings),
        ),
        register_containers: judge.switch(&given.register_containers, false),
        units: judge.list("monitor.units", &given.units, Vec::new(), UNITS_MAX, unit),
        servers: servers(judge, given, surroundings),
        history: history(judge, &given.history),
        rules: judging::rules(judge, &given.rules),
        channels: judging::channels(judge, &given.channels),
        quiet_hours: judging::quiet_hours(judge, &given.quiet_hours),
    }
}

fn history(judge: &mut Judge, given: &file::MonitorHistory) -> MonitorHistory {
    let history = MonitorHistory {
        fine: judge.take("monitor.history.fine", &given.fine, FINE, |text| {
            parse::duration(text, FINE_MIN, FINE_MAX)
        }),
        coarse: judge.take("monitor.history.coarse", &given.coarse, COARSE, |text| {
            parse::duration(text, COARSE_MIN, COARSE_MAX)
        }),
        size: judge.take("monitor.history.size", &given.size, HISTORY_SIZE, |text| {
            parse::size(text, HISTORY_SIZE_MIN, HISTORY_SIZE_MAX)
        }),
    };
    if let Some(fine) = given.fine.as_ref().filter(|_| history.fine > history.coarse) {
        let reason = "is longer than monitor.history.coarse".to_owned();
        judge.refuse("monitor.history.fine", &fine.origin, reason);
    }
    history
}

/// The name of a systemd unit, with its ending.
fn unit(text: &str) -> Result<String, String> {
    let name = parse::text(text, UNIT_CHARS_MAX, "the name of a unit")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let has_ending = name
        .rsplit_once('.')
        .is_some_and(|(stem, ending)| !stem.is_empty() && UNIT_ENDINGS.contains(&ending));
    if name.starts_with('-') || !has_ending || !name.chars().all(legal) {
        let text = parse::short(text);
        return Err(format!("{text:?} is not a systemd unit; write it whole, as docker.service"));
    }
    Ok(name)
}

fn servers(judge: &mut Judge, given: &file::Monitor, surroundings: &Surroundings) -> Vec<Node> {
    let Some(given) = &given.servers else {
        return Vec::new();
    };
    if given.value.len() > SERVERS_MAX {
        let reason = format!("{} are too many; at most {SERVERS_MAX}", given.value.len());
        judge.refuse("monitor.servers", &given.origin, reason);
        return Vec::new();
    }
    let mut servers: Vec<Node> = Vec::with_capacity(given.value.len());
    for element in &given.value {
        let judged = server(&element.value, surroundings).and_then(|server| {
            match servers.iter().any(|other| other.name == server.name) {
                false => Ok(server),
                true => {
                    let name = server.name;
                    Err(format!("two servers are called {name}; give one another label"))
                }
            }
        });
        match judged {
            Ok(server) => servers.push(server),
            Err(reason) => judge.refuse("monitor.servers", &element.origin, reason),
        }
    }
    servers
}

fn server(given: &file::MonitoredServer, surroundings: &Surroundings) -> Result<Node, String> {
    let word = |text: &Option<Text>, what: &str| {
        text.as_ref().map(|text| ssh_word(&text.0, what)).transpose()
    };
    let parse = |text: &str| Destination::parse(text).map_err(|error| error.to_string());
    let host = ssh_word(&given.host.0, "host")?;
    // Here the port has a key of its own, so that an IPv6 address needs no brackets.
    let host = match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host,
    };
    let user = word(&given.user, "user")?.map(|user| format!("{user}@")).unwrap_or_default();
    let port = given.port.as_ref().map(|p| parse::port(&p.0)).transpose()?;
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let destination = parse(&format!("{user}{host}{port}"))?;
    let label = match &given.label {
        Some(label) => parse::text(&label.0, WORD_CHARS_MAX, "label")?,
        None => destination.host().to_owned(),
    };
    Ok(Node {
        name: NodeName::parse(&label).map_err(|error| error.to_string())?,
        jump: word(&given.jump, "jump")?.as_deref().map(parse).transpose()?,
        destination,
        key: optional_path(given.key.as_ref(), surroundings)?,
        known_hosts: optional_path(given.known_hosts.as_ref(), surroundings)?,
        fingerprint: None,
        tags: tags(&given.tags)?,
        added_at: Timestamp::from_seconds(0),
        removed_at: None,
    })
}

fn tags(given: &[Text]) -> Result<Vec<String>, String> {
    if given.len() > TAGS_MAX {
        return Err(format!("{} tags are too many; at most {TAGS_MAX}", given.len()));
    }
    given.iter().map(|tag| parse::text(&tag.0, WORD_CHARS_MAX, "a tag")).collect()
}

/// A word of an SSH destination; one that starts with `-` would be taken for an option.
fn ssh_word(text: &str, what: &str) -> Result<String, String> {
    let word = parse::text(text, HOST_CHARS_MAX, what)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "@._:[]-".contains(c);
    if word.starts_with('-') || !word.chars().all(legal) {
        return Err(format!("{:?} is not a {what} for SSH", parse::short(text)));
    }
    Ok(word)
}

const INTERVAL: Duration = Duration::from_secs(30);
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(3_600);
const DOCKER_SOCKET: &str = "/var/run/docker.sock";
const UNITS_MAX: usize = 64;
const UNIT_CHARS_MAX: usize = 255;
/// What the names of units that can be active end in.
const UNIT_ENDINGS: [&str; 8] =
    ["service", "socket", "target", "mount", "timer", "path", "device", "slice"];
const FINE: Duration = Duration::from_secs(86_400);
const FINE_MIN: Duration = Duration::from_secs(3_600);
const FINE_MAX: Duration = Duration::from_secs(7 * 86_400);
const COARSE: Duration = Duration::from_secs(30 * 86_400);
const COARSE_MIN: Duration = Duration::from_secs(3_600);
const COARSE_MAX: Duration = Duration::from_secs(400 * 86_400);
/// Bytes.
const HISTORY_SIZE: u64 = 256_000_000;
const HISTORY_SIZE_MIN: u64 = 10_000_000;
const HISTORY_SIZE_MAX: u64 = 100_000_000_000;
const SERVERS_MAX: usize = 1_000;
const TAGS_MAX: usize = 32;
const WORD_CHARS_MAX: usize = 64;
const HOST_CHARS_MAX: usize = 255;
