//! Writing an archive.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use conduit_core::clock::Timestamp;
use sha3::{Digest, Sha3_256};
use tar::{Builder, EntryType, Header};

use super::{ArchiveError, FORMAT, Listed, MANIFEST, Manifest, limit_of};

/// One entry to be.
#[derive(Debug)]
pub(crate) struct Content {
    /// Its name in the archive.
    pub(crate) path: String,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// Where an entry comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Content {
    /// An entry with the bytes of a file.
    pub(crate) fn file(path: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), source: Source::File(file.into()) }
    }

    /// An entry with these bytes.
    pub(crate) fn bytes(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), source: Source::Bytes(bytes) }
    }
}

/// Writes an archive of these contents, and hands the writer back.
pub(crate) fn pack<W: Write>(
    out: W,
    contents: &[Content],
    now: Timestamp,
) -> Result<W, ArchiveError> {
    let mut builder = Builder::new(out);
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let mut files = Vec::with_capacity(contents.len());
    for content in contents {
        files.push(append(&mut builder, content, seconds)?);
    }
    let manifest = Manifest {
        format: FORMAT,
        conduit: env!("CARGO_PKG_VERSION").into(),
        created_at: now.to_string(),
        files,
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|e| ArchiveError::Write(e.into()))?;
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    header(MANIFEST, bytes, seconds)
        .and_then(|header| builder.append(&header, text.as_slice()))
        .and_then(|()| builder.into_inner())
        .map_err(ArchiveError::Write)
}

fn append(
    builder: &mut Builder<impl Write>,
    content: &Content,
    seconds: u64,
) -> Result<Listed, ArchiveError> {
    let path = match &content.source {
        Source::Bytes(_) => Path::new(&content.path),
        Source::File(path) => path,
    };
    let failed = |source| ArchiveError::Pack { path: path.to_owned(), source };
    let (bytes, mut from): (u64, Box<dyn Read>) = match &content.source {
        Source::Bytes(bytes) => {
            (u64::try_from(bytes.len()).unwrap_or(u64::MAX), Box::new(bytes.as_slice()))
        }
        Source::File(path) => {
            let file = File::open(path).map_err(failed)?;
            (file.metadata().map_err(failed)?.len(), Box::new(file))
        }
    };
    if limit_of(&content.path).is_none_or(|limit| bytes > limit) {
        return Err(failed(io::Error::other("its name or size does not belong into a backup")));
    }
    let mut digesting = Digesting::new(&mut from);
    header(&content.path, bytes, seconds)
        .and_then(|header| builder.append(&header, (&mut digesting).take(bytes)))
        .map_err(failed)?;
    let (read, sha3_256) = digesting.finish();
    if read != bytes {
        return Err(failed(io::Error::other("it became shorter while it was read")));
    }
    Ok(Listed { path: content.path.clone(), bytes, sha3_256 })
}

/// A file of its owner alone.
fn header(path: &str, bytes: u64, seconds: u64) -> io::Result<Header> {
    // Plain names and sizes only: an archive of ours needs no extension of the format.
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(seconds);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

/// A reader that knows what went through it.
pub(super) struct Digesting<R> {
    from: R,
    bytes: u64,
    digest: Sha3_256,
}

impl<R: Read> Digesting<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, bytes: 0, digest: Sha3_256::new() }
    }

    /// How many bytes there were, and their SHA3-256.
    pub(super) fn finish(self) -> (u64, String) {
        (self.bytes, hex::encode(self.digest.finalize()))
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.digest.update(&buffer[..count]);
        self.bytes += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}
