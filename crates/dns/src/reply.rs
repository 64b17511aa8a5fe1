//! Replies, and how they are put into bytes.
//!
//! **Invariant:** a reply has the request's id and QR set, is never longer than its transport's
//! limit, and repeats the question in the case it was asked.

mod outcome;

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, PTR};
use hickory_proto::rr::{Name, RData, Record};

pub(crate) use self::outcome::counted;
pub use self::outcome::{Drop, Outcome};
use crate::answer::{Alias, Answer, Authority, Chain, NEGATIVE_TTL_S, RrSet};
use crate::handler::Transport;
use crate::lists::{ListNote, Renamed, Table};
use crate::options::{EXTENDED_ERROR, Options, Reason};
use crate::tail::Tail;
use crate::transfer::Transfer;
use crate::tsig::Exchange;
use crate::update::Update;

/// What became of one request.
#[derive(Debug)]
pub enum Reply {
    /// Nothing may be said.
    Silence(Drop),
    /// These bytes go back.
    Send(Encoded),
    /// Somebody else has to be asked first.
    Forward(Pending),
    /// A zone goes back, in as many messages as it takes.
    Transfer(Box<Transfer>),
    /// Records are to be changed first.
    Update(Box<Update>),
}

/// A reply in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// What goes on the wire, without TCP's length.
    pub bytes: Vec<u8>,
    /// What it says.
    pub outcome: Outcome,
    /// The entry of a list that says so, when one does.
    pub(crate) listed: Option<Box<ListNote>>,
}

impl Encoded {
    /// A reply that no list has a say in.
    pub(crate) fn new(bytes: Vec<u8>, outcome: Outcome) -> Self {
        Self { bytes, outcome, listed: None }
    }

    /// The same, with the entry that says so.
    pub(crate) fn listed(self, note: ListNote) -> Self {
        Self { listed: Some(Box::new(note)), ..self }
    }
}

/// A question with what its reply must respect.
#[derive(Debug, Clone)]
pub struct Pending {
    pub(crate) metadata: Metadata,
    pub(crate) question: Query,
    pub(crate) edns: Option<DnssecOk>,
    /// Whether the client wants to know that the owner signed it (RFC 6840 §5.7).
    pub(crate) wants_authentic: bool,
    pub(crate) limit: usize,
    /// Whether the reply goes over a stream.
    pub(crate) is_stream: bool,
    /// Who asked.
    pub(crate) client: IpAddr,
    /// Whether the name is above something of ours.
    pub(crate) is_above_ours: bool,
    /// What the reply is to be signed with.
    pub(crate) signed: Option<Box<Exchange>>,
    /// What the reply's OPT record carries, when it has one.
    pub(crate) options: Options,
    /// How aliases of ours have led to somebody else's name.
    pub(crate) tail: Option<Box<Tail>>,
    /// Lists that a forwarder's answer has to pass.
    pub(crate) screen: Option<Arc<Table>>,
    /// What was asked, when `question` is about what a list says it is an alias of.
    pub(crate) renamed: Option<Box<Renamed>>,
}

/// The DO bit, which is copied from the request's OPT record to the reply's (RFC 3225 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DnssecOk(pub(crate) bool);

impl Pending {
    /// What is to be found out.
    pub fn question(&self) -> &Query {
        &self.question
    }

    /// What the client asked.
    pub(crate) fn of_client(&self) -> &Query {
        self.renamed.as_ref().map_or(&self.question, |renamed| &renamed.asked)
    }

    /// A reply that is not the zone's: with records or an SOA, and why, for clients that understand it.
    pub(crate) fn told(
        self,
        outcome: Outcome,
        answers: Vec<Record>,
        soa: Option<Record>,
        note: Option<(u16, String)>,
    ) -> Encoded {
        let mut message = self.message(outcome);
        message.answers = answers;
        message.authorities.extend(soa);
        if let (Some(edns), Some((code, text))) = (&mut message.edns, note) {
            let mut bytes = code.to_be_bytes().to_vec();
            bytes.extend_from_slice(text.as_bytes());
            edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, bytes));
        }
        self.encode(&mut message, outcome)
    }

    /// A reply that makes the client ask again over TCP.
    pub(crate) fn cut(self) -> Encoded {
        let mut message = self.message(Outcome::Truncated);
        message.metadata.truncation = true;
        self.encode(&mut message, Outcome::Truncated)
    }

    /// A reply with records of ours, and with others that save the client a question.
    pub(crate) fn records(mut self, set: &RrSet<'_>, ttl_s: u32, beside: Vec<Record>) -> Encoded {
        self.metadata.authoritative = true;
        let mut message = self.message(Outcome::Records);
        message.add_answers(records_of(self.asked().name(), set, ttl_s));
        message.additionals = beside;
        self.encode(&mut message, Outcome::Records)
    }

    /// A reply with aliases and what the last of them leads to; the code tells of that (RFC 6604 §3).
    pub(crate) fn aliased(mut self, chain: &Chain<'_>, ttl_s: u32, beside: Vec<Record>) -> Encoded {
        self.metadata.authoritative = true;
        let outcome = match &chain.end {
            Some(Answer::NoData(_)) => Outcome::NoData,
            Some(Answer::NxDomain(_)) => Outcome::NxDomain,
            Some(Answer::Records(_) | Answer::Aliased(_) | Answer::NotOurs) | None => {
                Outcome::Records
            }
        };
        let mut message = self.message(outcome);
        message.add_answers(chain.aliases.iter().map(alias_of));
        match (&chain.end, chain.aliases.last()) {
            (Some(Answer::Records(set)), Some(last)) => {
                message.add_answers(records_of(&last.target, set, ttl_s));
                message.additionals = beside;
            }
            (Some(Answer::NoData(authority) | Answer::NxDomain(authority)), _) => {
                message.add_authority(negative(authority));
            }
            _ => {}
        }
        self.encode(&mut message, outcome)
    }

    /// A reply that says that there is nothing, with the SOA that says for how long.
    pub(crate) fn nothing(mut self, outcome: Outcome, authority: &Authority<'_>) -> Encoded {
        self.metadata.authoritative = true;
        let mut message = self.message(outcome);
        message.add_authority(negative(authority));
        self.encode(&mut message, outcome)
    }

    /// A reply about a name that does not exist as far as we are asked, except above our own.
    pub(crate) fn absent(self) -> Encoded {
        let outcome = if self.is_above_ours { Outcome::NoData } else { Outcome::NxDomain };
        self.plain(outcome)
    }

    /// A reply without records.
    pub(crate) fn plain(self, outcome: Outcome) -> Encoded {
        let mut message = self.message(outcome);
        self.encode(&mut message, outcome)
    }

    /// A reply that says why there is no more.
    pub(crate) fn because(mut self, reason: Reason, outcome: Outcome) -> Encoded {
        self.options.reason = Some(reason);
        self.plain(outcome)
    }

    /// The question alone, to be asked again over TCP.
    pub(crate) fn limited(self) -> Encoded {
        let outcome = Outcome::Limited;
        let message = self.message(outcome).truncate();
        self.encode(&mut { message }, outcome)
    }

    pub(crate) fn message(&self, outcome: Outcome) -> Message {
        let (id, op_code) = (self.metadata.id, self.metadata.op_code);
        let mut message = Message::new(id, MessageType::Response, op_code);
        message.metadata = self.metadata;
        message.metadata.response_code = outcome.code();
        message.add_query(self.of_client().clone());
        if let Some(tail) = &self.tail {
            message.metadata.authoritative = true;
            message.add_answers(tail.aliases.iter().map(alias_of));
        }
        if let Some(dnssec_ok) = self.edns {
            message.set_edns(edns_of(dnssec_ok, &self.options));
        }
        message
    }

    pub(crate) fn encode(&self, message: &mut Message, outcome: Outcome) -> Encoded {
        match message.to_vec() {
            Ok(bytes) if bytes.len() <= self.limit => Encoded::new(bytes, outcome),
            // What nobody asked for goes first, and nothing is missing then (RFC 2181 §9).
            Ok(_) | Err(_) if !message.additionals.is_empty() => {
                message.additionals.clear();
                self.encode(message, outcome)
            }
            // Too long, or too long even for the encoder: the question alone, with TC.
            Ok(_) | Err(_) => match message.truncate().to_vec() {
                Ok(bytes) if bytes.len() <= self.limit => Encoded::new(bytes, Outcome::Truncated),
                Ok(_) | Err(_) => {
                    let bits = u8::from(self.metadata.recursion_desired);
                    bare(self.metadata.id, bits, Outcome::Failed)
                }
            },
        }
    }
}

/// A reply to who asks for a cookie and nothing else (RFC 7873 §5.4).
pub(crate) fn greeting(metadata: Metadata, dnssec_ok: DnssecOk, options: &Options) -> Encoded {
    let mut message = Message::new(metadata.id, MessageType::Response, metadata.op_code);
    message.metadata = metadata;
    message.set_edns(edns_of(dnssec_ok, options));
    let outcome = Outcome::NoData;
    let bits = u8::from(metadata.recursion_desired);
    message.to_vec().map_or_else(
        |_| bare(metadata.id, bits, Outcome::Failed),
        |bytes| Encoded::new(bytes, outcome),
    )
}

fn edns_of(DnssecOk(dnssec_ok): DnssecOk, options: &Options) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_REPLY_BYTES_MAX);
    edns.set_dnssec_ok(dnssec_ok);
    edns.set_version(0);
    for option in options.iter() {
        edns.options_mut().insert(option);
    }
    edns
}

fn alias_of(alias: &Alias) -> Record {
    let data = RData::CNAME(CNAME(alias.target.clone()));
    Record::from_rdata(alias.owner.clone(), alias.ttl_s, data)
}

/// A reply of a header alone, for requests whose question cannot be repeated.
///
/// `bits` are the request's opcode and RD in their places in the third octet.
pub(crate) fn bare(id: u16, bits: u8, outcome: Outcome) -> Encoded {
    let [high, low] = id.to_be_bytes();
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[0] = high;
    bytes[1] = low;
    bytes[2] = QR | (bits & OPCODE_AND_RD);
    bytes[3] = outcome.code().low();
    Encoded::new(bytes, outcome)
}

/// The longest reply to a request that allows `payload` octets (`None` without EDNS).
pub(crate) fn limit_of(transport: Transport, payload: Option<u16>) -> usize {
    match (transport, payload) {
        (Transport::Tcp | Transport::Tls | Transport::Https, _) => usize::from(u16::MAX),
        (Transport::Udp, None) => PLAIN_REPLY_BYTES_MAX,
        (Transport::Udp, Some(payload)) => {
            usize::from(payload.min(UDP_REPLY_BYTES_MAX)).max(PLAIN_REPLY_BYTES_MAX)
        }
    }
}

fn negative(authority: &Authority<'_>) -> Record {
    let soa = RData::SOA(authority.soa());
    Record::from_rdata(authority.owner().clone(), NEGATIVE_TTL_S, soa)
}

/// The records of a set, as a message has them.
pub(crate) fn records_of(owner: &Name, set: &RrSet<'_>, ttl_s: u32) -> Vec<Record> {
    let record = |data| Record::from_rdata(owner.clone(), ttl_s, data);
    match set {
        RrSet::A(all) => all.iter().map(|a| record(RData::A(A(*a)))).collect(),
        RrSet::Aaaa(all) => all.iter().map(|a| record(RData::AAAA(AAAA(*a)))).collect(),
        RrSet::Given(set) => {
            let record = |data| Record::from_rdata(owner.clone(), set.ttl_s(), data);
            set.data().map(record).collect()
        }
        RrSet::Soa(authority) => vec![record(RData::SOA(authority.soa()))],
        RrSet::Ns(name) => vec![record(RData::NS(NS((*name).clone())))],
        RrSet::Https(data) => vec![record(RData::HTTPS(data.clone()))],
        RrSet::Srv(data) => vec![record(RData::SRV(data.clone()))],
        RrSet::Ptr(name) => vec![record(RData::PTR(PTR(name.clone())))],
    }
}

/// The fixed part of every message (RFC 1035 §4.1.1).
pub(crate) const HEADER_BYTES: usize = 12;
/// What a UDP client without EDNS accepts (RFC 1035 §4.2.1).
const PLAIN_REPLY_BYTES_MAX: usize = 512;
/// What never needs fragments on any path that matters (RFC 9715).
pub(crate) const UDP_REPLY_BYTES_MAX: u16 = 1232;
/// The bit that marks a response.
const QR: u8 = 0x80;
/// What a reply repeats of the third octet.
const OPCODE_AND_RD: u8 = 0x79;
