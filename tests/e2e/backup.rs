//! Saving the whole state while the gateway runs, and getting it back.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use conduit_api::error::ClientError;
use conduit_api::v1::services::RegisterService;
use conduit_tests::daemon::Daemon;
use conduit_tests::gateway::configuration;
use conduit_tests::{Client, Gateway, Upstream};
use http::StatusCode;
use tempfile::TempDir;
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

/// A running daemon with a service, and a backup of it.
struct Saved {
    daemon: Daemon,
    upstream: Upstream,
    file: PathBuf,
    bundle: String,
}

impl Saved {
    async fn new() -> Self {
        let daemon = Daemon::start(BINARY).await;
        let upstream = Upstream::start("web").await;
        register(&daemon, "web", &upstream.host()).await;
        let file = daemon.directory.path().join("saved.tar");
        let reply = daemon.api.backup(text(&file)).await.expect("saved").value;
        assert_eq!(reply.bytes, std::fs::metadata(&file).expect("there").len());
        let bundle = std::fs::read_to_string(daemon.state().join("tls/ca.crt")).expect("bundle");
        Self { daemon, upstream, file, bundle }
    }
}

async fn register(daemon: &Daemon, name: &str, upstream: &str) {
    let upstreams = vec![upstream.to_owned()];
    let service = RegisterService { name: name.into(), upstreams, ..RegisterService::default() };
    daemon.api.register(&service).await.expect("registered");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A directory with a configuration for `state` in it.
fn elsewhere() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    configure(directory.path());
    directory
}

fn configure(directory: &Path) {
    let config = configuration(&directory.join("state"), "");
    std::fs::write(directory.join("conduit.toml"), config).expect("written");
}

/// Runs `conduit restore`; whether it succeeded, and what it said.
async fn restore(directory: &Path, file: &Path, more: &[&str]) -> (bool, String) {
    let mut command = Command::new(BINARY);
    command.arg("--config").arg(directory.join("conduit.toml"));
    command.arg("restore").arg(file).args(more).env("HOME", directory);
    let output = command.output().await.expect("run");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_while_running_serves_the_same_elsewhere() {
    let saved = Saved::new().await;
    register(&saved.daemon, "later", "127.0.0.1:9").await;
    let mode = std::fs::metadata(&saved.file).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!saved.file.with_extension("tar.new").exists());

    let directory = elsewhere();
    let (done, said) = restore(directory.path(), &saved.file, &[]).await;
    assert!(done && said.contains("1 services"), "{said}");
    let state = directory.path().join("state");
    for path in ["conduit.db", "seal/key", "tls/p256-root.key", "conduit.toml.restored"] {
        let mode = std::fs::metadata(state.join(path)).expect(path).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
    assert!(!state.join("restore.new").exists());

    let gateway = Gateway::start_in(&state, "").await;
    assert_eq!(gateway.bundle, saved.bundle);
    let client = Client::new(gateway.https, &saved.bundle);
    let (status, body) = client.get_text("web.internal", "/").await.expect("served");
    assert_eq!((status, body.contains("web")), (StatusCode::OK, true), "{body}");
    assert!(gateway.api.service("later", false).await.is_err(), "it came after the backup");
    assert!(gateway.api.verify_audit().await.expect("verified").value.valid);
    let entries = gateway.api.audit(100, None).await.expect("entries").value.entries;
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions[..3], ["daemon_start", "restore", "backup"], "newest first");
    drop(saved.upstream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_in_use_is_not_restored_over() {
    let saved = Saved::new().await;
    let directory = saved.daemon.directory.path();
    for more in [&[][..], &["--force"]] {
        let (done, said) = restore(directory, &saved.file, more).await;
        assert!(!done && said.contains("in use") && said.contains("stop it first"), "{said}");
    }
    assert!(saved.daemon.api.ready().await.is_ok(), "it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_there_is_kept_aside_and_only_when_asked_to() {
    let saved = Saved::new().await;
    let directory = elsewhere();
    let state = directory.path().join("state");
    let other = Gateway::start_in(&state, "").await;
    other.register("mine", &["127.0.0.1:9"]).await.expect("registered");
    tokio::task::spawn_blocking(move || other.stop()).await.expect("stopped");
    let mine = std::fs::read(state.join("conduit.db")).expect("database");

    let (done, said) = restore(directory.path(), &saved.file, &[]).await;
    assert!(!done && said.contains("--force"), "{said}");
    assert_eq!(std::fs::read(state.join("conduit.db")).expect("database"), mine, "untouched");

    let (done, said) = restore(directory.path(), &saved.file, &["--force"]).await;
    assert!(done, "{said}");
    let entries = std::fs::read_dir(&state).expect("listed").filter_map(Result::ok);
    let aside = entries
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("before-")))
        .expect("set aside");
    assert!(said.contains(text(&aside)), "it says where: {said}");
    assert_eq!(std::fs::read(aside.join("conduit.db")).expect("kept"), mine);
    for path in ["seal/key", "tls/ca.crt", "services.json", "audit.log"] {
        assert!(aside.join(path).exists(), "{path}");
    }
    let gateway = Gateway::start_in(&state, "").await;
    assert_eq!(gateway.bundle, saved.bundle);
    let names = gateway.api.services(false).await.expect("listed").value.services;
    assert_eq!(names.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["web"]);
    let entries = gateway.api.audit(100, None).await.expect("entries").value.entries;
    let restored = entries.iter().find(|entry| entry.action == "restore").expect("on record");
    assert!(restored.details["entries_replaced"].as_u64() > Some(0), "{restored:?}");
    assert!(!entries.iter().any(|entry| entry.action == "gap"), "nothing is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_changes_nothing() {
    let saved = Saved::new().await;
    let good = std::fs::read(&saved.file).expect("read");
    let mut changed = good.clone();
    let at = good.len() / 2;
    changed[at] ^= 1;
    let bad = saved.file.with_extension("bad");
    for (what, bytes) in [
        ("cut short", good[..good.len() / 2].to_vec()),
        ("changed", changed),
        ("something else", b"not a backup".repeat(1000)),
    ] {
        std::fs::write(&bad, bytes).expect("written");
        let directory = elsewhere();
        let (done, said) = restore(directory.path(), &bad, &[]).await;
        assert!(!done && said.contains("cannot be restored"), "{what}: {said}");
        let left = std::fs::read_dir(directory.path().join("state")).expect("listed");
        let left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(left, ["lock"], "{what}");
    }
    let directory = elsewhere();
    let (done, said) = restore(directory.path(), Path::new("/nowhere.tar"), &[]).await;
    assert!(!done && said.contains("/nowhere.tar"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_cannot_be_written_is_refused_with_the_mend() {
    let saved = Saved::new().await;
    let api = &saved.daemon.api;
    let before = std::fs::read(&saved.file).expect("read");
    let left_over = saved.daemon.directory.path().join("other.tar.new");
    std::fs::create_dir(&left_over).expect("made");
    let other = saved.daemon.directory.path().join("other.tar");
    for (path, expected) in [
        (text(&saved.file), "already"),
        ("saved.tar", "absolute"),
        ("/nowhere/at/all/saved.tar", "directory"),
        (text(&other), "interrupted"),
        ("/proc/saved.tar", "directory"),
    ] {
        let error = api.backup(path).await.expect_err("refused");
        assert!(matches!(error, ClientError::Api { status: 422, .. }), "{path}: {error:?}");
        let said = format!("{error} {:?}", error.hint());
        assert!(said.contains(expected), "{path}: {said}");
    }
    assert_eq!(std::fs::read(&saved.file).expect("read"), before, "untouched");
    assert!(left_over.exists() && !other.exists());
}
