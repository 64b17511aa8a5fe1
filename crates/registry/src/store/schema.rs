//! Making the tables, and knowing which version of them a file has.
//!
//! **Invariant:** a database appears under its name complete or not at all: it is made beside it,
//! synced and renamed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::error::RegistryError;

/// Makes an empty database of the newest version.
pub(super) fn create(path: &Path) -> Result<(), RegistryError> {
    let partial = path.with_extension("db.new");
    build(&partial)
        .and_then(|()| Ok(publish(&partial, path)?))
        .map_err(|source| RegistryError::CreateDatabase { path: path.to_owned(), source })
}

fn build(partial: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match std::fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    // SQLite gives its logs the mode of the database, so it must be right from the start.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(partial)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(partial, flags)?;
    let transaction = connection.transaction()?;
    for migration in MIGRATIONS {
        transaction.execute_batch(migration)?;
    }
    conduit_audit::store::create_schema(&transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn publish(partial: &Path, path: &Path) -> io::Result<()> {
    File::open(partial)?.sync_all()?;
    std::fs::rename(partial, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// One script per version, the first for version 1.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_init.sql"),
    include_str!("../../migrations/0002_policy.sql"),
    include_str!("../../migrations/0003_upstream_holds.sql"),
    include_str!("../../migrations/0004_nodes.sql"),
    include_str!("../../migrations/0005_users.sql"),
    include_str!("../../migrations/0006_passkeys.sql"),
    include_str!("../../migrations/0007_token_scopes.sql"),
    include_str!("../../migrations/0008_service_titles.sql"),
    include_str!("../../migrations/0009_records.sql"),
    include_str!("../../migrations/0010_certificates.sql"),
];
/// The newest version of the tables.
#[expect(clippy::cast_possible_truncation, reason = "a handful of migrations")]
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;
/// "Cndt": says that a SQLite file is ours.
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"Cndt");
