//! Replacing a file whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file so that a reader, or a power cut, finds the old content or the new one; 0600.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let partial = Path::new(&name);
    match std::fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(partial, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
