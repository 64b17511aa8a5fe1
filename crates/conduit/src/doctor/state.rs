//! Whether the state directory is there, ours, and closed to others.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use conduit_admin::finding::{Check, Finding};

use super::aside::Aside;

/// The directory and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) directory: PathBuf,
    /// Who looks.
    pub(crate) us: u32,
    pub(crate) owner: u32,
    pub(crate) mode: u32,
    /// Files that others may use, with their modes.
    pub(crate) open_files: Vec<(PathBuf, u32)>,
}

/// Looks at a state directory and judges it.
pub(crate) async fn look(directory: &Path, aside: &Aside) -> Vec<Finding> {
    let path = directory.to_owned();
    let read = aside.run(move || Facts::read(path)).await;
    let findings = match read {
        None => vec![Finding::skipped(CHECK, "an earlier look at it still hangs")],
        Some(Err(error)) => vec![unreadable(&error)],
        Some(Ok(facts)) => judge(&facts),
    };
    let about = |finding: Finding| match finding.subject {
        Some(_) => finding,
        None => finding.about(directory.display().to_string()),
    };
    findings.into_iter().map(about).collect()
}

impl Facts {
    /// Reads the directory and the ones in it, not deeper: there is nothing of ours further down.
    fn read(directory: PathBuf) -> io::Result<Self> {
        let metadata = fs::metadata(&directory)?;
        let mut open_files = Vec::new();
        let mut seen = 0;
        let mut waiting = vec![(directory.clone(), 0)];
        while let Some((place, depth)) = waiting.pop() {
            for entry in fs::read_dir(&place)? {
                seen += 1;
                if seen > ENTRIES_MAX {
                    break;
                }
                let entry = entry?;
                // What has gone meanwhile is no finding.
                let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
                    continue;
                };
                let mode = metadata.mode() & PERMISSIONS;
                if metadata.is_dir() && depth < DEPTH_MAX {
                    waiting.push((entry.path(), depth + 1));
                } else if metadata.is_file() && mode & OTHERS != 0 {
                    open_files.push((entry.path(), mode));
                }
            }
        }
        open_files.sort();
        Ok(Self {
            us: rustix::process::geteuid().as_raw(),
            owner: metadata.uid(),
            mode: metadata.mode() & PERMISSIONS,
            directory,
            open_files,
        })
    }
}

/// Judges it. In a directory that is closed nobody reaches a file; one that is open shows what its
/// files do, and a key that others may read keeps the gateway from starting.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { directory, us, owner, mode, open_files } = facts;
    let shown = directory.display();
    let mut findings = Vec::new();
    if owner != us && *us != ROOT {
        let message = format!("belongs to the user {owner}, and the gateway runs as {us}");
        findings.push(
            Finding::fail(CHECK, message).hint(format!("give it away: chown -R {us} {shown}")),
        );
    }
    if mode & OTHERS != 0 {
        let message = format!("others may look into it (mode {mode:04o}); private keys are there");
        findings.push(Finding::fail(CHECK, message).hint(format!("close it: chmod 0700 {shown}")));
    }
    for (path, mode) in open_files.iter().filter(|(path, _)| !is_public(path)) {
        let message = format!("others may use it (mode {mode:04o})");
        let finding = match is_key(path) {
            true => Finding::fail(CHECK, format!("{message}, and the next start refuses it")),
            false => Finding::warn(CHECK, message),
        };
        let path = path.display();
        findings.push(finding.hint(format!("close it: chmod 0600 {path}")).about(path.to_string()));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "closed to others"));
    }
    findings
}

fn unreadable(error: &io::Error) -> Finding {
    match error.kind() {
        io::ErrorKind::NotFound => Finding::skipped(CHECK, "is not there yet")
            .hint("`conduit setup` makes it, and so does the first `conduit serve`"),
        io::ErrorKind::PermissionDenied => {
            Finding::skipped(CHECK, "only its owner may look into it")
                .hint("look again as that user, or with sudo")
        }
        _ => Finding::fail(CHECK, format!("cannot be read: {error}"))
            .hint("see that its disk is mounted and well"),
    }
}

/// Certificates are for everybody.
fn is_public(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "crt" || extension == "pem")
}

fn is_key(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "key") || path.ends_with("seal/key")
}

const CHECK: Check = Check::State;
const ROOT: u32 = 0;
/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;
/// Those of the group and of everybody else.
const OTHERS: u32 = 0o077;
/// How many files are looked at.
const ENTRIES_MAX: usize = 10_000;
/// Directories in the directory.
const DEPTH_MAX: usize = 1;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use conduit_admin::finding::Verdict;

    use super::*;

    #[test]
    fn what_others_may_do_is_judged_by_what_it_is() {
        let closed = Facts {
            directory: "/state".into(),
            us: 7,
            owner: 7,
            mode: 0o700,
            open_files: Vec::new(),
        };
        let with_file =
            |path: &str| Facts { open_files: vec![(path.into(), 0o644)], ..closed.clone() };
        for (facts, verdict, hint) in [
            (closed.clone(), Verdict::Ok, None),
            (
                Facts { mode: 0o755, ..closed.clone() },
                Verdict::Fail,
                Some("close it: chmod 0700 /state"),
            ),
            (
                Facts { owner: 8, ..closed.clone() },
                Verdict::Fail,
                Some("give it away: chown -R 7 /state"),
            ),
            (Facts { owner: 8, us: 0, ..closed.clone() }, Verdict::Ok, None),
            (
                with_file("/state/tls/p256-root.key"),
                Verdict::Fail,
                Some("close it: chmod 0600 /state/tls/p256-root.key"),
            ),
            (
                with_file("/state/seal/key"),
                Verdict::Fail,
                Some("close it: chmod 0600 /state/seal/key"),
            ),
            (
                with_file("/state/services.json"),
                Verdict::Warn,
                Some("close it: chmod 0600 /state/services.json"),
            ),
            (with_file("/state/tls/ca.crt"), Verdict::Ok, None),
        ] {
            let found = judge(&facts);
            assert_eq!((found.len(), found[0].verdict), (1, verdict), "{found:?}");
            assert_eq!(found[0].hint.as_deref(), hint);
        }
    }

    #[tokio::test]
    async fn a_real_directory_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let verdicts = async || {
            let found = look(path, &Aside::default()).await;
            found.into_iter().map(|finding| finding.verdict).collect::<Vec<_>>()
        };
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        };
        set(path, 0o700);
        assert_eq!(verdicts().await, [Verdict::Ok]);
        fs::create_dir(path.join("seal")).expect("made");
        fs::write(path.join("seal/key"), "x").expect("written");
        set(&path.join("seal/key"), 0o640);
        set(path, 0o755);
        assert_eq!(verdicts().await, [Verdict::Fail, Verdict::Fail]);
        let missing = look(&path.join("none"), &Aside::default()).await;
        assert_eq!(missing[0].verdict, Verdict::Skipped);
    }
}
