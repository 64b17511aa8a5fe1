//! The Unix socket's file: made with its final mode, taken over when stale, removed at the end.
//!
//! **Invariant:** there is no moment in which the socket has a wider mode than asked for, and the
//! file of a gateway that answers is never touched.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::AdminError;

/// A socket's file that is ours.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
    owner: FileOwner,
}

/// Whether the file is this process's to remove; cheap to clone.
#[derive(Debug, Clone)]
pub struct FileOwner(Arc<AtomicBool>);

impl FileOwner {
    fn new(ours: bool) -> Self {
        Self(Arc::new(AtomicBool::new(ours)))
    }

    /// It is this process's from now on.
    pub fn take(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// It is another process's from now on.
    pub fn give_up(&self) {
        self.0.store(false, Ordering::Release);
    }

    fn is_ours(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn owner(&self) -> FileOwner {
        self.owner.clone()
    }
}

impl Drop for SocketFile {
    /// Removes the file, unless somebody else has put theirs there in the meantime.
    fn drop(&mut self) {
        if !self.owner.is_ours() {
            return;
        }
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the admin socket's file could not be removed");
        }
    }
}

/// Makes a listening socket at `path`.
pub(crate) fn bind(
    path: &Path,
    mode: u32,
    gid: Option<u32>,
) -> Result<(UnixListener, SocketFile), AdminError> {
    let limit_bytes = PATH_BYTES_MAX - SUFFIX.len();
    if path.as_os_str().as_bytes().len() > limit_bytes {
        return Err(AdminError::PathTooLong { path: path.into(), limit_bytes });
    }
    refuse_taken(path)?;
    make(path, mode, gid).map_err(|source| AdminError::BindUnix { path: path.into(), source })
}

/// Serves a listener of another process, whose file is at `path` and stays that process's.
pub(crate) fn adopt(
    path: &Path,
    listener: UnixListener,
) -> Result<(UnixListener, SocketFile), AdminError> {
    let adopt = || {
        listener.set_nonblocking(true)?;
        fs::symlink_metadata(path).map(|file| file.ino())
    };
    let inode = adopt().map_err(|source| AdminError::BindUnix { path: path.into(), source })?;
    let path = path.to_owned();
    Ok((listener, SocketFile { path, inode, owner: FileOwner::new(false) }))
}

/// Refuses what stands at `path`, unless it is a socket on which nobody accepts.
fn refuse_taken(path: &Path) -> Result<(), AdminError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(AdminError::BindUnix { path: path.into(), source });
        }
    };
    if !found.file_type().is_socket() {
        return Err(AdminError::NotASocket { path: path.into() });
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(AdminError::SocketInUse { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // A full queue: somebody is there, and busy.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(AdminError::SocketInUse { path: path.into() })
        }
        Err(source) => Err(AdminError::BindUnix { path: path.into(), source }),
    }
}

/// Binds beside the final place, sets owner and mode, and only then moves the file there.
fn make(path: &Path, mode: u32, gid: Option<u32>) -> io::Result<(UnixListener, SocketFile)> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir)?;
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(SUFFIX);
    let aside = PathBuf::from(aside);
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&aside)?;
    listener.set_nonblocking(true)?;
    if gid.is_some() {
        std::os::unix::fs::chown(&aside, None, gid)?;
    }
    fs::set_permissions(&aside, fs::Permissions::from_mode(mode))?;
    let inode = fs::symlink_metadata(&aside)?.ino();
    fs::rename(&aside, path)?;
    let path = path.to_owned();
    Ok((listener, SocketFile { path, inode, owner: FileOwner::new(true) }))
}

/// What `sockaddr_un` holds, without the final zero.
const PATH_BYTES_MAX: usize = 107;
/// Of the name that the socket has until its mode is set.
const SUFFIX: &str = ".new";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_taken_over_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run/c.sock");
        let (listener, file) = bind(&path, 0o600, None).expect("bound");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(bind(&path, 0o600, None), Err(AdminError::SocketInUse { .. })));
        drop(listener);
        // Nobody accepts any more: the file is stale, and a new one takes its place.
        let (_listener, second) = bind(&path, 0o660, None).expect("bound again");
        drop(file);
        assert!(path.exists(), "the first owner must not remove the second's");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_not_a_socket_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        fs::write(&path, "precious").expect("written");
        assert!(matches!(bind(&path, 0o600, None), Err(AdminError::NotASocket { .. })));
        assert_eq!(fs::read(&path).expect("there"), b"precious");
        let long = dir.path().join("x".repeat(120));
        assert!(matches!(bind(&long, 0o600, None), Err(AdminError::PathTooLong { .. })));
    }
}
