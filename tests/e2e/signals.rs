//! What a running process is told by signals.

use conduit_api::v1::services::RegisterService;
use conduit_tests::client::Client;
use conduit_tests::daemon::Daemon;
use conduit_tests::{Upstream, gateway};
use rustix::process::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");

#[tokio::test(flavor = "multi_thread")]
async fn sighup_applies_what_is_dynamic_and_names_what_is_not() {
    let daemon = Daemon::start(BINARY).await;
    let extra = "[health]\ninterval = \"7s\"\n[dns]\nlisten = [\"127.0.0.2:0\"]";
    let config = gateway::configuration(&daemon.state(), extra);
    std::fs::write(daemon.directory.path().join("conduit.toml"), config).expect("written");
    daemon.signal(Signal::HUP);
    let end = tokio::time::Instant::now() + gateway::PATIENCE;
    let entry = loop {
        let entries = daemon.api.audit(10, None).await.expect("entries").value.entries;
        if let Some(entry) = entries.into_iter().find(|e| e.action == "config_reload") {
            break entry;
        }
        assert!(tokio::time::Instant::now() < end, "the reload is not on record");
        tokio::task::yield_now().await;
    };
    assert_eq!(entry.details["applied"], serde_json::json!(["health.interval"]));
    assert_eq!(entry.details["needs_restart"], serde_json::json!(["dns.listen"]));
    // It is on record first, and done then.
    let shown = loop {
        let shown = daemon.api.config().await.expect("config").value.toml;
        if shown.contains("interval = \"7s\"") {
            break shown;
        }
        assert!(tokio::time::Instant::now() < end, "the reload is not in force: {shown}");
        tokio::task::yield_now().await;
    };
    assert!(shown.contains("127.0.0.1:0"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_brings_rules_and_channels_and_a_test_arrives_there() {
    let daemon = Daemon::start(BINARY).await;
    assert!(daemon.api.channels().await.expect("a list").value.channels.is_empty());
    let hook = Upstream::start("hook").await;
    let extra = format!(
        "[[monitor.channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://{}/secret\"\n\
         [[monitor.rules]]\nname = \"disk-full\"\nthreshold = \"97%\"\n",
        hook.host()
    );
    let config = gateway::configuration(&daemon.state(), &extra);
    std::fs::write(daemon.directory.path().join("conduit.toml"), config).expect("written");
    let reloaded = daemon.api.reload().await.expect("reloaded").value;
    assert_eq!(reloaded.applied, ["monitor.rules", "monitor.channels"]);
    let rules = daemon.api.alert_rules().await.expect("rules").value.rules;
    let rule = rules.iter().find(|rule| rule.name == "disk-full").expect("the rule");
    assert!(rule.origin == "configured" && rule.condition.contains("97 %"), "{rule:?}");
    let tested = daemon.api.test_channel("hook").await.expect("an answer").value;
    assert_eq!((tested.error, tested.place), (None, format!("http://{}/…", hook.host())));
    let [channel] = &daemon.api.channels().await.expect("a list").value.channels[..] else {
        panic!("one channel")
    };
    assert_eq!((channel.sent, channel.failures), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_at_a_reload() {
    let daemon = Daemon::start(BINARY).await;
    let path = daemon.directory.path().join("conduit.toml");
    std::fs::write(&path, "[dns]\nlisten = 3").expect("written");
    let error = daemon.api.reload().await.expect_err("refused");
    assert!(error.to_string().contains("listen"), "{error}");
    assert!(daemon.api.ready().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait_for_what_is_open() {
    let mut daemon = Daemon::start(BINARY).await;
    let upstream = Upstream::start("web").await;
    let upstreams = vec![upstream.host()];
    let service = RegisterService { name: "web".into(), upstreams, ..RegisterService::default() };
    daemon.api.register(&service).await.expect("registered");
    let status = daemon.api.status().await.expect("status").value;
    let https = status.listen.https[0].parse().expect("an address");
    let bundle = std::fs::read_to_string(daemon.state().join("tls/ca.crt")).expect("bundle");
    let client = Client::new(https, &bundle);
    let hanging = client.get("web.internal", "/hang");
    let stopping = async {
        upstream.arrived().await;
        daemon.signal(Signal::TERM);
        // The API goes on while the proxy drains: only the second signal ends it.
        while daemon.api.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
        daemon.signal(Signal::TERM);
        daemon.child.wait().await.expect("ended").code()
    };
    let (answer, code) = tokio::join!(hanging, stopping);
    assert_eq!(code, Some(0));
    assert!(answer.is_err(), "the hanging request was cut");
}
