//! Starting, stopping, crashing, and what is refused at the start.

use std::net::TcpListener;
use std::path::Path;

use conduit_api::v1::services::RegisterService;
use conduit_tests::daemon::{Daemon, refusal, spawn};
use conduit_tests::{Gateway, resolver};
use rustix::process::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_no_acknowledged_registration() {
    let daemon = Daemon::start(BINARY).await;
    let api = daemon.api.clone();
    let (sender, mut acknowledged) = tokio::sync::mpsc::channel(200);
    conduit_tests::upstream::spawn(async move {
        for index in 0..200 {
            let name = format!("web-{index}");
            let upstreams = vec!["127.0.0.1:9".to_owned()];
            let service =
                RegisterService { name: name.clone(), upstreams, ..RegisterService::default() };
            if api.register(&service).await.is_err() {
                return;
            }
            sender.send(name).await.expect("counted");
        }
    });
    let mut names = Vec::new();
    while names.len() < 60 {
        names.push(acknowledged.recv().await.expect("registered"));
    }
    let daemon = daemon.kill_and_restart(BINARY).await;
    while let Some(name) = acknowledged.recv().await {
        names.push(name);
    }
    assert!(names.len() < 200, "the crash came too late to prove anything");
    let services = daemon.api.services(false).await.expect("listed").value.services;
    for name in &names {
        assert!(services.iter().any(|s| s.name == *name), "{name} was acknowledged and is lost");
    }
    assert!(daemon.api.verify_audit().await.expect("verified").value.valid);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_well_and_the_record_says_so() {
    let mut daemon = Daemon::start(BINARY).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.child.wait().await.expect("ended").code(), Some(0));
    let state = daemon.state();
    let report = conduit_audit::verify_file(&state.join("conduit.db"), &state.join("seal"));
    let report = report.expect("readable");
    assert!(report.valid() && report.entries >= 3, "{report:?}");
    let log = std::fs::read_to_string(state.join("audit.log")).expect("the view");
    let last = log.lines().last().expect("a line");
    assert!(last.contains("daemon_stop"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_state_is_refused() {
    let daemon = Daemon::start(BINARY).await;
    let (code, said) = refusal(spawn(BINARY, daemon.directory.path(), "")).await;
    assert_eq!(code, Some(1), "{said}");
    let pid = daemon.child.id().expect("alive").to_string();
    assert!(said.contains(&pid), "it names the holder {pid}: {said}");
    assert!(daemon.api.ready().await.is_ok(), "the first one goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_with_its_holder() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("address");
    // Of every address there is.
    let all = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"));
    let all = all.and_then(|all| all.local_addr().map(|at| (all, at.port()))).expect("bound");
    for (port, table) in [
        (address.port(), format!("[proxy]\nhttps_listen = [\"{address}\"]")),
        (address.port(), format!("[proxy]\nhttp_listen = [\"{address}\"]")),
        (address.port(), format!("[dns]\nlisten = [\"{address}\"]")),
        (all.1, format!("[dns]\nlisten = [\"auto:{}\"]", all.1)),
        (address.port(), format!("[admin]\nlisten = \"{address}\"")),
    ] {
        let directory = tempfile::tempdir().expect("directory");
        let (code, said) = refusal(spawn(BINARY, directory.path(), &table)).await;
        assert_eq!(code, Some(1), "{table}: {said}");
        assert!(said.contains(&format!(":{port} ")), "{table}: {said}");
        assert!(said.contains(&std::process::id().to_string()), "the holder, {table}: {said}");
        let key = table.lines().next().expect("a section");
        assert!(said.contains(&format!("or change {key}")), "the mend, {table}: {said}");
        assert!(!directory.path().join("state/conduit.db").exists(), "nothing was begun: {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_with_its_place() {
    for (text, expected) in
        [("[dns]\nlisten = [\"nowhere\"]", "listen"), ("[health]\ninterval = \"0s\"", "interval")]
    {
        let directory = tempfile::tempdir().expect("directory");
        let (code, said) = refusal(spawn(BINARY, directory.path(), text)).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expected) && said.contains("conduit.toml"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_or_newer_database_is_refused_and_left_untouched() {
    let directory = tempfile::tempdir().expect("directory");
    let state = directory.path().join("state");
    let gateway = Gateway::start_in(&state, "").await;
    gateway.register("web", &["127.0.0.1:9"]).await.expect("registered");
    tokio::task::spawn_blocking(move || gateway.stop()).await.expect("stopped");
    let database = state.join("conduit.db");
    let good = std::fs::read(&database).expect("database");
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    for (what, bytes) in
        [("newer", newer), ("garbage", b"this is not a database at all".repeat(200))]
    {
        std::fs::write(&database, &bytes).expect("written");
        let (code, said) = refusal(spawn(BINARY, directory.path(), "")).await;
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains("conduit.db"), "{what}: {said}");
        assert_eq!(std::fs::read(&database).expect("database"), bytes, "{what} is untouched");
    }
    std::fs::write(&database, &good).expect("restored");
    let again = Gateway::start_in(&state, "").await;
    assert!(resolver::addresses(again.dns, "web.internal").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_are_the_seeds_files_and_come_back_when_deleted() {
    let directory = tempfile::tempdir().expect("directory");
    let state = directory.path().join("state");
    let gateway = Gateway::start_in(&state, "").await;
    gateway.register("web", &["127.0.0.1:9"]).await.expect("registered");
    tokio::task::spawn_blocking(move || gateway.stop()).await.expect("stopped");
    check_views(&state);
    std::fs::remove_file(state.join("services.json")).expect("removed");
    std::fs::remove_file(state.join("audit.log")).expect("removed");
    let again = Gateway::start_in(&state, "").await;
    tokio::task::spawn_blocking(move || again.stop()).await.expect("stopped");
    check_views(&state);
}

fn check_views(state: &Path) {
    let text = std::fs::read_to_string(state.join("services.json")).expect("services.json");
    let services: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(services["version"], 1);
    assert_eq!(services["services"][0]["name"], "web");
    assert_eq!(services["services"][0]["upstream"], "127.0.0.1:9");
    assert_eq!(services["services"][0]["status"], "active");
    let log = std::fs::read_to_string(state.join("audit.log")).expect("audit.log");
    let entry = log.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect("JSON"));
    let registered: Vec<_> = entry.filter(|e| e["action"] == "service_register").collect();
    assert_eq!(registered.len(), 1);
    assert_eq!(registered[0]["details"]["name"], "web");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_cut_says_so_for_good() {
    let directory = tempfile::tempdir().expect("directory");
    let state = directory.path().join("state");
    let gateway = Gateway::start_in(&state, "").await;
    tokio::task::spawn_blocking(move || gateway.stop()).await.expect("stopped");
    assert!(!state.join("conduit.db-wal").exists(), "a clean stop leaves one file");
    let older = std::fs::read(state.join("conduit.db")).expect("database");
    let gateway = Gateway::start_in(&state, "").await;
    gateway.register("web", &["127.0.0.1:9"]).await.expect("registered");
    tokio::task::spawn_blocking(move || gateway.stop()).await.expect("stopped");
    std::fs::write(state.join("conduit.db"), older).expect("an older state");
    let again = Gateway::start_in(&state, "").await;
    let entries = again.api.audit(10, None).await.expect("entries").value.entries;
    let gap = entries.iter().find(|entry| entry.action == "gap").expect("a gap");
    assert_eq!(gap.status, "failure");
    assert!(gap.details["entries_once"].as_u64() > gap.details["entries_now"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_open_to_others_is_closed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("directory");
    let state = directory.path().join("state");
    std::fs::create_dir(&state).expect("made");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).expect("opened");
    let _gateway = Gateway::start_in(&state, "").await;
    let mode = std::fs::metadata(&state).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarder_that_is_this_gateway_is_refused_before_anything_is_made() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("address");
    drop(taken);
    let directory = tempfile::tempdir().expect("directory");
    let port = address.port();
    let table =
        format!("[dns]\nlisten = [\"0.0.0.0:{port}\"]\nforwarders = [\"127.0.0.1:{port}\"]");
    let (code, said) = refusal(spawn(BINARY, directory.path(), &table)).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("this gateway itself"), "{said}");
    assert!(!directory.path().join("state/conduit.db").exists());
}
