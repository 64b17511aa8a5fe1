//! A hosts file: names of ours become records, the others stay where they are.

use std::net::IpAddr;

use super::found::{Found, Place};
use super::source::Lines;

/// Takes a hosts file over.
pub(crate) fn read(lines: &Lines, path: &str, found: &mut Found) {
    let mut others = false;
    for (place, text) in lines.iter() {
        let text = text.split('#').next().unwrap_or_default();
        let mut words = text.split_whitespace();
        let Some(first) = words.next() else {
            continue;
        };
        let Ok(address) = first.split('%').next().unwrap_or_default().parse::<IpAddr>() else {
            found.leave(&place, text, "the line does not begin with an address");
            continue;
        };
        for name in words {
            others |= !one(&place, name, address, found);
        }
    }
    if others {
        found.settings.push("dns.hosts_files", path);
    }
}

/// Whether a name was taken; what is not ours is for the configuration.
fn one(place: &Place, name: &str, address: IpAddr, found: &mut Found) -> bool {
    if !found.is_ours(name) {
        return USUAL.contains(&name);
    }
    if let Err(reason) = found.address(place, name, address, None) {
        found.leave(place, name, reason);
    }
    true
}

/// What every machine's hosts file says of itself.
const USUAL: [&str; 8] = [
    "broadcasthost",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-localhost",
    "ip6-localnet",
    "ip6-loopback",
    "ip6-mcastprefix",
    "localhost",
];
