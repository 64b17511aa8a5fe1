//! What is at each name of a zone, for whoever copies or compares it.
//!
//! **Invariant:** what is at a name here is what a question for it is answered with, whatever type is
//! asked for: hosts, records, what hosts have by themselves, SOA, NS, and where a domain below begins.

use hickory_proto::rr::rdata::NS;
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

use crate::answer::RrSet;
use crate::automatic::{self, Kind};
use crate::interfaces::Local;
use crate::key::{AskedKey, NameKey, ancestry, labels};
use crate::nodes::Node;
use crate::reply::records_of;
use crate::zone::{Apex, Zone};

/// One record in the form of messages; names in its data are whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) owner: NameKey,
    pub(crate) rtype: u16,
    pub(crate) ttl_s: u32,
    pub(crate) data: Vec<u8>,
}

impl Line {
    pub(crate) fn of(owner: &NameKey, ttl_s: u32, data: &RData) -> Option<Self> {
        let rtype = u16::from(data.record_type());
        Some(Self { owner: owner.clone(), rtype, ttl_s, data: data_of(data)? })
    }
}

/// The data of a record in bytes, with names whole and in lower case; `None` when it cannot be.
pub(crate) fn data_of(data: &RData) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_canonical_form(true);
    data.emit(&mut encoder).ok()?;
    Some(bytes)
}

impl Zone {
    /// The domain of ours that is called so.
    pub(crate) fn apex_at(&self, key: &[u8]) -> Option<&Apex> {
        self.frame.apexes.iter().find(|apex| apex.key.as_slice() == key)
    }

    /// The zone of ours that is called so: a domain, or one of reverse names.
    pub(crate) fn start_called(&self, key: &[u8]) -> Option<&Apex> {
        self.apex_at(key).or_else(|| self.reverse_at(key).map(|reverse| &reverse.apex))
    }

    /// The start of a zone.
    pub(crate) fn start_of(&self, apex: &Apex) -> Option<Line> {
        let soa = self.authority(name_of(apex.key.as_slice())?, &apex.start).soa();
        Line::of(&apex.key, self.frame.ttl_s, &RData::SOA(soa))
    }

    /// Everything in a zone but its start, name by name.
    pub(crate) fn contents<'a>(
        &'a self,
        apex: &'a Apex,
        local: &'a Local,
    ) -> impl Iterator<Item = Vec<Line>> + Send + 'a {
        let below = self.frame.apexes.iter().map(|other| &other.key);
        let below = below.filter(|key| self.is_cut(key.as_slice(), apex)).cloned();
        let first = std::iter::once(apex.key.clone()).chain(below);
        let nodes = self.nodes.iter().filter(move |(key, _)| self.is_in(key.as_slice(), apex));
        let names = nodes.flat_map(move |(key, node)| {
            let derived = self.derived(key.as_slice(), node);
            let unlisted = |key: &NameKey| !self.nodes.contains(key.as_slice());
            std::iter::once(NameKey::from(key.as_slice()))
                .chain(derived.into_iter().filter(unlisted))
        });
        let is_top = |key: &NameKey| self.apex_at(key.as_slice()).is_some();
        let names = first.chain(names.filter(move |key| !is_top(key)));
        names.map(move |key| self.lines_at(&key, apex, local))
    }

    /// What is at one name of a zone, its start aside.
    pub(crate) fn lines_at(&self, key: &NameKey, apex: &Apex, local: &Local) -> Vec<Line> {
        if let Some(reverse) = self.reverse_at(apex.key.as_slice()) {
            return self.reverse_lines(key, reverse, local);
        }
        let (ttl_s, mut lines) = (self.frame.ttl_s, Vec::new());
        let Some(name) = name_of(key.as_slice()) else {
            return lines;
        };
        if let Some(top) = self.apex_at(key.as_slice()) {
            let server = RData::NS(NS(top.start.nameserver.clone()));
            lines.extend(Line::of(key, ttl_s, &server));
            if top.key.as_slice() != apex.key.as_slice() {
                // A domain below this one: where it begins, and how to get there.
                lines.extend(self.glue(&top.start.nameserver, local));
                return lines;
            }
        }
        let node = self.nodes.get(key.as_slice());
        if let Some(node) = node {
            for rtype in [RecordType::A, RecordType::AAAA] {
                if let Some(set) = self.addresses_at(node, rtype, local) {
                    lines.extend(self.lines_of(key, &name, &set));
                }
            }
            lines.extend(given(key, node, ttl_s));
        }
        lines.extend(self.automatic_lines(key, &name, node, local));
        lines
    }

    /// The addresses of a name server.
    fn glue(&self, server: &Name, local: &Local) -> Vec<Line> {
        let asked = AskedKey::of(server);
        let key = NameKey::from(asked.as_slice());
        let Some(node) = self.nodes.get(key.as_slice()) else {
            return Vec::new();
        };
        let sets = [RecordType::A, RecordType::AAAA].into_iter();
        let sets = sets.filter_map(|rtype| self.addresses_at(node, rtype, local));
        sets.flat_map(|set| self.lines_of(&key, server, &set)).collect()
    }

    fn lines_of(&self, key: &NameKey, name: &Name, set: &RrSet<'_>) -> Vec<Line> {
        let records = records_of(name, set, self.frame.ttl_s);
        records.iter().filter_map(|record| Line::of(key, record.ttl, &record.data)).collect()
    }

    /// What a name has because a host is served so; a record of its own stands in its place.
    fn automatic_lines(
        &self,
        key: &NameKey,
        name: &Name,
        node: Option<Node<'_>>,
        local: &Local,
    ) -> Vec<Line> {
        let Some((kind, above, port)) = self.automatic_at(key.as_slice()) else {
            return Vec::new();
        };
        let host = name.trim_to(ancestry(key.as_slice()).count() - above);
        let (rtype, data) = match (kind, &self.frame.sites) {
            (Kind::Https, Some(sites)) => {
                (RecordType::HTTPS, RData::HTTPS(sites.https(host, self.frame.configured(local))))
            }
            (Kind::Srv(_), _) => (RecordType::SRV, RData::SRV(automatic::srv(port, host))),
            _ => return Vec::new(),
        };
        let own = node.and_then(|node| Some((node.rrsets.is_some(), node.records?)));
        let is_replaced = own.is_some_and(|(is_host, records)| {
            records.get(rtype, self.frame.ttl_s).is_some() || (!is_host && records.is_alias())
        });
        match is_replaced {
            true => Vec::new(),
            false => Line::of(key, self.frame.ttl_s, &data).into_iter().collect(),
        }
    }

    /// The names below a host that it gives records by itself.
    pub(crate) fn derived(&self, key: &[u8], node: Node<'_>) -> Vec<NameKey> {
        match node.rrsets {
            Some(sets) => automatic::names_below(key, sets, self.frame.sites.as_ref()),
            None => Vec::new(),
        }
    }

    /// Whether a name belongs to a zone, and to none below it.
    pub(crate) fn is_in(&self, key: &[u8], apex: &Apex) -> bool {
        let reverse = || self.frame.reverse_of(key).map(|reverse| &reverse.apex);
        let innermost = self.frame.apex_of(key).or_else(reverse);
        innermost.is_some_and(|innermost| innermost.key.as_slice() == apex.key.as_slice())
    }

    /// Whether a domain of ours begins at this name, right below a zone.
    fn is_cut(&self, key: &[u8], apex: &Apex) -> bool {
        let above = ancestry(key).nth(1).and_then(|above| self.frame.apex_of(above));
        above.is_some_and(|above| above.key.as_slice() == apex.key.as_slice())
    }
}

/// The records of operators that are answered with.
fn given(key: &NameKey, node: Node<'_>, ttl_default_s: u32) -> Vec<Line> {
    let is_host = node.rrsets.is_some();
    let is_passed_over = |rtype: RecordType| {
        is_host && matches!(rtype, RecordType::A | RecordType::AAAA | RecordType::CNAME)
    };
    let sets = node.records.iter().flat_map(|records| records.sets(ttl_default_s));
    let sets = sets.filter(|set| !is_passed_over(set.rtype()));
    sets.flat_map(|set| set.data().filter_map(move |data| Line::of(key, set.ttl_s(), &data)))
        .collect()
}

/// A name of a key; `None` when it is too long to be one.
pub(crate) fn name_of(key: &[u8]) -> Option<Name> {
    Name::from_labels(labels(key)).ok()
}
