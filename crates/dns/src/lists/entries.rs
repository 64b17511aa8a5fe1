//! A million names in little room: keys in one arena, and a table of where each begins.
//!
//! **Invariant:** an entry is its head and its key, once for each name, or twice when the name itself and
//! what is below it get something else. What is looked up allocates nothing.

use std::hash::BuildHasher as _;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::key::ancestry;

/// Names with what is done about each.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    arena: Vec<u8>,
    table: HashTable<u32>,
}

/// Which names an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The name.
    Itself,
    /// What is below it.
    Below,
    /// Both.
    Tree,
}

/// What is known about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// What is done: a number that the list knows.
    pub(crate) deed: u32,
    /// The line it comes from.
    pub(crate) line: u32,
    /// The name that the entry is about, at or above the one that was asked.
    pub(crate) key: &'a [u8],
    /// How many labels above the asked name that is.
    pub(crate) above: usize,
}

/// The name with its ancestors, hashed once for every list.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    names: [(&'a [u8], u64); LABELS_MAX],
    len: usize,
}

/// What became of an entry that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is there.
    New,
    /// The name has one already, which stays.
    Known(u32),
    /// There is no room.
    Full,
}

impl Entries {
    /// Adds an entry, unless the name has one of this scope.
    pub(crate) fn add(&mut self, key: &[u8], scope: Scope, deed: u32, line: u32) -> Added {
        let hash = hasher().hash_one(key);
        let mut rest = scope.bits();
        let mut known = None;
        let arena = &mut self.arena;
        for offset in self.table.iter_hash(hash) {
            let Some((head, there)) = split(arena, *offset) else { continue };
            if there != key || head.bits & rest == 0 && head.deed != deed {
                continue;
            }
            if head.bits & rest != 0 {
                known = Some(head.deed);
                rest &= !head.bits;
            } else if let Some(bits) = usize::try_from(*offset).ok().and_then(|o| arena.get_mut(o))
            {
                // The other half of the same thing.
                *bits |= rest;
                return Added::New;
            }
        }
        if rest == 0 {
            return Added::Known(known.unwrap_or(deed));
        }
        let (Ok(offset), Ok(length)) = (u32::try_from(self.arena.len()), u8::try_from(key.len()))
        else {
            return Added::Full;
        };
        self.arena.push(rest);
        self.arena.extend_from_slice(&deed.to_le_bytes());
        self.arena.extend_from_slice(&line.to_le_bytes());
        self.arena.push(length);
        self.arena.extend_from_slice(key);
        let arena = &self.arena;
        self.table.insert_unique(hash, offset, |offset| {
            hasher().hash_one(split(arena, *offset).map_or(&[][..], |(_, key)| key))
        });
        Added::New
    }

    /// The entry nearest to a name: its own, else that of the nearest name above.
    pub(crate) fn find(&self, asked: &Asked<'_>) -> Option<Entry<'_>> {
        if self.table.is_empty() {
            return None;
        }
        let names = asked.names.get(..asked.len)?;
        names.iter().enumerate().find_map(|(above, (key, hash))| {
            let wanted = if above == 0 { ITSELF } else { BELOW };
            let is_it = |offset: &u32| {
                split(&self.arena, *offset).is_some_and(|(h, k)| k == *key && h.bits & wanted != 0)
            };
            let offset = self.table.find(*hash, is_it)?;
            let (head, key) = split(&self.arena, *offset)?;
            Some(Entry { deed: head.deed, line: head.line, key, above })
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// What they take.
    pub(crate) fn bytes(&self) -> usize {
        self.arena.capacity() + self.table.allocation_size()
    }

    /// Gives back what was reserved for more.
    pub(crate) fn shrink(&mut self) {
        self.arena.shrink_to_fit();
        let arena = &self.arena;
        self.table.shrink_to_fit(|offset| {
            hasher().hash_one(split(arena, *offset).map_or(&[][..], |(_, key)| key))
        });
    }
}

impl<'a> Asked<'a> {
    /// Hashes a folded name and those above it.
    pub(crate) fn of(key: &'a [u8]) -> Self {
        let mut asked = Self { names: [(&[], 0); LABELS_MAX], len: 0 };
        for (place, name) in asked.names.iter_mut().zip(ancestry(key)) {
            *place = (name, hasher().hash_one(name));
            asked.len += 1;
        }
        asked
    }
}

impl Scope {
    fn bits(self) -> u8 {
        match self {
            Self::Itself => ITSELF,
            Self::Below => BELOW,
            Self::Tree => ITSELF | BELOW,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Head {
    bits: u8,
    deed: u32,
    line: u32,
}

/// The entry at an offset.
fn split(arena: &[u8], offset: u32) -> Option<(Head, &[u8])> {
    let entry = arena.get(usize::try_from(offset).ok()?..)?;
    let (&[bits, d0, d1, d2, d3, l0, l1, l2, l3, length], rest) = entry.split_first_chunk()?;
    let head = Head {
        bits,
        deed: u32::from_le_bytes([d0, d1, d2, d3]),
        line: u32::from_le_bytes([l0, l1, l2, l3]),
    };
    Some((head, rest.get(..usize::from(length))?))
}

/// One for all lists, so that a name is hashed once; lists are the operator's, and clients add nothing.
fn hasher() -> &'static RandomState {
    static HASHER: OnceLock<RandomState> = OnceLock::new();
    HASHER.get_or_init(RandomState::default)
}

const ITSELF: u8 = 1;
const BELOW: u8 = 2;
/// A name of 255 octets has at most 127 labels.
const LABELS_MAX: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::tests::folded;

    #[test]
    fn the_nearest_entry_is_found() {
        let mut entries = Entries::default();
        for (name, scope, deed) in [
            ("ads.example.", Scope::Tree, 1),
            ("www.example.", Scope::Itself, 2),
            ("example.", Scope::Below, 3),
            ("ok.ads.example.", Scope::Itself, 4),
        ] {
            assert_eq!(entries.add(&folded(name), scope, deed, deed), Added::New, "{name}");
        }
        for (name, expected) in [
            ("ads.example.", Some((1, 0))),
            ("a.b.ads.example.", Some((1, 2))),
            ("ok.ads.example.", Some((4, 0))),
            ("x.ok.ads.example.", Some((1, 2))),
            ("www.example.", Some((2, 0))),
            ("x.www.example.", Some((3, 2))),
            ("example.", None),
            ("other.", None),
            (".", None),
        ] {
            let key = folded(name);
            let asked = Asked::of(&key);
            let found = entries.find(&asked).map(|e| (e.deed, e.above));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_comes_first_stays_and_halves_are_joined() {
        let mut entries = Entries::default();
        let key = folded("a.example.");
        assert_eq!(entries.add(&key, Scope::Itself, 1, 1), Added::New);
        assert_eq!(entries.add(&key, Scope::Below, 1, 2), Added::New);
        assert_eq!(entries.len(), 1);
        assert_eq!(entries.add(&key, Scope::Tree, 2, 3), Added::Known(1));
        let other = folded("b.example.");
        assert_eq!(entries.add(&other, Scope::Itself, 1, 4), Added::New);
        assert_eq!(entries.add(&other, Scope::Tree, 2, 5), Added::New);
        let find = |name: &str| {
            let key = folded(name);
            entries.find(&Asked::of(&key)).map(|entry| (entry.deed, entry.line))
        };
        assert_eq!((find("b.example."), find("x.b.example.")), (Some((1, 4)), Some((2, 5))));
        assert_eq!((find("a.example."), find("x.a.example.")), (Some((1, 1)), Some((1, 1))));
    }

    #[test]
    fn a_hundred_thousand_names_take_less_than_a_hundred_octets_each() {
        let mut entries = Entries::default();
        let count = 100_000;
        for number in 0..count {
            let name = folded(&format!("tracker-{number}.metrics.example{}.com.", number % 97));
            entries.add(&name, Scope::Tree, 0, number);
        }
        entries.shrink();
        assert_eq!(entries.len(), 100_000);
        assert!(entries.bytes() < 100 * entries.len(), "{} octets", entries.bytes());
    }
}
