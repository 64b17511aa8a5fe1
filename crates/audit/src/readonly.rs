//! Opening a database for reading without leaving a trace.
//!
//! SQLite creates `-wal` and `-shm` files even for a read-only connection when the database is in
//! WAL mode, so how it is opened depends on which of them are there.
//!
//! **Invariant:** no file is created. (One exception nobody can close from outside: a daemon that
//! stops between our look and our opening leaves SQLite to make two empty files.)

use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::AuditError;

/// Runs a reader over the database at `path`.
pub(crate) fn with<T>(
    path: &Path,
    read: impl Fn(&Connection) -> Result<T, AuditError>,
) -> Result<T, AuditError> {
    // SQLite looks for the `-wal` file beside the file that a link leads to.
    let path = std::fs::canonicalize(path).map_err(|source| missing_or(path, source))?;
    for _ in 0..ATTEMPTS_MAX {
        let before = Footprint::of(&path)?;
        let access = before.access();
        let result = open(&path, access).and_then(|connection| read(&connection));
        if access == Access::Locked || Footprint::of(&path)? == before {
            return result;
        }
        // Someone wrote while we read without locks; what we saw may be half of two states.
    }
    Err(AuditError::ChangedUnderfoot { path })
}

/// How a database can be read without creating anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// WAL mode and no `-wal`: nobody has it open, the file is all there is.
    Immutable,
    /// A `-wal` whose `-shm` is gone (a copy of a running database): its index is kept in memory.
    Alone,
    /// The ordinary way, among other readers and a writer.
    Locked,
}

fn open(path: &Path, access: Access) -> Result<Connection, AuditError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let uri = uri(path);
    let opened = match access {
        Access::Alone => open_alone(&uri, flags),
        Access::Immutable => Connection::open_with_flags(uri + "?immutable=1", flags),
        Access::Locked => Connection::open_with_flags(uri, flags),
    };
    opened
        .and_then(|connection| {
            // Closing must not move the `-wal` into the database.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(connection)
        })
        .map_err(|source| AuditError::OpenDatabase { path: path.to_owned(), source })
}

/// An exclusive connection keeps the index of its `-wal` in memory. Its locks go nowhere: a file
/// opened for reading cannot be locked exclusively, and nobody else has it open.
fn open_alone(uri: &str, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags_and_vfs(uri, flags, "unix-none")?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(connection)
}

/// What of a database can be seen from outside.
#[derive(Debug, PartialEq, Eq)]
struct Footprint {
    wal_mode: bool,
    database: Option<Trace>,
    wal: Option<Trace>,
    shm: bool,
}

type Trace = (u64, SystemTime);

impl Footprint {
    fn of(path: &Path) -> Result<Self, AuditError> {
        Self::look(path).map_err(|source| missing_or(path, source))
    }

    fn look(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            wal_mode: is_wal(path)?,
            database: trace(path)?,
            wal: trace(&sibling(path, "-wal"))?,
            shm: trace(&sibling(path, "-shm"))?.is_some(),
        })
    }

    fn access(&self) -> Access {
        match (self.wal_mode, self.wal.is_some(), self.shm) {
            (true, false, _) => Access::Immutable,
            (true, true, false) => Access::Alone,
            _ => Access::Locked,
        }
    }
}

/// Reads the mode from the file's header, as SQLite does.
fn is_wal(path: &Path) -> std::io::Result<bool> {
    let mut header = [0; 20];
    match std::fs::File::open(path)?.read_exact(&mut header) {
        Ok(()) => Ok(header[18] == WAL_FORMAT || header[19] == WAL_FORMAT),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn trace(path: &Path) -> std::io::Result<Option<Trace>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.len(), metadata.modified()?))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A `file:` URI; every byte that could mean something in one is escaped.
fn uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' => uri.push(char::from(*byte)),
            plain if plain.is_ascii_alphanumeric() => uri.push(char::from(*plain)),
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri
}

fn missing_or(path: &Path, source: std::io::Error) -> AuditError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound => AuditError::MissingDatabase { path },
        _ => AuditError::ReadDatabase { path, source },
    }
}

/// Tries before a database that changes all the time is given up.
const ATTEMPTS_MAX: u32 = 5;
/// The header's value for WAL in the read and write versions.
const WAL_FORMAT: u8 = 2;
