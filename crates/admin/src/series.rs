//! The monitor's own series for Prometheus, `conduit_*`: a pure function of what is known.
//!
//! **Invariant:** what is not known has no line. Labels are names of nodes, things and rules, so
//! their number is bounded by what is watched.

mod gpus;
mod nodes;
mod text;

use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_monitor::view::NodesView;

use self::text::Text;
use crate::monitor::Counts;

/// Everything of this moment, in the form of OpenMetrics, without its end.
pub(crate) fn series(
    view: &NodesView,
    counts: &Counts,
    now: Timestamp,
    interval: Duration,
) -> String {
    let mut text = Text::default();
    nodes::write(&mut text, view, now, interval);
    gpus::write(&mut text, view);
    engines(&mut text, view);
    own(&mut text, view, counts);
    text.finish()
}

fn engines(text: &mut Text, view: &NodesView) {
    for figures in view.engines.iter() {
        let engine = &figures.engine;
        let upstream = engine.upstream.to_string();
        let labels = [("service", engine.service.as_str()), ("upstream", upstream.as_str())];
        text.maybe("conduit_engine_requests_running", &labels, engine.running);
        text.maybe("conduit_engine_requests_waiting", &labels, engine.waiting);
        text.maybe("conduit_engine_cache_ratio", &labels, engine.cache_used);
        text.maybe("conduit_engine_prompt_tokens_total", &labels, engine.prompt_tokens);
        text.maybe("conduit_engine_generated_tokens_total", &labels, engine.generated_tokens);
        let is_up = if engine.problem.is_none() { 1.0 } else { 0.0 };
        text.value("conduit_engine_up", &labels, is_up);
    }
}

fn own(text: &mut Text, view: &NodesView, counts: &Counts) {
    let mut raised: std::collections::BTreeMap<(&str, &str), f64> = Default::default();
    for alert in view.alerts.iter() {
        *raised.entry((&alert.rule, alert.severity.as_str())).or_default() += 1.0;
    }
    for ((rule, severity), count) in raised {
        let labels = [("rule", rule), ("severity", severity)];
        text.value("conduit_alerts_raised", &labels, count);
    }
    for (node, kind, took) in &counts.reads {
        let labels = [("node", node.as_str()), ("source", kind.as_str())];
        text.value("conduit_node_source_read_seconds", &labels, took.as_secs_f64());
    }
    for channel in &counts.channels {
        let labels = [("channel", channel.name.as_str()), ("kind", channel.kind)];
        text.value("conduit_monitor_channel_sent_total", &labels, channel.sent as f64);
        text.value("conduit_monitor_channel_failures_total", &labels, channel.failures as f64);
        text.value("conduit_monitor_channel_waiting", &labels, channel.waiting as f64);
        text.value("conduit_monitor_channel_lost_total", &labels, channel.lost as f64);
    }
    text.value("conduit_monitor_history_series", &[], counts.series as f64);
    text.value("conduit_monitor_samples_lost_total", &[], counts.samples_lost as f64);
    text.value("conduit_monitor_history_bytes", &[], counts.history_bytes as f64);
}

/// Every series: name, type and meaning. `docs/monitor.md` and `packaging/grafana` are held to it.
pub(crate) const FAMILIES: &[(&str, &str, &str)] = &[
    ("conduit_node_up", "gauge", "Whether the node is read"),
    ("conduit_node_source_up", "gauge", "Whether the last read of a source gave something"),
    ("conduit_node_source_age_seconds", "gauge", "Since the last reading of a source"),
    ("conduit_node_source_read_seconds", "gauge", "How long the last read of a source took"),
    ("conduit_node_cpu_ratio", "gauge", "Busy share of all processors"),
    ("conduit_node_cores", "gauge", "Processors that are on line"),
    ("conduit_node_load5", "gauge", "Load average over 5 minutes"),
    ("conduit_node_memory_size_bytes", "gauge", "Memory"),
    ("conduit_node_memory_used_bytes", "gauge", "Memory that cannot be given to somebody else"),
    ("conduit_node_filesystem_size_bytes", "gauge", "Size of a file system"),
    ("conduit_node_filesystem_used_bytes", "gauge", "What of it is used"),
    ("conduit_node_unit_active", "gauge", "Whether a systemd unit is active"),
    ("conduit_node_containers", "gauge", "Containers by the engine's word for their state"),
    ("conduit_node_uptime_seconds", "gauge", "Since the node was started"),
    ("conduit_gpu_info", "gauge", "1, with what the GPU is"),
    ("conduit_gpu_utilization_ratio", "gauge", "Share of time in which a kernel ran"),
    ("conduit_gpu_temperature_celsius", "gauge", "Temperature of the core"),
    ("conduit_gpu_memory_size_bytes", "gauge", "Memory of a GPU"),
    ("conduit_gpu_memory_used_bytes", "gauge", "What of it is allocated"),
    ("conduit_gpu_power_watts", "gauge", "Power drawn"),
    ("conduit_gpu_throttled", "gauge", "1 for each reason that slows the GPU down now"),
    ("conduit_vram_held_bytes", "gauge", "Memory of GPUs by service, container or program"),
    ("conduit_engine_up", "gauge", "Whether the engine told something"),
    ("conduit_engine_requests_running", "gauge", "Requests that the engine works on"),
    ("conduit_engine_requests_waiting", "gauge", "Requests that wait in the engine"),
    ("conduit_engine_cache_ratio", "gauge", "Share of the engine's cache in use"),
    ("conduit_engine_prompt_tokens_total", "counter", "Tokens read since the engine started"),
    ("conduit_engine_generated_tokens_total", "counter", "Tokens written since the engine started"),
    ("conduit_alerts_raised", "gauge", "Alerts that are raised now"),
    ("conduit_monitor_channel_sent_total", "counter", "Messages of a channel that arrived"),
    ("conduit_monitor_channel_failures_total", "counter", "Tries of a channel that failed"),
    (
        "conduit_monitor_channel_waiting",
        "gauge",
        "Changes of alerts that a channel has still to tell",
    ),
    (
        "conduit_monitor_channel_lost_total",
        "counter",
        "Changes that a channel never told: more waited than there is room for",
    ),
    ("conduit_monitor_history_series", "gauge", "Series in the history"),
    (
        "conduit_monitor_samples_lost_total",
        "counter",
        "Samples that are not in the history: too much came at once, or there is no room",
    ),
    ("conduit_monitor_history_bytes", "gauge", "Bytes of the history on the disk"),
];

#[cfg(test)]
mod tests;
