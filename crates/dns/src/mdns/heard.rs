//! What was heard on a link, read from bytes.
//!
//! **Invariant:** any bytes are accepted; what is not multicast DNS is nothing.

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Record, RecordType};

use crate::key::{AskedKey, NameKey};
use crate::reply::HEADER_BYTES;

/// A message.
#[derive(Debug)]
pub(crate) enum Heard {
    Query(Asked),
    /// Everything that it says.
    Response(Vec<Told>),
}

/// A query.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: u16,
    pub(crate) questions: Vec<Question>,
    /// What the asker knows already (RFC 6762 §7.1).
    pub(crate) known: Vec<Told>,
    /// More of what it knows follows.
    pub(crate) is_truncated: bool,
    /// What it would claim (§8.2).
    pub(crate) proposed: Vec<Told>,
}

/// One question.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) key: NameKey,
    pub(crate) rtype: RecordType,
    /// An answer by unicast is welcome (§5.4).
    pub(crate) is_unicast: bool,
    /// As it was asked.
    pub(crate) query: Query,
}

/// A record of class IN, with the key of its name.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) key: NameKey,
    pub(crate) record: Record,
}

impl Heard {
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MESSAGE_BYTES_MAX || !is_possible(bytes) {
            return None;
        }
        let message = Message::from_vec(bytes).ok()?;
        let head = message.metadata;
        if head.op_code != OpCode::Query || head.response_code != ResponseCode::NoError {
            return None;
        }
        if head.message_type == MessageType::Response {
            let said = message.answers.into_iter().chain(message.additionals);
            return Some(Self::Response(told(said)));
        }
        Some(Self::Query(Asked {
            id: head.id,
            questions: message.queries.into_iter().filter_map(question).collect(),
            known: told(message.answers),
            is_truncated: head.truncation,
            proposed: told(message.authorities),
        }))
    }
}

fn question(mut query: Query) -> Option<Question> {
    let class = u16::from(query.query_class());
    if !matches!(DNSClass::from(class & !TOP_BIT), DNSClass::IN | DNSClass::ANY) {
        return None;
    }
    query.set_query_class(DNSClass::IN);
    Some(Question {
        key: NameKey::from(AskedKey::of(query.name()).as_slice()),
        rtype: query.query_type(),
        is_unicast: class & TOP_BIT != 0,
        query,
    })
}

fn told(records: impl IntoIterator<Item = Record>) -> Vec<Told> {
    let is_in = |record: &Record| u16::from(record.dns_class) & !TOP_BIT == u16::from(DNSClass::IN);
    let told =
        |record: Record| Told { key: NameKey::from(AskedKey::of(&record.name).as_slice()), record };
    records.into_iter().filter(is_in).map(told).collect()
}

/// Whether the counts can be true; the decoder reserves memory by them.
fn is_possible(bytes: &[u8]) -> bool {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return false;
    };
    let count = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
    let least =
        count(4) * QUESTION_BYTES_MIN + (count(6) + count(8) + count(10)) * RECORD_BYTES_MIN;
    least <= bytes.len() - HEADER_BYTES
}

/// In questions: unicast is welcome. In records: the set is whole, and replaces what was known of it.
pub(crate) const TOP_BIT: u16 = 0x8000;
/// RFC 6762 §17.
pub(crate) const MESSAGE_BYTES_MAX: usize = 9_000;
/// The root, a type and a class.
const QUESTION_BYTES_MIN: usize = 5;
/// The root, a type, a class, a TTL and a length.
const RECORD_BYTES_MIN: usize = 11;
