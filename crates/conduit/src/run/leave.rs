//! The end of a process whose work another one goes on with.
//!
//! **Invariant:** nothing here writes to the state. Streams are cut by nothing but their deadline, a
//! request to stop, or the death of the process that took over.

use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{ADMIN_GRACE, Orders, RECORDER_GRACE, Running, UPKEEP_GRACE, finish};
use crate::error::AppError;
use crate::planes::join;
use crate::upgrade::Handover;

impl Running {
    /// Finishes what is open, at most for `limit`, after another process has taken over.
    ///
    /// # Errors
    /// When that process has died: whoever watches over this one is to start another at once.
    pub(super) async fn leave(self, orders: &Orders, limit: Duration) -> Result<(), AppError> {
        let Self { registry, writer, stopping, mut planes, upkeep, api, recorder, .. } = self;
        stopping.store(true, Ordering::Release);
        let rest = async {
            // The answer to whoever asked for the upgrade is among them.
            tokio::join!(finish("admin", &api.tasks, ADMIN_GRACE), async {
                api.closed.cancelled().await;
                orders.handover.step_aside();
            });
            finish("recorder", &recorder, RECORDER_GRACE).await;
            finish("upkeep", &upkeep.0, UPKEEP_GRACE).await;
            registry.close().await;
        };
        let drained = async {
            tokio::join!(rest, planes.leave(limit, &orders.drain, &orders.now));
            None
        };
        let lost = tokio::select! {
            lost = drained => lost,
            lost = successor_lost(&orders.handover) => lost,
        };
        planes.stop_dns().await;
        planes.finish_logs().await;
        join(writer).await;
        lost.map_or(Ok(()), |status| Err(AppError::Successor(status)))
    }
}

/// Waits until the process that took over has ended: badly, or because all of them were told to.
/// Where somebody follows the main process, it may as well have given way to the next one.
async fn successor_lost(handover: &Handover) -> Option<ExitStatus> {
    match handover.successor_ended().await {
        status if !status.success() => Some(status),
        _ if Handover::is_followed() => std::future::pending().await,
        _ => None,
    }
}
