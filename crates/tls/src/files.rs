//! Reading and writing the authority's files.
//!
//! **Invariant:** a file is either the old one or the new one, whole, whenever the power goes.
//! **Invariant:** nothing is written that others could read, not even for a moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::TlsError;

/// Makes a private directory unless it is there.
pub(crate) fn create_directory(path: &Path) -> Result<(), TlsError> {
    let failed = |source| TlsError::CreateDirectory { path: path.into(), source };
    fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path).map_err(failed)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(parent).map_err(failed),
        None => Ok(()),
    }
}

/// Refuses a directory into which others may write.
pub(crate) fn check_directory(path: &Path) -> Result<(), TlsError> {
    let mode = mode_of(path)?;
    if mode & WRITABLE_BY_OTHERS == 0 {
        Ok(())
    } else {
        Err(TlsError::OpenToOthers { path: path.into(), mode, wanted: DIRECTORY_MODE })
    }
}

/// Reads a small text file.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, TlsError> {
    let failed = |source| TlsError::ReadFile { path: path.into(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(TlsError::MissingFile { path: path.into() });
        }
        Err(e) => return Err(failed(e)),
    };
    // Room for everything from the start: growing would leave copies of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
    let limit = FILE_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let malformed = |reason| TlsError::Malformed { path: path.into(), reason };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(malformed("is too long for what it should be"));
    }
    std::str::from_utf8(&bytes)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| malformed("is not text"))
}

/// Reads a file that must be nobody else's to read.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<String>, TlsError> {
    let text = read(path)?;
    let mode = mode_of(path)?;
    if mode & FOR_OTHERS == 0 {
        Ok(text)
    } else {
        Err(TlsError::OpenToOthers { path: path.into(), mode, wanted: FILE_MODE })
    }
}

/// Replaces a file as a whole, and waits for the disk.
pub(crate) fn write(path: &Path, content: &str) -> Result<(), TlsError> {
    replace(path, content.as_bytes())
        .map_err(|source| TlsError::WriteFile { path: path.into(), source })
}

/// Removes a file if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), TlsError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(TlsError::WriteFile { path: path.into(), source: e })
        }
        _ => Ok(()),
    }
}

/// Whether something is there, even a dangling link.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let fresh = path.with_file_name(name);
    match fs::remove_file(&fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn mode_of(path: &Path) -> Result<u32, TlsError> {
    fs::metadata(path)
        .map(|metadata| metadata.mode() & 0o7777)
        .map_err(|source| TlsError::ReadFile { path: path.into(), source })
}

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const FOR_OTHERS: u32 = 0o077;
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// More than any number of certificates that one file of ours holds.
const FILE_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn replaces_whole_files_privately() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("key");
        fs::write(dir.path().join("key.new"), "left by a crash").expect("written");
        write(&path, "one").expect("written");
        write(&path, "two").expect("replaced");
        assert_eq!(read_private(&path).expect("read").as_str(), "two");
        assert_eq!(mode_of(&path).expect("mode"), FILE_MODE);
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }

    #[test]
    fn refuses_what_is_not_private_or_not_text() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("key");
        write(&path, "secret").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
        let error = read_private(&path).expect_err("readable by the group");
        assert!(error.to_string().contains("chmod 0600"), "{error}");
        fs::write(&path, [0xff, 0xfe]).expect("written");
        assert!(matches!(read(&path), Err(TlsError::Malformed { .. })));
        fs::write(&path, vec![b'a'; FILE_BYTES_MAX + 1]).expect("written");
        assert!(matches!(read(&path), Err(TlsError::Malformed { .. })));
    }

    #[test]
    fn refuses_a_directory_others_may_write_into() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("tls");
        create_directory(&path).expect("created");
        check_directory(&path).expect("private");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).expect("mode");
        assert!(check_directory(&path).is_err());
    }
}
