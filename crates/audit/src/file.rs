//! Small private files, written whole or not at all.
//!
//! **Invariant:** after [`write()`] returns, a power cut leaves the new content; before it returns,
//! the old or the new, never a part.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::AuditError;

/// Reads a file; none when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, AuditError> {
    let failed = |source| AuditError::ReadSeal { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Writes a file that only its owner may read.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), AuditError> {
    write_steps(path, bytes)
        .map_err(|source| AuditError::WriteSeal { path: path.to_owned(), source })
}

/// Creates a directory, and those above it, that only its owner may enter.
pub(crate) fn create_dir(dir: &Path) -> Result<(), AuditError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| AuditError::WriteSeal { path: dir.to_owned(), source })
}

fn write_steps(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = temporary_beside(path);
    // One that a crash left behind might have another mode or owner.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    // The rename itself is durable only when the directory is.
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Bytes read of one file; a keyring of thousands of keys fits.
const FILE_BYTES_MAX: u64 = 1 << 20;
