//! Standing still while another process has the database.

use tokio::sync::{mpsc, oneshot};

use super::Writer;
use crate::error::RegistryError;
use crate::handover::PauseWish;
use crate::publisher::Publisher;
use crate::registry::Decision;
use crate::rejection::ApplyError;

impl<P: Publisher> Writer<P> {
    /// Lets go of the database until it is taken back; says whether it was.
    pub(super) async fn pause(&mut self, wish: PauseWish) -> bool {
        if !self.resolve_doubt() {
            wish.reply.send(Err(RegistryError::OutcomeUnknown)).ok();
            return true;
        }
        self.record_loss();
        self.write_anchor();
        self.checkpoint();
        if let Err(error) = self.store.let_go(wish.keep_copy) {
            wish.reply.send(Err(error)).ok();
            return true;
        }
        let (back, taken) = oneshot::channel();
        if wish.reply.send(Ok(back)).is_err() {
            // Nobody waits any more, so nobody has it.
            return self.take_back().is_ok();
        }
        let Ok(reply) = taken.await else {
            self.store.forget_copy();
            return false;
        };
        let taken = self.take_back();
        let is_back = taken.is_ok();
        reply.send(taken).ok();
        is_back
    }

    fn take_back(&mut self) -> Result<bool, RegistryError> {
        let is_restored = self.store.take_back(self.version.generation)?;
        // The other process may have appended entries, and the anchor follows the record.
        self.head.publish(self.store.head().clone().into());
        self.write_anchor();
        Ok(is_restored)
    }
}

/// Refuses what waits: the database is somebody else's.
pub(super) fn refuse(decisions: &mut mpsc::Receiver<Decision>) {
    decisions.close();
    while let Ok(decision) = decisions.try_recv() {
        match decision {
            Decision::Apply(wish) => {
                // Who asked may have gone away.
                wish.reply.send(Err(ApplyError::ShuttingDown)).ok();
            }
            Decision::Close(done) => {
                done.send(()).ok();
            }
            Decision::Pause(_) => {}
        }
    }
}
