//! What keeps a stranger from using us against others: answers that go to somebody who did not ask.
//!
//! Over UDP anybody can pretend to be anybody, and the answer, which is longer than the question, hits whom
//! he pretends to be. So each network that is not among our clients' gets so many answers a second, and
//! now and then a short word to come back over TCP, which nobody can pretend. Who shows a cookie that we
//! gave receives at its address, and is not limited.
//!
//! **Invariant:** bounded in memory, whoever asks: networks share meters where there are too many of them.
//! No lock; an answer costs one atomic exchange, and none for clients of ours.

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::cookie::Cookies;

/// The meters and the secret of cookies; cheap to clone, and kept across reloads.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cookies: Option<Cookies>,
    /// For each, when it would be empty, in nanoseconds since the start.
    meters: Box<[AtomicU64]>,
    hasher: RandomState,
    since: Instant,
    limited: AtomicU32,
}

/// What becomes of a reply to somebody who may be pretended to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent.
    Pass,
    /// In its place goes a short one that says to come back over TCP, or with a cookie.
    Truncate,
    /// Nothing is sent.
    Silence,
}

impl Guard {
    pub(crate) fn cookies(&self) -> Option<&Cookies> {
        self.0.cookies.as_ref()
    }

    /// Counts one reply to a network that may have `rate` of them a second; 0 is any number.
    pub fn admit(&self, peer: IpAddr, rate: u32) -> Verdict {
        if rate == 0 {
            return Verdict::Pass;
        }
        let now = u64::try_from(self.0.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if self.fill(peer, NANOS_PER_S / u64::from(rate), now) {
            return Verdict::Pass;
        }
        match self.0.limited.fetch_add(1, Ordering::Relaxed) % SLIP {
            0 => Verdict::Truncate,
            _ => Verdict::Silence,
        }
    }

    /// Adds to a network's meter; `false` when it is full.
    fn fill(&self, peer: IpAddr, cost: u64, now: u64) -> bool {
        let hash = self.0.hasher.hash_one(network(peer));
        // Invariant: there are 2^n meters, so that the index is one of theirs.
        let meter = &self.0.meters[hash as usize & (METERS - 1)];
        let filled = meter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
            let next = empty_at.max(now) + cost;
            (next - now <= BURST_NANOS).then_some(next)
        });
        filled.is_ok()
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self(Arc::new(Inner {
            cookies: Cookies::draw(),
            meters: (0..METERS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
            since: Instant::now(),
            limited: AtomicU32::new(0),
        }))
    }
}

/// The network of a client: what one attacker's victim has, or one site.
fn network(peer: IpAddr) -> u64 {
    match peer.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
        IpAddr::V6(v6) => (1 << 63) | (v6.to_bits() >> 72) as u64,
    }
}

/// Meters, of eight octets each.
const METERS: usize = 16_384;
/// What a network may have at once: the replies of two seconds.
const BURST_NANOS: u64 = 2 * NANOS_PER_S;
/// Of the replies above the rate, every second is a short one; the others are not sent.
const SLIP: u32 = 2;
const NANOS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("valid")
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_has_its_rate_and_every_second_one_above_it_is_told_so() {
        let guard = Guard::default();
        let count = |address: &str, verdict: Verdict, of: usize| {
            (0..of).filter(|_| guard.admit(ip(address), 10) == verdict).count()
        };
        assert_eq!(count("203.0.113.9", Verdict::Pass, 100), 20, "two seconds' worth");
        assert_eq!(count("203.0.113.200", Verdict::Truncate, 10), 5, "the same network");
        assert_eq!(count("203.0.113.9", Verdict::Silence, 10), 5);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(count("203.0.113.9", Verdict::Pass, 100), 10, "a second later");
        assert!((0..100).all(|_| guard.admit(ip("203.0.113.9"), 0) == Verdict::Pass), "off");
    }

    #[test]
    fn networks_are_what_sites_have() {
        for (one, other, same) in [
            ("203.0.113.1", "203.0.113.255", true),
            ("203.0.113.1", "203.0.114.1", false),
            ("::ffff:203.0.113.1", "203.0.113.2", true),
            ("2001:db8:1:1::1", "2001:db8:1:ff::1", true),
            ("2001:db8:1:1::1", "2001:db8:1:100::1", false),
        ] {
            assert_eq!(network(ip(one)) == network(ip(other)), same, "{one} {other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_networks_takes_no_more_memory_and_is_limited_as_a_whole() {
        let guard = Guard::default();
        let passed = (0..200_000_u32)
            .filter(|n| guard.admit(IpAddr::from((n << 8).to_be_bytes()), 1) == Verdict::Pass)
            .count();
        assert!(passed <= 2 * METERS, "{passed}");
    }
}
