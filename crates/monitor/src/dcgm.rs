//! The page of a node's GPUs in the words of NVIDIA's dcgm-exporter, so that dashboards made for it
//! work unchanged.
//!
//! **Invariant:** names, types, units and labels are dcgm-exporter's; a value that is not known has
//! no line, and no zero stands for it. Only NVIDIA's GPUs are on the page, and none that sleeps; of
//! one that is lost there is the error code that told so, and nothing else.

mod fields;
mod xid;

use std::fmt::Write;

use self::fields::{FIELDS, Kind};
use crate::reading::gpu::{Gpu, GpusReading, Vendor};

/// The page, in the Prometheus text form, for the host that calls itself `node_host_name`.
pub fn page(node_host_name: &str, reading: &GpusReading) -> String {
    let gpus: Vec<(&Gpu, String)> = reading
        .gpus
        .iter()
        .filter(|gpu| gpu.vendor == Vendor::Nvidia && !gpu.asleep)
        .map(|gpu| (gpu, labels(node_host_name, reading.driver.as_deref(), gpu)))
        .collect();
    let mut page = String::new();
    for field in FIELDS {
        let present = gpus.iter().filter(|(gpu, _)| !gpu.lost);
        let known = present.filter_map(|(gpu, labels)| Some(((field.value)(gpu)?, labels)));
        let mut known = known.peekable();
        if known.peek().is_none() {
            continue;
        }
        head(&mut page, field.name, field.kind, field.help);
        for (value, labels) in known {
            line(&mut page, field.name, labels, value);
        }
    }
    add_xids(&mut page, &gpus);
    page
}

/// The last error code as its value, and again in a label beside its meaning. None seen is 0, but
/// only of a GPU that is listened to and there.
fn add_xids(page: &mut String, gpus: &[(&Gpu, String)]) {
    let none = |gpu: &Gpu| (gpu.xid_is_watched && !gpu.lost).then_some(0);
    let code = |gpu: &Gpu| gpu.xid.map(|xid| xid.code).or_else(|| none(gpu));
    let mut known = gpus.iter().filter_map(|(gpu, labels)| Some((code(gpu)?, labels))).peekable();
    if known.peek().is_none() {
        return;
    }
    head(page, XID, Kind::Gauge, "The last XID, 0 when none was seen.");
    for (code, labels) in known {
        let meaning = xid::meaning(code);
        let labels = format!("{labels},err_code=\"{code}\",err_msg=\"{meaning}\"");
        line(page, XID, &labels, code as f64);
    }
}

fn head(page: &mut String, name: &str, kind: Kind, help: &str) {
    let kind = kind.as_str();
    // Writing to a string cannot fail.
    writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
}

fn line(page: &mut String, name: &str, labels: &str, value: f64) {
    writeln!(page, "{name}{{{labels}}} {value}").ok();
}

/// The labels in dcgm-exporter's order.
fn labels(host: &str, driver: Option<&str>, gpu: &Gpu) -> String {
    let mut labels = format!("gpu=\"{}\",UUID=\"{}\"", gpu.index, escaped(&gpu.id));
    let mut add = |name: &str, value: &str| {
        write!(labels, ",{name}=\"{}\"", escaped(value)).ok();
    };
    add("pci_bus_id", gpu.bus_id.as_deref().unwrap_or_default());
    add("device", &format!("nvidia{}", gpu.index));
    add("modelName", &gpu.name);
    add("Hostname", host);
    if let Some(driver) = driver {
        add("DCGM_FI_DRIVER_VERSION", driver);
    }
    labels
}

/// A label's value as the text form wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The name of the last error code.
const XID: &str = "DCGM_FI_DEV_XID_ERRORS";

#[cfg(test)]
mod tests;
