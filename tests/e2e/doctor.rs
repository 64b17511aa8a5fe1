//! What is broken is found, with its mend, whether a gateway runs or not.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use conduit_api::v1::services::RegisterService;
use conduit_tests::daemon::Daemon;
use conduit_tests::gateway;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

/// The findings and the exit code; the socket is named, since a broken configuration names none.
async fn doctor(config: &Path, socket: &Path) -> (Value, Option<i32>) {
    let mut command = tokio::process::Command::new(BINARY);
    command.args(["doctor", "--json", "--config"]).arg(config).arg("--socket").arg(socket);
    let output = command.output().await.expect("runs");
    let reply: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    (reply["findings"].clone(), output.status.code())
}

/// The findings of one check that must be mended or will have to be.
fn bad(findings: &Value, check: &str) -> Vec<Value> {
    let all = findings.as_array().expect("a list").iter();
    let is_bad = |f: &&Value| f["status"] == "fail" || f["status"] == "warn";
    all.filter(|finding| finding["check"] == check).filter(is_bad).cloned().collect()
}

fn status_of<'a>(findings: &'a Value, check: &str) -> &'a str {
    let all = findings.as_array().expect("a list").iter();
    let mut of_check = all.filter(|finding| finding["check"] == check);
    of_check.next().and_then(|finding| finding["status"].as_str()).expect(check)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_tells_what_is_wrong_with_it() {
    let daemon = Daemon::start(BINARY).await;
    let config = daemon.directory.path().join("conduit.toml");
    let socket = daemon.state().join("conduit.sock");
    let (findings, _) = doctor(&config, &socket).await;
    for check in ["config", "gateway", "dns", "https", "certificates", "state", "record"] {
        assert_eq!(status_of(&findings, check), "ok", "{check}: {findings:#}");
    }
    let free = TcpListener::bind("127.0.0.1:0").expect("bound");
    let upstream = free.local_addr().expect("an address").to_string();
    drop(free);
    let upstreams = vec![upstream.clone()];
    let service = RegisterService { name: "web".into(), upstreams, ..RegisterService::default() };
    daemon.api.register(&service).await.expect("registered");
    let state = daemon.state();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).expect("opened");
    let text = std::fs::read_to_string(&config).expect("read");
    std::fs::write(&config, format!("{text}\n[nonsense]\n")).expect("written");
    let end = tokio::time::Instant::now() + gateway::PATIENCE;
    let (findings, code) = loop {
        let (findings, code) = doctor(&config, &socket).await;
        if !bad(&findings, "upstreams").is_empty() {
            break (findings, code);
        }
        // The probe has not come to its end yet.
        assert!(tokio::time::Instant::now() < end, "{findings:#}");
    };
    assert_eq!(code, Some(1));
    let web = &bad(&findings, "upstreams")[0];
    assert_eq!((&web["subject"], &web["status"]), (&"web".into(), &"fail".into()));
    assert!(web["message"].as_str().is_some_and(|text| text.contains(&upstream)), "{web}");
    let state = &bad(&findings, "state")[0];
    assert!(state["hint"].as_str().is_some_and(|hint| hint.contains("chmod 0700")), "{state}");
    let config = bad(&findings, "config");
    assert_eq!(config.len(), 1, "told once: {config:#?}");
    assert!(config[0]["message"].as_str().is_some_and(|text| text.contains("nonsense")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_it_tells_what_is_in_the_way_of_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("conduit.toml");
    let held = TcpListener::bind("127.0.0.1:0").expect("bound");
    let taken = held.local_addr().expect("an address").to_string();
    let state = directory.path().join("state");
    let text = format!(
        "[gateway]\nstate_dir = {state:?}\n[dns]\nlisten = [\"127.0.0.1:0\"]\n\
         [proxy]\nhttps_listen = [\"{taken}\"]\nhttp_listen = []\n[admin]\nlisten = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&config, text).expect("written");
    let (findings, code) = doctor(&config, &state.join("conduit.sock")).await;
    assert_eq!(code, Some(1));
    assert_eq!(status_of(&findings, "config"), "ok");
    assert_eq!(status_of(&findings, "gateway"), "fail");
    let ports = bad(&findings, "ports");
    assert_eq!(ports.len(), 1, "{findings:#}");
    assert_eq!(ports[0]["subject"], taken.as_str());
    let message = ports[0]["message"].as_str().expect("a message");
    assert!(message.contains(&format!("pid {}", std::process::id())), "{message}");
}
