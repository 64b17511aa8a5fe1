//! One link: which of our names are ours there, and what is said when.
//!
//! A name is probed three times, announced twice, and then only answered for; a name that somebody else has
//! is left alone and tried again later (RFC 6762 §8, §9).
//!
//! **Invariant:** no clock, no socket and no chance but what it is given: the same calls lead to the same
//! packets. What it holds is bounded by the names it was given and by [`PENDING_MAX`].

mod answer;
mod claim;

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::Instant;

use self::answer::Pending;
use super::heard::Heard;
use super::names::Owned;
use super::packet::Set;
use super::status::{Counts, Dropped};
use crate::key::NameKey;

/// The family of the addresses a packet goes between; each has a group of its own on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// The groups of both families.
    Both,
    Group(Family),
    Peer(SocketAddr),
}

/// Our part on one link.
#[derive(Debug)]
pub(crate) struct Link {
    names: BTreeMap<NameKey, Entry>,
    /// Our own addresses on it, with their networks.
    nets: Vec<IpNet>,
    /// Every address of this machine: whoever announces one of them speaks of us.
    ours: HashSet<IpAddr>,
    pending: Vec<Pending>,
    sends: Vec<(To, Vec<u8>)>,
    received: Budget,
    unicast: Budget,
    chance: u64,
    /// Whether something changed that is told of.
    is_changed: bool,
    counts: Counts,
}

/// One of our names.
#[derive(Debug)]
struct Entry {
    owned: Owned,
    phase: Phase,
    /// When it goes on by itself.
    due: Option<Instant>,
    /// When something was last said of it without being asked.
    said: Option<Instant>,
    /// When each set was last sent to the group of each family.
    told: [[Option<Instant>; 3]; 2],
    /// Who has the name, from when that was found until it is ours.
    rival: Option<Rival>,
    /// When conflicts began to come thick, and how many there were since (§8.1).
    conflicts: (Option<Instant>, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Asked for so many times.
    Probing(u8),
    /// Announced so many times.
    Announcing(u8),
    Ours,
    Taken,
}

/// Another machine with a name of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rival {
    /// Where it speaks from.
    pub(crate) from: IpAddr,
    /// What it says of the name.
    pub(crate) says: String,
}

/// What is new on a link.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) names: BTreeMap<NameKey, Owned>,
    pub(crate) nets: Vec<IpNet>,
    pub(crate) ours: HashSet<IpAddr>,
}

impl Link {
    /// A link without names; `seed` is its chance.
    pub(crate) fn new(seed: u64, counts: Counts) -> Self {
        Self {
            names: BTreeMap::new(),
            nets: Vec::new(),
            ours: HashSet::new(),
            pending: Vec::new(),
            sends: Vec::new(),
            received: Budget::new(RECEIVED_PER_SECOND_MAX),
            unicast: Budget::new(UNICAST_PER_SECOND_MAX),
            chance: seed | 1,
            is_changed: true,
            counts,
        }
    }

    /// Takes what was heard from `source` on the group of this family.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        (source, family): (SocketAddr, Family),
        now: Instant,
    ) {
        if !self.received.take(now) {
            self.counts.dropped(Dropped::Flood);
            return;
        }
        match Heard::read(bytes) {
            None => self.counts.dropped(Dropped::Malformed),
            // Anybody may send to the group from another port, who is no responder (RFC 6762 §6).
            Some(Heard::Response(_)) if source.port() != PORT => {
                self.counts.dropped(Dropped::Source);
            }
            Some(Heard::Response(told)) => self.heard_response(&told, source.ip(), now),
            Some(Heard::Query(asked)) => {
                self.heard_proposal(&asked.proposed, now);
                self.heard_query(asked, source, family, now);
            }
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.go_on(now);
        self.answer_pending(now);
    }

    /// When there is something to do next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let names = self.names.values().filter_map(|entry| entry.due);
        names.chain(self.pending.iter().map(|pending| pending.due)).min()
    }

    /// What is to be sent, in order.
    pub(crate) fn sends(&mut self) -> Vec<(To, Vec<u8>)> {
        std::mem::take(&mut self.sends)
    }

    /// What was to be said at `said` is sent only now: whatever follows it waits from now on (RFC 6762 §8.1).
    pub(crate) fn sent(&mut self, said: Instant, now: Instant) {
        let late = now.saturating_duration_since(said);
        for entry in self.names.values_mut().filter(|entry| entry.said == Some(said)) {
            entry.due = entry.due.map(|due| due + late);
        }
    }

    /// Whether what is told of the link may have changed since this was asked.
    pub(crate) fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// How many names are answered for.
    pub(crate) fn answered(&self) -> usize {
        self.names.values().filter(|entry| entry.is_ours()).count()
    }

    /// The names that others have.
    pub(crate) fn taken(&self) -> impl Iterator<Item = (&Owned, &Rival)> {
        self.names.values().filter_map(|entry| Some((&entry.owned, entry.rival.as_ref()?)))
    }

    /// Whether this address is on the link (RFC 6762 §11).
    fn is_on_link(&self, address: IpAddr) -> bool {
        let is_near = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        is_near || self.nets.iter().any(|net| net.contains(&address))
    }

    /// Some time below `most`; splitmix64, for nothing here is secret.
    fn chance_below(&mut self, most: Duration) -> Duration {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis((z ^ (z >> 31)) % millis)
    }
}

impl Entry {
    fn is_ours(&self) -> bool {
        matches!(self.phase, Phase::Announcing(1..) | Phase::Ours)
    }

    fn has(&self, set: Set) -> bool {
        match set {
            Set::V4 => !self.owned.v4.is_empty(),
            Set::V6 => !self.owned.v6.is_empty(),
            Set::Absent => true,
        }
    }

    fn told_at(&self, set: Set, family: Family) -> Option<Instant> {
        self.told[family as usize][set as usize]
    }

    fn tell(&mut self, set: Set, family: Family, now: Instant) {
        self.told[family as usize][set as usize] = Some(now);
    }
}

/// So many in a second.
#[derive(Debug)]
struct Budget {
    most: u32,
    left: u32,
    since: Option<Instant>,
}

impl Budget {
    fn new(most: u32) -> Self {
        Self { most, left: most, since: None }
    }

    fn take(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            self.since = Some(now);
            self.left = self.most;
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

/// Of every responder (RFC 6762 §5).
pub(crate) const PORT: u16 = 5353;
const SECOND: Duration = Duration::from_secs(1);
/// Messages looked at on one link in a second.
const RECEIVED_PER_SECOND_MAX: u32 = 2_000;
/// Replies to single machines on one link in a second.
const UNICAST_PER_SECOND_MAX: u32 = 200;
/// Answers that wait for their time, on one link.
const PENDING_MAX: usize = 256;

#[cfg(test)]
mod tests;
