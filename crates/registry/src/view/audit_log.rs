//! `audit.log`: one line per entry of the record, oldest first, rotated by size.
//!
//! **Invariant:** the lines of `audit.log` and its rotated files together are consecutive entries
//! up to the last one that was appended. A torn last line is cut off before anything is appended.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use conduit_audit::Entry;

use crate::error::RegistryError;

/// The open view.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: File,
    bytes: u64,
    next: u64,
}

impl AuditLog {
    /// Opens the log of a state directory for a record of `count` entries, or starts it anew when
    /// it is missing, damaged, or belongs to another record.
    ///
    /// # Errors
    /// When the files cannot be read or written.
    pub fn open(dir: &Path, count: u64) -> Result<Self, RegistryError> {
        let path = dir.join(AUDIT_LOG_FILE);
        let failed = |source| RegistryError::View { path: dir.join(AUDIT_LOG_FILE), source };
        let mut log = Self::adopt(path).map_err(failed)?;
        if log.next > count {
            // An older database was restored: what the log says is not this record's.
            log.rotate().map_err(failed)?;
            log.next = 0;
        }
        Ok(log)
    }

    /// The sequence of the entry to append next; entries from there on are missing.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Appends entries, oldest first; those that are there already are passed over.
    ///
    /// # Errors
    /// When the file cannot be written, or an entry is missing in between.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), RegistryError> {
        self.write(entries)
            .map_err(|source| RegistryError::View { path: self.path.clone(), source })
    }

    fn write(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut text = String::new();
        let mut next = self.next;
        for entry in entries.iter().filter(|entry| entry.sequence >= self.next) {
            if entry.sequence != next {
                return Err(io::Error::other(format!("entry {next} is missing")));
            }
            text.push_str(&entry.to_line());
            text.push('\n');
            next += 1;
        }
        if text.is_empty() {
            return Ok(());
        }
        if self.bytes >= ROTATE_AT_BYTES || !self.path.exists() {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            // A torn line would make the next one unreadable.
            self.file.set_len(self.bytes).ok();
            return Err(error);
        }
        self.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.next = next;
        Ok(())
    }

    fn adopt(path: PathBuf) -> io::Result<Self> {
        let mut file = open(&path)?;
        let bytes = cut_torn_line(&mut file)?;
        let next = match last_sequence(&mut file, bytes)? {
            Some(last) => last + 1,
            None if bytes == 0 => next_after(&rotated(&path, 1))?,
            None => 0,
        };
        let mut log = Self { path, file, bytes, next };
        if bytes > 0 && next == 0 {
            // Not a log of ours: it is kept, and the view begins anew.
            log.rotate()?;
        }
        Ok(log)
    }

    /// Moves every file one number up, drops the last, and begins an empty one.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (0..ROTATED_MAX).rev() {
            let from = rotated(&self.path, number);
            match std::fs::rename(&from, rotated(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).open(path)
}

/// `audit.log.1` is the newest of the rotated ones; 0 is the log itself.
fn rotated(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// After a rotation the log is empty; where it goes on, the file before it says.
fn next_after(path: &Path) -> io::Result<u64> {
    match File::open(path) {
        Ok(mut file) => {
            let bytes = file.metadata()?.len();
            Ok(last_sequence(&mut file, bytes)?.map_or(0, |last| last + 1))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn cut_torn_line(file: &mut File) -> io::Result<u64> {
    let bytes = file.metadata()?.len();
    let tail = tail(file, bytes)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = u64::try_from(tail.len() - whole).unwrap_or(0);
    if torn > 0 {
        file.set_len(bytes - torn)?;
    }
    Ok(bytes - torn)
}

/// The sequence in the last line; `None` when there is no such line.
fn last_sequence(file: &mut File, bytes: u64) -> io::Result<Option<u64>> {
    let tail = tail(file, bytes)?;
    let line = tail.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    Ok(line.and_then(sequence_of))
}

fn sequence_of(line: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    value.get("sequence")?.as_u64()
}

/// The end of the file, with a whole line in it when there is one.
fn tail(file: &mut File, bytes: u64) -> io::Result<Vec<u8>> {
    let short = read_from(file, bytes.saturating_sub(SHORT_TAIL_BYTES), bytes)?;
    let line_ends = short.iter().filter(|byte| **byte == b'\n').count();
    if line_ends >= 2 || bytes <= SHORT_TAIL_BYTES {
        return Ok(short);
    }
    read_from(file, bytes.saturating_sub(TAIL_BYTES), bytes)
}

fn read_from(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::with_capacity(usize::try_from(end - start).unwrap_or(0));
    file.take(end - start).read_to_end(&mut tail)?;
    Ok(tail)
}

/// The view's place in the state directory.
pub const AUDIT_LOG_FILE: &str = "audit.log";
const ROTATE_AT_BYTES: u64 = 16 << 20;
/// Rotated files that are kept, `audit.log.1` to this.
const ROTATED_MAX: u32 = 4;
/// Enough for the longest line, with the one before it torn.
const TAIL_BYTES: u64 = 4 << 20;
/// Enough for most.
const SHORT_TAIL_BYTES: u64 = 32 << 10;
