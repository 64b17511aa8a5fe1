//! What a question finds that is not for a service's addresses: records of operators, wildcards,
//! aliases, reverse names, and whether there is anything at all.
//!
//! **Invariant:** a name that exists is never covered by a wildcard (RFC 4592 §2.2), and what is between
//! a name and its domain exists (RFC 8020). A chain of aliases ends, whatever they lead to.

use std::net::IpAddr;

use hickory_proto::rr::{Name, Record, RecordType};

use crate::answer::{Alias, Answer, Chain, RrSet};
use crate::automatic::{self, Kind};
use crate::interfaces::Local;
use crate::key::{AskedKey, ancestry};
use crate::nodes::Node;
use crate::pointers::Source;
use crate::records::{name_of, name_of_record};
use crate::reply::records_of;
use crate::reverse::{self, Reversed};
use crate::zone::{Apex, Zone};

/// What one name has, before any alias is followed.
enum Found<'a> {
    Alias(Name, u32),
    Answer(Answer<'a>),
}

impl Zone {
    /// Finds what a name has, and follows aliases from there.
    #[inline(never)]
    pub(crate) fn follow<'a>(
        &'a self,
        name: &Name,
        (key, node): (&AskedKey, Option<Node<'a>>),
        rtype: RecordType,
        local: &'a Local,
    ) -> Answer<'a> {
        let mut found = self.find(name, (key, node), rtype, local);
        let mut owner = name.clone();
        let mut aliases: Vec<Alias> = Vec::new();
        let end = loop {
            let (target, ttl_s) = match found {
                Found::Answer(answer) if aliases.is_empty() => return answer,
                Found::Answer(answer) => break Some(answer),
                Found::Alias(target, ttl_s) => (target, ttl_s),
            };
            let leads_back = target == owner || aliases.iter().any(|alias| alias.owner == target);
            aliases.push(Alias { owner, target: target.clone(), ttl_s });
            if leads_back || aliases.len() == ALIASES_MAX {
                break None;
            }
            let key = AskedKey::of(&target);
            let node = self.nodes.get(key.as_slice());
            found = self.find(&target, (&key, node), rtype, local);
            owner = target;
        };
        Answer::Aliased(Box::new(Chain { aliases, end }))
    }

    fn find<'a>(
        &'a self,
        name: &Name,
        (key, node): (&AskedKey, Option<Node<'a>>),
        rtype: RecordType,
        local: &'a Local,
    ) -> Found<'a> {
        let key = key.as_slice();
        let Some(apex) = self.frame.apex_of(key) else {
            return Found::Answer(self.answer_reverse(name, (key, node), rtype, local));
        };
        let is_apex = apex.key.as_slice() == key;
        if is_apex && let Some(set) = self.start_at(name, &apex.start, rtype) {
            return Found::Answer(Answer::Records(set));
        }
        if let Some(found) = node.and_then(|node| self.at(node, rtype, local)) {
            return found;
        }
        let mut exists = is_apex || node.is_some();
        if let Some((kind, above, port)) = self.automatic_at(key) {
            let host = || name.trim_to(ancestry(key).count() - above);
            let set = match (kind, rtype, &self.frame.sites) {
                (Kind::Https, RecordType::HTTPS | RecordType::ANY, Some(sites)) => {
                    let hints = self.frame.configured(local);
                    Some(RrSet::Https(sites.https(host(), hints)))
                }
                (Kind::Srv(_), RecordType::SRV | RecordType::ANY, _) => {
                    Some(RrSet::Srv(automatic::srv(port, host())))
                }
                _ => None,
            };
            if let Some(set) = set {
                return Found::Answer(Answer::Records(set));
            }
            exists = true;
        }
        if !exists && let Some(covering) = self.wildcard_for(key, apex) {
            if let Some(found) = self.at(covering, rtype, local) {
                return found;
            }
            exists = true;
        }
        let authority = self.authority_of(name, apex);
        Found::Answer(match exists {
            true => Answer::NoData(authority),
            false => Answer::NxDomain(authority),
        })
    }

    /// What is at a node; where a service has its addresses, operators' are passed over.
    fn at<'a>(&'a self, node: Node<'a>, rtype: RecordType, local: &'a Local) -> Option<Found<'a>> {
        if let Some(set) = self.addresses_at(node, rtype, local) {
            return Some(Found::Answer(Answer::Records(set)));
        }
        let records = node.records?;
        let ttl_s = self.frame.ttl_s;
        let is_host = node.rrsets.is_some();
        let set = match rtype {
            RecordType::A | RecordType::AAAA | RecordType::CNAME if is_host => None,
            // One set is enough (RFC 8482 §4.1).
            RecordType::ANY => records.any(!is_host, ttl_s),
            _ => records.get(rtype, ttl_s),
        };
        if let Some(set) = set {
            return Some(Found::Answer(Answer::Records(RrSet::Given(set))));
        }
        let alias = records.alias(ttl_s).filter(|_| !is_host && rtype != RecordType::CNAME);
        alias.map(|(target, ttl_s)| Found::Alias(target, ttl_s))
    }

    /// The wildcard that covers a name that does not exist: that right below its closest encloser, the
    /// nearest name above it that does (RFC 4592 §3.3.1).
    pub(crate) fn wildcard_for(&self, key: &[u8], apex: &Apex) -> Option<Node<'_>> {
        let exists = |name: &&[u8]| {
            *name == apex.key.as_slice()
                || self.nodes.contains(name)
                || self.automatic_at(name).is_some()
        };
        let encloser = ancestry(key).skip(1).find(exists)?;
        self.nodes.get(AskedKey::wildcard_of(encloser).as_slice())
    }

    /// What a name is to a host that has a record by itself, how many labels below the host it is, and the
    /// gateway's port.
    pub(crate) fn automatic_at<'a>(&self, key: &'a [u8]) -> Option<(Kind<'a>, usize, u16)> {
        automatic::owners(key).find_map(|owner| {
            let sets = self.nodes.get(owner.host)?.rrsets?;
            let port = automatic::port(&owner, key, sets, self.frame.sites.as_ref())?;
            Some((owner.kind, owner.above, port))
        })
    }

    /// Each address we publish is a zone of its own, and what is beside it is not ours, unless it is in a zone
    /// of reverse names.
    fn answer_reverse<'a>(
        &'a self,
        name: &Name,
        (key, node): (&[u8], Option<Node<'a>>),
        rtype: RecordType,
        local: &Local,
    ) -> Answer<'a> {
        let zone = self.frame.reverse_of(key).map(|reverse| &reverse.apex);
        let missing = || match zone {
            Some(apex) => self.answer_in_reverse(name, key, rtype, apex),
            None => Answer::NotOurs,
        };
        let Some(reversed) = reverse::parse(key) else {
            return missing();
        };
        let Reversed { address, below } = reversed;
        let above = ancestry(key).nth(below);
        let given = match below {
            0 => node,
            _ => above.and_then(|above| self.nodes.get(above)),
        };
        let given = given.and_then(|node| node.records?.get(RecordType::PTR, self.frame.ttl_s));
        let target = match given {
            Some(set) => Some(RrSet::Given(set)),
            None => self.name_at(address, local).map(RrSet::Ptr),
        };
        let default = self.frame.apexes.first().map(|apex| &apex.start);
        let (Some(start), Some(target)) = (default, target) else {
            return missing();
        };
        let owner = name.trim_to(ancestry(key).count() - below);
        let authority = match zone {
            Some(apex) => self.authority_of(name, apex),
            None => self.authority(owner, start),
        };
        if below > 0 {
            return Answer::NxDomain(authority);
        }
        match rtype {
            RecordType::PTR | RecordType::ANY => Answer::Records(target),
            // In a zone of several the name is none that starts one.
            _ if zone.is_some() => Answer::NoData(authority),
            _ => match self.start_at(name, start, rtype) {
                Some(set) => Answer::Records(set),
                None => Answer::NoData(authority),
            },
        }
    }

    /// Whether something of ours may be below a name that is not: above a domain, or above addresses.
    /// Such a name is never said not to exist, since nothing would be below it then (RFC 8020).
    #[inline(never)]
    pub(crate) fn is_above(&self, name: &Name) -> bool {
        let key = AskedKey::of(name);
        let key = key.as_slice();
        let is_above = |apex: &Apex| ancestry(apex.key.as_slice()).any(|above| above == key);
        name.is_root() || self.frame.apexes.iter().any(is_above) || reverse::is_above_addresses(key)
    }

    /// The one name of an address: the gateway's, or the first service's that answers directly, or the
    /// first record's.
    pub(crate) fn name_at(&self, address: IpAddr, local: &Local) -> Option<Name> {
        if self.frame.is_gateway(address, local) {
            return self.frame.apexes.first().map(|apex| apex.start.nameserver.clone());
        }
        match self.pointers.get(address)?.first()? {
            Source::Service(service) => {
                let published = self.published.get(service)?;
                published.hosts.first().map(name_of)
            }
            Source::Record(name) => Some(name_of_record(name)),
        }
    }

    /// The addresses of the names that a set leads to, as far as they are ours; they save the client
    /// a question.
    #[inline(never)]
    pub(crate) fn beside(&self, set: &RrSet<'_>, local: &Local) -> Vec<Record> {
        let mut targets: Vec<Name> = match set {
            RrSet::Given(set) => set.targets().filter(|name| !name.is_root()).collect(),
            RrSet::Ns(name) => vec![(*name).clone()],
            RrSet::Https(data) => vec![data.0.target_name.clone()],
            RrSet::Srv(data) => vec![data.target.clone()],
            RrSet::A(_) | RrSet::Aaaa(_) | RrSet::Ptr(_) | RrSet::Soa(_) => return Vec::new(),
        };
        targets.sort_unstable();
        targets.dedup();
        let mut records = Vec::new();
        for target in targets.into_iter().take(TARGETS_MAX) {
            for rtype in [RecordType::A, RecordType::AAAA] {
                if let Answer::Records(set) = self.answer(&target, rtype, local) {
                    records.extend(records_of(&target, &set, self.frame.ttl_s));
                }
            }
        }
        records
    }
}

/// Aliases followed for one question: more than anybody needs, and few enough for a reply.
const ALIASES_MAX: usize = 8;
/// Names of which the addresses come along.
const TARGETS_MAX: usize = 16;

#[cfg(test)]
pub(crate) mod tests;
