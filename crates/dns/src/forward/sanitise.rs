//! A forwarder's answer, reduced to what answers the question.
//!
//! **Invariant:** what comes out is about the name that was asked: its records, the aliases that
//! lead to them, and for a negative answer the SOA of a zone above. Everything else a forwarder
//! says, true or not, is left behind, so that it can poison nothing, and no name of ours is among it.
//! Records are bounded in number.

use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::question::Question;
use super::rebind;
use super::suffix::Suffix;
use crate::dnssec::Proof;
use crate::key::AskedKey;
use crate::reply::Outcome;

/// How an answer is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules<'a> {
    /// The shortest and the longest that an answer is kept.
    pub(crate) ttl_min: u32,
    pub(crate) ttl_max: u32,
    /// The longest that the absence of one is.
    pub(crate) negative_ttl_max: u32,
    /// Whether addresses of the inside are left out.
    pub(crate) keeps_out: bool,
    /// Domains of ours: an alias to one of their names leads inside, and is followed no further.
    pub(crate) own: &'a [Suffix],
}

/// What is left of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    pub(crate) name: Name,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    /// How long it may be kept; zero is not at all.
    pub(crate) lifetime: Duration,
    /// Records that led inside.
    pub(crate) kept_out: usize,
}

/// Why an answer is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It cannot be read, or is out of bounds.
    Broken,
    /// The server cannot or does not want to answer.
    Declined,
    /// The server does not understand the question, perhaps for its EDNS.
    NotUnderstood,
}

/// Reads an answer to `question`, which the caller has recognised as one.
pub(crate) fn read(
    bytes: &[u8],
    question: &Question,
    rules: &Rules<'_>,
) -> Result<Finding, Unusable> {
    let counts = bytes.get(6..12).ok_or(Unusable::Broken)?;
    let count = |at: usize| usize::from(u16::from_be_bytes([counts[at], counts[at + 1]]));
    if count(0) + count(2) + count(4) > RECORDS_MAX {
        return Err(Unusable::Broken);
    }
    let message = Message::from_vec(bytes).map_err(|_| Unusable::Broken)?;
    let asked = message.queries.first().ok_or(Unusable::Broken)?.name().to_lowercase();
    match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS => {
            return Err(Unusable::NotUnderstood);
        }
        _ => return Err(Unusable::Declined),
    }
    let chain = Chain::follow(&message.answers, &asked, question, rules.own);
    if chain.is_loop {
        return Err(Unusable::Broken);
    }
    if chain.found {
        let proofs = match question.dnssec_ok() {
            true => proofs_of(&message),
            false => Vec::new(),
        };
        return Ok(positive(chain, asked, proofs, rules));
    }
    negative(&message, chain, asked, question, rules)
}

/// Proofs that come with records: that nothing is closer to the name than the wildcard they are from.
fn proofs_of(message: &Message) -> Vec<Record> {
    let denies = |of: RecordType| PROOFS[..2].contains(&of);
    let is_proof =
        |record: &&Record| denies(record.record_type()) || covered(record).is_some_and(denies);
    message.authorities.iter().filter(is_in).filter(is_proof).map(folded).collect()
}

/// What a signature is of.
fn covered(record: &Record) -> Option<RecordType> {
    match &record.data {
        RData::Unknown { code: RecordType::RRSIG, rdata } => {
            let of = rdata.anything.first_chunk()?;
            Some(RecordType::from(u16::from_be_bytes(*of)))
        }
        _ => None,
    }
}

impl Finding {
    /// Leaves out addresses of the inside.
    pub(crate) fn keep_out(&mut self) {
        if self.outcome != Outcome::Records {
            return;
        }
        let before = self.answers.len();
        self.answers.retain(|record| !rebind::leads_inside(&record.data));
        let gone = before - self.answers.len();
        self.kept_out += gone;
        if gone > 0 && !self.answers.iter().any(|record| !is_alias(record)) {
            self.outcome = Outcome::NoData;
        }
    }

    /// Keeps it no longer than this.
    pub(crate) fn cap(&mut self, ttl: u32) {
        self.lifetime = self.lifetime.min(Duration::from_secs(ttl.into()));
        let records = self.answers.iter_mut().chain(&mut self.authorities);
        records.for_each(|record| record.ttl = record.ttl.min(ttl));
    }

    /// Leaves out proofs beside these, which nobody has verified: what is told as secure is so in all of its parts
    /// (RFC 4035 §3.2.3).
    pub(crate) fn keep_proofs(&mut self, verified: &[Proof]) {
        self.authorities.retain(|record| {
            let rtype = covered(record).unwrap_or_else(|| record.record_type());
            let owner = AskedKey::of(&record.name);
            let is_it = |(name, of): &Proof| **name == *owner.as_slice() && *of == u16::from(rtype);
            rtype == RecordType::SOA || verified.iter().any(is_it)
        });
    }

    /// Leaves out what only those understand that ask for it.
    pub(crate) fn leave_proofs_out(&mut self, asked: RecordType) {
        let is_asked = |record: &Record| asked == RecordType::ANY || record.record_type() == asked;
        self.answers.retain(|record| !PROOFS.contains(&record.record_type()) || is_asked(record));
        self.authorities.retain(|record| record.record_type() == RecordType::SOA);
    }
}

fn positive(chain: Chain, asked: Name, proofs: Vec<Record>, rules: &Rules<'_>) -> Finding {
    let mut finding = Finding {
        outcome: Outcome::Records,
        name: asked,
        answers: chain.records,
        authorities: proofs,
        lifetime: Duration::ZERO,
        kept_out: usize::from(chain.leads_home),
    };
    if rules.keeps_out {
        finding.keep_out();
    }
    let is_data = |record: &Record| !is_alias(record) || chain.ends_in_alias;
    finding.outcome = match finding.kept_out == 0 || finding.answers.iter().any(is_data) {
        true => Outcome::Records,
        false => Outcome::NoData,
    };
    let clamp = |ttl: u32| seconds(ttl).clamp(rules.ttl_min, rules.ttl_max.max(rules.ttl_min));
    let records = finding.answers.iter_mut().chain(&mut finding.authorities);
    records.for_each(|record| record.ttl = clamp(record.ttl));
    let shortest = finding.answers.iter().map(|record| record.ttl).min();
    let shortest = shortest.unwrap_or(rules.negative_ttl_max);
    finding.lifetime = Duration::from_secs(shortest.into());
    finding
}

fn negative(
    message: &Message,
    chain: Chain,
    asked: Name,
    question: &Question,
    rules: &Rules<'_>,
) -> Result<Finding, Unusable> {
    let is_above = |record: &&Record| record.name.zone_of(&chain.last);
    let authorities = message.authorities.iter().filter(is_in).filter(is_above);
    let soa = authorities.clone().find(|record| record.record_type() == RecordType::SOA);
    let refers = authorities.clone().any(|record| record.record_type() == RecordType::NS);
    let is_absent = message.metadata.response_code == ResponseCode::NXDomain;
    if soa.is_none() && refers && !is_absent && !message.metadata.authoritative {
        // "Ask over there": this server does not resolve.
        return Err(Unusable::Declined);
    }
    // Without an SOA nobody says for how long, so it is not kept (RFC 2308 §5).
    let lifetime = soa.map_or(0, |record| match &record.data {
        RData::SOA(soa) => seconds(record.ttl).min(soa.minimum).min(rules.negative_ttl_max),
        _ => 0,
    });
    let shortest = |record: &Record| seconds(record.ttl).min(rules.ttl_max);
    let lifetime = chain.records.iter().map(shortest).fold(lifetime, u32::min);
    let is_proof =
        |record: &&Record| question.dnssec_ok() && PROOFS.contains(&record.record_type());
    let is_soa = |record: &Record| record.record_type() == RecordType::SOA;
    let is_told = |record: &&Record| is_soa(record) || is_proof(record);
    let mut authorities: Vec<Record> =
        message.authorities.iter().filter(is_in).filter(is_told).map(folded).collect();
    let mut soas = 0;
    authorities.retain(|record| {
        !is_soa(record) || {
            soas += 1;
            soas == 1 && record.name.zone_of(&chain.last)
        }
    });
    authorities.iter_mut().for_each(|record| record.ttl = record.ttl.min(lifetime));
    let mut answers = chain.records;
    answers.iter_mut().for_each(|record| record.ttl = shortest(record));
    Ok(Finding {
        outcome: if is_absent { Outcome::NxDomain } else { Outcome::NoData },
        name: asked,
        answers,
        authorities,
        lifetime: Duration::from_secs(lifetime.into()),
        kept_out: 0,
    })
}

/// The records that lead from the name that was asked to what it is.
struct Chain {
    records: Vec<Record>,
    /// The name at its end.
    last: Name,
    found: bool,
    is_loop: bool,
    /// Whether an alias itself was asked for.
    ends_in_alias: bool,
    /// Whether it leads to a name of ours, where it stops.
    leads_home: bool,
}

impl Chain {
    fn follow(given: &[Record], asked: &Name, question: &Question, own: &[Suffix]) -> Self {
        let rtype = question.rtype();
        let mut chain = Self {
            records: Vec::new(),
            last: asked.clone(),
            found: false,
            is_loop: false,
            ends_in_alias: matches!(rtype, RecordType::CNAME | RecordType::ANY),
            leads_home: false,
        };
        for _ in 0..ALIASES_MAX {
            let here = |record: &&Record| is_in(record) && record.name == chain.last;
            let is_wanted = |record: &&Record| {
                let of = record.record_type();
                of == rtype
                    || rtype == RecordType::ANY
                    || (question.dnssec_ok() && of == RecordType::RRSIG)
            };
            let wanted = given.iter().filter(here).filter(is_wanted);
            chain.found = wanted.clone().any(|record| record.record_type() != RecordType::RRSIG)
                || (rtype == RecordType::RRSIG && wanted.clone().next().is_some());
            let of_type = |of| given.iter().filter(here).find(move |r| r.record_type() == of);
            let Some((alias, target)) = of_type(RecordType::CNAME)
                .filter(|_| !chain.found)
                .and_then(|record| target_of(record).map(|target| (record, target)))
            else {
                chain.records.extend(wanted.map(folded));
                return chain;
            };
            // A whole part of the tree may be an alias (RFC 6672); its record comes along.
            let is_rename = |record: &&Record| {
                is_in(record)
                    && record.record_type() == RecordType::DNAME
                    && record.name.zone_of(&chain.last)
            };
            let rename = given.iter().find(is_rename);
            let is_its = |record: &&Record| {
                record.name == chain.last || rename.is_some_and(|rename| record.name == rename.name)
            };
            let signatures = given
                .iter()
                .filter(is_in)
                .filter(is_its)
                .filter(|r| question.dnssec_ok() && r.record_type() == RecordType::RRSIG);
            let all: Vec<Record> =
                rename.into_iter().chain([alias]).chain(signatures).map(folded).collect();
            let seen = chain.records.iter().any(|record| record.name == target) || target == *asked;
            chain.records.extend(all);
            chain.last = target;
            let key = AskedKey::of(&chain.last);
            if own.iter().any(|domain| domain.covers(key.as_slice())) {
                (chain.found, chain.ends_in_alias, chain.leads_home) = (true, true, true);
                return chain;
            }
            if seen {
                chain.is_loop = true;
                return chain;
            }
        }
        chain.is_loop = true;
        chain
    }
}

fn is_in(record: &&Record) -> bool {
    record.dns_class == DNSClass::IN
}

fn is_alias(record: &Record) -> bool {
    matches!(record.record_type(), RecordType::CNAME | RecordType::DNAME | RecordType::RRSIG)
}

fn target_of(record: &Record) -> Option<Name> {
    match &record.data {
        RData::CNAME(target) => Some(target.0.to_lowercase()),
        _ => None,
    }
}

/// A record in lower case: what came back may share letters with a question in mixed case.
fn folded(record: &Record) -> Record {
    let mut record = record.clone();
    record.name = record.name.to_lowercase();
    match &mut record.data {
        RData::CNAME(target) => target.0 = target.0.to_lowercase(),
        RData::NS(target) => target.0 = target.0.to_lowercase(),
        RData::MX(mx) => mx.exchange = mx.exchange.to_lowercase(),
        RData::SRV(srv) => srv.target = srv.target.to_lowercase(),
        RData::SOA(soa) => {
            soa.mname = soa.mname.to_lowercase();
            soa.rname = soa.rname.to_lowercase();
        }
        _ => {}
    }
    record
}

/// A TTL with the highest bit set is zero (RFC 2181 §8).
fn seconds(ttl: u32) -> u32 {
    if ttl > TTL_MAX { 0 } else { ttl }
}

/// What proves that something does not exist.
const PROOFS: [RecordType; 3] = [RecordType::NSEC, RecordType::NSEC3, RecordType::RRSIG];
/// Records in all sections together.
const RECORDS_MAX: usize = 1024;
/// One alias after the other.
const ALIASES_MAX: usize = 16;
const TTL_MAX: u32 = i32::MAX as u32;

#[cfg(test)]
mod tests;
