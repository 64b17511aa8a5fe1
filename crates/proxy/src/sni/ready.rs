//! Keys that were parsed for a handshake and are kept for the next ones.
//!
//! A parsed leaf takes 2 KB beside its DER. Ten thousand of them would double what a gateway holds,
//! and over some minutes all are asked for, if only by the gateway's own checks; parsing one again
//! costs less than the handshake it is for.
//!
//! **Invariant:** at most [`PARSED_MAX`] are kept for each one who resolves. A leaf that goes, goes at
//! once: this holds none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use conduit_core::leaf::Algorithm;

use super::RouteLeaves;
use crate::limits::PARSED_MAX;

/// Which leaves are parsed, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ready(Mutex<VecDeque<(Weak<RouteLeaves>, Algorithm)>>);

impl Ready {
    /// One more was parsed: the oldest of too many is given up.
    pub(super) fn add(&self, leaves: &Arc<RouteLeaves>, algorithm: Algorithm) {
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        order.push_back((Arc::downgrade(leaves), algorithm));
        if order.len() > PARSED_MAX
            && let Some((oldest, algorithm)) = order.pop_front()
            && let Some(oldest) = oldest.upgrade()
        {
            oldest.of(algorithm).forget();
        }
    }
}
