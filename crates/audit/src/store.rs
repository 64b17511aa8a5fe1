//! The `capsules` table, inside whichever database the caller has open.
//!
//! **Invariant:** rows are only ever inserted, each one sealed and linked to the one before.

use std::path::Path;

use conduit_core::clock::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params};
use uuid::{NoContext, Uuid};

use crate::capsule::{self, Document};
use crate::entry::{Draft, Entry, Head};
use crate::error::AuditError;
use crate::readonly;
use crate::seal::SealKey;

/// Creates the table and its indexes where they are missing.
///
/// # Errors
/// When the database refuses.
pub fn create_schema(connection: &Connection) -> Result<(), AuditError> {
    connection.execute_batch(SCHEMA).map_err(AuditError::CreateSchema)
}

/// Reads the chain's tip.
///
/// # Errors
/// When the database cannot be read.
pub fn head(connection: &Connection) -> Result<Head, AuditError> {
    let last = connection
        .query_row(SELECT_HEAD, [], |row| Ok((sequence_of(row, 0)?, row.get::<_, String>(1)?)))
        .optional()
        .map_err(AuditError::ReadEntries)?;
    Ok(last.map_or_else(Head::default, |(sequence, hash)| Head {
        count: sequence.saturating_add(1),
        hash: Some(hash),
    }))
}

/// Seals a draft behind `head` and inserts it; gives the new tip and the entry.
///
/// The caller's transaction decides whether it stays. `head` must be the tip of this very chain: a
/// stale one is refused by the table.
///
/// # Errors
/// When the draft is too large or too deep, or the database refuses. A transaction in which this
/// failed must be rolled back.
pub fn append(
    transaction: &Transaction<'_>,
    key: &SealKey,
    head: &Head,
    draft: &Draft,
) -> Result<(Head, Entry), AuditError> {
    let id = new_id(draft.at);
    let previous_hash = head.hash.as_deref();
    let data = Document::new(&id, head.count, previous_hash, draft)?.canonical();
    if data.len() > ENTRY_BYTES_MAX {
        return Err(AuditError::TooLarge { bytes: data.len(), max: ENTRY_BYTES_MAX });
    }
    let hash = capsule::hash(&data);
    transaction
        .prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute(named_params! {
                ":id": id,
                ":type": capsule::KIND,
                ":sequence": column_of(head.count),
                ":previous_hash": previous_hash,
                ":data": data,
                ":hash": hash,
                ":signature": key.sign(&hash),
                ":signed_at": capsule::iso(draft.at),
                ":signed_by": key.fingerprint(),
            })
        })
        .map_err(AuditError::Append)?;
    let next = Head { count: head.count + 1, hash: Some(hash.clone()) };
    let entry = Entry {
        sequence: head.count,
        id,
        hash,
        previous_hash: head.hash.clone(),
        at: draft.at,
        action: draft.action.as_str().into_owned(),
        status: draft.status,
        message: draft.message.clone(),
        user: draft.actor.to_string(),
        details: draft.details.clone(),
    };
    Ok((next, entry))
}

/// Reads at most `limit` entries, newest first; with `before`, only those of a lower sequence.
///
/// # Errors
/// When the database cannot be read, or a row is not a capsule of ours.
pub fn newest(
    connection: &Connection,
    limit: u32,
    before: Option<u64>,
) -> Result<Vec<Entry>, AuditError> {
    let before = before.map_or(i64::MAX, column_of);
    read(connection, SELECT_NEWEST, before, limit)
}

/// Reads at most `limit` entries from `sequence` on, oldest first.
///
/// # Errors
/// When the database cannot be read, or a row is not a capsule of ours.
pub fn from(connection: &Connection, sequence: u64, limit: u32) -> Result<Vec<Entry>, AuditError> {
    read(connection, SELECT_FROM, column_of(sequence), limit)
}

/// Like [`from`], in a database file; reads only and creates nothing, whether the daemon runs or
/// not.
///
/// # Errors
/// When the file is missing or cannot be read, or a row is not a capsule of ours.
pub fn from_file(db: &Path, sequence: u64, limit: u32) -> Result<Vec<Entry>, AuditError> {
    readonly::with(db, |connection| from(connection, sequence, limit))
}

fn read(
    connection: &Connection,
    select: &str,
    bound: i64,
    limit: u32,
) -> Result<Vec<Entry>, AuditError> {
    let mut statement = connection.prepare_cached(select).map_err(AuditError::ReadEntries)?;
    let rows = statement
        .query_map((bound, limit), |row| {
            Ok((sequence_of(row, 0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })
        .map_err(AuditError::ReadEntries)?;
    let mut entries = Vec::new();
    for row in rows {
        let (sequence, data, hash) = row.map_err(AuditError::ReadEntries)?;
        let document = Document::parse(&data)
            .map_err(|error| AuditError::MalformedEntry { sequence, reason: error.to_string() })?;
        entries.push(document.to_entry(sequence, &hash)?);
    }
    Ok(entries)
}

/// A UUID of version 7, so that the index over ids grows at its end.
fn new_id(at: Timestamp) -> String {
    let micros = u64::try_from(at.micros()).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
    let time = uuid::Timestamp::from_unix(NoContext, micros / 1_000_000, nanos);
    Uuid::new_v7(time).to_string()
}

fn sequence_of(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// SQLite's integers are signed; a chain never reaches the end of them.
fn column_of(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// Bytes of one entry; a decision that needs more is refused.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;

/// Exactly the reference tool's table, but for `IF NOT EXISTS`.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS capsules (
  id VARCHAR(36) NOT NULL, type VARCHAR(20) NOT NULL, sequence INTEGER NOT NULL,
  previous_hash VARCHAR(64), data TEXT NOT NULL, hash VARCHAR(64) NOT NULL,
  signature TEXT NOT NULL, signature_pq TEXT NOT NULL, signed_at VARCHAR(40),
  signed_by VARCHAR(32), session_id VARCHAR(36),
  PRIMARY KEY (id), CONSTRAINT uq_capsule_sequence UNIQUE (sequence));
CREATE INDEX IF NOT EXISTS ix_capsules_sequence   ON capsules (sequence);
CREATE INDEX IF NOT EXISTS ix_capsules_hash       ON capsules (hash);
CREATE INDEX IF NOT EXISTS ix_capsules_session_id ON capsules (session_id);
";
const INSERT: &str = "
INSERT INTO capsules (id, type, sequence, previous_hash, data, hash, signature, signature_pq,
                      signed_at, signed_by, session_id)
VALUES (:id, :type, :sequence, :previous_hash, :data, :hash, :signature, '',
        :signed_at, :signed_by, NULL)";
const SELECT_HEAD: &str = "SELECT sequence, hash FROM capsules ORDER BY sequence DESC LIMIT 1";
const SELECT_NEWEST: &str = "
SELECT sequence, data, hash FROM capsules WHERE sequence < ?1 ORDER BY sequence DESC LIMIT ?2";
const SELECT_FROM: &str = "
SELECT sequence, data, hash FROM capsules WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2";
