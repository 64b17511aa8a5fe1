//! The end of serving sockets that another process serves from now on.
//!
//! **Invariant:** what was read is answered; what was not read yet is the other process's.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use conduit_core::tasks::Tasks;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Tells the loops of [`Listeners`](crate::bind::Listeners) to leave; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Leaving {
    begun: CancellationToken,
    jobs: Arc<OnceLock<Tasks>>,
}

impl Leaving {
    /// Stops reading and accepting at once, and waits until everything that was read is answered
    /// and connections are quiet, at most for [`GRACE`].
    pub async fn leave(&self) {
        self.begun.cancel();
        if let Some(jobs) = self.jobs.get()
            && timeout(GRACE, jobs.finish()).await.is_err()
        {
            tracing::warn!(open = jobs.len(), "DNS connections are cut after an upgrade");
        }
    }

    /// Whether another process serves the sockets.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Waits until another process does.
    pub(crate) async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Runs something for at most `limit`, and for a moment only once leaving has begun.
    pub(crate) async fn at_most<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            done = timeout(limit, work.as_mut()) => return done.ok(),
            () = self.begun() => {}
        }
        timeout(QUIET, work).await.ok()
    }

    /// The jobs that leaving waits for: a set below `tasks`.
    pub(crate) fn jobs(&self, tasks: &Tasks) -> Tasks {
        self.jobs.get_or_init(|| tasks.child()).clone()
    }
}

/// How long answers that are under way get, forwarded ones included.
pub const GRACE: Duration = Duration::from_secs(15);
/// A connection that asks nothing for this long is closed once another process has taken over.
const QUIET: Duration = Duration::from_secs(1);
