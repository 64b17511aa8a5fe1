//! The admin API on threads of its own.
//!
//! **Invariant:** whatever is asked of it, probes, checks and the record go on: they share no thread
//! with it.

use conduit_admin::server::Bound;
use conduit_admin::state::AdminState;
use conduit_core::tasks::Tasks;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::error::AppError;
use crate::memory;

/// The API, which serves.
pub(crate) struct Api {
    /// What goes on in it.
    pub(crate) tasks: Tasks,
    /// Cancelled once nothing is accepted any more.
    pub(crate) closed: CancellationToken,
    _threads: Threads,
}

impl Api {
    /// Serves from what is bound.
    ///
    /// # Errors
    /// When the threads cannot be started, or a socket cannot listen.
    pub(crate) fn serve(bound: Bound, state: AdminState, tasks: Tasks) -> Result<Self, AppError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("admin")
            .on_thread_park(memory::about_to_wait)
            .enable_all()
            .build()
            .map_err(|source| AppError::Runtime { what: "the admin runtime", source })?;
        let closed = {
            let _entered = runtime.enter();
            bound.serve(state, &tasks).map_err(AppError::Admin)?
        };
        Ok(Self { tasks, closed, _threads: Threads(Some(runtime)) })
    }
}

/// A runtime that may be dropped within another one, which a bare one may not.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// As many as it takes for one long answer to keep nobody from a short one.
const THREADS: usize = 2;
