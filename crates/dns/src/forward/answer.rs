//! An answer as it is kept: in bytes, ready to be sent again.
//!
//! **Invariant:** the bytes are a header, the folded question and records of ours to tell, without
//! an OPT record; every TTL's place is known. A reply costs one allocation and no decoding.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::job::FAILURE_KEPT;
use super::query::{OPT_BYTES, opt};
use super::sanitise::Finding;
use crate::dnssec::chain::BOGUS_KEPT;
use crate::dnssec::{Judgement, Security};
use crate::key::AskedKey;
use crate::lists::Renamed;
use crate::options::{Options, Reason};
use crate::reply::{Encoded, HEADER_BYTES, Outcome, Pending};
use crate::short::Written;
use crate::short::question::Question as Plain;
use crate::wire::{Records, TTL_BYTES};

/// What a forwarder found out.
#[derive(Debug)]
pub(crate) struct Answer {
    wire: Box<[u8]>,
    ttls: Box<[u16]>,
    outcome: Outcome,
    lifetime: Duration,
    from: Option<SocketAddr>,
    /// Why there is no more.
    reason: Option<Reason>,
    /// How far it can be believed.
    judgement: Judgement,
    /// Whether it says all that was found.
    is_whole: bool,
}

/// What the TTLs of a reply say.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ttl {
    /// What is left after so many seconds.
    Aged(u32),
    /// This, since nobody could be asked for anything newer.
    Stale(u32),
}

impl Answer {
    /// Puts a finding into bytes; `None` when it does not fit a message.
    pub(crate) fn new(finding: Finding, question: Query) -> Option<Self> {
        let Finding { outcome, answers, authorities, lifetime, name, kept_out } = finding;
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.metadata.response_code = outcome.code();
        let mut question = question;
        question.set_name(name);
        message.add_query(question);
        message.answers = answers;
        message.authorities = authorities;
        let wire = message.to_vec().ok().filter(|wire| wire.len() <= WIRE_BYTES_MAX)?;
        let ttls = ttl_places(&wire)?;
        let reason = match outcome {
            Outcome::Failed => Some(Reason::Unreachable),
            _ => (kept_out > 0).then_some(Reason::Blocked),
        };
        let (wire, ttls) = (wire.into(), ttls.into());
        let (judgement, is_whole) = (Judgement::UNCHECKED, kept_out == 0);
        Some(Self { wire, ttls, outcome, lifetime, from: None, reason, judgement, is_whole })
    }

    /// The same of a finding that was judged; what is bogus is not told.
    pub(crate) fn judged(finding: Finding, query: &Query, judgement: Judgement) -> Option<Self> {
        let reason = judgement.why.as_ref().and_then(|why| why.kind.reason());
        let answer = match judgement.security {
            Security::Bogus => Self::failed(query, bogus_kept(&judgement))?,
            _ => Self::new(finding, query.clone())?,
        };
        let is_bogus = judgement.security == Security::Bogus;
        let reason = if is_bogus { reason } else { answer.reason.or(reason) };
        Some(Self { judgement, reason, ..answer })
    }

    /// The same, with who said it.
    pub(crate) fn said_by(self, server: SocketAddr) -> Self {
        Self { from: Some(server), ..self }
    }

    /// That nobody answered.
    pub(crate) fn failed(question: &Query, lifetime: Duration) -> Option<Self> {
        let name: Name = question.name().to_lowercase();
        let finding = Finding {
            outcome: Outcome::Failed,
            name,
            answers: Vec::new(),
            authorities: Vec::new(),
            lifetime,
            kept_out: 0,
        };
        Self::new(finding, question.clone())
    }

    /// Who said it; nobody when it is that nobody answered.
    pub(crate) fn from(&self) -> Option<SocketAddr> {
        self.from
    }

    /// How far it can be believed.
    pub(crate) fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// Whether it stands for one that is not believed.
    pub(crate) fn is_bogus(&self) -> bool {
        self.judgement.security == Security::Bogus
    }

    /// Whether it does for more than that keys could not be asked for just now.
    pub(crate) fn is_refuted(&self) -> bool {
        let is_passing = self.judgement.why.as_ref().is_some_and(|why| why.kind.is_passing());
        self.is_bogus() && !is_passing
    }

    /// What it says.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// How long it is good for.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// What keeping it costs.
    pub(crate) fn bytes(&self) -> usize {
        let why = self.judgement.why.as_ref().map_or(0, |why| why.name.len());
        self.wire.len() + 2 * self.ttls.len() + why
    }

    /// The reply to a client that asked this.
    pub(crate) fn reply(&self, pending: &Pending, ttl: Ttl) -> Encoded {
        if let Some(table) = &pending.screen
            && let Some(told) = table.screen(pending, self.aliases(), self.addresses())
        {
            return told;
        }
        match &pending.renamed {
            Some(renamed) => self.renamed(pending, renamed, ttl),
            None => self.as_it_is(pending, ttl),
        }
    }

    /// The names that its aliases lead to.
    fn aliases(&self) -> impl Iterator<Item = AskedKey> {
        let aliases = self.records().filter(|(rtype, _)| *rtype == u16::from(RecordType::CNAME));
        aliases.map(|(_, at)| AskedKey::read(&self.wire, at))
    }

    /// The addresses in it.
    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.records().filter_map(|(rtype, at)| {
            let rest = self.wire.get(at..)?;
            match RecordType::from(rtype) {
                RecordType::A => rest.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
                RecordType::AAAA => rest.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
                _ => None,
            }
        })
    }

    /// Of each record, its type and the place of its data: the TTL stands between them.
    fn records(&self) -> impl Iterator<Item = (u16, usize)> {
        self.ttls.iter().filter_map(|at| {
            let at = usize::from(*at);
            let rtype = self.wire.get(at.checked_sub(TYPE_AND_CLASS_BYTES)?..)?.first_chunk()?;
            Some((u16::from_be_bytes(*rtype), at + TTL_BYTES + LENGTH_BYTES))
        })
    }

    /// The reply to a client that asked for what a list says is an alias of this.
    fn renamed(&self, pending: &Pending, renamed: &Renamed, ttl: Ttl) -> Encoded {
        let whole = Pending { renamed: None, limit: usize::from(u16::MAX), ..pending.clone() };
        let Ok(message) = Message::from_vec(&self.as_it_is(&whole, ttl).bytes) else {
            return pending.clone().plain(Outcome::Failed);
        };
        let target = RData::CNAME(CNAME(pending.question.name().clone()));
        let alias = Record::from_rdata(renamed.asked.name().clone(), renamed.ttl_s, target);
        let answers = std::iter::once(alias).chain(message.answers).collect();
        let soa = message.authorities.into_iter().next();
        let told = pending.clone().told(self.outcome, answers, soa, None);
        Encoded { listed: Some(renamed.note.clone()), ..told }
    }

    fn as_it_is(&self, pending: &Pending, ttl: Ttl) -> Encoded {
        let options = Options { reason: self.reason(ttl), ..pending.options.clone() };
        if pending.tail.is_some() {
            let said = self.as_it_is(&pending.without_aliases(), ttl);
            return Pending { options, ..pending.clone() }.behind_aliases(&said);
        }
        let room = if pending.edns.is_some() { OPT_BYTES + options.len() } else { 0 };
        let fits = self.wire.len() + room <= pending.limit;
        let length = if fits { self.wire.len() } else { self.question_end(pending) };
        let mut bytes = Vec::with_capacity(length + room);
        bytes.extend_from_slice(self.wire.get(..length).unwrap_or(&self.wire));
        let metadata = &pending.metadata;
        let asked = Asked {
            id: metadata.id.to_be_bytes(),
            recursion_desired: metadata.recursion_desired,
            checking_disabled: metadata.checking_disabled,
            // What is past its time was verified once: its signatures may have ended since.
            wants_authentic: pending.wants_authentic && matches!(ttl, Ttl::Aged(_)),
        };
        self.write_head(&mut bytes, asked, !fits);
        write_name(&mut bytes, pending.question.name());
        if fits {
            self.write_ttls(&mut bytes, ttl);
        }
        if let Some(edns) = pending.edns {
            bytes[ADDITIONALS_LOW] = 1;
            bytes.extend_from_slice(&opt(edns.0, options.len()));
            options.write(&mut bytes);
        }
        let outcome = if fits { self.outcome } else { Outcome::Truncated };
        Encoded::new(bytes, outcome)
    }

    fn reason(&self, ttl: Ttl) -> Option<Reason> {
        match (ttl, self.outcome) {
            (Ttl::Stale(_), Outcome::NxDomain) => Some(Reason::StaleAbsence),
            (Ttl::Stale(_), _) => Some(Reason::Stale),
            (Ttl::Aged(_), _) => self.reason,
        }
    }

    /// The reply to a plain question, written into given room; `None` when it does not fit, or there is more to
    /// say than what is kept.
    pub(crate) fn write(&self, plain: &Plain<'_>, age_s: u32, room: &mut [u8]) -> Option<Written> {
        if self.reason.is_some() || self.outcome == Outcome::Failed {
            return None;
        }
        let edns = plain.edns.map(|edns| opt(edns.0, 0));
        let edns = edns.as_ref().map_or(&[][..], |edns| edns);
        let (length, len) = (self.wire.len(), self.wire.len() + edns.len());
        let room = room.get_mut(..len).filter(|_| len <= plain.limit)?;
        let (said, behind) = room.split_at_mut(length);
        said.copy_from_slice(&self.wire);
        behind.copy_from_slice(edns);
        let asked = Asked {
            id: plain.id(),
            recursion_desired: plain.recursion_desired(),
            checking_disabled: plain.checking_disabled(),
            wants_authentic: plain.wants_authentic(),
        };
        self.write_head(said, asked, false);
        let question = HEADER_BYTES..plain.bytes().len();
        said.get_mut(question.clone())?.copy_from_slice(plain.bytes().get(question)?);
        self.write_ttls(said, Ttl::Aged(age_s));
        said[ADDITIONALS_LOW] = u8::from(!edns.is_empty());
        Some(Written { len, outcome: self.outcome })
    }

    /// Id and flags.
    fn write_head(&self, bytes: &mut [u8], asked: Asked, is_cut: bool) {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        bytes[..2].copy_from_slice(&asked.id);
        bytes[2] = RESPONSE | bit(is_cut, TRUNCATED) | bit(asked.recursion_desired, 1);
        let is_authentic = self.judgement.security == Security::Secure && self.is_whole;
        bytes[3] = RECURSION_AVAILABLE
            | bit(is_authentic && asked.wants_authentic, AUTHENTIC_DATA)
            | bit(asked.checking_disabled, CHECKING_DISABLED)
            | self.outcome.code().low();
        if is_cut {
            bytes[ANSWERS_AND_AUTHORITIES].fill(0);
        }
    }

    fn write_ttls(&self, bytes: &mut [u8], ttl: Ttl) {
        for at in self.ttls.iter().map(|at| usize::from(*at)) {
            let Some(place) = bytes.get_mut(at..at + TTL_BYTES) else {
                return;
            };
            let left = match ttl {
                Ttl::Stale(ttl) => ttl,
                Ttl::Aged(age) => {
                    let mut before = [0; TTL_BYTES];
                    before.copy_from_slice(place);
                    u32::from_be_bytes(before).saturating_sub(age)
                }
            };
            place.copy_from_slice(&left.to_be_bytes());
        }
    }

    fn question_end(&self, pending: &Pending) -> usize {
        let name: usize = pending.question.name().iter().map(|label| label.len() + 1).sum();
        HEADER_BYTES + name + 1 + TYPE_AND_CLASS_BYTES
    }
}

/// What a reply repeats of a request, beside the question.
#[derive(Debug, Clone, Copy)]
struct Asked {
    id: [u8; 2],
    recursion_desired: bool,
    checking_disabled: bool,
    wants_authentic: bool,
}

/// The name of the question, in the case it was asked.
fn write_name(bytes: &mut [u8], name: &Name) {
    let mut at = HEADER_BYTES;
    for label in name.iter() {
        let Some(place) = bytes.get_mut(at + 1..at + 1 + label.len()) else {
            return;
        };
        place.copy_from_slice(label);
        at += 1 + label.len();
    }
}

/// For how long an answer is not asked for again that is not believed.
fn bogus_kept(judgement: &Judgement) -> Duration {
    match &judgement.why {
        Some(why) if why.kind.is_passing() => FAILURE_KEPT,
        _ => BOGUS_KEPT,
    }
}

/// Where the TTLs of a message stand; `None` when it is not well formed.
fn ttl_places(wire: &[u8]) -> Option<Vec<u16>> {
    let mut records = Records::of(wire)?;
    let places: Option<Vec<u16>> =
        records.by_ref().map(|found| u16::try_from(found.ttl.start).ok()).collect();
    places.filter(|_| records.is_at_end())
}

/// TCP's length is 16 bits wide, and an OPT record with options is added.
const WIRE_BYTES_MAX: usize = u16::MAX as usize - OPT_BYTES - OPTIONS_BYTES_MAX;
/// A cookie, a reason, and how long a connection is kept.
const OPTIONS_BYTES_MAX: usize = 46;
const LENGTH_BYTES: usize = 2;
const TYPE_AND_CLASS_BYTES: usize = 4;
/// The low octet of the count of additional records.
const ADDITIONALS_LOW: usize = 11;
/// Their counts in the header.
const ANSWERS_AND_AUTHORITIES: std::ops::Range<usize> = 6..10;
const RESPONSE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;
const RECURSION_AVAILABLE: u8 = 0x80;
const AUTHENTIC_DATA: u8 = 0x20;
const CHECKING_DISABLED: u8 = 0x10;

#[cfg(test)]
pub(crate) mod tests;
