//! What can go wrong with the registry itself, as opposed to what callers ask of it.

use std::io;
use std::path::PathBuf;

use conduit_audit::AuditError;

/// A failed operation of the registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A backup could not be taken.
    #[error("cannot write the backup {}", path.display())]
    Backup {
        /// Where to.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row holds what no version of Conduit writes.
    #[error("the database has a damaged row in {table}: {detail}")]
    BadRow {
        /// Of which table.
        table: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// SQLite's check of the file failed.
    #[error(
        "{} is damaged ({detail}); it was left as it is: restore a backup, or move it away",
        path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// The first thing that the check found.
        detail: String,
    },
    /// The database could not be made.
    #[error("cannot create the database {}", path.display())]
    CreateDatabase {
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The state directory is in use by another process.
    #[error(
        "{} is in use by another conduit{}; stop it first, or use another state directory",
        dir.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// Who holds it, when that is known.
        pid: Option<u32>,
    },
    /// The state directory could not be locked.
    #[error("cannot lock the state directory {}", dir.display())]
    LockState {
        /// The state directory.
        dir: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A newer Conduit wrote this database.
    #[error(
        "{} was written by a newer conduit (version {found}; this one knows {known}); \
         it was left as it is: run the newer conduit",
        path.display()
    )]
    NewerDatabase {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file is something else than a database of ours.
    #[error("{} is not a database of conduit; it was left as it is", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The database could not be opened.
    #[error("cannot open the database {}", path.display())]
    OpenDatabase {
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A commit failed, and whether it is durable cannot be told.
    #[error("the database does not say whether the change was written; ask again later")]
    OutcomeUnknown,
    /// Rows could not be read.
    #[error("cannot read from the database")]
    Read(#[source] rusqlite::Error),
    /// The record could not be read or written.
    #[error("cannot use the audit record")]
    Record(#[source] AuditError),
    /// The system gave no randomness.
    #[error("cannot get randomness from the system")]
    Random(#[source] getrandom::Error),
    /// The thread of the writer could not be started.
    #[error("cannot start the registry's writer")]
    StartWriter(#[source] io::Error),
    /// An older database could not be brought to the newest version.
    #[error(
        "cannot upgrade {} from version {found} to {known}; it was left as it is: make room if \
         its disk is full, and start again",
        path.display()
    )]
    UpgradeDatabase {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version.
        known: u32,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A view could not be written.
    #[error("cannot write the view {}", path.display())]
    View {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Rows could not be written.
    #[error("cannot write to the database")]
    Write(#[source] rusqlite::Error),
    /// The writer ended before it answered.
    #[error("the registry's writer ended before it answered; the outcome is unknown")]
    WriterGone,
}

impl RegistryError {
    /// Whether there is no room on the disk, which mends itself once there is.
    pub fn is_disk_full(&self) -> bool {
        let sqlite = match self {
            Self::Write(error) => Some(error),
            Self::Record(error) => error.sqlite(),
            _ => None,
        };
        sqlite.and_then(rusqlite::Error::sqlite_error_code) == Some(rusqlite::ErrorCode::DiskFull)
    }
}
