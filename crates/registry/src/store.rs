//! `conduit.db`: opening it, and what is in it when we start.
//!
//! **Invariant:** a database that is not ours, is newer than we are, or is damaged is refused
//! before a byte of it, or of its write-ahead log, is written.
//! **Invariant:** every connection that writes has `synchronous = FULL` and WAL: what was
//! committed survives a power cut.

mod certificates;
mod commit;
mod handover;
mod inspect;
mod nodes;
mod passkeys;
mod read;
mod records;
mod rows;
mod schema;
mod upgrade;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conduit_audit::{Anchor, Head, SealKey};
use conduit_core::catalog::{Catalog, Change, Generation};
use conduit_core::certificate::Revoked;
use conduit_core::leaf::LeafPair;
use conduit_core::name::ServiceName;
use rusqlite::{Connection, OpenFlags};

use crate::error::RegistryError;
use crate::nodes::NodeTable;
use crate::token::TokenTable;
use crate::users::UserTable;

pub(crate) use certificates::certificates;
pub use certificates::{CERTIFICATES_MAX, CertificateQuery};
pub(crate) use commit::{CertificateWrite, CommitError, Drafts, TokenWrite, Writes};
pub(crate) use nodes::nodes;
pub(crate) use read::{entries_from, generation, newest_entries, rows, tokens};
pub(crate) use rows::{ServiceRows, select_rows};
pub use schema::SCHEMA_VERSION;
pub(crate) use users::users;

/// The open database with everything that is in force in it.
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
    pub(crate) key: SealKey,
    pub(crate) head: Head,
    path: PathBuf,
    seal_dir: PathBuf,
    catalog: Arc<Catalog>,
    tokens: Arc<TokenTable>,
    nodes: Arc<NodeTable>,
    users: Arc<UserTable>,
    revoked: Arc<Revoked>,
    is_new: bool,
}

impl Store {
    /// Opens the database in a state directory, or makes one; the caller holds the
    /// [`StateLock`](crate::StateLock). An older one is brought to the newest version, after a
    /// copy of it was kept beside it.
    ///
    /// # Errors
    /// When the database is not ours, newer, damaged, or cannot be read, made or upgraded.
    pub fn open(dir: &Path, key: SealKey) -> Result<Self, RegistryError> {
        let path = dir.join(DATABASE_FILE);
        let is_new = inspect::is_absent(&path)?;
        let found = if is_new {
            schema::create(&path)?;
            SCHEMA_VERSION
        } else {
            inspect::check(&path)?
        };
        let mut connection = open_for_writing(&path)?;
        upgrade::run(&mut connection, &path, found)?;
        let generation = generation(&connection)?;
        let services = read::active(&connection)?;
        let changes = services.into_iter().map(|s| Change::Put(Arc::new(s)));
        let catalog = Catalog::default()
            .with(generation, changes.collect())
            .with_records(generation, &records::present(&connection)?);
        let tokens = TokenTable::new(read::valid_tokens(&connection)?);
        let nodes = NodeTable::new(nodes(&connection, false)?);
        let users = UserTable::new(users(&connection, false)?);
        let revoked = Self::read_revoked(&connection)?;
        let head = conduit_audit::store::head(&connection).map_err(RegistryError::Record)?;
        Ok(Self {
            connection,
            key,
            head,
            path,
            seal_dir: dir.join(SEAL_DIR),
            catalog: Arc::new(catalog),
            tokens: Arc::new(tokens),
            nodes: Arc::new(nodes),
            users: Arc::new(users),
            revoked: Arc::new(revoked),
            is_new,
        })
    }

    /// The services that are active, and the records that were not removed.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The tokens that were not revoked.
    pub fn tokens(&self) -> &Arc<TokenTable> {
        &self.tokens
    }

    /// The nodes that were added and not removed.
    pub fn nodes(&self) -> &Arc<NodeTable> {
        &self.nodes
    }

    /// The users that were added and not removed.
    pub fn users(&self) -> &Arc<UserTable> {
        &self.users
    }

    /// The certificates that were revoked.
    pub fn revoked(&self) -> &Arc<Revoked> {
        &self.revoked
    }

    /// The catalog's generation.
    pub fn generation(&self) -> Generation {
        self.catalog.generation()
    }

    /// Reads the stored leaves of active services; a service with one leaf only counts as having
    /// none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn leaves(&self) -> Result<Vec<(ServiceName, LeafPair)>, RegistryError> {
        read::leaves(&self.connection)
    }

    /// Whether this very call of [`Store::open`] made the database.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The tip of the record.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Whether the record still holds what its anchor says it once held. The writer's first commit
    /// moves the anchor, so ask before [`start`](crate::start).
    ///
    /// # Errors
    /// When the anchor or the record cannot be read.
    pub fn holds_its_anchor(&self) -> Result<bool, RegistryError> {
        let anchor = Anchor::read(&self.seal_dir).map_err(RegistryError::Record)?;
        let Some(anchor) = anchor else {
            return Ok(true);
        };
        let Some(last) = anchor.count.checked_sub(1) else {
            return Ok(true);
        };
        let entries =
            conduit_audit::store::from(&self.connection, last, 1).map_err(RegistryError::Record)?;
        Ok(entries.first().is_some_and(|entry| entry.sequence == last && entry.hash == anchor.hash))
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn seal_dir(&self) -> &Path {
        &self.seal_dir
    }

    /// Opens a second connection, which cannot write.
    pub(crate) fn open_reader(&self) -> Result<Connection, RegistryError> {
        open_for_reading(&self.path)
    }
}

/// Opens a database that is known to be ours for reading only, while another connection writes.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, RegistryError> {
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", READER_CACHE)?;
        Ok(connection)
    };
    open().map_err(|source| open_error(path, source))
}

fn open_for_writing(path: &Path) -> Result<Connection, RegistryError> {
    let open = || -> rusqlite::Result<(Connection, String)> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        connection.execute_batch(PRAGMAS)?;
        Ok((connection, mode))
    };
    let (connection, mode) = open().map_err(|source| open_error(path, source))?;
    if mode != "wal" {
        return Err(open_error(
            path,
            format!("its file system allows no write-ahead log (mode {mode})"),
        ));
    }
    Ok(connection)
}

fn open_error(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> RegistryError {
    RegistryError::OpenDatabase { path: path.to_owned(), source: source.into() }
}

/// The truth's place in the state directory.
pub const DATABASE_FILE: &str = "conduit.db";
/// The seal's place in the state directory.
pub const SEAL_DIR: &str = "seal";
/// Nobody else writes, so this only ever waits for a checkpoint or a backup.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
const STATEMENTS_MAX: usize = 32;
/// Pages that a reader keeps, in negative KiB as SQLite wants it: reads are rare, and the system has
/// the file in memory anyway.
const READER_CACHE: i64 = -256;
/// Checkpoints are the writer's own, when idle; SQLite's, which runs inside a commit, is the last
/// resort at 64 MiB of log. A registration touches some sixty pages, which the cache holds; reading
/// everything at the start must not fill two megabytes for good.
const PRAGMAS: &str = "
    PRAGMA cache_size = -512;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA wal_autocheckpoint = 16384;
    PRAGMA journal_size_limit = 16777216;
";

#[cfg(test)]
mod tests;
