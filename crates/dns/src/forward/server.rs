//! One forwarder: how it has done, and whether it is asked.
//!
//! **Invariant:** one that has failed several times in a row is put aside, for longer each time up
//! to a bound, and comes back by answering a question that no client waits for; it is never given
//! up. Counting takes no lock that is held across a wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

use super::address::ForwarderAddr;
use super::jar::Jar;
use super::line::Line;
use super::trust::Trust;

/// A DNS server that is asked about others' names.
#[derive(Debug)]
pub(crate) struct Server {
    address: ForwarderAddr,
    /// For one that is asked over TLS or HTTPS.
    line: Option<Line>,
    health: Mutex<Health>,
    queries: AtomicU64,
    failures: AtomicU64,
    latency: Histogram,
    jar: Jar,
}

/// Whether a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It answers.
    Good,
    /// It was put aside; it is asked when nobody else is left.
    Aside,
}

#[derive(Debug, Default)]
struct Health {
    /// In a row.
    failures: u32,
    /// How often it was put aside in a row.
    setbacks: u32,
    aside_until: Option<Instant>,
    is_probed: bool,
    /// Smoothed, in seconds; zero is not known.
    latency_s: f64,
    /// It does not repeat the case of questions.
    folds_case_until: Option<Instant>,
    /// It does not understand EDNS.
    plain_until: Option<Instant>,
}

impl Server {
    /// One that nothing is known about; without trust, nobody is asked who has to be trusted.
    pub(crate) fn new(address: ForwarderAddr, trust: Option<&Trust>) -> Self {
        let trust = trust.filter(|_| address.is_encrypted());
        Self {
            line: trust.map(|trust| Line::new(address.clone(), trust.clone())),
            address,
            health: Mutex::default(),
            queries: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            latency: Histogram::new(LATENCY_BUCKETS_S),
            jar: Jar::default(),
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &ForwarderAddr {
        &self.address
    }

    /// The way to one that is asked over TLS or HTTPS.
    pub(crate) fn line(&self) -> Option<&Line> {
        self.line.as_ref()
    }

    /// The cookies of both sides.
    pub(crate) fn jar(&self) -> &Jar {
        &self.jar
    }

    /// It is about to be asked.
    pub(crate) fn asked(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    /// It answered, whatever it said.
    pub(crate) fn answered(&self, elapsed: Duration) {
        self.latency.observe(elapsed.as_secs_f64());
        let mut health = self.health();
        let took = elapsed.as_secs_f64();
        health.latency_s = match health.latency_s {
            0.0 => took,
            before => before + (took - before) * LATENCY_WEIGHT,
        };
        let was_aside = health.aside_until.take().is_some();
        health.failures = 0;
        health.setbacks = 0;
        health.is_probed = false;
        drop(health);
        if was_aside {
            tracing::info!(forwarder = %self.address, "a forwarder answers again");
        }
    }

    /// It said that it cannot or does not want to answer.
    pub(crate) fn declined(&self, elapsed: Duration) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.answered(elapsed);
    }

    /// It did not answer, or nothing of use.
    pub(crate) fn failed(&self, now: Instant) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut health = self.health();
        health.failures = health.failures.saturating_add(1);
        let was_aside = health.aside_until.is_some();
        let is_over = health.aside_until.is_some_and(|until| now >= until);
        if (health.failures >= FAILURES_MAX && !was_aside) || is_over {
            let pause = ASIDE.saturating_mul(1 << health.setbacks.min(SETBACKS_MAX));
            health.aside_until = Some(now + pause);
            health.setbacks = (health.setbacks + 1).min(SETBACKS_MAX);
            health.is_probed = false;
        }
        let is_aside = health.aside_until.is_some();
        drop(health);
        if is_aside && !was_aside {
            tracing::warn!(forwarder = %self.address, "a forwarder does not answer and is put aside");
        }
    }

    /// Whether it is asked before others.
    pub(crate) fn standing(&self) -> Standing {
        match self.health().aside_until {
            Some(_) => Standing::Aside,
            None => Standing::Good,
        }
    }

    /// Whether it should be tried again, by a question that nobody waits for; said to one asker.
    pub(crate) fn claim_probe(&self, now: Instant) -> bool {
        let mut health = self.health();
        let is_due = !health.is_probed && health.aside_until.is_some_and(|until| now >= until);
        health.is_probed |= is_due;
        is_due
    }

    /// How fast it has been; one that is not known yet is fastest, so that it becomes known.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_secs_f64(self.health().latency_s)
    }

    /// Somebody else was asked: what is known about this one counts a little less.
    pub(crate) fn passed_over(&self) {
        let mut health = self.health();
        health.latency_s *= LATENCY_DECAY;
    }

    /// Whether it repeats questions as they were asked.
    pub(crate) fn keeps_case(&self, now: Instant) -> bool {
        self.health().folds_case_until.is_none_or(|until| now >= until)
    }

    /// It has shown over TCP, where nobody can pretend to be it, that it does not.
    pub(crate) fn folds_case(&self, now: Instant) {
        self.health().folds_case_until = Some(now + RELEARN);
    }

    /// Whether it understands EDNS.
    pub(crate) fn knows_edns(&self, now: Instant) -> bool {
        self.health().plain_until.is_none_or(|until| now >= until)
    }

    /// It has answered without EDNS what it did not understand with it.
    pub(crate) fn is_plain(&self, now: Instant) {
        self.health().plain_until = Some(now + RELEARN);
    }

    /// How often it was asked.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// How often that was in vain.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// How long its answers took.
    pub(crate) fn latencies(&self) -> &Histogram {
        &self.latency
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a row, until it is put aside.
const FAILURES_MAX: u32 = 3;
/// How long at first; twice as long each time that it does not come back.
const ASIDE: Duration = Duration::from_secs(5);
/// Doublings: 5 s, 10 s, 20 s, 40 s, and 80 s from then on.
const SETBACKS_MAX: u32 = 4;
/// What is learned about a server's shortcomings is looked at again after this.
const RELEARN: Duration = Duration::from_secs(3600);
/// The weight of the newest answer.
const LATENCY_WEIGHT: f64 = 0.2;
/// So that one that was slow once is tried again after some fifty questions.
const LATENCY_DECAY: f64 = 0.98;
const LATENCY_BUCKETS_S: [f64; 9] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_is_put_aside_and_comes_back() {
        let server = Server::new("10.0.0.1".parse().expect("valid"), None);
        let start = Instant::now();
        server.failed(start);
        server.failed(start);
        server.answered(Duration::from_millis(3));
        for _ in 0..FAILURES_MAX {
            assert_eq!(server.standing(), Standing::Good);
            server.failed(start);
        }
        assert_eq!(server.standing(), Standing::Aside);
        assert!(!server.claim_probe(start), "too early");
        let due = start + ASIDE;
        assert!(server.claim_probe(due) && !server.claim_probe(due), "one probe");
        // In vain: longer this time, and then no longer without end.
        server.failed(due);
        assert!(!server.claim_probe(due + ASIDE) && server.claim_probe(due + 2 * ASIDE));
        let mut now = due + 2 * ASIDE;
        for _ in 0..10 {
            server.failed(now);
            now += ASIDE * 16;
            assert!(server.claim_probe(now));
        }
        server.answered(Duration::from_millis(3));
        assert_eq!(server.standing(), Standing::Good);
        assert_eq!(server.failures(), 16);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_learned_is_forgotten_again() {
        let server = Server::new("10.0.0.1".parse().expect("valid"), None);
        let now = Instant::now();
        assert!(server.keeps_case(now) && server.knows_edns(now));
        server.folds_case(now);
        server.is_plain(now);
        assert!(!server.keeps_case(now) && !server.knows_edns(now));
        assert!(server.keeps_case(now + RELEARN) && server.knows_edns(now + RELEARN));
    }
}
