//! Replacing a file whole.
//!
//! **Invariant:** a reader, or a power cut, finds the old content or the new one, never a part.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::RegistryError;

/// The next content of a file, written beside it; 0600. Dropped unfinished, it leaves no trace.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
    partial: PathBuf,
    out: BufWriter<File>,
}

impl Replacement {
    /// Begins with an empty file.
    pub(super) fn begin(path: &Path) -> Result<Self, RegistryError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let partial = PathBuf::from(name);
        let open = || {
            match std::fs::remove_file(&partial) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(&partial)
        };
        let out = BufWriter::new(open().map_err(failed(path))?);
        Ok(Self { path: path.to_owned(), partial, out })
    }

    /// Where to write.
    pub(super) fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Makes it durable and puts it in the file's place.
    pub(crate) fn finish(mut self) -> Result<(), RegistryError> {
        let mut publish = || {
            self.out.flush()?;
            self.out.get_ref().sync_all()?;
            std::fs::rename(&self.partial, &self.path)?;
            self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
        };
        publish().map_err(failed(&self.path))
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Finished, it is not there any more.
        std::fs::remove_file(&self.partial).ok();
    }
}

/// A view at this path could not be written.
pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> RegistryError {
    move |source| RegistryError::View { path: path.to_owned(), source }
}
