//! What is written, and that the documents and dashboards name nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use conduit_core::node::NodeName;
use conduit_core::upstream::UpstreamAddr;
use conduit_monitor::engines::EngineFigures;
use conduit_monitor::figures::{
    ContainerFigures, FileSystemFigures, HostFigures, UnitState, Usage,
};
use conduit_monitor::reading::container::Container;
use conduit_monitor::reading::engine::EngineReading;
use conduit_monitor::reading::gpu::{Gpu, GpuMemory, GpuProcess, GpusReading, Throttle};
use conduit_monitor::source::SourceKind;
use conduit_monitor::view::{ContainersView, NodeView, SourceState};

use super::*;

const NOW: i64 = 1_000;

fn container() -> ContainerFigures {
    let container = Container {
        id: "a".repeat(64),
        name: "qp-vllm".into(),
        image: "vllm".into(),
        state: "running".into(),
        health: None,
        restarts: Some(0),
        started_at: None,
        counted_at: None,
        cpu: None,
        memory: None,
        memory_limit: None,
        pids: None,
        labels: Default::default(),
        addresses: Vec::new(),
        ports: Vec::new(),
    };
    ContainerFigures { container, cpu: None, service: Some("vllm".into()) }
}

fn gpu() -> Gpu {
    let process = GpuProcess {
        pid: 7,
        name: "python".into(),
        memory: Some(4 << 30),
        container: Some("a".repeat(64)),
    };
    Gpu {
        index: 0,
        id: "GPU-1".into(),
        name: "NVIDIA \"H200\"".into(),
        temperature: Some(62.0),
        memory: Some(GpuMemory { total: 8 << 30, used: 4 << 30, reserved: None }),
        utilization: Some(0.87),
        power: Some(300.5),
        throttle: Some(Throttle { reasons: vec!["sw_power_cap"], ..Throttle::default() }),
        processes: vec![process],
        ..Gpu::default()
    }
}

fn host() -> HostFigures {
    HostFigures {
        uptime: Some(Duration::from_secs(60)),
        cores: 48,
        cpu: Some(0.5),
        load: Some([1.0, 2.5, 3.0]),
        memory: Usage { total: 100, used: 40 },
        file_systems: vec![FileSystemFigures {
            mount_point: "/".into(),
            usage: Usage { total: 10, used: 5 },
            ..FileSystemFigures::default()
        }],
        units: vec![UnitState { name: "docker.service".into(), active: "failed".into() }],
        ..HostFigures::default()
    }
}

/// A view in which every series has something to say.
fn view() -> NodesView {
    let name = NodeName::parse("gpu-server").expect("valid");
    let source = |kind, error: Option<&str>| SourceState {
        kind,
        read_at: Some(Timestamp::from_seconds(NOW - 10)),
        error: error.map(str::to_owned),
        is_absent: false,
        problems: Vec::new(),
    };
    let node = NodeView {
        name: name.clone(),
        address: None,
        tags: Vec::new(),
        sources: vec![source(SourceKind::Host, None), source(SourceKind::Gpu, Some("hung"))],
        host: Some(host()),
        counters: None,
        gpus: Some(GpusReading { gpus: vec![gpu()], ..GpusReading::default() }),
        containers: Some(ContainersView {
            engine: "Podman".into(),
            containers: vec![container()],
            left_out: 0,
        }),
    };
    let engine = EngineReading {
        service: conduit_core::name::ServiceName::parse("vllm").expect("valid"),
        upstream: UpstreamAddr::parse("10.0.1.20:8000").expect("valid"),
        preset: "vllm",
        running: Some(3.0),
        waiting: Some(0.0),
        cache_used: Some(0.25),
        prompt_tokens: Some(100.0),
        generated_tokens: Some(200.0),
        models: Vec::new(),
        problem: None,
    };
    let alert = conduit_monitor::alert::Alert {
        rule: "gpu-hot".into(),
        series: conduit_monitor::metric::Series {
            node: name.clone(),
            metric: conduit_monitor::metric::Metric::GpuTemperature,
            subject: None,
        },
        severity: conduit_monitor::alert::Severity::Critical,
        value: 90.0,
        threshold: 85.0,
        message: String::new(),
        raised_at: Timestamp::from_seconds(NOW),
        is_silenced: false,
    };
    NodesView {
        nodes: [(name, Arc::new(node))].into_iter().collect(),
        engines: Arc::from([EngineFigures { engine, prompt_rate: None, generated_rate: None }]),
        alerts: Arc::from([alert.clone(), alert]),
    }
}

fn counts() -> Counts {
    let name = NodeName::parse("gpu-server").expect("valid");
    let reads = vec![(name, SourceKind::Host, Duration::from_millis(5))];
    let channel = crate::monitor::ChannelStatus {
        name: "mail".into(),
        kind: "smtp",
        place: "smtp://mail.example:587".into(),
        sent: 4,
        failures: 2,
        waiting: 1,
        lost: 0,
        last_error: None,
    };
    Counts { series: 12, samples_lost: 3, history_bytes: 4_096, reads, channels: vec![channel] }
}

fn written(view: &NodesView, counts: &Counts) -> String {
    series(view, counts, Timestamp::from_seconds(NOW), Duration::from_secs(30))
}

#[test]
fn every_declared_series_is_written() {
    let text = written(&view(), &counts());
    for (name, kind, _) in FAMILIES {
        let line = text
            .lines()
            .find(|line| line.split(['{', ' ']).next() == Some(*name) && !line.starts_with('#'));
        assert!(line.is_some(), "{name} is missing:\n{text}");
        let family = name.strip_suffix("_total").unwrap_or(name);
        assert!(text.contains(&format!("# TYPE {family} {kind}\n")), "{name}");
    }
    for line in [
        "conduit_node_up{node=\"gpu-server\"} 1",
        "conduit_node_source_up{node=\"gpu-server\",source=\"gpu\"} 0",
        "conduit_node_source_age_seconds{node=\"gpu-server\",source=\"host\"} 10",
        "conduit_node_load5{node=\"gpu-server\"} 2.5",
        "conduit_node_unit_active{node=\"gpu-server\",unit=\"docker.service\"} 0",
        "conduit_gpu_info{node=\"gpu-server\",gpu=\"0\",name=\"NVIDIA \\\"H200\\\"\",id=\"GPU-1\"} 1",
        "conduit_vram_held_bytes{node=\"gpu-server\",kind=\"service\",holder=\"vllm\"} 4294967296",
        "conduit_engine_generated_tokens_total{service=\"vllm\",upstream=\"10.0.1.20:8000\"} 200",
        "conduit_alerts_raised{rule=\"gpu-hot\",severity=\"critical\"} 2",
        "conduit_monitor_history_series 12",
        "conduit_monitor_samples_lost_total 3",
        "conduit_monitor_channel_sent_total{channel=\"mail\",kind=\"smtp\"} 4",
        "conduit_monitor_channel_waiting{channel=\"mail\",kind=\"smtp\"} 1",
    ] {
        assert!(text.lines().any(|written| written == line), "{line} is missing:\n{text}");
    }
}

#[test]
fn what_is_not_known_has_no_line() {
    let name = NodeName::parse("new").expect("valid");
    let node = NodeView {
        name: name.clone(),
        address: Some("10.0.1.30".into()),
        tags: Vec::new(),
        sources: Vec::new(),
        host: None,
        counters: None,
        gpus: Some(GpusReading {
            gpus: vec![Gpu { asleep: true, ..Gpu::default() }],
            ..GpusReading::default()
        }),
        containers: None,
    };
    let nodes = [(name, Arc::new(node))].into_iter().collect();
    let text = written(&NodesView { nodes, ..NodesView::default() }, &Counts::default());
    let names: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let known = [
        "conduit_gpu_info",
        "conduit_monitor_history_bytes",
        "conduit_monitor_history_series",
        "conduit_monitor_samples_lost_total",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), known);
}

/// The names of ours in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn dashboards_rules_and_documents_name_what_is_written() {
    let declared: BTreeSet<String> = FAMILIES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    for (file, text) in [
        ("nodes.json", include_str!("../../../../packaging/grafana/nodes.json")),
        ("gpus.json", include_str!("../../../../packaging/grafana/gpus.json")),
        ("rules.yml", include_str!("../../../../packaging/grafana/rules.yml")),
    ] {
        let used = named(text);
        let unknown: Vec<_> = used.difference(&declared).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}, which nobody writes");
        assert!(used.len() > 3, "{file} names next to nothing");
        if file.ends_with(".json") {
            let whole: serde_json::Value = serde_json::from_str(text).expect(file);
            assert!(whole["panels"].as_array().is_some_and(|panels| !panels.is_empty()));
        }
    }
    let documented = named(include_str!("../../../../docs/monitor.md"));
    assert_eq!(documented, declared, "docs/monitor.md (left) and what is written (right) differ");
}

const PREFIXES: [&str; 6] = [
    "conduit_node_",
    "conduit_gpu_",
    "conduit_vram_",
    "conduit_engine_",
    "conduit_alerts_",
    "conduit_monitor_",
];
