//! Series of machines, their sources, units and containers.

use std::collections::BTreeMap;
use std::time::Duration;

use conduit_api::v1::nodes::NodeState;
use conduit_core::clock::Timestamp;
use conduit_monitor::figures::HostFigures;
use conduit_monitor::view::{NodeView, NodesView};

use super::text::Text;
use crate::convert::node::state;

pub(super) fn write(text: &mut Text, view: &NodesView, now: Timestamp, interval: Duration) {
    for node in view.nodes.values() {
        let name = node.name.as_str();
        let labels = [("node", name)];
        match state(node, now, interval) {
            NodeState::Up => text.value("conduit_node_up", &labels, 1.0),
            NodeState::Lost => text.value("conduit_node_up", &labels, 0.0),
            NodeState::Waiting => {}
        }
        sources(text, node, now);
        if let Some(host) = &node.host {
            machine(text, name, host);
        }
        containers(text, node);
    }
}

fn sources(text: &mut Text, node: &NodeView, now: Timestamp) {
    for source in node.sources.iter().filter(|source| !source.is_absent) {
        let labels = [("node", node.name.as_str()), ("source", source.kind.as_str())];
        let age = source.read_at.map(|at| now.since(at).as_secs_f64());
        text.maybe("conduit_node_source_age_seconds", &labels, age);
        match (&source.error, source.read_at) {
            (Some(_), _) => text.value("conduit_node_source_up", &labels, 0.0),
            (None, Some(_)) => text.value("conduit_node_source_up", &labels, 1.0),
            (None, None) => {}
        }
    }
}

fn machine(text: &mut Text, name: &str, host: &HostFigures) {
    let labels = [("node", name)];
    text.maybe("conduit_node_cpu_ratio", &labels, host.cpu);
    text.value("conduit_node_cores", &labels, f64::from(host.cores));
    text.maybe("conduit_node_load5", &labels, host.load.map(|[_, five, _]| five));
    text.maybe("conduit_node_uptime_seconds", &labels, host.uptime.map(|up| up.as_secs_f64()));
    text.value("conduit_node_memory_size_bytes", &labels, host.memory.total as f64);
    text.value("conduit_node_memory_used_bytes", &labels, host.memory.used as f64);
    for system in &host.file_systems {
        let labels = [("node", name), ("mount_point", system.mount_point.as_str())];
        text.value("conduit_node_filesystem_size_bytes", &labels, system.usage.total as f64);
        text.value("conduit_node_filesystem_used_bytes", &labels, system.usage.used as f64);
    }
    for unit in &host.units {
        let labels = [("node", name), ("unit", unit.name.as_str())];
        let is_active = if unit.active == "active" { 1.0 } else { 0.0 };
        text.value("conduit_node_unit_active", &labels, is_active);
    }
}

fn containers(text: &mut Text, node: &NodeView) {
    let Some(containers) = &node.containers else {
        return;
    };
    let mut states: BTreeMap<&str, f64> = BTreeMap::new();
    for figures in &containers.containers {
        *states.entry(figures.container.state.as_str()).or_default() += 1.0;
    }
    for (state, count) in states {
        let labels = [("node", node.name.as_str()), ("state", state)];
        text.value("conduit_node_containers", &labels, count);
    }
}
