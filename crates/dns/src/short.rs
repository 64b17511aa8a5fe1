//! The short way: the questions that nearly everybody asks, answered from bytes into bytes.
//!
//! Addresses of our names, that there is no address of the other family, the HTTPS records of hosts, names
//! that do not exist, and what is kept of forwarders' answers: no allocation, no decoder, no encoder. Whatever is unusual in a question or in its answer takes the
//! way of [`handler`](crate::handler).
//!
//! **Invariant:** what is answered here is what the handler would have answered; a fuzz target holds
//! the two against each other.

pub(crate) mod question;
mod writer;

use conduit_core::record::data::RecordData;
use hickory_proto::rr::RecordType;

use self::question::Question;
use self::writer::Writer;
use crate::automatic::Kind;
use crate::forward::Forwarder;
use crate::handler::Transport;
use crate::interfaces::Local;
use crate::key::ancestry;
use crate::nodes::Node;
use crate::records::RecordSet;
use crate::reply::Outcome;
use crate::zone::{Apex, Zone};

/// What every answer depends on beside the question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) zone: &'a Zone,
    pub(crate) local: &'a Local,
    pub(crate) transport: Transport,
    /// Whether the client may ask for names that are not ours, and there is somebody to ask.
    pub(crate) recursion_available: bool,
    /// Who knows other names, when nothing else has a word about them.
    pub(crate) others: Option<&'a Forwarder>,
}

/// A reply that stands in the given room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) len: usize,
    pub(crate) outcome: Outcome,
}

/// Writes the reply to a request into `room`; `None` when it has to go the long way.
pub(crate) fn answer(request: &[u8], scene: &Scene<'_>, room: &mut [u8]) -> Option<Written> {
    let question = Question::read(request, scene.transport)?;
    let zone = scene.zone;
    let key = question.key();
    let node = zone.nodes.get(key);
    // ANY, transfers and their kin (RFC 6895 §3.1).
    if META_TYPES.contains(&question.rtype.into()) {
        return None;
    }
    if node.is_none() && zone.frame.apex_of(key).is_none() {
        // Reverse names are ours by an address, and those for discovery without any entry.
        if key.ends_with(ARPA) {
            return None;
        }
        let others = scene.others.filter(|_| question.recursion_desired())?;
        return others.kept(&question, room);
    }
    let mut writer = Writer::new(room, &question, scene.recursion_available);
    if let Some(set) = node.and_then(|node| zone.addresses_at(node, question.rtype, scene.local)) {
        writer.addresses(set, zone.ttl_s())?;
        return writer.finish(Outcome::Records);
    }
    let apex = zone.frame.apex_of(key)?;
    let is_apex = apex.key.as_slice() == key;
    if is_apex && matches!(question.rtype, RecordType::SOA | RecordType::NS) {
        return None;
    }
    // At the host of a service, addresses and aliases that operators gave are passed over.
    let is_address = matches!(question.rtype, RecordType::A | RecordType::AAAA);
    let is_host = node.is_some_and(|node| node.rrsets.is_some());
    let records = node.and_then(|node| node.records).filter(|_| !(is_host && is_address));
    if let Some(records) = records {
        match records.get(question.rtype, zone.ttl_s()) {
            Some(set) if is_address => return given(writer, set),
            None if is_host || !records.is_alias() => {}
            Some(_) | None => return None,
        }
    }
    let automatic = zone.automatic_at(key);
    match (automatic, question.rtype) {
        (Some((Kind::Https, 0, _)), RecordType::HTTPS) => {
            return site(writer, scene, node?);
        }
        (Some((Kind::Https, ..)), RecordType::HTTPS) => return None,
        (Some((Kind::Srv(_), ..)), RecordType::SRV) => return None,
        _ => {}
    }
    let outcome = match is_apex || node.is_some() || automatic.is_some() {
        true => Outcome::NoData,
        false if zone.wildcard_for(key, apex).is_some() => return None,
        false => Outcome::NxDomain,
    };
    nothing(writer, zone, apex, &question)?.finish(outcome)
}

/// Addresses that operators gave.
fn given(mut writer: Writer<'_>, set: RecordSet<'_>) -> Option<Written> {
    let (rtype, ttl_s) = (set.rtype(), set.ttl_s());
    for data in set.given() {
        match data {
            RecordData::A(address) => writer.answer(rtype, ttl_s, &address.octets())?,
            RecordData::Aaaa(address) => writer.answer(rtype, ttl_s, &address.octets())?,
            _ => return None,
        }
    }
    writer.finish(Outcome::Records)
}

/// A host's HTTPS record, with its addresses beside it.
fn site(mut writer: Writer<'_>, scene: &Scene<'_>, node: Node<'_>) -> Option<Written> {
    let sites = scene.zone.frame.sites.as_ref()?;
    let ttl_s = scene.zone.ttl_s();
    let hints = scene.zone.frame.configured(scene.local);
    writer.site(ttl_s, sites.wire(), hints)?;
    for rtype in [RecordType::A, RecordType::AAAA] {
        if let Some(set) = scene.zone.addresses_at(node, rtype, scene.local) {
            writer.beside(set, ttl_s)?;
        }
    }
    writer.finish(Outcome::Records)
}

/// The SOA record of a negative answer.
fn nothing<'a>(
    mut writer: Writer<'a>,
    zone: &Zone,
    apex: &Apex,
    question: &Question<'_>,
) -> Option<Writer<'a>> {
    let at = question.end_of_name().checked_sub(apex.key.as_slice().len())?;
    // The label before the domain, when there is one: it may be the first of a name in the record.
    let above = ancestry(question.key()).find_map(|name| {
        let (length, _) = name.split_first()?;
        let is_it = name.len() == apex.key.as_slice().len() + usize::from(*length) + 1;
        is_it.then_some(usize::from(*length) + 1)
    });
    let before = above.and_then(|above| at.checked_sub(above));
    writer.start(zone.authority_numbers(), &apex.start, at, before)?;
    Some(writer)
}

const ARPA: &[u8] = b"\x04arpa";
/// Types that are no types of records.
const META_TYPES: std::ops::RangeInclusive<u16> = 249..=255;

#[cfg(test)]
pub(crate) mod tests;
