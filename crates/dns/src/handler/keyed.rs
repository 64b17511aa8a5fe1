//! What only who is listed, or holds a key, may ask: transfers of zones, and changes.
//!
//! **Invariant:** a request with a right signature gets a signed reply, whatever it says.

use std::sync::Arc;

use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, RecordType};

use super::{Asker, Head, Transport};
use crate::access::Policy;
use crate::peers::Keyholder;
use crate::reply::{Encoded, Outcome, Pending, Reply, bare};
use crate::transfer::{Transfer, now_s};
use crate::tsig::Exchange;
use crate::update::Update;
use crate::zone::Zone;

/// Has a reply signed, now or when it is made.
pub(super) fn signed(reply: Reply, mut exchange: Exchange) -> Reply {
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
        Reply::Update(update) => Reply::Update(update),
    }
}

/// Takes an update with a right signature; what it asks for is judged where it is made.
pub(super) fn update(
    head: Head,
    request: &[u8],
    exchange: Exchange,
    asker: &Asker,
    policy: &Policy,
) -> Reply {
    let refuse = |outcome| signed(Reply::Send(bare(head.id, head.bits, outcome)), exchange.clone());
    if !policy.peers.take_updates() {
        return refuse(Outcome::NotImp);
    }
    let may_change = |holder: &Keyholder| !holder.update.is_empty();
    if !policy.peers.holder(exchange.key().name()).is_some_and(may_change) {
        return refuse(Outcome::Refused);
    }
    if head.questions != 1 {
        return refuse(Outcome::FormErr);
    }
    let Ok(message) = Message::from_vec(request) else {
        return refuse(Outcome::FormErr);
    };
    let peers = Arc::clone(&policy.peers);
    Reply::Update(Box::new(Update::new(message, head.bits, asker.local, exchange, peers)))
}

pub(super) fn is_transfer(pending: &Pending) -> bool {
    matches!(pending.question.query_type(), RecordType::AXFR | RecordType::IXFR)
}

/// Whole zones are for who is listed.
pub(super) fn transfer(
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
            Reply::Send(Encoded::new(transfer.start(), Outcome::Transfer))
        }
        Ok(transfer) => Reply::Transfer(Box::new(transfer)),
    }
}
