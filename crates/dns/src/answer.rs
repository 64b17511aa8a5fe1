//! What the zone says about one name and type.
//!
//! **Invariant:** pure: the answer depends on the zone, the question and the interface at which it
//! arrived, and on nothing else. Every type of a name that exists has an answer.
//! **Invariant:** the addresses of a service's host take one lookup and no memory; whatever else is
//! asked goes on in `lookup`.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::rdata::{HTTPS, SOA, SRV};
use hickory_proto::rr::{Name, RecordType};

use crate::interfaces::Local;
use crate::key::AskedKey;
use crate::nodes::Node;
use crate::records::RecordSet;
use crate::zone::{Apex, RrSets, Start, Zone};

/// The zone's answer.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The name has records of this type.
    Records(RrSet<'a>),
    /// The name is an alias; what it leads to has this answer.
    Aliased(Box<Chain<'a>>),
    /// The name exists, without records of this type.
    NoData(Authority<'a>),
    /// The name would be ours and does not exist.
    NxDomain(Authority<'a>),
    /// The name is not under anything of ours.
    NotOurs,
}

/// Aliases that were followed.
#[derive(Debug)]
pub struct Chain<'a> {
    /// Each with its target, in order; at least one.
    pub(crate) aliases: Vec<Alias>,
    /// What the last target has; `None` when it leads back, or too far.
    pub(crate) end: Option<Answer<'a>>,
}

/// One step of a chain.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    pub(crate) owner: Name,
    pub(crate) target: Name,
    pub(crate) ttl_s: u32,
}

/// Records of one type.
#[derive(Debug)]
pub enum RrSet<'a> {
    /// IPv4 addresses.
    A(&'a [Ipv4Addr]),
    /// IPv6 addresses.
    Aaaa(&'a [Ipv6Addr]),
    /// What operators gave.
    Given(RecordSet<'a>),
    /// The start of a zone.
    Soa(Authority<'a>),
    /// The zone's name server, which is us.
    Ns(&'a Name),
    /// The name at an address.
    Ptr(Name),
    /// How the gateway serves a site.
    Https(HTTPS),
    /// The gateway's port of a service.
    Srv(SRV),
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

    /// The record's data; its serial moves with every change.
    pub fn soa(&self) -> SOA {
        let Start { nameserver, contact } = self.start;
        let (refresh, retry, expire) = (SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S);
        let (nameserver, contact) = (nameserver.clone(), contact.clone());
        SOA::new(nameserver, contact, self.serial, refresh, retry, expire, NEGATIVE_TTL_S)
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
        self.follow(name, (&key, node), rtype, local)
    }

    /// The addresses of a service's host.
    pub(crate) fn addresses_at<'a>(
        &'a self,
        node: Node<'a>,
        rtype: RecordType,
        local: &'a Local,
    ) -> Option<RrSet<'a>> {
        let (v4, v6) = match node.rrsets? {
            RrSets::Direct { v4, v6 } => (&**v4, &**v6),
            RrSets::Gateway { .. } => match self.frame.configured(local) {
                Some(addresses) => (addresses.v4, addresses.v6),
                None => (local.v4.as_slice(), local.v6.as_slice()),
            },
        };
        match rtype {
            RecordType::A | RecordType::ANY if !v4.is_empty() => Some(RrSet::A(v4)),
            RecordType::AAAA | RecordType::ANY if !v6.is_empty() => Some(RrSet::Aaaa(v6)),
            _ => None,
        }
    }

    /// SOA and NS; ANY gets the SOA alone (RFC 8482 §4.1).
    pub(crate) fn start_at<'a>(
        &self,
        owner: &Name,
        start: &'a Start,
        rtype: RecordType,
    ) -> Option<RrSet<'a>> {
        match rtype {
            RecordType::SOA | RecordType::ANY => {
                Some(RrSet::Soa(self.authority(owner.clone(), start)))
            }
            RecordType::NS => Some(RrSet::Ns(&start.nameserver)),
            _ => None,
        }
    }

    pub(crate) fn authority_of<'a>(&self, asked: &Name, apex: &'a Apex) -> Authority<'a> {
        let depth = crate::key::ancestry(apex.key.as_slice()).count();
        self.authority(asked.trim_to(depth), &apex.start)
    }

    pub(crate) fn authority<'a>(&self, owner: Name, start: &'a Start) -> Authority<'a> {
        Authority { owner, start, serial: self.serial() }
    }

    /// The numbers at the end of an SOA record.
    pub(crate) fn authority_numbers(&self) -> [u32; 5] {
        let serial = self.serial();
        let [refresh, retry, expire] =
            [SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S].map(i32::cast_unsigned);
        [serial, refresh, retry, expire, NEGATIVE_TTL_S]
    }
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
