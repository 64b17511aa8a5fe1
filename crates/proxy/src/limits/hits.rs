//! Which limits were reached, and how often.
//!
//! **Invariant:** whatever is ended, refused or made to wait because it reached a bound of the proxy
//! is counted here under one word, and said in the log at most once per [`QUIET`] and word: whoever
//! floods us does not flood the log.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use tokio::time::Instant;

/// A bound that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Too many passwords are being checked.
    AuthBusy,
    /// An address failed too often to say who it is.
    AuthFailures,
    /// A request's body is larger than its service takes.
    BodySize,
    /// A request's body comes too slowly.
    BodyRate,
    /// A client takes or sends nothing.
    ClientTime,
    /// All connections are in use.
    Connections,
    /// One client has too many of them.
    ConnectionsPerClient,
    /// The process has no file descriptors left.
    FileDescriptors,
    /// An upstream does not begin to answer.
    FirstByteTime,
    /// DATA frames with nothing, or next to nothing, in them.
    H2Data,
    /// CONTINUATION frames without end (CVE-2024-27316).
    H2Continuation,
    /// Heads of responses without requests.
    H2Headers,
    /// Frames that mean nothing.
    H2Other,
    /// PING frames (CVE-2019-9512).
    H2Ping,
    /// Priorities (CVE-2019-9513).
    H2Priority,
    /// Streams that are opened and given up (CVE-2023-44487).
    H2Reset,
    /// Streams that we are made to reset (CVE-2025-8671).
    H2ResetProvoked,
    /// SETTINGS frames (CVE-2019-9515).
    H2Settings,
    /// WINDOW_UPDATE frames.
    H2WindowUpdate,
    /// Requests over HTTP/3 that are made and given up.
    H3Left,
    /// A TLS handshake takes too long.
    HandshakeTime,
    /// A request's head is too long, or has too many lines.
    HeadSize,
    /// A request's head takes too long.
    HeadTime,
    /// A connection has nothing to do.
    IdleTime,
    /// A request's line is too long.
    RequestLine,
    /// More requests than a service's policy allows.
    RequestRate,
    /// No upstream had room in time.
    Queue,
    /// What an upstream sends has no head, or one without end.
    UpstreamHead,
    /// An upstream falls silent in its answer.
    UpstreamIdleTime,
}

impl Limit {
    /// Every limit and its stable word, in the order of their discriminants.
    const ALL: [(Self, &'static str); 29] = [
        (Self::AuthBusy, "auth_busy"),
        (Self::AuthFailures, "auth_failures"),
        (Self::BodySize, "body_size"),
        (Self::BodyRate, "body_rate"),
        (Self::ClientTime, "client_time"),
        (Self::Connections, "connections"),
        (Self::ConnectionsPerClient, "connections_per_client"),
        (Self::FileDescriptors, "file_descriptors"),
        (Self::FirstByteTime, "first_byte_time"),
        (Self::H2Data, "h2_data"),
        (Self::H2Continuation, "h2_continuation"),
        (Self::H2Headers, "h2_headers"),
        (Self::H2Other, "h2_other"),
        (Self::H2Ping, "h2_ping"),
        (Self::H2Priority, "h2_priority"),
        (Self::H2Reset, "h2_reset"),
        (Self::H2ResetProvoked, "h2_reset_provoked"),
        (Self::H2Settings, "h2_settings"),
        (Self::H2WindowUpdate, "h2_window_update"),
        (Self::H3Left, "h3_left"),
        (Self::HandshakeTime, "handshake_time"),
        (Self::HeadSize, "head_size"),
        (Self::HeadTime, "head_time"),
        (Self::IdleTime, "idle_time"),
        (Self::RequestLine, "request_line"),
        (Self::RequestRate, "request_rate"),
        (Self::Queue, "queue"),
        (Self::UpstreamHead, "upstream_head"),
        (Self::UpstreamIdleTime, "upstream_idle_time"),
    ];

    /// The stable word for it.
    pub(crate) fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether an operator has something to do about it, or an attack to see.
    fn is_remarkable(self) -> bool {
        !matches!(
            self,
            Self::BodySize
                | Self::ClientTime
                | Self::FirstByteTime
                | Self::IdleTime
                | Self::Queue
                | Self::RequestRate
                | Self::UpstreamIdleTime
        )
    }
}

/// How often each limit was reached, over all workers; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hits(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    began: Instant,
    hits: [AtomicU64; Limit::ALL.len()],
    /// When each was last said in the log, in milliseconds since the beginning, and one.
    said: [AtomicU64; Limit::ALL.len()],
}

impl Default for Hits {
    fn default() -> Self {
        Self(Arc::new(Counts {
            began: Instant::now(),
            hits: [const { AtomicU64::new(0) }; Limit::ALL.len()],
            said: [const { AtomicU64::new(0) }; Limit::ALL.len()],
        }))
    }
}

impl Hits {
    /// A limit was reached.
    pub(crate) fn count(&self, limit: Limit) {
        self.add(limit, 1);
    }

    /// A limit was reached by this client.
    pub(crate) fn count_by(&self, limit: Limit, client: IpAddr) {
        self.0.hits[limit as usize].fetch_add(1, Ordering::Relaxed);
        if self.may_say(limit) {
            tracing::warn!(limit = limit.word(), %client, "a limit was reached");
        }
    }

    /// A limit was reached this many times.
    pub(crate) fn add(&self, limit: Limit, times: u64) {
        if times == 0 {
            return;
        }
        self.0.hits[limit as usize].fetch_add(times, Ordering::Relaxed);
        if self.may_say(limit) {
            tracing::warn!(limit = limit.word(), times, "a limit was reached");
        }
    }

    /// How often a limit was reached.
    #[cfg(test)]
    pub(crate) fn of(&self, limit: Limit) -> u64 {
        self.0.hits[limit as usize].load(Ordering::Relaxed)
    }

    fn may_say(&self, limit: Limit) -> bool {
        if !limit.is_remarkable() {
            return false;
        }
        let now = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        let said = &self.0.said[limit as usize];
        let last = said.load(Ordering::Relaxed);
        let quiet = u64::try_from(QUIET.as_millis()).unwrap_or(u64::MAX);
        (last == 0 || now.saturating_sub(last) >= quiet)
            && said.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Shows all of them, those that were never reached, too.
    pub(crate) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(
            "proxy_limit_hits",
            "What was ended, refused or made to wait because it reached a limit",
            None,
            MetricType::Counter,
        )?;
        for ((_, word), count) in Limit::ALL.iter().zip(&self.0.hits) {
            let labels = [("limit", *word)];
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// How long nothing more is said of a limit in the log.
const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_its_place_and_its_word() {
        let mut words = Vec::new();
        for (place, (limit, _)) in Limit::ALL.iter().enumerate() {
            assert_eq!(*limit as usize, place, "{limit:?}");
            words.push(limit.word());
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Limit::ALL.len());
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_hears_of_a_flood_now_and_then() {
        let hits = Hits::default();
        let mut said = 0;
        for _ in 0..1_000 {
            hits.count(Limit::H2Other);
            said += u32::from(hits.may_say(Limit::H2Ping));
            tokio::time::advance(Duration::from_millis(25)).await;
        }
        assert_eq!(said, 3);
        assert!(!hits.may_say(Limit::IdleTime));
        assert_eq!((hits.of(Limit::H2Other), hits.of(Limit::H2Ping)), (1_000, 0));
    }
}
