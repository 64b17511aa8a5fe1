//! How records lie in the database.
//!
//! **Invariant:** a row becomes a record by the same parsing as at the door.

use std::collections::HashMap;
use std::fmt;

use conduit_core::actor::Actor;
use conduit_core::catalog::Generation;
use conduit_core::clock::Timestamp;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordChange, RecordTtl};
use rusqlite::{Connection, Row, Transaction, params};

use super::commit::column_of;
use crate::error::RegistryError;
use crate::row;
use crate::rules::RecordStep;

/// Every record that was not removed, by name, those of a name oldest first.
pub(super) fn present(connection: &Connection) -> Result<Vec<RecordChange>, RegistryError> {
    let sql = "SELECT name, type, data, ttl, added_at FROM records
               WHERE removed_at IS NULL ORDER BY id";
    let mut statement = connection.prepare(sql).map_err(RegistryError::Read)?;
    let mut rows = statement.query([]).map_err(RegistryError::Read)?;
    let mut by_name: HashMap<RecordName, Vec<Record>> = HashMap::new();
    while let Some(row) = rows.next().map_err(RegistryError::Read)? {
        let record = record(row)?;
        by_name.entry(record.name.clone()).or_default().push(record);
    }
    let change =
        |(name, records): (RecordName, Vec<Record>)| RecordChange { name, records: records.into() };
    Ok(by_name.into_iter().map(change).collect())
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    steps: &[RecordStep],
    by: &Actor,
    generation: Generation,
    now: Timestamp,
) -> rusqlite::Result<()> {
    for step in steps {
        match step {
            RecordStep::Add { record, replaced } => {
                if let Some(replaced) = replaced {
                    remove(transaction, replaced, now)?;
                }
                insert(transaction, record, by, generation)?;
            }
            RecordStep::Remove(record) => remove(transaction, record, now)?,
        }
    }
    Ok(())
}

fn insert(
    transaction: &Transaction<'_>,
    record: &Record,
    by: &Actor,
    generation: Generation,
) -> rusqlite::Result<()> {
    transaction.prepare_cached(INSERT)?.execute(params![
        record.name.as_str(),
        record.data.kind().as_str(),
        record.data.to_string(),
        record.ttl.map(RecordTtl::seconds),
        column_of(generation),
        by.to_string(),
        record.added_at.micros(),
    ])?;
    Ok(())
}

fn remove(transaction: &Transaction<'_>, record: &Record, now: Timestamp) -> rusqlite::Result<()> {
    let changed = transaction.prepare_cached(REMOVE)?.execute(params![
        record.name.as_str(),
        record.data.kind().as_str(),
        record.data.to_string(),
        now.micros(),
    ])?;
    // The catalog in memory said that it is there; anything else is a bug, and must not commit.
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

fn record(row: &Row<'_>) -> Result<Record, RegistryError> {
    let text = |index| row.get::<_, String>(index).map_err(RegistryError::Read);
    let ttl: Option<u32> = row.get(3).map_err(RegistryError::Read)?;
    let added_at: i64 = row.get(4).map_err(RegistryError::Read)?;
    let kind: RecordType = good(text(1)?.parse())?;
    Ok(Record {
        name: good(RecordName::parse(&text(0)?))?,
        data: good(RecordData::parse(kind, &text(2)?))?,
        ttl: ttl.map(|ttl| good(RecordTtl::from_seconds(ttl))).transpose()?,
        added_at: Timestamp::from_micros(i128::from(added_at)),
    })
}

fn good<T, E: fmt::Display>(result: Result<T, E>) -> Result<T, RegistryError> {
    result.map_err(|error| row::damaged(RECORDS, error))
}

const RECORDS: &str = "records";
const INSERT: &str = "
    INSERT INTO records (name, type, data, ttl, generation, added_by, added_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const REMOVE: &str = "
    UPDATE records SET removed_at = ?4
    WHERE name = ?1 AND type = ?2 AND data = ?3 AND removed_at IS NULL";
