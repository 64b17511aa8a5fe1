//! Every list that is in force, and what they say about a name.
//!
//! **Invariant:** a table is never changed; a list that was read again makes the next one, which shares
//! the others. A name is judged by one table from beginning to end.
//! **Invariant:** hosts files come first, then lists of what is allowed, then the entry nearest to the
//! name; of two as near, the one of the earlier list.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conduit_core::record::fixed::FixedRecords;
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RecordType};

use super::entries::{Asked, Entry};
use super::load::{FIRST_DATA, LIST_TTL_S, List, PASS};
use super::settings::{Kind, ListSource};
use super::wish::text_of;
use crate::key::{NameKey, ancestry};
use crate::records::{RecordSet, Records, name_of};

/// The lists in force.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) slots: Vec<Slot>,
    /// The names of ours in every hosts file.
    pub(crate) own: Arc<FixedRecords>,
    apexes: Vec<NameKey>,
    soa: SOA,
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
    Pass,
    /// What it has in hosts files.
    Hosts(Vec<&'a Records>),
    /// That something is done.
    Hit(Hit<'a>),
}

/// An entry that was met.
#[derive(Debug, Clone)]
pub(crate) struct Hit<'a> {
    pub(crate) list: &'a List,
    pub(crate) deed: u32,
    line: u32,
    /// The entry, as people write it.
    stem: String,
}

impl Table {
    /// A table of these lists.
    pub(crate) fn new(slots: Vec<Slot>, domains: &conduit_core::domains::Domains) -> Self {
        let domain = name_of(domains.default_suffix());
        let below = |label: &str| domain.prepend_label(label).unwrap_or_else(|_| Name::root());
        let ttl = i32::try_from(LIST_TTL_S).unwrap_or(i32::MAX);
        let owns = slots.iter().map(|slot| &slot.list.own).filter(|own| !own.is_empty()).cloned();
        // Of one file it is shared: there may be a million.
        let own = owns.reduce(|own, more| Arc::new(Arc::unwrap_or_clone(own).with(&more)));
        Self {
            slots,
            own: own.unwrap_or_default(),
            apexes: domains.iter().map(NameKey::of).collect(),
            soa: SOA::new(below("conduit"), below("hostmaster"), 1, ttl, ttl, ttl, LIST_TTL_S),
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
        let judged = self.look_up(key);
        if let Judged::Hit(hit) = &judged {
            hit.list.hits.fetch_add(1, Ordering::Relaxed);
        }
        judged
    }

    fn look_up(&self, key: &[u8]) -> Judged<'_> {
        let asked = Asked::of(key);
        let mut hosts = Vec::new();
        let mut best: Option<(&List, Entry<'_>)> = None;
        for list in self.slots.iter().map(|slot| &*slot.list) {
            let Some(entry) = list.entries.find(&asked) else {
                continue;
            };
            match list.source.kind {
                Kind::Hosts => {
                    list.hits.fetch_add(1, Ordering::Relaxed);
                    hosts.extend(list.records(entry.deed));
                }
                Kind::Allow => {
                    list.hits.fetch_add(1, Ordering::Relaxed);
                    if hosts.is_empty() {
                        return Judged::Pass;
                    }
                }
                Kind::Block => {
                    if best.is_none_or(|(_, before)| entry.above < before.above) {
                        best = Some((list, entry));
                    }
                }
            }
        }
        match best {
            _ if !hosts.is_empty() => Judged::Hosts(hosts),
            Some((_, entry)) if entry.deed == PASS => Judged::Pass,
            Some((list, entry)) => Judged::Hit(Hit::of(list, &entry)),
            None => Judged::Nothing,
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

    /// What a list says about an address that an answer leads to: the first list that knows it.
    pub(crate) fn judge_address(&self, address: IpAddr) -> Option<Hit<'_>> {
        let lists = self.slots.iter().map(|slot| &*slot.list);
        let mut found = lists.filter_map(|list| {
            let (net, deed, line) = list.nets.find(address)?;
            Some(Hit { list, deed, line, stem: net.to_string() })
        });
        let hit = found.next()?;
        hit.list.hits.fetch_add(1, Ordering::Relaxed);
        (hit.deed != PASS).then_some(hit)
    }

    /// Which list and line answers a name, for people; nothing is counted.
    pub(crate) fn explain(&self, key: &[u8]) -> Option<String> {
        let asked = Asked::of(key);
        let mut all: Vec<(u8, usize, String)> = Vec::new();
        for list in self.slots.iter().map(|slot| &*slot.list) {
            if let Some(entry) = list.entries.find(&asked) {
                let rank = match list.source.kind {
                    Kind::Hosts => 0,
                    Kind::Allow => 1,
                    Kind::Block => 2,
                };
                all.push((rank, entry.above, Hit::of(list, &entry).note()));
            }
        }
        // The sort is stable, so that the earlier list wins as it does for queries.
        all.sort_by_key(|(rank, above, _)| (*rank, *above));
        all.into_iter().next().map(|(_, _, note)| note)
    }
}

impl<'a> Hit<'a> {
    fn of(list: &'a List, entry: &Entry<'_>) -> Self {
        Self { list, deed: entry.deed, line: entry.line, stem: text_of(entry.key) }
    }

    /// The list, the line and the entry: `ads, line 12: ads.example`.
    pub(crate) fn note(&self) -> String {
        format!("{}, line {}: {}", self.list.source.name, self.line, self.stem)
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

/// The sets of a type that a name has in hosts files.
pub(crate) fn sets_of<'a>(
    all: &'a [&'a Records],
    rtype: RecordType,
) -> impl Iterator<Item = RecordSet<'a>> {
    all.iter().filter_map(move |records| match rtype {
        RecordType::ANY => records.any(true, LIST_TTL_S),
        _ => records.get(rtype, LIST_TTL_S),
    })
}
