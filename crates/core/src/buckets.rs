//! Counting in time: how often a key may still do something.
//!
//! Each key has one number, the moment at which its bucket will be full again (the generic cell
//! rate algorithm). A key that nobody counts any more is as good as one that was never seen, so
//! forgetting it loses nothing.
//!
//! **Invariant:** at most 100,000 keys are kept; when there are more, the ones that have been
//! quiet for longest are forgotten. A shard is locked for one lookup, never across an `.await`.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use foldhash::quality;
use tokio::time::Instant;

/// So many in such a time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What one request takes out of the bucket's time, in nanoseconds.
    cost: u64,
    /// What a full bucket holds, in nanoseconds.
    full: u64,
}

impl Rate {
    /// `requests` in each `per`, of which `burst` may come at once.
    pub fn new(requests: u32, per: Duration, burst: u32) -> Self {
        let per = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
        let cost = (per / u64::from(requests.max(1))).max(1);
        Self { cost, full: cost.saturating_mul(u64::from(burst.max(1))) }
    }
}

/// The buckets of many keys, shared by all workers.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    epoch: Instant,
    /// Of quality: the fast one leaves shards empty for keys that are alike.
    hasher: quality::RandomState,
    shards: [Mutex<Shard<K>>; SHARDS],
}

/// Two generations of keys: what is used moves to the young one, and the old one is dropped whole.
#[derive(Debug)]
struct Shard<K> {
    young: HashMap<K, u64, RandomState>,
    old: HashMap<K, u64, RandomState>,
    /// When the young generation began.
    since: u64,
}

impl<K: Hash + Eq> Buckets<K> {
    /// Full buckets for everybody.
    pub fn new(rate: Rate) -> Self {
        let shard =
            |_| Mutex::new(Shard { young: HashMap::default(), old: HashMap::default(), since: 0 });
        Self {
            rate,
            epoch: Instant::now(),
            hasher: quality::RandomState::default(),
            shards: std::array::from_fn(shard),
        }
    }

    /// Takes one out of the bucket of `key`.
    ///
    /// # Errors
    /// How long until there is one, when there is none; then nothing is taken.
    pub fn take(&self, key: K) -> Result<(), Duration> {
        let now = self.now();
        let mut shard = self.shard(&key, now);
        let full_at = self.after_one(shard.find(&key), now)?;
        shard.young.insert(key, full_at);
        Ok(())
    }

    /// Whether there is one in the bucket of `key`.
    ///
    /// # Errors
    /// How long until there is one, when there is none.
    pub fn peek(&self, key: &K) -> Result<(), Duration> {
        let now = self.now();
        let known = self.shard(key, now).find(key);
        self.after_one(known, now).map(drop)
    }

    fn after_one(&self, full_at: Option<u64>, now: u64) -> Result<u64, Duration> {
        let next = full_at.unwrap_or(0).max(now).saturating_add(self.rate.cost);
        match next.saturating_sub(now).checked_sub(self.rate.full) {
            Some(over) if over > 0 => Err(Duration::from_nanos(over)),
            _ => Ok(next),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn shard(&self, key: &K, now: u64) -> MutexGuard<'_, Shard<K>> {
        let place = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or(0) % SHARDS;
        // A number that was written whole stays right whatever panicked while it was held.
        let mut shard = self.shards[place].lock().unwrap_or_else(PoisonError::into_inner);
        // After the time of a full bucket, what is old is full again: forgetting it changes nothing.
        let outlived = now.saturating_sub(shard.since) >= self.rate.full.max(GENERATION_MIN_NS);
        if outlived || shard.young.len() >= KEYS_MAX / SHARDS / 2 {
            shard.old = mem::take(&mut shard.young);
            shard.since = now;
        }
        shard
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let lock = |shard: &Mutex<Shard<K>>| {
            let shard = shard.lock().expect("nobody panicked");
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(lock).sum()
    }
}

impl<K: Hash + Eq> Shard<K> {
    fn find(&self, key: &K) -> Option<u64> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }
}

/// Keys of one limit, over all shards and both generations.
const KEYS_MAX: usize = 100_000;
const SHARDS: usize = 16;
/// Short limits do not turn the generations over at every request.
const GENERATION_MIN_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(requests: u32, per_s: u64, burst: u32) -> Buckets<u32> {
        Buckets::new(Rate::new(requests, Duration::from_secs(per_s), burst))
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_in_and_then_the_rate() {
        let buckets = buckets(2, 1, 4);
        for _ in 0..4 {
            assert_eq!(buckets.take(7), Ok(()));
        }
        assert_eq!(buckets.take(7), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(8), Ok(()), "another key has its own");
        tokio::time::advance(Duration::from_millis(499)).await;
        assert_eq!(buckets.take(7), Err(Duration::from_millis(1)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(buckets.peek(&7), Ok(()));
        assert_eq!(buckets.take(7), Ok(()), "looking takes nothing");
        assert!(buckets.take(7).is_err());
        tokio::time::advance(Duration::from_secs(3_600)).await;
        for _ in 0..4 {
            assert_eq!(buckets.take(7), Ok(()), "no more than a burst is saved up");
        }
        assert!(buckets.take(7).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_limit_is_kept_over_the_generations() {
        let buckets = buckets(1, 60, 1);
        assert_eq!(buckets.take(1), Ok(()));
        for _ in 0..59 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(buckets.take(1).is_err());
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(buckets.take(1), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_bounded_and_forgotten() {
        let buckets = buckets(1, 3_600, 1);
        for key in 0..300_000 {
            assert_eq!(buckets.take(key), Ok(()));
        }
        assert!(buckets.len() <= KEYS_MAX, "{}", buckets.len());
        assert!(buckets.take(299_999).is_err(), "the newest are known");
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(3_600)).await;
            for key in 0..1_000 {
                buckets.take(key).ok();
            }
        }
        assert!(buckets.len() <= 2_000, "{}", buckets.len());
    }
}
