//! What is sent on a link, as bytes.
//!
//! **Invariant:** a packet to the group fits the smallest common frame; no set is spread over two, so
//! that its cache-flush bit tells the truth (RFC 6762 §10.2).

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA, NULL};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinEncodable as _;

use super::heard::TOP_BIT;
use super::names::Owned;

/// The sets that a name of ours can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Set {
    V4,
    V6,
    /// That there is nothing else (RFC 6762 §6.1).
    Absent,
}

/// The records of one name in a packet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    questions: Vec<Query>,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
}

impl Part {
    /// A probe for a name: the question, and what would be claimed (RFC 6762 §8.1). The answer is to come to
    /// the group, for by unicast it might go to another responder of this machine (§15.1).
    pub(crate) fn probe(owned: &Owned) -> Self {
        let question = Query::query(owned.name.clone(), RecordType::ANY);
        let proposed = [Set::V4, Set::V6].iter();
        let authorities = proposed.flat_map(|set| records(owned, *set, TTL_S, DNSClass::IN));
        Self { questions: vec![question], authorities: authorities.collect(), ..Self::default() }
    }

    /// These sets, whole, and others that save a question.
    pub(crate) fn answer(owned: &Owned, sets: &[Set], beside: &[Set]) -> Self {
        let of = |sets: &[Set]| -> Vec<Record> {
            sets.iter().flat_map(|set| records(owned, *set, TTL_S, flush())).collect()
        };
        Self { answers: of(sets), additionals: of(beside), ..Self::default() }
    }

    /// That these sets are gone.
    pub(crate) fn goodbye(owned: &Owned, sets: &[Set]) -> Self {
        let gone = sets.iter().flat_map(|set| records(owned, *set, 0, flush()));
        Self { answers: gone.collect(), ..Self::default() }
    }

    /// More than it takes, since names are not compressed here.
    fn bytes(&self) -> usize {
        let questions = self.questions.iter().map(|q| q.name().len() + 5);
        let records = self.answers.iter().chain(&self.authorities).chain(&self.additionals);
        questions.sum::<usize>() + records.map(record_bytes).sum::<usize>()
    }
}

/// Puts parts together, as many as fit into each packet.
pub(crate) fn packets(parts: Vec<Part>, kind: MessageType) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut message = empty(kind);
    let mut bytes = 0;
    for part in parts {
        let more = part.bytes();
        if bytes > 0 && bytes + more > PACKET_BYTES_MAX {
            all.extend(std::mem::replace(&mut message, empty(kind)).to_vec());
            bytes = 0;
        }
        bytes += more;
        message.add_queries(part.questions);
        message.add_answers(part.answers);
        message.add_authorities(part.authorities);
        message.add_additionals(part.additionals);
    }
    if bytes > 0 {
        all.extend(message.to_vec());
    }
    all
}

/// The reply to somebody who speaks plain DNS (RFC 6762 §6.7): the question comes along, nothing is flushed.
pub(crate) fn legacy(id: u16, questions: Vec<Query>, given: &[(&Owned, Set)]) -> Option<Vec<u8>> {
    let mut message = empty(MessageType::Response);
    message.metadata.id = id;
    message.add_queries(questions);
    for (owned, set) in given {
        message.add_answers(records(owned, *set, LEGACY_TTL_S, DNSClass::IN));
    }
    let bytes = message.to_vec().ok()?;
    if bytes.len() <= LEGACY_BYTES_MAX { Some(bytes) } else { message.truncate().to_vec().ok() }
}

/// The data of a record, as it is compared (RFC 6762 §8.2).
pub(crate) fn data_of(record: &Record) -> Option<(u16, Vec<u8>)> {
    Some((record.record_type().into(), record.data.to_bytes().ok()?))
}

/// What we propose for a name, as it is compared.
pub(crate) fn proposal(owned: &Owned) -> Vec<(u16, Vec<u8>)> {
    let sets = [Set::V4, Set::V6].iter();
    let proposed = sets.flat_map(|set| records(owned, *set, TTL_S, DNSClass::IN));
    let mut all: Vec<_> = proposed.filter_map(|record| data_of(&record)).collect();
    all.sort_unstable();
    all
}

fn empty(kind: MessageType) -> Message {
    let mut message = Message::new(0, kind, OpCode::Query);
    message.metadata.authoritative = kind == MessageType::Response;
    message
}

fn records(owned: &Owned, set: Set, ttl_s: u32, class: DNSClass) -> Vec<Record> {
    let data: Vec<RData> = match set {
        Set::V4 => owned.v4.iter().map(|v4| RData::A(A(*v4))).collect(),
        Set::V6 => owned.v6.iter().map(|v6| RData::AAAA(AAAA(*v6))).collect(),
        Set::Absent => vec![absent(owned)],
    };
    let record = |data| {
        let mut record = Record::from_rdata(owned.name.clone(), ttl_s, data);
        record.dns_class = class;
        record
    };
    data.into_iter().map(record).collect()
}

/// The NSEC record that lists the types there are; as octets, for the name in it is not compressed, and the
/// library has the type only together with DNSSEC.
fn absent(owned: &Owned) -> RData {
    let mut bytes = wire(&owned.name);
    let mut bits = [0_u8; 4];
    for (is_there, rtype) in [
        (!owned.v4.is_empty(), u16::from(RecordType::A)),
        (!owned.v6.is_empty(), u16::from(RecordType::AAAA)),
    ] {
        if is_there && let Some(byte) = bits.get_mut(usize::from(rtype / 8)) {
            *byte |= 0x80 >> (rtype % 8);
        }
    }
    // The first window, up to its last octet with a bit.
    let length: u8 = if owned.v6.is_empty() { 1 } else { 4 };
    bytes.extend_from_slice(&[0, length]);
    bytes.extend_from_slice(&bits[..usize::from(length)]);
    RData::Unknown { code: RecordType::NSEC, rdata: NULL::with(bytes) }
}

fn wire(name: &Name) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 1);
    for label in name.iter() {
        bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(label);
    }
    bytes.push(0);
    bytes
}

fn record_bytes(record: &Record) -> usize {
    let data = match &record.data {
        RData::A(_) => 4,
        RData::AAAA(_) => 16,
        _ => record.name.len() + 8,
    };
    record.name.len() + 11 + data
}

fn flush() -> DNSClass {
    DNSClass::from(u16::from(DNSClass::IN) | TOP_BIT)
}

/// Of records that name a host or hold its address (RFC 6762 §10).
pub(crate) const TTL_S: u32 = 120;
/// The most for who speaks plain DNS (§6.7).
const LEGACY_TTL_S: u32 = 10;
/// What Ethernet carries, less the heads of IPv6 and UDP, and of the message.
const PACKET_BYTES_MAX: usize = 1_500 - 48 - 12;
/// Without EDNS, plain DNS has no more.
const LEGACY_BYTES_MAX: usize = 512;
