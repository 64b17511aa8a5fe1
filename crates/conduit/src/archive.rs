//! The file that `conduit backup` writes and `conduit restore` reads: a tar archive with a
//! manifest as its last entry.
//!
//! **Invariant:** what [`pack()`] writes, [`unpack()`] takes; anything else (links, devices, paths that
//! lead elsewhere, names that are not ours, a changed or missing byte) is refused.
//! **Invariant:** private keys are in it, so it is never readable by anybody but its owner.

mod pack;
#[cfg(test)]
mod tests;
mod unpack;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use pack::{Content, pack};
pub(crate) use unpack::unpack;

/// Why an archive cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// What was unpacked is not what was packed.
    #[error("{path} in the archive is not what was packed; the file is damaged")]
    Changed {
        /// Which entry.
        path: String,
    },
    /// The archive ends before its manifest.
    #[error("the archive is cut short, or is none of conduit's: its list of contents is missing")]
    CutShort,
    /// A file in it cannot be written.
    #[error("cannot unpack {path}")]
    Extract {
        /// Which entry.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A newer conduit wrote it.
    #[error("a newer conduit wrote the archive (format {found}); use that one to restore it")]
    Newer {
        /// Its format.
        found: u32,
    },
    /// Something is in it that no backup has.
    #[error("the archive is not a backup of conduit: {path} {reason}")]
    NotABackup {
        /// Which entry.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file cannot be packed.
    #[error("cannot pack {}", path.display())]
    Pack {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The archive cannot be read.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

/// The last entry: what is in the archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    /// The version that wrote it.
    conduit: String,
    created_at: String,
    files: Vec<Listed>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    path: String,
    bytes: u64,
    sha3_256: String,
}

/// The most bytes that an entry of this name may have; `None` when no backup has such an entry.
fn limit_of(path: &str) -> Option<u64> {
    // What a path means must not depend on how it is spelled.
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    if !path.split('/').all(plain) {
        return None;
    }
    match path {
        DATABASE => Some(DATABASE_BYTES_MAX),
        SEAL_KEY | SEAL_KEYRING | SEAL_HEAD | CONFIG => Some(FILE_BYTES_MAX),
        _ if path.starts_with(AUTHORITY) => Some(FILE_BYTES_MAX),
        _ => None,
    }
}

/// The database, in the archive and in the state directory.
pub(crate) const DATABASE: &str = "conduit.db";
pub(crate) const SEAL_KEY: &str = "seal/key";
pub(crate) const SEAL_KEYRING: &str = "seal/keyring.json";
pub(crate) const SEAL_HEAD: &str = "seal/head.json";
/// What every path of the authority begins with.
pub(crate) const AUTHORITY: &str = "tls/";
/// The configuration, under one name wherever it was.
pub(crate) const CONFIG: &str = "conduit.toml";
const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;
/// Files in an archive; an authority has a dozen.
const FILES_MAX: usize = 256;
/// Of a database; ten years of a busy record are a tenth of it.
const DATABASE_BYTES_MAX: u64 = 64 << 30;
/// Of everything else that is in an archive.
const FILE_BYTES_MAX: u64 = 1 << 20;
