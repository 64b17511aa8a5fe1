//! `conduit audit` from outside: with the gateway, and without it.

use std::path::Path;
use std::process::Output;

use conduit_api::v1::services::{RegisterBulk, RegisterService};
use conduit_tests::daemon::Daemon;
use rustix::process::Signal;
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_exported_whole_whether_the_gateway_runs_or_not() {
    let mut daemon = Daemon::start(BINARY).await;
    let service = |n: u16| RegisterService {
        name: format!("s{n}"),
        upstreams: vec![format!("10.0.0.1:{}", n + 1)],
        ..RegisterService::default()
    };
    // More than two pages.
    let services = (0..1_100).map(service).collect();
    let bulk = RegisterBulk { services, replace: false, prune: false, dry_run: false };
    daemon.api.register_bulk(&bulk).await.expect("registered");
    let online = exported(daemon.directory.path()).await;
    assert!(online.len() > 1_100, "{}", online.len());
    for (place, line) in online.iter().enumerate() {
        assert!(line.starts_with("{\"timestamp\":\""), "{line}");
        assert!(line.ends_with(&format!(",\"sequence\":{place}}}")), "{place}: {line}");
    }
    daemon.signal(Signal::TERM);
    daemon.child.wait().await.expect("ended");
    let offline = exported(daemon.directory.path()).await;
    assert!(offline.len() > online.len(), "the stop is on record");
    assert!(offline.starts_with(&online));
}

async fn exported(directory: &Path) -> Vec<String> {
    let output: Output = Command::new(BINARY)
        .args(["audit", "export", "--config"])
        .arg(directory.join("conduit.toml"))
        .env("HOME", directory)
        .output()
        .await
        .expect("run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}
