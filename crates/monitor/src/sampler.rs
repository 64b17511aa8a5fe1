//! Reads one source again and again, on a schedule of its own.
//!
//! **Invariant:** a read ends at its deadline; one that is late is followed by the next whole
//! interval, not by a burst. A sampler waits for nobody but the keeper.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::node::NodeName;
use crate::reading::Reading;
use crate::source::{Source, SourceError, SourceKind};

/// When a source is read, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Before the first read: many sources do not all begin at once.
    pub delay: Duration,
    /// Between two reads.
    pub interval: Duration,
    /// How long one read may take.
    pub deadline: Duration,
}

impl Pace {
    /// Reads at once and then at this interval, each for as long as a read may take at all.
    pub fn every(interval: Duration) -> Self {
        Self {
            delay: Duration::ZERO,
            interval,
            deadline: interval.clamp(DEADLINE_MIN, DEADLINE_MAX),
        }
    }

    /// The same, a while later: the place of a source among many that share one interval.
    #[must_use]
    pub fn spread(self, place: usize) -> Self {
        let step = SPREAD.saturating_mul(u32::try_from(place).unwrap_or(u32::MAX));
        Self { delay: step.min(self.interval), ..self }
    }
}

/// What became of one read.
#[derive(Debug)]
pub struct Report {
    /// Which node was read.
    pub node: NodeName,
    /// Which of its sources.
    pub kind: SourceKind,
    /// When it ended, by this gateway's clock.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What was found.
    pub outcome: Result<Reading, SourceError>,
}

/// Reads `source` until nobody takes its reports any more; `wake` asks for a read before its time.
pub async fn sample<T: From<Report>>(
    mut source: Box<dyn Source>,
    pace: Pace,
    wake: Arc<Notify>,
    reports: mpsc::Sender<T>,
) {
    let mut due = interval_at(Instant::now() + pace.delay, pace.interval);
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = wake.notified() => {}
        }
        let began = Instant::now();
        let outcome = timeout(pace.deadline, source.read()).await;
        let report = Report {
            node: source.node().clone(),
            kind: source.kind(),
            at: Timestamp::now(),
            took: began.elapsed(),
            outcome: outcome.unwrap_or(Err(SourceError::TimedOut(pace.deadline))),
        };
        if reports.send(report.into()).await.is_err() {
            return;
        }
    }
}

/// The shortest deadline: an interval of a second leaves a machine over SSH time to answer.
const DEADLINE_MIN: Duration = Duration::from_secs(5);
/// The longest: `nvidia-smi` may take 8 seconds before it is given up.
const DEADLINE_MAX: Duration = Duration::from_secs(20);
/// Between the first reads of two sources.
const SPREAD: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::BoxFuture;

    /// Answers at once, but for the second time, when it hangs.
    struct Moody(NodeName, u32);

    impl Source for Moody {
        fn node(&self) -> &NodeName {
            &self.0
        }

        fn kind(&self) -> SourceKind {
            SourceKind::Host
        }

        fn read(&mut self) -> BoxFuture<'_, Result<Reading, SourceError>> {
            self.1 += 1;
            let hangs = self.1 == 2;
            Box::pin(async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok(Reading::empty(Timestamp::from_seconds(0)))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_is_given_up_and_asked_again_in_its_turn() {
        let (sender, mut reports) = mpsc::channel::<Report>(1);
        let wake = Arc::new(Notify::new());
        let name = NodeName::parse("here").expect("a name");
        let pace = Pace::every(Duration::from_secs(30));
        let sampling = sample(Box::new(Moody(name, 0)), pace, Arc::clone(&wake), sender);
        let began = Instant::now();
        let reading = async {
            let mut ends = Vec::new();
            for _ in 0..4 {
                let report = reports.recv().await.expect("a report");
                ends.push((began.elapsed().as_secs(), report.outcome.is_ok()));
                if ends.len() == 3 {
                    wake.notify_one();
                }
            }
            drop(reports);
            wake.notify_one();
            ends
        };
        let ((), ends) = tokio::join!(sampling, reading);
        assert_eq!(ends, [(0, true), (50, false), (60, true), (60, true)]);
    }

    #[test]
    fn many_sources_begin_one_after_the_other_within_one_interval() {
        let pace = Pace::every(Duration::from_secs(30));
        assert_eq!(pace.spread(3).delay, SPREAD * 3);
        assert_eq!(pace.spread(usize::MAX).delay, pace.interval);
    }
}
