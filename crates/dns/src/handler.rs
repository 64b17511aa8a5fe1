//! One request in, one reply or none out.
//!
//! **Invariant:** pure and total: any bytes are accepted, nothing here waits or panics, and both
//! transports come through [`respond`].

use std::net::SocketAddr;

use hickory_proto::op::{Message, Metadata};
use hickory_proto::rr::{DNSClass, RecordType};

use crate::access::Policy;
use crate::answer::{Answer, RrSet};
use crate::interfaces::Local;
use crate::reply::{
    DnssecOk, Drop, Encoded, HEADER_BYTES, Outcome, Pending, Reply, bare, limit_of,
};
use crate::transfer::{Transfer, now_s};
use crate::tsig::{self, Checked, Exchange};
use crate::zone::Zone;

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// A stream of messages.
    Tcp,
    /// The same with TLS (RFC 7858).
    Tls,
    /// In requests of HTTP (RFC 8484).
    Https,
}

impl Transport {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https];

    /// The word for it in metrics and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
        }
    }

    /// Whether nobody between can read it, so that its length is all there is to see.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }
}

/// Who asked, and where.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The client.
    pub peer: SocketAddr,
    /// The interface at which the request arrived.
    pub local: Local,
    /// How it came.
    pub transport: Transport,
}

/// Answers one request.
pub fn respond(request: &[u8], asker: &Asker, zone: &Zone, policy: &Policy) -> Reply {
    let head = match Head::read(request) {
        Ok(head) => head,
        Err(reason) => return Reply::Silence(reason),
    };
    if asker.peer.port() == 0 {
        return Reply::Silence(Drop::Source);
    }
    let keys = policy.peers.keys.iter().map(|holder| &holder.key);
    match tsig::check(request, keys, now_s) {
        Checked::Unsigned => serve(head, request, None, asker, zone, policy),
        Checked::Malformed => Reply::Send(bare(head.id, head.bits, Outcome::FormErr)),
        Checked::Refused(encoded) => Reply::Send(encoded),
        Checked::Signed(exchange) => {
            let reply = serve(head, request, Some(&exchange), asker, zone, policy);
            signed(reply, exchange)
        }
    }
}

/// Answers a request of which the signature is right, if it has one.
fn serve(
    head: Head,
    request: &[u8],
    signed: Option<&Exchange>,
    asker: &Asker,
    zone: &Zone,
    policy: &Policy,
) -> Reply {
    if head.opcode != OPCODE_QUERY {
        return Reply::Send(bare(head.id, head.bits, Outcome::NotImp));
    }
    let Some(mut asked) = head.question(request, asker) else {
        return Reply::Send(bare(head.id, head.bits, Outcome::FormErr));
    };
    let (Asked::Plain(pending) | Asked::BadVersion(pending)) = &mut asked;
    pending.limit -= signed.map_or(0, Exchange::bytes);
    match asked {
        Asked::Plain(pending) if is_transfer(&pending) => {
            transfer(request, pending, signed, asker, zone, policy)
        }
        Asked::Plain(pending) => answer(pending, asker, zone, policy),
        Asked::BadVersion(pending) => Reply::Send(pending.plain(Outcome::BadVersion)),
    }
}

/// Has a reply signed, now or when it is made.
fn signed(reply: Reply, mut exchange: Exchange) -> Reply {
    match reply {
        Reply::Silence(reason) => Reply::Silence(reason),
        Reply::Send(mut encoded) => {
            exchange.sign(&mut encoded.bytes, now_s());
            Reply::Send(encoded)
        }
        Reply::Forward(mut pending) => {
            pending.signed = Some(Box::new(exchange));
            Reply::Forward(pending)
        }
        Reply::Transfer(mut transfer) => {
            transfer.sign_with(exchange);
            Reply::Transfer(transfer)
        }
    }
}

fn is_transfer(pending: &Pending) -> bool {
    matches!(pending.question.query_type(), RecordType::AXFR | RecordType::IXFR)
}

/// Whole zones are for who is listed.
fn transfer(
    request: &[u8],
    pending: Pending,
    signed: Option<&Exchange>,
    asker: &Asker,
    zone: &Zone,
    policy: &Policy,
) -> Reply {
    let key = signed.map(|exchange| &**exchange.key());
    let is_allowed = policy.peers.may_transfer(asker.peer.ip(), key);
    let is_axfr = pending.question.query_type() == RecordType::AXFR;
    // A whole zone has no place in a datagram (RFC 5936 §4.2).
    let is_stream = matches!(asker.transport, Transport::Tcp | Transport::Tls);
    let is_possible = is_stream || !is_axfr;
    if !is_allowed || !is_possible || pending.question.query_class() != DNSClass::IN {
        return Reply::Send(pending.plain(Outcome::Refused));
    }
    match Transfer::new(request, &pending, zone, asker.local) {
        Err(outcome) => Reply::Send(pending.plain(outcome)),
        Ok(transfer) if !is_stream => {
            Reply::Send(Encoded { bytes: transfer.start(), outcome: Outcome::Transfer })
        }
        Ok(transfer) => Reply::Transfer(Box::new(transfer)),
    }
}

fn answer(mut pending: Pending, asker: &Asker, zone: &Zone, policy: &Policy) -> Reply {
    let allowed = policy.access.allows(asker.peer.ip());
    pending.metadata.recursion_available = allowed && policy.forwarder.is_some();
    let question = &pending.question;
    let rtype = question.query_type();
    if question.query_class() != DNSClass::IN {
        return Reply::Send(pending.plain(Outcome::Refused));
    }
    let name = question.name().clone();
    let local = zone.facing(asker.peer.ip(), asker.local);
    let answer = zone.answer(&name, rtype, &local);
    pending.is_above_ours = matches!(answer, Answer::NotOurs) && zone.is_above(&name);
    Reply::Send(match answer {
        // What is asked nearly always leads nowhere else.
        Answer::Records(set @ (RrSet::A(_) | RrSet::Aaaa(_))) => {
            pending.records(&set, zone.ttl_s(), Vec::new())
        }
        Answer::Records(set) => {
            let beside = zone.beside(&set, &local);
            pending.records(&set, zone.ttl_s(), beside)
        }
        Answer::Aliased(chain) => {
            let beside = match &chain.end {
                Some(Answer::Records(set)) => zone.beside(set, &local),
                _ => Vec::new(),
            };
            pending.aliased(&chain, zone.ttl_s(), beside)
        }
        Answer::NoData(authority) => pending.nothing(Outcome::NoData, &authority),
        Answer::NxDomain(authority) => pending.nothing(Outcome::NxDomain, &authority),
        Answer::NotOurs if !allowed => pending.plain(Outcome::Refused),
        Answer::NotOurs if policy.forwarder.is_none() => pending.absent(),
        // Who does not want us to ask others only wants to know what we know: nothing.
        Answer::NotOurs if !pending.metadata.recursion_desired => pending.plain(Outcome::Refused),
        Answer::NotOurs => return Reply::Forward(pending),
    })
}

/// A question that could be read.
enum Asked {
    Plain(Pending),
    BadVersion(Pending),
}

/// What is read before anything is decoded.
#[derive(Debug, Clone, Copy)]
struct Head {
    id: u16,
    /// The third octet: opcode and RD among others.
    bits: u8,
    opcode: u8,
    questions: u16,
    /// In the other sections together.
    records: u32,
}

impl Head {
    fn read(request: &[u8]) -> Result<Self, Drop> {
        let Some(head) = request.first_chunk::<HEADER_BYTES>() else {
            return Err(Drop::Short);
        };
        let [id0, id1, bits, _, qd0, qd1, counts @ ..] = *head;
        if bits & 0x80 != 0 {
            return Err(Drop::Response);
        }
        Ok(Self {
            id: u16::from_be_bytes([id0, id1]),
            bits,
            opcode: (bits >> 3) & 0x0f,
            questions: u16::from_be_bytes([qd0, qd1]),
            records: counts.chunks_exact(2).map(|c| u32::from(c[0]) << 8 | u32::from(c[1])).sum(),
        })
    }

    /// Decodes a request that has exactly one question (RFC 9619); counts and length are checked first,
    /// since they are what decoding costs.
    fn question(self, request: &[u8], asker: &Asker) -> Option<Asked> {
        if self.questions != 1 || self.records > RECORDS_MAX || request.len() > REQUEST_BYTES_MAX {
            return None;
        }
        let message = Message::from_vec(request).ok()?;
        let edns = message.edns.as_ref();
        let pending = Pending {
            metadata: Metadata::response_from_request(&message.metadata),
            question: message.queries.first()?.clone(),
            edns: edns.map(|edns| DnssecOk(edns.flags().dnssec_ok)),
            limit: limit_of(asker.transport, edns.map(|edns| edns.max_payload())),
            client: asker.peer.ip(),
            is_above_ours: false,
            signed: None,
        };
        if edns.is_some_and(|edns| edns.version() != EDNS_VERSION) {
            Some(Asked::BadVersion(pending))
        } else {
            Some(Asked::Plain(pending))
        }
    }
}

/// The only opcode we serve.
const OPCODE_QUERY: u8 = 0;
/// A question with any sensible options.
pub(crate) const REQUEST_BYTES_MAX: usize = 4096;
/// Besides the question: OPT, a signature, and what a client may send along for nothing.
const RECORDS_MAX: u32 = 16;
/// The only version of EDNS there is (RFC 6891 §6.1.3).
const EDNS_VERSION: u8 = 0;

#[cfg(test)]
mod tests;
