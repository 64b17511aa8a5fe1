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
        let mut text = [0; ID_BYTES];
        let (seed, count) = text.split_at_mut(SEED_DIGITS);
        write_hex(seed, self.seed);
        write_hex(count, number.into());
        // Invariant: hexadecimal digits are visible ASCII.
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}

/// Fills `text` with the last digits of a number: an id for each request is worth more than the
/// machinery of formatting.
fn write_hex(text: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
        rest >>= 4;
    }
}

/// Digits of the seed in an id.
const SEED_DIGITS: usize = 16;
/// The seed and eight digits of the count.
const ID_BYTES: usize = SEED_DIGITS + 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_seed_and_the_count() {
        for (seed, number, expected) in [
            (0x0123_4567_89ab_cdef, 0x1f, "0123456789abcdef0000001f"),
            (1, u32::MAX, "0000000000000001ffffffff"),
            (u64::MAX, 0, "ffffffffffffffff00000000"),
        ] {
            assert_eq!(RequestIds { seed, count: Cell::new(0) }.text(number), expected);
        }
    }
}
