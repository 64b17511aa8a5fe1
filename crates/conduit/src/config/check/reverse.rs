//! Networks of which the reverse names are zones of ours.

use conduit_dns::forward::settings::ForwardSettings;
use conduit_dns::reverse::{network_name, zone_networks};
use ipnet::IpNet;

use super::super::file;
use super::judge::Judge;
use super::parse;

pub(super) fn zones(judge: &mut Judge, given: &file::Dns, forward: &ForwardSettings) -> Vec<IpNet> {
    let networks = judge.list(KEY, &given.reverse_zones, Vec::new(), NETWORKS_MAX, network);
    let Some(origin) = given.reverse_zones.as_ref().map(|given| given.origin.clone()) else {
        return networks;
    };
    for (index, network) in networks.iter().enumerate() {
        let overlaps = |other: &&IpNet| other.contains(network) || network.contains(*other);
        if let Some(other) = networks.iter().take(index).find(overlaps) {
            let reason = format!("{network} and {other} overlap; leave one of the two out");
            judge.refuse(KEY, &origin, reason);
        }
        let names: Vec<String> = zone_networks(network).map(|zone| network_name(&zone)).collect();
        let given = forward.conditional.iter().flat_map(|table| &table.domains);
        for domain in given {
            if names.iter().any(|name| domain.is_under(name)) {
                let reason = format!(
                    "the [[dns.forward]] table of {domain} would never be asked about what is in {network}; \
                     leave one of the two out"
                );
                judge.refuse(KEY, &origin, reason);
            }
        }
    }
    let zones: usize = networks.iter().map(|network| zone_networks(network).count()).sum();
    if zones > ZONES_MAX {
        let reason = format!("these are {zones} zones; at most {ZONES_MAX} can be");
        judge.refuse(KEY, &origin, reason);
    }
    networks
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = parse::network(text)?;
    let most = match network {
        IpNet::V4(_) => V4_PREFIX_MAX,
        IpNet::V6(_) => V6_PREFIX_MAX,
    };
    match network.prefix_len() {
        0 => Err("all addresses are too many; write a network such as 10.0.0.0/8".to_owned()),
        length if length > most => Err(format!(
            "{network} is smaller than a zone of reverse names; write one up to /{most}"
        )),
        _ => Ok(network.trunc()),
    }
}

const KEY: &str = "dns.reverse_zones";
/// More than a site has.
const NETWORKS_MAX: usize = 32;
/// A network that ends within a label is several zones.
const ZONES_MAX: usize = 256;
/// Smaller ones have no name of their own (RFC 2317 is about delegating them).
const V4_PREFIX_MAX: u8 = 24;
const V6_PREFIX_MAX: u8 = 124;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_to_be_zones() {
        for (text, expected) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("192.168.7.9/16", Some("192.168.0.0/16")),
            ("172.16.0.0/12", Some("172.16.0.0/12")),
            ("fd00::/8", Some("fd00::/8")),
            ("10.0.0.0/25", None),
            ("0.0.0.0/0", None),
            ("fd00::1/128", None),
            ("internal", None),
        ] {
            let found = network(text).ok().map(|network| network.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
