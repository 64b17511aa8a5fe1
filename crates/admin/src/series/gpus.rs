//! Series of GPUs, and of who holds their memory.

use conduit_monitor::reading::gpu::Gpu;
use conduit_monitor::view::NodesView;

use super::text::Text;
use crate::convert::node::holders;

pub(super) fn write(text: &mut Text, view: &NodesView) {
    for node in view.nodes.values() {
        let Some(found) = &node.gpus else {
            continue;
        };
        let name = node.name.as_str();
        for gpu in &found.gpus {
            one(text, name, gpu);
        }
        for holder in holders(found, node.containers.as_ref()) {
            let (kind, who) = match (&holder.service, &holder.container, &holder.program) {
                (Some(service), ..) => ("service", service),
                (None, Some(container), _) => ("container", container),
                (None, None, Some(program)) => ("program", program),
                (None, None, None) => continue,
            };
            let labels = [("node", name), ("kind", kind), ("holder", who.as_str())];
            let bytes = holder.vram_bytes.map(|bytes| bytes as f64);
            text.maybe("conduit_vram_held_bytes", &labels, bytes);
        }
    }
}

fn one(text: &mut Text, node: &str, gpu: &Gpu) {
    let index = gpu.index.to_string();
    let labels = [("node", node), ("gpu", index.as_str())];
    let [a, b] = labels;
    let known = [a, b, ("name", gpu.name.as_str()), ("id", gpu.id.as_str())];
    text.value("conduit_gpu_info", &known, 1.0);
    text.maybe("conduit_gpu_utilization_ratio", &labels, gpu.utilization);
    text.maybe("conduit_gpu_temperature_celsius", &labels, gpu.temperature);
    let memory = gpu.memory;
    text.maybe("conduit_gpu_memory_size_bytes", &labels, memory.map(|m| m.total as f64));
    text.maybe("conduit_gpu_memory_used_bytes", &labels, memory.map(|m| m.used as f64));
    text.maybe("conduit_gpu_power_watts", &labels, gpu.power);
    for reason in gpu.throttle.iter().flat_map(|throttle| &throttle.reasons) {
        let [a, b] = labels;
        text.value("conduit_gpu_throttled", &[a, b, ("reason", reason)], 1.0);
    }
}
