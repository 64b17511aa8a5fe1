//! Records that the configuration names: there from the start, and nobody's to remove while running.
//!
//! **Invariant:** no two exclude each other, and no record is there twice.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::name::RecordName;
use super::{BYTES_OF_NAME_MAX, RECORDS_OF_NAME_MAX, Record};

/// The records of a configuration or of hosts files, by name. Those of a name are shared with the zone, since
/// there may be a million names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FixedRecords(BTreeMap<RecordName, Arc<[Record]>>);

impl FixedRecords {
    /// Adds one.
    ///
    /// # Errors
    /// When it is there already, or cannot be beside another.
    pub fn add(&mut self, record: Record) -> Result<(), FixedConflict> {
        let mut there = match self.0.entry(record.name.clone()) {
            Entry::Vacant(free) => {
                free.insert(Arc::new([record]));
                return Ok(());
            }
            Entry::Occupied(there) => there,
        };
        let others = there.get();
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
        let all = others.iter().cloned().chain([record]).collect();
        there.insert(all);
        Ok(())
    }

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
        self.0.get(name).map_or(&[], |records| records)
    }

    /// The same, to be kept.
    pub fn shared_at(&self, name: &str) -> Arc<[Record]> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// With those of another source as well; what cannot be beside what is there is left out.
    #[must_use]
    pub fn with(mut self, others: &Self) -> Self {
        for (name, records) in &others.0 {
            match self.0.entry(name.clone()) {
                Entry::Vacant(free) => {
                    free.insert(Arc::clone(records));
                }
                Entry::Occupied(_) => {
                    for record in records.iter() {
                        self.add(record.clone()).ok();
                    }
                }
            }
        }
        self
    }

    /// The same record, whatever its TTL.
    pub fn find(&self, record: &Record) -> Option<&Record> {
        self.at(record.name.as_str()).iter().find(|other| other.is_same(record))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.values().flat_map(|records| records.iter())
    }

    /// The names that have some.
    pub fn names(&self) -> impl Iterator<Item = &RecordName> {
        self.0.keys()
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
