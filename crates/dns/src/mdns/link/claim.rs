//! Claiming names, defending them and giving them back (RFC 6762 §8, §9, §10.1).

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::MessageType;
use hickory_proto::rr::{RData, RecordType};
use tokio::time::Instant;

use super::{Entry, Family, Given, Link, Phase, Rival, SECOND, To};
use crate::mdns::heard::Told;
use crate::mdns::names::Owned;
use crate::mdns::packet::{Part, Set, data_of, packets, proposal};
use crate::mdns::status::Sent;
use crate::presentation::shown;

impl Link {
    /// Takes the names and addresses that the link is to have from now on.
    pub(crate) fn set(&mut self, given: Given, now: Instant) {
        self.nets = given.nets;
        self.ours = given.ours;
        self.is_changed = true;
        let mut goodbyes: Vec<Part> = Vec::new();
        self.names.retain(|key, entry| {
            let stays = given.names.contains_key(key);
            if !stays && entry.is_ours() {
                goodbyes.push(Part::goodbye(&entry.owned, &HOST_SETS));
            }
            stays
        });
        let begin = now + self.chance_below(PROBE_INTERVAL);
        let mut new = 0;
        for (key, owned) in given.names {
            match self.names.get_mut(&key) {
                Some(entry) if entry.owned == owned => {}
                Some(entry) => goodbyes.extend(entry.change(owned, now)),
                None => {
                    let wave = u32::try_from(new / NAMES_PER_WAVE).unwrap_or(u32::MAX);
                    let due = begin + PROBE_INTERVAL.saturating_mul(wave);
                    self.names.insert(key, Entry::new(owned, due));
                    new += 1;
                }
            }
        }
        self.pending.retain_mut(|pending| {
            pending.sets.retain(|(key, _)| self.names.contains_key(key));
            !pending.sets.is_empty()
        });
        self.send(goodbyes, MessageType::Response, Sent::Goodbye);
    }

    /// Takes all names back; nothing is said after that.
    pub(crate) fn stop(&mut self) {
        let ours = self.names.values().filter(|entry| entry.is_ours());
        let goodbyes = ours.map(|entry| Part::goodbye(&entry.owned, &HOST_SETS)).collect();
        self.send(goodbyes, MessageType::Response, Sent::Goodbye);
        self.names.clear();
        self.pending.clear();
    }

    /// Probes, announces, and tries again what is due.
    pub(super) fn go_on(&mut self, now: Instant) {
        let (mut probes, mut announcements) = (Vec::new(), Vec::new());
        for entry in self.names.values_mut() {
            let Some(due) = entry.due.filter(|due| *due <= now) else { continue };
            self.is_changed = true;
            match entry.phase {
                // Who had no time to listen does not know what was answered: this one does not count.
                Phase::Probing(sent @ 1..) if now - due > LATE_MAX => {
                    probes.push(entry.probe(sent, now));
                }
                Phase::Probing(sent) if sent < PROBES => probes.push(entry.probe(sent + 1, now)),
                Phase::Probing(_) => announcements.push(entry.announce(0, now)),
                Phase::Announcing(sent) => announcements.push(entry.announce(sent, now)),
                Phase::Taken => {
                    entry.phase = Phase::Probing(0);
                    entry.due = Some(now);
                }
                Phase::Ours => entry.due = None,
            }
        }
        self.send(probes, MessageType::Query, Sent::Probe);
        self.send(announcements, MessageType::Response, Sent::Announcement);
    }

    /// Looks for others who say something else of our names.
    pub(super) fn heard_response(&mut self, told: &[Told], from: IpAddr, now: Instant) {
        let delay = self.chance_below(PROBE_INTERVAL);
        for Told { key, record } in told {
            let Some(entry) = self.names.get_mut(key) else { continue };
            if !is_anothers(&record.data, &entry.owned, &self.ours) {
                continue;
            }
            // Who had it gives it back (RFC 6762 §10.1).
            if record.ttl == 0 {
                if entry.phase == Phase::Taken {
                    entry.due = Some(now + SECOND + delay);
                }
                continue;
            }
            let says = format!("{} {}", record.record_type(), shown(&record.data));
            self.is_changed = true;
            let rival = Rival { from, says: says.chars().take(SAYS_CHARS_MAX).collect() };
            match entry.phase {
                Phase::Probing(_) => {
                    entry.rival = Some(rival);
                    entry.phase = Phase::Taken;
                    entry.due = Some(now + TAKEN_RETRY + delay);
                }
                // It keeps the name alive.
                Phase::Taken => entry.due = entry.due.max(Some(now + TAKEN_RETRY + delay)),
                // We find out whose it is (§9).
                Phase::Announcing(_) | Phase::Ours => {
                    entry.phase = Phase::Probing(0);
                    entry.due = Some(now + entry.breath(now) + delay);
                }
            }
        }
    }

    /// Two that probe at once: the one with the greater data goes on, the other waits (RFC 6762 §8.2).
    pub(super) fn heard_proposal(&mut self, proposed: &[Told], now: Instant) {
        let keys: HashSet<_> = proposed.iter().map(|told| &told.key).collect();
        for key in keys {
            let Some(entry) = self.names.get_mut(key) else { continue };
            if !matches!(entry.phase, Phase::Probing(1..)) {
                continue;
            }
            let theirs = proposed.iter().filter(|told| told.key == *key);
            let is_other = |told: &Told| is_anothers(&told.record.data, &entry.owned, &self.ours);
            if !theirs.clone().any(is_other) {
                continue;
            }
            let mut data: Vec<_> = theirs.filter_map(|told| data_of(&told.record)).collect();
            data.sort_unstable();
            if data > proposal(&entry.owned) {
                entry.phase = Phase::Probing(0);
                entry.due = Some(now + SECOND);
            }
        }
    }

    fn send(&mut self, parts: Vec<Part>, kind: MessageType, sent: Sent) {
        for packet in packets(parts, kind) {
            self.counts.sent(sent);
            self.sends.push((To::Both, packet));
        }
    }
}

impl Entry {
    fn new(owned: Owned, due: Instant) -> Self {
        Self {
            owned,
            phase: Phase::Probing(0),
            due: Some(due),
            said: None,
            told: [[None; 3]; 2],
            rival: None,
            conflicts: (None, 0),
        }
    }

    /// Other addresses of a name that is ours already need no probing (RFC 6762 §8.4); what is given back
    /// for that is returned.
    fn change(&mut self, owned: Owned, now: Instant) -> Option<Part> {
        let before = std::mem::replace(&mut self.owned, owned);
        match self.phase {
            Phase::Announcing(_) | Phase::Ours => {
                self.phase = Phase::Announcing(0);
                self.due = Some(now);
                let gone = HOST_SETS.into_iter().filter(|set| !self.has(*set));
                let gone: Vec<Set> = gone.collect();
                (!gone.is_empty()).then(|| Part::goodbye(&before, &gone))
            }
            Phase::Probing(_) => {
                self.phase = Phase::Probing(0);
                None
            }
            Phase::Taken => None,
        }
    }

    /// Asks for it; so many times by now.
    fn probe(&mut self, sent: u8, now: Instant) -> Part {
        self.phase = Phase::Probing(sent);
        self.said = Some(now);
        self.due = Some(now + PROBE_INTERVAL);
        Part::probe(&self.owned)
    }

    fn announce(&mut self, sent: u8, now: Instant) -> Part {
        self.phase = Phase::Announcing(sent + 1);
        self.said = Some(now);
        self.due = Some(now + SECOND);
        if sent + 1 == ANNOUNCEMENTS {
            self.phase = Phase::Ours;
            self.due = None;
        }
        self.rival = None;
        let sets: Vec<Set> = HOST_SETS.into_iter().filter(|set| self.has(*set)).collect();
        for set in &sets {
            self.tell(*set, Family::V4, now);
            self.tell(*set, Family::V6, now);
        }
        Part::answer(&self.owned, &sets, &[])
    }

    /// How long to wait before it is probed once more: conflicts that come thick are slowed down.
    fn breath(&mut self, now: Instant) -> Duration {
        let (since, count) = &mut self.conflicts;
        if since.is_none_or(|since| now.saturating_duration_since(since) > CONFLICT_WINDOW) {
            (*since, *count) = (Some(now), 0);
        }
        *count += 1;
        if *count >= CONFLICTS_MAX { CONFLICT_PAUSE } else { Duration::ZERO }
    }
}

/// Whether a record gives a name of ours to another machine.
fn is_anothers(data: &RData, owned: &Owned, ours: &HashSet<IpAddr>) -> bool {
    match data {
        RData::A(a) => !owned.v4.contains(&a.0) && !ours.contains(&IpAddr::V4(a.0)),
        RData::AAAA(a) => !owned.v6.contains(&a.0) && !ours.contains(&IpAddr::V6(a.0)),
        other => other.record_type() == RecordType::CNAME,
    }
}

/// The sets that a host may have.
const HOST_SETS: [Set; 2] = [Set::V4, Set::V6];
/// RFC 6762 §8.1.
const PROBES: u8 = 3;
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// A probe that is due for longer than this finds a process that was stopped or starved, and with it perhaps the
/// others of this machine.
const LATE_MAX: Duration = Duration::from_millis(100);
/// RFC 6762 §8.3.
const ANNOUNCEMENTS: u8 = 2;
/// Names that are probed at once; more follow an interval later.
const NAMES_PER_WAVE: usize = 64;
/// Before a name that somebody else has is tried again.
const TAKEN_RETRY: Duration = Duration::from_secs(300);
/// So many conflicts about one name within the window, and each further one waits (§8.1).
const CONFLICTS_MAX: u32 = 15;
const CONFLICT_WINDOW: Duration = Duration::from_secs(10);
const CONFLICT_PAUSE: Duration = Duration::from_secs(5);
/// Of what a rival says.
const SAYS_CHARS_MAX: usize = 80;
