//! Bringing an older database to the newest version.
//!
//! **Invariant:** a crash, a full disk or a fault at any point leaves the old version or the new
//! one, never something between: every missing migration and the new number are one transaction.
//! **Invariant:** before it, a whole copy of the old database lies beside it, synced.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::schema::{MIGRATIONS, SCHEMA_VERSION};
use crate::backup;
use crate::error::RegistryError;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Runs what is missing since version `found`; the caller holds the state's lock.
pub(super) fn run(
    connection: &mut Connection,
    path: &Path,
    found: u32,
) -> Result<(), RegistryError> {
    if found >= SCHEMA_VERSION {
        return Ok(());
    }
    let failed = |source: Fault| RegistryError::UpgradeDatabase {
        path: path.to_owned(),
        found,
        known: SCHEMA_VERSION,
        source,
    };
    let kept = copy_of(path, found);
    let is_ours = keep(path, &kept).map_err(failed)?;
    migrate(connection, found, MIGRATIONS).map_err(|error| {
        if is_ours {
            // Nothing was upgraded, so nothing needs it, and on a full disk its room does.
            std::fs::remove_file(&kept).ok();
        }
        failed(error.into())
    })?;
    tracing::info!(
        from = found,
        to = SCHEMA_VERSION,
        copy = %kept.display(),
        "upgraded the database; the old one was kept"
    );
    Ok(())
}

/// Where the copy of a version is kept: `conduit.db.v1`.
fn copy_of(path: &Path, version: u32) -> PathBuf {
    beside(path, &format!(".v{version}"))
}

/// Copies the database, log included; says whether this call did, or an earlier one had.
fn keep(path: &Path, kept: &Path) -> Result<bool, Fault> {
    if kept.try_exists()? {
        return Ok(false);
    }
    let partial = beside(kept, ".new");
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    backup::copy(path, &partial)?;
    std::fs::rename(&partial, kept)?;
    let directory = kept.parent().unwrap_or_else(|| Path::new("."));
    File::open(directory)?.sync_all()?;
    Ok(true)
}

fn migrate(
    connection: &mut Connection,
    found: u32,
    migrations: &[&str],
) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (version, migration) in (1_u32..).zip(migrations) {
        if version > found {
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "user_version", version)?;
        }
    }
    transaction.commit()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
