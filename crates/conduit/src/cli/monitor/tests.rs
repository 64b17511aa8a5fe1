//! The README's text, exactly; the seeds' record; and what is told of what could not be read.

use conduit_api::v1::alerts::Alert;
use conduit_api::v1::nodes::{
    Amount, Container, Containers, FileSystem, Gpu, GpuProcess, Gpus, Host, NodeOrigin, NodeSource,
    NodeState, Unit, VramHolder,
};
use serde_json::{Value, json};

use super::*;

const README: &str = "\
SERVER: 10.0.1.20 (gpu-server)
  GPU 0: NVIDIA H200  |  Util: 87%  |  Mem: 72.1/141.1 GB  |  Temp: 62°C
  GPU 1: NVIDIA H200  |  Util: 43%  |  Mem: 31.4/141.1 GB  |  Temp: 58°C
  CPU:   24/48 cores   |  Load: 12.3
  Memory: 189.2 / 256.0 GB (74%)
  Disk:   1.2 / 3.8 TB (32%)

SERVER: 10.0.1.10 (app-server)
  CPU:   8/16 cores    |  Load: 2.1
  Memory: 12.4 / 32.0 GB (39%)
  Disk:   45.2 / 500.0 GB (9%)
";

const README_CONTAINERS: &str = "\
CONTAINER          STATUS     CPU    MEM       UPTIME
qp-hub             running    2.3%   384 MB    4d 12h
qp-core            running    8.7%   1.2 GB    4d 12h
qp-postgres        running    1.1%   256 MB    4d 12h
qp-redis           running    0.2%    48 MB    4d 12h
qp-ollama          running   45.2%   68.3 GB   4d 12h
qp-caddy           running    0.4%    32 MB    4d 12h
";

fn gib(amount: f64) -> u64 {
    (amount * 1_073_741_824.0) as u64
}

fn gpu(index: u32, utilization: f64, used: f64, celsius: f64) -> Gpu {
    Gpu {
        index,
        vendor: "nvidia".into(),
        name: "NVIDIA H200".into(),
        utilization: Some(utilization),
        memory_used_bytes: Some(gib(used)),
        memory_total_bytes: Some(gib(141.1)),
        temperature: Some(celsius),
        ..Gpu::default()
    }
}

fn host(cores: u32, load: f64, memory: (f64, f64), disk: (u64, u64)) -> Host {
    let disk = FileSystem { used_bytes: disk.0, total_bytes: disk.1, ..FileSystem::default() };
    Host {
        cores,
        cpu: Some(0.5),
        load: Some([load, 0.0, 0.0]),
        memory: Amount { used_bytes: gib(memory.0), total_bytes: gib(memory.1) },
        file_systems: vec![disk],
        ..Host::default()
    }
}

fn node(name: &str, address: Option<&str>, host: Option<Host>) -> Node {
    Node {
        name: name.into(),
        address: address.map(str::to_owned),
        origin: NodeOrigin::Configured,
        state: NodeState::Up,
        tags: Vec::new(),
        sources: vec![source(None)],
        host,
        gpus: None,
        containers: None,
        vram: Vec::new(),
    }
}

fn source(error: Option<&str>) -> NodeSource {
    NodeSource {
        kind: "ssh".into(),
        read_at: None,
        age_seconds: Some(12.0),
        error: error.map(str::to_owned),
        absent: false,
        problems: Vec::new(),
    }
}

fn site() -> NodeList {
    let tb = 1_000_000_000_000;
    let gpus = vec![gpu(0, 0.87, 72.1, 62.0), gpu(1, 0.43, 31.4, 58.0)];
    let disk = (12 * tb / 10, 38 * tb / 10);
    NodeList {
        at: "2026-04-04T12:00:00Z".into(),
        interval_seconds: 30.0,
        nodes: vec![
            Node {
                gpus: Some(Gpus { driver: None, gpus }),
                ..node("gpu-server", Some("10.0.1.20"), Some(host(48, 12.3, (189.2, 256.0), disk)))
            },
            node(
                "app-server",
                Some("10.0.1.10"),
                Some(host(16, 2.1, (12.4, 32.0), (45_200_000_000, 500_000_000_000))),
            ),
        ],
        engines: Vec::new(),
        alerts: Vec::new(),
    }
}

fn container(name: &str, percent: f64, bytes: u64) -> Container {
    Container {
        name: name.into(),
        state: "running".into(),
        health: Some("healthy".into()),
        cpu: Some(percent / 100.0),
        memory_bytes: Some(bytes),
        uptime_seconds: Some(4 * 86_400 + 12 * 3_600 + 59),
        ..Container::default()
    }
}

fn containers() -> Containers {
    let containers = vec![
        container("qp-hub", 2.3, 384 << 20),
        container("qp-core", 8.7, gib(1.2)),
        container("qp-postgres", 1.1, 256 << 20),
        container("qp-redis", 0.2, 48 << 20),
        container("qp-ollama", 45.2, gib(68.3)),
        container("qp-caddy", 0.4, 32 << 20),
    ];
    Containers { engine: "Docker 24".into(), containers, left_out: 0 }
}

fn parts(args: &MonitorArgs) -> Parts {
    Parts::of(args)
}

fn shown(list: &NodeList, args: &MonitorArgs) -> String {
    page(list, parts(args), Paint(false))
}

#[test]
fn machines_look_as_in_the_readme() {
    assert_eq!(shown(&site(), &MonitorArgs::default()), README);
    let args = MonitorArgs { server: Some(String::new()), ..MonitorArgs::default() };
    assert_eq!(shown(&site(), &args), README);
}

#[test]
fn containers_look_as_in_the_readme() {
    let mut list = site();
    list.nodes[0].containers = Some(containers());
    let args = MonitorArgs { containers: true, ..MonitorArgs::default() };
    assert_eq!(shown(&list, &args), README_CONTAINERS);
    list.nodes[1].containers = Some(containers());
    let both = shown(&list, &args);
    assert!(both.starts_with("SERVER: 10.0.1.20 (gpu-server)\nCONTAINER "), "{both}");
    assert!(both.contains("\n\nSERVER: 10.0.1.10 (app-server)\nCONTAINER "), "{both}");
}

#[test]
fn a_container_that_is_not_well_is_told_so() {
    let mut found = Containers { left_out: 3, ..Containers::default() };
    let sick = Container { health: Some("unhealthy".into()), ..container("a", 250.0, 1 << 40) };
    let gone =
        Container { state: "exited".into(), ..container("a-very-long-container-name", 1.0, 1) };
    let new = Container { cpu: None, memory_bytes: None, ..container("new", 0.0, 0) };
    found.containers = vec![sick, gone, new];
    assert_eq!(
        container_lines::table(&found),
        "CONTAINER                   STATUS     CPU     MEM       UPTIME\n\
         a                           unhealthy 250.0%   1.0 TB    4d 12h\n\
         a-very-long-container-name  exited         –        –    –\n\
         new                         running        –        –    4d 12h\n\
         and 3 more\n"
    );
}

#[test]
fn what_could_not_be_read_is_told_with_its_age() {
    let unpinned = "not pinned; run `conduit monitor add 10.0.1.20 --accept-fingerprint SHA256:x`";
    let mut list = site();
    list.nodes = vec![
        Node {
            sources: vec![NodeSource { age_seconds: None, ..source(Some(unpinned)) }],
            ..node("gpu-server", Some("10.0.1.20"), None)
        },
        Node {
            sources: vec![NodeSource { age_seconds: Some(312.0), ..source(Some("no answer")) }],
            ..node("app-server", Some("app-server"), None)
        },
        Node {
            sources: vec![NodeSource {
                age_seconds: Some(100.0),
                problems: vec!["nvidia-smi did not answer within 8 s".into()],
                ..source(None)
            }],
            host: Some(Host {
                cores: 4,
                units: vec![Unit { name: "docker.service".into(), state: "failed".into() }],
                ..Host::default()
            }),
            ..node("here", None, None)
        },
        node("new", Some("10.0.1.30"), None),
    ];
    assert_eq!(
        shown(&list, &MonitorArgs::default()),
        format!(
            "SERVER: 10.0.1.20 (gpu-server)\n  gpu-server: {unpinned}\n\n\
             SERVER: app-server\n  app-server: no answer (last reading 5m 12s ago)\n\n\
             SERVER: localhost (here)\n  CPU:   –/4 cores     |  Load: –\n  Memory: –\n  \
             Disk:   –\n  Unit:   docker.service is failed\n  \
             here: the last reading of ssh is 1m 40s old\n  \
             here: nvidia-smi did not answer within 8 s\n\n\
             SERVER: 10.0.1.30 (new)\n  new: not read yet\n"
        )
    );
}

#[test]
fn who_holds_the_memory_is_told_by_service() {
    let mut list = site();
    let holder = |service: Option<&str>, program: Option<&str>, bytes, processes| VramHolder {
        service: service.map(str::to_owned),
        container: None,
        program: program.map(str::to_owned),
        vram_bytes: bytes,
        processes,
        gpus: vec![0, 1],
    };
    list.nodes[0].vram =
        vec![holder(Some("vllm"), None, Some(gib(68.3)), 2), holder(None, Some("python"), None, 1)];
    if let Some(found) = &mut list.nodes[0].gpus {
        found.gpus[0].power = Some(310.4);
        found.gpus[0].power_limit = Some(700.0);
        found.gpus[0].throttle = Some(vec!["sw_power_cap".into()]);
        found.gpus[1] = Gpu { asleep: true, ..found.gpus[1].clone() };
    }
    let args = MonitorArgs { gpu: true, ..MonitorArgs::default() };
    assert_eq!(
        shown(&list, &args),
        "SERVER: 10.0.1.20 (gpu-server)\n  \
         GPU 0: NVIDIA H200  |  Util: 87%  |  Mem: 72.1/141.1 GB  |  Temp: 62°C\n         \
         310 of 700 W  |  held back by sw_power_cap\n  \
         GPU 1: NVIDIA H200  |  asleep\n  VRAM held by\n    \
         vllm             68.3 GB  2 processes on GPU 0, 1\n    \
         program python         –  1 process on GPU 0, 1\n"
    );
    list.nodes.remove(0);
    assert_eq!(shown(&list, &args), "No GPU was found.\n");
}

#[test]
fn what_is_wrong_with_gpus_is_told_beside_them() {
    let mut list = site();
    list.nodes.truncate(1);
    let args = MonitorArgs { gpu: true, ..MonitorArgs::default() };
    if let Some(found) = &mut list.nodes[0].gpus {
        found.gpus.truncate(1);
        let name = String::new();
        found.gpus[0] = Gpu { lost: true, id: "GPU-8f".into(), name, ..Gpu::default() };
    }
    list.nodes[0].sources[0].problems = vec!["GPU 00000000:1B:00.0 fell off the bus: …".into()];
    assert_eq!(
        shown(&list, &args),
        "SERVER: 10.0.1.20 (gpu-server)\n  GPU 0: GPU-8f  |  lost: it fell off the bus\n  \
         gpu-server: GPU 00000000:1B:00.0 fell off the bus: …\n"
    );
    list.nodes[0].gpus = None;
    let page = shown(&list, &args);
    assert!(page.contains("gpu-server: GPU 0") && page.contains("No GPU was found"), "{page}");
}

#[test]
fn alerts_stand_at_the_end() {
    let mut list = site();
    list.nodes.truncate(1);
    list.alerts = vec![Alert {
        rule: "gpu-hot".into(),
        severity: "critical".into(),
        node: "gpu-server".into(),
        metric: "gpu_temperature".into(),
        subject: Some("0".into()),
        value: 92.0,
        threshold: 85.0,
        unit: "celsius".into(),
        message: "GPU 0 of gpu-server is at 92 °C (limit 85 °C) for 1 min".into(),
        raised_at: "2026-04-04T11:59:00Z".into(),
        silenced: true,
    }];
    let page = shown(&list, &MonitorArgs::default());
    let end = "\n\nALERTS\ncritical  gpu-hot  GPU 0 of gpu-server is at 92 °C (limit 85 °C) for 1 \
               min, since 2026-04-04T11:59:00Z (silenced)\n";
    assert!(page.ends_with(end), "{page}");
}

#[test]
fn records_have_the_seeds_shape() {
    let mut list = site();
    list.nodes.truncate(1);
    list.nodes[0].name = "gpu-server-01".into();
    list.nodes[0].containers = Some(containers());
    let process = GpuProcess {
        pid: 12_345,
        name: "vllm".into(),
        vram_bytes: Some(36_000 << 20),
        ..GpuProcess::default()
    };
    let seeds = Gpu {
        temperature: Some(72.0),
        memory_used_bytes: Some(38_400 << 20),
        memory_total_bytes: Some(81_920 << 20),
        utilization: Some(0.94),
        processes: vec![process],
        ..gpu(0, 0.0, 0.0, 0.0)
    };
    list.nodes[0].gpus = Some(Gpus { driver: None, gpus: vec![seeds] });
    let args = MonitorArgs { json: true, ..MonitorArgs::default() };
    let text = records::lines(&list, parts(&args));
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<&str> = records.iter().filter_map(|record| record["type"].as_str()).collect();
    assert_eq!(kinds[..3], ["server", "gpu", "container"]);
    assert_eq!(kinds.len(), 8);
    for record in &records {
        assert_eq!(record["timestamp"], "2026-04-04T12:00:00Z");
        assert_eq!(record["target"], "gpu-server-01");
    }
    let metrics = &records[1]["metrics"];
    for (key, value) in [
        ("temperature_c", json!(72)),
        ("vram_used_mb", json!(38_400)),
        ("vram_total_mb", json!(81_920)),
        ("utilization_pct", json!(94)),
        ("power_w", Value::Null),
    ] {
        assert_eq!(metrics[key], value, "{key}");
    }
    assert_eq!(metrics["processes"][0]["pid"], 12_345);
    assert_eq!(metrics["processes"][0]["vram_mb"], 36_000);
    assert_eq!(records[0]["metrics"]["cpu_busy_cores"], 24.0);
    assert_eq!(records[2]["metrics"]["cpu_pct"], 2.3);
    let only = MonitorArgs { json: true, gpu: true, ..MonitorArgs::default() };
    assert_eq!(records::lines(&list, parts(&only)).lines().count(), 1);
}

#[test]
fn what_is_not_known_is_null_in_a_record() {
    let mut list = site();
    list.nodes = vec![node("new", None, None)];
    let args = MonitorArgs { json: true, ..MonitorArgs::default() };
    let text = records::lines(&list, parts(&args));
    let record: Value = serde_json::from_str(text.trim()).expect("JSON");
    assert_eq!(record["metrics"]["memory_total_mb"], Value::Null);
    assert_eq!(record["metrics"]["state"], "up");
}

/// The keys of the records that `docs/monitor.md` names, by type.
#[test]
fn the_documented_records_are_those_that_are_printed() {
    let mut list = site();
    list.nodes.truncate(1);
    list.nodes[0].containers = Some(containers());
    let args = MonitorArgs { json: true, ..MonitorArgs::default() };
    let documented = include_str!("../../../../../docs/monitor.md");
    for line in records::lines(&list, parts(&args)).lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let kind = record["type"].as_str().expect("a type");
        let row = documented.lines().find(|row| row.starts_with(&format!("| `{kind}` |")));
        let row = row.unwrap_or_else(|| panic!("{kind} is not documented"));
        for key in record["metrics"].as_object().expect("metrics").keys() {
            assert!(row.contains(&format!("`{key}")), "{kind}: {key} is not documented");
        }
    }
}
