//! The one task that writes health.
//!
//! It follows the published table, runs what the plan says is due, judges, and then, in this order:
//! stores the state, rebuilds the pool's selection, reports the change.
//!
//! **Invariant:** at most [`PROBES_MAX`] probes run at once; a probe that hangs or panics costs its
//! own timeout and nothing else.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::event::{Event, EventSink};
use conduit_core::health::{Health, UpstreamState};
use conduit_core::live;
use conduit_core::tasks::Tasks;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::health::board::HealthBoard;
use crate::health::machine::Transition;
use crate::health::plan::{Key, ProbePlan, ProbeSettings, Target};
use crate::health::probe::{Ask, Failure, Finding, Outcome, Probe};
use crate::pool::Pool;
use crate::resolve::Resolver;
use crate::table::RouteTable;
use crate::upstream::{LastProbe, Observation, Report, ReportQueue};

/// Runs probes; the real one is [`Resolver`], which connects.
pub trait Check: Clone + Send + Sync + 'static {
    /// Runs one probe to its end.
    fn check(&self, probe: Probe) -> impl Future<Output = Finding> + Send;
}

impl Check for Resolver {
    async fn check(&self, probe: Probe) -> Finding {
        probe.run(self).await
    }
}

/// Probes every upstream of the published table.
#[derive(Debug)]
pub struct Prober<C = Resolver> {
    table: live::Reader<RouteTable>,
    settings: live::Reader<ProbeSettings>,
    check: C,
    reports: ReportQueue,
    events: EventSink,
    news: watch::Sender<()>,
    plan: ProbePlan,
    running: usize,
    ended: mpsc::Sender<Ended>,
    ends: mpsc::Receiver<Ended>,
}

impl<C: Check> Prober<C> {
    /// A prober of what `table` holds, and the board where its findings are read.
    pub fn new(
        table: live::Reader<RouteTable>,
        settings: live::Reader<ProbeSettings>,
        check: C,
        reports: ReportQueue,
        events: EventSink,
    ) -> (Self, HealthBoard) {
        let (news, heard) = watch::channel(());
        let (ended, ends) = mpsc::channel(PROBES_MAX);
        let board = HealthBoard::new(table.clone(), heard);
        let prober = Self {
            table,
            settings,
            check,
            reports,
            events,
            news,
            plan: ProbePlan::default(),
            running: 0,
            ended,
            ends,
        };
        (prober, board)
    }

    /// Starts probing; ends when `tasks` stop.
    pub fn start(self, tasks: &Tasks) {
        let own = tasks.clone();
        tasks.service("prober", async move { self.run(&own).await });
    }

    async fn run(mut self, tasks: &Tasks) {
        self.reconcile();
        let mut compare_at = Instant::now() + COMPARE_INTERVAL;
        loop {
            self.start_due(tasks);
            let next = self.plan.next_due().filter(|_| self.running < PROBES_MAX);
            tokio::select! {
                biased;
                () = tasks.stop().cancelled() => return,
                Some(ended) = self.ends.recv() => self.finish(ended),
                () = self.table.changed() => self.reconcile(),
                () = self.settings.changed() => {
                    let settings = self.settings.load_full();
                    self.plan.draw_in(&settings, Instant::now());
                }
                Some(report) = self.reports.next() => self.hear(&report),
                () = sleep_until(compare_at), if self.plan.compares_times() => {
                    compare_at = Instant::now() + COMPARE_INTERVAL;
                    self.compare();
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    fn reconcile(&mut self) {
        let table = self.table.load_full();
        for pool in self.plan.reconcile(&table, Instant::now()) {
            // A flip between compiling the pool and publishing it went to the pool before it.
            pool.refresh();
        }
    }

    fn hear(&mut self, report: &Report) {
        let (upstream, observation, now) = (&report.upstream, report.observation, Instant::now());
        tracing::debug!(service = %upstream.service(), upstream = %upstream.addr(), ?observation,
            "the request path reports an upstream");
        if observation == Observation::AskedIn {
            if let Some(target) = self.plan.pardon(upstream, now) {
                self.flip(&target, UpstreamState::Admitted, &observation.to_string());
            }
        } else if let Some((target, failures)) = self.plan.eject_failing(upstream, now) {
            self.eject(&target, format!("{failures} failures in a row: {observation}"));
        } else if !matches!(observation, Observation::Status(_)) {
            // What answers, whatever it says, needs no probe to find out whether it is there.
            let pace = self.settings.load().pace(&upstream.spec().policy.probing);
            self.plan.suspect(upstream, pace.thresholds, now);
        }
    }

    fn compare(&mut self) {
        for (target, slow) in self.plan.eject_slow(Instant::now()) {
            self.eject(&target, slow.to_string());
        }
    }

    fn eject(&self, target: &Target, reason: String) {
        target.upstream.set_ejected_for(Some(reason.clone()));
        self.flip(target, UpstreamState::Ejected, &reason);
    }

    fn start_due(&mut self, tasks: &Tasks) {
        let settings = self.settings.load_full();
        while self.running < PROBES_MAX {
            let Some(target) = self.plan.take_due(Instant::now()) else {
                return;
            };
            self.running += 1;
            let guard = EndGuard { key: target.key, finding: None, ended: self.ended.clone() };
            let probe = probe_of(&target, &settings);
            let (check, stop) = (self.check.clone(), tasks.stop().clone());
            tasks.job("probe", async move {
                let mut guard = guard;
                tokio::select! {
                    () = stop.cancelled() => {}
                    finding = check.check(probe) => guard.finding = Some(finding),
                }
            });
        }
    }

    fn finish(&mut self, ended: Ended) {
        self.running -= 1;
        let settings = self.settings.load_full();
        let Ended { key, finding } = ended;
        let judged = self.plan.finish(key, &finding.outcome, &settings, Instant::now());
        let Some((target, transition)) = judged else {
            return;
        };
        let upstream = &target.upstream;
        let first = upstream.last_probe().is_none();
        if let Some(socket) = finding.socket {
            upstream.set_resolved(socket);
        }
        let reason = finding.outcome.to_string();
        upstream.set_last_probe(LastProbe {
            at: Timestamp::now(),
            latency: finding.latency,
            outcome: finding.outcome,
        });
        if let Some(transition) = transition {
            self.flip(&target, state_after(transition), &reason);
        } else if first {
            self.news.send_replace(());
        }
    }

    /// Stores a state, rebuilds the selection, tells.
    fn flip(&self, target: &Target, state: UpstreamState, reason: &str) {
        let Target { pool, upstream, .. } = target;
        let was = Was { health: pool.health(), state: upstream.state() };
        if state != UpstreamState::Ejected {
            upstream.set_ejected_for(None);
        }
        upstream.set_state(state);
        pool.refresh();
        self.tell(target, was, pool.health(), reason);
        self.news.send_replace(());
    }

    /// Logs the flip, and reports a change of the service's health. That what was never probed
    /// turned out well is neither: it had its traffic all along.
    fn tell(&self, target: &Target, was: Was, current: Health, reason: &str) {
        let Target { pool, upstream, .. } = target;
        let (service, addr, state) = (pool.service(), upstream.addr(), upstream.state());
        let previous = was.health;
        let proven = was.state == UpstreamState::Unproven && state == UpstreamState::Admitted;
        if proven || was.state == state {
            tracing::debug!(%service, upstream = %addr, "the first probe of an upstream passed");
        } else {
            tracing::info!(%service, upstream = %addr, %state, %previous, health = %current, reason,
                "an upstream changed state");
        }
        let learned = previous == Health::Unknown && current == Health::Healthy;
        if previous != current && !learned {
            self.events.send(Event::HealthChanged {
                at: Timestamp::now(),
                service: pool.service().clone(),
                previous,
                current,
                upstream: upstream.addr().clone(),
                reason: reason.to_owned(),
            });
        }
    }
}

/// How things stood before a probe ended.
struct Was {
    health: Health,
    state: UpstreamState,
}

fn probe_of(target: &Target, settings: &ProbeSettings) -> Probe {
    let (pool, upstream): (&Arc<Pool>, _) = (&target.pool, &target.upstream);
    Probe {
        addr: upstream.addr().clone(),
        last: upstream.socket(),
        transport: Arc::clone(upstream.transport()),
        ask: Ask::of(
            upstream.probe(),
            &upstream.spec().policy.probing,
            settings.path.as_str(),
            &upstream.spec().host_field(pool.host()),
        ),
        timeout: settings.pace(&upstream.spec().policy.probing).timeout,
    }
}

fn state_after(transition: Transition) -> UpstreamState {
    match transition {
        Transition::Admitted => UpstreamState::Admitted,
        Transition::Ejected => UpstreamState::Ejected,
    }
}

/// A probe that ended.
#[derive(Debug)]
struct Ended {
    key: Key,
    finding: Finding,
}

/// Says that a probe ended, also when it panicked.
struct EndGuard {
    key: Key,
    finding: Option<Finding>,
    ended: mpsc::Sender<Ended>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let finding = self.finding.take().unwrap_or(Finding {
            outcome: Outcome::Failed(Failure::ProbeBroke),
            socket: None,
            latency: Duration::ZERO,
        });
        let ended = Ended { key: self.key, finding };
        // Invariant: the queue has a place for each running probe; it only fails once the prober
        // is gone, and then nobody wants to know.
        drop(self.ended.try_send(ended));
    }
}

/// How often times to the first byte are compared, where that was asked for.
const COMPARE_INTERVAL: Duration = Duration::from_secs(5);
/// How many probes run at once.
pub const PROBES_MAX: usize = 256;

#[cfg(test)]
mod tests;
