//! Logins that take more than one step, and additions of passkeys: those that began and were not
//! finished.
//!
//! **Invariant:** each is taken once and in time; there are so many at most, and of one address or
//! person fewer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::limits::{CEREMONIES_EACH_MAX, CEREMONIES_MAX, CEREMONY_LIFETIME};

/// Ceremonies by a number that only whoever began them knows.
#[derive(Debug)]
pub(crate) struct Pending<T>(Mutex<HashMap<u128, Begun<T>>>);

#[derive(Debug)]
struct Begun<T> {
    at: Instant,
    /// Who began it: an address or a name.
    by: String,
    ceremony: T,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pending<T> {
    /// Of too many, the one that began first gives way; somebody who begins many loses their own.
    pub(crate) fn put(&self, number: u128, by: &str, ceremony: T, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = |begun: &&Begun<T>| begun.by == by;
        let has_many = all.values().filter(is_own).count() >= CEREMONIES_EACH_MAX;
        if has_many || all.len() >= CEREMONIES_MAX {
            let gives_way = |(_, begun): &(&u128, &Begun<T>)| !has_many || begun.by == by;
            let first = all.iter().filter(gives_way).min_by_key(|(_, begun)| begun.at);
            let first = first.map(|(number, _)| *number);
            first.and_then(|first| all.remove(&first));
        }
        all.insert(number, Begun { at: now, by: by.to_owned(), ceremony });
    }

    pub(crate) fn take(&self, number: u128, now: Instant) -> Option<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = all.remove(&number)?;
        (now < begun.at + CEREMONY_LIFETIME).then_some(begun.ceremony)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceremony_is_taken_once_and_in_time_and_there_are_not_too_many() {
        let (pending, now) = (Pending::<u32>::default(), Instant::now());
        let later = |seconds| now + std::time::Duration::from_secs(seconds);
        pending.put(1, "a", 10, now);
        assert_eq!((pending.take(1, later(299)), pending.take(1, now)), (Some(10), None));
        pending.put(2, "a", 20, now);
        assert_eq!(pending.take(2, later(300)), None, "too late");
        pending.put(3, "patient", 30, now);
        for number in 0..CEREMONIES_MAX as u64 * 2 {
            pending.put(u128::from(number + 10), "busy", 0, later(1));
        }
        assert_eq!(pending.take(3, now), Some(30), "others keep theirs");
        for number in 0..CEREMONIES_MAX as u64 + 5 {
            pending.put(u128::from(number), &format!("{number}"), 0, later(2 + number));
        }
        let last = later(CEREMONIES_MAX as u64);
        assert_eq!((pending.take(4, now), pending.take(1_000, last)), (None, Some(0)));
        assert_eq!(pending.0.lock().expect("sound").len(), CEREMONIES_MAX - 1);
    }
}
