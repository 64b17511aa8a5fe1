//! The way from the request path to the prober.
//!
//! **Invariant:** a report never waits; what does not fit is dropped, since probes find out, too.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Upstream, UpstreamSpec};

/// What the request path saw of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// An operator wants it back; no request saw anything.
    AskedIn,
    /// It did not answer a connection attempt.
    ConnectFailed,
    /// It refused a connection.
    ConnectRefused,
    /// It did not answer a connection attempt in time.
    ConnectTimedOut,
    /// It closed a connection, or broke the protocol, before the head of its answer.
    NoAnswer,
    /// It answered that it, or what is behind it, does not work: 502, 503 or 504.
    Status(u16),
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AskedIn => f.write_str("admitted by hand"),
            Self::ConnectFailed => f.write_str("no connection"),
            Self::ConnectRefused => f.write_str("connection refused"),
            Self::ConnectTimedOut => f.write_str("no connection in time"),
            Self::NoAnswer => f.write_str("no whole answer"),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// Makes the queue between the request path and the prober.
pub fn reports() -> (Reports, ReportQueue) {
    let (sender, receiver) = mpsc::channel(REPORTS_MAX);
    let reports = Reports { sender, epoch: Instant::now(), ids: RandomState::new() };
    (reports, ReportQueue(receiver))
}

/// Where upstreams report; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reports {
    sender: mpsc::Sender<Report>,
    /// Moments are counted from here.
    epoch: Instant,
    /// What [`Upstream::id`] is made with.
    ids: RandomState,
}

impl Reports {
    /// A moment in milliseconds after the epoch.
    pub(super) fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1)
    }

    /// What stands for an upstream as long as this process lives.
    pub(super) fn id_of(&self, spec: &UpstreamSpec) -> u64 {
        self.ids.hash_one((spec.service.as_str(), &spec.addr))
    }

    /// The moment that is so many milliseconds after the epoch.
    pub(super) fn moment(&self, millis: u64) -> Instant {
        self.epoch + Duration::from_millis(millis)
    }

    /// Puts a report into the queue; whether it fitted.
    pub(super) fn send(&self, report: Report) -> bool {
        self.sender.try_send(report).is_ok()
    }
}

/// Where the prober reads.
#[derive(Debug)]
pub struct ReportQueue(mpsc::Receiver<Report>);

impl ReportQueue {
    /// The next report; `None` once no upstream is left to report.
    pub async fn next(&mut self) -> Option<Report> {
        let report = self.0.recv().await?;
        report.upstream.hear();
        Some(report)
    }
}

/// One report of the request path.
#[derive(Debug)]
pub struct Report {
    /// About this upstream.
    pub upstream: Arc<Upstream>,
    /// What was seen.
    pub observation: Observation,
}

/// How many reports wait for the prober; each upstream has at most one.
const REPORTS_MAX: usize = 4096;
