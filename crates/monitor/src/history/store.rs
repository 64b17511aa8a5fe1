//! The rows of the history in SQLite.
//!
//! The key of a row is its hour (or day) and its series in one number, so that what is written
//! together lies together, and what is old is one range.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use conduit_core::clock::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};

use super::block::{Coarse, Fine};
use crate::metric::{Metric, Series};
use crate::node::NodeName;

/// The database.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    path: PathBuf,
    bytes_max: u64,
}

/// A series as it is kept: its number, and the last hour in which it was seen.
pub(super) type SeriesRow = (Series, u32, i64);

impl Store {
    /// Opens or makes the database; a broken one is set aside.
    pub(super) fn open(path: &Path, bytes_max: u64) -> Result<Self, OpenError> {
        match Self::open_once(path, bytes_max) {
            Err(OpenError::Broken(reason)) => {
                set_aside(path, &reason, Timestamp::now())?;
                Self::open_once(path, bytes_max)
            }
            other => other,
        }
    }

    /// Sets this database aside and begins anew.
    pub(super) fn begin_anew(&mut self, reason: &str) -> Result<(), OpenError> {
        // The old connection must not write into the new files.
        self.connection = Connection::open_in_memory()?;
        set_aside(&self.path, reason, Timestamp::now())?;
        *self = Self::open_once(&self.path, self.bytes_max)?;
        Ok(())
    }

    fn open_once(path: &Path, bytes_max: u64) -> Result<Self, OpenError> {
        let made =
            OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(path);
        made.and_then(|file| file.set_permissions(fs::Permissions::from_mode(MODE)))
            .map_err(|error| OpenError::File(path.to_owned(), error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        let number = |pragma: &str| -> rusqlite::Result<i64> {
            connection.pragma_query_value(None, pragma, |row| row.get(0))
        };
        let is_new = fs::metadata(path).is_ok_and(|file| file.len() == 0);
        if !is_new {
            let (ours, version) = (number("application_id")?, number("user_version")?);
            if ours != APPLICATION_ID {
                return Err(OpenError::Broken("it is not a history of Conduit".into()));
            }
            if version > SCHEMA_VERSION {
                return Err(OpenError::Newer(path.to_owned(), version));
            }
        }
        // Only before the first table, and only outside WAL, does the file learn to shrink.
        if is_new {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update_and_check(
            None,
            "journal_size_limit",
            LOG_BYTES_MAX,
            |_| Ok(()),
        )?;
        if is_new {
            connection.execute_batch(SCHEMA)?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        let store = Self { connection, path: path.to_owned(), bytes_max };
        if fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES_MAX) {
            let check = "PRAGMA quick_check(1)";
            let found: String = store.connection.query_row(check, [], |row| row.get(0))?;
            if found != "ok" {
                return Err(OpenError::Broken(found.lines().next().unwrap_or_default().into()));
            }
        }
        Ok(store)
    }

    pub(super) fn transaction(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.connection.transaction()
    }

    /// Every series.
    pub(super) fn series(&self) -> rusqlite::Result<Vec<SeriesRow>> {
        let mut rows = self
            .connection
            .prepare("SELECT id, node, metric, subject, last_hour FROM series ORDER BY id")?;
        let read = |row: &rusqlite::Row<'_>| {
            let (id, node): (u32, String) = (row.get(0)?, row.get(1)?);
            let (metric, subject): (String, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok((id, node, metric, subject, row.get::<_, i64>(4)?))
        };
        let mut found = Vec::new();
        for row in rows.query_map([], read)? {
            let (id, node, metric, subject, last_hour) = row?;
            // A metric that another version knew is left to its age.
            let (Ok(node), Ok(metric)) = (NodeName::parse(&node), metric.parse::<Metric>()) else {
                continue;
            };
            found.push((Series { node, metric, subject: subject.map(Into::into) }, id, last_hour));
        }
        Ok(found)
    }

    /// Every number of a series that is taken, readable or not.
    pub(super) fn series_ids(&self) -> rusqlite::Result<Vec<u32>> {
        let mut rows = self.connection.prepare("SELECT id FROM series ORDER BY id")?;
        rows.query_map([], |row| row.get(0))?.collect()
    }

    pub(super) fn fine(&self, hour: i64, id: u32) -> rusqlite::Result<Option<Fine>> {
        let bytes = self.blob("SELECT points FROM fine WHERE key = ?1", key(hour, id))?;
        Ok(bytes.map(|bytes| Fine::decode(&bytes)))
    }

    pub(super) fn coarse(&self, day: i64, id: u32) -> rusqlite::Result<Option<Coarse>> {
        let bytes = self.blob("SELECT points FROM coarse WHERE key = ?1", key(day, id))?;
        Ok(bytes.map(|bytes| Coarse::decode(&bytes)))
    }

    fn blob(&self, query: &str, key: i64) -> rusqlite::Result<Option<Vec<u8>>> {
        self.connection.prepare_cached(query)?.query_row([key], |row| row.get(0)).optional()
    }

    /// What was kept under a kind: alerts or silences.
    pub(super) fn kept(&self, kind: &str) -> rusqlite::Result<Vec<String>> {
        let mut rows =
            self.connection.prepare("SELECT body FROM kept WHERE kind = ?1 ORDER BY rowid")?;
        rows.query_map([kind], |row| row.get(0))?.collect()
    }

    /// Keeps these under a kind, in place of what was there.
    pub(super) fn keep(&mut self, kind: &str, bodies: &[String]) -> rusqlite::Result<()> {
        let transaction = self.transaction()?;
        transaction.execute("DELETE FROM kept WHERE kind = ?1", [kind])?;
        for body in bodies {
            transaction.execute("INSERT INTO kept (kind, body) VALUES (?1, ?2)", [kind, body])?;
        }
        transaction.commit()
    }

    /// Deletes what is older than these hours and days, and what is later than these.
    pub(super) fn expire(&mut self, fine: (i64, i64), coarse: (i64, i64)) -> rusqlite::Result<()> {
        let transaction = self.transaction()?;
        let delete = |table: &str, (oldest, latest): (i64, i64)| {
            let query = format!("DELETE FROM {table} WHERE key < ?1 OR key >= ?2");
            transaction.execute(&query, [key(oldest, 0), key(latest + 1, 0)])
        };
        delete("fine", fine)?;
        delete("coarse", coarse)?;
        transaction.commit()?;
        self.give_back()
    }

    /// Deletes series and all their points within these hours and days.
    pub(super) fn forget(
        &mut self,
        ids: &[u32],
        hours: (i64, i64),
        days: (i64, i64),
    ) -> rusqlite::Result<()> {
        let transaction = self.transaction()?;
        for id in ids {
            transaction.execute("DELETE FROM series WHERE id = ?1", [id])?;
            let mut fine = transaction.prepare_cached("DELETE FROM fine WHERE key = ?1")?;
            for hour in hours.0..=hours.1 {
                fine.execute([key(hour, *id)])?;
            }
            let mut coarse = transaction.prepare_cached("DELETE FROM coarse WHERE key = ?1")?;
            for day in days.0..=days.1 {
                coarse.execute([key(day, *id)])?;
            }
        }
        transaction.commit()
    }

    /// Deletes the oldest day or hour, until the size is within its bound; how often it had to.
    pub(super) fn give_up_oldest(&self) -> rusqlite::Result<u32> {
        for step in 0..GIVE_UP_STEPS_MAX {
            if self.bytes()? <= self.bytes_max {
                return Ok(step);
            }
            let oldest = |table: &str| -> rusqlite::Result<Option<i64>> {
                let query = format!("SELECT min(key) FROM {table}");
                let least: Option<i64> = self.connection.query_row(&query, [], |row| row.get(0))?;
                Ok(least.map(|key| key >> SERIES_BITS))
            };
            let (hour, day) = (oldest("fine")?, oldest("coarse")?);
            let (table, place) = match (hour, day) {
                (Some(hour), Some(day)) if day * 24 > hour => ("fine", hour),
                (_, Some(day)) => ("coarse", day),
                (Some(hour), None) => ("fine", hour),
                (None, None) => return Ok(step),
            };
            let query = format!("DELETE FROM {table} WHERE key < ?1");
            self.connection.execute(&query, [key(place + 1, 0)])?;
            self.give_back()?;
        }
        Ok(GIVE_UP_STEPS_MAX)
    }

    /// Bytes of the database that are in use.
    pub(super) fn bytes(&self) -> rusqlite::Result<u64> {
        let number = |pragma: &str| -> rusqlite::Result<u64> {
            let read = self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            read.map(|number| u64::try_from(number).unwrap_or(0))
        };
        let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
        Ok(pages * number("page_size")?)
    }

    /// Gives empty pages back to the file system.
    fn give_back(&self) -> rusqlite::Result<()> {
        let mut rows = self.connection.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = rows.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }
}

pub(super) fn put_fine(
    t: &Transaction<'_>,
    hour: i64,
    id: u32,
    block: &Fine,
) -> rusqlite::Result<()> {
    put(
        t,
        "INSERT OR REPLACE INTO fine (key, points) VALUES (?1, ?2)",
        key(hour, id),
        block.encode(),
    )
}

pub(super) fn put_coarse(
    t: &Transaction<'_>,
    day: i64,
    id: u32,
    block: &Coarse,
) -> rusqlite::Result<()> {
    put(
        t,
        "INSERT OR REPLACE INTO coarse (key, points) VALUES (?1, ?2)",
        key(day, id),
        block.encode(),
    )
}

fn put(t: &Transaction<'_>, query: &str, key: i64, points: Vec<u8>) -> rusqlite::Result<()> {
    t.prepare_cached(query)?.execute(params![key, points])?;
    Ok(())
}

pub(super) fn put_series(
    transaction: &Transaction<'_>,
    (series, id, last_hour): (&Series, u32, i64),
) -> rusqlite::Result<()> {
    let query = "INSERT OR REPLACE INTO series (id, node, metric, subject, last_hour) \
                 VALUES (?1, ?2, ?3, ?4, ?5)";
    let (node, metric) = (series.node.as_str(), series.metric.as_str());
    transaction.prepare_cached(query)?.execute(params![
        id,
        node,
        metric,
        series.subject.as_deref(),
        last_hour
    ])?;
    Ok(())
}

/// Whether an error says that the file is no database any more.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("{} cannot be opened: {}; it must be a file of the user that runs Conduit", .0.display(), .1)]
    File(PathBuf, io::Error),
    #[error("{} was written by a newer Conduit (version {}); it is left alone", .0.display(), .1)]
    Newer(PathBuf, i64),
    #[error("{0}")]
    Broken(String),
    #[error("SQLite: {0}")]
    Sqlite(rusqlite::Error),
    #[error("its thread cannot be started: {0}")]
    Thread(io::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        // A table that is missing is damage too.
        let is_unknown = error.sqlite_error_code() == Some(ErrorCode::Unknown);
        if is_broken(&error) || is_unknown {
            return Self::Broken(error.to_string());
        }
        Self::Sqlite(error)
    }
}

/// Renames a database and its log; the newest few of such names stay.
fn set_aside(path: &Path, reason: &str, now: Timestamp) -> Result<(), OpenError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let aside = path.with_file_name(format!("{name}.broken-{}", now.seconds()));
    tracing::warn!(path = %path.display(), aside = %aside.display(), reason,
        "the monitor's history is broken; it was set aside and is begun anew");
    fs::rename(path, &aside).map_err(|error| OpenError::File(path.to_owned(), error))?;
    for log in ["-wal", "-shm"] {
        // Without its log the broken one is worth no less; there may be none.
        let _gone = fs::remove_file(path.with_file_name(format!("{name}{log}")));
    }
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let prefix = format!("{name}.broken-");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.path());
    let is_old = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|n| n.starts_with(&prefix))
    };
    let mut old: Vec<PathBuf> = entries.filter(is_old).collect();
    old.sort();
    for path in old.iter().rev().skip(BROKEN_KEPT) {
        // It is tried again the next time.
        let _gone = fs::remove_file(path);
    }
    Ok(())
}

/// Hour or day, and series, in one number.
fn key(place: i64, id: u32) -> i64 {
    place << SERIES_BITS | i64::from(id)
}

const SCHEMA: &str = "
    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        node TEXT NOT NULL,
        metric TEXT NOT NULL,
        subject TEXT,
        last_hour INTEGER NOT NULL
    );
    CREATE TABLE fine (key INTEGER PRIMARY KEY, points BLOB NOT NULL);
    CREATE TABLE coarse (key INTEGER PRIMARY KEY, points BLOB NOT NULL);
    CREATE TABLE kept (kind TEXT NOT NULL, body TEXT NOT NULL);
";
/// `Cmon` in ASCII: what the file says it is.
const APPLICATION_ID: i64 = 0x436d_6f6e;
const SCHEMA_VERSION: i64 = 1;
/// Numbers of series have so many bits; the rest of a key is the hour or the day.
const SERIES_BITS: u32 = 20;
/// Readable by its owner only.
const MODE: u32 = 0o600;
const BUSY: Duration = Duration::from_secs(2);
const CACHE_KIB: i64 = 4_096;
/// The log shrinks to this after a checkpoint.
const LOG_BYTES_MAX: i64 = 8 << 20;
/// Greater databases are not read through at the start; damage shows when it is met.
const CHECKED_BYTES_MAX: u64 = 64 << 20;
/// Days and hours that are given up at one flush, at most; the next one goes on.
const GIVE_UP_STEPS_MAX: u32 = 64;
/// Broken databases that stay.
const BROKEN_KEPT: usize = 2;
