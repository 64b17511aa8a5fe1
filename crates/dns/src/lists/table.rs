//! Every list that is in force, and what they say about a name.
//!
//! **Invariant:** a table is never changed; a list that was read again makes the next one, which shares
//! the others. A name is judged by one table from beginning to end.
//! **Invariant:** hosts files come first, then lists of what is allowed, then the entry nearest to the
//! name; of two as near, the one of the earlier list.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::SOA;
use ipnet::IpNet;

use super::entries::{Asked, Entry};
use super::hosts::HostsNames;
use super::load::{FIRST_DATA, LIST_TTL_S, List, PASS};
use super::settings::{Kind, ListSource};
use super::wish::text_of;
use crate::key::{NameKey, ancestry};
use crate::records::{Records, name_of};

/// The lists in force.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) slots: Vec<Slot>,
    /// The names of ours in every hosts file.
    pub(crate) own: HostsNames,
    apexes: Vec<NameKey>,
    soa: SOA,
    /// Whether entries that are met are counted.
    counts: bool,
}

/// One list, as far as it could be read.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) list: Arc<List>,
    /// Why it is not what the source holds now.
    pub(crate) error: Option<String>,
}

/// What lists say about a name.
#[derive(Debug)]
pub(crate) enum Judged<'a> {
    /// Nothing.
    Nothing,
    /// That it is to be answered as if there were no lists.
    Pass(Hit<'a>),
    /// What it has in hosts files: in one at least.
    Hosts(Vec<Hit<'a>>),
    /// That something is done.
    Hit(Hit<'a>),
}

/// An entry that was met.
#[derive(Debug, Clone)]
pub(crate) struct Hit<'a> {
    pub(crate) list: &'a List,
    pub(crate) deed: u32,
    pub(crate) line: u32,
    stem: Stem<'a>,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy)]
enum Stem<'a> {
    Name(&'a [u8]),
    Net(IpNet),
}

impl Table {
    /// A table of these lists.
    pub(crate) fn new(slots: Vec<Slot>, domains: &conduit_core::domains::Domains) -> Self {
        let domain = name_of(domains.default_suffix());
        let below = |label: &str| domain.prepend_label(label).unwrap_or_else(|_| Name::root());
        let ttl = i32::try_from(LIST_TTL_S).unwrap_or(i32::MAX);
        let files = slots.iter().filter(|slot| !slot.list.own.is_empty());
        let own = HostsNames::of(files.map(|slot| slot.list.hosts_file()).collect());
        Self {
            slots,
            own,
            apexes: domains.iter().map(NameKey::of).collect(),
            soa: SOA::new(below("conduit"), below("hostmaster"), 1, ttl, ttl, ttl, LIST_TTL_S),
            counts: true,
        }
    }

    /// The same lists, looked at without counting.
    pub(crate) fn quiet(&self) -> Self {
        Self {
            slots: self.slots.clone(),
            own: self.own.clone(),
            apexes: self.apexes.clone(),
            soa: self.soa.clone(),
            counts: false,
        }
    }

    /// Whether no list says anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.list.entries.len() == 0 && slot.list.nets.len() == 0)
    }

    /// Whether answers of others have to be looked at.
    pub(crate) fn is_screening(&self) -> bool {
        let is_such = |slot: &Slot| slot.list.source.kind == Kind::Block;
        self.slots.iter().any(|slot| is_such(slot) && slot.list.loaded_at.is_some())
    }

    /// What a negative answer has beside it.
    pub(crate) fn soa(&self) -> SOA {
        self.soa.clone()
    }

    /// What lists say about a folded name, which is counted.
    pub(crate) fn judge(&self, key: &[u8]) -> Judged<'_> {
        let asked = Asked::of(key);
        let mut hosts = Vec::new();
        let mut best: Option<(&List, Entry<'_>)> = None;
        for list in self.slots.iter().map(|slot| &*slot.list) {
            let Some(entry) = list.entries.find(&asked) else {
                continue;
            };
            match list.source.kind {
                Kind::Hosts => {
                    self.count(list);
                    hosts.push(Hit::of(list, &entry));
                }
                Kind::Allow => {
                    self.count(list);
                    if hosts.is_empty() {
                        return Judged::Pass(Hit::of(list, &entry));
                    }
                }
                Kind::Block => {
                    if best.as_ref().is_none_or(|(_, before)| entry.above < before.above) {
                        best = Some((list, entry));
                    }
                }
            }
        }
        if !hosts.is_empty() {
            return Judged::Hosts(hosts);
        }
        let Some((list, entry)) = best else {
            return Judged::Nothing;
        };
        let hit = Hit::of(list, &entry);
        if hit.deed == PASS {
            return Judged::Pass(hit);
        }
        self.count(list);
        Judged::Hit(hit)
    }

    fn count(&self, list: &List) {
        if self.counts {
            list.hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a list says about an alias that an answer leads through.
    pub(crate) fn judge_alias(&self, key: &[u8]) -> Option<Hit<'_>> {
        let is_ours = ancestry(key).any(|name| self.apexes.iter().any(|a| a.as_slice() == name));
        match self.judge(key) {
            Judged::Hit(hit) if !is_ours && hit.deed < FIRST_DATA => Some(hit),
            _ => None,
        }
    }

    /// What a list says about an address that an answer leads to: the first list that knows it, after those of
    /// what is allowed.
    pub(crate) fn judge_address(&self, address: IpAddr) -> Option<Hit<'_>> {
        let lists = self.slots.iter().map(|slot| &*slot.list);
        let is_allowing = |list: &&List| list.source.kind == Kind::Allow;
        let allowing = lists.clone().filter(is_allowing);
        let others = lists.filter(|list| !is_allowing(list));
        let mut found = allowing.chain(others).filter_map(|list| {
            let (net, deed, line) = list.nets.find(address)?;
            Some(Hit { list, deed, line, stem: Stem::Net(net) })
        });
        let hit = found.next()?;
        self.count(hit.list);
        (hit.deed != PASS).then_some(hit)
    }

    /// Which list and line answers a name, for people; nothing is counted.
    pub(crate) fn explain(&self, key: &[u8]) -> Option<String> {
        match self.quiet().judge(key) {
            Judged::Nothing => None,
            Judged::Pass(hit) | Judged::Hit(hit) => Some(hit.note()),
            Judged::Hosts(all) => all.first().map(Hit::note),
        }
    }
}

impl<'a> Hit<'a> {
    fn of(list: &'a List, entry: &Entry<'a>) -> Self {
        Self { list, deed: entry.deed, line: entry.line, stem: Stem::Name(entry.key) }
    }

    /// The list, the line and the entry: `ads, line 12: ads.example`.
    pub(crate) fn note(&self) -> String {
        format!("{}, line {}: {}", self.list.source.name, self.line, self.stem())
    }

    /// The name or the network of the entry.
    pub(crate) fn stem(&self) -> String {
        match self.stem {
            Stem::Name(key) => text_of(key),
            Stem::Net(net) => net.to_string(),
        }
    }

    /// What the name has by this entry.
    pub(crate) fn records(&self) -> Option<&'a Records> {
        self.list.records(self.deed)
    }

    /// The list.
    pub(crate) fn source(&self) -> &'a ListSource {
        &self.list.source
    }
}

impl List {
    fn records(&self, deed: u32) -> Option<&Records> {
        self.data.get(usize::try_from(deed.checked_sub(FIRST_DATA)?).ok()?)
    }
}
