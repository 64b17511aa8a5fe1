//! What is done beside the commits: the anchor, the checkpoint, the gap.

use std::time::Duration;

use conduit_audit::Anchor;
use conduit_core::error::Chain;
use tokio::time::Instant;

use super::Writer;
use crate::publisher::Publisher;

impl<P: Publisher> Writer<P> {
    /// Notes that a commit happened.
    pub(super) fn note_commit(&mut self) {
        self.head.publish(self.store.head().clone().into());
        self.checkpoint_is_due = true;
        self.anchor_due.get_or_insert_with(|| Instant::now() + ANCHOR_LATE_MAX);
    }

    /// How long to wait for something to do before tidying up.
    pub(super) fn idle_after(&self) -> Duration {
        if self.doubt.is_some() || self.anchor_due.is_some() || self.checkpoint_is_due {
            IDLE_AFTER
        } else {
            LOSS_LATE_MAX
        }
    }

    pub(super) fn idle(&mut self) {
        self.resolve_doubt();
        self.record_loss();
        if self.anchor_due.is_some() {
            self.write_anchor();
        }
        if self.checkpoint_is_due {
            self.checkpoint();
        }
    }

    /// Under load there is no idle time, and the anchor must still come in time.
    pub(super) fn write_due_anchor(&mut self, now: Instant) {
        if self.anchor_due.is_some_and(|due| due <= now) {
            self.write_anchor();
        }
    }

    pub(super) fn write_anchor(&mut self) {
        self.anchor_due = None;
        let Some(anchor) = Anchor::of(self.store.head()) else {
            return;
        };
        if let Err(error) = anchor.write(self.store.seal_dir()) {
            // It may lag behind: it is tried again, and nothing depends on it.
            tracing::warn!(error = %Chain(&error), "the anchor of the record was not written");
            self.anchor_due = Some(Instant::now() + ANCHOR_LATE_MAX);
        }
    }

    pub(super) fn checkpoint(&mut self) {
        self.checkpoint_is_due = false;
        if let Err(error) = self.store.checkpoint() {
            // The log stays, and the next commit brings the next try.
            tracing::warn!(error = %Chain(&error), "the write-ahead log was not checkpointed");
        }
    }
}

/// Nothing to do for this long after a commit means idle.
const IDLE_AFTER: Duration = Duration::from_millis(200);
/// The anchor is at most this much later than the commit.
const ANCHOR_LATE_MAX: Duration = Duration::from_secs(1);
/// Losses are recorded at most this much later when nothing else happens.
const LOSS_LATE_MAX: Duration = Duration::from_secs(1);
