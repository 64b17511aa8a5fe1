//! The answer at the end, as the handler makes it.
//!
//! **Invariant:** a client that asks now gets this answer, unless somebody has to be asked for it.

use std::net::SocketAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query};

use super::Asking;
use crate::access::Policy;
use crate::handler::{Asker, Transport, respond};
use crate::lists::ListNote;
use crate::presentation::line;
use crate::reply::{Encoded, Reply};
use crate::zone::Zone;

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This.
    Answered {
        /// The response code, such as `NXDOMAIN`.
        rcode: &'static str,
        /// What it says, such as `nodata`.
        outcome: &'static str,
        /// Whether it is from our own zone.
        authoritative: bool,
        /// The records of the answer, as a zone file has them.
        records: Vec<String>,
    },
    /// What one of these servers says.
    Asked {
        /// They, the first one first.
        servers: Vec<SocketAddr>,
    },
    /// Nothing: no client can ask that.
    Nothing,
}

/// With the entry of a list that says so, if one does.
pub(super) fn verdict(
    asking: &Asking,
    zone: &Zone,
    policy: &Policy,
) -> (Verdict, Option<ListNote>) {
    match encoded(asking, zone, policy) {
        Said::This(encoded) => (answered(&encoded), encoded.listed.map(|note| *note)),
        Said::Asked(servers) => (Verdict::Asked { servers }, None),
        Said::Nothing => (Verdict::Nothing, None),
    }
}

enum Said {
    This(Encoded),
    Asked(Vec<SocketAddr>),
    Nothing,
}

fn encoded(asking: &Asking, zone: &Zone, policy: &Policy) -> Said {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(asking.name.clone(), asking.rtype));
    let Ok(request) = message.to_vec() else {
        return Said::Nothing;
    };
    let asker = Asker {
        peer: SocketAddr::new(asking.client, SOME_PORT),
        local: asking.local,
        // Nothing is cut.
        transport: Transport::Tcp,
    };
    match respond(&request, &asker, zone, policy) {
        // A transfer says more than can be shown.
        Reply::Silence(_) | Reply::Transfer(_) | Reply::Update(_) => Said::Nothing,
        Reply::Send(encoded) => Said::This(encoded),
        Reply::Forward(pending) => match &policy.forwarder {
            None => Said::Nothing,
            Some(forwarder) => match forwarder.peek(&pending) {
                Some(encoded) => Said::This(encoded),
                None => Said::Asked(forwarder.servers_for(&pending)),
            },
        },
    }
}

fn answered(encoded: &Encoded) -> Verdict {
    let message = Message::from_vec(&encoded.bytes).ok();
    let records = message.iter().flat_map(|message| &message.answers);
    Verdict::Answered {
        rcode: encoded.outcome.rcode(),
        outcome: encoded.outcome.as_str(),
        authoritative: message.as_ref().is_some_and(|m| m.metadata.authoritative),
        records: records.take(RECORDS_MAX).map(line).collect(),
    }
}

/// Where clients ask from; which one does not matter, except that 0 is none.
const SOME_PORT: u16 = 53_000;
/// Records that are told.
const RECORDS_MAX: usize = 64;
