//! Whether the gateway is ready, and what it still waits for.
//!
//! **Invariant:** readiness is the absence of guards: whoever must be waited for holds a
//! [`BlockReady`], and dropping it is all there is to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the process still waits for; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Readiness {
    /// Not ready until the guard is dropped.
    pub fn blocked(what: &'static str) -> (Self, BlockReady) {
        let readiness = Self::default();
        let guard = readiness.block(what);
        (readiness, guard)
    }

    /// Holds readiness back until the guard is dropped.
    pub fn block(&self, what: &'static str) -> BlockReady {
        *self.waiting().entry(what).or_default() += 1;
        BlockReady { readiness: self.clone(), what }
    }

    /// Whether nothing is waited for.
    pub fn is_ready(&self) -> bool {
        self.waiting().is_empty()
    }

    /// What is waited for.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        self.waiting().keys().copied().collect()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds readiness back while it lives.
#[derive(Debug)]
pub struct BlockReady {
    readiness: Readiness,
    what: &'static str,
}

impl Drop for BlockReady {
    fn drop(&mut self) {
        let mut waiting = self.readiness.waiting();
        if let Some(count) = waiting.get_mut(self.what) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(self.what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_guard_is_gone() {
        let readiness = Readiness::default();
        let (first, second) = (readiness.block("dns"), readiness.block("dns"));
        assert_eq!(readiness.waiting_for(), ["dns"]);
        drop(first);
        assert!(!readiness.is_ready());
        drop(second);
        assert!(readiness.is_ready());
    }
}
