//! What forwarding counts.
//!
//! **Invariant:** counting is one atomic addition; the counts outlive a reload.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$about:meta])* $name:ident),+ $(,)?) => {
        /// Counts since the start.
        #[derive(Debug, Default)]
        pub(crate) struct Counts { $($(#[$about])* pub(crate) $name: Count),+ }
    };
}

counts! {
    /// Questions answered from the cache.
    hits,
    /// Questions that were not in it.
    misses,
    /// Of those, the ones that somebody was asking already.
    joined,
    /// Questions answered with what was good once, since nobody could be asked.
    stale,
    /// Questions asked again before their answer ended.
    prefetches,
    /// Answers that made room for others before their time.
    evicted,
    /// Records left out since they led inside.
    kept_out,
    /// Answers that their owners signed.
    secure,
    /// Answers that nobody signs, or nobody can verify.
    insecure,
    /// Answers that are not believed.
    bogus,
    /// Of those, the ones that would have taken too much work.
    overworked,
    /// Questions that could not be asked, for too many were under way.
    overflows,
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
