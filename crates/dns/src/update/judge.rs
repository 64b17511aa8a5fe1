//! What an update comes to: its conditions checked, its records read, its permissions seen.
//!
//! **Invariant:** pure: the answer depends on the message, the zone, the interface and the key alone.

use std::collections::BTreeMap;

use conduit_core::clock::Timestamp;
use conduit_core::record::{Record, RecordTtl};
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, RData, Record as Sent, RecordType};

use super::{Step, data};
use crate::interfaces::Local;
use crate::key::{AskedKey, NameKey};
use crate::peers::Keyholder;
use crate::reply::Outcome;
use crate::transfer::content::{Line, data_of};
use crate::zone::{Apex, Zone};

/// Why an update is not made.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) outcome: Outcome,
    pub(super) reason: String,
}

fn refusal(outcome: Outcome, reason: impl Into<String>) -> Refusal {
    Refusal { outcome, reason: reason.into() }
}

/// The steps of an update, in the order of RFC 2136 §3.
pub(super) fn steps(
    message: &Message,
    zone: &Zone,
    local: &Local,
    holder: &Keyholder,
) -> Result<Vec<Step>, Refusal> {
    let [asked] = &message.queries[..] else {
        return Err(refusal(Outcome::FormErr, "it does not name one zone"));
    };
    if asked.query_type() != RecordType::SOA || asked.query_class() != DNSClass::IN {
        return Err(refusal(Outcome::FormErr, "its zone is not named as one"));
    }
    let key = AskedKey::of(asked.name());
    let Some(apex) = zone.start_called(key.as_slice()) else {
        return Err(refusal(Outcome::NotAuth, format!("{} is no domain of ours", asked.name())));
    };
    let view = View { zone, apex, local };
    view.check_conditions(&message.answers)?;
    if message.authorities.len() > RECORDS_MAX {
        let reason = format!("it has more than {RECORDS_MAX} records");
        return Err(refusal(Outcome::Refused, reason));
    }
    let each = message.authorities.iter().map(|sent| view.step(sent, holder));
    let steps: Vec<Option<Step>> = each.collect::<Result<_, _>>()?;
    Ok(steps.into_iter().flatten().collect())
}

/// What an update is judged against.
struct View<'a> {
    zone: &'a Zone,
    apex: &'a Apex,
    local: &'a Local,
}

impl View<'_> {
    /// RFC 2136 §3.2.
    fn check_conditions(&self, conditions: &[Sent]) -> Result<(), Refusal> {
        let mut wanted: BTreeMap<(NameKey, u16), Vec<Vec<u8>>> = BTreeMap::new();
        for sent in conditions {
            let key = self.name_of(sent)?;
            let rtype = sent.record_type();
            let is_empty = matches!(sent.data, RData::Update0(_));
            if sent.ttl != 0 || is_empty == (sent.dns_class == DNSClass::IN) {
                return Err(refusal(Outcome::FormErr, "a condition cannot be read"));
            }
            let there = self.lines(&key);
            let has = match rtype {
                RecordType::ANY => !there.is_empty(),
                rtype => there.iter().any(|line| line.rtype == u16::from(rtype)),
            };
            let unmet = match (sent.dns_class, rtype, has) {
                (DNSClass::ANY, RecordType::ANY, false) => Outcome::NxDomain,
                (DNSClass::ANY, _, false) => Outcome::NxRrSet,
                (DNSClass::NONE, RecordType::ANY, true) => Outcome::YxDomain,
                (DNSClass::NONE, _, true) => Outcome::YxRrSet,
                (DNSClass::ANY | DNSClass::NONE, ..) => continue,
                (DNSClass::IN, ..) => {
                    let set = wanted.entry((key, u16::from(rtype))).or_default();
                    set.extend(data_of(&sent.data));
                    continue;
                }
                _ => return Err(refusal(Outcome::FormErr, "a condition cannot be read")),
            };
            return Err(unmet_at(sent, unmet));
        }
        for ((key, rtype), mut data) in wanted {
            let there = self.lines(&key).into_iter().filter(|line| line.rtype == rtype);
            let mut there: Vec<Vec<u8>> = there.map(|line| line.data).collect();
            there.sort_unstable();
            data.sort_unstable();
            data.dedup();
            if there != data {
                return Err(refusal(Outcome::NxRrSet, "a set is not as it is said to be"));
            }
        }
        Ok(())
    }

    /// One record of the update section (RFC 2136 §2.5); `None` when there is nothing to do.
    fn step(&self, sent: &Sent, holder: &Keyholder) -> Result<Option<Step>, Refusal> {
        self.name_of(sent)?;
        let malformed =
            || refusal(Outcome::FormErr, format!("what to do about {} cannot be read", sent.name));
        let refused = |reason: String| refusal(Outcome::Refused, reason);
        let rtype = sent.record_type();
        let name = data::name(&sent.name).map_err(refused)?;
        let is_empty = matches!(sent.data, RData::Update0(_));
        let is_add = sent.dns_class == DNSClass::IN;
        let is_legal = match sent.dns_class {
            DNSClass::IN => !is_empty,
            DNSClass::ANY => is_empty && sent.ttl == 0,
            DNSClass::NONE => !is_empty && sent.ttl == 0,
            _ => false,
        };
        if !is_legal || (is_meta(rtype) && !(rtype == RecordType::ANY && is_empty)) {
            return Err(malformed());
        }
        let kind = data::kind(rtype);
        if !holder.may_change(&name, kind) {
            let reason = format!("its key may not change {name} {rtype}");
            return Err(refused(reason));
        }
        let Some(kind) = kind else {
            return match rtype {
                RecordType::ANY => Ok(Some(Step::Remove { name, kind: None, data: None })),
                // There is none that could go: SOA and NS stay (RFC 2136 §3.4.2.4).
                _ if !is_add => Ok(None),
                _ => Err(refused(format!("{rtype} records are none of those that can be added"))),
            };
        };
        if is_empty {
            return Ok(Some(Step::Remove { name, kind: Some(kind), data: None }));
        }
        let data = data::data(kind, &sent.data).map_err(refused)?;
        if !is_add {
            return Ok(Some(Step::Remove { name, kind: Some(kind), data: Some(data) }));
        }
        // A longer time than records can have only means that it may be asked for more often.
        let ttl = RecordTtl::from_seconds(sent.ttl.min(TTL_S_MAX)).ok();
        Ok(Some(Step::Add(Record { name, data, ttl, added_at: Timestamp::now() })))
    }

    fn lines(&self, key: &NameKey) -> Vec<Line> {
        let mut lines = self.zone.lines_at(key, self.apex, self.local);
        if key.as_slice() == self.apex.key.as_slice() {
            lines.extend(self.zone.start_of(self.apex));
        }
        lines
    }

    fn name_of(&self, sent: &Sent) -> Result<NameKey, Refusal> {
        let asked = AskedKey::of(&sent.name);
        if !self.zone.is_in(asked.as_slice(), self.apex) {
            let reason = format!("{} is not in the zone", sent.name);
            return Err(refusal(Outcome::NotZone, reason));
        }
        Ok(NameKey::from(asked.as_slice()))
    }
}

fn unmet_at(sent: &Sent, outcome: Outcome) -> Refusal {
    let what = match outcome {
        Outcome::YxDomain | Outcome::YxRrSet => "is there, and must not be",
        _ => "is not there, and must be",
    };
    refusal(outcome, format!("{} {} {what}", sent.name, sent.record_type()))
}

/// What asks for records, and is none.
fn is_meta(rtype: RecordType) -> bool {
    let other = matches!(rtype, RecordType::ANY | RecordType::AXFR | RecordType::IXFR);
    // MAILB and MAILA are those left.
    other || matches!(u16::from(rtype), 253 | 254)
}

/// Records of one update.
const RECORDS_MAX: usize = 500;
/// A week, the longest of a record.
const TTL_S_MAX: u32 = 7 * 86_400;
