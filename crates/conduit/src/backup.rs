//! The whole state into one file, while the gateway runs.
//!
//! **Invariant:** the file appears under its name complete and durable or not at all, and never
//! replaces one. What is written on the way lies in one private directory beside it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use conduit_audit::{Anchor, Head};
use conduit_core::clock::Timestamp;
use conduit_registry::{Registry, RegistryError};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::archive::{self, ArchiveError, Content};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The state cannot be packed.
    #[error("cannot write the backup")]
    Archive(#[source] ArchiveError),
    /// The database cannot be copied.
    #[error("cannot copy the database")]
    Copy(#[source] RegistryError),
    /// Something stands in the way.
    #[error("{} is there already; choose a path that does not exist{hint}", path.display())]
    Exists { path: PathBuf, hint: &'static str },
    /// There is no such directory, or it is not ours to write into.
    #[error(
        "the gateway cannot write into {}: {source}; choose a directory that is there and that its \
         user may write into, such as its state directory",
        path.display()
    )]
    Directory { path: PathBuf, source: io::Error },
    /// The finished file cannot be put in its place.
    #[error("cannot put the backup in its place")]
    Publish(#[source] io::Error),
    /// The authority's files cannot be listed.
    #[error("cannot list {}", path.display())]
    List {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl BackupError {
    /// Whether another path would have done.
    pub(crate) fn is_the_callers(&self) -> bool {
        matches!(self, Self::Exists { .. } | Self::Directory { .. })
    }
}

/// Writes a new file with everything that a gateway is.
pub(crate) async fn write(
    registry: &Registry,
    state_dir: &Path,
    config: Option<PathBuf>,
    target: &Path,
) -> Result<(), BackupError> {
    if target.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { path: target.to_owned(), hint: "" });
    }
    let desk = Desk::beside(target)?;
    let database = desk.path.join(archive::DATABASE);
    let head = registry.backup(&database).await.map_err(BackupError::Copy)?;
    let (state_dir, target) = (state_dir.to_owned(), target.to_owned());
    let packing = tokio::task::spawn_blocking(move || {
        let mut contents = vec![Content::file(archive::DATABASE, database)];
        contents.extend(seal(&state_dir, &head));
        authority(&state_dir, &mut contents)?;
        contents.extend(config.and_then(readable));
        finish(&desk, &contents, &target)
    });
    match packing.await {
        Ok(result) => result,
        Err(error) => Err(BackupError::Publish(io::Error::other(error))),
    }
}

/// The configuration, unless it cannot be read any more: the gateway may have given up root since,
/// and without it the rest is a backup nevertheless.
fn readable(config: PathBuf) -> Option<Content> {
    match File::open(&config) {
        Ok(_) => Some(Content::file(archive::CONFIG, config)),
        Err(error) => {
            tracing::warn!(%error, path = %config.display(), "the backup lacks the configuration");
            None
        }
    }
}

/// The seal, with an anchor that fits the copy.
fn seal(state_dir: &Path, head: &Head) -> Vec<Content> {
    let file = |name: &str| Content::file(name, state_dir.join(name));
    let mut contents = vec![file(archive::SEAL_KEY), file(archive::SEAL_KEYRING)];
    let anchor = Anchor::of(head).and_then(|anchor| serde_json::to_vec(&anchor).ok());
    contents.extend(anchor.map(|text| Content::bytes(archive::SEAL_HEAD, text)));
    contents
}

/// Every file of the authority; none when TLS was never on.
fn authority(state_dir: &Path, contents: &mut Vec<Content>) -> Result<(), BackupError> {
    let path = state_dir.join(archive::AUTHORITY);
    let failed = |source| BackupError::List { path: path.clone(), source };
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        // A `.new` is a replacement that a crash left unfinished.
        let name = name.to_str().filter(|name| !name.ends_with(".new"));
        if let Some(name) = name
            && entry.file_type().map_err(failed)?.is_file()
        {
            contents.push(Content::file(format!("{}{name}", archive::AUTHORITY), entry.path()));
        }
    }
    contents.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

fn finish(desk: &Desk, contents: &[Content], target: &Path) -> Result<(), BackupError> {
    let path = desk.path.join("archive");
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    let out = io::BufWriter::new(file.map_err(BackupError::Publish)?);
    let mut out = archive::pack(out, contents, Timestamp::now()).map_err(BackupError::Archive)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(BackupError::Publish)?;
    publish(&path, target)
}

fn publish(from: &Path, target: &Path) -> Result<(), BackupError> {
    let exists = || BackupError::Exists { path: target.to_owned(), hint: "" };
    match renameat_with(CWD, from, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => return Err(exists()),
        // Network file systems do not know how; that the name was free was seen before.
        Err(_) if target.symlink_metadata().is_err() => {
            fs::rename(from, target).map_err(BackupError::Publish)?;
        }
        Err(errno) => return Err(BackupError::Publish(errno.into())),
    }
    File::open(parent_of(target)).and_then(|dir| dir.sync_all()).map_err(BackupError::Publish)
}

/// Where a backup is put together: a directory of our own, which goes when it is dropped.
#[derive(Debug)]
struct Desk {
    path: PathBuf,
}

impl Desk {
    fn beside(target: &Path) -> Result<Self, BackupError> {
        let mut name = target.as_os_str().to_owned();
        name.push(".new");
        let path = PathBuf::from(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let hint = ", or remove it when a backup that was interrupted left it";
                Err(BackupError::Exists { path, hint })
            }
            Err(source) => {
                Err(BackupError::Directory { path: parent_of(target).to_owned(), source })
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a rest of a backup stays");
        }
    }
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("/"))
}
