//! What is counted: as documented, and as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use conduit_tests::gateway::PATIENCE;
use conduit_tests::{Gateway, Upstream, resolver};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::tcp::{asked, dial, echo, free_port, through};

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_metrics_are_those_that_are_exposed() {
    let text = busy().await;
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let exposed: BTreeSet<String> = types
        .map(|line| match line.split_once(' ') {
            Some((name, "counter")) => format!("{name}_total counter"),
            _ => line.to_owned(),
        })
        .collect();
    // The monitor's depend on the machine: another page has them, and they may be there or not.
    let (of_monitor, exposed): (BTreeSet<_>, BTreeSet<_>) =
        exposed.into_iter().partition(|name| is_of_monitor(name));
    for named in &of_monitor {
        let (name, kind) = named.split_once(' ').expect("a name and a type");
        let row = format!("| `{name}` | {kind} |");
        assert!(include_str!("../../docs/monitor.md").contains(&row), "{named} in docs/monitor.md");
    }
    assert!(!of_monitor.is_empty());
    // Those of multicast DNS exist only where it is on, on its one well-known port of the machine:
    // `conformance/dns/mdns` looks for their rows in a network of its own.
    let mut documented = documented();
    documented.retain(|name, _| !name.starts_with("conduit_dns_mdns_"));
    let types = documented.iter().map(|(name, row)| format!("{name} {}", row.kind));
    assert_eq!(exposed, types.collect());

    let mut unseen: BTreeSet<&str> = documented.keys().map(String::as_str).collect();
    for line in text.lines().filter(|line| !line.starts_with('#') && !is_of_monitor(line)) {
        let whole = line.split(['{', ' ']).next().expect("a name");
        let part = ["_bucket", "_count", "_sum"].iter().find_map(|end| whole.strip_suffix(end));
        let name = part.filter(|part| documented.contains_key(*part)).unwrap_or(whole);
        let inside = line.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        let labels: BTreeSet<String> = inside
            .map_or("", |(inside, _)| inside)
            .split(',')
            .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()))
            .filter(|label| label != "le")
            .collect();
        let row = documented.get(name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(row.labels, labels, "the labels of {name} in docs/metrics.md");
        unseen.remove(name);
    }
    for name in RARE {
        assert!(unseen.remove(name), "{name} is no rarity");
    }
    assert!(unseen.is_empty(), "no sample of {unseen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_counted_by_service_and_told() {
    let gateway = Gateway::start().await;
    let (web, slow) = (Upstream::start("web").await, Upstream::start("other").await);
    gateway.register("web", &[&web.host()]).await.expect("registered");
    gateway.register("other", &[&slow.host()]).await.expect("registered");
    let client = gateway.client();
    for _ in 0..3 {
        client.get_text("web.internal", "/").await.expect("served");
    }
    // A request counts once it has ended, which is a little after its last byte came.
    let counted = async {
        loop {
            let list = gateway.api.traffic().await.expect("told").value;
            let web = list.services.get("web").copied().unwrap_or_default();
            if (web.requests, web.in_flight) == (3, 0) {
                return list;
            }
            tokio::task::yield_now().await;
        }
    };
    let list = tokio::time::timeout(PATIENCE, counted).await.expect("three requests");
    let web = list.services["web"];
    assert!(web.sent_bytes > 0 && web.errors == 0, "{web:?}");
    assert!(list.total.requests >= 3 && list.uptime_ms > 0, "{:?}", list.total);
    let routes = gateway.api.routes().await.expect("listed").value.routes;
    let of = |host: &str| routes.iter().find(|route| route.domain == host).expect(host).traffic;
    assert_eq!((of("web.internal"), of("other.internal").sent_bytes), (web, 0));
    let first = gateway.api.traffic().await.expect("told").value;
    assert!(first.uptime_ms >= list.uptime_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exposed_is_read_by_prometheus() {
    let reader = ["-c", "import prometheus_client.openmetrics.parser"];
    let installed = Command::new("python3").args(reader).output().await;
    if !installed.is_ok_and(|output| output.status.success()) {
        conduit_tests::skipped("metrics read by prometheus_client: python3 has no such package");
        return;
    }
    let text = busy().await;
    let mut reading = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("metrics_text.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut stdin = reading.stdin.take().expect("piped");
    stdin.write_all(text.as_bytes()).await.expect("written");
    drop(stdin);
    let output = reading.wait_with_output().await.expect("it ran");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
}

/// The metrics of a gateway that has everything on and has served everything.
async fn busy() -> String {
    let directory = tempfile::tempdir().expect("directory");
    let gateway = Gateway::start_with(&format!(
        "[[dns.forward]]\ndomains = [\"corp.example\"]\nto = [\"127.0.0.1:1\"]\n\
         [[dns.lists]]\nname = \"ads\"\nlines = [\"ads.example\"]\n\
         [access_log]\noutput = {:?}\n[telemetry]\notlp = \"http://127.0.0.1:1\"",
        directory.path().join("access.log").display().to_string()
    ))
    .await;
    let (upstream, stream, port) = (Upstream::start("web").await, echo().await, free_port());
    gateway.register("web", &[&upstream.host()]).await.expect("registered");
    gateway.register_with("db", &[&stream], through(port, |_| {})).await.expect("registered");
    let (status, _) = gateway.client().get_text("web.internal", "/").await.expect("answered");
    assert_eq!(status, http::StatusCode::OK);
    assert_eq!(asked(&mut dial(port).await, "hello").await, "hello");
    assert!(resolver::addresses(gateway.dns, "web.internal").await.is_some());
    gateway.api.metrics().await.expect("metrics")
}

/// One metric, as documented.
struct Row {
    kind: String,
    labels: BTreeSet<String>,
}

/// What `docs/metrics.md` says; a table without a column for labels is about metrics without any.
fn is_of_monitor(name: &str) -> bool {
    ["conduit_node_", "conduit_monitor_", "conduit_gpu_", "conduit_vram_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn documented() -> BTreeMap<String, Row> {
    let mut all = BTreeMap::new();
    let mut has_labels = false;
    for row in include_str!("../../docs/metrics.md").lines() {
        if row.starts_with("| metric |") {
            has_labels = row.contains("| labels |");
        }
        let Some(cells) = row.strip_prefix("| `") else { continue };
        let Some((name, rest)) = cells.split_once("` | ") else { continue };
        let (kind, rest) = rest.split_once(" |").expect("a type");
        let labels = rest.split(" | ").next().filter(|_| has_labels).unwrap_or_default();
        let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let row = Row { kind: kind.to_owned(), labels };
        assert!(all.insert(name.to_owned(), row).is_none(), "{name} is there twice");
    }
    all
}

/// What needs more than one good request, and whose labels are not looked at therefore.
const RARE: &[&str] = &["conduit_proxy_tcp_failed_total"];
