//! Whether there is room to write: a decision that cannot be recorded is refused.

use std::io;
use std::path::Path;

use conduit_admin::finding::{Check, Finding};

use super::aside::Aside;

/// Asks for the room on a directory's disk and judges it.
pub(crate) async fn look(directory: &Path, aside: &Aside) -> Vec<Finding> {
    let path = directory.to_owned();
    let finding = match aside.run(move || free_bytes(&path)).await {
        None => Finding::skipped(CHECK, "an earlier look at it still hangs"),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            Finding::skipped(CHECK, "the state directory is not there yet")
        }
        Some(Err(error)) => Finding::warn(CHECK, format!("cannot be asked: {error}"))
            .hint("see that its disk is mounted and well"),
        Some(Ok(bytes)) => judge(bytes),
    };
    vec![finding.about(directory.display().to_string())]
}

/// Judges the bytes that are free.
fn judge(free: u64) -> Finding {
    let mib = free / MIB;
    let hint = "make room on that disk, or move the state to another one";
    match free {
        FREE_WARN_BYTES.. => Finding::ok(CHECK, format!("{mib} MiB free")),
        FREE_FAIL_BYTES.. => Finding::warn(CHECK, format!("only {mib} MiB free")).hint(hint),
        _ => Finding::fail(CHECK, format!("only {mib} MiB free: changes are about to be refused"))
            .hint(hint),
    }
}

fn free_bytes(directory: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(directory)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

const CHECK: Check = Check::Disk;
const MIB: u64 = 1 << 20;
/// Below this the history, the access log and an upgrade may soon find no room.
const FREE_WARN_BYTES: u64 = 1 << 30;
/// Below this a burst of registrations may find none.
const FREE_FAIL_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    #[test]
    fn room_is_judged_by_what_is_left() {
        for (free, verdict) in [
            (u64::MAX, Verdict::Ok),
            (FREE_WARN_BYTES, Verdict::Ok),
            (FREE_WARN_BYTES - 1, Verdict::Warn),
            (FREE_FAIL_BYTES, Verdict::Warn),
            (FREE_FAIL_BYTES - 1, Verdict::Fail),
            (0, Verdict::Fail),
        ] {
            assert_eq!(judge(free).verdict, verdict, "{free}");
        }
    }

    #[test]
    fn a_real_disk_has_some() {
        assert!(free_bytes(Path::new("/")).expect("a disk") > 0);
        assert!(free_bytes(Path::new("/nowhere/at/all")).is_err());
    }
}
