//! Whether the container engine lets us in.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use conduit_admin::finding::{Check, Finding};
use tokio::net::UnixStream;

use crate::privilege::group_name;

/// Connects to the engine's socket; `None` when nobody asks for containers.
pub(crate) async fn look(socket: Option<&Path>) -> Vec<Finding> {
    let Some(socket) = socket else {
        return vec![Finding::skipped(CHECK, "the monitor is off (monitor.enabled = false)")];
    };
    let outcome = UnixStream::connect(socket).await.map(drop).map_err(|error| error.kind());
    let group = match outcome {
        Err(io::ErrorKind::PermissionDenied) => {
            fs::metadata(socket).ok().and_then(|metadata| group_name(metadata.gid()))
        }
        _ => None,
    };
    vec![judge(outcome, group.as_deref()).about(socket.display().to_string())]
}

/// Judges how that ended; `group` is whose members may open the socket.
fn judge(outcome: Result<(), io::ErrorKind>, group: Option<&str>) -> Finding {
    match outcome {
        Ok(()) => Finding::ok(CHECK, "lets us in"),
        Err(io::ErrorKind::NotFound) => Finding::skipped(CHECK, "there is no container engine"),
        Err(io::ErrorKind::PermissionDenied) => {
            let group = group.unwrap_or("docker");
            Finding::warn(CHECK, "may not be opened: containers are not shown").hint(format!(
                "add the gateway's user to the group {group} (usermod -aG {group} USER), and \
                 restart the gateway"
            ))
        }
        Err(io::ErrorKind::ConnectionRefused) => {
            Finding::warn(CHECK, "nobody listens there").hint("start the container engine again")
        }
        Err(kind) => Finding::warn(CHECK, format!("cannot be opened: {kind}"))
            .hint("correct monitor.docker_socket"),
    }
}

const CHECK: Check = Check::Containers;

#[cfg(test)]
mod tests {
    use conduit_admin::finding::Verdict;

    use super::*;

    #[tokio::test]
    async fn a_socket_that_is_closed_names_whom_to_join() {
        for (outcome, verdict) in [
            (Ok(()), Verdict::Ok),
            (Err(io::ErrorKind::NotFound), Verdict::Skipped),
            (Err(io::ErrorKind::ConnectionRefused), Verdict::Warn),
            (Err(io::ErrorKind::InvalidInput), Verdict::Warn),
        ] {
            assert_eq!(judge(outcome, None).verdict, verdict);
        }
        let found = judge(Err(io::ErrorKind::PermissionDenied), Some("podman"));
        let hint = found.hint.expect("a hint");
        assert!(hint.contains("usermod -aG podman"), "{hint}");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("engine.sock");
        let _listener = tokio::net::UnixListener::bind(&path).expect("bound");
        assert_eq!(look(Some(&path)).await[0].verdict, Verdict::Ok);
        assert_eq!(look(None).await[0].verdict, Verdict::Skipped);
    }
}
