//! The query log, from the question to the dashboard, the file and the command; and why a name is answered.

use std::net::UdpSocket;
use std::path::Path;

use conduit_api::client::QueryFilter;
use conduit_api::v1::queries::{DnsQuery, QueryList};
use conduit_api::v1::services::RegisterService;
use conduit_tests::daemon::Daemon;
use conduit_tests::{Upstream, gateway, resolver};
use hickory_proto::rr::RecordType;

const BINARY: &str = env!("CARGO_BIN_EXE_conduit-under-test");
/// In the harness's configuration, where keys of the section can be put.
const DNS: &str = "[dns]\n";

/// Says what is logged from now on.
async fn set(daemon: &Daemon, logged: &str) {
    let path = daemon.directory.path().join("conduit.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let kept = text.lines().filter(|line| !line.starts_with("query_log = "));
    let text = kept.collect::<Vec<_>>().join("\n");
    let text = text.replacen(DNS, &format!("{DNS}query_log = {logged:?}\n"), 1);
    std::fs::write(&path, text).expect("written");
    let reloaded = daemon.api.reload().await.expect("reloaded").value;
    assert_eq!(reloaded.applied, ["dns.query_log"]);
}

/// Waits until a query is told that fits.
async fn told(daemon: &Daemon, fits: impl Fn(&DnsQuery) -> bool) -> QueryList {
    let end = tokio::time::Instant::now() + gateway::PATIENCE;
    loop {
        let list = daemon.api.dns_queries(&QueryFilter::default()).await.expect("a list").value;
        if list.queries.iter().any(&fits) {
            return list;
        }
        assert!(tokio::time::Instant::now() < end, "not told: {list:?}");
        tokio::task::yield_now().await;
    }
}

async fn command(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new(BINARY)
        .arg("--config")
        .arg(daemon.directory.path().join("conduit.toml"))
        .args(arguments)
        .output()
        .await
        .expect("runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn read(path: &Path) -> Vec<DnsQuery> {
    let text = std::fs::read_to_string(path).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_told_from_the_reload_on_and_no_longer() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("queries.log");
    let extra = format!("[query_log]\noutput = {:?}", path.display().to_string());
    let daemon = Daemon::start_with(BINARY, &extra).await;
    let upstream = Upstream::start("web").await;
    let upstreams = vec![upstream.host()];
    let service = RegisterService { name: "web".into(), upstreams, ..RegisterService::default() };
    daemon.api.register(&service).await.expect("registered");
    let status = daemon.api.status().await.expect("status").value;
    let dns = status.listen.dns[0].parse().expect("an address");

    resolver::ask(dns, "before.internal", RecordType::A).await;
    let off = daemon.api.dns_queries(&QueryFilter::default()).await.expect("a list").value;
    assert_eq!((&*off.logged, off.last, off.output), ("off", 0, path.display().to_string()));

    set(&daemon, "all").await;
    resolver::ask(dns, "Web.internal", RecordType::A).await;
    resolver::ask(dns, "nope.internal", RecordType::A).await;
    let is_nope = |query: &DnsQuery| query.name.as_deref() == Some("nope.internal");
    let list = told(&daemon, is_nope).await;
    let web = list.queries.iter().find(|q| q.name.as_deref() == Some("web.internal"));
    let web = web.expect("told before");
    assert_eq!((&*web.source, web.service.as_deref()), ("service", Some("web")));
    assert_eq!(
        (web.answers.as_slice(), web.rcode.as_deref()),
        (&["A 127.0.0.1".to_owned()][..], Some("NOERROR"))
    );
    assert!(list.queries.iter().all(|query| query.name.as_deref() != Some("before.internal")));
    let written = read(&path);
    assert!(written.iter().any(is_nope), "{written:?}");
    let shown = command(&daemon, &["logs", "--dns", "--service", "web"]).await;
    assert!(shown.contains(" udp web.internal A NOERROR service web "), "{shown}");
    assert!(!shown.contains("nope"), "{shown}");

    set(&daemon, "errors").await;
    resolver::ask(dns, "quiet.internal", RecordType::A).await;
    let client = UdpSocket::bind("127.0.0.1:0").expect("binds");
    // A status request, which nobody serves.
    client.send_to(b"\x00\x07\x10\x00\x00\x01\x00\x00\x00\x00\x00\x00", dns).expect("sends");
    let list = told(&daemon, |query| query.outcome == "notimp").await;
    assert!(list.queries.iter().all(|query| query.name.as_deref() != Some("quiet.internal")));
    let metrics = daemon.api.metrics().await.expect("metrics");
    assert!(metrics.contains("conduit_dns_query_lines_lost_total 0"), "{metrics}");

    let why =
        command(&daemon, &["dns", "why", "WEB.internal", "--client", "10.0.0.9", "--ask"]).await;
    assert!(
        why.starts_with("web.internal A for 10.0.0.9\n  1. web.internal is looked up"),
        "{why}"
    );
    assert!(
        why.contains("web.internal is a host of a service") && why.contains("; registered 20"),
        "{why}"
    );
    assert!(
        why.contains("\n  => NOERROR from our own zone: WEB.internal. 30 IN A 127.0.0.1\n"),
        "{why}"
    );
    assert!(why.contains("\nAsked: WEB.internal A: NOERROR from "), "{why}");
}
