//! What real traffic meets at an upstream, counted for the prober.
//!
//! **Invariant:** counting never waits and decides nothing. An answer costs one relaxed load, and a
//! store only after a failure; times to the first byte are kept only where somebody asked for them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;

/// What the request path saw of an upstream that answered; what did not answer is an
/// [`Observation`](super::Observation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The head of an answer.
    Head {
        /// Its status.
        status: StatusCode,
        /// From the request to this head, when that was measured.
        took: Option<Duration>,
    },
    /// An answer to its end.
    Whole,
}

/// Whether an answer with this status is a failure of the upstream: it says itself that it, or what
/// is behind it, does not work now.
pub(crate) fn is_failure(status: u16) -> bool {
    matches!(status, 502..=504)
}

/// The counters of one upstream; moments are milliseconds after a common epoch.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    failures: AtomicU32,
    failed_ms: AtomicU64,
    times: OnceLock<Box<Times>>,
}

impl Traffic {
    /// One more failure. One long after the last begins a new row: a stream may go on for hours
    /// without an answer to its end in between.
    pub(super) fn failed(&self, now_ms: u64) {
        let last = self.failed_ms.swap(now_ms, Ordering::Relaxed);
        if now_ms.saturating_sub(last) > ROW_GAP_MAX_MS {
            self.failures.store(1, Ordering::Relaxed);
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn succeeded(&self) {
        // A line of the cache that nobody writes is shared by all workers.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn took(&self, now_ms: u64, took: Duration) {
        self.times.get_or_init(Box::default).add(now_ms, took);
    }

    /// The times to the first byte since a moment, in no particular order.
    pub(super) fn times_since(&self, from_ms: u64) -> Vec<Duration> {
        self.times.get().map_or_else(Vec::new, |times| times.since(from_ms))
    }
}

/// The last few times to the first byte.
#[derive(Debug)]
struct Times {
    /// The moment in seconds, plus one, above; the microseconds it took below. 0 is none.
    samples: [AtomicU64; TIMES_MAX],
    next: AtomicUsize,
}

impl Default for Times {
    fn default() -> Self {
        Self { samples: [const { AtomicU64::new(0) }; TIMES_MAX], next: AtomicUsize::new(0) }
    }
}

impl Times {
    fn add(&self, now_ms: u64, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(MICROS_MAX).min(MICROS_MAX);
        let sample = ((now_ms / 1_000 + 1) << MICROS_BITS) | micros;
        let place = self.next.fetch_add(1, Ordering::Relaxed) % TIMES_MAX;
        self.samples[place].store(sample, Ordering::Relaxed);
    }

    fn since(&self, from_ms: u64) -> Vec<Duration> {
        let from = from_ms.div_ceil(1_000) + 1;
        let samples = self.samples.iter().map(|sample| sample.load(Ordering::Relaxed));
        let recent = samples.filter(|sample| sample >> MICROS_BITS >= from);
        recent.map(|sample| Duration::from_micros(sample & MICROS_MAX)).collect()
    }
}

/// How many times to the first byte an upstream remembers.
const TIMES_MAX: usize = 64;
/// Enough for 71 minutes.
const MICROS_BITS: u32 = 32;
const MICROS_MAX: u64 = (1 << MICROS_BITS) - 1;
/// Failures further apart than this are not in a row; milliseconds.
const ROW_GAP_MAX_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_in_a_row() {
        let traffic = Traffic::default();
        for (why, step, expected) in [
            ("the first", Some(10), 1),
            ("the second", Some(20), 2),
            ("an answer ends the row", None, 0),
            ("a new one", Some(30), 1),
            ("still in a row", Some(60_030), 2),
            ("too late to be", Some(120_031), 1),
        ] {
            match step {
                Some(at_ms) => traffic.failed(at_ms),
                None => traffic.succeeded(),
            }
            assert_eq!(traffic.failures(), expected, "{why}");
        }
    }

    #[test]
    fn only_recent_times_are_remembered_and_not_too_many() {
        let traffic = Traffic::default();
        assert!(traffic.times_since(0).is_empty());
        traffic.took(1_500, Duration::from_millis(7));
        traffic.took(3_000, Duration::from_secs(100_000));
        let micros_max = Duration::from_micros(MICROS_MAX);
        assert_eq!(traffic.times_since(1_000), [Duration::from_millis(7), micros_max]);
        assert_eq!(traffic.times_since(2_500), [micros_max]);
        for _ in 0..1_000 {
            traffic.took(4_000, Duration::from_millis(1));
        }
        assert_eq!(traffic.times_since(0), vec![Duration::from_millis(1); TIMES_MAX]);
    }
}
