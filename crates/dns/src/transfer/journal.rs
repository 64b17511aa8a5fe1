//! The zones of a while ago, for secondaries that have one of them.
//!
//! A zone shares with the one before whatever stayed the same, so keeping some costs what changed between
//! them; what changed for a secondary is found by comparing the two (RFC 1995 §5 allows one step for many).
//!
//! **Invariant:** at most [`KEPT_MAX`] zones are kept, and at most [`CHANGES_MAX`] records are told as
//! changes; more than that is a whole zone again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use conduit_core::live;

use super::content::Line;
use crate::interfaces::Local;
use crate::key::NameKey;
use crate::nodes::Node;
use crate::reverse::zone::key_of;
use crate::zone::{Apex, Zone};

/// Zones that were published, the newest last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(VecDeque<Arc<Zone>>);

impl Journal {
    /// The zone with this serial.
    pub(crate) fn at(&self, serial: u32) -> Option<&Arc<Zone>> {
        self.0.iter().rev().find(|zone| zone.serial() == serial)
    }

    pub(crate) fn push(&mut self, zone: Arc<Zone>) {
        // New leaves make a zone of the same serial and content.
        if self.0.back().is_some_and(|last| last.serial() == zone.serial()) {
            return;
        }
        if self.0.len() >= KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(zone);
    }
}

/// Keeps the journal, for as long as zones are published.
pub(crate) async fn keep(mut zones: live::Reader<Zone>, mut journal: live::Writer<Journal>) {
    loop {
        let mut next = Journal::clone(&journal.current());
        next.push(zones.load_full());
        journal.publish(Arc::new(next));
        zones.changed().await;
    }
}

/// What of a zone is gone and what is new since an older one; `None` when that is too much.
pub(crate) fn changes(
    old: &Zone,
    new: &Zone,
    apex: &Apex,
    local: &Local,
) -> Option<(Vec<Line>, Vec<Line>)> {
    if !Arc::ptr_eq(&old.frame, &new.frame) {
        return None;
    }
    let mut names: BTreeSet<NameKey> = BTreeSet::new();
    for (one, other) in [(old, new), (new, old)] {
        for (key, node) in one.nodes.unshared(&other.nodes) {
            let is_same = other.nodes.get(key.as_slice()).is_some_and(|there| same(node, there));
            if is_same || !new.is_in(key.as_slice(), apex) {
                continue;
            }
            names.insert(NameKey::from(key.as_slice()));
            names.extend(one.derived(key.as_slice(), node));
            if names.len() > CHANGES_MAX {
                return None;
            }
        }
    }
    if let Some(reverse) = new.reverse_at(apex.key.as_slice()) {
        for (one, other) in [(old, new), (new, old)] {
            let moved = one.pointers.unshared(&other.pointers);
            names.extend(moved.filter(|address| reverse.net.contains(address)).map(key_of));
            if names.len() > CHANGES_MAX {
                return None;
            }
        }
    }
    let (mut gone, mut added) = (Vec::new(), Vec::new());
    for name in &names {
        let (before, after) = (old.lines_at(name, apex, local), new.lines_at(name, apex, local));
        gone.extend(before.iter().filter(|line| !after.contains(line)).cloned());
        added.extend(after.into_iter().filter(|line| !before.contains(line)));
    }
    (gone.len() + added.len() <= CHANGES_MAX).then_some((gone, added))
}

/// Whether the same is there.
fn same(one: Node<'_>, other: Node<'_>) -> bool {
    let sets = match (one.rrsets, other.rrsets) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    };
    let records = match (one.records, other.records) {
        (Some(one), Some(other)) => one.is_shared_with(other),
        (one, other) => one.is_none() && other.is_none(),
    };
    sets && records
}

/// Whether a serial is older than another (RFC 1982 §3.2).
pub(crate) fn is_older(serial: u32, than: u32) -> bool {
    serial != than && than.wrapping_sub(serial) < 1 << 31
}

/// Zones that are kept to tell changes from.
const KEPT_MAX: usize = 64;
/// Records told as changes.
pub(crate) const CHANGES_MAX: usize = 20_000;
