//! One process per state directory.
//!
//! **Invariant:** the lock is the kernel's: it goes with its process, however that ends, so there
//! are no stale locks. The pid in the file is for people.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::error::RegistryError;

/// The right to use a state directory; given up when dropped.
#[derive(Debug)]
pub struct StateLock {
    file: File,
}

impl StateLock {
    /// Takes the lock of a directory, making the directory (0700) when it is missing.
    ///
    /// # Errors
    /// When another process holds it, which is named, or the directory cannot be used.
    pub fn acquire(dir: &Path) -> Result<Self, RegistryError> {
        let failed = |source| RegistryError::LockState { dir: dir.to_owned(), source };
        let mut file = open(dir).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(RegistryError::Locked { dir: dir.to_owned(), pid: holder(&mut file) });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        note_pid(&file).map_err(failed)?;
        Ok(Self { file })
    }

    /// Takes over the lock that another process shares. It is held until both have given it up, so
    /// there is no moment in which a third one could have it.
    ///
    /// # Errors
    /// When it is not the lock of this directory, or not held.
    pub fn adopt(dir: &Path, shared: OwnedFd) -> Result<Self, RegistryError> {
        let failed = |source| RegistryError::LockState { dir: dir.to_owned(), source };
        let file = File::from(shared);
        let (ours, theirs) = (std::fs::metadata(dir.join(LOCK_FILE)), file.metadata());
        let same = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
            _ => false,
        };
        if !same {
            let text = "the gateway to take over from uses another one; an upgrade keeps the \
                        state directory: stop and start instead";
            return Err(failed(io::Error::other(text)));
        }
        // Granted at once to whoever shares the file with its holder.
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|e| failed(e.into()))?;
        let lock = Self { file };
        lock.note()?;
        Ok(lock)
    }

    /// A share of it for another process.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }

    /// Notes in the file that this process is the one that holds it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&self) -> Result<(), RegistryError> {
        let dir = Path::new(LOCK_FILE).to_owned();
        note_pid(&self.file).map_err(|source| RegistryError::LockState { dir, source })
    }
}

fn open(dir: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    // A link placed here must not make us write a pid somewhere else.
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options.open(dir.join(LOCK_FILE))
}

fn note_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The lock's place in the state directory.
pub const LOCK_FILE: &str = "lock";
const PID_BYTES_MAX: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = dir.path().join("deep/state");
        let lock = StateLock::acquire(&state).expect("free");
        // flock is per open file, so a second one in this process conflicts like another process.
        let error = StateLock::acquire(&state).expect_err("held");
        let pid = std::process::id();
        assert!(
            matches!(error, RegistryError::Locked { pid: Some(found), .. } if found == pid),
            "{error}"
        );
        assert!(error.to_string().contains(&format!("(process {pid})")));
        drop(lock);
        StateLock::acquire(&state).expect("free again");
    }

    #[test]
    fn a_shared_lock_is_held_until_both_have_given_it_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = StateLock::acquire(dir.path()).expect("free");
        let shared = lock.share().expect("a descriptor");
        let other = tempfile::tempdir().expect("a directory");
        StateLock::acquire(other.path()).expect("free");
        let error = StateLock::adopt(other.path(), lock.share().expect("a descriptor"));
        assert!(error.expect_err("another directory's").to_string().contains("lock"));
        let heir = StateLock::adopt(dir.path(), shared).expect("the same");
        drop(lock);
        assert!(StateLock::acquire(dir.path()).is_err(), "the heir holds it");
        drop(heir);
        StateLock::acquire(dir.path()).expect("free again");
    }

    #[test]
    fn a_link_in_the_locks_place_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let precious = dir.path().join("precious");
        std::fs::write(&precious, "keep me").expect("written");
        std::os::unix::fs::symlink(&precious, dir.path().join(LOCK_FILE)).expect("linked");
        assert!(StateLock::acquire(dir.path()).is_err());
        assert_eq!(std::fs::read_to_string(&precious).expect("read"), "keep me");
    }
}
