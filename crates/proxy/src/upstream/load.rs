//! How long an upstream takes to its first byte, lately.
//!
//! A peak-sensitive moving average, as Finagle and Linkerd keep it: a slower answer counts at once,
//! a faster one by and by, and what is long past fades. A fast failure counts as a slow answer, so
//! that an upstream that refuses everything at once does not draw all traffic.
//!
//! **Invariant:** two atomics, no lock. Two answers at the same moment may lose one of the two, and
//! nothing else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The moving average of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Seconds, as the bits of an `f64`; 0 is nothing known.
    seconds: AtomicU64,
    /// When it was right, in milliseconds of the upstream's own count.
    at_ms: AtomicU64,
}

impl Load {
    /// An answer began `took` after its request was sent.
    pub(crate) fn observe(&self, took: Duration, now_ms: u64) {
        let took = took.as_secs_f64();
        let known = f64::from_bits(self.seconds.load(Ordering::Relaxed));
        let weight = self.fade(now_ms);
        let next = if took > known { took } else { known * weight + took * (1.0 - weight) };
        self.seconds.store(next.to_bits(), Ordering::Relaxed);
        self.at_ms.store(now_ms, Ordering::Relaxed);
    }

    /// A request failed fast.
    pub(crate) fn penalize(&self, now_ms: u64) {
        self.observe(PENALTY, now_ms);
    }

    /// Seconds to the first byte, lately; `None` when nothing was seen, or long ago.
    pub(crate) fn recent(&self, now_ms: u64) -> Option<f64> {
        let known = f64::from_bits(self.seconds.load(Ordering::Relaxed)) * self.fade(now_ms);
        (known > FORGOTTEN_SECONDS).then_some(known)
    }

    /// What the past still counts, from 1 down to 0.
    fn fade(&self, now_ms: u64) -> f64 {
        let age = Duration::from_millis(now_ms.saturating_sub(self.at_ms.load(Ordering::Relaxed)));
        (-age.as_secs_f64() / FADING.as_secs_f64()).exp()
    }
}

/// After this long an observation counts a little more than a third.
const FADING: Duration = Duration::from_secs(10);
/// What a failure counts as.
const PENALTY: Duration = Duration::from_secs(5);
/// Averages that faded below this mean nothing any more.
const FORGOTTEN_SECONDS: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn peaks_count_at_once_and_fade() {
        let load = Load::default();
        assert_eq!(load.recent(5), None);
        load.observe(10 * MS, 1_000);
        load.observe(90 * MS, 1_001);
        let peak = load.recent(1_001).expect("known");
        assert!((peak - 0.090).abs() < 1e-6, "{peak}");
        load.observe(10 * MS, 1_002);
        let still = load.recent(1_002).expect("known");
        assert!(still > 0.089, "one fast answer does not hide a slow one: {still}");
        let later = load.recent(11_002).expect("known");
        assert!((later / still - (-1.0_f64).exp()).abs() < 1e-6, "{later} after ten seconds");
        load.observe(10 * MS, 61_000);
        let settled = load.recent(61_000).expect("known");
        assert!((settled - 0.010).abs() < 1e-3, "{settled}");
        assert_eq!(load.recent(1_000_000), None, "long past");
    }

    #[test]
    fn a_fast_failure_counts_as_a_slow_answer() {
        let load = Load::default();
        load.observe(MS, 1);
        load.penalize(2);
        assert!(load.recent(2).expect("known") > 4.9);
    }
}
