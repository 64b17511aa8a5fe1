//! How passkeys lie in the database.
//!
//! **Invariant:** a row becomes a passkey by the same parsing as at the door.

use std::collections::HashMap;
use std::fmt;

use conduit_core::clock::Timestamp;
use conduit_core::passkey::{Passkey, PasskeyId, PasskeyLabel};
use rusqlite::{Connection, Row, Transaction, params};

use crate::error::RegistryError;
use crate::row;
use crate::rules::PasskeyStep;

/// Every passkey, oldest first, by the name of its owner.
pub(super) fn all(connection: &Connection) -> Result<HashMap<String, Vec<Passkey>>, RegistryError> {
    let sql = format!("SELECT {COLUMNS} FROM passkeys ORDER BY number");
    let mut statement = connection.prepare(&sql).map_err(RegistryError::Read)?;
    let mut rows = statement.query([]).map_err(RegistryError::Read)?;
    let mut all: HashMap<String, Vec<Passkey>> = HashMap::new();
    while let Some(row) = rows.next().map_err(RegistryError::Read)? {
        let owner: String = row.get(0).map_err(RegistryError::Read)?;
        all.entry(owner).or_default().push(passkey(row)?);
    }
    Ok(all)
}

/// Writes a step; how many rows it changed.
pub(super) fn write(
    transaction: &Transaction<'_>,
    owner: &str,
    step: &PasskeyStep,
) -> rusqlite::Result<usize> {
    match step {
        PasskeyStep::Add(passkey) => transaction.execute(
            "INSERT INTO passkeys (user, id, label, host, handle, key, state, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                owner,
                passkey.id.as_str(),
                passkey.label.as_str(),
                &*passkey.host,
                &passkey.handle[..],
                &*passkey.key,
                &*passkey.state,
                passkey.created_at.micros(),
            ],
        ),
        PasskeyStep::Use(passkey) => transaction.execute(
            "UPDATE passkeys SET state = ?3, used_at = ?4 WHERE id = ?1 AND user = ?2",
            params![
                passkey.id.as_str(),
                owner,
                &*passkey.state,
                passkey.used_at.map(Timestamp::micros),
            ],
        ),
        PasskeyStep::Remove(passkey) => transaction.execute(
            "DELETE FROM passkeys WHERE id = ?1 AND user = ?2",
            params![passkey.id.as_str(), owner],
        ),
    }
}

/// Removes those of somebody who was removed: another person may get the name.
pub(super) fn forget(transaction: &Transaction<'_>, owner: &str) -> rusqlite::Result<usize> {
    transaction.execute("DELETE FROM passkeys WHERE user = ?1", [owner])
}

fn passkey(row: &Row<'_>) -> Result<Passkey, RegistryError> {
    let text = |index| row.get::<_, String>(index).map_err(RegistryError::Read);
    let bytes = |index| row.get::<_, Vec<u8>>(index).map_err(RegistryError::Read);
    let time = |micros: i64| Timestamp::from_micros(i128::from(micros));
    let used_at: Option<i64> = row.get(8).map_err(RegistryError::Read)?;
    let handle = bytes(4)?.try_into();
    Ok(Passkey {
        id: good(PasskeyId::parse(&text(1)?))?,
        label: good(PasskeyLabel::parse(&text(2)?))?,
        host: text(3)?.into(),
        handle: good(handle.map_err(|_| "a handle has another length"))?,
        key: bytes(5)?.into(),
        state: bytes(6)?.into(),
        created_at: time(row.get(7).map_err(RegistryError::Read)?),
        used_at: used_at.map(time),
    })
}

fn good<T, E: fmt::Display>(result: Result<T, E>) -> Result<T, RegistryError> {
    result.map_err(|error| row::damaged(PASSKEYS, error))
}

const PASSKEYS: &str = "passkeys";
/// In the order that [`passkey`] reads.
const COLUMNS: &str = "user, id, label, host, handle, key, state, created_at, used_at";
