//! The views for people and `jq`: `services.json` and `audit.log`, in the seeds' formats.
//!
//! **Invariant:** they are written after a commit and never read back to decide anything; they are
//! current at most one second after a commit or a health flip, and what is missing or behind is
//! rebuilt. A view that cannot be written costs a warning, never a decision.
//!
//! `services.json` is written whole each time. Where that takes more than 80 ms, which is a matter
//! of thousands of services, the next write waits ten times as long as the last one took: it may
//! be that much behind instead of a second, and the disk is not kept busy by flapping upstreams.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_core::name::ServiceName;
use conduit_proxy::health::board::HealthBoard;
use conduit_registry::Registry;
use conduit_registry::view::RowHealth;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Keeps the views current.
#[derive(Debug)]
pub(crate) struct Views {
    directory: PathBuf,
    registry: Registry,
    board: HealthBoard,
    /// Whether another process has the directory.
    elsewhere: Arc<AtomicBool>,
}

impl Views {
    /// Views in this directory.
    pub(crate) fn new(
        directory: PathBuf,
        registry: Registry,
        board: HealthBoard,
        elsewhere: Arc<AtomicBool>,
    ) -> Self {
        Self { directory, registry, board, elsewhere }
    }

    /// Writes each view when something in it changed, until `stop`, and then both once more.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut head = self.registry.head();
        let (mut services, mut log) = (Due::now(), Due::now());
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = head.changed() => (services.is_stale, log.is_stale) = (true, true),
                () = self.board.changed() => services.is_stale = true,
                () = sleep_until(log.at), if log.is_stale => {
                    self.write_log().await;
                    log = Due::again(Duration::ZERO);
                }
                () = sleep_until(services.at), if services.is_stale => {
                    let began = Instant::now();
                    self.write_services().await;
                    services = Due::again(began.elapsed());
                }
            }
        }
        self.write_services().await;
        self.write_log().await;
    }

    async fn write_services(&self) {
        if self.elsewhere.load(Ordering::Acquire) {
            return;
        }
        let (board, now) = (self.board.clone(), Timestamp::now());
        let health = move |name: &ServiceName| {
            board.service(name, now).map(|health| RowHealth {
                health: health.health,
                last_probe_at: health.last_probe_at,
                response_time_ms: health.response_time_ms,
            })
        };
        if let Err(error) = self.registry.write_services(&self.directory, health).await {
            tracing::warn!(error = %Chain(&error), "cannot write services.json");
        }
    }

    async fn write_log(&self) {
        if self.elsewhere.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.registry.write_log(&self.directory).await {
            tracing::warn!(error = %Chain(&error), "cannot write audit.log");
        }
    }
}

/// When a view may be written again, and whether it needs to be.
#[derive(Debug)]
struct Due {
    at: Instant,
    is_stale: bool,
}

impl Due {
    fn now() -> Self {
        Self { at: Instant::now(), is_stale: true }
    }

    /// After a write that took this long.
    fn again(cost: Duration) -> Self {
        Self { at: Instant::now() + pause(cost), is_stale: false }
    }
}

/// Writing takes at most a tenth of the time, until a write takes more than 3 s.
fn pause(cost: Duration) -> Duration {
    cost.saturating_mul(PAUSE_PER_COST).clamp(DEBOUNCE, PAUSE_MAX)
}

/// Changes within this time are written together.
const DEBOUNCE: Duration = Duration::from_millis(800);
/// How many times as long as a write of `services.json` took the next one waits.
const PAUSE_PER_COST: u32 = 10;
/// The longest wait, however slow the disk is.
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_what_a_write_costs() {
        let ms = Duration::from_millis;
        for (cost, expected) in [(0, 800), (80, 800), (81, 810), (1_000, 10_000), (9_000, 30_000)] {
            assert_eq!(pause(ms(cost)), ms(expected), "{cost} ms");
        }
        assert_eq!(pause(Duration::MAX), PAUSE_MAX);
    }
}
