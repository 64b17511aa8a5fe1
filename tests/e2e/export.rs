//! `conduit audit` from outside: with the gateway, and without it.

use std::path::Path;
use std::process::Output;

use conduit_api::v1::services::{RegisterBulk, RegisterService};
use conduit_tests::daemon::Daemon;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
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
    assert_eq!(downloaded(daemon.directory.path()).await, online, "the API has the same lines");
    daemon.signal(Signal::TERM);
    daemon.child.wait().await.expect("ended");
    let offline = exported(daemon.directory.path()).await;
    assert!(offline.len() > online.len(), "the stop is on record");
    assert!(offline.starts_with(&online));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_proven_and_judged_without_its_record() {
    let mut daemon = Daemon::start(BINARY).await;
    let service = RegisterService {
        name: "web".into(),
        upstreams: vec!["10.0.0.1:80".into()],
        ..RegisterService::default()
    };
    daemon.api.register(&service).await.expect("registered");
    let at = daemon.directory.path().to_owned();
    let entries = daemon.api.audit(1, None).await.expect("entries").value.entries;
    let number = entries[0].sequence.to_string();
    let online = audit(&at, &["prove", &number, "--json"]).await;
    assert!(online.status.success(), "{online:?}");
    daemon.signal(Signal::TERM);
    daemon.child.wait().await.expect("ended");
    let shown = audit(&at, &["prove", &number]).await;
    let text = String::from_utf8(shown.stdout).expect("text");
    assert!(text.contains("Registered web") && text.contains("follows it"), "{text}");
    let key = text.lines().find_map(|line| line.strip_prefix("key    ")).expect("a key").to_owned();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let file = elsewhere.path().join("proof.json");
    let shown = file.to_str().expect("text").to_owned();
    let whole = String::from_utf8(online.stdout).expect("text");
    let foreign = key.replace(['0', '1', '2'], "3");
    for (text, more, code, part) in [
        (whole.clone(), vec![], 0, "valid: entry"),
        (whole.clone(), vec!["--key", &key], 0, "valid: entry"),
        (whole.clone(), vec!["--key", &foreign], 1, "sealed by another key"),
        (whole.replace("10.0.0.1:80", "10.0.0.9:80"), vec![], 1, "does not match its hash"),
        (whole.replace(&key, &foreign), vec![], 1, "NOT VALID"),
        ("{}".into(), vec![], 1, "is no proof of an entry"),
    ] {
        std::fs::write(&file, text).expect("written");
        let judged = audit(&at, &[&["verify", "--proof", &shown], more.as_slice()].concat()).await;
        let told = String::from_utf8([judged.stdout, judged.stderr].concat()).expect("text");
        assert_eq!(judged.status.code(), Some(code), "{told}");
        assert!(told.contains(part), "{told}");
    }
    let none = audit(&at, &["prove", "99999"]).await;
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("there is no entry 99999"));
}

async fn audit(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("audit").args(arguments).arg("--config").arg(directory.join("conduit.toml"));
    command.env_clear().output().await.expect("ran")
}

/// The lines of `GET /api/v1/audit/export`.
async fn downloaded(directory: &Path) -> Vec<String> {
    let socket = directory.join("state/conduit.sock");
    let mut stream = UnixStream::connect(socket).await.expect("connected");
    let request = "GET /api/v1/audit/export HTTP/1.0\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("attachment; filename=\"audit.jsonl\""), "{head}");
    body.lines().map(str::to_owned).collect()
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
