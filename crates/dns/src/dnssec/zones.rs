//! What is known of zones: their keys, or why they have none.
//!
//! **Invariant:** bounded in number and in octets, whatever keys owners choose; what ended is not told. One walk at a time finds out about one zone, so that a burst of questions asks once.

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
#[derive(Debug, Default)]
struct Known {
    states: HashMap<Box<[u8]>, (State, Instant), RandomState>,
    bytes: usize,
}

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
        known.states.get(name).filter(|(_, until)| now < *until).map(|(state, _)| state.clone())
    }

    /// Keeps what was found out, for so long at most.
    pub(super) fn put(&self, name: &[u8], state: &State, lifetime: Duration, now: Instant) {
        let lifetime = lifetime.min(LIFETIME_MAX);
        if lifetime.is_zero() {
            return;
        }
        let cost = cost_of(name, state);
        let mut known = lock(&self.known);
        known.remove(name);
        if known.lacks_room_for(cost) {
            known.forget_ended(now);
        }
        while known.lacks_room_for(cost) && known.forget_one() {}
        known.bytes += cost;
        known.states.insert(name.into(), (state.clone(), now + lifetime));
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
        *lock(&self.known) = Known::default();
    }

    /// How many names something is known of.
    pub(crate) fn len(&self) -> usize {
        lock(&self.known).states.len()
    }
}

impl Known {
    fn lacks_room_for(&self, cost: usize) -> bool {
        self.states.len() >= ZONES_MAX || self.bytes + cost > BYTES_MAX
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some((state, _)) = self.states.remove(name) {
            self.bytes -= cost_of(name, &state);
        }
    }

    fn forget_ended(&mut self, now: Instant) {
        self.states.retain(|_, (_, until)| now < *until);
        self.bytes = self.states.iter().map(|(name, (state, _))| cost_of(name, state)).sum();
    }

    /// Any that is not above many others, when there is one; the table's order is as good as chance.
    fn forget_one(&mut self) -> bool {
        let names = || self.states.keys();
        let gone = names().find(|name| name.len() > TOP_BYTES).or_else(|| names().next()).cloned();
        gone.map(|name| self.remove(&name)).is_some()
    }
}

/// What an entry costs in memory, near enough.
fn cost_of(name: &[u8], state: &State) -> usize {
    let more = match state {
        State::Signed(keys) => keys.iter().map(|key| key.public.len() + size_of::<Key>()).sum(),
        State::NoCut => 0,
        State::Insecure(why) | State::Bogus(why) => why.name.len(),
    };
    name.len() + more + ENTRY_BYTES
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names something is known of.
const ZONES_MAX: usize = 4096;
/// With their keys; those of one zone take up to 26 KB, and some 600 bytes where nobody means ill.
const BYTES_MAX: usize = 8 << 20;
/// The table's place, the state and two allocations.
const ENTRY_BYTES: usize = 128;
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

    #[test]
    fn keys_are_bounded_in_octets() {
        let (zones, now) = (Zones::default(), Instant::now());
        let lifetime = Duration::from_secs(60);
        let key = Key { algorithm: 8, tag: 1, public: [0; 1000].into() };
        let large = State::Signed(vec![key; 24].into());
        zones.put(b"", &State::NoCut, lifetime, now);
        for number in 0..ZONES_MAX {
            let name = format!("\x0anumber{number:04}");
            zones.put(name.as_bytes(), &large, lifetime, now);
            zones.put(name.as_bytes(), &large, lifetime, now);
        }
        let bytes = lock(&zones.known).bytes;
        assert!(bytes <= BYTES_MAX && zones.len() > 300, "{bytes} {}", zones.len());
        assert!(zones.get(b"", now).is_some(), "what others need stays");
        // All of what is left is needed by others; one of them goes all the same.
        let later = now + lifetime;
        for number in 0..=ZONES_MAX {
            let name = format!("\x04{number:04x}");
            zones.put(name.as_bytes(), &State::NoCut, lifetime, later);
        }
        let last = format!("\x04{ZONES_MAX:04x}");
        assert_eq!(
            (zones.len(), lock(&zones.known).bytes),
            (ZONES_MAX, ZONES_MAX * (5 + ENTRY_BYTES))
        );
        assert!(zones.get(last.as_bytes(), later).is_some());
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
