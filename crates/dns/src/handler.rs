//! One request in, one reply or none out.
//!
//! **Invariant:** pure and total: any bytes are accepted, nothing here waits or panics, and both
//! transports come through [`respond`].

mod keyed;

use std::net::SocketAddr;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use hickory_proto::op::{Message, Metadata};
use hickory_proto::rr::DNSClass;

use self::keyed::{is_transfer, signed, transfer, update};
use crate::access::Policy;
use crate::answer::{Answer, RrSet};
use crate::cookie::{BadLength, Shown};
use crate::discovery;
use crate::forward::nowhere;
use crate::guard::Verdict;
use crate::interfaces::Local;
use crate::key::AskedKey;
use crate::lists::Listed;
use crate::options::{COOKIE, KEEPALIVE, Keepalive, Options, Overrun, Reason, find, opt_of};
use crate::reply::{
    DnssecOk, Drop, HEADER_BYTES, Outcome, Pending, Reply, bare, greeting, limit_of,
};
use crate::transfer::now_s;
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

    /// How long a connection is kept without a question; none without connections of our own.
    pub(crate) fn idle_timeout(self) -> Option<Duration> {
        match self {
            Self::Tcp => Some(IDLE_TIMEOUT),
            Self::Tls => Some(TLS_IDLE_TIMEOUT),
            Self::Udp | Self::Https => None,
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
        Checked::Signed(exchange) if head.opcode == OPCODE_UPDATE => {
            update(head, request, exchange, asker, policy)
        }
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
    if head.opcode == OPCODE_UPDATE && policy.peers.take_updates() {
        // Without a key nobody changes anything.
        return Reply::Send(bare(head.id, head.bits, Outcome::Refused));
    }
    let mut asked = match head.opcode {
        OPCODE_QUERY => head.question(request, asker, policy).ok_or(Outcome::FormErr),
        _ => Err(Outcome::NotImp),
    };
    if let Ok(Asked::Plain(pending, _) | Asked::BadVersion(pending)) = &mut asked {
        pending.limit -= signed.map_or(0, Exchange::bytes);
    }
    let may_ask = policy.access.allows(asker.peer.ip());
    // Others over UDP may be somebody else than they pretend to be.
    let is_known = may_ask || signed.is_some() || asker.transport != Transport::Udp;
    let verdict = match is_known || asked.as_ref().is_ok_and(Asked::is_proven) {
        true => Verdict::Pass,
        false => policy.guard.admit(asker.peer.ip(), policy.rate_limit),
    };
    match (verdict, asked) {
        (Verdict::Pass, Ok(Asked::Plain(pending, _))) if is_transfer(&pending) => {
            transfer(request, pending, signed, asker, zone, policy)
        }
        (Verdict::Pass, asked) => reply_to(asked, head, asker, zone, policy, may_ask),
        (Verdict::Truncate, Ok(Asked::Plain(pending, _))) => {
            Reply::Send(match pending.options.cookie {
                Some(_) => pending.plain(Outcome::BadCookie),
                None => pending.limited(),
            })
        }
        (Verdict::Truncate | Verdict::Silence, _) => Reply::Silence(Drop::Limited),
    }
}

fn reply_to(
    asked: Result<Asked, Outcome>,
    head: Head,
    asker: &Asker,
    zone: &Zone,
    policy: &Policy,
    may_ask: bool,
) -> Reply {
    match asked {
        Ok(Asked::Plain(pending, _)) => answer(pending, asker, zone, policy, may_ask),
        Ok(Asked::BadVersion(pending)) => Reply::Send(pending.plain(Outcome::BadVersion)),
        Ok(Asked::Cookie(metadata, dnssec_ok, shown)) => {
            let cookie = Some(Box::new(shown.reply));
            let options = Options { cookie, ..Options::default() };
            Reply::Send(greeting(metadata, dnssec_ok, &options))
        }
        Err(outcome) => Reply::Send(bare(head.id, head.bits, outcome)),
    }
}

fn answer(
    mut pending: Pending,
    asker: &Asker,
    zone: &Zone,
    policy: &Policy,
    allowed: bool,
) -> Reply {
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
        Answer::Aliased(chain) if matches!(chain.end, Some(Answer::NotOurs)) && allowed => {
            return led_away(pending.led_by(*chain), policy);
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
        Answer::NotOurs if !allowed => pending.because(Reason::Prohibited, Outcome::Refused),
        Answer::NotOurs if discovery::is_under(AskedKey::of(&name).as_slice()) => {
            discovery::answer(pending, zone, &local)
        }
        Answer::NotOurs => return elsewhere(pending, asker, zone, policy),
    })
}

/// An alias of ours of a name that is nobody's here: what hosts files and lists have for it comes first, but
/// nothing that is ours is blocked.
fn led_away(pending: Pending, policy: &Policy) -> Reply {
    match policy.lists.given(pending.asked()) {
        Some(records) => Reply::Send(pending.ending_in(records)),
        None if pending.may_forward() => Reply::Forward(pending),
        None => Reply::Send(pending.plain(Outcome::Records)),
    }
}

/// A name that is nobody's here: lists come first, then whoever knows it.
fn elsewhere(pending: Pending, asker: &Asker, zone: &Zone, policy: &Policy) -> Reply {
    let pending = match policy.lists.answer(pending, zone, &asker.local) {
        Listed::Reply(reply) => return reply,
        Listed::Renamed(pending) => return Reply::Forward(pending),
        Listed::Open(pending) => pending,
    };
    if policy.forwarder.is_none() {
        return Reply::Send(nowhere(pending));
    }
    // Who does not want us to ask others only wants to know what we know: nothing.
    match pending.metadata.recursion_desired {
        true => Reply::Forward(pending),
        false => Reply::Send(pending.because(Reason::NotAuthoritative, Outcome::Refused)),
    }
}

/// A question that could be read.
enum Asked {
    /// With whether the client has proven that it receives at its address.
    Plain(Pending, bool),
    BadVersion(Pending),
    /// Nothing but a cookie (RFC 7873 §5.4).
    Cookie(Metadata, DnssecOk, Shown),
}

impl Asked {
    fn is_proven(&self) -> bool {
        match self {
            Self::Plain(_, is_proven) => *is_proven,
            Self::BadVersion(_) => false,
            Self::Cookie(_, _, shown) => shown.is_proven,
        }
    }
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
    fn question(self, request: &[u8], asker: &Asker, policy: &Policy) -> Option<Asked> {
        if self.questions > 1 || self.records > RECORDS_MAX || request.len() > REQUEST_BYTES_MAX {
            return None;
        }
        let message = Message::from_vec(request).ok()?;
        let edns = message.edns.as_ref();
        let shown = match edns {
            Some(_) => cookie_in(request, asker, policy).ok()?,
            None => None,
        };
        let metadata = Metadata::response_from_request(&message.metadata);
        let dnssec_ok = edns.map(|edns| DnssecOk(edns.flags().dnssec_ok));
        if self.questions == 0 {
            return Some(Asked::Cookie(metadata, dnssec_ok?, shown?));
        }
        let pending = Pending {
            metadata,
            question: message.queries.first()?.clone(),
            edns: dnssec_ok,
            wants_authentic: message.metadata.authentic_data
                || dnssec_ok.is_some_and(|dnssec_ok| dnssec_ok.0),
            limit: limit_of(asker.transport, edns.map(|edns| edns.max_payload())),
            is_stream: asker.transport != Transport::Udp,
            client: asker.peer.ip(),
            is_above_ours: false,
            signed: None,
            options: Options {
                cookie: shown.map(|shown| Box::new(shown.reply)),
                reason: None,
                keepalive: keepalive(request, asker.transport),
            },
            tail: None,
            screen: None,
            renamed: None,
        };
        if edns.is_some_and(|edns| edns.version() != EDNS_VERSION) {
            Some(Asked::BadVersion(pending))
        } else {
            Some(Asked::Plain(pending, shown.is_some_and(|shown| shown.is_proven)))
        }
    }
}

/// What a client that asks for it is told of its connection (RFC 7828 §3.3.2); over UDP, and over HTTP, there is none.
fn keepalive(request: &[u8], transport: Transport) -> Option<Keepalive> {
    let time = transport.idle_timeout()?;
    let asked = find(opt_of(request)?.data, KEEPALIVE).ok().flatten()?;
    // A client says nothing about the time (RFC 7828 §3.2.1).
    asked.is_empty().then(|| Keepalive::of(time))
}

/// The cookie of a request with EDNS; an error when it has a wrong length, or options run over.
fn cookie_in(request: &[u8], asker: &Asker, policy: &Policy) -> Result<Option<Shown>, BadLength> {
    let opt = opt_of(request).ok_or(BadLength)?;
    let cookie = find(opt.data, COOKIE).map_err(|Overrun| BadLength)?;
    let (Some(cookie), Some(cookies)) = (cookie, policy.guard.cookies()) else {
        return Ok(None);
    };
    // Seconds since 1970, as far as they go into 32 bits (RFC 9018 §4.3).
    let now_s = (Timestamp::now().seconds() & i64::from(u32::MAX)) as u32;
    cookies.look(cookie, asker.peer.ip(), now_s).map(Some)
}

/// For a whole request to arrive on a connection.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same with TLS, where a connection costs more to begin.
const TLS_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// What nearly everybody sends.
const OPCODE_QUERY: u8 = 0;
/// RFC 2136.
const OPCODE_UPDATE: u8 = 5;
/// A question with any sensible options.
pub(crate) const REQUEST_BYTES_MAX: usize = 4096;
/// Besides the question: OPT, a signature, and what a client may send along for nothing.
const RECORDS_MAX: u32 = 16;
/// The only version of EDNS there is (RFC 6891 §6.1.3).
const EDNS_VERSION: u8 = 0;

#[cfg(test)]
mod tests;
