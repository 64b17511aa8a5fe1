//! Zones of reverse names: what is in them, for questions and for secondaries.
//!
//! **Invariant:** what is told to a secondary is what a question is answered with. A name above addresses is
//! never said not to exist, since what is below it changes with every address.

use std::net::IpAddr;

use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{Name, RData, RecordType};
use ipnet::IpNet;

use super::{Reversed, is_network, parse};
use crate::answer::Answer;
use crate::interfaces::Local;
use crate::key::{AskedKey, NameKey};
use crate::nodes::Node;
use crate::transfer::content::Line;
use crate::zone::{Apex, ReverseZone, Zone};

impl Zone {
    /// How many addresses of a network have a name.
    pub(crate) fn addresses_in(&self, net: &IpNet) -> usize {
        let published = self.pointers.addresses().filter(|address| net.contains(address)).count();
        let is_given = |(key, node): &(AskedKey, Node<'_>)| {
            let address = parse(key.as_slice()).filter(|reversed| reversed.below == 0);
            node.records.is_some()
                && address.is_some_and(|reversed| {
                    net.contains(&reversed.address) && self.pointers.get(reversed.address).is_none()
                })
        };
        published + self.nodes.iter().filter(is_given).count()
    }

    /// The answer about a name of a zone that is no address with a name.
    pub(crate) fn answer_in_reverse<'a>(
        &'a self,
        name: &Name,
        key: &[u8],
        rtype: RecordType,
        apex: &'a Apex,
    ) -> Answer<'a> {
        let authority = self.authority_of(name, apex);
        if apex.key.as_slice() == key {
            return match self.start_at(name, &apex.start, rtype) {
                Some(set) => Answer::Records(set),
                None => Answer::NoData(authority),
            };
        }
        match is_network(key) && parse(key).is_none() {
            true => Answer::NoData(authority),
            false => Answer::NxDomain(authority),
        }
    }

    /// The zone of reverse names with this start.
    pub(crate) fn reverse_at(&self, key: &[u8]) -> Option<&ReverseZone> {
        self.frame.reverses.iter().find(|reverse| reverse.apex.key.as_slice() == key)
    }

    /// Everything in such a zone but its start, name by name.
    pub(crate) fn reverse_contents<'a>(
        &'a self,
        reverse: &'a ReverseZone,
        local: &'a Local,
    ) -> impl Iterator<Item = Vec<Line>> + Send + 'a {
        let net = &reverse.net;
        let mut gateway = self.gateway_addresses(local);
        gateway.retain(|address| net.contains(address));
        let ours = gateway.clone();
        let published = self.pointers.addresses();
        let published =
            published.filter(move |address| net.contains(address) && !ours.contains(address));
        let ours = gateway.clone();
        let given = self.nodes.iter().filter_map(move |(key, node)| {
            node.records?;
            let Reversed { address, below: 0 } = parse(key.as_slice())? else {
                return None;
            };
            let is_alone = self.pointers.get(address).is_none() && !ours.contains(&address);
            (net.contains(&address) && is_alone).then_some(address)
        });
        let addresses = gateway.into_iter().chain(published).chain(given);
        let names = addresses.map(key_of);
        let names = std::iter::once(reverse.apex.key.clone()).chain(names);
        names.map(move |key| self.reverse_lines(&key, reverse, local))
    }

    /// What is at one name of such a zone, its start aside.
    pub(crate) fn reverse_lines(
        &self,
        key: &NameKey,
        reverse: &ReverseZone,
        local: &Local,
    ) -> Vec<Line> {
        let ttl_s = self.frame.ttl_s;
        if *key == reverse.apex.key {
            let server =
                RData::NS(hickory_proto::rr::rdata::NS(reverse.apex.start.nameserver.clone()));
            return Line::of(key, ttl_s, &server).into_iter().collect();
        }
        let Some(Reversed { address, below: 0 }) = parse(key.as_slice()) else {
            return Vec::new();
        };
        let node = self.nodes.get(key.as_slice());
        let given = node.and_then(|node| node.records?.get(RecordType::PTR, ttl_s));
        match given {
            Some(set) => set.data().filter_map(|data| Line::of(key, set.ttl_s(), &data)).collect(),
            None => {
                let name = self.name_at(address, local);
                let line = name.and_then(|name| Line::of(key, ttl_s, &RData::PTR(PTR(name))));
                line.into_iter().collect()
            }
        }
    }

    /// The gateway's addresses, for any client and for one that asks here.
    fn gateway_addresses(&self, local: &Local) -> Vec<IpAddr> {
        let mut all = self.frame.addresses();
        if all.is_empty() {
            all.extend(local.v4.map(IpAddr::V4));
            all.extend(local.v6.map(IpAddr::V6));
        }
        all.extend(self.frame.views.listing().flat_map(|(_, addresses)| addresses));
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The key of an address's reverse name.
pub(crate) fn key_of(address: IpAddr) -> NameKey {
    NameKey::from(AskedKey::of(&Name::from(address.to_canonical())).as_slice())
}

#[cfg(test)]
mod tests;
