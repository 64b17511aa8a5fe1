//! A log file that is moved aside when it is full.
//!
//! `access.log` becomes `access.log.1`, that becomes `.2`, and so on; the last one goes. Old ones
//! can be compressed, which a thread of its own does.
//!
//! **Invariant:** a file holds whole lines. Moving files aside never loses the one that is written
//! to: when it cannot be replaced, writing to it goes on.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

/// When files are moved aside, and what becomes of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    /// In bytes.
    pub(crate) size: u64,
    /// How many old ones stay.
    pub(crate) keep: u32,
    /// Whether old ones are compressed.
    pub(crate) compress: bool,
}

/// The file that is written to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    size: u64,
    /// From this size on it is to be moved aside.
    full_at: u64,
    compressing: Option<JoinHandle<()>>,
}

impl LogFile {
    /// Opens it for appending, or makes it.
    pub(super) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let (file, size) = open(path)?;
        let full_at = rotation.size;
        Ok(Self { path: path.to_owned(), rotation, file, size, full_at, compressing: None })
    }

    /// Appends whole lines.
    pub(super) fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let after = self.size.saturating_add(text.len() as u64);
        if self.size > 0
            && after > self.full_at
            && let Err(error) = self.rotate()
        {
            tracing::warn!(%error, path = %self.path.display(), "a full log stays where it is");
            // Not tried again for every batch.
            self.full_at = self.size.saturating_add(self.rotation.size / 8);
        }
        match self.file.write_all(text) {
            Ok(()) => {
                self.size += text.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What got through of the last line is cut off, so that the next one is whole.
                let end = self.file.metadata().map_or(0, |all| all.len());
                let whole = self.size.min(end);
                self.file.set_len(whole).ok();
                Err(error)
            }
        }
    }

    /// Appends whole lines to whichever file is at the path: another process moves it aside.
    pub(super) fn write_as_guest(&mut self, text: &[u8]) -> io::Result<()> {
        let ours = self.file.metadata()?;
        let same = |there: &fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
        if !fs::metadata(&self.path).is_ok_and(|there| same(&there)) {
            self.reopen()?;
        }
        // In one call, so that lines of both stay whole.
        self.file.write_all(text)
    }

    /// Opens the file at the path, which may be another one by now.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.size) = open(&self.path)?;
        self.full_at = self.rotation.size;
        Ok(())
    }

    /// Waits for what goes on beside.
    pub(super) fn close(&mut self) {
        if let Some(thread) = self.compressing.take() {
            // A panic in it left the old file as it was.
            thread.join().ok();
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.compressing.as_ref().is_some_and(|thread| !thread.is_finished()) {
            // The next batch will ask again; moving what is being read would spoil it.
            return Ok(());
        }
        self.close();
        for number in (1..=self.rotation.keep).rev() {
            for ending in ENDINGS {
                let old = numbered(&self.path, number, ending);
                let moved = match number < self.rotation.keep {
                    true => fs::rename(&old, numbered(&self.path, number + 1, ending)),
                    false => fs::remove_file(&old),
                };
                moved.or_else(absent_is_fine)?;
            }
        }
        let first = numbered(&self.path, 1, "");
        fs::rename(&self.path, &first).or_else(absent_is_fine)?;
        self.reopen()?;
        if self.rotation.compress {
            let thread = std::thread::Builder::new().name("access-log-gzip".to_owned());
            self.compressing = Some(thread.spawn(move || {
                if let Err(error) = compress(&first) {
                    tracing::warn!(%error, path = %first.display(), "an old log stays uncompressed");
                }
            })?);
        }
        Ok(())
    }
}

/// `access.log.3`, or `access.log.3.gz`.
pub(crate) fn numbered(path: &Path, number: u32, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(format!(".{number}{ending}"));
    name.into()
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn compress(path: &Path) -> io::Result<()> {
    let mut target = path.as_os_str().to_owned();
    target.push(".gz");
    let mut temporary = target.clone();
    temporary.push(".new");
    let out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&temporary)?;
    let mut encoder = GzEncoder::new(out, Compression::fast());
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?;
    fs::rename(&temporary, &target)?;
    fs::remove_file(path)
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The owner writes, the group reads: lines name people.
const FILE_MODE: u32 = 0o640;
/// What an old file's name may end with.
pub(crate) const ENDINGS: [&str; 2] = ["", ".gz"];

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ROTATION: Rotation = Rotation { size: 20, keep: 2, compress: false };

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn full_files_are_moved_aside_and_the_oldest_goes() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("access.log");
        let mut log = LogFile::open(&path, ROTATION).expect("opens");
        for count in 0..8 {
            log.write(format!("line {count:05}\n").as_bytes()).expect("written");
        }
        assert_eq!(names(directory.path()), ["access.log", "access.log.1", "access.log.2"]);
        assert_eq!(fs::read_to_string(&path).expect("text"), "line 00007\n");
        let old = numbered(&path, 2, "");
        assert_eq!(fs::read_to_string(old).expect("text"), "line 00005\n");
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o7777 & !0o640, 0, "{mode:o}");
    }

    #[test]
    fn old_files_are_compressed() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("access.log");
        let rotation = Rotation { compress: true, ..ROTATION };
        let mut log = LogFile::open(&path, rotation).expect("opens");
        for count in 0..4 {
            log.write(format!("line {count:05}\n").as_bytes()).expect("written");
            log.close();
        }
        assert_eq!(names(directory.path()), ["access.log", "access.log.1.gz", "access.log.2.gz"]);
        let file = File::open(numbered(&path, 1, ".gz")).expect("opens");
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, "line 00002\n");
    }

    #[test]
    fn a_file_that_cannot_be_moved_is_written_on() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("access.log");
        let mut log = LogFile::open(&path, ROTATION).expect("opens");
        // A directory in the way of the old file, that is not empty.
        let obstacle = numbered(&path, 2, "");
        fs::create_dir(&obstacle).expect("made");
        fs::write(obstacle.join("x"), "").expect("written");
        for count in 0..8 {
            log.write(format!("line {count:05}\n").as_bytes()).expect("written");
        }
        assert_eq!(fs::read_to_string(&path).expect("text").lines().count(), 8);
    }

    #[test]
    fn a_guest_moves_nothing_and_follows_who_does() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("access.log");
        let mut host = LogFile::open(&path, ROTATION).expect("opens");
        let mut guest = LogFile::open(&path, ROTATION).expect("opens");
        for _ in 0..3 {
            guest.write_as_guest(b"guest 12345\n").expect("written");
        }
        assert_eq!(names(directory.path()), ["access.log"]);
        for _ in 0..2 {
            host.write(b"host 123456\n").expect("written");
        }
        guest.write_as_guest(b"guest 67890\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("text"), "host 123456\nguest 67890\n");
    }

    #[test]
    fn a_file_that_somebody_moved_is_made_again_when_asked() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("access.log");
        let mut log = LogFile::open(&path, ROTATION).expect("opens");
        log.write(b"one\n").expect("written");
        let moved = directory.path().join("moved");
        fs::rename(&path, &moved).expect("moved");
        log.write(b"two\n").expect("written");
        log.reopen().expect("opens");
        log.write(b"three\n").expect("written");
        assert_eq!(fs::read_to_string(&moved).expect("text"), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).expect("text"), "three\n");
        // And what is there is appended to.
        LogFile::open(&path, ROTATION).expect("opens").write(b"four\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("text"), "three\nfour\n");
    }
}
