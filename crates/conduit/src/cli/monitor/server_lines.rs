//! The block of one machine, in the README's form.

use conduit_api::v1::nodes::{Host, Node, NodeSource};

use super::amounts::{Counting, MISSING, used_of};
use super::gpu_lines;
use crate::cli::output::pad;
use crate::cli::status_lines::uptime;

/// Head, GPUs, processors, memory and disks, and what could not be read.
pub(super) fn block(node: &Node, interval_seconds: f64, with_gpus: bool) -> String {
    let mut text = head(node);
    if with_gpus {
        text.push_str(&gpu_lines::lines(node));
    }
    if let Some(host) = &node.host {
        text.push_str(&machine(host));
    }
    text.push_str(&remarks(node, interval_seconds));
    text
}

/// `SERVER: 10.0.1.20 (gpu-server)`.
pub(super) fn head(node: &Node) -> String {
    match node.address.as_deref() {
        Some(address) if address == node.name => format!("SERVER: {address}\n"),
        Some(address) => format!("SERVER: {address} ({})\n", node.name),
        None => format!("SERVER: localhost ({})\n", node.name),
    }
}

fn machine(host: &Host) -> String {
    let busy = host
        .cpu
        .map_or_else(|| MISSING.to_owned(), |cpu| format!("{:.0}", cpu * f64::from(host.cores)));
    let cores = pad(&format!("{busy}/{} cores", host.cores), CORES_COLUMNS);
    let load = host.load.map_or_else(|| MISSING.to_owned(), |load| format!("{:.1}", load[0]));
    let memory = used_of(host.memory.used_bytes, host.memory.total_bytes, Counting::Binary);
    let (used, total) = disks(host);
    let disk = used_of(used, total, Counting::Decimal);
    let mut text =
        format!("  CPU:   {cores}|  Load: {load}\n  Memory: {memory}\n  Disk:   {disk}\n");
    for unit in host.units.iter().filter(|unit| unit.state != "active") {
        text.push_str(&format!("  Unit:   {} is {}\n", unit.name, unit.state));
    }
    text
}

/// Used and all bytes of the file systems.
pub(super) fn disks(host: &Host) -> (u64, u64) {
    host.file_systems.iter().fold((0, 0), |(used, total), system| {
        (used.saturating_add(system.used_bytes), total.saturating_add(system.total_bytes))
    })
}

/// What could not be read, how old the rest is, and what was missing.
fn remarks(node: &Node, interval_seconds: f64) -> String {
    let mut text = String::new();
    let name = &node.name;
    if node.host.is_none() && node.sources.iter().all(|source| source.error.is_none()) {
        text.push_str(&format!("  {name}: not read yet\n"));
    }
    text + &remarks_on(node, interval_seconds, |_| true)
}

/// The same of the sources that tell of GPUs.
pub(super) fn remarks_on_gpus(node: &Node, interval_seconds: f64) -> String {
    remarks_on(node, interval_seconds, |kind| ["gpu", "ssh"].contains(&kind))
}

fn remarks_on(node: &Node, interval_seconds: f64, wanted: fn(&str) -> bool) -> String {
    let (mut text, name) = (String::new(), &node.name);
    let sources = node.sources.iter().filter(|source| !source.absent && wanted(&source.kind));
    for source in sources {
        let is_old = source.age_seconds.is_some_and(|age| age > interval_seconds * STALE_INTERVALS);
        match (&source.error, age(source)) {
            (Some(error), Some(age)) => {
                text.push_str(&format!("  {name}: {error} (last reading {age} ago)\n"));
            }
            (Some(error), None) => text.push_str(&format!("  {name}: {error}\n")),
            (None, Some(age)) if is_old => {
                let kind = &source.kind;
                text.push_str(&format!("  {name}: the last reading of {kind} is {age} old\n"));
            }
            _ => {}
        }
        for problem in &source.problems {
            text.push_str(&format!("  {name}: {problem}\n"));
        }
    }
    text
}

fn age(source: &NodeSource) -> Option<String> {
    // A whole number of seconds is all that is shown; what is older than time is as old as it gets.
    source.age_seconds.map(|seconds| uptime(seconds.max(0.0) as u64))
}

/// Busy and all cores stand in so many columns.
const CORES_COLUMNS: usize = 14;
/// Intervals after which the age of a reading is told.
const STALE_INTERVALS: f64 = 3.0;
