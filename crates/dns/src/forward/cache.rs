//! What forwarders answered, for as long as it is good for, and a while longer.
//!
//! **Invariant:** bounded in bytes, whatever is asked; a flood of names that nobody asks for twice
//! pushes out one another before it pushes out a name that is asked for again. No lock is held
//! longer than a look-up takes.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::answer::Answer;
use super::question::name_in;
use super::settings::CacheSettings;
use crate::reply::Outcome;

/// Answers by question.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    /// Of each shard.
    bytes_max: usize,
    stale: Duration,
    prefetches: bool,
}

/// What is known about a question.
#[derive(Debug)]
pub(crate) enum Found {
    /// An answer that is good, and its age in seconds.
    Fresh {
        answer: Arc<Answer>,
        age_s: u32,
        /// Whether it is asked for often and ends soon; said once.
        is_due: bool,
    },
    /// An answer that was good.
    Stale {
        answer: Arc<Answer>,
        /// Whether forwarders may be asked for a newer one now.
        may_ask: bool,
    },
    /// Nothing.
    Nothing,
}

/// What a look at an answer finds.
#[derive(Debug)]
pub(crate) struct Peeked {
    pub(crate) answer: Arc<Answer>,
    pub(crate) age: Duration,
    pub(crate) left: Duration,
    pub(crate) is_fresh: bool,
    /// Whether forwarders may be asked for a newer one, when it is not fresh.
    pub(crate) may_ask: bool,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Size {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Arc<[u8]>, Entry, RandomState>,
    /// The oldest first.
    queue: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<Answer>,
    since: Instant,
    /// Before this, forwarders are not asked for a newer one.
    ask_again_at: Instant,
    hits: u32,
    /// Whether it was asked for since eviction last looked.
    is_wanted: bool,
    is_announced: bool,
}

impl Cache {
    pub(crate) fn new(settings: &CacheSettings) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            bytes_max: settings.size / SHARDS,
            stale: settings.serve_stale,
            prefetches: settings.prefetch,
        }
    }

    /// What is known about a question now.
    pub(crate) fn get(&self, key: &[u8], now: Instant) -> Found {
        let mut shard = self.shard(key);
        let Some(entry) = shard.entries.get_mut(key) else {
            return Found::Nothing;
        };
        let age = now.saturating_duration_since(entry.since);
        let lifetime = entry.answer.lifetime();
        let answer = Arc::clone(&entry.answer);
        if age < lifetime {
            entry.is_wanted = true;
            entry.hits = entry.hits.saturating_add(1);
            let ends_soon = (lifetime - age) * PREFETCH_PART < lifetime;
            let is_due = self.prefetches && ends_soon && !entry.is_announced && entry.hits >= OFTEN;
            entry.is_announced |= is_due;
            let age_s = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
            return Found::Fresh { answer, age_s, is_due };
        }
        if age < lifetime + self.stale && answer.outcome() != Outcome::Failed {
            entry.is_wanted = true;
            return Found::Stale { answer, may_ask: now >= entry.ask_again_at };
        }
        Found::Nothing
    }

    /// A good answer and its age in seconds, when nothing has to be done beside telling it.
    pub(crate) fn calm(&self, key: &[u8], now: Instant) -> Option<(Arc<Answer>, u32)> {
        let mut shard = self.shard(key);
        let entry = shard.entries.get_mut(key)?;
        let age = now.saturating_duration_since(entry.since);
        let left = entry.answer.lifetime().checked_sub(age).filter(|left| !left.is_zero())?;
        // Soon it may have to be asked for again.
        if self.prefetches && left * PREFETCH_PART < entry.answer.lifetime() {
            return None;
        }
        entry.is_wanted = true;
        entry.hits = entry.hits.saturating_add(1);
        let age_s = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        Some((Arc::clone(&entry.answer), age_s))
    }

    /// What is known about a question, without asking for it: nothing is counted or marked. With an
    /// answer comes for how much longer it is told, as a good one or not.
    pub(crate) fn peek(&self, key: &[u8], now: Instant) -> Option<Peeked> {
        let shard = self.shard(key);
        let entry = shard.entries.get(key)?;
        let (answer, lifetime) = (Arc::clone(&entry.answer), entry.answer.lifetime());
        let age = now.saturating_duration_since(entry.since);
        let is_fresh = age < lifetime;
        let end = if is_fresh { lifetime } else { lifetime + self.stale };
        let left = end.checked_sub(age).filter(|left| !left.is_zero())?;
        let is_told = is_fresh || answer.outcome() != Outcome::Failed;
        is_told.then_some(Peeked {
            answer,
            age,
            left,
            is_fresh,
            may_ask: now >= entry.ask_again_at,
        })
    }

    /// Keeps an answer; says how many others had to go.
    pub(crate) fn put(&self, key: &[u8], answer: &Arc<Answer>, now: Instant) -> usize {
        let cost = cost_of(key, answer);
        if answer.lifetime().is_zero() || cost > self.bytes_max {
            return 0;
        }
        let mut guard = self.shard(key);
        let shard = &mut *guard;
        let fresh = Entry {
            answer: Arc::clone(answer),
            since: now,
            ask_again_at: now,
            hits: 0,
            is_wanted: false,
            is_announced: false,
        };
        if let Some(entry) = shard.entries.get_mut(key) {
            let is_good = |entry: &Entry| entry.answer.outcome() != Outcome::Failed;
            let end = entry.since + entry.answer.lifetime();
            // What is not believed is not made good by what was, nor is what still is made bad by it.
            let (end, pause) = match fresh.answer.is_refuted() {
                true => (end, Duration::ZERO),
                false => (end + self.stale, HOLD_OFF),
            };
            if !is_good(&fresh) && is_good(entry) && now < end {
                // What was good once is better than nothing.
                entry.ask_again_at = now + pause;
                return 0;
            }
            shard.bytes = shard.bytes + cost - cost_of(key, &entry.answer);
            *entry = Entry { is_wanted: entry.is_wanted, ..fresh };
        } else {
            let key: Arc<[u8]> = key.into();
            shard.queue.push_back(Arc::clone(&key));
            shard.entries.insert(key, fresh);
            shard.bytes += cost;
        }
        shard.shrink(self.bytes_max)
    }

    /// Nobody could be asked: what is stale is told at once for a while (RFC 8767 §5).
    pub(crate) fn hold_off(&self, key: &[u8], now: Instant) {
        if let Some(entry) = self.shard(key).entries.get_mut(key) {
            entry.ask_again_at = now + HOLD_OFF;
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            *lock(shard) = Shard::default();
        }
    }

    /// Forgets every answer about one folded name.
    pub(crate) fn forget(&self, name: &[u8]) {
        for shard in &self.shards {
            let mut guard = lock(shard);
            let shard = &mut *guard;
            let bytes = &mut shard.bytes;
            shard.entries.retain(|key, entry| {
                let is_kept = name_in(key) != name;
                if !is_kept {
                    *bytes -= cost_of(key, &entry.answer);
                }
                is_kept
            });
            shard.queue.retain(|key| name_in(key) != name);
        }
    }

    /// How much is kept.
    pub(crate) fn size(&self) -> Size {
        let sizes = self.shards.iter().map(|shard| {
            let shard = lock(shard);
            Size { entries: shard.entries.len(), bytes: shard.bytes }
        });
        sizes.fold(Size::default(), |a, b| Size {
            entries: a.entries + b.entries,
            bytes: a.bytes + b.bytes,
        })
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        // Invariant: there are 2^n shards, so that the index is one of theirs.
        let index = self.hasher.hash_one(key) as usize & (SHARDS - 1);
        lock(&self.shards[index])
    }
}

impl Shard {
    /// The oldest goes, unless it was asked for since it was last its turn.
    fn shrink(&mut self, bytes_max: usize) -> usize {
        let mut gone = 0;
        while self.bytes > bytes_max {
            let Some(key) = self.queue.pop_front() else {
                return gone;
            };
            match self.entries.get_mut(&key) {
                Some(entry) if entry.is_wanted => {
                    entry.is_wanted = false;
                    self.queue.push_back(key);
                }
                Some(entry) => {
                    self.bytes -= cost_of(&key, &entry.answer);
                    self.entries.remove(&key);
                    gone += 1;
                }
                None => {}
            }
        }
        gone
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an entry costs in memory, near enough.
fn cost_of(key: &[u8], answer: &Answer) -> usize {
    key.len() + answer.bytes() + ENTRY_BYTES
}

/// So that those who read the figures hold up nobody.
const SHARDS: usize = 8;
/// The table's and the queue's places, the counts of three allocations, and the entry itself.
const ENTRY_BYTES: usize = 256;
/// An answer ends soon in the last tenth of its life.
const PREFETCH_PART: u32 = 10;
/// So many hits make a question one that is asked often.
const OFTEN: u32 = 4;
/// After nobody answered, as RFC 8767 §5 has it.
const HOLD_OFF: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
