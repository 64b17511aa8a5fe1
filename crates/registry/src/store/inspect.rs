//! Looking at a database before it is opened for writing.
//!
//! **Invariant:** reads only. A file without a write-ahead log is opened as immutable, so that not
//! even a lock file appears beside one that is refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::open_error;
use super::schema::{APPLICATION_ID, SCHEMA_VERSION};
use crate::error::RegistryError;

/// Whether there is no database yet; an empty file is none.
pub(super) fn is_absent(path: &Path) -> Result<bool, RegistryError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => return Ok(false),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(open_error(path, error));
        }
        _ => {}
    }
    if has_log(path) {
        // SQLite would replay the old log into the new database.
        let log = log_of(path);
        let text = format!(
            "its log {} is there without it; restore a backup, or move the log away",
            log.display()
        );
        return Err(open_error(path, text));
    }
    Ok(true)
}

/// Refuses a file that is not ours, newer or damaged; says which version it has.
pub(super) fn check(path: &Path) -> Result<u32, RegistryError> {
    let header = read_header(path).map_err(|error| open_error(path, error))?;
    let header = header.as_deref().and_then(Header::parse);
    let header = header.ok_or_else(|| not_ours(path))?;
    judge(path, header)?;
    let connection = open_unnoticed(path).map_err(|source| damaged(path, &source))?;
    // The log may hold a newer version than the file's own header.
    let header = pragmas(&connection).map_err(|source| damaged(path, &source))?;
    judge(path, header)?;
    quick_check(&connection, path, WHOLE_CHECK_BYTES_MAX)?;
    Ok(header.user_version)
}

/// The two numbers of SQLite's header that say whose file it is.
#[derive(Debug, Clone, Copy)]
struct Header {
    application_id: u32,
    user_version: u32,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        bytes.starts_with(MAGIC).then_some(())?;
        Some(Self { application_id: word(68)?, user_version: word(60)? })
    }
}

fn judge(path: &Path, header: Header) -> Result<(), RegistryError> {
    if header.application_id != APPLICATION_ID || header.user_version == 0 {
        return Err(not_ours(path));
    }
    if header.user_version > SCHEMA_VERSION {
        return Err(RegistryError::NewerDatabase {
            path: path.to_owned(),
            found: header.user_version,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

fn read_header(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    let limit = u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok((bytes.len() == HEADER_BYTES).then_some(bytes))
}

fn open_unnoticed(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if has_log(path) {
        return Connection::open_with_flags(path, flags);
    }
    Connection::open_with_flags(
        format!("file:{}?immutable=1", uri_path(path)),
        flags | OpenFlags::SQLITE_OPEN_URI,
    )
}

fn pragmas(connection: &Connection) -> rusqlite::Result<Header> {
    let number =
        |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    Ok(Header {
        application_id: number("application_id")?.cast_unsigned(),
        user_version: number("user_version")?.cast_unsigned(),
    })
}

/// Checks the file, without the record when it is larger than `whole_max` bytes.
pub(super) fn quick_check(
    connection: &Connection,
    path: &Path,
    whole_max: u64,
) -> Result<(), RegistryError> {
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let scopes = match bytes <= whole_max {
        true => vec!["quick_check(1)".to_owned()],
        false => all_but_the_record(connection).map_err(|source| damaged(path, &source))?,
    };
    for scope in scopes {
        let found: String = connection
            .query_row(&format!("PRAGMA {scope}"), [], |row| row.get(0))
            .map_err(|source| damaged(path, &source))?;
        if found != "ok" {
            return Err(RegistryError::Corrupt {
                path: path.to_owned(),
                detail: found.lines().take(2).collect::<Vec<_>>().join(" "),
            });
        }
    }
    Ok(())
}

/// The record only grows: beyond some size its verification is a job of its own. Which other tables
/// there are depends on the schema's version.
fn all_but_the_record(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut tables = connection.prepare(
        "SELECT format('quick_check(%Q)', name) FROM sqlite_schema
         WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name <> 'capsules'",
    )?;
    tables.query_map([], |row| row.get(0))?.collect()
}

fn damaged(path: &Path, error: &rusqlite::Error) -> RegistryError {
    RegistryError::Corrupt { path: path.to_owned(), detail: error.to_string() }
}

fn not_ours(path: &Path) -> RegistryError {
    RegistryError::NotOurs { path: path.to_owned() }
}

fn has_log(path: &Path) -> bool {
    std::fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0)
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// SQLite's file URIs give `?`, `#` and `%` a meaning.
fn uri_path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut text = String::new();
    for byte in absolute.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
/// Up to this size all of the file is checked at every start.
const WHOLE_CHECK_BYTES_MAX: u64 = 64 << 20;
