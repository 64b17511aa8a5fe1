//! What the operating system around it sees: a supervisor, a user to become.

use std::os::unix::net::UnixDatagram;

use conduit_tests::daemon::spawn_with;
use conduit_tests::gateway::PATIENCE;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_is_told_when_it_is_ready_and_when_it_stops() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).expect("bound");
    supervisor.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut child = spawn_with(BINARY, directory.path(), "", |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    let (supervisor, told) = hear(supervisor).await;
    assert!(told.contains("READY=1"), "{told}");
    let raw = i32::try_from(child.id().expect("alive")).expect("a pid");
    let pid = rustix::process::Pid::from_raw(raw).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("sent");
    let (_, told) = hear(supervisor).await;
    assert!(told.contains("STOPPING=1"), "{told}");
    assert_eq!(child.wait().await.expect("ended").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn root_is_dropped_when_a_user_is_configured() {
    if !rustix::process::geteuid().is_root() {
        conduit_tests::skipped("dropping root needs root");
        return;
    }
    let directory = tempfile::tempdir().expect("directory");
    // The user must be able to reach the state directory below.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).expect("opened");
    let path = directory.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).expect("bound");
    let anyone = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&path, anyone).expect("opened");
    supervisor.set_read_timeout(Some(PATIENCE)).expect("set");
    let extra = "[gateway]\nuser = \"nobody\"";
    let child = spawn_with(BINARY, directory.path(), extra, |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    let (_, told) = hear(supervisor).await;
    assert!(told.contains("READY=1"), "{told}");
    let tasks = format!("/proc/{}/task", child.id().expect("alive"));
    for task in std::fs::read_dir(tasks).expect("threads") {
        let status = std::fs::read_to_string(task.expect("thread").path().join("status"));
        let status = status.expect("status");
        for field in ["Uid:", "Gid:"] {
            let line = status.lines().find(|l| l.starts_with(field)).expect("the field");
            assert!(line.split_whitespace().skip(1).all(|id| id != "0"), "{line}");
        }
    }
}

async fn hear(supervisor: UnixDatagram) -> (UnixDatagram, String) {
    let heard = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 256];
        let read = supervisor.recv(&mut buffer).expect("told in time");
        (supervisor, String::from_utf8_lossy(&buffer[..read]).into_owned())
    });
    heard.await.expect("joined")
}
