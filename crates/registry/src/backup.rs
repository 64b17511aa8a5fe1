//! A copy of the database, consistent while it is written to.
//!
//! **Invariant:** the copy appears under its name complete or not at all, and never replaces a file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::RegistryError;
use crate::store;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Copies the database at `source` to a new file.
pub(crate) fn copy(source: &Path, target: &Path) -> Result<(), RegistryError> {
    let error = |fault: Fault| RegistryError::Backup { path: target.to_owned(), source: fault };
    if target.exists() {
        return Err(error("there is a file of this name already".into()));
    }
    let mut name = target.as_os_str().to_owned();
    name.push(".partial");
    let partial = Path::new(&name);
    let done = fill(source, partial).and_then(|()| publish(partial, target).map_err(Fault::from));
    done.map_err(|fault| {
        // The half-done copy is worthless; the fault itself is what matters.
        std::fs::remove_file(partial).ok();
        error(fault)
    })
}

fn fill(source: &Path, partial: &Path) -> Result<(), Fault> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(partial)?;
    drop(file);
    // A connection of its own: a long copy must not hold up other reads.
    let from = store::open_for_reading(source)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut to = Connection::open_with_flags(partial, flags)?;
    let copied = Backup::new(&from, &mut to)?.step(ALL_PAGES)?;
    if copied != StepResult::Done {
        return Err("the database is busy".into());
    }
    to.close().map_err(|(_, error)| error)?;
    File::open(partial)?.sync_all()?;
    Ok(())
}

fn publish(partial: &Path, target: &Path) -> io::Result<()> {
    // Unlike a rename, a link never replaces what appeared there in the meantime.
    std::fs::hard_link(partial, target)?;
    std::fs::remove_file(partial)?;
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// In one step, so that the copy is of one moment.
const ALL_PAGES: i32 = -1;
