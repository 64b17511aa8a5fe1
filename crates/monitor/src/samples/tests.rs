//! What is sampled, once, and what is not.

use conduit_core::name::ServiceName;

use super::*;
use crate::figures::{ContainerFigures, FileSystemFigures, UnitState, Usage};
use crate::reading::container::Container;
use crate::reading::engine::EngineReading;
use crate::reading::gpu::{GpuMemory, Throttle, Xid};
use crate::view::SourceState;

fn node(read_at: i64) -> NodeView {
    let source = |kind| SourceState {
        kind,
        read_at: Some(Timestamp::from_seconds(read_at)),
        error: None,
        is_absent: false,
        problems: Vec::new(),
    };
    NodeView {
        name: NodeName::parse("box").expect("a name"),
        address: None,
        tags: Vec::new(),
        sources: vec![source(SourceKind::Host), source(SourceKind::Gpu)],
        host: None,
        counters: None,
        gpus: None,
        containers: None,
    }
}

fn value(samples: &[Sample], metric: Metric, subject: Option<&str>) -> Option<f64> {
    let is_it = |sample: &&Sample| {
        sample.series.metric == metric && sample.series.subject.as_deref() == subject
    };
    samples.iter().find(is_it).map(|sample| sample.value)
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_000)
}

#[test]
fn a_host_gives_what_it_knows_and_nothing_else() {
    let mut view = node(1);
    let system = |place: &str, read_only| FileSystemFigures {
        mount_point: place.into(),
        usage: Usage { total: 100, used: 96 },
        read_only,
        ..FileSystemFigures::default()
    };
    let unit = |name: &str, active: &str| UnitState { name: name.into(), active: active.into() };
    view.host = Some(HostFigures {
        cores: 4,
        load: Some([1.0, 6.0, 3.0]),
        memory: Usage { total: 200, used: 50 },
        file_systems: vec![system("/", false), system("/snap/core", true)],
        units: vec![unit("a.service", "active"), unit("b.service", "failed")],
        clock_offset: Some(-3.5),
        ..HostFigures::default()
    });
    let samples = of(None, &view, now());
    assert_eq!(value(&samples, Metric::LoadPerCore, None), Some(1.5));
    assert_eq!(value(&samples, Metric::Memory, None), Some(0.25));
    assert_eq!(value(&samples, Metric::Cpu, None), None, "not known is no zero");
    assert_eq!(value(&samples, Metric::Swap, None), None);
    assert_eq!(value(&samples, Metric::Disk, Some("/")), Some(0.96));
    assert_eq!(value(&samples, Metric::Disk, Some("/snap/core")), None, "full by design");
    assert_eq!(value(&samples, Metric::UnitDown, Some("a.service")), Some(0.0));
    assert_eq!(value(&samples, Metric::UnitDown, Some("b.service")), Some(1.0));
    assert_eq!(value(&samples, Metric::ClockOffset, None), Some(3.5));
}

#[test]
fn a_part_is_sampled_once_for_each_reading_of_its_source() {
    let mut before = node(1);
    before.host = Some(HostFigures { oom_kills: Some(1), ..HostFigures::default() });
    let mut after = before.clone();
    after.sources[1].read_at = Some(Timestamp::from_seconds(31));
    let samples = of(Some(&before), &after, now());
    assert_eq!(value(&samples, Metric::OomKills, None), None, "only the GPUs were read");
    assert_eq!(value(&samples, Metric::SourceLost, Some("gpu")), Some(0.0));
    assert_eq!(value(&samples, Metric::SourceLost, Some("host")), None);
    after.sources[0].read_at = Some(Timestamp::from_seconds(31));
    let samples = of(Some(&before), &after, now());
    assert_eq!(value(&samples, Metric::OomKills, None), Some(1.0));
    after.sources[0].error = Some("no answer".into());
    let samples = of(Some(&after.clone()), &after, now());
    assert_eq!(value(&samples, Metric::SourceLost, Some("host")), Some(1.0), "each time");
}

#[test]
fn gpus_tell_of_memory_heat_links_and_codes_that_mean_trouble() {
    let gpu = |code, count, width, generation, utilization| Gpu {
        index: 3,
        id: "GPU-x".into(),
        memory: Some(GpuMemory { total: 10, used: 9, reserved: None }),
        throttle: Some(Throttle { reasons: vec!["hw_thermal_slowdown"], ..Throttle::default() }),
        pcie: Some(Pcie {
            width: Some(width),
            width_max: Some(16),
            generation: Some(generation),
            generation_max: Some(5),
            ..Pcie::default()
        }),
        xid: Some(Xid { code, count }),
        utilization: Some(utilization),
        ..Gpu::default()
    };
    let view = |read_at, gpu: Gpu| {
        let mut view = node(read_at);
        view.gpus = Some(GpusReading { gpus: vec![gpu], ..GpusReading::default() });
        view
    };
    let first = view(1, gpu(79, 1, 16, 1, 0.0));
    let samples = of(None, &first, now());
    assert_eq!(value(&samples, Metric::GpuXid, Some("3")), None, "old news");
    assert_eq!(value(&samples, Metric::GpuMemory, Some("3")), Some(0.9));
    assert_eq!(value(&samples, Metric::GpuThermal, Some("3")), Some(1.0));
    assert_eq!(value(&samples, Metric::GpuLink, Some("3")), Some(0.0), "it idles");
    assert_eq!(value(&samples, Metric::GpuPresent, Some("GPU-x")), Some(1.0));
    let lost = Gpu { lost: true, ..gpu(79, 2, 16, 1, 0.0) };
    let samples = of(Some(&first), &view(2, lost), now());
    assert_eq!(value(&samples, Metric::GpuPresent, Some("GPU-x")), None, "it fell off the bus");
    for (code, count, expected) in [(79, 3, 2.0), (31, 9, 0.0), (13, 2, 0.0), (48, 1, 0.0)] {
        let samples = of(Some(&first), &view(2, gpu(code, count, 16, 1, 0.0)), now());
        assert_eq!(value(&samples, Metric::GpuXid, Some("3")), Some(expected), "{code}");
    }
    for (width, generation, share, expected) in
        [(4, 5, 0.0, 1.0), (16, 3, 0.9, 1.0), (16, 3, 0.05, 0.0), (16, 5, 0.9, 0.0)]
    {
        let samples = of(None, &view(2, gpu(31, 0, width, generation, share)), now());
        assert_eq!(value(&samples, Metric::GpuLink, Some("3")), Some(expected));
    }
}

#[test]
fn containers_that_start_are_neither_well_nor_unwell() {
    let container = |name: &str, health| ContainerFigures {
        container: Container {
            name: name.into(),
            state: "running".into(),
            health,
            restarts: Some(4),
            ..Container::default()
        },
        cpu: None,
        service: None,
    };
    let mut view = node(1);
    view.sources[0].kind = SourceKind::Ssh;
    view.containers = Some(ContainersView {
        engine: String::new(),
        containers: vec![
            container("a", Some(ContainerHealth::Unhealthy)),
            container("b", Some(ContainerHealth::Starting)),
            container("c", None),
        ],
        left_out: 0,
    });
    let samples = of(None, &view, now());
    assert_eq!(value(&samples, Metric::ContainerUnhealthy, Some("a")), Some(1.0));
    assert_eq!(value(&samples, Metric::ContainerUnhealthy, Some("b")), None);
    assert_eq!(value(&samples, Metric::ContainerUnhealthy, Some("c")), None);
    assert_eq!(value(&samples, Metric::ContainerRestarts, Some("c")), Some(4.0));
}

#[test]
fn engines_tell_what_they_count_and_no_more() {
    let engine = EngineReading {
        service: ServiceName::parse("llm").expect("a service"),
        upstream: conduit_core::upstream::UpstreamAddr::parse("10.0.0.1:8000").expect("an address"),
        preset: "vllm",
        running: Some(2.0),
        waiting: None,
        cache_used: None,
        prompt_tokens: None,
        generated_tokens: Some(300.0),
        models: Vec::new(),
        problem: None,
    };
    let name = NodeName::parse("box").expect("a name");
    let told = |generated_rate| {
        let figures = EngineFigures { engine: engine.clone(), prompt_rate: None, generated_rate };
        of_engines(&name, &[figures], now())
    };
    let samples = told(Some(20.0));
    assert_eq!(value(&samples, Metric::EngineTokens, Some("llm 10.0.0.1:8000")), Some(20.0));
    assert_eq!(told(None).len(), 1, "only the requests at work");
}
