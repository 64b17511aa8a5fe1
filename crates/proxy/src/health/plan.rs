//! Who is probed, and when next; derived from the route table.
//!
//! One schedule holds every upstream, so that 10,000 of them cost one task and one timer.
//!
//! **Invariant:** pure, apart from reading the upstreams' atomics: the present is a parameter. An
//! upstream is probed by at most one probe at a time, and one that stays in the table keeps its
//! history and its place in the schedule, whatever else is published.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::health::UpstreamState;
use conduit_core::name::ServiceName;
use conduit_core::policy::ProbePolicy;
use conduit_core::service::ProbePath;
use conduit_core::shared_map::SharedMap;
use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::health::machine::{HealthMachine, Thresholds, Transition, Verdict};
use crate::health::probation::Probation;
use crate::health::probe::{Failure, Outcome};
use crate::pool::Pool;
use crate::table::{RouteTable, Watched};
use crate::upstream::Upstream;

mod traffic;

/// How upstreams are probed whose service does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// From one probe of an upstream to the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// What is asked when the service names no path.
    pub path: ProbePath,
    /// How many outcomes in a row change a state.
    pub thresholds: Thresholds,
}

impl ProbeSettings {
    /// How an upstream is probed for which `asked` is asked.
    pub fn pace(&self, asked: &ProbePolicy) -> ProbePace {
        let Thresholds { unhealthy_after, healthy_after } = self.thresholds;
        ProbePace {
            interval: asked.interval.map_or(self.interval, |span| span.get()),
            timeout: asked.timeout.map_or(self.timeout, |span| span.get()),
            thresholds: Thresholds {
                unhealthy_after: asked.unhealthy_after.map_or(unhealthy_after, u32::from),
                healthy_after: asked.healthy_after.map_or(healthy_after, u32::from),
            },
        }
    }
}

/// How often one upstream is probed, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbePace {
    /// From one probe to the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// How many outcomes in a row change its state.
    pub thresholds: Thresholds,
}

/// Every upstream with its history and its next probe.
#[derive(Debug, Default)]
pub struct ProbePlan {
    /// The pools whose upstreams are compared by their times to the first byte.
    timed: BTreeMap<ServiceName, Arc<Pool>>,
    entries: HashMap<Key, Entry, RandomState>,
    due: BTreeSet<(Instant, Key)>,
    /// What it was reconciled with last.
    watched: SharedMap<ServiceName, Watched>,
    jitter: Jitter,
}

/// Which upstream: the address of its `Arc`, which its entry holds, so that it cannot be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(usize);

impl Key {
    fn of(upstream: &Arc<Upstream>) -> Self {
        Self(Arc::as_ptr(upstream).addr())
    }
}

#[derive(Debug)]
struct Entry {
    pool: Arc<Pool>,
    upstream: Arc<Upstream>,
    machine: HealthMachine,
    probation: Probation,
    /// When it is due; `None` while its probe runs.
    due: Option<Instant>,
    /// When its last probe ended.
    ended: Option<Instant>,
    /// A report came while its probe ran.
    again: bool,
    /// It came after others and was not probed yet: what came at once would be probed at once for
    /// hours, so its second probe is anywhere in an interval.
    in_crowd: bool,
    /// Probes since it was ejected.
    rechecks: u32,
}

/// One upstream to probe, with its pool.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its key in the plan.
    pub key: Key,
    /// The pool it is in.
    pub pool: Arc<Pool>,
    /// The upstream.
    pub upstream: Arc<Upstream>,
}

impl ProbePlan {
    /// Takes over a newly published table, and returns the pools it has not seen before.
    ///
    /// New upstreams are due at once; when many come together, one after another at a steady pace.
    pub fn reconcile(&mut self, table: &RouteTable, now: Instant) -> Vec<Arc<Pool>> {
        let before = std::mem::replace(&mut self.watched, table.watched.clone());
        // What both share was reconciled before: looking at 10,000 pools for each registration would be
        // most of its work.
        let old = || before.unshared(&table.watched).map(|(_, watched)| watched.pool());
        for pool in old() {
            self.timed.remove(pool.service());
        }
        let (mut staying, mut new_pools) = (HashSet::new(), Vec::new());
        let mut first_at = now;
        for pool in table.watched.unshared(&before).map(|(_, watched)| watched.pool()) {
            if pool.settings().outliers.slow_factor.is_some() {
                self.timed.insert(pool.service().clone(), Arc::clone(pool));
            }
            let mut known = true;
            for upstream in pool.upstreams() {
                let key = Key::of(upstream);
                staying.insert(key);
                if let Some(entry) = self.entries.get_mut(&key) {
                    if !Arc::ptr_eq(&entry.pool, pool) {
                        entry.pool = Arc::clone(pool);
                        known = false;
                    }
                } else {
                    known = false;
                    self.add(key, pool, upstream, first_at, first_at > now);
                    first_at += FIRST_PACE;
                }
            }
            if !known {
                new_pools.push(Arc::clone(pool));
            }
        }
        let upstreams = old().flat_map(|pool| pool.upstreams());
        for key in upstreams.map(Key::of).filter(|key| !staying.contains(key)) {
            self.forget(key);
        }
        new_pools
    }

    /// When the next probe is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes an upstream whose probe is due; it is due again after [`ProbePlan::finish`].
    pub fn take_due(&mut self, now: Instant) -> Option<Target> {
        loop {
            let first = *self.due.first().filter(|(at, _)| *at <= now)?;
            self.due.remove(&first);
            if let Some(entry) = self.entries.get_mut(&first.1) {
                entry.due = None;
                return Some(Target {
                    key: first.1,
                    pool: Arc::clone(&entry.pool),
                    upstream: Arc::clone(&entry.upstream),
                });
            }
        }
    }

    /// Judges the outcome of a probe and plans the next one.
    ///
    /// Returns the upstream as it is in the table now, with its change of state; `None` when it is
    /// no longer there.
    pub fn finish(
        &mut self,
        key: Key,
        outcome: &Outcome,
        settings: &ProbeSettings,
        now: Instant,
    ) -> Option<(Target, Option<Transition>)> {
        let entry = self.entries.get_mut(&key)?;
        let pace = settings.pace(&entry.upstream.spec().policy.probing);
        let verdict = match outcome {
            // Probes passed all the time while traffic met failures.
            Outcome::Passed if entry.probation.holds(now) => Verdict::Unsure,
            Outcome::Passed => Verdict::Passed,
            Outcome::Failed(Failure::TimedOut(_))
                if entry.upstream.delivered_within(pace.interval, now) =>
            {
                Verdict::Unsure
            }
            Outcome::Failed(Failure::ProbeBroke) => Verdict::Unsure,
            Outcome::Failed(_) => Verdict::Failed,
        };
        let transition = entry.machine.observe(verdict, pace.thresholds);
        if transition == Some(Transition::Admitted) {
            entry.probation.end(now);
        }
        entry.rechecks = match (entry.machine.state(), transition) {
            (UpstreamState::Ejected, None) => entry.rechecks.saturating_add(1),
            _ => 0,
        };
        entry.ended = Some(now);
        let wait = if std::mem::take(&mut entry.again) {
            REPORTED_GAP
        } else {
            let rest = entry.probation.until().map(|until| until.saturating_duration_since(now));
            let wait = entry.wait(pace.interval);
            let wait = match std::mem::take(&mut entry.in_crowd) {
                true => self.jitter.spread(wait),
                false => self.jitter.shorten(wait),
            };
            rest.filter(|rest| !rest.is_zero()).map_or(wait, |rest| rest.min(wait))
        };
        let target =
            Target { key, pool: Arc::clone(&entry.pool), upstream: Arc::clone(&entry.upstream) };
        self.schedule(key, now + wait);
        Some((target, transition))
    }

    /// Takes a report of the request path: the upstream is probed at once, or as soon as its
    /// running probe is done.
    pub fn suspect(&mut self, upstream: &Arc<Upstream>, thresholds: Thresholds, now: Instant) {
        let key = Key::of(upstream);
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.machine.suspect(thresholds);
        match entry.due {
            Some(due) => {
                let earliest = entry.ended.map_or(now, |ended| now.max(ended + REPORTED_GAP));
                if earliest < due {
                    self.schedule(key, earliest);
                }
            }
            None => entry.again = true,
        }
    }

    /// Draws in what is due later than one interval of its own from now, after the interval of
    /// those without one became shorter.
    pub fn draw_in(&mut self, settings: &ProbeSettings, now: Instant) {
        let late: Vec<(Instant, Key)> =
            self.due.range((now + settings.interval, Key(0))..).copied().collect();
        for (at, key) in late {
            let Some(entry) = self.entries.get(&key) else {
                continue;
            };
            let interval = settings.pace(&entry.upstream.spec().policy.probing).interval;
            if at > now + interval {
                let wait = self.jitter.spread(interval);
                self.schedule(key, now + wait);
            }
        }
    }

    /// How many upstreams there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn add(
        &mut self,
        key: Key,
        pool: &Arc<Pool>,
        upstream: &Arc<Upstream>,
        at: Instant,
        in_crowd: bool,
    ) {
        self.entries.insert(
            key,
            Entry {
                pool: Arc::clone(pool),
                upstream: Arc::clone(upstream),
                machine: HealthMachine::new(upstream.probed()),
                probation: Probation::default(),
                due: Some(at),
                ended: None,
                again: false,
                in_crowd,
                rechecks: 0,
            },
        );
        self.due.insert((at, key));
    }

    fn schedule(&mut self, key: Key, at: Instant) {
        if let Some(entry) = self.entries.get_mut(&key) {
            if let Some(old) = entry.due.replace(at) {
                self.due.remove(&(old, key));
            }
            self.due.insert((at, key));
        }
    }

    fn forget(&mut self, key: Key) {
        if let Some(Entry { due: Some(at), .. }) = self.entries.remove(&key) {
            self.due.remove(&(at, key));
        }
    }
}

impl Entry {
    /// An ejected upstream is looked at sooner, so that a restart costs seconds; the longer it
    /// stays away, the rarer, down to the interval.
    fn wait(&self, interval: Duration) -> Duration {
        match self.machine.state() {
            UpstreamState::Ejected | UpstreamState::Draining => {
                let factor = 1_u32.checked_shl(self.rechecks).unwrap_or(u32::MAX);
                RECHECK_FIRST.saturating_mul(factor).min(interval)
            }
            UpstreamState::Admitted | UpstreamState::Unproven => interval,
        }
    }
}

/// Keeps probes from marching in step.
#[derive(Debug, Default)]
struct Jitter(fastrand::Rng);

impl Jitter {
    /// From nine tenths of `wait` to all of it: never later than promised.
    fn shorten(&mut self, wait: Duration) -> Duration {
        wait - self.spread(wait / 10)
    }

    /// From nothing to `wait`.
    fn spread(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(self.0.f64())
    }
}

/// Between the first probes of upstreams that come with one table.
const FIRST_PACE: Duration = Duration::from_millis(1);
/// To the first look at an ejected upstream; doubles with each look.
const RECHECK_FIRST: Duration = Duration::from_secs(1);
/// Between probes that reports ask for.
const REPORTED_GAP: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
