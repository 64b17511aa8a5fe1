//! The files that are taken over, within limits.
//!
//! **Invariant:** no more than [`FILE_BYTES_MAX`] of a file and [`FILES_MAX`] files are read, however they
//! name one another.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::super::exit::Failure;
use super::super::written;
use super::found::Place;

/// The text of a file, by lines.
#[derive(Debug)]
pub(crate) struct Lines {
    file: Arc<str>,
    pub(crate) text: String,
}

impl Lines {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let about = fs::metadata(path);
        let about = about.map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
        if !about.is_file() {
            return Err(Failure::usage(format!("{name} is no file")));
        }
        let bytes = written::bytes(path, FILE_BYTES_MAX)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(Failure::usage(format!("{name} is larger than 16 MiB")));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::usage(format!("{name} is no text in UTF-8")))?;
        Ok(Self::of(&name, text))
    }

    /// A text as if it were a file.
    pub(crate) fn of(name: &str, mut text: String) -> Self {
        // What some editors of another system put in front.
        if text.starts_with(BYTE_ORDER_MARK) {
            text.remove(0);
        }
        Self { file: name.into(), text }
    }

    /// Each line with its place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &str)> {
        (1..).zip(self.text.lines()).map(|(line, text)| (self.place(line), text))
    }

    /// The place of a line.
    pub(crate) fn place(&self, line: usize) -> Place {
        Place { file: Arc::clone(&self.file), line }
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';
/// Of one file.
pub(crate) const FILE_BYTES_MAX: usize = 16 << 20;
/// That one file may name, directly or not.
pub(crate) const FILES_MAX: usize = 256;
