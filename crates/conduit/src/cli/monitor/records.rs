//! The seeds' record, one on each line: `timestamp, target, type, metrics`.
//!
//! **Invariant:** what is not known is `null`, never zero.

use conduit_api::v1::nodes::{Container, Gpu, Host, Node, NodeList};
use serde::Serialize;
use serde_json::{Value, json};

use super::Parts;
use super::amounts::mebibytes;
use super::server_lines::disks;

/// Every record that was asked for, in the order of the nodes.
pub(super) fn lines(list: &NodeList, parts: Parts) -> String {
    let mut records: Vec<Record<'_>> = Vec::new();
    for node in &list.nodes {
        let record =
            |kind, metrics| Record { timestamp: &list.at, target: &node.name, kind, metrics };
        if parts.servers {
            records.push(record("server", server(node)));
        }
        if parts.gpus {
            let gpus = node.gpus.iter().flat_map(|found| &found.gpus);
            records.extend(gpus.map(|each| record("gpu", gpu(each))));
        }
        if parts.containers {
            let containers = node.containers.iter().flat_map(|found| &found.containers);
            records.extend(containers.map(|each| record("container", container(each))));
        }
    }
    // Invariant: texts and numbers always serialize.
    let line = |record: &Record<'_>| serde_json::to_string(record).unwrap_or_default();
    records.iter().map(|record| format!("{}\n", line(record))).collect()
}

#[derive(Debug, Serialize)]
struct Record<'a> {
    timestamp: &'a str,
    target: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    metrics: Value,
}

fn gpu(gpu: &Gpu) -> Value {
    let processes: Vec<Value> = gpu
        .processes
        .iter()
        .map(|process| {
            json!({
                "pid": process.pid,
                "name": process.name,
                "vram_mb": process.vram_bytes.map(mebibytes),
                "container": process.container,
                "service": process.service,
            })
        })
        .collect();
    json!({
        "index": gpu.index,
        "lost": gpu.lost,
        "name": gpu.name,
        "temperature_c": gpu.temperature.map(whole),
        "vram_used_mb": gpu.memory_used_bytes.map(mebibytes),
        "vram_total_mb": gpu.memory_total_bytes.map(mebibytes),
        "utilization_pct": gpu.utilization.map(|share| whole(share * 100.0)),
        "power_w": gpu.power.map(whole),
        "processes": processes,
    })
}

fn server(node: &Node) -> Value {
    let host = node.host.as_ref();
    let problems = node.sources.iter().flat_map(|source| {
        let error = source.error.iter().filter(|_| !source.absent);
        error.chain(&source.problems)
    });
    let of = |take: fn(&Host) -> Value| host.map_or(Value::Null, take);
    json!({
        "state": node.state,
        "hostname": of(|host| json!(host.hostname)),
        "uptime_seconds": of(|host| json!(host.uptime_seconds.map(whole))),
        "cpu_cores": of(|host| json!(host.cores)),
        "cpu_busy_cores": of(|host| json!(host.cpu.map(|cpu| tenth(cpu * f64::from(host.cores))))),
        "cpu_pct": of(|host| json!(host.cpu.map(|cpu| tenth(cpu * 100.0)))),
        "load_1m": of(|host| json!(host.load.map(|load| load[0]))),
        "load_5m": of(|host| json!(host.load.map(|load| load[1]))),
        "load_15m": of(|host| json!(host.load.map(|load| load[2]))),
        "memory_used_mb": of(|host| json!(mebibytes(host.memory.used_bytes))),
        "memory_total_mb": of(|host| json!(mebibytes(host.memory.total_bytes))),
        "swap_used_mb": of(|host| json!(mebibytes(host.swap.used_bytes))),
        "swap_total_mb": of(|host| json!(mebibytes(host.swap.total_bytes))),
        "disk_used_mb": of(|host| json!(mebibytes(disks(host).0))),
        "disk_total_mb": of(|host| json!(mebibytes(disks(host).1))),
        "problems": problems.collect::<Vec<_>>(),
    })
}

fn container(container: &Container) -> Value {
    json!({
        "name": container.name,
        "image": container.image,
        "status": container.state,
        "health": container.health,
        "cpu_pct": container.cpu.map(|cores| tenth(cores * 100.0)),
        "memory_mb": container.memory_bytes.map(mebibytes),
        "memory_limit_mb": container.memory_limit_bytes.map(mebibytes),
        "restarts": container.restarts,
        "uptime_seconds": container.uptime_seconds,
        "service": container.service,
    })
}

/// Whole numbers are written without a fraction, as in the seeds.
fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
