//! A request under way at an upstream.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Upstream;

/// One request under way, counted until it is dropped.
#[derive(Debug)]
pub struct InFlight(pub(super) Arc<Upstream>);

impl InFlight {
    /// The upstream it goes to.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Some(queue) = self.0.queue.get() {
            queue.freed();
        }
    }
}
