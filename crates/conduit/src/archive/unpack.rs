//! Reading an archive that may come from anywhere.
//!
//! **Invariant:** every file that is made is a new one, 0600, below the given directory, under a
//! name that a backup has; extensions of the tar format, which could say otherwise, are not read.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use tar::{Archive, Entry, EntryType};

use super::pack::Digesting;
use super::{
    ArchiveError, DATABASE, FILE_BYTES_MAX, FILES_MAX, FORMAT, Listed, MANIFEST, Manifest,
    SEAL_KEY, limit_of,
};

/// Unpacks an archive into an empty directory. What is there after an error is worthless.
pub(crate) fn unpack(from: impl Read, directory: &Path) -> Result<(), ArchiveError> {
    let mut archive = Archive::new(BufReader::new(from));
    let mut found = BTreeMap::new();
    for entry in archive.entries().map_err(ArchiveError::Read)?.raw(true) {
        let mut entry = entry.map_err(ArchiveError::Read)?;
        let path = path_of(&entry)?;
        if entry.header().entry_type() != EntryType::Regular {
            return Err(not_a_backup(&path, "is not a plain file"));
        }
        let bytes = entry.header().size().map_err(ArchiveError::Read)?;
        if path == MANIFEST {
            return compare(&read_manifest(&mut entry, bytes)?, &found);
        }
        let limit = limit_of(&path).ok_or_else(|| not_a_backup(&path, "has no place in one"))?;
        if bytes > limit {
            return Err(not_a_backup(&path, "is too large"));
        }
        if found.len() == FILES_MAX {
            return Err(not_a_backup(&path, "is one file too many"));
        }
        let listed = extract(&mut entry, &path, bytes, directory)?;
        if found.insert(path.clone(), listed).is_some() {
            return Err(not_a_backup(&path, "is there twice"));
        }
    }
    Err(ArchiveError::CutShort)
}

fn path_of(entry: &Entry<'_, impl Read>) -> Result<String, ArchiveError> {
    let bytes = entry.header().path_bytes();
    match std::str::from_utf8(&bytes) {
        Ok(path) => Ok(path.to_owned()),
        Err(_) => Err(not_a_backup(&String::from_utf8_lossy(&bytes), "is not UTF-8")),
    }
}

fn extract(
    entry: &mut Entry<'_, impl Read>,
    path: &str,
    bytes: u64,
    directory: &Path,
) -> Result<Listed, ArchiveError> {
    let failed = |source| ArchiveError::Extract { path: path.to_owned(), source };
    let target = directory.join(path);
    if let Some(parent) = target.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    let mut file: File =
        options.write(true).create_new(true).mode(0o600).open(&target).map_err(failed)?;
    let mut digesting = Digesting::new(entry.take(bytes));
    copy(&mut digesting, &mut file, path)?;
    file.sync_all().map_err(failed)?;
    let (read, sha3_256) = digesting.finish();
    if read != bytes {
        return Err(ArchiveError::CutShort);
    }
    Ok(Listed { path: path.to_owned(), bytes, sha3_256 })
}

/// Like [`io::copy`], but it knows on which side it failed.
fn copy(from: &mut impl Read, to: &mut File, path: &str) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ArchiveError::Read(error)),
        };
        to.write_all(&buffer[..count])
            .map_err(|source| ArchiveError::Extract { path: path.to_owned(), source })?;
    }
}

fn read_manifest(entry: &mut Entry<'_, impl Read>, bytes: u64) -> Result<Manifest, ArchiveError> {
    if bytes > FILE_BYTES_MAX {
        return Err(not_a_backup(MANIFEST, "is too large"));
    }
    let mut text = Vec::new();
    entry.take(bytes).read_to_end(&mut text).map_err(ArchiveError::Read)?;
    let value: serde_json::Value =
        serde_json::from_slice(&text).map_err(|_| not_a_backup(MANIFEST, "is not JSON"))?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    let format = format.and_then(|format| u32::try_from(format).ok());
    match format {
        Some(FORMAT) => {}
        Some(found) if found > FORMAT => return Err(ArchiveError::Newer { found }),
        _ => return Err(not_a_backup(MANIFEST, "names no format")),
    }
    serde_json::from_value(value).map_err(|_| not_a_backup(MANIFEST, "lists nothing"))
}

fn compare(manifest: &Manifest, found: &BTreeMap<String, Listed>) -> Result<(), ArchiveError> {
    let changed = |path: &str| ArchiveError::Changed { path: path.to_owned() };
    for listed in &manifest.files {
        if found.get(&listed.path) != Some(listed) {
            return Err(changed(&listed.path));
        }
    }
    for path in found.keys() {
        if !manifest.files.iter().any(|listed| listed.path == *path) {
            return Err(changed(path));
        }
    }
    for path in [DATABASE, SEAL_KEY] {
        if !found.contains_key(path) {
            return Err(not_a_backup(path, "is missing"));
        }
    }
    Ok(())
}

fn not_a_backup(path: &str, reason: &'static str) -> ArchiveError {
    let path: String = path.chars().take(PATH_CHARS_SHOWN).collect();
    ArchiveError::NotABackup { path: format!("{path:?}"), reason }
}

const COPY_BYTES: usize = 64 << 10;
const PATH_CHARS_SHOWN: usize = 100;
