//! Reading a file that grows and is replaced.
//!
//! **Invariant:** a file that was moved aside is read to its end before the next one is begun, so no
//! line is lost or shown twice. A line is shown when it is whole.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LINE_BYTES_MAX;

/// A reader of one path, whatever file is there.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// The beginning of a line whose end is not there yet.
    partial: Vec<u8>,
    position: u64,
}

impl Follower {
    /// Begins at the beginning of what is there; nothing may be there yet.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        Ok(Self { path: path.to_owned(), file, partial: Vec::new(), position: 0 })
    }

    /// Everything that is whole now.
    pub(super) fn whole(&mut self) -> impl BufRead {
        BufReader::new(Whole { follower: self, rest: Vec::new() })
    }

    /// The next whole line, when there is one.
    pub(super) fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(line) = self.next_here()? {
                return Ok(Some(line));
            }
            if !self.turn()? {
                return Ok(None);
            }
        }
    }

    fn next_here(&mut self) -> io::Result<Option<String>> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let room = LINE_BYTES_MAX.saturating_sub(self.partial.len() as u64);
        let count = file.by_ref().take(room).read_until(b'\n', &mut self.partial)?;
        self.position += count as u64;
        let ended = self.partial.ends_with(b"\n");
        if !ended && (self.partial.len() as u64) < LINE_BYTES_MAX {
            return Ok(None);
        }
        if ended {
            self.partial.pop();
        }
        let line = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        Ok(Some(line))
    }

    /// Goes to the file that is at the path now; whether there is more to read.
    fn turn(&mut self) -> io::Result<bool> {
        let Some(reading) = &mut self.file else {
            self.file = open(&self.path)?;
            return Ok(self.file.is_some());
        };
        let Some(there) = metadata(&self.path)? else {
            // Between two files.
            return Ok(false);
        };
        let ours = reading.get_ref().metadata()?;
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            if there.len() < self.position {
                // Cut off in place.
                reading.seek(SeekFrom::Start(0))?;
                self.restart();
                return Ok(true);
            }
            return Ok(false);
        }
        if ours.len() > self.position {
            // The last lines came between reading and looking.
            return Ok(true);
        }
        self.file = open(&self.path)?;
        self.restart();
        Ok(self.file.is_some())
    }

    fn restart(&mut self) {
        self.partial.clear();
        self.position = 0;
    }
}

/// What is whole, as one text to read.
struct Whole<'a> {
    follower: &'a mut Follower,
    rest: Vec<u8>,
}

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            let Some(line) = self.follower.next_here()? else {
                return Ok(0);
            };
            self.rest = line.into_bytes();
            self.rest.push(b'\n');
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Between two looks for new lines.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
