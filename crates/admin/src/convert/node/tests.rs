//! Who holds memory, what state a node is in, and which wishes are legal.

use conduit_monitor::figures::ContainerFigures;
use conduit_monitor::reading::container::Container;
use conduit_monitor::reading::gpu::{Gpu, GpuProcess, GpusReading};
use conduit_monitor::view::ContainersView;

use super::*;

fn process(pid: u32, name: &str, memory: Option<u64>, container: Option<&str>) -> GpuProcess {
    let container = container.map(str::to_owned);
    GpuProcess { pid, name: name.into(), memory, container }
}

fn container(id: &str, name: &str, service: Option<&str>) -> ContainerFigures {
    let container = Container {
        id: id.into(),
        name: name.into(),
        image: String::new(),
        state: "running".into(),
        health: None,
        restarts: None,
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
    ContainerFigures { container, cpu: None, service: service.map(str::to_owned) }
}

#[test]
fn memory_is_held_by_services_then_containers_then_programs() {
    let gpu = |index, processes| Gpu { index, processes, ..Gpu::default() };
    let found = GpusReading {
        gpus: vec![
            gpu(0, vec![process(1, "python", Some(10), Some("a")), process(2, "x", None, None)]),
            gpu(
                1,
                vec![
                    process(3, "python", Some(30), Some("a")),
                    process(4, "ollama", Some(5), Some("b")),
                ],
            ),
        ],
        ..GpusReading::default()
    };
    let containers = ContainersView {
        engine: String::new(),
        containers: vec![
            container("a", "qp-vllm", Some("vllm")),
            container("b", "qp-ollama", None),
        ],
        left_out: 0,
    };
    let told: Vec<_> = holders(&found, Some(&containers))
        .into_iter()
        .map(|h| (h.service.or(h.container).or(h.program), h.vram_bytes, h.processes, h.gpus))
        .collect();
    let who = |name: &str| Some(name.to_owned());
    assert_eq!(
        told,
        [
            (who("vllm"), Some(40), 2, vec![0, 1]),
            (who("qp-ollama"), Some(5), 1, vec![1]),
            (who("x"), None, 1, vec![0]),
        ]
    );
    let mut long = found.clone();
    long.gpus[0].processes[0].container = Some("0123456789abcdef".into());
    let alone = holders(&long, None);
    let known: Vec<_> = alone.iter().map(|h| h.container.as_deref()).collect();
    assert_eq!(known, [Some("a"), Some("0123456789ab"), Some("b"), None], "no engine names them");
}

#[test]
fn a_node_is_up_while_it_is_read_in_time() {
    let now = Timestamp::from_seconds(1_000);
    let interval = Duration::from_secs(30);
    for (read, error, expected) in [
        (None, None, wire::NodeState::Waiting),
        (None, Some("refused"), wire::NodeState::Lost),
        (Some(990), None, wire::NodeState::Up),
        (Some(990), Some("refused"), wire::NodeState::Lost),
        (Some(900), None, wire::NodeState::Lost),
    ] {
        let source = SourceState {
            kind: SourceKind::Ssh,
            read_at: read.map(Timestamp::from_seconds),
            error: error.map(str::to_owned),
            is_absent: false,
            problems: Vec::new(),
        };
        let view = NodeView {
            name: NodeName::parse("n").expect("valid"),
            address: None,
            tags: Vec::new(),
            sources: vec![source],
            host: None,
            counters: None,
            gpus: None,
            containers: None,
        };
        assert_eq!(state(&view, now, interval), expected, "{read:?} {error:?}");
    }
}

#[test]
fn a_wish_is_named_after_its_host_and_refused_with_its_mend() {
    let wish = |destination: &str, name: Option<&str>| wire::AddNode {
        destination: destination.into(),
        name: name.map(str::to_owned),
        ..wire::AddNode::default()
    };
    let now = Timestamp::from_seconds(0);
    let node = wanted(wish("ssh://ops@10.0.1.20:2222", None), now).expect("legal");
    assert_eq!((node.name.as_str(), node.destination.port()), ("10.0.1.20", 2222));
    for (destination, name, code) in [
        ("-oProxyCommand=x", None, "invalid_destination"),
        ("host", Some("a b"), "invalid_node_name"),
        ("host", Some("events"), "invalid_node_name"),
    ] {
        assert_eq!(wanted(wish(destination, name), now).expect_err(code).code(), code);
    }
}
