//! The names of a zone, and what is at each.
//!
//! There may be a million names with records and nothing else: such a name is only those, which the catalog or
//! the hosts files have anyway, and its key is worked out from them.
//!
//! **Invariant:** a name is here once, and as long as it has something or something is below it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use conduit_core::shared_map::{Equivalent, SharedMap};

use crate::key::{AskedKey, NameKey, is_text};
use crate::records::Records;
use crate::zone::RrSets;

/// The table of names; a copy shares what stays the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nodes(SharedMap<Held, ()>);

/// What is at a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    /// The addresses of its service, if it is a host of one.
    pub(crate) rrsets: Option<&'a RrSets>,
    /// What operators gave it. Where both are, addresses and aliases here are passed over.
    pub(crate) records: Option<&'a Records>,
}

/// The same, to be changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filling {
    pub(crate) rrsets: Option<Arc<RrSets>>,
    pub(crate) records: Option<Records>,
    /// How many times there is something at a name below it; it exists then, even with nothing of its
    /// own.
    pub(crate) below: usize,
}

/// What stands in the table for a name.
#[derive(Debug, Clone)]
enum Held {
    /// It has records, and nothing else.
    Records(Records),
    More(Arc<(NameKey, Filling)>),
}

/// A key that is looked for.
struct Asked<'a>(&'a [u8]);

impl Nodes {
    /// An empty one with room for so many names.
    pub(crate) fn with_capacity(names: usize) -> Self {
        Self(SharedMap::with_capacity(names))
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// How many names exist.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many times there is something below a name.
    #[cfg(test)]
    pub(crate) fn below(&self, key: &[u8]) -> usize {
        self.0.get_key(&Asked(key)).map_or(0, |held| held.filling().below)
    }

    /// What is at a name that exists.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Node<'_>> {
        self.0.get_key(&Asked(key)).map(Held::node)
    }

    /// Whether a name exists.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.0.contains_key(&Asked(key))
    }

    /// Every name, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (AskedKey, Node<'_>)> {
        self.0.iter().map(|(held, ())| (held.key(), held.node()))
    }

    /// Every name at which something else may be than in `other`, where one began as a copy of the other;
    /// these are few.
    pub(crate) fn unshared<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (AskedKey, Node<'a>)> {
        self.0.unshared(&other.0).map(|(held, ())| (held.key(), held.node()))
    }

    /// Changes what is at a name, whether it exists or not.
    pub(crate) fn change(&mut self, key: &[u8], change: impl FnOnce(&mut Filling)) {
        let mut next = self.0.get_key(&Asked(key)).map(Held::filling).unwrap_or_default();
        change(&mut next);
        self.0.remove(&Asked(key));
        let held = match next {
            Filling { rrsets: None, records: None, below: 0 } => return,
            Filling { rrsets: None, records: Some(records), below: 0 } => Held::Records(records),
            more => Held::More(Arc::new((NameKey::from(key), more))),
        };
        self.0.insert(held, ());
    }
}

impl Held {
    fn key(&self) -> AskedKey {
        match self {
            Self::Records(records) => AskedKey::of_text(records.name()),
            Self::More(more) => AskedKey::from(&more.0),
        }
    }

    fn node(&self) -> Node<'_> {
        match self {
            Self::Records(records) => Node { rrsets: None, records: Some(records) },
            Self::More(more) => {
                Node { rrsets: more.1.rrsets.as_deref(), records: more.1.records.as_ref() }
            }
        }
    }

    fn filling(&self) -> Filling {
        match self {
            Self::Records(records) => {
                Filling { records: Some(records.clone()), ..Filling::default() }
            }
            Self::More(more) => more.1.clone(),
        }
    }

    fn is_called(&self, key: &[u8]) -> bool {
        match self {
            Self::Records(records) => is_text(key, records.name()),
            Self::More(more) => more.0.as_slice() == key,
        }
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.is_called(other.key().as_slice())
    }
}

impl Eq for Held {}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Asked(self.key().as_slice()).hash(state);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Held> for Asked<'_> {
    fn equivalent(&self, held: &Held) -> bool {
        held.is_called(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_two_words() {
        assert_eq!(size_of::<Held>(), 2 * size_of::<usize>());
    }
}
