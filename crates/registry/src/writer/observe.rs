//! Observations: recorded after they happened, in batches.

use std::sync::atomic::Ordering;

use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use serde_json::{Map, json};
use tokio::sync::mpsc;

use super::Writer;
use crate::error::RegistryError;
use crate::publisher::Publisher;
use crate::store::{CommitError, Writes};

impl<P: Publisher> Writer<P> {
    /// Records an observation with what is queued behind it, and the loss if there was any.
    pub(super) fn observe(&mut self, first: Draft, queue: &mut mpsc::Receiver<Draft>) {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        self.write(batch);
    }

    /// Records the loss when nothing else is there to be recorded with it.
    pub(super) fn record_loss(&mut self) {
        if self.lost.pending.load(Ordering::Relaxed) > 0 {
            self.write(Vec::new());
        }
    }

    fn write(&mut self, batch: Vec<Draft>) {
        let many = batch.len() > 1;
        if let Err((error, mut batch)) = self.try_write(batch) {
            // One that cannot be recorded at all, being too large, must not take others with it.
            let is_the_drafts_fault =
                matches!(&error, RegistryError::Record(e) if e.sqlite().is_none());
            if many && is_the_drafts_fault {
                batch.drain(..).for_each(|draft| self.write(vec![draft]));
                return;
            }
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            tracing::warn!(error = %Chain(&error), count, "observations were not recorded");
            self.lost.add(count);
        }
    }

    /// Records a batch, and the loss before it; gives the batch back when that fails.
    fn try_write(&mut self, mut batch: Vec<Draft>) -> Result<(), (RegistryError, Vec<Draft>)> {
        if !self.resolve_doubt() {
            return Err((RegistryError::OutcomeUnknown, batch));
        }
        let now = Timestamp::now();
        let lost = self.lost.pending.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch.push(gap(lost, now));
        }
        match self.store.commit(&Writes::of_drafts(&batch, now)) {
            Ok(()) => self.note_commit(),
            Err(CommitError::InDoubt { next }) => self.doubt_entries(next),
            Err(CommitError::RolledBack(error)) => {
                if lost > 0 {
                    batch.pop();
                    self.lost.pending.fetch_add(lost, Ordering::Relaxed);
                }
                return Err((error, batch));
            }
        }
        Ok(())
    }
}

fn gap(lost: u64, now: Timestamp) -> Draft {
    let mut details = Map::new();
    details.insert("lost".into(), json!(lost));
    Draft {
        at: now,
        actor: Actor::System("registry"),
        action: Action::Gap,
        status: Status::Failure,
        message: format!("{lost} observations could not be recorded"),
        details,
    }
}

/// Entries in one transaction of observations.
const BATCH_MAX: usize = 256;
