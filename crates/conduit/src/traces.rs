//! Traces on their way to a collector: records that workers hand over, sent in batches.
//!
//! **Invariant:** nobody waits for a collector. One that is down, slow or full costs spans, which
//! are counted; it is told once, and once more when it works again.

mod collector;
mod otlp;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conduit_core::tasks::Tasks;
use conduit_proxy::trace::{Trace, Tracer, Traces, queue};
use prometheus_client::collector::Collector as Collect;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::collector::{Collector, Outcome};
use self::otlp::Resource;
use crate::config;
use crate::error::AppError;

/// The running exporter.
#[derive(Debug)]
pub(crate) struct Exporter {
    tracer: Tracer,
    counts: Counts,
    tasks: Tasks,
}

/// What is counted about spans; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Spans that a collector took.
    pub(crate) exported: Arc<AtomicU64>,
    /// Spans that found no room in the queue.
    pub(crate) overflowed: Arc<AtomicU64>,
    /// Spans that a collector did not want.
    pub(crate) refused: Arc<AtomicU64>,
    /// Spans of batches that were given up.
    pub(crate) undelivered: Arc<AtomicU64>,
    /// Tries to hand a batch over that failed.
    pub(crate) failures: Arc<AtomicU64>,
}

impl Collect for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let read = |count: &AtomicU64| ConstCounter::new(count.load(Ordering::Relaxed));
        let counter = MetricType::Counter;
        for (name, help, count) in [
            ("trace_spans_exported", "Spans that the collector took", &self.exported),
            ("trace_exports_failed", "Batches that were not taken", &self.failures),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, counter)?;
            read(count).encode(metric)?;
        }
        let help = "Spans that the collector did not get";
        let mut metric = encoder.encode_descriptor("trace_spans_lost", help, None, counter)?;
        for (reason, count) in [
            ("queue", &self.overflowed),
            ("refused", &self.refused),
            ("undelivered", &self.undelivered),
        ] {
            read(count).encode(metric.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }
}

impl Exporter {
    /// Starts it when the configuration names a collector, whose certificate the system's roots or
    /// those of `bundle_pem` vouch for.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn start(
        telemetry: &config::Telemetry,
        bundle_pem: Option<&str>,
        tasks: &Tasks,
    ) -> Result<Option<Self>, AppError> {
        let Some(at) = &telemetry.otlp else { return Ok(None) };
        let collector = Collector::new(at.clone(), bundle_pem, telemetry.timeout)?;
        let (tracer, traces) = queue(telemetry.sample_ratio, telemetry.callers);
        let overflowed = Arc::clone(traces.lost());
        let counts = Counts { overflowed, ..Counts::default() };
        let tasks = tasks.child();
        let work = Work {
            traces,
            collector,
            resource: Resource::of(&telemetry.service_name),
            counts: counts.clone(),
            stop: tasks.stop().clone(),
            is_failing: false,
        };
        tasks.service("trace exporter", work.run());
        Ok(Some(Self { tracer, counts, tasks }))
    }

    /// What workers record with.
    pub(crate) fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// What is counted.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Hands over what is there, if that goes quickly, and ends.
    pub(crate) async fn finish(self) {
        self.tasks.stop().cancel();
        if timeout(GRACE, self.tasks.finish()).await.is_err() {
            tracing::warn!("the last traces were not handed over in time");
        }
    }
}

struct Work {
    traces: Traces,
    collector: Collector,
    resource: Resource,
    counts: Counts,
    stop: CancellationToken,
    is_failing: bool,
}

impl Work {
    async fn run(mut self) {
        loop {
            // Records gather meanwhile, and nobody has to wake us for each.
            let stopping = self.stop.run_until_cancelled(sleep(INTERVAL)).await.is_none();
            loop {
                let batch = self.gather();
                if batch.is_empty() {
                    break;
                }
                self.deliver(&batch).await;
            }
            if stopping {
                return;
            }
        }
    }

    /// What is there, up to a batch.
    fn gather(&self) -> Vec<Trace> {
        let mut batch = Vec::new();
        let mut spans = 0;
        while spans < BATCH_SPANS
            && let Some(trace) = self.traces.ready()
        {
            spans += trace.spans();
            batch.push(*trace);
        }
        batch
    }

    async fn deliver(&mut self, batch: &[Trace]) {
        let spans: u64 = batch.iter().map(Trace::spans).sum();
        let body = otlp::encode(&self.resource, batch);
        let mut pause = PAUSE_MIN;
        for attempt in 1..=ATTEMPTS_MAX {
            match self.collector.send(body.clone()).await {
                Outcome::Taken { refused, reason } => {
                    let refused = refused.min(spans);
                    self.counts.exported.fetch_add(spans - refused, Ordering::Relaxed);
                    self.refuse(refused, &reason);
                    self.works();
                    return;
                }
                Outcome::Refused { reason } => {
                    self.counts.failures.fetch_add(1, Ordering::Relaxed);
                    self.refuse(spans, &reason);
                    return;
                }
                Outcome::Failed { reason, after } => {
                    self.counts.failures.fetch_add(1, Ordering::Relaxed);
                    self.fails(&reason);
                    let wait = after.unwrap_or(pause).min(PAUSE_MAX);
                    let is_last = attempt == ATTEMPTS_MAX;
                    if is_last || self.stop.run_until_cancelled(sleep(wait)).await.is_none() {
                        break;
                    }
                    pause *= 2;
                }
            }
        }
        self.counts.undelivered.fetch_add(spans, Ordering::Relaxed);
    }

    fn refuse(&self, spans: u64, reason: &str) {
        if spans > 0 {
            self.counts.refused.fetch_add(spans, Ordering::Relaxed);
            tracing::debug!(spans, reason, "the collector refused spans");
        }
    }

    fn fails(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let collector = self.collector.at();
            tracing::warn!(%collector, reason, "traces cannot be handed over; spans will be lost");
        }
    }

    fn works(&mut self) {
        if std::mem::replace(&mut self.is_failing, false) {
            tracing::info!(collector = %self.collector.at(), "traces are handed over again");
        }
    }
}

/// Between two looks into the queue.
const INTERVAL: Duration = Duration::from_secs(1);
/// From this many spans on a batch is full.
const BATCH_SPANS: u64 = 512;
/// How often a batch is tried to be handed over, and the pauses between, which double. New records
/// wait in the queue meanwhile.
const ATTEMPTS_MAX: u32 = 5;
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// What handing over the last records of a process may take.
const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
