//! Repetition → one fact with a count.
//!
//! A service that flaps, or a peer that guesses passwords, must not fill the record. The first fact
//! of a kind is passed on at once; what follows within the window becomes one fact with a count.
//!
//! **Invariant:** pure, and bounded: at most `kinds_max` kinds are remembered; beyond that every
//! fact is passed on at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use conduit_core::clock::Timestamp;

/// Facts of one kind that are held back.
#[derive(Debug)]
pub(crate) struct Coalesce<K, T> {
    window: Duration,
    kinds_max: usize,
    kinds: HashMap<K, Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    passed_at: Timestamp,
    last: Option<T>,
    count: u64,
}

/// A fact to record, and how many it stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Coalesced<T> {
    /// The newest of them.
    pub(crate) fact: T,
    /// How many there were; 1 for a single one.
    pub(crate) count: u64,
}

impl<K: Hash + Eq + Clone, T> Coalesce<K, T> {
    /// Holds repetitions back for `window`, of at most `kinds_max` kinds.
    pub(crate) fn new(window: Duration, kinds_max: usize) -> Self {
        Self { window, kinds_max, kinds: HashMap::new() }
    }

    /// Takes a fact; returns it when it is to be recorded at once.
    pub(crate) fn take(&mut self, kind: K, fact: T, now: Timestamp) -> Option<Coalesced<T>> {
        if let Some(held) = self.kinds.get_mut(&kind) {
            held.last = Some(fact);
            held.count += 1;
            return None;
        }
        if self.kinds.len() < self.kinds_max {
            self.kinds.insert(kind, Held { passed_at: now, last: None, count: 0 });
        }
        Some(Coalesced { fact, count: 1 })
    }

    /// What has been held back for a whole window; call it about every second.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Coalesced<T>> {
        let window = self.window;
        let over = |held: &Held<T>| now.since(held.passed_at) >= window || now < held.passed_at;
        let kinds: Vec<K> = self
            .kinds
            .iter()
            .filter(|(_, held)| over(held))
            .map(|(kind, _)| kind.clone())
            .collect();
        let mut due = Vec::new();
        for kind in kinds {
            // Invariant: the key was found in this map just now.
            let Some(held) = self.kinds.remove(&kind) else {
                continue;
            };
            if let Some(fact) = held.last {
                due.push(Coalesced { fact, count: held.count });
                self.kinds.insert(kind, Held { passed_at: now, last: None, count: 0 });
            }
        }
        due
    }

    /// Everything that is held back: for the end of the process.
    pub(crate) fn drain(&mut self) -> Vec<Coalesced<T>> {
        let held = self
            .kinds
            .drain()
            .filter_map(|(_, held)| held.last.map(|fact| Coalesced { fact, count: held.count }));
        held.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_become_one_fact_with_a_count() {
        let mut coalesce = Coalesce::new(Duration::from_secs(60), 10);
        let at = Timestamp::from_seconds;
        assert_eq!(coalesce.take("a", 1, at(0)), Some(Coalesced { fact: 1, count: 1 }));
        assert_eq!(coalesce.take("a", 2, at(10)), None);
        assert_eq!(coalesce.take("b", 9, at(10)), Some(Coalesced { fact: 9, count: 1 }));
        assert_eq!(coalesce.take("a", 3, at(20)), None);
        assert_eq!(coalesce.due(at(59)), []);
        assert_eq!(coalesce.due(at(60)), [Coalesced { fact: 3, count: 2 }]);
        assert_eq!(coalesce.take("a", 4, at(61)), None, "the window starts anew");
        assert_eq!(coalesce.due(at(120)), [Coalesced { fact: 4, count: 1 }]);
        assert_eq!(coalesce.due(at(300)), [], "silence forgets the kind");
        assert_eq!(coalesce.take("a", 5, at(301)), Some(Coalesced { fact: 5, count: 1 }));
    }

    #[test]
    fn beyond_the_limit_nothing_is_held_back() {
        let mut coalesce = Coalesce::new(Duration::from_secs(60), 1);
        let at = Timestamp::from_seconds(0);
        assert!(coalesce.take("a", 1, at).is_some());
        assert!(coalesce.take("b", 1, at).is_some());
        assert!(coalesce.take("b", 2, at).is_some());
    }
}
