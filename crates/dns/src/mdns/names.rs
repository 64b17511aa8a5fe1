//! Which names of the zone a link is to have, and with what addresses.
//!
//! **Invariant:** every name is under `local`, has an address, and none is a wildcard or an alias.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name;
use ipnet::IpNet;

use crate::interfaces::Local;
use crate::key::{NameKey, labels};
use crate::nodes::Node;
use crate::zone::{RrSets, Zone};

/// A name with its addresses on one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) name: Name,
    pub(crate) v4: Vec<Ipv4Addr>,
    pub(crate) v6: Vec<Ipv6Addr>,
}

/// The names of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) names: BTreeMap<NameKey, Owned>,
    /// How many did not fit.
    pub(crate) left_out: usize,
}

impl Names {
    /// The names that a link with these addresses is to have.
    pub(crate) fn of(zone: &Zone, link: &[IpNet]) -> Self {
        let here: Vec<IpAddr> = link.iter().map(IpNet::addr).filter(is_told).collect();
        // A link is a network, so its view is that of our own address there.
        let local = here.first().map_or_else(Local::default, |ip| zone.facing(*ip, Local::of(*ip)));
        let gateway = match zone.frame.configured(&local) {
            Some(given) => crate::zone::both(given.v4, given.v6),
            None => here,
        };
        let mut names = BTreeMap::new();
        let ours = zone.nodes.iter().filter(|(key, _)| is_below_local(key.as_slice()));
        for (key, node) in ours {
            let mut owned = Owned { name: Name::root(), v4: Vec::new(), v6: Vec::new() };
            for address in addresses(node, &gateway) {
                owned.add(address);
            }
            if owned.v4.is_empty() && owned.v6.is_empty() {
                continue;
            }
            if let Ok(name) = Name::from_labels(labels(key.as_slice())) {
                names.insert(NameKey::from(key.as_slice()), Owned { name, ..owned });
            }
        }
        let left_out = names.len().saturating_sub(NAMES_MAX);
        if let Some(beyond) = names.keys().nth(NAMES_MAX).cloned() {
            names.split_off(&beyond);
        }
        Self { names, left_out }
    }
}

impl Owned {
    fn add(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) if self.v4.len() < ADDRESSES_MAX && !self.v4.contains(&v4) => {
                self.v4.push(v4);
            }
            IpAddr::V6(v6) if self.v6.len() < ADDRESSES_MAX && !self.v6.contains(&v6) => {
                self.v6.push(v6);
            }
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
}

/// What a node answers with that other machines can use.
fn addresses(node: Node<'_>, gateway: &[IpAddr]) -> Vec<IpAddr> {
    let all = match (node.rrsets, node.records) {
        (Some(RrSets::Gateway { .. }), _) => gateway.to_vec(),
        (Some(RrSets::Direct { v4, v6 }), _) => crate::zone::both(v4, v6),
        (None, Some(records)) => records.addresses().collect(),
        (None, None) => Vec::new(),
    };
    all.into_iter().filter(is_told).collect()
}

/// Loopback is another machine for everybody, and link-local means nothing without its interface.
fn is_told(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unspecified() && !v6.is_unicast_link_local(),
    }
}

/// Labels of hosts and records have no octet 5 in them, so that this one is a length.
fn is_below_local(key: &[u8]) -> bool {
    key.len() > LOCAL.len() && key.ends_with(LOCAL) && !key.starts_with(b"\x01*")
}

const LOCAL: &[u8] = b"\x05local";
/// On one link; each is probed and announced.
const NAMES_MAX: usize = 1_024;
/// Of one family, so that a name fits a packet.
const ADDRESSES_MAX: usize = 16;

#[cfg(test)]
mod tests;
