//! Records of operators, as messages have them.
//!
//! The catalog's own are shared, since there may be a million of them; addresses are copied from there, and
//! the rest is put into a message's form when it is asked for.
//!
//! **Invariant:** total: every record that exists has its form here. The records of a set have one TTL,
//! the lowest (RFC 2181 §5.2), and an alias is the only set of its name.

use std::net::IpAddr;
use std::sync::Arc;

use conduit_core::name::Host;
use conduit_core::record::data::{Caa, RecordData};
use conduit_core::record::kind::RecordType as Kind;
use conduit_core::record::name::RecordName;
use conduit_core::record::svcb::{Param, Svcb};
use conduit_core::record::{Record, RecordTtl};
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, Mandatory, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, HTTPS, MX, NULL, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, RecordType};

/// What operators gave one name, at least one record; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Records(Arc<[Record]>);

/// The records of one type.
#[derive(Debug, Clone, Copy)]
pub struct RecordSet<'a> {
    kind: Kind,
    ttl_s: u32,
    /// Those of other types, too.
    all: &'a [Record],
}

impl Records {
    /// The records of one name, from the sources that have some: of the configuration, of the registry and of
    /// hosts files, in this order; `None` when it has none. Of an alias and something else, what comes first
    /// stays: that happens only when the configuration was changed behind the registry.
    pub(crate) fn of(sources: &[Arc<[Record]>]) -> Option<Self> {
        let mut kept: Vec<&Record> = Vec::new();
        for record in sources.iter().flat_map(|source| source.iter()) {
            if !kept.iter().any(|other| other.is_same(record) || other.excludes(record)) {
                kept.push(record);
            }
        }
        // What one source has alone is shared with it.
        let whole = sources.iter().find(|source| source.len() == kept.len());
        match whole
            .filter(|source| kept.iter().zip(source.iter()).all(|(a, b)| std::ptr::eq(*a, b)))
        {
            _ if kept.is_empty() => None,
            Some(whole) => Some(Self(Arc::clone(whole))),
            None => Some(Self(kept.into_iter().cloned().collect())),
        }
    }

    /// Whose they are.
    pub(crate) fn name(&self) -> &str {
        self.0.first().map_or("", |record| record.name.as_str())
    }

    /// Those that are in none of these, to the last detail.
    pub(crate) fn without(&self, others: &[&[Record]]) -> Arc<[Record]> {
        if others.iter().all(|other| other.is_empty()) {
            return Arc::clone(&self.0);
        }
        let is_other = |record: &&Record| others.iter().any(|other| other.contains(record));
        self.0.iter().filter(|record| !is_other(record)).cloned().collect()
    }

    /// Whether a record is among them that says where its name is, and that is in none of these.
    pub(crate) fn is_located_without(&self, others: &[&[Record]]) -> bool {
        let is_other = |record: &Record| others.iter().any(|other| other.contains(record));
        self.0.iter().any(|record| record.data.is_location() && !is_other(record))
    }

    /// Every set.
    pub(crate) fn sets(&self, ttl_default_s: u32) -> impl Iterator<Item = RecordSet<'_>> {
        self.types().filter_map(move |rtype| self.get(rtype, ttl_default_s))
    }

    /// The set of a type; records without a TTL of their own have the default.
    pub(crate) fn get(&self, rtype: RecordType, ttl_default_s: u32) -> Option<RecordSet<'_>> {
        let kind = kind_of(rtype)?;
        let ttls = self.0.iter().filter(|record| record.data.kind() == kind);
        let ttl_s = ttls.map(|r| r.ttl.map_or(ttl_default_s, RecordTtl::seconds)).min()?;
        Some(RecordSet { kind, ttl_s, all: &self.0 })
    }

    /// The types that there are, in their order.
    pub(crate) fn types(&self) -> impl Iterator<Item = RecordType> {
        let has = |kind: &Kind| self.0.iter().any(|record| record.data.kind() == *kind);
        Kind::ALL.into_iter().filter(has).map(rtype)
    }

    /// The first set that is not of addresses, else the first.
    pub(crate) fn any(&self, with_addresses: bool, ttl_default_s: u32) -> Option<RecordSet<'_>> {
        let is_address = |kind: RecordType| matches!(kind, RecordType::A | RecordType::AAAA);
        let first = self.types().find(|kind| with_addresses || !is_address(*kind))?;
        self.get(first, ttl_default_s)
    }

    /// What the name is an alias of, and for how long that may be kept.
    pub(crate) fn alias(&self, ttl_default_s: u32) -> Option<(Name, u32)> {
        let set = self.get(RecordType::CNAME, ttl_default_s)?;
        match set.data().next() {
            Some(RData::CNAME(target)) => Some((target.0, set.ttl_s)),
            _ => None,
        }
    }

    /// Whether the name is an alias.
    pub(crate) fn is_alias(&self) -> bool {
        self.0.iter().any(|record| record.data.kind() == Kind::Cname)
    }

    /// Whether these are the very same.
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().filter_map(|record| match &record.data {
            RecordData::A(address) => Some(IpAddr::V4(*address)),
            RecordData::Aaaa(address) => Some(IpAddr::V6(*address)),
            _ => None,
        })
    }
}

impl<'a> RecordSet<'a> {
    /// The type.
    pub(crate) fn rtype(&self) -> RecordType {
        rtype(self.kind)
    }

    /// How long clients may keep the set, in seconds.
    pub(crate) fn ttl_s(&self) -> u32 {
        self.ttl_s
    }

    /// As operators gave it.
    pub(crate) fn given(&self) -> impl Iterator<Item = &'a RecordData> + use<'a> {
        let kind = self.kind;
        self.all.iter().map(|record| &record.data).filter(move |data| data.kind() == kind)
    }

    /// As messages have it.
    pub(crate) fn data(&self) -> impl Iterator<Item = RData> + use<'a> {
        self.given().map(rdata)
    }

    /// The names that its records lead to, for which addresses may come along.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Name> {
        self.given().filter_map(|data| match data {
            RecordData::Mx { exchange, .. } => Some(target(exchange)),
            RecordData::Srv { target: to, .. } => Some(target(to)),
            RecordData::Svcb(svcb) | RecordData::Https(svcb) => Some(target(&svcb.target)),
            _ => None,
        })
    }
}

/// A host as messages have it.
pub(crate) fn name_of(host: &Host) -> Name {
    name(host.as_str())
}

/// A record's name as messages have it.
pub(crate) fn name_of_record(text: &RecordName) -> Name {
    name(text.as_str())
}

fn name(text: &str) -> Name {
    let labels = text.split('.').map(str::as_bytes);
    // Invariant: hosts and names of records are legal names.
    Name::from_labels(labels).unwrap_or_else(|_| Name::root())
}

fn target(name: &Option<RecordName>) -> Name {
    name.as_ref().map_or_else(Name::root, name_of_record)
}

fn rtype(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Caa => RecordType::CAA,
        Kind::Cname => RecordType::CNAME,
        Kind::Https => RecordType::HTTPS,
        Kind::Mx => RecordType::MX,
        Kind::Ptr => RecordType::PTR,
        Kind::Srv => RecordType::SRV,
        Kind::Svcb => RecordType::SVCB,
        Kind::Txt => RecordType::TXT,
    }
}

fn kind_of(asked: RecordType) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| rtype(*kind) == asked)
}

fn rdata(data: &RecordData) -> RData {
    match data {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Caa(caa) => caa_data(caa),
        RecordData::Cname(name) => RData::CNAME(CNAME(name_of_record(name))),
        RecordData::Https(svcb) => RData::HTTPS(HTTPS(svcb_data(svcb))),
        RecordData::Mx { preference, exchange } => {
            RData::MX(MX::new(*preference, target(exchange)))
        }
        RecordData::Ptr(name) => RData::PTR(PTR(name_of_record(name))),
        RecordData::Srv { priority, weight, port, target: to } => {
            RData::SRV(SRV::new(*priority, *weight, *port, target(to)))
        }
        RecordData::Svcb(svcb) => RData::SVCB(svcb_data(svcb)),
        RecordData::Txt(texts) => {
            RData::TXT(TXT::from_bytes(texts.iter().map(|text| &**text).collect()))
        }
    }
}

/// As octets: the type of the library understands fewer tags than there are.
fn caa_data(caa: &Caa) -> RData {
    let mut bytes = Vec::with_capacity(2 + caa.tag.len() + caa.value.len());
    bytes.push(if caa.is_critical { CRITICAL } else { 0 });
    // Invariant: a tag has at most 15 octets.
    bytes.push(u8::try_from(caa.tag.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(caa.tag.as_bytes());
    bytes.extend_from_slice(&caa.value);
    RData::Unknown { code: RecordType::CAA, rdata: NULL::with(bytes) }
}

fn svcb_data(svcb: &Svcb) -> SVCB {
    let params = svcb.params.iter().map(|param| {
        let value = match param {
            Param::Mandatory(keys) => {
                let keys = keys.iter().map(|key| SvcParamKey::from(*key));
                SvcParamValue::Mandatory(Mandatory(keys.collect()))
            }
            Param::Alpn(protocols) => SvcParamValue::Alpn(Alpn(protocols.clone())),
            Param::NoDefaultAlpn => SvcParamValue::NoDefaultAlpn,
            Param::Port(port) => SvcParamValue::Port(*port),
            Param::Ipv4Hint(all) => {
                SvcParamValue::Ipv4Hint(IpHint(all.iter().copied().map(A).collect()))
            }
            Param::Ipv6Hint(all) => {
                SvcParamValue::Ipv6Hint(IpHint(all.iter().copied().map(AAAA).collect()))
            }
        };
        (SvcParamKey::from(param.key()), value)
    });
    SVCB::new(svcb.priority, target(&svcb.target), params.collect())
}

/// The flag of a CAA tag that must be understood (RFC 8659 §4.1).
const CRITICAL: u8 = 128;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use conduit_core::clock::Timestamp;
    use hickory_proto::op::Message;
    use hickory_proto::rr::Record as Sent;

    /// Data of every type, as people write it.
    pub(crate) const EVERY_KIND: [(Kind, &str); 12] = [
        (Kind::A, "10.0.0.7"),
        (Kind::Aaaa, "fd00::7"),
        (Kind::Caa, "128 contactemail \"ops@internal\""),
        (Kind::Cname, "y.internal"),
        (Kind::Https, "1 . alpn=h3,h2 port=8443 ipv4hint=10.0.0.7 ipv6hint=fd00::7"),
        (Kind::Mx, "10 mail.internal"),
        (Kind::Mx, "0 ."),
        (Kind::Ptr, "y.internal"),
        (Kind::Srv, "0 5 5060 sip.internal"),
        (Kind::Svcb, "1 y.internal mandatory=alpn alpn=h2 no-default-alpn"),
        (Kind::Svcb, "0 y.internal"),
        (Kind::Txt, "\"\" \"a\\255\\000b\""),
    ];

    pub(crate) fn record(kind: Kind, text: &str) -> Record {
        Record {
            name: RecordName::parse("x.internal").expect("valid"),
            data: RecordData::parse(kind, text).expect("valid"),
            ttl: None,
            added_at: Timestamp::from_seconds(0),
        }
    }

    #[test]
    fn every_type_goes_through_a_message() {
        for (kind, text) in EVERY_KIND {
            let given = record(kind, text);
            let records = Records::of(&[Arc::new([given.clone()])]).expect("one");
            let set = records.get(rtype(kind), 30).expect("there");
            let mut message = Message::query();
            let owner = name_of_record(&given.name);
            let sent = set.data().map(|d| Sent::from_rdata(owner.clone(), set.ttl_s(), d));
            message.add_answers(sent);
            let bytes = message.to_vec().expect("encodes");
            let read = Message::from_vec(&bytes).expect("decodes");
            assert_eq!((read.answers.len(), read.answers[0].record_type()), (1, rtype(kind)));
            // The name is 12 octets, and type, class, TTL and length are 10.
            assert_eq!(bytes.len(), 12 + 12 + 10 + wire_bytes(&given), "{kind} {text}");
        }
    }

    /// The library compresses the names that older types hold.
    fn wire_bytes(record: &Record) -> usize {
        let saved = match &record.data {
            RecordData::Cname(_) | RecordData::Ptr(_) => 8,
            RecordData::Mx { exchange: Some(_), .. } => 8,
            _ => 0,
        };
        record.data.wire_bytes() - saved
    }

    #[test]
    fn a_set_has_the_lowest_ttl_and_an_alias_stands_alone() {
        let mut short = record(Kind::A, "10.0.0.8");
        short.ttl = RecordTtl::from_seconds(5).ok();
        let mut all = vec![record(Kind::A, "10.0.0.7"), short, record(Kind::Cname, "y.internal")];
        let records = Records::of(&[all.clone().into()]).expect("some");
        let set = records.get(RecordType::A, 30).expect("there");
        assert_eq!((set.ttl_s(), set.data().count()), (5, 2));
        assert!(!records.is_alias() && records.addresses().count() == 2);
        all.reverse();
        let records = Records::of(&[all.clone().into()]).expect("some");
        assert!(records.alias(30).is_some() && records.addresses().count() == 0);
        assert!(Records::of(&[Arc::default()]).is_none());
        let alone: Arc<[Record]> = vec![all.remove(0)].into();
        let records = Records::of(&[Arc::default(), Arc::clone(&alone)]).expect("some");
        assert!(Arc::ptr_eq(&records.0, &alone), "shared with the catalog");
        let records = Records::of(&[Arc::clone(&alone), all.into()]).expect("some");
        assert!(Arc::ptr_eq(&records.0, &alone), "what cannot be beside it is left out");
    }
}
