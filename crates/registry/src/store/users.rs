//! How users lie in the database.
//!
//! **Invariant:** a row becomes a user by the same parsing as at the door.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use conduit_core::actor::{Actor, Role};
use conduit_core::clock::Timestamp;
use conduit_core::user::{PasswordHash, User, UserName};
use rusqlite::{Connection, Row, Transaction, params};

use super::passkeys;
use crate::error::RegistryError;
use crate::row;
use crate::rules::UserStep;

/// Every user, oldest first; removed ones only when asked for.
pub(crate) fn users(
    connection: &Connection,
    with_removed: bool,
) -> Result<Vec<User>, RegistryError> {
    let filter = if with_removed { "" } else { "WHERE removed_at IS NULL" };
    let sql = format!("SELECT {COLUMNS} FROM users {filter} ORDER BY id");
    let mut statement = connection.prepare(&sql).map_err(RegistryError::Read)?;
    let mut rows = statement.query([]).map_err(RegistryError::Read)?;
    let mut passkeys = passkeys::all(connection)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(RegistryError::Read)? {
        let mut user = user(row)?;
        // Somebody who was removed has none, whoever has the name now.
        if user.removed_at.is_none() {
            user.passkeys = passkeys.remove(user.name.as_str()).unwrap_or_default().into();
        }
        all.push(user);
    }
    Ok(all)
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    step: &UserStep,
    by: &Actor,
) -> rusqlite::Result<()> {
    let user = step.user();
    let (name, role) = (user.name.as_str(), user.role.as_str());
    let password = user.password.as_ref().map(PasswordHash::as_str);
    let set_at = user.password_set_at.map(Timestamp::micros);
    let changed = match step {
        UserStep::Add(_) => transaction.execute(
            "INSERT INTO users (name, role, password, password_set_at, created_by, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![name, role, password, set_at, by.to_string(), user.created_at.micros()],
        )?,
        UserStep::Remove(_) => {
            passkeys::forget(transaction, name)?;
            transaction.execute(
                "UPDATE users SET removed_at = ?2 WHERE name = ?1 AND removed_at IS NULL",
                params![name, user.removed_at.map(Timestamp::micros)],
            )?
        }
        UserStep::Passkey(_, step) => passkeys::write(transaction, name, step)?,
        UserStep::SetPassword(_) => transaction.execute(
            "UPDATE users SET password = ?2, password_set_at = ?3
             WHERE name = ?1 AND removed_at IS NULL",
            params![name, password, set_at],
        )?,
        UserStep::SetRole { .. } => transaction.execute(
            "UPDATE users SET role = ?2 WHERE name = ?1 AND removed_at IS NULL",
            params![name, role],
        )?,
    };
    // The table in memory said that they are, or are not, there; anything else must not commit.
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

fn user(row: &Row<'_>) -> Result<User, RegistryError> {
    let text = |index| row.get::<_, String>(index).map_err(RegistryError::Read);
    let time = |index| {
        let micros: Option<i64> = row.get(index).map_err(RegistryError::Read)?;
        Ok::<_, RegistryError>(micros.map(|micros| Timestamp::from_micros(i128::from(micros))))
    };
    let password: Option<String> = row.get(2).map_err(RegistryError::Read)?;
    let created_at: i64 = row.get(4).map_err(RegistryError::Read)?;
    Ok(User {
        name: good(UserName::parse(&text(0)?))?,
        role: good(Role::from_str(&text(1)?))?,
        password: password.map(|hash| good(PasswordHash::parse(&hash))).transpose()?,
        password_set_at: time(3)?,
        passkeys: Arc::default(),
        created_at: Timestamp::from_micros(i128::from(created_at)),
        removed_at: time(5)?,
    })
}

fn good<T, E: fmt::Display>(result: Result<T, E>) -> Result<T, RegistryError> {
    result.map_err(|error| row::damaged(USERS, error))
}

const USERS: &str = "users";
/// In the order that [`user`] reads.
const COLUMNS: &str = "name, role, password, password_set_at, created_at, removed_at";
