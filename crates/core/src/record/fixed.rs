//! Records that the configuration names: there from the start, and nobody's to remove while running.
//!
//! **Invariant:** no two exclude each other, and no record is there twice.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::name::RecordName;
use super::{BYTES_OF_NAME_MAX, RECORDS_OF_NAME_MAX, Record};

/// The records of a configuration or of hosts files, by name. Those of a name are shared with the zone, since
/// there may be a million names.
#[derive(Debug, Clone, Default)]
pub struct FixedRecords(Box<[OfName]>);

/// The same, while they are put together.
#[derive(Debug, Clone, Default)]
pub struct Builder(BTreeSet<OfName>);

/// The records of one name, ordered by it; there is always one.
#[derive(Debug, Clone)]
struct OfName(Arc<[Record]>);

impl Builder {
    /// Adds one.
    ///
    /// # Errors
    /// When it is there already, or cannot be beside another.
    pub fn add(&mut self, record: Record) -> Result<(), FixedConflict> {
        let others = self.at(record.name.as_str());
        if let Some(other) = others.iter().find(|o| o.is_same(&record) || o.excludes(&record)) {
            let other = Box::new(other.clone());
            return Err(FixedConflict::Excluded { other, record: record.into() });
        }
        let bytes: usize = others.iter().map(|other| other.data.wire_bytes()).sum();
        let is_full = others.len() == RECORDS_OF_NAME_MAX
            || bytes + record.data.wire_bytes() > BYTES_OF_NAME_MAX;
        if is_full {
            return Err(FixedConflict::Full { name: record.name });
        }
        let all = match others {
            [] => Arc::new([record]) as Arc<[Record]>,
            others => others.iter().cloned().chain([record]).collect(),
        };
        self.0.replace(OfName(all));
        Ok(())
    }

    /// Those of a name.
    pub fn at(&self, name: &str) -> &[Record] {
        self.0.get(name).map_or(&[], |of| &of.0)
    }

    /// All of them.
    pub fn build(self) -> FixedRecords {
        FixedRecords(self.0.into_iter().collect())
    }
}

impl FixedRecords {
    /// How many names have some.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a name.
    pub fn at(&self, name: &str) -> &[Record] {
        self.find_name(name).map_or(&[], |of| &of.0)
    }

    /// The same, to be kept.
    pub fn shared_at(&self, name: &str) -> Arc<[Record]> {
        self.find_name(name).map(|of| Arc::clone(&of.0)).unwrap_or_default()
    }

    /// With those of another source as well; what cannot be beside what is there is left out.
    #[must_use]
    pub fn with(self, others: &Self) -> Self {
        let mut all = Builder(self.0.into_iter().collect());
        for of in &others.0 {
            if all.0.insert(of.clone()) {
                continue;
            }
            for record in of.0.iter() {
                all.add(record.clone()).ok();
            }
        }
        all.build()
    }

    /// The same record, whatever its TTL.
    pub fn find(&self, record: &Record) -> Option<&Record> {
        self.at(record.name.as_str()).iter().find(|other| other.is_same(record))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().flat_map(|of| of.0.iter())
    }

    /// The names that have some.
    pub fn names(&self) -> impl Iterator<Item = &RecordName> {
        self.0.iter().filter_map(|of| of.0.first()).map(|record| &record.name)
    }

    /// The names that have others in `next`, with what they have there.
    pub fn changes<'a>(
        &'a self,
        next: &'a Self,
    ) -> impl Iterator<Item = (&'a RecordName, Arc<[Record]>)> {
        let (mut before, mut after) = (self.0.iter().peekable(), next.0.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let gone = match (before.peek(), after.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(one), Some(two)) => one.cmp(two),
                };
                let (old, new) = match gone {
                    Ordering::Less => (before.next(), None),
                    Ordering::Equal => (before.next(), after.next()),
                    Ordering::Greater => (None, after.next()),
                };
                let records = |of: Option<&'a OfName>| of.map(|of| &of.0);
                let is_same = match (records(old), records(new)) {
                    (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one == two,
                    _ => false,
                };
                if !is_same {
                    let name = &new.or(old)?.0.first()?.name;
                    return Some((name, records(new).cloned().unwrap_or_default()));
                }
            }
        })
    }

    fn find_name(&self, name: &str) -> Option<&OfName> {
        let found = self.0.binary_search_by(|of| of.name().cmp(name)).ok()?;
        self.0.get(found)
    }
}

impl OfName {
    fn name(&self) -> &str {
        self.0.first().map_or("", |record| record.name.as_str())
    }
}

/// The same records, to the last detail.
impl PartialEq for FixedRecords {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.iter(), other.0.iter());
        self.0.len() == other.0.len() && ours.zip(theirs).all(|(one, two)| one.0 == two.0)
    }
}

impl Eq for FixedRecords {}

impl Borrow<str> for OfName {
    fn borrow(&self) -> &str {
        self.name()
    }
}

impl PartialEq for OfName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for OfName {}

impl PartialOrd for OfName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OfName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

/// Why a configuration cannot give a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FixedConflict {
    /// Two cannot both be.
    #[error("{record} cannot be beside {other}; leave one of the two out")]
    Excluded {
        /// The later one.
        record: Box<Record>,
        /// The earlier one.
        other: Box<Record>,
    },
    /// A reply would have no room.
    #[error(
        "{name} can have at most {RECORDS_OF_NAME_MAX} records with {BYTES_OF_NAME_MAX} octets \
         together"
    )]
    Full {
        /// Whose.
        name: RecordName,
    },
}
