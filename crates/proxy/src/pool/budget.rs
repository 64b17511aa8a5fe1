//! How many retries a pool may make: a part of its recent requests.
//!
//! Without it, retries multiply the load of a service that is failing under load already.
//!
//! **Invariant:** never more retries in ten seconds than the larger of [`ALWAYS_ALLOWED`] and the
//! given part of the requests in them. Atomics only.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// The requests and the retries of the last ten seconds.
#[derive(Debug)]
pub(super) struct RetryBudget {
    epoch: Instant,
    requests: Recent,
    retries: Recent,
}

impl RetryBudget {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), requests: Recent::default(), retries: Recent::default() }
    }

    /// A request came.
    pub(super) fn asked(&self, now: Instant) {
        self.requests.add(self.second(now));
    }

    /// Takes one retry out of `percent` of the requests, unless they are used up.
    pub(super) fn take(&self, percent: u8, now: Instant) -> bool {
        let second = self.second(now);
        let allowed = self.requests.sum(second) * u64::from(percent) / 100;
        // Counted first: two who ask for the last one at the same time cannot both have it.
        self.retries.add(second);
        let within = self.retries.sum(second) <= allowed.max(ALWAYS_ALLOWED);
        if !within {
            self.retries.take_back(second);
        }
        within
    }

    fn second(&self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.epoch).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

/// A count per second, of the last ten.
#[derive(Debug, Default)]
struct Recent([AtomicU64; WINDOW_SECONDS as usize]);

impl Recent {
    fn add(&self, second: u32) {
        self.update(second, |count| count.saturating_add(1));
    }

    fn take_back(&self, second: u32) {
        self.update(second, |count| count.saturating_sub(1));
    }

    fn sum(&self, second: u32) -> u64 {
        let counts = self.0.iter().map(|slot| Slot::from_bits(slot.load(Ordering::Relaxed)));
        let recent = counts.filter(|slot| second.saturating_sub(slot.second) < WINDOW_SECONDS);
        recent.map(|slot| u64::from(slot.count)).sum()
    }

    fn update(&self, second: u32, change: impl Fn(u32) -> u32) {
        let place = &self.0[(second % WINDOW_SECONDS) as usize];
        let mut bits = place.load(Ordering::Relaxed);
        loop {
            let slot = Slot::from_bits(bits);
            if slot.second > second {
                return; // Too late to count.
            }
            // What is left of ten seconds ago, or of the beginning.
            let before = if slot.second == second { slot.count } else { 0 };
            let next = Slot { second, count: change(before) }.to_bits();
            match place.compare_exchange_weak(bits, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => bits = other,
            }
        }
    }
}

/// One second's count, as it is stored.
struct Slot {
    second: u32,
    count: u32,
}

impl Slot {
    fn from_bits(bits: u64) -> Self {
        let [s0, s1, s2, s3, c0, c1, c2, c3] = bits.to_be_bytes();
        Self {
            second: u32::from_be_bytes([s0, s1, s2, s3]),
            count: u32::from_be_bytes([c0, c1, c2, c3]),
        }
    }

    fn to_bits(&self) -> u64 {
        u64::from(self.second) << 32 | u64::from(self.count)
    }
}

/// How far back requests and retries count.
const WINDOW_SECONDS: u32 = 10;
/// Retries in that time that need no requests: a service with little traffic has some, too.
const ALWAYS_ALLOWED: u64 = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn retries_are_a_part_of_the_requests_of_ten_seconds() {
        let budget = RetryBudget::new();
        let start = budget.epoch;
        let takes = |percent, at: u64| {
            let now = start + Duration::from_secs(at);
            (0..1000).filter(|_| budget.take(percent, now)).count()
        };
        assert_eq!(takes(20, 0), 10, "ten are always allowed");
        assert_eq!(takes(20, 9), 0, "they are used up for ten seconds");
        assert_eq!(takes(20, 10), 10);
        for second in 20..25 {
            (0..100).for_each(|_| budget.asked(start + Duration::from_secs(second)));
        }
        assert_eq!(takes(20, 25), 100, "20 % of 500");
        assert_eq!(takes(0, 25), 0);
        assert_eq!(takes(20, 100), 10, "the requests are long past");
        assert_eq!(takes(100, 100_000), 10);
    }

    #[test]
    fn nobody_gets_more_by_asking_at_the_same_time() {
        let budget = RetryBudget::new();
        let now = budget.epoch;
        (0..1000).for_each(|_| budget.asked(now));
        let taken: usize = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| budget.take(20, now)).count()))
                .collect();
            all.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert!((1..=200).contains(&taken), "{taken}");
    }
}
