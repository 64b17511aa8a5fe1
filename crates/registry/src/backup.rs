//! A copy of the database, consistent while it is written to.
//!
//! **Invariant:** the copy never replaces a file, and one that failed is removed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use conduit_audit::Head;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::RegistryError;
use crate::store;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Copies the database at `source` to a new file, and says where the copy's record ends.
pub(crate) fn copy(source: &Path, target: &Path) -> Result<Head, RegistryError> {
    let error = |fault: Fault| RegistryError::Backup { path: target.to_owned(), source: fault };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(target).map_err(|source| error(source.into()))?;
    fill(source, target).map_err(|fault| {
        // The half-done copy is worthless; the fault itself is what matters.
        std::fs::remove_file(target).ok();
        error(fault)
    })
}

fn fill(source: &Path, target: &Path) -> Result<Head, Fault> {
    // A connection of its own: a long copy must not hold up other reads.
    let from = store::open_for_reading(source)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut to = Connection::open_with_flags(target, flags)?;
    let copied = Backup::new(&from, &mut to)?.step(ALL_PAGES)?;
    if copied != StepResult::Done {
        return Err("the database is busy".into());
    }
    let head = conduit_audit::store::head(&to)?;
    to.close().map_err(|(_, error)| error)?;
    File::open(target)?.sync_all()?;
    Ok(head)
}

/// In one step, so that the copy is of one moment.
const ALL_PAGES: i32 = -1;
