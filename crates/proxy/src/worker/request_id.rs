//! Ids of requests that came without one.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};

use http::HeaderValue;

/// Makes ids that no other worker or process makes; they tie log lines together and are no secret.
#[derive(Debug)]
pub(super) struct RequestIds {
    seed: u64,
    count: Cell<u32>,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self { seed, count: Cell::new(0) }
    }

    pub(super) fn next(&self) -> u32 {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        count
    }

    pub(super) fn text(&self, number: u32) -> HeaderValue {
        HeaderValue::try_from(format!("{:016x}{number:08x}", self.seed))
            // Invariant: hexadecimal digits are visible ASCII.
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}
