//! What is known of zones: their keys, or why they have none.
//!
//! **Invariant:** bounded in number, and each entry in size by what a zone's keys may be; what ended is not
//! told. One walk at a time finds out about one zone, so that a burst of questions asks once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::fault::Why;
use super::rdata::Key;

/// What is known of one name.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// A signed zone begins there, and these are its keys.
    Signed(Arc<[Key]>),
    /// No zone begins there.
    NoCut,
    /// From there on nobody signs, or nobody can verify it.
    Insecure(Why),
    /// What is said of it is not believed.
    Bogus(Why),
}

/// Each with when it ends.
type Known = HashMap<Box<[u8]>, (State, Instant), RandomState>;
type Turn = Arc<tokio::sync::Mutex<()>>;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Zones {
    known: Mutex<Known>,
    turns: Mutex<HashMap<Box<[u8]>, Turn, RandomState>>,
}

impl Zones {
    /// What is known of a name now.
    pub(super) fn get(&self, name: &[u8], now: Instant) -> Option<State> {
        let known = lock(&self.known);
        known.get(name).filter(|(_, until)| now < *until).map(|(state, _)| state.clone())
    }

    /// Keeps what was found out, for so long at most.
    pub(super) fn put(&self, name: &[u8], state: &State, lifetime: Duration, now: Instant) {
        let lifetime = lifetime.min(LIFETIME_MAX);
        if lifetime.is_zero() {
            return;
        }
        let mut known = lock(&self.known);
        if known.len() >= ZONES_MAX && !known.contains_key(name) {
            known.retain(|_, (_, until)| now < *until);
            if known.len() >= ZONES_MAX {
                // Any that is not above many others; the table's order is as good as chance.
                let gone = known.keys().find(|key| key.len() > TOP_BYTES).cloned();
                if let Some(gone) = gone {
                    known.remove(&gone);
                }
            }
        }
        if known.len() < ZONES_MAX || known.contains_key(name) {
            known.insert(name.into(), (state.clone(), now + lifetime));
        }
    }

    /// Waits until nobody else finds out about this name.
    pub(super) async fn turn(&self, name: &[u8]) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = lock(&self.turns);
            // Whoever waits for one or has it keeps it alive.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(name.into()).or_default())
        };
        turn.lock_owned().await
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        lock(&self.known).clear();
    }

    /// How many names something is known of.
    pub(crate) fn len(&self) -> usize {
        lock(&self.known).len()
    }
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names something is known of.
const ZONES_MAX: usize = 4096;
/// Whatever the owner's TTL: the same as answers.
const LIFETIME_MAX: Duration = Duration::from_secs(86_400);
/// The root and the domains below it.
const TOP_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_known_ends_and_is_bounded() {
        let zones = Zones::default();
        let now = Instant::now();
        zones.put(b"\x01a", &State::NoCut, Duration::from_secs(5), now);
        zones.put(b"\x01b", &State::NoCut, Duration::ZERO, now);
        assert!(zones.get(b"\x01a", now).is_some() && zones.get(b"\x01b", now).is_none());
        assert!(zones.get(b"\x01a", now + Duration::from_secs(5)).is_none());
        for number in 0..=ZONES_MAX {
            let name = format!("\x0anumber{number:04}");
            zones.put(name.as_bytes(), &State::NoCut, Duration::from_secs(60), now);
        }
        assert_eq!(zones.len(), ZONES_MAX);
        assert!(zones.get(b"\x01a", now).is_some(), "what others need stays");
        zones.clear();
        assert_eq!(zones.len(), 0);
    }

    #[tokio::test]
    async fn one_at_a_time_finds_out() {
        let zones = Zones::default();
        let first = zones.turn(b"\x01a").await;
        drop(zones.turn(b"\x01b").await);
        let waits = tokio::select! {
            biased;
            _ = zones.turn(b"\x01a") => false,
            () = std::future::ready(()) => true,
        };
        assert!(waits);
        drop(first);
        drop(zones.turn(b"\x01a").await);
        assert!(lock(&zones.turns).len() <= 2);
    }
}
