//! GPUs, in the README's form, and who holds their memory.

use conduit_api::v1::nodes::{Gpu, Node, VramHolder};

use super::amounts::{MISSING, memory, percent, used_of_gpu};
use super::server_lines::head;
use crate::cli::output::{counted, pad, width};

/// A line for each GPU of a node.
pub(super) fn lines(node: &Node) -> String {
    let all = node.gpus.iter().flat_map(|found| &found.gpus);
    all.map(line).collect()
}

/// The block of a node that has GPUs, or that something is wrong about them with: each with what
/// holds it back, then who holds the memory. `remarks`: also what could not be read.
pub(super) fn block(node: &Node, remarks: Option<String>) -> Option<String> {
    let remarks = remarks.unwrap_or_default();
    if !has_some(node) && remarks.is_empty() {
        return None;
    }
    let mut text = head(node);
    for gpu in node.gpus.iter().flat_map(|found| &found.gpus) {
        text.push_str(&line(gpu));
        text.push_str(&details(gpu));
    }
    text.push_str(&holders(&node.vram));
    Some(text + &remarks)
}

/// Whether a node has a GPU.
pub(super) fn has_some(node: &Node) -> bool {
    node.gpus.as_ref().is_some_and(|found| !found.gpus.is_empty())
}

/// `GPU 0: NVIDIA H200  |  Util: 87%  |  Mem: 72.1/141.1 GB  |  Temp: 62°C`.
fn line(gpu: &Gpu) -> String {
    let index = gpu.index;
    let name = if gpu.name.is_empty() { &gpu.id } else { &gpu.name };
    if gpu.lost {
        return format!("  GPU {index}: {name}  |  lost: it fell off the bus\n");
    }
    if gpu.asleep {
        return format!("  GPU {index}: {name}  |  asleep\n");
    }
    let used = percent(gpu.utilization);
    let memory = used_of_gpu(gpu.memory_used_bytes, gpu.memory_total_bytes);
    let warm =
        gpu.temperature.map_or_else(|| MISSING.to_owned(), |celsius| format!("{celsius:.0}°C"));
    format!("  GPU {index}: {name}  |  Util: {used}  |  Mem: {memory}  |  Temp: {warm}\n")
}

/// What is worth knowing beside the line, when there is something.
fn details(gpu: &Gpu) -> String {
    let mut parts: Vec<String> = Vec::new();
    match (gpu.power, gpu.power_limit) {
        (Some(drawn), Some(limit)) => parts.push(format!("{drawn:.0} of {limit:.0} W")),
        (Some(drawn), None) => parts.push(format!("{drawn:.0} W")),
        _ => {}
    }
    if let Some(reasons) = gpu.throttle.as_ref().filter(|reasons| !reasons.is_empty()) {
        parts.push(format!("held back by {}", reasons.join(", ")));
    }
    if let Some(errors) = gpu.ecc_uncorrected.filter(|errors| *errors > 0) {
        parts.push(counted(errors, "uncorrected memory error"));
    }
    if gpu.remap_failed == Some(true) {
        parts.push("a row of memory could not be replaced".to_owned());
    }
    if let Some(code) = gpu.xid {
        parts.push(format!("XID {code}"));
    }
    if parts.is_empty() { String::new() } else { format!("         {}\n", parts.join("  |  ")) }
}

/// One line for each holder, the largest first.
fn holders(holders: &[VramHolder]) -> String {
    if holders.is_empty() {
        return String::new();
    }
    let named: Vec<(String, &VramHolder)> =
        holders.iter().map(|holder| (who(holder), holder)).collect();
    let widest = named.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let mut text = "  VRAM held by\n".to_owned();
    for (name, holder) in named {
        let amount = memory(holder.vram_bytes);
        let gpus: Vec<String> = holder.gpus.iter().map(ToString::to_string).collect();
        let processes = if holder.processes == 1 {
            "1 process".to_owned()
        } else {
            format!("{} processes", holder.processes)
        };
        let line = format!(
            "    {}  {amount:>8}  {processes} on GPU {}",
            pad(&name, widest),
            gpus.join(", ")
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn who(holder: &VramHolder) -> String {
    match (&holder.service, &holder.container, &holder.program) {
        (Some(service), ..) => service.clone(),
        (None, Some(container), _) => format!("container {container}"),
        (None, None, Some(program)) => format!("program {program}"),
        (None, None, None) => MISSING.to_owned(),
    }
}
