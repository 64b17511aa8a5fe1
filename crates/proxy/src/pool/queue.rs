//! Requests that wait because every upstream they may use has its fill.
//!
//! Whoever waits stands behind one turnstile, which is fair: the first of them watches for places
//! that become free, the others wait for the turn. All of it works across workers.
//!
//! **Invariant:** nobody overtakes: who comes while somebody waits, waits, too. A place that
//! becomes free wakes the first one only. Who leaves, leaves at once, wherever it stands.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// The queue of one service. It outlives its pools, like their upstreams.
#[derive(Debug)]
pub struct Queue {
    /// How many wait. It is counted up before the last look at the places, and places are given
    /// back before the last look at it, both in one order (`SeqCst`): one of the two sides sees the
    /// other, so that nobody sleeps while a place is free.
    waiting: AtomicUsize,
    /// One permit: who has it is the first.
    turnstile: Semaphore,
    freed: Notify,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { waiting: AtomicUsize::new(0), turnstile: Semaphore::new(1), freed: Notify::new() }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// A place may have become free.
    pub(crate) fn freed(&self) {
        if self.waiting() > 0 {
            // Kept until somebody listens, if the first one is just looking.
            self.freed.notify_one();
        }
    }

    /// Stands in the queue, unless `max` do already.
    pub(super) fn enter(&self, max: usize) -> Option<Waiting<'_>> {
        self.waiting
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| (now < max).then_some(now + 1))
            .ok()
            .map(|_| Waiting { queue: self, turn: None })
    }
}

/// One who waits, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    queue: &'a Queue,
    turn: Option<SemaphorePermit<'a>>,
}

impl Waiting<'_> {
    /// Waits until `look` finds something; it is asked only while this is the first.
    pub(super) async fn until<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> T {
        // Invariant: the turnstile is never closed.
        self.turn = self.queue.turnstile.acquire().await.ok();
        loop {
            if let Some(found) = look() {
                return found;
            }
            self.queue.freed.notified().await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // While others wait the count stays above 0, so that nobody slips in between two turns.
        self.queue.waiting.fetch_sub(1, Ordering::SeqCst);
        drop(self.turn.take());
    }
}
