//! What clients are told because of a list.
//!
//! **Invariant:** a refusal says so (RFC 8914) to clients that understand it, and for how long it holds
//! (RFC 2308); it never claims to come from whoever the name belongs to.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::load::{BLOCK, DROP, LIST_TTL_S, NODATA, NULL, NXDOMAIN, TCP_ONLY};
use super::settings::{BlockAnswer, ListSource};
use super::table::{Hit, Judged, Table};
use super::trace::{By, ListNote};
use crate::answer::Answer;
use crate::interfaces::Local;
use crate::key::AskedKey;
use crate::records::{Records, name_of_record};
use crate::reply::{Drop, Encoded, Outcome, Pending, Reply, records_of};
use crate::zone::Zone;

/// What becomes of a question that lists were asked about.
#[derive(Debug)]
pub(crate) enum Listed {
    /// This.
    Reply(Reply),
    /// It is answered as usual.
    Open(Pending),
    /// It is, and its name is an alias of the one that is asked for instead.
    Renamed(Pending),
}

/// The name that was asked for, when another one is asked for in its place.
#[derive(Debug, Clone)]
pub(crate) struct Renamed {
    pub(crate) asked: hickory_proto::op::Query,
    pub(crate) ttl_s: u32,
    /// The entry that says so.
    pub(crate) note: Box<ListNote>,
}

/// What an entry comes to.
pub(super) enum What {
    Nothing(Outcome),
    Alias(Name, u32),
    Records(Vec<RData>, u32),
    Drop,
    Truncated,
    Pass,
}

impl Table {
    /// Answers a question about a name that is not ours, as far as lists do.
    pub(crate) fn answer(
        self: &Arc<Self>,
        mut pending: Pending,
        zone: &Zone,
        local: &Local,
    ) -> Listed {
        let name = pending.question.name().clone();
        let key = AskedKey::of(&name);
        match self.judge(key.as_slice()) {
            Judged::Nothing => {
                if self.is_screening() {
                    pending.screen = Some(Arc::clone(self));
                }
                Listed::Open(pending)
            }
            Judged::Pass(_) => Listed::Open(pending),
            Judged::Hosts(all) => Listed::Reply(Reply::Send(self.hosts(pending, &all))),
            Judged::Hit(hit) => self.hit(pending, &hit, zone, local),
        }
    }

    fn hosts(&self, pending: Pending, all: &[Hit<'_>]) -> Encoded {
        let question = &pending.question;
        let answers = records_in_hosts(question.name(), all, question.query_type());
        let told = match answers.is_empty() {
            true => self.nothing(pending, Outcome::NoData, None),
            false => pending.told(Outcome::Records, answers, None, None),
        };
        match all.first() {
            Some(hit) => told.listed(hit.noted(By::Hosts)),
            None => told,
        }
    }

    fn hit(
        self: &Arc<Self>,
        pending: Pending,
        hit: &Hit<'_>,
        zone: &Zone,
        local: &Local,
    ) -> Listed {
        let what = self.what(hit, pending.question.query_type(), pending.is_stream);
        let (target, ttl_s) = match what {
            What::Drop => return Listed::Reply(Reply::Silence(Drop::Listed)),
            What::Pass => return Listed::Open(pending),
            What::Alias(target, ttl_s) => (target, ttl_s),
            what => return Listed::Reply(Reply::Send(self.reply(pending, what, hit))),
        };
        let owner = pending.question.name().clone();
        let mut answers =
            vec![Record::from_rdata(owner, ttl_s, RData::CNAME(CNAME(target.clone())))];
        let rtype = pending.question.query_type();
        match zone.answer(&target, rtype, local) {
            Answer::NotOurs => match self.given(&target, rtype) {
                Some(records) => answers.extend(records),
                None if pending.may_forward() => {
                    let mut pending = pending;
                    let asked = pending.question.clone();
                    pending.question.set_name(target);
                    let note = Box::new(hit.noted(By::Alias));
                    pending.renamed = Some(Box::new(Renamed { asked, ttl_s, note }));
                    return Listed::Renamed(pending);
                }
                None => {}
            },
            Answer::Records(set) => answers.extend(records_of(&target, &set, zone.ttl_s())),
            Answer::Aliased(chain) => {
                for alias in &chain.aliases {
                    let data = RData::CNAME(CNAME(alias.target.clone()));
                    answers.push(Record::from_rdata(alias.owner.clone(), alias.ttl_s, data));
                }
                if let (Some(Answer::Records(set)), Some(last)) = (&chain.end, chain.aliases.last())
                {
                    answers.extend(records_of(&last.target, set, zone.ttl_s()));
                }
            }
            Answer::NoData(_) | Answer::NxDomain(_) => {}
        }
        let told = pending.told(Outcome::Records, answers, None, Some(note(hit)));
        Listed::Reply(Reply::Send(told.listed(hit.noted(By::List))))
    }

    /// What hosts files, or lists with data, have for a name that an alias leads to; `None` when it is for others
    /// to say.
    pub(crate) fn given(&self, name: &Name, rtype: RecordType) -> Option<Vec<Record>> {
        match self.judge(AskedKey::of(name).as_slice()) {
            Judged::Hosts(all) => Some(records_in_hosts(name, &all, rtype)),
            Judged::Hit(hit) => match data(hit.records()?, rtype) {
                What::Records(all, ttl_s) => {
                    let record = |data| Record::from_rdata(name.clone(), ttl_s, data);
                    Some(all.into_iter().map(record).collect())
                }
                What::Nothing(_) => Some(Vec::new()),
                // One alias after another is followed by those who are asked.
                _ => None,
            },
            Judged::Nothing | Judged::Pass(_) => None,
        }
    }

    /// The reply in place of a forwarder's answer that leads to what a list knows; `None` when it may
    /// be told.
    pub(crate) fn screen(
        &self,
        pending: &Pending,
        aliases: impl Iterator<Item = AskedKey>,
        addresses: impl Iterator<Item = IpAddr>,
    ) -> Option<Encoded> {
        let mut aliases = aliases;
        let mut addresses = addresses;
        let hit = aliases
            .find_map(|alias| self.judge_alias(alias.as_slice()))
            .or_else(|| addresses.find_map(|address| self.judge_address(address)))?;
        let mut pending = pending.clone();
        pending.screen = None;
        match self.what(&hit, pending.question.query_type(), pending.is_stream) {
            What::Pass => None,
            // It was asked for already, so that silence would only make the client ask again.
            What::Drop => Some(self.reply(pending, What::Nothing(Outcome::NxDomain), &hit)),
            What::Alias(target, ttl_s) => {
                let data = RData::CNAME(CNAME(target));
                let answers =
                    vec![Record::from_rdata(pending.of_client().name().clone(), ttl_s, data)];
                let told = pending.told(Outcome::Records, answers, None, Some(note(&hit)));
                Some(told.listed(hit.noted(By::List)))
            }
            what => Some(self.reply(pending, what, &hit)),
        }
    }

    pub(super) fn what(&self, hit: &Hit<'_>, rtype: RecordType, is_stream: bool) -> What {
        match hit.deed {
            BLOCK => block(hit.source(), rtype),
            NXDOMAIN => What::Nothing(Outcome::NxDomain),
            NODATA => What::Nothing(Outcome::NoData),
            NULL => null(rtype),
            DROP => What::Drop,
            TCP_ONLY if is_stream => What::Pass,
            TCP_ONLY => What::Truncated,
            _ => match hit.records() {
                Some(records) => data(records, rtype),
                None => What::Pass,
            },
        }
    }

    fn reply(&self, pending: Pending, what: What, hit: &Hit<'_>) -> Encoded {
        self.told(pending, what, hit).listed(hit.noted(By::List))
    }

    fn told(&self, pending: Pending, what: What, hit: &Hit<'_>) -> Encoded {
        let note = note(hit);
        let name = pending.of_client().name().clone();
        let (data, ttl_s) = match what {
            What::Truncated => return pending.cut(),
            What::Records(data, ttl_s) => (data, ttl_s),
            What::Nothing(outcome) => return self.nothing(pending, outcome, Some(note)),
            What::Alias(..) | What::Drop | What::Pass => {
                return self.nothing(pending, Outcome::NoData, Some(note));
            }
        };
        let records = data.into_iter().map(|data| Record::from_rdata(name.clone(), ttl_s, data));
        pending.told(Outcome::Records, records.collect(), None, Some(note))
    }

    fn nothing(&self, pending: Pending, outcome: Outcome, note: Option<(u16, String)>) -> Encoded {
        let owner = pending.of_client().name().clone();
        let soa = Record::from_rdata(owner, LIST_TTL_S, RData::SOA(self.soa()));
        pending.told(outcome, Vec::new(), Some(soa), note)
    }
}

/// What a name has in hosts files, and for how long that may be kept.
pub(super) fn in_hosts(all: &[Hit<'_>], rtype: RecordType) -> Vec<(RData, u32)> {
    let each = all.iter().map(|hit| match hit.records() {
        Some(records) => data(records, rtype),
        None => null(rtype),
    });
    let of = |what| match what {
        What::Records(data, ttl_s) => data.into_iter().map(|data| (data, ttl_s)).collect(),
        _ => Vec::new(),
    };
    each.flat_map(of).collect()
}

fn records_in_hosts(name: &Name, all: &[Hit<'_>], rtype: RecordType) -> Vec<Record> {
    let record = |(data, ttl_s)| Record::from_rdata(name.clone(), ttl_s, data);
    in_hosts(all, rtype).into_iter().map(record).collect()
}

fn block(source: &ListSource, rtype: RecordType) -> What {
    match &source.answer {
        BlockAnswer::NxDomain => What::Nothing(Outcome::NxDomain),
        BlockAnswer::NoData => What::Nothing(Outcome::NoData),
        BlockAnswer::Null => null(rtype),
        BlockAnswer::Addresses(all) => addresses(all, rtype),
        BlockAnswer::Alias(name) => alias(name_of_record(name), LIST_TTL_S, rtype),
    }
}

fn null(rtype: RecordType) -> What {
    addresses(&[IpAddr::from([0; 4]), IpAddr::from([0; 16])], rtype)
}

fn addresses(all: &[IpAddr], rtype: RecordType) -> What {
    let is_wanted = |address: &&IpAddr| match rtype {
        RecordType::A => address.is_ipv4(),
        RecordType::AAAA => address.is_ipv6(),
        other => other == RecordType::ANY,
    };
    let data: Vec<RData> = all.iter().filter(is_wanted).map(rdata).collect();
    match data.is_empty() {
        true => What::Nothing(Outcome::NoData),
        false => What::Records(data, LIST_TTL_S),
    }
}

fn data(records: &Records, rtype: RecordType) -> What {
    if let Some((target, ttl_s)) = records.alias(LIST_TTL_S) {
        return alias(target, ttl_s, rtype);
    }
    let set = match rtype {
        RecordType::ANY => records.any(true, LIST_TTL_S),
        _ => records.get(rtype, LIST_TTL_S),
    };
    match set {
        Some(set) => What::Records(set.data().collect(), set.ttl_s()),
        None => What::Nothing(Outcome::NoData),
    }
}

/// Whoever asks for the alias itself gets no more than that.
fn alias(target: Name, ttl_s: u32, rtype: RecordType) -> What {
    match rtype {
        RecordType::CNAME => What::Records(vec![RData::CNAME(CNAME(target))], ttl_s),
        _ => What::Alias(target, ttl_s),
    }
}

fn rdata(address: &IpAddr) -> RData {
    match address {
        IpAddr::V4(v4) => RData::A(A(*v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(*v6)),
    }
}

/// The extended error: its code and its text. What has data of its own is forged (4).
fn note(hit: &Hit<'_>) -> (u16, String) {
    let code = match hit.records() {
        Some(_) => FORGED,
        None => hit.source().reason.code(),
    };
    (code, hit.note())
}

/// An answer that is not what the name's owner says (RFC 8914 §4.5).
const FORGED: u16 = 4;
