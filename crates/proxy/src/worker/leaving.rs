//! Serving what is open to its end, while another process accepts on the same sockets.
//!
//! **Invariant:** nothing is ended here before its time: not a stream, not a request, and no
//! connection on which a client may be sending one. A client over HTTP/1.1 is told with its next
//! answer, one over HTTP/2 by GOAWAY, and whoever asks nothing runs into the usual idle limit.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::limits::SWEEP_INTERVAL;

/// Tells the workers that another process has taken over; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Leaving {
    limit: Arc<OnceLock<Duration>>,
    hurried: CancellationToken,
}

impl Leaving {
    /// From now on a stop means to leave: what is open goes on, at most for `limit`, and is then
    /// stopped as usual.
    pub fn begin(&self, limit: Duration) {
        self.limit.get_or_init(|| limit);
    }

    /// Does not wait any longer: what is open is stopped as usual now.
    pub fn hurry(&self) {
        self.hurried.cancel();
    }

    fn limit(&self) -> Option<Duration> {
        self.limit.get().copied()
    }
}

impl Worker {
    /// Serves what is open, when another process has taken over; says whether it came to its end.
    pub(super) async fn leave(&self, leaving: &Leaving) -> bool {
        let Some(limit) = leaving.limit() else {
            return false;
        };
        self.connections.leave();
        // Whatever is handed back from now on is not kept: hardly anybody will ask again.
        self.client.close();
        self.kept.close();
        let end = async {
            tokio::select! {
                () = self.tasks.finish() => {}
                () = leaving.hurried.cancelled() => {}
                () = sleep(limit) => {}
            }
        };
        self.sweep_until(SWEEP_INTERVAL, end).await;
        self.tasks.is_empty()
    }
}
