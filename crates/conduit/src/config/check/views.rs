//! Other addresses of the gateway for clients of certain networks.

use std::net::IpAddr;

use conduit_dns::views::View;
use ipnet::IpNet;

use super::super::file::DnsView;
use super::super::value::{Given, Sourced, Text};
use super::judge::Judge;
use super::parse;

pub(super) fn views(judge: &mut Judge, given: &Given<Vec<Sourced<DnsView>>>) -> Vec<View> {
    let Some(given) = given else {
        return Vec::new();
    };
    if given.value.len() > VIEWS_MAX {
        let reason = format!("{} are too many; at most {VIEWS_MAX}", given.value.len());
        judge.refuse(KEY, &given.origin, reason);
        return Vec::new();
    }
    let mut all: Vec<View> = Vec::with_capacity(given.value.len());
    for element in &given.value {
        let Sourced { value: DnsView { clients, addresses }, origin } = element;
        for (key, count, max) in [
            ("clients", clients.len(), NETWORKS_MAX),
            ("addresses", addresses.len(), ADDRESSES_MAX),
        ] {
            if count == 0 || count > max {
                judge.refuse(KEY, origin, format!("{key} names {count}; give 1 to {max}"));
            }
        }
        let mut next = View { clients: Vec::new(), addresses: Vec::new() };
        for client in clients.iter().take(NETWORKS_MAX) {
            match network(client, all.iter().chain([&next])) {
                Ok(network) => next.clients.push(network),
                Err(reason) => judge.refuse(KEY, &client.origin, reason),
            }
        }
        for address in addresses.iter().take(ADDRESSES_MAX) {
            match reachable(&address.value.0) {
                Ok(address) => next.addresses.push(address),
                Err(reason) => judge.refuse(KEY, &address.origin, reason),
            }
        }
        all.push(next);
    }
    all
}

/// A network that no other view has; a wider or a narrower one may.
fn network<'a>(
    given: &Sourced<Text>,
    mut known: impl Iterator<Item = &'a View>,
) -> Result<IpNet, String> {
    let network = parse::network(&given.value.0)?;
    match known.any(|view| view.clients.contains(&network)) {
        true => Err(format!("{network} is named twice; give it one list of addresses")),
        false => Ok(network),
    }
}

fn reachable(text: &str) -> Result<IpAddr, String> {
    match parse::answer_address(text)? {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            Err(format!("{v6} is link-local, which means nothing in an answer; use another"))
        }
        address => Ok(address),
    }
}

const KEY: &str = "dns.views";
const VIEWS_MAX: usize = 64;
/// In one view; they are looked through for each query.
const NETWORKS_MAX: usize = 16;
/// In one view.
const ADDRESSES_MAX: usize = 16;
