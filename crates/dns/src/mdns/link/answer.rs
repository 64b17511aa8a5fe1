//! Answering for the names that are ours (RFC 6762 §6, §7).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::MessageType;
use hickory_proto::rr::{RData, RecordType};
use tokio::time::Instant;

use super::{Entry, Family, Link, PENDING_MAX, PORT, SECOND, To};
use crate::key::NameKey;
use crate::mdns::heard::{Asked, Question, Told};
use crate::mdns::names::Owned;
use crate::mdns::packet::{self, Part, Set, TTL_S};
use crate::mdns::status::{Dropped, Sent};

/// Answers that wait: for their time, or for what else the asker knows.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) due: Instant,
    family: Family,
    /// How long ago the same must have been said.
    pause: Duration,
    /// Who asked, as long as more of what it knows may follow.
    asker: Option<SocketAddr>,
    pub(super) sets: BTreeSet<(NameKey, Set)>,
}

impl Link {
    pub(super) fn heard_query(
        &mut self,
        asked: Asked,
        source: SocketAddr,
        family: Family,
        now: Instant,
    ) {
        if source.port() != PORT {
            self.answer_legacy(asked, source, now);
            return;
        }
        self.forget_known(&asked, source, now);
        let mut sets: BTreeSet<(NameKey, Set)> = BTreeSet::new();
        for question in &asked.questions {
            if let Some(entry) = self.names.get(&question.key).filter(|entry| entry.is_ours()) {
                sets.extend(asked_sets(entry, question.rtype).map(|s| (question.key.clone(), s)));
            }
        }
        sets.retain(|(key, set)| !self.is_known(key, *set, &asked.known));
        if sets.is_empty() {
            return;
        }
        if asked.is_truncated {
            let due = now + TRUNCATED_WAIT + self.chance_below(TRUNCATED_CHANCE);
            self.wait(Pending { due, family, pause: SECOND, asker: Some(source), sets });
            return;
        }
        let is_unicast = asked.questions.iter().all(|question| question.is_unicast);
        if is_unicast && self.is_on_link(source.ip()) {
            let lately = |(key, set): &(NameKey, Set)| {
                let told = self.names.get(key).and_then(|entry| entry.told_at(*set, family));
                told.is_some_and(|at| now.saturating_duration_since(at) < LATELY)
            };
            let (single, group) = sets.into_iter().partition(lately);
            self.answer_single(&single, source, now);
            sets = group;
        }
        // Who would claim a name is told at once whose it is (§6).
        let pause = if asked.proposed.is_empty() { SECOND } else { PROBE_PAUSE };
        self.answer_group(sets, family, pause, now);
    }

    /// Sends what has waited long enough.
    pub(super) fn answer_pending(&mut self, now: Instant) {
        let (due, later) = self.pending.drain(..).partition(|pending| pending.due <= now);
        self.pending = later;
        let due: Vec<Pending> = due;
        for pending in due {
            self.answer_group(pending.sets, pending.family, pending.pause, now);
        }
    }

    /// Answers to all, what was not said to them within `pause`; the rest waits until then.
    fn answer_group(
        &mut self,
        sets: BTreeSet<(NameKey, Set)>,
        family: Family,
        pause: Duration,
        now: Instant,
    ) {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = sets.into_iter().peekable();
        while let Some((key, set)) = rest.next() {
            let mut wanted = vec![set];
            while let Some((_, also)) = rest.next_if(|(next, _)| *next == key) {
                wanted.push(also);
            }
            let Some(entry) = self.names.get_mut(&key).filter(|entry| entry.is_ours()) else {
                continue;
            };
            let free = |entry: &Entry, set: Set, pause: Duration| {
                entry.told_at(set, family).is_none_or(|at| at + pause <= now)
            };
            let (said, late): (Vec<Set>, _) =
                wanted.into_iter().partition(|set| free(entry, *set, pause));
            let beside: Vec<Set> = beside(entry, &said)
                .filter(|set| !said.is_empty() && free(entry, *set, SECOND))
                .collect();
            for set in said.iter().chain(&beside) {
                entry.tell(*set, family, now);
            }
            if !said.is_empty() {
                parts.push(Part::answer(&entry.owned, &said, &beside));
            }
            let due = late.iter().filter_map(|set| entry.told_at(*set, family)).max();
            if let Some(at) = due {
                let sets = late.into_iter().map(|set| (key.clone(), set)).collect();
                self.wait(Pending { due: at + pause, family, pause, asker: None, sets });
            }
        }
        for bytes in packet::packets(parts, MessageType::Response) {
            self.counts.sent(Sent::Answer);
            self.sends.push((To::Group(family), bytes));
        }
    }

    fn answer_single(&mut self, sets: &BTreeSet<(NameKey, Set)>, to: SocketAddr, now: Instant) {
        let mut parts: Vec<Part> = Vec::new();
        for (key, set) in sets {
            if let Some(entry) = self.names.get(key) {
                let beside: Vec<Set> =
                    beside(entry, &[*set]).filter(|s| !sets.contains(&(key.clone(), *s))).collect();
                parts.push(Part::answer(&entry.owned, &[*set], &beside));
            }
        }
        for bytes in packet::packets(parts, MessageType::Response) {
            if self.may_reply(now) {
                self.reply(to, bytes);
            }
        }
    }

    /// Who asks from another port speaks plain DNS: one reply, straight back (RFC 6762 §6.7).
    fn answer_legacy(&mut self, asked: Asked, source: SocketAddr, now: Instant) {
        if !self.is_on_link(source.ip()) {
            self.counts.dropped(Dropped::Source);
            return;
        }
        let mut sets: BTreeSet<(&NameKey, Set)> = BTreeSet::new();
        for Question { key, rtype, .. } in &asked.questions {
            if let Some(entry) = self.names.get(key).filter(|entry| entry.is_ours()) {
                sets.extend(asked_sets(entry, *rtype).map(|set| (key, set)));
            }
        }
        // What it costs to make a reply is part of what the budget is for.
        if sets.is_empty() || !self.may_reply(now) {
            return;
        }
        let here = sets.iter().filter(|(_, set)| *set != Set::Absent);
        let given: Vec<(&Owned, Set)> =
            here.filter_map(|(key, set)| Some((&self.names.get(*key)?.owned, *set))).collect();
        let questions = asked.questions.into_iter().map(|question| question.query).collect();
        if let Some(bytes) = packet::legacy(asked.id, questions, &given) {
            self.reply(source, bytes);
        }
    }

    /// Whether one more reply to a single machine is in the budget.
    fn may_reply(&mut self, now: Instant) -> bool {
        let may = self.unicast.take(now);
        if !may {
            self.counts.dropped(Dropped::Flood);
        }
        may
    }

    fn reply(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.counts.sent(Sent::Single);
        self.sends.push((To::Peer(to), bytes));
    }

    fn wait(&mut self, mut pending: Pending) {
        if pending.asker.is_none() {
            let others = self.pending.iter().filter(|other| other.family == pending.family);
            let sooner = |other: &&Pending| other.asker.is_none() && other.due <= pending.due;
            for other in others.filter(sooner) {
                pending.sets.retain(|set| !other.sets.contains(set));
            }
        }
        if pending.sets.is_empty() {
            return;
        }
        if self.pending.len() == PENDING_MAX {
            self.counts.dropped(Dropped::Flood);
            return;
        }
        self.pending.push(pending);
    }

    /// What an asker told in a further packet that it knows is not said to it; if still more follows, that is
    /// waited for (RFC 6762 §7.2).
    fn forget_known(&mut self, asked: &Asked, source: SocketAddr, now: Instant) {
        if asked.known.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.pending);
        for pending in waiting.iter_mut().filter(|pending| pending.asker == Some(source)) {
            pending.sets.retain(|(key, set)| !self.is_known(key, *set, &asked.known));
            if asked.is_truncated {
                pending.due = now + TRUNCATED_WAIT + self.chance_below(TRUNCATED_CHANCE);
            }
        }
        waiting.retain(|pending| !pending.sets.is_empty());
        self.pending = waiting;
    }

    /// Whether the asker knows the whole set, for half of its life at least (RFC 6762 §7.1).
    fn is_known(&self, key: &NameKey, set: Set, known: &[Told]) -> bool {
        let Some(entry) = self.names.get(key) else {
            return true;
        };
        let fresh = known.iter().filter(|told| told.key == *key && told.record.ttl >= TTL_S / 2);
        let has = |wanted: &dyn Fn(&RData) -> bool| fresh.clone().any(|t| wanted(&t.record.data));
        match set {
            Set::V4 => {
                let all = &entry.owned.v4;
                all.iter().all(|v4| has(&|data| matches!(data, RData::A(a) if a.0 == *v4)))
            }
            Set::V6 => {
                let all = &entry.owned.v6;
                all.iter().all(|v6| has(&|data| matches!(data, RData::AAAA(a) if a.0 == *v6)))
            }
            Set::Absent => has(&|data| data.record_type() == RecordType::NSEC),
        }
    }
}

/// The sets that answer a type; that there are none is an answer as well (RFC 6762 §6.1).
fn asked_sets(entry: &Entry, rtype: RecordType) -> impl Iterator<Item = Set> {
    let wanted: &[Set] = match rtype {
        RecordType::A => &[Set::V4],
        RecordType::AAAA => &[Set::V6],
        RecordType::ANY => &[Set::V4, Set::V6],
        _ => &[],
    };
    let found: Vec<Set> = wanted.iter().copied().filter(|set| entry.has(*set)).collect();
    let absent = found.is_empty().then_some(Set::Absent);
    found.into_iter().chain(absent)
}

/// What saves the asker the next question: the addresses of the other family, or that there are none.
fn beside(entry: &Entry, said: &[Set]) -> impl Iterator<Item = Set> {
    let addresses = [Set::V4, Set::V6].into_iter();
    let others: Vec<Set> = addresses
        .map(|set| if entry.has(set) { set } else { Set::Absent })
        .filter(|set| !said.contains(set))
        .collect();
    others.into_iter()
}

/// A quarter of the TTL: what all were told since then may be said to one alone (RFC 6762 §5.4).
const LATELY: Duration = Duration::from_secs(TTL_S as u64 / 4);
/// For more of what the asker knows: 400 to 500 ms (§7.2).
const TRUNCATED_WAIT: Duration = Duration::from_millis(400);
const TRUNCATED_CHANCE: Duration = Duration::from_millis(100);
/// Between two answers to those who would claim a name (§6).
const PROBE_PAUSE: Duration = Duration::from_millis(250);
