//! The views for people and `jq`: `services.json` and `audit.log`, in the seeds' formats.
//!
//! **Invariant:** they are written after a commit and never read back to decide anything; they are
//! current at most one second after a commit or a health flip, and what is missing or behind is
//! rebuilt. A view that cannot be written costs a warning, never a decision.

use std::path::PathBuf;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_core::name::ServiceName;
use conduit_proxy::health::board::HealthBoard;
use conduit_registry::view::{AuditLog, RowHealth, services_json, write_services};
use conduit_registry::{Registry, RegistryError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Keeps the views current.
#[derive(Debug)]
pub(crate) struct Views {
    directory: PathBuf,
    registry: Registry,
    board: HealthBoard,
}

impl Views {
    /// Views in this directory.
    pub(crate) fn new(directory: PathBuf, registry: Registry, board: HealthBoard) -> Self {
        Self { directory, registry, board }
    }

    /// Writes the views when something changed, until `stop`, and then once more.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut head = self.registry.head();
        let mut tick = interval(DEBOUNCE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stale = true;
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = head.changed() => stale = true,
                () = self.board.changed() => stale = true,
                _ = tick.tick(), if stale => {
                    self.write().await;
                    stale = false;
                }
            }
        }
        self.write().await;
    }

    async fn write(&self) {
        if let Err(error) = self.write_services().await {
            tracing::warn!(error = %Chain(&error), "cannot write services.json");
        }
        if let Err(error) = self.append_entries().await {
            tracing::warn!(error = %Chain(&error), "cannot write audit.log");
        }
    }

    async fn write_services(&self) -> Result<(), RegistryError> {
        let generation = self.registry.catalog().load().generation();
        let rows = self.registry.rows(true).await?;
        let now = Timestamp::now();
        let health = |name: &ServiceName| {
            self.board.service(name, now).map(|health| RowHealth {
                health: health.health,
                last_probe_at: health.last_probe_at,
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of one probe")]
                response_time_ms: health.response_time_ms.map(|ms| ms as f64),
            })
        };
        write_services(&self.directory, &services_json(&rows, generation, health))
    }

    async fn append_entries(&self) -> Result<(), RegistryError> {
        let count = self.registry.head().load().count;
        let mut log = AuditLog::open(&self.directory, count)?;
        while log.next_sequence() < count {
            let entries = self.registry.entries_from(log.next_sequence(), ENTRIES_AT_ONCE).await?;
            if entries.is_empty() {
                break;
            }
            log.append(&entries)?;
        }
        Ok(())
    }
}

/// Changes within this time are written together.
const DEBOUNCE: Duration = Duration::from_millis(800);
/// How many entries are read at once.
const ENTRIES_AT_ONCE: u32 = 500;
