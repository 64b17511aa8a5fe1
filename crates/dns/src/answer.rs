//! What the zone says about one name and type.
//!
//! **Invariant:** pure: the answer depends on the zone, the question and the interface at which it
//! arrived, and on nothing else. Every type of a name that exists has an answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::rdata::{HTTPS, SOA};
use hickory_proto::rr::{Name, RecordType};

use crate::https::{self, Owner};
use crate::interfaces::Local;
use crate::key::AskedKey;
use crate::reverse::{self, Reversed};
use crate::zone::{Apex, Node, RrSets, Start, Zone};

/// The zone's answer.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The name has records of this type.
    Records(RrSet<'a>),
    /// The name exists, without records of this type.
    NoData(Authority<'a>),
    /// The name would be ours and does not exist.
    NxDomain(Authority<'a>),
    /// The name is not under anything of ours.
    NotOurs,
}

/// Records of one type.
#[derive(Debug)]
pub enum RrSet<'a> {
    /// IPv4 addresses.
    A(&'a [Ipv4Addr]),
    /// IPv6 addresses.
    Aaaa(&'a [Ipv6Addr]),
    /// The start of a zone.
    Soa(Authority<'a>),
    /// The zone's name server, which is us.
    Ns(&'a Name),
    /// The name at an address.
    Ptr(&'a Name),
    /// The name is served over HTTP/3.
    Https(HTTPS),
}

/// The zone a name belongs to, as its SOA record tells.
#[derive(Debug)]
pub struct Authority<'a> {
    owner: Name,
    start: &'a Start,
    serial: u32,
}

impl Authority<'_> {
    /// The name of the zone, in the case it was asked for.
    pub fn owner(&self) -> &Name {
        &self.owner
    }

    /// The record's data; its serial is the catalog's generation.
    pub fn soa(&self) -> SOA {
        SOA::new(
            self.start.nameserver.clone(),
            self.start.contact.clone(),
            self.serial,
            SOA_REFRESH_S,
            SOA_RETRY_S,
            SOA_EXPIRE_S,
            NEGATIVE_TTL_S,
        )
    }
}

impl Zone {
    /// Answers one question that arrived at an interface with these addresses.
    pub fn answer<'a>(&'a self, name: &Name, rtype: RecordType, local: &'a Local) -> Answer<'a> {
        let key = AskedKey::of(name);
        let node = self.nodes.get(key.as_slice());
        if let Some(set) = node.and_then(|n| self.addresses_at(n, rtype, local)) {
            return Answer::Records(set);
        }
        let Some(apex) = self.frame.apex_of(key.as_slice()) else {
            return self.answer_reverse(name, key.as_slice(), rtype, local);
        };
        let is_apex = apex.key.as_slice() == key.as_slice();
        if is_apex && let Some(set) = self.start_at(name, &apex.start, rtype) {
            return Answer::Records(set);
        }
        let mut exists = is_apex || node.is_some();
        match self.https_at(key.as_slice()) {
            Some(Owner::Record(_, above)) if rtype == RecordType::HTTPS => {
                let host = name.trim_to(usize::from(name.num_labels()) - above);
                return Answer::Records(RrSet::Https(https::record(host)));
            }
            Some(_) => exists = true,
            None => {}
        }
        let authority = self.authority_of(name, apex);
        if exists { Answer::NoData(authority) } else { Answer::NxDomain(authority) }
    }

    fn addresses_at<'a>(
        &'a self,
        node: &'a Node,
        rtype: RecordType,
        local: &'a Local,
    ) -> Option<RrSet<'a>> {
        let (v4, v6) = match node.rrsets.as_deref()? {
            RrSets::Direct { v4, v6 } => (&**v4, &**v6),
            RrSets::Gateway { .. } if self.frame.is_configured() => {
                (&*self.frame.v4, &*self.frame.v6)
            }
            RrSets::Gateway { .. } => (local.v4.as_slice(), local.v6.as_slice()),
        };
        match rtype {
            RecordType::A | RecordType::ANY if !v4.is_empty() => Some(RrSet::A(v4)),
            RecordType::AAAA | RecordType::ANY if !v6.is_empty() => Some(RrSet::Aaaa(v6)),
            _ => None,
        }
    }

    /// What a name is to the HTTPS record of a host that has one.
    fn https_at<'a>(&self, key: &'a [u8]) -> Option<Owner<'a>> {
        let owner = self.frame.https.as_ref()?.owner(key)?;
        let (Owner::Record(host, _) | Owner::Between(host)) = owner;
        let node = self.nodes.get(host)?;
        let is_https = matches!(node.rrsets.as_deref(), Some(RrSets::Gateway { is_https: true }));
        is_https.then_some(owner)
    }

    /// SOA and NS; ANY gets the SOA alone (RFC 8482 §4.1).
    fn start_at<'a>(&self, owner: &Name, start: &'a Start, rtype: RecordType) -> Option<RrSet<'a>> {
        match rtype {
            RecordType::SOA | RecordType::ANY => {
                Some(RrSet::Soa(self.authority(owner.clone(), start)))
            }
            RecordType::NS => Some(RrSet::Ns(&start.nameserver)),
            _ => None,
        }
    }

    /// Each address we publish is a zone of its own: what is beside it is not ours.
    fn answer_reverse<'a>(
        &'a self,
        name: &Name,
        key: &[u8],
        rtype: RecordType,
        local: &Local,
    ) -> Answer<'a> {
        let Some(reversed) = reverse::parse(key) else {
            return Answer::NotOurs;
        };
        let Reversed { address, below } = reversed;
        let default = self.frame.apexes.first().map(|apex| &apex.start);
        let (Some(start), Some(target)) = (default, self.name_at(address, local)) else {
            return Answer::NotOurs;
        };
        let owner = name.trim_to(usize::from(name.num_labels()) - below);
        if below > 0 {
            return Answer::NxDomain(self.authority(owner, start));
        }
        match rtype {
            RecordType::PTR | RecordType::ANY => Answer::Records(RrSet::Ptr(target)),
            _ => match self.start_at(name, start, rtype) {
                Some(set) => Answer::Records(set),
                None => Answer::NoData(self.authority(owner, start)),
            },
        }
    }

    /// The one name of an address: the gateway's, or the first service's that answers directly.
    fn name_at(&self, address: IpAddr, local: &Local) -> Option<&Name> {
        let frame = &self.frame;
        let is_gateway = match address {
            IpAddr::V4(a) if frame.is_configured() => frame.v4.contains(&a),
            IpAddr::V6(a) if frame.is_configured() => frame.v6.contains(&a),
            IpAddr::V4(a) => local.v4 == Some(a),
            IpAddr::V6(a) => local.v6 == Some(a),
        };
        if is_gateway {
            return frame.apexes.first().map(|apex| &apex.start.nameserver);
        }
        let pointers = self.pointers.get(&address)?;
        pointers.first().map(|pointer| &pointer.target)
    }

    fn authority_of<'a>(&self, asked: &Name, apex: &'a Apex) -> Authority<'a> {
        let depth = crate::key::ancestry(apex.key.as_slice()).count();
        self.authority(asked.trim_to(depth), &apex.start)
    }

    fn authority<'a>(&self, owner: Name, start: &'a Start) -> Authority<'a> {
        Authority { owner, start, serial: serial(self.version.generation.0) }
    }
}

/// Serials are 32 bits wide and wrap (RFC 1982).
fn serial(generation: u64) -> u32 {
    u32::try_from(generation & u64::from(u32::MAX)).unwrap_or(0)
}

/// How long a negative answer may be kept: not at all, so that a fresh registration is seen.
pub const NEGATIVE_TTL_S: u32 = 0;
/// How often a secondary would look for changes.
const SOA_REFRESH_S: i32 = 60;
/// How soon it would try again.
const SOA_RETRY_S: i32 = 30;
/// How long it would serve without having heard from us.
const SOA_EXPIRE_S: i32 = 604_800;

#[cfg(test)]
mod tests;
