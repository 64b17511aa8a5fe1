//! Letting another process have the database for a while, or for good.
//!
//! **Invariant:** between [`Store::let_go`] and [`Store::take_back`] nothing here touches the
//! database's file. One that was made newer meanwhile is put back as it was, if a copy was kept.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use conduit_core::catalog::Generation;
use rusqlite::Connection;

use super::{Store, generation, inspect, open_for_writing};
use crate::backup;
use crate::error::RegistryError;

impl Store {
    /// Closes the connection that writes. With `keep_copy` a whole copy lies beside the database
    /// until it is taken back or left.
    ///
    /// # Errors
    /// When the copy cannot be made; the connection is as open as before then.
    pub(crate) fn let_go(&mut self, keep_copy: bool) -> Result<(), RegistryError> {
        if keep_copy {
            let copy = copy_of(&self.path);
            // A rest of an upgrade that was interrupted; the database beside it is the truth.
            remove(&copy).map_err(|source| self.failed(source))?;
            backup::copy(&self.path, &copy)?;
        }
        let nothing = Connection::open_in_memory().map_err(|source| self.failed(source))?;
        drop(std::mem::replace(&mut self.connection, nothing));
        Ok(())
    }

    /// Opens it again, and says whether the copy had to be put back.
    ///
    /// # Errors
    /// When it cannot be opened, is newer and there is no copy, or has another generation than the
    /// one that is in force here.
    pub(crate) fn take_back(&mut self, expected: Generation) -> Result<bool, RegistryError> {
        let copy = copy_of(&self.path);
        let is_restored = match inspect::check(&self.path) {
            Ok(_) => false,
            Err(RegistryError::NewerDatabase { .. }) if copy.exists() => {
                put_back(&copy, &self.path).map_err(|source| self.failed(source))?;
                true
            }
            Err(error) => return Err(error),
        };
        self.connection = open_for_writing(&self.path)?;
        self.head = conduit_audit::store::head(&self.connection).map_err(RegistryError::Record)?;
        if generation(&self.connection)? != expected {
            return Err(self.failed("another process has changed the registry meanwhile"));
        }
        self.forget_copy();
        Ok(is_restored)
    }

    /// Removes the copy, if there is one.
    pub(crate) fn forget_copy(&self) {
        if let Err(error) = remove(&copy_of(&self.path)) {
            tracing::warn!(%error, "a copy of the database stays");
        }
    }

    fn failed(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RegistryError {
        super::open_error(&self.path, source)
    }
}

fn put_back(copy: &Path, path: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-shm"] {
        remove(&beside(path, suffix))?;
    }
    std::fs::rename(copy, path)?;
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(directory)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn copy_of(path: &Path) -> PathBuf {
    beside(path, COPY_SUFFIX)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Of the copy's name, beside the database.
const COPY_SUFFIX: &str = ".upgrade";
