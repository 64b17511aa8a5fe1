//! A hash map that is cheap to copy and to change a little.
//!
//! Tables are immutable, and every change makes a new one. Copying a map of 10,000 entries for one
//! new entry costs a millisecond in reference counts alone; this map is cut into parts that copies
//! share, so that a change copies one part.
//!
//! **Invariant:** a key is in the part that its hash says; one hash serves both to find the part
//! and to find the key in it. A lookup takes no lock and allocates nothing. No part has many more entries than
//! `PART_ENTRIES_MAX`, so that a change costs no more in a larger map.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
/// What a key may be looked for by: it has the key's hash, and knows when it is the key.
pub use hashbrown::Equivalent;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// A map of which copies share all parts that did not change.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    parts: Box<[Arc<Part<K, V>>]>,
    len: usize,
    hasher: RandomState,
}

type Part<K, V> = HashTable<(K, V)>;

impl<K, V> SharedMap<K, V> {
    /// An empty one with room for so many entries.
    pub fn with_capacity(entries: usize) -> Self {
        let parts = parts_for(entries);
        let room = entries / parts;
        if room == 0 {
            return Self::default();
        }
        // Hashes do not fill all parts alike: most are within two standard deviations.
        let room = room + 2 * room.isqrt();
        let part = || Arc::new(HashTable::with_capacity(room));
        Self {
            parts: std::iter::repeat_with(part).take(parts).collect(),
            len: 0,
            hasher: RandomState::default(),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every entry, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|part| part.iter().map(|(key, value)| (key, value)))
    }

    /// Every entry of the parts that this map does not share with `other`: all that are not in both,
    /// and some that are. Of two maps of which one began as a copy of the other, these are few.
    pub fn unshared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a K, &'a V)> {
        let others = other.parts.iter().map(Some).chain(std::iter::repeat(None));
        let parts = self.parts.iter().zip(others);
        let unshared = parts.filter(|(part, other)| other.is_none_or(|o| !Arc::ptr_eq(part, o)));
        unshared.flat_map(|(part, _)| part.iter().map(|(key, value)| (key, value)))
    }

    /// Every value, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Hash + Eq + Clone, V: Clone> SharedMap<K, V> {
    /// The value of a key.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.entry(key).map(|(_, value)| value)
    }

    /// A key as it was put in.
    pub fn get_key<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&K> {
        self.entry(key).map(|(key, _)| key)
    }

    /// Whether a key is there.
    pub fn contains_key<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        self.entry(key).is_some()
    }

    fn entry<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&(K, V)> {
        let hash = self.hasher.hash_one(key);
        self.parts[part_of(hash, self.parts.len())].find(hash, |(k, _)| key.equivalent(k))
    }

    /// The value of a key, to be changed; copies the part that holds it when it is shared.
    pub fn get_mut<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> Option<&mut V> {
        let (hash, count) = (self.hasher.hash_one(key), self.parts.len());
        let part = &mut self.parts[part_of(hash, count)];
        // Looked for first, so that a key that is not there copies nothing.
        part.find(hash, |(k, _)| key.equivalent(k))?;
        let found = Arc::make_mut(part).find_mut(hash, |(k, _)| key.equivalent(k));
        found.map(|(_, value)| value)
    }

    /// Puts a value in, and returns the one it replaces.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.len >= self.parts.len() * PART_ENTRIES_MAX {
            self.reserve(self.len / 4);
        }
        let hasher = &self.hasher;
        let (hash, count) = (hasher.hash_one(&key), self.parts.len());
        let part = Arc::make_mut(&mut self.parts[part_of(hash, count)]);
        match part.entry(hash, |(k, _)| *k == key, |(k, _)| hasher.hash_one(k)) {
            Entry::Occupied(mut found) => Some(std::mem::replace(&mut found.get_mut().1, value)),
            Entry::Vacant(free) => {
                free.insert((key, value));
                self.len += 1;
                None
            }
        }
    }

    /// Makes room for so many more entries, when they are enough to cut the map into more parts.
    pub fn reserve(&mut self, more: usize) {
        let entries = self.len + more;
        if parts_for(entries) <= self.parts.len() {
            return;
        }
        let mut finer = Self::with_capacity(entries);
        for (key, value) in self.iter() {
            finer.insert(key.clone(), value.clone());
        }
        *self = finer;
    }

    /// Takes a key out, and returns its value.
    pub fn remove<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) -> Option<V> {
        let (hash, count) = (self.hasher.hash_one(key), self.parts.len());
        let part = &mut self.parts[part_of(hash, count)];
        part.find(hash, |(k, _)| key.equivalent(k))?;
        let entry = Arc::make_mut(part).find_entry(hash, |(k, _)| key.equivalent(k)).ok()?;
        let ((_, value), _) = entry.remove();
        self.len -= 1;
        Some(value)
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        let empty = Arc::new(HashTable::new());
        Self {
            parts: std::iter::repeat_n(empty, PARTS_MIN).collect(),
            len: 0,
            hasher: RandomState::default(),
        }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// How many parts so many entries are cut into.
fn parts_for(entries: usize) -> usize {
    entries.div_ceil(PART_ENTRIES).max(PARTS_MIN)
}

/// The part of a hash, from bits that the table inside does not look at first: it uses the lowest for the
/// place and the highest seven as a tag.
fn part_of(hash: u64, count: usize) -> usize {
    let middle = (hash >> PART_SHIFT) & u64::from(u32::MAX);
    // Invariant: below `count`, since `middle` is below 2^32.
    usize::try_from((middle * count as u64) >> 32).unwrap_or(0)
}

/// Into how many parts a small map is cut: a change at 10,000 entries copies 40 of them, and a copy of
/// the map 256 pointers.
const PARTS_MIN: usize = 256;
/// So many are in each part of a large map when it is cut: nearly all parts have less than the 448 for which their
/// tables have room then.
const PART_ENTRIES: usize = 400;
/// More on average, and the map is cut anew, with a quarter more room.
const PART_ENTRIES_MAX: usize = 430;
/// Of a hash, to the left of what tables of 256 places look at.
const PART_SHIFT: u32 = 12;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_copy_shares_all_but_the_part_that_changed() {
        let mut map = SharedMap::default();
        for key in 0..10_000_u32 {
            map.insert(key, ());
        }
        let copy = map.clone();
        assert_eq!(map.unshared(&copy).count(), 0);
        map.insert(10_000, ());
        assert!(map.unshared(&copy).any(|(key, ())| *key == 10_000));
        assert!(map.unshared(&copy).count() < 200, "one part of 256");
        assert_eq!(map.unshared(&SharedMap::default()).count(), 10_001, "nothing is shared");
    }

    #[test]
    fn parts_stay_small_in_a_large_map() {
        let mut map = SharedMap::default();
        let mut before = map.clone();
        for key in 0..300_000_u32 {
            before = if key == 299_999 { map.clone() } else { before };
            map.insert(key, key);
        }
        assert!(map.parts.iter().all(|part| part.len() < 2 * PART_ENTRIES_MAX));
        assert!(map.parts.iter().all(|part| !part.is_empty()), "all are used");
        assert!((0..300_000).all(|key| map.get(&key) == Some(&key)) && map.len() == 300_000);
        assert!(map.unshared(&before).count() < 2 * PART_ENTRIES_MAX);
        let small = SharedMap::<u32, u32>::default();
        assert_eq!(map.unshared(&small).count(), 300_000, "also beside one of fewer parts");
    }

    proptest! {
        #[test]
        fn it_is_a_map_and_copies_do_not_see_later_changes(
            steps in prop::collection::vec((any::<bool>(), 0_u16..600, any::<u8>()), 0..800),
        ) {
            let (mut map, mut model) = (SharedMap::default(), HashMap::new());
            let mut copies = Vec::new();
            for (index, (put, key, value)) in steps.into_iter().enumerate() {
                if index % 100 == 0 {
                    copies.push((map.clone(), model.clone()));
                }
                if put {
                    prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
                if let (Some(a), Some(b)) = (map.get_mut(&(key / 2)), model.get_mut(&(key / 2))) {
                    *a = a.wrapping_add(1);
                    *b = b.wrapping_add(1);
                }
            }
            copies.push((map, model));
            for (map, model) in &copies {
                let (last, last_model) = copies.last().expect("one at least");
                let unshared: HashMap<u16, u8> =
                    last.unshared(map).map(|(k, v)| (*k, *v)).collect();
                for (key, value) in last_model.iter().filter(|(key, v)| model.get(key) != Some(v)) {
                    prop_assert_eq!(unshared.get(key), Some(value));
                }
                prop_assert!(unshared.iter().all(|(key, value)| last.get(key) == Some(value)));
            }
            for (map, model) in copies {
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.is_empty(), model.is_empty());
                let all: HashMap<u16, u8> = map.iter().map(|(k, v)| (*k, *v)).collect();
                prop_assert_eq!(&all, &model);
                prop_assert_eq!(map.values().count(), model.len());
                for key in 0..600 {
                    prop_assert_eq!(map.get(&key), model.get(&key));
                    prop_assert_eq!(map.contains_key(&key), model.contains_key(&key));
                }
            }
        }
    }
}
