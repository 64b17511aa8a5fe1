//! The files of pins: read together, and ours written so that a crash leaves the old or the new one.
//!
//! **Invariant:** our file is readable by its owner alone, and replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use russh::keys::{HashAlg, PublicKey};

use super::known_hosts::{Pins, Verdict, pin_name};

/// What [`pin`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// The key was written down.
    Added,
    /// It was there already.
    Already,
}

/// Writes down that `key` is the key of `host` at `port`.
///
/// # Errors
/// When another key of it is pinned, the key is revoked, or the file cannot be written.
pub fn pin(path: &Path, host: &str, port: u16, key: &PublicKey) -> Result<Pinned, PinError> {
    let name = pin_name(host, port);
    let text = read(path).map_err(|source| PinError::of(path, source))?;
    match Pins::parse(&text).judge(host, port, key) {
        Verdict::Pinned => return Ok(Pinned::Already),
        Verdict::Changed | Verdict::Revoked => return Err(PinError::Other { name }),
        Verdict::Unpinned => {}
    }
    let mut key = key.clone();
    key.set_comment("");
    let line = key.to_openssh().map_err(|_| PinError::Key)?;
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{text}{gap}{name} {}\n", line.trim_end());
    replace(path, &text).map_err(|source| PinError::of(path, source))?;
    Ok(Pinned::Added)
}

/// Strikes out the pins of `host` at `port`: lines that name it alone, as [`pin`] writes them. Gives
/// their number.
///
/// # Errors
/// When the file cannot be read or written.
pub fn unpin(path: &Path, host: &str, port: u16) -> Result<usize, PinError> {
    let name = pin_name(host, port);
    let text = read(path).map_err(|source| PinError::of(path, source))?;
    let is_it = |line: &&str| line.split_ascii_whitespace().next() == Some(name.as_str());
    let struck = text.lines().filter(is_it).count();
    if struck > 0 {
        let kept: String =
            text.lines().filter(|line| !is_it(line)).flat_map(|line| [line, "\n"]).collect();
        replace(path, &kept).map_err(|source| PinError::of(path, source))?;
    }
    Ok(struck)
}

/// Why a pin was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The host is known by another key.
    #[error("{name} is pinned with another key; run `conduit monitor remove` first if it changed")]
    Other {
        /// As known hosts files name it.
        name: String,
    },
    /// The key has no text form.
    #[error("this host key cannot be written down")]
    Key,
    /// The file.
    #[error("cannot keep pins in {}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PinError {
    fn of(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

/// The pins of several files together; a missing file has none.
///
/// # Errors
/// When a file is there and cannot be read: pins that are not seen must not look like none.
pub(crate) fn load<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Pins, PinError> {
    let mut pins = Pins::default();
    for path in paths {
        let text = read(path).map_err(|source| PinError::of(path, source))?;
        pins.extend(Pins::parse(&text));
    }
    Ok(pins)
}

/// What tells whether a file has changed: when it was written, and its length.
pub(crate) fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let told = fs::metadata(path).ok()?;
    Some((told.modified().ok()?, told.len()))
}

/// A fingerprint as OpenSSH prints it, `SHA256:…`.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn read(path: &Path) -> io::Result<String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // One that a crash left behind might have another mode or owner.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The rename itself is durable only when the directory is.
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// The longest file of pins, in bytes.
const FILE_BYTES_MAX: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use russh::keys::{Algorithm, PrivateKey};

    use super::*;

    fn key() -> PublicKey {
        let mut random = russh::keys::key::safe_rng();
        PrivateKey::random(&mut random, Algorithm::Ed25519).expect("a key").public_key().clone()
    }

    #[test]
    fn pins_are_added_once_and_struck_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("known_hosts");
        let (one, two) = (key(), key());
        // Somebody edited it, and left no line end.
        fs::write(&path, "# mine").expect("written");
        assert_eq!(pin(&path, "gpu", 22, &one).expect("pinned"), Pinned::Added);
        assert_eq!(pin(&path, "gpu", 22, &one).expect("pinned"), Pinned::Already);
        assert_eq!(pin(&path, "gpu", 2222, &two).expect("pinned"), Pinned::Added);
        assert!(matches!(pin(&path, "gpu", 22, &two), Err(PinError::Other { .. })));
        let text = fs::read_to_string(&path).expect("text");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("# mine\ngpu ssh-ed25519 "), "{text}");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);

        let pins = load([path.as_path()]).expect("pins");
        assert_eq!(pins.judge("gpu", 22, &one), Verdict::Pinned);
        assert_eq!(unpin(&path, "gpu", 22).expect("struck"), 1);
        assert_eq!(unpin(&path, "gpu", 22).expect("nothing left"), 0);
        let pins = load([path.as_path()]).expect("pins");
        assert_eq!(pins.judge("gpu", 22, &one), Verdict::Unpinned);
        assert_eq!(pins.judge("gpu", 2222, &two), Verdict::Pinned);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_an_empty_one() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(load([directory.path()]).is_err());
        assert!(load([directory.path().join("none").as_path()]).is_ok());
    }
}
