//! A number that one worker changes and a scrape reads.
//!
//! **Invariant:** only the thread of its worker changes it, which is why that costs a plain load and
//! store, and no instruction that locks a cache line.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number of one worker.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Makes it larger.
    pub(crate) fn add(&self, by: u64) {
        self.0.store(self.read().wrapping_add(by), Ordering::Relaxed);
    }

    /// Makes it smaller; it was made larger by as much before.
    pub(crate) fn subtract(&self, by: u64) {
        self.0.store(self.read().wrapping_sub(by), Ordering::Relaxed);
    }

    /// What it is now.
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
