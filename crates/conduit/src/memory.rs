//! Memory goes back to the system when much of it is no longer used.
//!
//! The allocator gives back what a thread has freed while that thread goes on allocating. After
//! thousands of services were registered at once nobody does: the threads that read and answered the
//! request have nothing more to do, and keep what they held for it.
//!
//! **Invariant:** threads of the control plane give back all they can, each when it has nothing else
//! to do; those that serve requests only what was free for a while, and those that answer queries
//! nothing.

#![expect(unsafe_code, reason = "the allocator's call has no safe form")]

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use conduit_core::catalog::Catalog;
use conduit_core::live;
use tokio::time::sleep;

/// How many large changes have settled.
static SETTLED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The last of them after which this thread gave back what it could.
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

/// Watches for large changes, without end; a start is one.
pub(crate) async fn watch(mut catalog: live::Reader<Catalog>) {
    let mut before = catalog.load_full();
    sleep(SETTLING).await;
    SETTLED.fetch_add(1, Ordering::Relaxed);
    loop {
        catalog.changed().await;
        sleep(SETTLING).await;
        let now = catalog.load_full();
        let put = now.changed_since(&before).count();
        if put.max(before.len().abs_diff(now.len())) >= MANY {
            SETTLED.fetch_add(1, Ordering::Relaxed);
        }
        before = now;
    }
}

/// To be called by a thread that is about to wait: the first time after a large change it gives
/// back what it can, which takes some milliseconds.
pub(crate) fn about_to_wait() {
    let settled = SETTLED.load(Ordering::Relaxed);
    if SEEN.replace(settled) != settled {
        give_back();
    }
}

/// Gives back what this thread freed.
pub(crate) fn give_back() {
    // Safety: it may be called at any time from any thread.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

/// Gives back what this thread freed some time ago: a matter of microseconds for each megabyte it
/// still holds.
pub(crate) fn settle() {
    // Safety: it may be called at any time from any thread.
    unsafe { libmimalloc_sys::mi_collect(false) };
}

/// How many services change in a large change.
const MANY: usize = 500;
/// How long after a change it is answered, and what it came from is let go of.
const SETTLING: Duration = Duration::from_secs(2);
