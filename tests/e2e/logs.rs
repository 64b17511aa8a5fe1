//! Access lines: in a file, across its replacement, and read again.

use std::path::Path;

use conduit_api::v1::services::RegisterService;
use conduit_core::policy::Policy;
use conduit_tests::client::Client;
use conduit_tests::daemon::Daemon;
use conduit_tests::{Upstream, gateway};
use rustix::process::Signal;
use serde_json::Value;

use crate::tcp::{asked, dial, echo, free_port};

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

/// Waits until a file has lines, and reads them.
async fn lines(path: &Path) -> Vec<Value> {
    let end = tokio::time::Instant::now() + gateway::PATIENCE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        }
        assert!(tokio::time::Instant::now() < end, "nothing in {}", path.display());
        tokio::task::yield_now().await;
    }
}

async fn logs(daemon: &Daemon, arguments: &[&str]) -> String {
    let config = daemon.directory.path().join("conduit.toml");
    let output = tokio::process::Command::new(BINARY)
        .arg("--config")
        .arg(config)
        .arg("logs")
        .args(arguments)
        .output()
        .await
        .expect("runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lines_are_written_and_read_across_a_replaced_file() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("access.log");
    let extra = format!("[access_log]\noutput = {:?}", path.display().to_string());
    let mut daemon = Daemon::start_with(BINARY, &extra).await;
    let upstream = Upstream::start("web").await;
    let upstreams = vec![upstream.host()];
    let service = RegisterService { name: "web".into(), upstreams, ..RegisterService::default() };
    daemon.api.register(&service).await.expect("registered");
    let status = daemon.api.status().await.expect("status").value;
    let https = status.listen.https[0].parse().expect("an address");
    let bundle = std::fs::read_to_string(daemon.state().join("tls/ca.crt")).expect("bundle");
    let client = Client::new(https, &bundle);
    client.get_text("web.internal", "/one?secret=1").await.expect("an answer");
    let line = lines(&path).await.remove(0);
    assert_eq!(line["service"], "web");
    assert_eq!((&line["host"], &line["path"]), (&"web.internal".into(), &"/one".into()));
    assert_eq!((&line["status"], &line["complete"]), (&200.into(), &true.into()));
    assert_eq!(line["upstream"], upstream.host().as_str());
    assert!(line["ttfb_ms"].as_f64() <= line["duration_ms"].as_f64());

    // As logrotate does it: moved aside, and told to open it again.
    let moved = directory.path().join("access.log.1");
    std::fs::rename(&path, &moved).expect("moved");
    daemon.signal(Signal::HUP);
    let end = tokio::time::Instant::now() + gateway::PATIENCE;
    while !path.exists() {
        assert!(tokio::time::Instant::now() < end, "the file is not made again");
        tokio::task::yield_now().await;
    }
    client.get_text("web.internal", "/two").await.expect("an answer");
    assert_eq!(lines(&path).await[0]["path"], "/two");

    let shown = logs(&daemon, &["--json", "--service", "web"]).await;
    let paths: Vec<Value> = shown
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(line)["path"].clone())
        .collect();
    assert_eq!(paths, ["/one", "/two"]);
    assert_eq!(logs(&daemon, &["-n", "1"]).await.lines().count(), 1);
    assert!(logs(&daemon, &["--since", "1h"]).await.contains(" GET web.internal/one "));
    assert_eq!(logs(&daemon, &["--service", "other"]).await, "");

    // What was answered before a stop is in the log after it.
    client.get_text("web.internal", "/three").await.expect("an answer");
    daemon.signal(Signal::TERM);
    daemon.child.wait().await.expect("ended");
    assert_eq!(lines(&path).await.last().expect("lines")["path"], "/three");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_byte_streams_have_lines_too() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("access.log");
    let extra = format!("[access_log]\noutput = {:?}", path.display().to_string());
    let daemon = Daemon::start_with(BINARY, &extra).await;
    let upstream = echo().await;
    // Whose service does not want to be in it comes first.
    for (name, access_log) in [("quiet", Some(false)), ("db", None)] {
        let port = free_port();
        let service = RegisterService {
            name: name.into(),
            upstreams: vec![upstream.clone()],
            protocol: Some("tcp".into()),
            policy: Some(Box::new(Policy { listen: Some(port), access_log, ..Policy::default() })),
            ..RegisterService::default()
        };
        daemon.api.register(&service).await.expect("registered");
        assert_eq!(asked(&mut dial(port).await, name).await, name);
        if access_log.is_none() {
            let line = lines(&path).await.remove(0);
            assert_eq!((&line["service"], &line["protocol"]), (&"db".into(), &"tcp".into()));
            assert_eq!((&line["port"], &line["end"]), (&port.into(), &"done".into()));
            assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&2.into(), &2.into()));
            assert_eq!(line["upstream"], upstream.as_str());
            let shown = logs(&daemon, &["--service", "db"]).await;
            assert!(shown.contains(&format!(" db done tcp :{port} ")), "{shown}");
        }
    }
}
