//! What traffic and operators do to the plan: upstreams go, and get another chance.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Key, ProbePlan, Target};
use crate::health::outliers::{self, Pace, Rules, Slow};
use crate::health::probation::Probation;
use crate::pool::Pool;
use crate::upstream::Upstream;

impl ProbePlan {
    /// Ejects an upstream at which as many requests in a row failed as its pool allows, and returns
    /// it with their number; `None` when it stays.
    pub fn eject_failing(
        &mut self,
        upstream: &Arc<Upstream>,
        now: Instant,
    ) -> Option<(Target, u32)> {
        let entry = self.entries.get(&Key::of(upstream))?;
        let failures = upstream.failures();
        let allowed = Rules::of(&entry.pool.settings().outliers).failures?;
        (failures >= allowed).then(|| self.eject(upstream, now)).flatten().map(|t| (t, failures))
    }

    /// Ejects the slowest upstream of each pool that has one that is too slow.
    pub fn eject_slow(&mut self, now: Instant) -> Vec<(Target, Slow)> {
        let mut ejected = Vec::new();
        let timed: Vec<_> = self.timed.values().map(Arc::clone).collect();
        for pool in timed {
            if let Some(slow) = self.slowest(&pool, now)
                && let Some(target) = self.eject(&pool.upstreams()[slow.place], now)
            {
                ejected.push((target, slow));
            }
        }
        ejected
    }

    /// Whether there is a pool to call [`ProbePlan::eject_slow`] for.
    pub fn compares_times(&self) -> bool {
        !self.timed.is_empty()
    }

    /// Lets an upstream in because an operator wants it: it is probed at once, and judged anew.
    pub fn pardon(&mut self, upstream: &Arc<Upstream>, now: Instant) -> Option<Target> {
        let key = Key::of(upstream);
        let entry = self.entries.get_mut(&key)?;
        entry.probation = Probation::default();
        let changed = entry.machine.pardon();
        let target =
            Target { key, pool: Arc::clone(&entry.pool), upstream: Arc::clone(&entry.upstream) };
        if entry.due.is_some() {
            self.schedule(key, now);
        } else {
            entry.again = true;
        }
        changed.then_some(target)
    }

    fn slowest(&self, pool: &Pool, now: Instant) -> Option<Slow> {
        let factor = Rules::of(&pool.settings().outliers).slow_factor?;
        let total = pool.upstreams().len();
        let admitted = || pool.upstreams().iter().enumerate().filter(|(_, u)| u.is_admitted());
        let paces = admitted().filter_map(|(place, upstream)| {
            let back = self.entries.get(&Key::of(upstream))?.probation.ended();
            let window = now.checked_sub(TIMES_WINDOW).unwrap_or(now);
            let from = back.map_or(window, |back| back.max(window));
            Pace::of(place, upstream.times_since(from))
        });
        let paces: Vec<_> = paces.collect();
        outliers::slowest(&paces, factor, total - admitted().count(), total)
    }

    /// Ejects an upstream for what traffic met, unless it is the last one or held back anyway.
    fn eject(&mut self, upstream: &Arc<Upstream>, now: Instant) -> Option<Target> {
        let key = Key::of(upstream);
        let entry = self.entries.get_mut(&key)?;
        let rules = Rules::of(&entry.pool.settings().outliers);
        let admitted = entry.pool.upstreams().iter().filter(|u| u.is_admitted()).count();
        if !upstream.is_admitted() || !rules.may_eject(admitted) {
            return None;
        }
        entry.machine.eject()?;
        entry.rechecks = 0;
        let length = entry.probation.begin(rules.probation, now);
        let target =
            Target { key, pool: Arc::clone(&entry.pool), upstream: Arc::clone(&entry.upstream) };
        if entry.due.is_some_and(|due| due > now + length) {
            self.schedule(key, now + length);
        }
        Some(target)
    }
}

/// Times to the first byte are compared over this long.
const TIMES_WINDOW: Duration = Duration::from_secs(60);
