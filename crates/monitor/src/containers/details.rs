//! What is asked about each container by itself: restarts, start, limit, addresses, health.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bollard::models::ContainerInspectResponse;
use conduit_core::clock::Timestamp;

use super::list::{Networks, addresses_of, health_of};
use crate::reading::container::{CONTAINERS_MAX, Container, ContainerHealth};

/// What an engine tells of one container when asked about it alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Details {
    restarts: Option<u64>,
    memory_limit: Option<u64>,
    started_at: Option<Timestamp>,
    health: Option<ContainerHealth>,
    addresses: Vec<IpAddr>,
}

impl Details {
    /// Of the engine's answer.
    pub(super) fn of(told: &ContainerInspectResponse) -> Self {
        let state = told.state.as_ref();
        let health = state.and_then(|state| state.health.as_ref()?.status);
        let networks = told.network_settings.as_ref().and_then(|n| n.networks.as_ref());
        let texts = networks.into_iter().flat_map(|networks| networks.values());
        let texts = texts.flat_map(|network| [&network.ip_address, &network.global_ipv6_address]);
        let mut addresses: Vec<IpAddr> =
            texts.flatten().filter_map(|text| text.parse().ok()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Self {
            restarts: told.restart_count.and_then(|count| u64::try_from(count).ok()),
            memory_limit: told.host_config.as_ref().and_then(|host| limit_of(host.memory?)),
            started_at: state.and_then(|state| time_of(state.started_at.as_deref()?)),
            health: health.and_then(|health| health_of(health.as_ref())),
            addresses,
        }
    }

    /// Adds what is known to a container.
    pub(super) fn apply(&self, container: &mut Container) {
        container.restarts = self.restarts.or(container.restarts);
        container.memory_limit = self.memory_limit;
        container.started_at = self.started_at.or(container.started_at);
        container.health = self.health.or(container.health);
        if !self.addresses.is_empty() {
            container.addresses.clone_from(&self.addresses);
        }
    }
}

/// Reads the lines of `containers/details`, by id; a line of another shape is passed over.
pub(super) fn details_of_lines(text: &str) -> BTreeMap<&str, Details> {
    text.lines().take(CONTAINERS_MAX).filter_map(details_of_line).collect()
}

fn details_of_line(line: &str) -> Option<(&str, Details)> {
    let mut words = line.splitn(DETAILS_WORDS, ' ');
    let (id, restarts, memory) = (words.next()?, words.next()?, words.next()?);
    if !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let (started, networks) = (words.next()?, words.next().unwrap_or_default());
    let networks: Networks = serde_json::from_str(networks).unwrap_or_default();
    let details = Details {
        restarts: restarts.parse().ok(),
        memory_limit: memory.parse().ok().and_then(limit_of),
        started_at: time_of(started.trim_matches('"')),
        health: None,
        addresses: addresses_of(&networks),
    };
    Some((id, details))
}

/// 0 and what is below is no limit.
fn limit_of(bytes: i64) -> Option<u64> {
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)
}

/// A container that never ran started in the year 1.
fn time_of(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).ok().filter(|at| at.seconds() > 0)
}

/// Id, restarts, memory, start and networks.
const DETAILS_WORDS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_the_api_say_the_same() {
        let line = r#"abc 3 1048576 "2026-04-04T12:00:00.5Z" {"a":{"IPAddress":"10.0.0.2","GlobalIPv6Address":""}}"#;
        let api = r#"{"Id":"abc","RestartCount":3,"HostConfig":{"Memory":1048576},
            "State":{"StartedAt":"2026-04-04T12:00:00.5Z"},
            "NetworkSettings":{"Networks":{"a":{"IPAddress":"10.0.0.2","GlobalIPv6Address":""}}}}"#;
        let of_api = Details::of(&serde_json::from_str(api).expect("typed"));
        let lines = details_of_lines(line);
        assert_eq!(lines.get("abc"), Some(&of_api));
        assert_eq!((of_api.restarts, of_api.memory_limit), (Some(3), Some(1_048_576)));
        assert_eq!(of_api.addresses, ["10.0.0.2".parse::<IpAddr>().expect("an address")]);
        assert!(of_api.started_at.is_some());
    }

    #[test]
    fn what_is_missing_or_nonsense_is_absent() {
        let never = "abc -1 0 \"0001-01-01T00:00:00Z\" null";
        assert_eq!(details_of_lines(never).get("abc"), Some(&Details::default()));
        assert!(details_of_lines("abc\n\nabc 1\nError: no such container x\n").is_empty());
        assert_eq!(Details::of(&ContainerInspectResponse::default()), Details::default());
    }
}
