//! Records that the configuration names: there from the start, and nobody's to remove while running.
//!
//! **Invariant:** no two exclude each other, and no record is there twice.

use std::collections::BTreeMap;

use super::name::RecordName;
use super::{BYTES_OF_NAME_MAX, RECORDS_OF_NAME_MAX, Record};

/// The records of a configuration, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FixedRecords(BTreeMap<RecordName, Vec<Record>>);

impl FixedRecords {
    /// Adds one.
    ///
    /// # Errors
    /// When it is there already, or cannot be beside another.
    pub fn add(&mut self, record: Record) -> Result<(), FixedConflict> {
        let there = self.0.entry(record.name.clone()).or_default();
        if let Some(other) = there.iter().find(|o| o.is_same(&record) || o.excludes(&record)) {
            let other = Box::new(other.clone());
            return Err(FixedConflict::Excluded { other, record: record.into() });
        }
        let bytes: usize = there.iter().map(|other| other.data.wire_bytes()).sum();
        let is_full = there.len() == RECORDS_OF_NAME_MAX
            || bytes + record.data.wire_bytes() > BYTES_OF_NAME_MAX;
        if is_full {
            return Err(FixedConflict::Full { name: record.name });
        }
        there.push(record);
        Ok(())
    }

    /// Those of a name.
    pub fn at(&self, name: &str) -> &[Record] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The same record, whatever its TTL.
    pub fn find(&self, record: &Record) -> Option<&Record> {
        self.at(record.name.as_str()).iter().find(|other| other.is_same(record))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.values().flatten()
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
