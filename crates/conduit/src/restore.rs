//! A backup, back into the state directory, while no gateway runs.
//!
//! **Invariant:** what is in the state directory stays as it is until the backup is unpacked,
//! verified and on record; nothing of it is ever removed, only moved aside.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::{Path, PathBuf};

use conduit_audit::{Anchor, Report, SealKey};
use conduit_core::clock::Timestamp;
use conduit_registry::{StateLock, Store};

use crate::app;
use crate::archive::{self, ArchiveError};
use crate::config::Config;
use crate::decisions::record_restore;
use crate::error::AppError;
use crate::privilege;
use crate::state::{AUTHORITY_DIR, SEAL_DIR};

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// The file is no backup, or a damaged one.
    #[error("{} cannot be restored", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ArchiveError,
    },
    /// What is in the backup cannot be used.
    #[error("the backup cannot be used")]
    Contents(#[source] Box<AppError>),
    /// The state directory is not empty.
    #[error(
        "{} holds a state already ({found}); with --force it is moved aside, into that directory",
        directory.display()
    )]
    Occupied {
        /// The state directory.
        directory: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The state directory cannot be changed.
    #[error("cannot restore into {}", directory.display())]
    Place {
        /// The state directory.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The record in the backup is not what it was.
    #[error("the record in the backup does not verify: {found}; nothing was changed")]
    Unverified {
        /// The first fault.
        found: String,
    },
}

/// What was restored.
#[derive(Debug)]
pub(crate) struct Restored {
    /// Services that are active in it.
    pub(crate) services: usize,
    /// Entries of the record that came with it.
    pub(crate) entries: u64,
    /// Where the former state is, if there was one.
    pub(crate) aside: Option<PathBuf>,
    /// Where the configuration of then is, if it came with it.
    pub(crate) config: Option<PathBuf>,
}

/// Unpacks a backup into the configured state directory and puts that on record.
pub(crate) fn restore(config: &Config, file: &Path, force: bool) -> Result<Restored, RestoreError> {
    let directory = &config.gateway.state_dir;
    let from =
        File::open(file).map_err(|source| RestoreError::Open { path: file.into(), source })?;
    let lock =
        StateLock::acquire(directory).map_err(|error| contents(AppError::Registry(error)))?;
    let found = STATE.iter().copied().find(|name| exists(&directory.join(name)));
    if let Some(found) = found.filter(|_| !force) {
        return Err(RestoreError::Occupied { directory: directory.clone(), found });
    }
    let failed = |source| RestoreError::Place { directory: directory.clone(), source };
    let stage = Stage::within(directory).map_err(failed)?;
    archive::unpack(from, &stage.path)
        .map_err(|source| RestoreError::Archive { path: file.into(), source })?;
    let report = verify(&stage.path)?;
    let replaced = Anchor::read(&directory.join(SEAL_DIR)).ok().flatten();
    let services = put_on_record(config, &stage.path, file, &report, replaced.as_ref())?;
    let aside = found.map(|_| move_aside(directory)).transpose().map_err(failed)?;
    let kept = install(&stage.path, directory).map_err(failed)?;
    hand_over(config, directory).map_err(failed)?;
    drop(lock);
    Ok(Restored { services, entries: report.entries, aside, config: kept })
}

fn verify(stage: &Path) -> Result<Report, RestoreError> {
    let report = conduit_audit::verify_file(&stage.join(archive::DATABASE), &stage.join(SEAL_DIR))
        .map_err(|error| contents(AppError::Audit(error)))?;
    match report.failures.first() {
        None => Ok(report),
        Some(failure) => Err(RestoreError::Unverified { found: failure.to_string() }),
    }
}

/// Opens what was unpacked as a start would, and appends the entry that says where it comes from.
fn put_on_record(
    config: &Config,
    stage: &Path,
    file: &Path,
    report: &Report,
    replaced: Option<&Anchor>,
) -> Result<usize, RestoreError> {
    let key = SealKey::open(&stage.join(SEAL_DIR));
    let key = key.map_err(|error| contents(AppError::Audit(error)))?;
    let store = Store::open(stage, key).map_err(|error| contents(AppError::Registry(error)))?;
    let services = store.catalog().len();
    let replaced = replaced.map(|anchor| anchor.count);
    app::with_registry(store, config, async |registry| {
        record_restore(registry, file, report.entries, replaced).await
    })
    .map_err(contents)?;
    Ok(services)
}

/// Moves the former state into a directory of its own, within the state directory: that is on the
/// same file system, may be written, and keeps its configuration and its lock.
fn move_aside(directory: &Path) -> io::Result<PathBuf> {
    let time = Timestamp::now().to_string().replace([':', '-'], "");
    let time = time.split('.').next().unwrap_or_default().trim_end_matches('Z');
    let aside = directory.join(format!("before-{time}Z"));
    DirBuilder::new().mode(0o700).create(&aside)?;
    for name in STATE.iter().chain(VIEWS) {
        move_one(name, directory, &aside)?;
    }
    sync(&aside)?;
    Ok(aside)
}

/// Puts what was unpacked in its place; says where the configuration is.
fn install(stage: &Path, directory: &Path) -> io::Result<Option<PathBuf>> {
    // The database first: without its seal a start refuses it, so a crash in between is noticed.
    for name in STATE {
        move_one(name, stage, directory)?;
    }
    let kept = directory.join(RESTORED_CONFIG);
    let config = stage.join(archive::CONFIG);
    let has_config = exists(&config);
    if has_config {
        fs::rename(config, &kept)?;
    }
    sync(directory)?;
    Ok(has_config.then_some(kept))
}

fn move_one(name: &str, from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from.join(name), to.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Root restores for whoever owns the directory, or will after the start.
fn hand_over(config: &Config, directory: &Path) -> io::Result<()> {
    let owner = fs::metadata(directory)?;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if owner.uid() != 0 {
        return give(directory, owner.uid(), owner.gid());
    }
    match &config.gateway.user {
        Some(user) => privilege::hand_over(user, [directory].into_iter()).map_err(io::Error::other),
        None => Ok(()),
    }
}

fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    lchown(path, Some(uid), Some(gid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}

/// Where a backup is unpacked; what is not moved out of it goes when it is dropped.
#[derive(Debug)]
struct Stage {
    path: PathBuf,
}

impl Stage {
    fn within(directory: &Path) -> io::Result<Self> {
        let path = directory.join("restore.new");
        match fs::remove_dir_all(&path) {
            // Left by a restore that was interrupted; we hold the lock.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => DirBuilder::new().mode(0o700).create(&path)?,
        }
        Ok(Self { path })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is left in it is worthless, and the next restore begins with removing it.
        fs::remove_dir_all(&self.path).ok();
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn contents(error: AppError) -> RestoreError {
    RestoreError::Contents(Box::new(error))
}

/// What makes a state, in the order in which it is put in place.
const STATE: &[&str] =
    &["conduit.db-wal", "conduit.db-shm", archive::DATABASE, SEAL_DIR, AUTHORITY_DIR];
/// What shows it, and is made again.
const VIEWS: &[&str] = &[
    crate::serial::FILE,
    "services.json",
    "audit.log",
    "audit.log.1",
    "audit.log.2",
    "audit.log.3",
    "audit.log.4",
];
/// The configuration of then; nothing reads it.
const RESTORED_CONFIG: &str = "conduit.toml.restored";
